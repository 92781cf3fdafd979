"""The pages for people: rendered on the server, complete without JavaScript."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import jinja2
from fastapi import APIRouter, Depends, Form, Query, Request
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response

from approvals.lifecycle import Refused
from approvals.people import by_token
from approvals.person import Person
from approvals.rows import Listed, StoreError
from approvals.service import Ambiguous, Service
from approvals.web.api import STATUS
from approvals.web.security import SessionData, Sessions
from approvals.web.view import brief, full, moment, pulse, span, whole_text
from engine.ledger.model import Decision

LIST_LIMIT = 25  # requests on one page: more would not fit into its 50 KB
_CANNED = {
    "approve": ("Expected and checked", "Covered by a change ticket", "Known routine"),
    "deny": ("Not expected from this agent", "Wrong target", "More than it needs", "Ask me in person first"),
}
_CANNED_ALL = frozenset(reason for reasons in _CANNED.values() for reason in reasons)
_ERRORS = {
    403: ("That did not come from this page", "Go back, reload the page, and try again."),
    404: ("There is no such page", "The request may be gone, or its address was cut short."),
    422: ("Something is missing in that form", "Go back, reload the page, and try again."),
    503: ("The service is busy", "Nothing has changed. Try again in a moment."),
}

_environment = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_environment.globals.update(span=span, moment=moment)

router = APIRouter()


class SignInFirst(HTTPException):
    """Nobody is signed in; the page leads to the sign-in form and back."""

    def __init__(self) -> None:
        super().__init__(401)


def _service(request: Request) -> Service:
    service = request.app.state.service
    assert isinstance(service, Service)  # noqa: S101 (for the type checker; create_app sets it)
    return service


def _sessions(request: Request) -> Sessions:
    sessions = request.app.state.sessions
    assert isinstance(sessions, Sessions)  # noqa: S101 (as above)
    return sessions


def _session(request: Request) -> SessionData:
    return _sessions(request).read(request) or SessionData(None, "")


def _viewer(request: Request) -> Person:
    """Who is signed in: asked of the people file anew each time, so that who is removed there is out."""
    person_id = _session(request).person_id
    person = _service(request).people.by_id(person_id) if person_id else None
    if person is None:
        raise SignInFirst
    return person


def _checked_form(request: Request, csrf: Annotated[str, Form()] = "") -> None:
    """Refuses a form that this session was not given."""
    session = _sessions(request).read(request)
    if session is None or not _sessions(request).is_form_token(session, csrf):
        raise HTTPException(403)


Asked = Annotated[Service, Depends(_service)]
Viewer = Annotated[Person, Depends(_viewer)]


@router.get("/")
def queue_page(request: Request, service: Asked, viewer: Viewer) -> Response:
    """What waits, most urgent first."""
    return _render(request, "queue.html", viewer=viewer, **_queue(service, viewer))


@router.get("/queue/live")
def queue_part(request: Request, service: Asked, viewer: Viewer) -> Response:
    """The queue without the page around it, for the script that keeps the page fresh."""
    return _render(request, "_queue.html", viewer=viewer, **_queue(service, viewer))


@router.get("/history")
def history_page(
    request: Request,
    service: Asked,
    viewer: Viewer,
    before: Annotated[str, Query(pattern=r"^\d{1,18}\..{1,200}$")] = "",
) -> Response:
    """What was decided, latest first."""
    decided, _, last_id = before.partition(".")
    start = (int(decided), last_id) if before else None
    found = service.store.decided(limit=LIST_LIMIT + 1, before=start)
    shown = found[:LIST_LIMIT]
    older = ""
    if len(found) > LIST_LIMIT and shown[-1].review.verdict is not None:
        older = f"{shown[-1].review.verdict.decided}.{shown[-1].review.request.request_id}"
    now = service.clock()
    briefs = [brief(one, service.people, viewer, now=now, limit=120) for one in shown]
    return _render(request, "history.html", viewer=viewer, briefs=briefs, older=older, first=not before)


@router.get("/requests/{request_id}")
def request_page(request: Request, request_id: str, service: Asked, viewer: Viewer) -> Response:
    """One request: what it is, why you are asked, and the two buttons."""
    return _request_page(request, _found(service, request_id), service, viewer)


@router.get("/requests/{request_id}/pulse")
def request_pulse(request_id: str, service: Asked, _viewer: Viewer) -> Response:
    """Says when the page of a request is out of date, for the script that freezes the form."""
    return JSONResponse({"pulse": pulse(_found(service, request_id))})


@router.get("/requests/{request_id}/whole")
def request_whole(request_id: str, service: Asked, _viewer: Viewer) -> Response:
    """Everything of a request that may be seen, uncut, as plain text."""
    return PlainTextResponse(whole_text(_found(service, request_id).review.request))


@router.post("/requests/{request_id}/vote", dependencies=[Depends(_checked_form)])
def vote(
    request: Request,
    request_id: str,
    service: Asked,
    viewer: Viewer,
    decision: Annotated[Decision, Form()],
    version: Annotated[int, Form()],
    reason: Annotated[str, Form()] = "",
    canned: Annotated[str, Form()] = "",
) -> Response:
    """Votes, and shows the receipt; or shows the request again with why not."""
    listed = _found(service, request_id)
    exact = listed.review.request.request_id
    said = [canned] if canned in _CANNED_ALL else []
    said += [reason.strip()] if reason.strip() else []
    try:
        result = service.vote(exact, viewer, decision, version=version, reason=": ".join(said), channel="page")
    except StoreError:
        raise HTTPException(503) from None
    if isinstance(result, Refused):
        again = _found(service, exact)
        return _request_page(
            request,
            again,
            service,
            viewer,
            refused=result,
            reason=reason,
            status=STATUS.get(result.code, 409),
        )
    return RedirectResponse(f"/requests/{exact}#receipt", status_code=303)


@router.get("/sign-in")
def sign_in_page(request: Request, service: Asked, to: str = "/") -> Response:
    """Asks who you are."""
    return _sign_in_page(request, service, to)


@router.post("/sign-in", dependencies=[Depends(_checked_form)])
def sign_in(
    request: Request,
    service: Asked,
    person: Annotated[str, Form()] = "",
    token: Annotated[str, Form()] = "",
    to: Annotated[str, Form()] = "/",
) -> Response:
    """Signs in a demo person by name, or anybody by their token."""
    found = by_token(service.people.values(), token.strip()) if token else service.people.by_id(person)
    if found is None or (not token and not found.demo):
        return _sign_in_page(request, service, to, failed=True)
    response = RedirectResponse(_local(to), status_code=303)
    _sessions(request).write(response, found.id)
    return response


@router.post("/sign-out", dependencies=[Depends(_checked_form)])
def sign_out(request: Request) -> Response:
    """Signs out."""
    response = RedirectResponse("/sign-in", status_code=303)
    _sessions(request).write(response, None)
    return response


def error_page(request: Request, status: int) -> Response:
    """A page that says what went wrong; the sign-in form where that is all that is missing."""
    if status == 401:
        if request.method == "GET" and request.url.path in ("/queue/live",):
            return PlainTextResponse("Sign in first.\n", status_code=401)
        return RedirectResponse(f"/sign-in?to={request.url.path}", status_code=303)
    title, advice = _ERRORS.get(status, ("That did not work", "Go back and try again."))
    try:
        viewer = _viewer(request)
    except SignInFirst:
        viewer = None
    return _render(
        request, "error.html", status=status, viewer=viewer, code=status, heading=title, advice=advice, title=title
    )


def _queue(service: Service, viewer: Person) -> dict[str, Any]:
    now = service.clock()
    waiting = service.store.waiting(limit=200)
    briefs = [brief(one, service.people, viewer, now=now) for one in waiting]
    # What this person can decide comes first, whatever else fits.
    mine = [b for b in briefs if b.can]
    shown = (mine + [b for b in briefs if not b.can])[:LIST_LIMIT]
    last = service.store.decided(limit=1)
    verdict = last[0].review.verdict if last else None
    counts = service.store.counts()
    return {
        "mine": [b for b in shown if b.can],
        "others": [b for b in shown if not b.can],
        "hidden": max(0, counts.waiting - len(shown)),
        "counts": counts,
        "problem": service.health.problem,
        "last_decided": span(now - verdict.decided) if verdict else "",
    }


def _request_page(
    request: Request,
    listed: Listed,
    service: Service,
    viewer: Person,
    *,
    refused: Refused | None = None,
    reason: str = "",
    status: int = 200,
) -> Response:
    request_id = listed.review.request.request_id
    view = full(listed, service.store.events(request_id), service.people, viewer, now=service.clock())
    return _render(
        request,
        "request.html",
        status=status,
        viewer=viewer,
        view=view,
        b=view.brief,
        refused=refused,
        reason=reason[:2_000],
        canned=_CANNED,
        now=service.clock(),
    )


def _found(service: Service, given: str) -> Listed:
    found = service.find(given)
    if found is None or isinstance(found, Ambiguous):
        raise HTTPException(404)
    return found


def _sign_in_page(request: Request, service: Service, to: str, *, failed: bool = False) -> Response:
    demo = [person for person in service.people.values() if person.demo]
    return _render(request, "sign_in.html", status=403 if failed else 200, demo=demo, to=_local(to), failed=failed)


def _local(to: str) -> str:
    """``to`` if it is a path on this site, else the queue."""
    fine = to.startswith("/") and not to.startswith("//") and "\\" not in to and to.isprintable()
    return to if fine and len(to) < 500 else "/"


def _render(request: Request, template: str, *, status: int = 200, **context: Any) -> Response:
    """The page, with a form token; who has no session yet is given one for it."""
    response = HTMLResponse(status_code=status)
    session = _sessions(request).read(request)
    if session is None:
        session = _sessions(request).write(response, None)
    csrf = _sessions(request).form_token(session)
    context.setdefault("viewer", None)
    html = _environment.get_template(template).render(csrf=csrf, path=request.url.path, **context)
    response.body = response.render(html)
    response.headers["content-length"] = str(len(response.body))
    return response
