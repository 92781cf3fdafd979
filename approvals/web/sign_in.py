"""Signing in and out."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request
from starlette.responses import RedirectResponse, Response

from approvals.people import by_token
from approvals.service import Service
from approvals.web.shell import Asked, checked_form, render, sessions_of

router = APIRouter()


@router.get("/sign-in")
def sign_in_page(request: Request, service: Asked, to: str = "/") -> Response:
    """Asks who you are."""
    return _sign_in_page(request, service, to)


@router.post("/sign-in", dependencies=[Depends(checked_form)])
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
    sessions_of(request).write(response, found.id)
    return response


@router.post("/sign-out", dependencies=[Depends(checked_form)])
def sign_out(request: Request) -> Response:
    """Signs out."""
    response = RedirectResponse("/sign-in", status_code=303)
    sessions_of(request).write(response, None)
    return response


def _sign_in_page(request: Request, service: Service, to: str, *, failed: bool = False) -> Response:
    demo = [person for person in service.people.values() if person.demo]
    return render(request, "sign_in.html", status=403 if failed else 200, demo=demo, to=_local(to), failed=failed)


def _local(to: str) -> str:
    """``to`` if it is a path on this site, else the queue."""
    fine = to.startswith("/") and not to.startswith("//") and "\\" not in to and to.isprintable()
    return to if fine and len(to) < 500 else "/"
