"""What all pages share: who asks, the templates, and how an error looks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import jinja2
from fastapi import Depends, Form, Request
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response

from approvals.identity.directory import Directory
from approvals.identity.provider import Provider
from approvals.person import Person
from approvals.rows import Listed
from approvals.service import Ambiguous, Service
from approvals.web.fresh import must_sign_in_again
from approvals.web.security import SessionData, Sessions
from approvals.web.words import moment, span
from engine.ledger.model import Decision, ReviewRequest

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


class SignInFirst(HTTPException):
    """Nobody is signed in; the page leads to the sign-in form and back."""

    def __init__(self) -> None:
        super().__init__(401)


class SignInAgain(HTTPException):
    """A decision needs a fresher or stronger sign-in; the page leads there, and back ``to`` a path of ours."""

    def __init__(self, to: str) -> None:
        super().__init__(403)
        self.to = to


def service_of(request: Request) -> Service:
    """The service that the application stands on."""
    service = request.app.state.service
    assert isinstance(service, Service)  # noqa: S101 (for the type checker; create_app sets it)
    return service


def refreshed(request: Request) -> Service:
    """The service, with its people as they are now."""
    service = service_of(request)
    directory = request.app.state.directory
    if isinstance(directory, Directory):
        service.people = directory.roster()
    return service


def sessions_of(request: Request) -> Sessions:
    """The sessions of the application."""
    sessions = request.app.state.sessions
    assert isinstance(sessions, Sessions)  # noqa: S101 (as above)
    return sessions


def session_of(request: Request) -> SessionData:
    """The session of ``request``; nobody's if it has none."""
    return sessions_of(request).read(request) or SessionData(None, "")


def viewer_of(request: Request) -> Person:
    """Who is signed in: asked of the roster anew each time, so that who is removed there is out."""
    signed = session_of(request).person
    person = refreshed(request).people.signed(signed) if signed else None
    if person is None:
        if signed:  # they left: should they come back, they sign in again
            sessions_of(request).end(request)
        raise SignInFirst
    return person


def fresh_enough(request: Request, asked: ReviewRequest, decision: Decision, *, break_glass: bool = False) -> None:
    """Raises SignInAgain unless the session is fresh and strong enough to decide so on ``asked``."""
    provider, session = request.app.state.provider, session_of(request)
    again = must_sign_in_again(
        provider.settings if isinstance(provider, Provider) else None,
        asked.risk,
        decision,
        auth_time=session.auth_time,
        acr=session.acr,
        now=service_of(request).clock(),
        break_glass=break_glass,
    )
    if again:
        raise SignInAgain(f"/requests/{quote(asked.request_id, safe='')}")


def checked_form(request: Request, csrf: Annotated[str, Form()] = "") -> None:
    """Refuses a form that this session was not given."""
    session = sessions_of(request).read(request)
    if session is None or not sessions_of(request).is_form_token(session, csrf):
        raise HTTPException(403)


def sender_of(request: Request, csrf: Annotated[str, Form()] = "") -> Person:
    """Who sent a form that their session was given: both in one, since each such function waits for a thread."""
    checked_form(request, csrf)
    return viewer_of(request)


async def _service(request: Request) -> Service:  # not a plain function: those are handed to another thread
    return service_of(request)


Asked = Annotated[Service, Depends(_service)]
Viewer = Annotated[Person, Depends(viewer_of)]
Sender = Annotated[Person, Depends(sender_of)]


def found(service: Service, given: str) -> Listed:
    """The one request that ``given`` names. Raises HTTPException 404 if there is none, or several."""
    listed = service.find(given)
    if listed is None or isinstance(listed, Ambiguous):
        raise HTTPException(404)
    return listed


def error_page(request: Request, status: int) -> Response:
    """A page that says what went wrong; the sign-in form where that is all that is missing."""
    if status == 401:
        if request.method == "GET" and request.url.path in ("/queue/live", "/live"):
            return PlainTextResponse("Sign in first.\n", status_code=401)
        return RedirectResponse(f"/sign-in?to={request.url.path}", status_code=303)
    title, advice = _ERRORS.get(status, ("That did not work", "Go back and try again."))
    try:
        viewer = viewer_of(request)
    except SignInFirst:
        viewer = None
    return render(
        request, "error.html", status=status, viewer=viewer, code=status, heading=title, advice=advice, title=title
    )


def render(request: Request, template: str, *, status: int = 200, **context: Any) -> Response:
    """The page, with a form token; who has no session yet is given one for it."""
    response = HTMLResponse(status_code=status)
    session = sessions_of(request).read(request)
    if session is None:
        session = sessions_of(request).write(response, None)
    csrf = sessions_of(request).form_token(session)
    context.setdefault("viewer", None)
    channels = request.app.state.channels
    context["chats"] = channels is not None and channels.has_chats
    html = _environment.get_template(template).render(csrf=csrf, path=request.url.path, **context)
    response.body = response.render(html)
    response.headers["content-length"] = str(len(response.body))
    return response
