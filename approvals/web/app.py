"""The web application: pages for people, `/v1` for programs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.staticfiles import StaticFiles

from approvals.gate import api as gate
from approvals.gate.desk import Desk
from approvals.identity.directory import Directory
from approvals.identity.provider import Provider
from approvals.service import Service
from approvals.web import api, events, lists, live, pages, shell, sign_in, terminal
from approvals.web.limits import RateLimit
from approvals.web.problems import ApiError, problem
from approvals.web.security import Guard, Sessions

LOOPBACK_HOSTS = ("127.0.0.1", "localhost", "[::1]")
_STATIC = Path(__file__).parent / "static"


@dataclass(frozen=True, slots=True)
class WebSettings:
    """``secret`` signs sessions; ``hosts`` are the names under which the service may be asked for.

    ``provider`` is where people sign in; None for people.yaml alone. ``directory`` keeps the roster fresh; None where
    it never changes. ``limit`` is how often each caller may use the API; None for as often as they like.
    ``gate`` is what agents ask; None for no gate.
    """

    secret: bytes
    hosts: Iterable[str] = LOOPBACK_HOSTS
    provider: Provider | None = None
    directory: Directory | None = None
    limit: RateLimit | None = None
    gate: Desk | None = None


def create_app(service: Service, settings: WebSettings) -> FastAPI:
    """The application over ``service``; starting and stopping the service is the caller's."""
    # FastAPI's own documentation pages load scripts from a CDN, so they stay off.
    app = FastAPI(
        title="Sluicegate approvals",
        version="1",
        docs_url=None,
        redoc_url=None,
        openapi_url="/v1/openapi.json",
    )
    app.state.service = service
    app.state.directory = settings.directory
    app.state.provider = settings.provider
    app.state.sessions = _sessions(service, settings)
    app.state.limit = settings.limit
    app.include_router(api.router)
    app.include_router(terminal.router)
    app.include_router(events.router)
    if settings.gate is not None:
        app.state.gate = settings.gate
        app.include_router(gate.router)
        app.include_router(gate.redeeming)
    for page in (lists, live, pages, sign_in):
        app.include_router(page.router, include_in_schema=False)
    app.mount("/static", StaticFiles(directory=_STATIC), name="static")
    app.add_middleware(Guard, hosts=settings.hosts)

    @app.exception_handler(HTTPException)
    def failed(request: Request, error: HTTPException) -> Response:
        if request.url.path.startswith("/v1/"):
            return problem(error)
        if isinstance(error, shell.SignInAgain):
            return sign_in.again_page(request, error.to)
        return shell.error_page(request, error.status_code)

    @app.exception_handler(RequestValidationError)
    def invalid(request: Request, error: RequestValidationError) -> Response:
        # FastAPI's own answer repeats what was sent; this one names the fields only.
        fields = sorted({".".join(str(part) for part in e["loc"][1:]) for e in error.errors()})
        if request.url.path.startswith("/v1/"):
            return problem(ApiError(422, "invalid", f"missing or not valid: {', '.join(fields)}"))
        return shell.error_page(request, 422)

    @app.get("/healthz", include_in_schema=False)
    def healthz() -> JSONResponse:
        health = service.health
        ok = health.running and not health.problem
        return JSONResponse({"ok": ok, "problem": health.problem}, status_code=200 if ok else 503)

    return app


def _sessions(service: Service, settings: WebSettings) -> Sessions:
    store = service.store.identities
    if settings.provider is None:
        return Sessions(settings.secret, store, service.clock)
    identity = settings.provider.settings
    return Sessions(settings.secret, store, service.clock, seconds=identity.session_seconds, secure=identity.secure)
