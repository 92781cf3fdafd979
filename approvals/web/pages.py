"""The page of one request: what it is, why you are asked, and your decision. Complete without JavaScript."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Form, Query, Request
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response

from approvals.lifecycle import OPEN, RefusalCode, Refused, Review
from approvals.person import Person
from approvals.rights import may_vote
from approvals.rows import Listed, StoreError
from approvals.service import Service
from approvals.web.past import Past
from approvals.web.problems import STATUS
from approvals.web.reasons import CANNED, reason_of
from approvals.web.shell import Asked, Sender, Viewer, found, fresh_enough, render
from approvals.web.story import story
from approvals.web.view import brief, full, must_type, pulse, whole_text
from engine.ledger.model import Decision

router = APIRouter()


@router.get("/requests/{request_id}")
def request_page(
    request: Request,
    request_id: str,
    service: Asked,
    viewer: Viewer,
    since: Annotated[int, Query(ge=1)] | None = None,
) -> Response:
    """One request: what it is, why you are asked, and the buttons. ``since`` is the version that was seen."""
    return _request_page(request, found(service, request_id), service, viewer, since=since)


@router.get("/requests/{request_id}/pulse")
def request_pulse(request_id: str, service: Asked, _viewer: Viewer) -> Response:
    """Says when the page of a request is out of date, for the script that freezes the form."""
    return JSONResponse({"pulse": pulse(found(service, request_id))})


@router.get("/requests/{request_id}/story")
def request_story(request: Request, request_id: str, service: Asked, viewer: Viewer) -> Response:
    """All that happened to a request, from its record to its release."""
    listed = found(service, request_id)
    events = service.store.events(listed.review.request.request_id)
    short_view = brief(listed, service.people, viewer, now=service.clock())
    told = story(listed, events, service.people)
    return render(request, "story.html", viewer=viewer, b=short_view, story=told)


@router.get("/requests/{request_id}/before")
def request_before(
    request: Request, request_id: str, service: Asked, viewer: Viewer, part: Annotated[bool, Query()] = False
) -> Response:
    """What the agent did just before, from the sanitized records of its session; ``part``: without a page around."""
    listed = found(service, request_id)
    steps = _past(request).of(service, listed.review.request)
    short_view = brief(listed, service.people, viewer, now=service.clock())
    return render(request, "_before.html" if part else "before.html", viewer=viewer, b=short_view, steps=steps)


@router.get("/requests/{request_id}/whole")
def request_whole(request_id: str, service: Asked, _viewer: Viewer) -> Response:
    """Everything of a request that may be seen, uncut, as plain text."""
    return PlainTextResponse(whole_text(found(service, request_id).review.request))


@router.post("/requests/{request_id}/vote")
def vote(
    request: Request,
    request_id: str,
    service: Asked,
    viewer: Sender,
    decision: Annotated[Decision, Form()],
    version: Annotated[int, Form()],
    reason: Annotated[str, Form()] = "",
    canned: Annotated[str, Form()] = "",
    typed: Annotated[str, Form()] = "",
    break_glass: Annotated[bool, Form()] = False,
) -> Response:
    """Votes, and shows the receipt; or shows the request again with why not."""
    listed = found(service, request_id)
    asked = listed.review.request
    exact = asked.request_id
    if decision is Decision.APPROVE and version == asked.version and typed.strip() != must_type(asked):
        problem = Refused(RefusalCode.REASON_REQUIRED, f"type what it is done to, '{must_type(asked)}', to approve it")
        if may_vote(viewer, asked, service.people, service.clock()) is None and listed.review.verdict is None:
            return _request_page(request, listed, service, viewer, refused=problem, reason=reason, status=422)
    fresh_enough(request, asked, decision, break_glass=break_glass)
    why = reason_of(canned, reason)
    return _answered(
        request,
        exact,
        service,
        viewer,
        lambda: service.vote(
            exact, viewer, decision, version=version, reason=why, channel="page", break_glass=break_glass
        ),
        typed=reason,
    )


@router.post("/requests/{request_id}/ask")
def ask(
    request: Request,
    request_id: str,
    service: Asked,
    viewer: Sender,
    version: Annotated[int, Form()],
    reason: Annotated[str, Form()] = "",
) -> Response:
    """Asks whoever wants this for a clarification; the field for the reason holds the question."""
    exact = found(service, request_id).review.request.request_id
    return _answered(
        request,
        exact,
        service,
        viewer,
        lambda: service.ask(exact, viewer, reason, version=version, channel="page"),
        typed=reason,
    )


@router.post("/requests/{request_id}/answer")
def answer(
    request: Request,
    request_id: str,
    service: Asked,
    viewer: Sender,
    version: Annotated[int, Form()],
    words: Annotated[str, Form()] = "",
) -> Response:
    """A party to the action answers what was asked."""
    exact = found(service, request_id).review.request.request_id
    return _answered(
        request,
        exact,
        service,
        viewer,
        lambda: service.answer(exact, viewer, words, version=version, channel="page"),
    )


@router.post("/requests/{request_id}/withdraw")
def withdraw(
    request: Request, request_id: str, service: Asked, viewer: Sender, words: Annotated[str, Form()] = ""
) -> Response:
    """A party to the action takes it back."""
    exact = found(service, request_id).review.request.request_id
    return _answered(request, exact, service, viewer, lambda: service.withdraw(exact, viewer, words, channel="page"))


def _past(request: Request) -> Past:
    state = request.app.state
    if not hasattr(state, "past"):
        state.past = Past()
    past = state.past
    assert isinstance(past, Past)  # noqa: S101 (for the type checker; set above)
    return past


def _answered(
    request: Request,
    request_id: str,
    service: Service,
    viewer: Person,
    act: Callable[[], Review | Refused],
    *,
    typed: str = "",
) -> Response:
    """Acts; leads to how the request stands now, or shows it again with why nothing was done."""
    try:
        result = act()
    except StoreError:
        raise HTTPException(503) from None
    if isinstance(result, Refused):
        return _request_page(
            request,
            found(service, request_id),
            service,
            viewer,
            refused=result,
            reason=typed,
            since=result.version,
            status=STATUS.get(result.code, 409),
        )
    return RedirectResponse(f"/requests/{request_id}#receipt", status_code=303)


def _request_page(
    request: Request,
    listed: Listed,
    service: Service,
    viewer: Person,
    *,
    refused: Refused | None = None,
    reason: str = "",
    since: int | None = None,
    status: int = 200,
) -> Response:
    asked, lookups = listed.review.request, service.store.lookups
    view = full(
        listed,
        service.store.events(asked.request_id),
        service.people,
        viewer,
        now=service.clock(),
        last=lookups.last_approved(asked) if listed.review.state in OPEN else None,
        seen=lookups.version(asked.request_id, since) if since is not None and since < asked.version else None,
    )
    return render(
        request,
        "request.html",
        status=status,
        viewer=viewer,
        view=view,
        b=view.brief,
        refused=refused,
        reason=reason[:2_000],
        canned=CANNED,
        now=service.clock(),
    )
