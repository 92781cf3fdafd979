"""The lists: what waits, what was decided, and several decisions at once."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Form, Query, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from approvals.lifecycle import RefusalCode, Refused, Review, State
from approvals.lookups import Wanted
from approvals.person import Person
from approvals.rights import may_vote
from approvals.rows import Listed, StoreError
from approvals.service import Service
from approvals.web.batch import BATCH_LIMIT, Picked, picked, why_not_together
from approvals.web.figures import line, lines
from approvals.web.reasons import CANNED, reason_of
from approvals.web.shell import Asked, Sender, Viewer, render
from approvals.web.view import brief
from approvals.web.words import span
from engine.ledger.model import Decision, Risk

LIST_LIMIT = 25  # requests on one page: more would not fit into its 50 KB
_LOOKED_THROUGH = 200  # of what waits, the most urgent, for what this person can decide
_FARTHEST = 1_000  # what is later is found by narrowing

_COUNTED = 20_000  # decisions, the latest, on the dashboard
_OUTCOMES = {
    "approved": (State.APPROVED, State.RELEASED),
    "denied": (State.DENIED,),
    "expired": (State.EXPIRED,),
    "withdrawn": (State.WITHDRAWN,),
}

router = APIRouter()

_Text = Annotated[str, Query(max_length=200)]


class QueueQuery:
    """What the queue is narrowed to, and where its page begins, as its address says."""

    def __init__(
        self,
        q: _Text = "",
        risk: _Text = "",
        rule: _Text = "",
        start: Annotated[int, Query(ge=0, le=_FARTHEST, alias="from")] = 0,
        chosen: Annotated[bool, Query()] = False,
    ) -> None:
        self.wanted = Wanted(words=q, rule_id=rule, risk=risk if risk in set(Risk) else "")
        self.start, self.chosen = start, chosen

    def turn(self, start: int) -> str:
        """The address of the same list from ``start``, without its path."""
        known = {"q": self.wanted.words, "risk": self.wanted.risk, "rule": self.wanted.rule_id, "from": start or ""}
        return urlencode({name: value for name, value in known.items() if value})


Narrowed = Annotated[QueueQuery, Depends()]


@router.get("/")
def queue_page(request: Request, service: Asked, viewer: Viewer, query: Narrowed) -> Response:
    """What waits, most urgent first."""
    return render(request, "queue.html", viewer=viewer, **_queue(service, viewer, query))


@router.get("/queue/live")
def queue_part(request: Request, service: Asked, viewer: Viewer, query: Narrowed) -> Response:
    """The queue without the page around it, for the script that keeps the page fresh."""
    return render(request, "_queue.html", viewer=viewer, **_queue(service, viewer, query))


@router.post("/batch")
def batch(
    request: Request,
    service: Asked,
    viewer: Sender,
    decision: Annotated[Decision, Form()],
    pick: Annotated[list[str], Form(max_length=BATCH_LIMIT)] = [],  # noqa: B006 (FastAPI copies it)
    canned: Annotated[str, Form()] = "",
    reason: Annotated[str, Form()] = "",
) -> Response:
    """Votes on several requests, each by itself, and says what came of each."""
    chosen = picked(pick)
    if chosen is None:
        raise HTTPException(422)
    why = reason_of(canned, reason)
    listed = {one.request_id: service.store.get(one.request_id) for one in chosen}
    requests = [one.review.request for one in listed.values() if one is not None]
    refusal = None
    if not chosen:
        refusal = "nothing was chosen"
    elif decision is Decision.DENY and not why:
        refusal = "a denial needs a reason"
    elif decision is Decision.APPROVE:
        refusal = why_not_together(requests)
    if refusal:
        return render(request, "batch.html", status=422, viewer=viewer, refusal=refusal, outcomes=[], decision=decision)
    if len(chosen) > 1:
        why = f"{why} (one of {len(chosen)} decided together)".strip()
    outcomes = [
        {
            "brief": _brief_or_none(listed[one.request_id], service, viewer),
            "id": one.request_id,
            "refused": _cast(service, viewer, one, decision, why),
        }
        for one in chosen
    ]
    return render(request, "batch.html", viewer=viewer, refusal="", outcomes=outcomes, decision=decision)


class HistoryQuery:
    """What history is narrowed to, and where its page begins, as its address says."""

    def __init__(
        self,
        q: _Text = "",
        rule: _Text = "",
        agent: _Text = "",
        outcome: _Text = "",
        before: Annotated[str, Query(pattern=r"^(\d{1,18}\..{1,200})?$")] = "",
    ) -> None:
        self.q, self.rule, self.agent = q, rule, agent
        self.outcome = outcome if outcome in _OUTCOMES else ""
        decided, _, last_id = before.partition(".")
        self.before = (int(decided), last_id) if before else None
        self.wanted = Wanted(words=q, rule_id=rule, agent=agent, states=_OUTCOMES.get(outcome, ()))

    def turn(self, before: str) -> str:
        """The address of the same list from ``before``, without its path."""
        known = {"q": self.q, "rule": self.rule, "agent": self.agent, "outcome": self.outcome, "before": before}
        return urlencode({name: value for name, value in known.items() if value})


@router.get("/history")
def history_page(
    request: Request, service: Asked, viewer: Viewer, query: Annotated[HistoryQuery, Depends()]
) -> Response:
    """What was decided, latest first; narrowed, and searched."""
    found = service.store.lookups.decided(query.wanted, limit=LIST_LIMIT + 1, before=query.before)
    shown = found[:LIST_LIMIT]
    older = ""
    if len(found) > LIST_LIMIT and shown[-1].review.verdict is not None:
        older = f"{shown[-1].review.verdict.decided}.{shown[-1].review.request.request_id}"
    now = service.clock()
    briefs = [brief(one, service.people, viewer, now=now, limit=120) for one in shown]
    return render(
        request,
        "history.html",
        viewer=viewer,
        briefs=briefs,
        older=query.turn(older) if older else "",
        first=query.before is None,
        latest=query.turn(""),
        asked=query,
        outcomes=list(_OUTCOMES),
        narrowed=any(query.wanted),
    )


@router.get("/dashboard")
def dashboard(
    request: Request, service: Asked, viewer: Viewer, days: Annotated[int, Query(ge=1, le=365)] = 7
) -> Response:
    """What waits, how long decisions take, what expired, what was blocked."""
    lookups, since = service.store.lookups, service.clock() - days * 86_400_000
    decisions = lookups.decisions(since=since, limit=_COUNTED)
    by_risk: dict[str, int] = {}
    for risk, _, count in lookups.counts_waiting():
        by_risk[risk] = by_risk.get(risk, 0) + count
    return render(
        request,
        "dashboard.html",
        viewer=viewer,
        days=days,
        waiting=sum(by_risk.values()),
        by_risk=[(risk.value, by_risk[risk]) for risk in reversed(Risk) if risk in by_risk],
        all=line("all", decisions),
        by_risk_decided=lines(decisions, "risk"),
        by_rule=lines(decisions, "rule_id"),
        by_agent=lines(decisions, "agent"),
        blocked=lookups.refused_parties(since=since),
        full=len(decisions) == _COUNTED,
    )


def _queue(service: Service, viewer: Person, query: QueueQuery) -> dict[str, Any]:
    now, lookups = service.clock(), service.store.lookups
    number = lookups.newest_event()  # before all else: what comes meanwhile is told again, and never missed
    looked_through = min(_FARTHEST, max(_LOOKED_THROUGH, query.start + 4 * LIST_LIMIT))
    waiting = lookups.waiting(query.wanted, limit=looked_through)
    # What this person can decide comes first, whatever else fits.
    mine: list[Listed] = []
    theirs: list[Listed] = []
    for one in waiting:
        refusal = may_vote(viewer, one.review.request, service.people, now)
        (theirs if refusal else mine).append(one)
    shown = [*mine, *theirs][query.start : query.start + LIST_LIMIT]
    briefs = [brief(one, service.people, viewer, now=now) for one in shown]
    last = service.store.decided(limit=1)
    verdict = last[0].review.verdict if last else None
    by_rule: dict[str, int] = {}
    by_risk: dict[str, int] = {}
    for risk, rule, count in lookups.counts_waiting():
        by_rule[rule] = by_rule.get(rule, 0) + count
        by_risk[risk] = by_risk.get(risk, 0) + count
    unpublished, unreadable = lookups.unsettled()
    return {
        "mine": [b for b in briefs if b.can],
        "others": [b for b in briefs if not b.can],
        "mine_in_all": len(mine),
        "matching": len(waiting),
        "more_than": len(waiting) == looked_through,
        "wanted": query.wanted,
        "narrowed": any(query.wanted),
        "chosen": query.chosen,
        "start": query.start,
        "following": query.start + LIST_LIMIT if query.start + LIST_LIMIT < len(waiting) else 0,
        "by_risk": [(risk.value, by_risk[risk]) for risk in reversed(Risk) if risk in by_risk],
        "rules": sorted(by_rule, key=lambda rule: -by_rule[rule])[:20],
        "waiting": sum(by_risk.values()),
        "unpublished": unpublished,
        "unreadable": unreadable,
        "problem": service.health.problem,
        "last_decided": span(now - verdict.decided) if verdict else "",
        "canned": CANNED,
        "number": number,
        "turn": query.turn,
        "query": query.turn(query.start) + ("&chosen=true" if query.chosen else ""),
    }


def _cast(service: Service, viewer: Person, one: Picked, decision: Decision, reason: str) -> Refused | None:
    """Votes on one of several; why it was refused, or None."""
    try:
        result = service.vote(one.request_id, viewer, decision, version=one.version, reason=reason, channel="page")
    except StoreError as error:
        return Refused(RefusalCode.STALE, str(error))
    return None if isinstance(result, Review) else result


def _brief_or_none(listed: Listed | None, service: Service, viewer: Person) -> Any:
    return None if listed is None else brief(listed, service.people, viewer, now=service.clock(), limit=120)
