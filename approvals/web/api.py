"""The JSON API under `/v1`, for the CLI and other programs. A bearer token says who asks."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from approvals.lifecycle import Refused
from approvals.person import Person
from approvals.rights import counted, may_vote, quorum, who_can
from approvals.rows import Listed, StoreError
from approvals.service import Ambiguous, Service
from approvals.web.callers import Asked, Asker
from approvals.web.problems import ApiError, refusal
from engine.ledger.model import Decision, Vote

router = APIRouter(prefix="/v1", tags=["requests"])


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class PrincipalOut(_Model):
    """Somebody who takes part in the action."""

    role: str
    issuer: str
    subject: str


class VoteOut(_Model):
    """One person's decision; ``at`` in ms since the epoch."""

    issuer: str
    subject: str
    decision: str
    reason: str
    at: int
    channel: str


class VerdictOut(_Model):
    """How a request ended; ``decided`` in ms since the epoch."""

    verdict: str
    decided: int
    reason: str
    votes: list[VoteOut]
    folded_into: str | None
    released: bool


class RequestOut(_Model):
    """A review request, sanitized; times in ms since the epoch. ``params`` is JSON text."""

    request_id: str
    version: int
    kind: str
    state: str
    action: str
    resource: str
    environment: str
    reason: str
    params: str
    principals: list[PrincipalOut]
    rule_id: str
    rule_reason: str
    risk: str
    quorum: int
    groups: list[str]
    people: list[str]
    policy: str
    binding: str
    view_digest: str
    created: int
    expires: int
    repeats: int
    latest: int
    votes: list[VoteOut]
    verdict: VerdictOut | None
    folded_into: str | None
    can_decide: bool
    why_not: str


class RequestsOut(_Model):
    """Requests, the most urgent (or, once decided, the latest) first. ``truncated``: there are more."""

    requests: list[RequestOut]
    truncated: bool


class StandingOut(_Model):
    """Whether a person can decide, and why or why not."""

    id: str
    name: str
    can: bool
    why: str


class WhoCanOut(_Model):
    """Everybody, those who can decide first."""

    request_id: str
    quorum: int
    people: list[StandingOut]


class BallotIn(_Model):
    """A vote on one version of a request."""

    decision: Literal["approve", "deny"]
    version: int
    reason: Annotated[str, Field(max_length=20_000)] = ""


class StatusOut(_Model):
    """How the service fares."""

    waiting: int
    repeats: int
    decided: int
    unreadable: int
    unpublished: int
    problem: str


_LIMIT = 100


@router.get("/requests")
def list_requests(
    service: Asked,
    asker: Asker,
    state: Annotated[Literal["waiting", "decided", "all"], Query()] = "waiting",
) -> RequestsOut:
    """Requests that wait, or have been decided, or both."""
    asker.needs("read")
    found: list[Listed] = []
    if state in ("waiting", "all"):
        found += service.store.waiting(limit=_LIMIT + 1, whole=True)
    if state in ("decided", "all"):
        found += service.store.decided(limit=_LIMIT + 1, whole=True)
    out = [_request_out(listed, service, asker.person) for listed in found[:_LIMIT]]
    return RequestsOut(requests=out, truncated=len(found) > _LIMIT)


@router.get("/requests/{request_id}")
def get_request(request_id: str, service: Asked, asker: Asker) -> RequestOut:
    """One request, by its id or the beginning of it."""
    asker.needs("read")
    return _request_out(_found(service, request_id), service, asker.person)


@router.get("/requests/{request_id}/who-can")
def get_who_can(request_id: str, service: Asked, asker: Asker) -> WhoCanOut:
    """Who can decide on a request, and why not the others."""
    asker.needs("read")
    request = _found(service, request_id).review.request
    people = [
        StandingOut(id=s.person.id, name=s.person.name, can=s.can, why=s.why)
        for s in who_can(request, service.people, service.clock())
    ]
    return WhoCanOut(request_id=request.request_id, quorum=quorum(request), people=people)


@router.post("/requests/{request_id}/votes")
def post_vote(request_id: str, ballot: BallotIn, http: Request, service: Asked, asker: Asker) -> RequestOut:
    """Votes on one version of a request. 403 if you may not, 409 if it has changed or ended."""
    asker.needs("vote")
    exact = _found(service, request_id).review.request.request_id
    try:
        result = service.vote(
            exact,
            asker.person,
            Decision(ballot.decision),
            version=ballot.version,
            reason=ballot.reason,
            channel=_channel(http),
        )
    except StoreError as error:
        raise ApiError(503, "busy", str(error)) from None
    if isinstance(result, Refused):
        raise refusal(result)
    return _request_out(_found(service, exact), service, asker.person)


@router.get("/status")
def get_status(service: Asked, asker: Asker) -> StatusOut:
    """How much waits, and whether all is well."""
    asker.needs("read")
    return StatusOut(**service.store.counts()._asdict(), problem=service.health.problem)


def _found(service: Service, given: str) -> Listed:
    found = service.find(given)
    if isinstance(found, Ambiguous):
        message = f"several requests begin with that: {', '.join(found.ids)}"
        raise ApiError(400, "ambiguous", message)
    if found is None:
        raise ApiError(404, "unknown", "there is no such request")
    return found


def _request_out(listed: Listed, service: Service, asker: Person) -> RequestOut:
    review, request, verdict = listed.review, listed.review.request, listed.review.verdict
    refusal = may_vote(asker, request, service.people, service.clock())
    return RequestOut(
        request_id=request.request_id,
        version=request.version,
        kind=request.kind,
        state=review.state,
        action=request.action,
        resource=request.resource,
        environment=request.environment,
        reason=request.reason,
        params=request.params,
        principals=[PrincipalOut(role=p.role, issuer=p.issuer, subject=p.subject) for p in request.principals],
        rule_id=request.rule_id,
        rule_reason=request.rule_reason,
        risk=request.risk,
        quorum=quorum(request),
        groups=list(request.requirement.groups),
        people=list(request.requirement.people),
        policy=request.policy,
        binding=request.binding,
        view_digest=request.view_digest,
        created=request.created,
        expires=request.expires,
        repeats=listed.repeats,
        latest=listed.latest,
        votes=[_vote_out(v) for v in (verdict.votes if verdict else counted(review, service.people, service.clock()))],
        verdict=VerdictOut(
            verdict=verdict.verdict,
            decided=verdict.decided,
            reason=verdict.reason,
            votes=[_vote_out(v) for v in verdict.votes],
            folded_into=verdict.folded_into,
            released=verdict.released,
        )
        if verdict
        else None,
        folded_into=review.folded_into,
        can_decide=refusal is None and verdict is None and review.folded_into is None,
        why_not=refusal.message if refusal else "",
    )


def _vote_out(vote: Vote) -> VoteOut:
    return VoteOut(
        issuer=vote.issuer,
        subject=vote.subject,
        decision=vote.decision,
        reason=vote.reason,
        at=vote.at,
        channel=vote.channel,
    )


def _channel(http: Request) -> str:
    """What the caller says it is. It says nothing about who they are: the token does."""
    return "cli" if http.headers.get("user-agent", "").startswith("sluicegate-cli/") else "api"
