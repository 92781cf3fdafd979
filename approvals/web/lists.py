"""The lists: what waits, and what was decided."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from approvals.person import Person
from approvals.service import Service
from approvals.web.shell import Asked, Viewer, render
from approvals.web.view import brief, span

LIST_LIMIT = 25  # requests on one page: more would not fit into its 50 KB

router = APIRouter()


@router.get("/")
def queue_page(request: Request, service: Asked, viewer: Viewer) -> Response:
    """What waits, most urgent first."""
    return render(request, "queue.html", viewer=viewer, **_queue(service, viewer))


@router.get("/queue/live")
def queue_part(request: Request, service: Asked, viewer: Viewer) -> Response:
    """The queue without the page around it, for the script that keeps the page fresh."""
    return render(request, "_queue.html", viewer=viewer, **_queue(service, viewer))


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
    return render(request, "history.html", viewer=viewer, briefs=briefs, older=older, first=not before)


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
