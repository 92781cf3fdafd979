"""Signing in and out: at an OpenID provider, or, where there is none, by a token or as somebody of the demo."""

from __future__ import annotations

import hmac
import logging
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Depends, Form, Request
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse, RedirectResponse, Response

from approvals.identity.claims import SignInRefused
from approvals.identity.directory import Directory
from approvals.identity.provider import Flow, Provider
from approvals.people import by_token
from approvals.person import Identity
from approvals.web.shell import checked_form, refreshed, render, sessions_of

router = APIRouter()
_log = logging.getLogger("sluicegate.identity")

_NOT_YOURS = SignInRefused("state", "that sign-in was not begun here, or took too long: begin again")


def provider_of(request: Request) -> Provider | None:
    """Where people sign in; None for people.yaml alone."""
    provider = request.app.state.provider
    return provider if isinstance(provider, Provider) else None


@router.get("/sign-in")
def sign_in_page(request: Request, to: str = "/") -> Response:
    """Asks who you are."""
    return _sign_in_page(request, to)


@router.post("/sign-in", dependencies=[Depends(checked_form)])
def sign_in(
    request: Request,
    person: Annotated[str, Form()] = "",
    token: Annotated[str, Form()] = "",
    to: Annotated[str, Form()] = "/",
) -> Response:
    """Signs in a demo person by name, or anybody by their token; nobody, where there is a provider."""
    if provider_of(request) is not None:
        raise HTTPException(403)
    people = refreshed(request).people
    found = by_token(people.values(), token.strip()) if token else people.by_id(person)
    if found is None or (not token and not found.demo):
        _log.warning("sign-in refused: %s", "a token that belongs to nobody" if token else "nobody of the demo")
        return _sign_in_page(request, to, failed="That token belongs to nobody here.")
    response = RedirectResponse(_local(to), status_code=303)
    sessions_of(request).write(response, found.identity)
    return response


@router.get("/sign-in/provider")
def to_provider(request: Request, to: str = "/", *, again: bool = False) -> Response:
    """Leads to the provider; with ``again``, for a sign-in that is fresh and strong enough for a high risk."""
    provider = provider_of(request)
    if provider is None:
        raise HTTPException(404)
    try:
        url, flow = provider.begin(step_up=again)
    except SignInRefused as refused:
        return _refused(request, refused)
    response = RedirectResponse(url, status_code=303)
    sessions_of(request).note(response, [*flow, _local(to)])
    return response


@router.get("/sign-in/callback")
def from_provider(request: Request, code: str = "", state: str = "") -> Response:
    """Where the provider sends people back to."""
    provider, directory = provider_of(request), request.app.state.directory
    if provider is None or not isinstance(directory, Directory):
        raise HTTPException(404)
    noted = sessions_of(request).noted(request)
    try:
        if len(noted) != 4 or not hmac.compare_digest(noted[0].encode(), state.encode("utf-8", "replace")):
            raise _NOT_YOURS
        if not code:
            raise SignInRefused("denied", f"{provider.settings.name} did not sign you in")
        said = provider.redeem(code, Flow(*noted[:3]))
        person = directory.admit(said)
    except SignInRefused as refused:
        return _refused(request, refused)
    sessions_of(request).end(request)
    response = RedirectResponse(_local(noted[3]), status_code=303)
    sessions_of(request).write(response, person.identity, auth_time=said.auth_time, acr=said.acr)
    sessions_of(request).forget(response)
    return response


@router.post("/sign-in/logout")
def provider_logout(request: Request, logout_token: Annotated[str, Form()] = "") -> Response:
    """The provider says that somebody has signed out there: all their sessions end.

    OpenID Connect Back-Channel Logout 1.0, section 2.5.
    """
    provider = provider_of(request)
    if provider is None:
        raise HTTPException(404)
    service = refreshed(request)
    try:
        subject = provider.logged_out(logout_token)
    except SignInRefused as refused:
        _log.warning("sign-out by the provider refused: %s", refused.code)
        return PlainTextResponse("That is no logout token for this service.\n", status_code=400)
    identity = Identity(provider.settings.name, subject)
    person = next((p for p in service.people.values() if identity in p.identities), None)
    service.store.identities.end_sessions(person.identity if person is not None else identity)
    return Response(status_code=200)


@router.post("/sign-out", dependencies=[Depends(checked_form)])
def sign_out(request: Request) -> Response:
    """Signs out."""
    sessions_of(request).end(request)
    response = RedirectResponse("/sign-in", status_code=303)
    sessions_of(request).write(response, None)
    return response


def again_page(request: Request, to: str) -> Response:
    """Says that a decision needs a fresher or stronger sign-in, with the way there.

    A link and no redirect: browsers let a form lead to no other site than the content policy names.
    """
    words = "Nothing was recorded: this risk needs a fresh sign-in. Sign in again, then decide."
    return _sign_in_page(request, to, failed=words, again=True)


def _refused(request: Request, refused: SignInRefused) -> Response:
    _log.warning("sign-in refused: %s", refused.code)
    words = str(refused)
    return _sign_in_page(request, "/", failed=f"{words[:1].upper()}{words[1:]}.")


def _sign_in_page(request: Request, to: str, *, failed: str = "", again: bool = False) -> Response:
    provider = provider_of(request)
    demo = [person for person in refreshed(request).people.values() if person.demo] if provider is None else []
    return render(
        request,
        "sign_in.html",
        status=403 if failed else 200,
        demo=demo,
        provider=provider.settings.name if provider else "",
        at_provider=f"/sign-in/provider?{'again=true&' if again else ''}to={quote(_local(to), safe='/')}",
        to=_local(to),
        failed=failed,
    )


def _local(to: str) -> str:
    """``to`` if it is a path on this site, else the queue."""
    fine = to.startswith("/") and not to.startswith("//") and "\\" not in to and to.isprintable()
    return to if fine and len(to) < 500 else "/"
