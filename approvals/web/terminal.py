"""How a terminal signs in: it takes the device flow to the provider, and gets a session for the ID token it brings.

The session is kept on the server like those of the page, so whoever leaves loses it at once.
"""

from __future__ import annotations

import logging
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.security import HTTPAuthorizationCredentials
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from approvals.identity.claims import SignInRefused
from approvals.identity.directory import Directory
from approvals.identity.provider import Provider
from approvals.identity.store import SESSION_PREFIX
from approvals.web.callers import Asked, bearer
from approvals.web.limits import RateLimit
from approvals.web.problems import ApiError, TooMany
from approvals.web.sign_in import provider_of

router = APIRouter(prefix="/v1", tags=["sign-in"])
_log = logging.getLogger("sluicegate.identity")


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class DeviceOut(_Model):
    """What a terminal needs for the device flow (RFC 8628). ``max_age`` (s) and ``acr_values`` are for a step-up."""

    issuer: str
    client_id: str
    scope: str
    device_authorization_endpoint: str
    token_endpoint: str
    max_age: int
    acr_values: list[str]


class IdTokenIn(_Model):
    """An ID token from the device flow."""

    id_token: Annotated[str, Field(min_length=1, max_length=16_384)]


class SessionOut(_Model):
    """A session for a terminal; ``expires`` in ms since the epoch."""

    token: str
    expires: int
    person: str
    name: str


@router.get("/sign-in")
def get_sign_in(request: Request) -> DeviceOut:
    """How to sign in from a terminal."""
    provider = _provider(request)
    settings = provider.settings
    try:
        known = provider.device()
    except SignInRefused as refused:
        raise _refusal(refused) from None
    return DeviceOut(**known, max_age=settings.step_up.max_age, acr_values=list(settings.step_up.acr_values))


@router.post("/session")
def post_session(brought: IdTokenIn, request: Request, service: Asked) -> SessionOut:
    """A session for whoever the ID token is of."""
    provider, directory = _provider(request), request.app.state.directory
    assert isinstance(directory, Directory)  # noqa: S101 (for the type checker; there is one beside a provider)
    limit = request.app.state.limit
    address = f"address {request.client.host if request.client else ''}"
    if isinstance(limit, RateLimit) and (seconds := limit.wait(address)):
        raise TooMany(seconds)
    try:
        said = provider.verify(brought.id_token)
        person = directory.admit(said)
    except SignInRefused as refused:
        raise _refusal(refused) from None
    now, seconds = service.clock(), provider.settings.session_seconds
    token = service.store.identities.begin_session(
        person.identity, at=now, seconds=seconds, channel="cli", auth_time=said.auth_time, acr=said.acr
    )
    return SessionOut(token=token, expires=now + seconds * 1000, person=str(person.identity), name=person.name)


@router.delete("/session", status_code=204)
def delete_session(service: Asked, given: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)]) -> Response:
    """Ends the session that the request is made with."""
    token = given.credentials.strip() if given is not None else ""
    if not token.startswith(SESSION_PREFIX):
        raise ApiError(401, "unauthenticated", "there is no session to end")
    service.store.identities.end_session(token)
    return Response(status_code=204)


def _provider(request: Request) -> Provider:
    provider = provider_of(request)
    if provider is None:
        raise ApiError(404, "no_provider", "nobody signs in here from a terminal: this service has tokens only")
    return provider


def _refusal(refused: SignInRefused) -> ApiError:
    _log.warning("sign-in refused: %s", refused.code)
    return ApiError(403, f"sign_in_{refused.code}", str(refused))
