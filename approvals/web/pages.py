"""The page of one request: what it is, why you are asked, and your decision. Complete without JavaScript."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response

from approvals.lifecycle import Refused
from approvals.person import Person
from approvals.rows import Listed, StoreError
from approvals.service import Service
from approvals.web.api import STATUS
from approvals.web.shell import Asked, Viewer, checked_form, found, render
from approvals.web.view import full, pulse, whole_text
from engine.ledger.model import Decision

_CANNED = {
    "approve": ("Expected and checked", "Covered by a change ticket", "Known routine"),
    "deny": ("Not expected from this agent", "Wrong target", "More than it needs", "Ask me in person first"),
}
_CANNED_ALL = frozenset(reason for reasons in _CANNED.values() for reason in reasons)

router = APIRouter()


@router.get("/requests/{request_id}")
def request_page(request: Request, request_id: str, service: Asked, viewer: Viewer) -> Response:
    """One request: what it is, why you are asked, and the two buttons."""
    return _request_page(request, found(service, request_id), service, viewer)


@router.get("/requests/{request_id}/pulse")
def request_pulse(request_id: str, service: Asked, _viewer: Viewer) -> Response:
    """Says when the page of a request is out of date, for the script that freezes the form."""
    return JSONResponse({"pulse": pulse(found(service, request_id))})


@router.get("/requests/{request_id}/whole")
def request_whole(request_id: str, service: Asked, _viewer: Viewer) -> Response:
    """Everything of a request that may be seen, uncut, as plain text."""
    return PlainTextResponse(whole_text(found(service, request_id).review.request))


@router.post("/requests/{request_id}/vote", dependencies=[Depends(checked_form)])
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
    listed = found(service, request_id)
    exact = listed.review.request.request_id
    said = [canned] if canned in _CANNED_ALL else []
    said += [reason.strip()] if reason.strip() else []
    try:
        result = service.vote(exact, viewer, decision, version=version, reason=": ".join(said), channel="page")
    except StoreError:
        raise HTTPException(503) from None
    if isinstance(result, Refused):
        again = found(service, exact)
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
    return render(
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
