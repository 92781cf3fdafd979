"""What the API takes and gives, as JSON; and requests in that form."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from approvals.lifecycle import Clarification, Review
from approvals.person import Person
from approvals.rights import counted, may_vote, quorum
from approvals.rows import Listed
from approvals.service import Service
from approvals.web.params import param_lines
from engine.ledger.model import ReviewRequest, Risk, Vote

_CHANGES = 50
_CHANGE_LIMIT = 1_000  # characters of a value
Text = Annotated[str, Field(max_length=20_000)]
Version = Annotated[int, Field(ge=1, le=2**31 - 1)]


class Model(BaseModel):
    """Strict, and says nothing of what was sent when it is not in order."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class ProblemOut(Model):
    """An error (RFC 9457). ``code`` is for programs, ``detail`` for people; some have members of their own."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int
    detail: str
    code: str


class PrincipalOut(Model):
    """Somebody who takes part in the action."""

    role: str
    issuer: str
    subject: str


class VoteOut(Model):
    """One person's decision; ``at`` in ms since the epoch."""

    issuer: str
    subject: str
    decision: str
    reason: str
    at: int
    channel: str
    break_glass: bool


class VerdictOut(Model):
    """How a request ended; ``decided`` in ms since the epoch."""

    verdict: str
    decided: int
    reason: str
    votes: list[VoteOut]
    folded_into: str | None
    released: bool


class SummaryOut(Model):
    """A review request as a list shows it; times in ms since the epoch."""

    request_id: str
    version: int
    kind: str
    state: str
    action: str
    resource: str
    environment: str
    reason: str
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


class ClarificationOut(Model):
    """A question about a request, and its answer, empty until there is one.

    Times in ms since the epoch, people as ``issuer:subject``.
    """

    question: str
    asked_by: str
    asked_at: int
    answer: str
    answered_by: str | None
    answered_at: int | None


class RequestOut(SummaryOut):
    """A review request, sanitized. ``params`` is JSON text."""

    params: str
    clarifications: list[ClarificationOut]


class RequestsOut(Model):
    """Requests, the most urgent (or, once decided, the latest) first. ``next`` is the cursor of the next page."""

    requests: list[SummaryOut]
    truncated: bool
    next: str | None


class ListQuery(Model):
    """What a list is narrowed to; a parameter that is not among these is refused, or a typing error would show all."""

    state: Literal["waiting", "decided", "all"] = "waiting"
    q: Annotated[str, Field(max_length=500, description="Words that must all occur.")] = ""
    rule: Annotated[str, Field(max_length=300)] = ""
    risk: Risk | None = None
    agent: Annotated[str, Field(max_length=300, description="Whose action it is.")] = ""
    limit: Annotated[int, Field(ge=1, le=100)] = 100
    cursor: Annotated[str, Field(max_length=1_000, description="`next` of the page before.")] = ""


class StandingOut(Model):
    """Whether a person can decide, and why or why not."""

    id: str
    name: str
    can: bool
    why: str


class WhoCanOut(Model):
    """Everybody, those who can decide first."""

    request_id: str
    quorum: int
    people: list[StandingOut]


class BallotIn(Model):
    """A vote on one version of a request. ``break_glass``: alone, in an emergency, reviewed afterwards."""

    decision: Literal["approve", "deny"]
    version: Version
    reason: Text = ""
    break_glass: bool = False


class QuestionIn(Model):
    """A question about one version of a request."""

    version: Version
    question: Text


class AnswerIn(Model):
    """The answer to what was asked about one version of a request."""

    version: Version
    answer: Text


class WithdrawalIn(Model):
    """Why a request is taken back."""

    reason: Text = ""


class PickIn(Model):
    """One of several requests, as it was seen."""

    request_id: Annotated[str, Field(min_length=1, max_length=300)]
    version: Version


class BatchIn(Model):
    """One decision on several requests; each is voted on, checked and logged by itself."""

    decision: Literal["approve", "deny"]
    requests: Annotated[list[PickIn], Field(min_length=1, max_length=100)]
    reason: Text = ""


class OutcomeOut(Model):
    """What came of one vote of several: the state of the request now, or the ``code`` and words of a refusal."""

    request_id: str
    state: str | None
    code: str | None
    detail: str | None


class BatchOut(Model):
    """What came of each, in the order in which they were sent."""

    outcomes: list[OutcomeOut]


class ChangeOut(Model):
    """One thing that is different between what was seen and what is; null where there was or is none."""

    field: str
    was: str | None
    now: str | None


class MeOut(Model):
    """Who asks: the identity that would stand on a vote, and what a machine's token is for (null for a person)."""

    id: str
    name: str
    groups: list[str]
    scopes: list[str] | None


class DelegationIn(Model):
    """To whom you lend your right (id, or issuer:subject), until ms since the epoch; without groups, all of it."""

    to: Annotated[str, Field(min_length=1, max_length=400)]
    until: Annotated[int, Field(ge=0, lt=2**63)]
    groups: Annotated[list[Annotated[str, Field(max_length=400)]], Field(max_length=50)] = []


class DelegationOut(Model):
    """A right that ``lender`` lent to ``taker``; times in ms since the epoch; all of it without groups."""

    id: str
    lender: str
    taker: str
    until: int
    groups: list[str]
    created: int


class DelegationsOut(Model):
    """Those that hold now, the one that ends first before the others."""

    delegations: list[DelegationOut]


class BarredOut(Model):
    """Who was barred, and how many of their sessions ended."""

    id: str
    sessions: int


class StatusOut(Model):
    """How the service fares."""

    waiting: int
    repeats: int
    decided: int
    unreadable: int
    unpublished: int
    problem: str


def summary(listed: Listed, service: Service, asker: Person) -> SummaryOut:
    """A request as a list shows it to ``asker``."""
    review, request, verdict = listed.review, listed.review.request, listed.review.verdict
    refusal = may_vote(asker, request, service.people, service.clock())
    votes = verdict.votes if verdict else counted(review, service.people, service.clock())
    ending = verdict and VerdictOut(
        verdict=verdict.verdict,
        decided=verdict.decided,
        reason=verdict.reason,
        votes=[_vote(vote) for vote in verdict.votes],
        folded_into=verdict.folded_into,
        released=verdict.released,
    )
    return SummaryOut(
        request_id=request.request_id,
        version=request.version,
        kind=request.kind,
        state=review.state,
        action=request.action,
        resource=request.resource,
        environment=request.environment,
        reason=request.reason,
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
        votes=[_vote(vote) for vote in votes],
        verdict=ending,
        folded_into=review.folded_into,
        can_decide=refusal is None and verdict is None and review.folded_into is None,
        why_not=refusal.message if refusal else "",
    )


def whole(listed: Listed, service: Service, asker: Person) -> RequestOut:
    """All that ``asker`` may see of a request."""
    review: Review = listed.review
    return RequestOut(
        **dict(summary(listed, service, asker)),
        params=review.request.params,
        clarifications=[_clarification(one) for one in review.clarifications],
    )


def changes(before: ReviewRequest, after: ReviewRequest) -> list[ChangeOut]:
    """What is different between two versions of a request, at most 50 things."""
    was, now = dict(_fields(before)), dict(_fields(after))
    fields = (name for name in {**was, **now} if was.get(name) != now.get(name))
    return [
        ChangeOut(field=name[:_CHANGE_LIMIT], was=_cut(was.get(name)), now=_cut(now.get(name)))
        for name in islice(fields, _CHANGES)
    ]


def _fields(request: ReviewRequest) -> Iterator[tuple[str, str]]:
    for name in ("action", "resource", "environment", "reason", "rule_id", "risk"):
        yield name, str(getattr(request, name))
    yield "principals", ", ".join(f"{p.role} {p.issuer}:{p.subject}" for p in request.principals)
    yield "quorum", str(quorum(request))
    yield from ((f"params.{path}", value) for path, value in param_lines(request.params))


def _cut(text: str | None) -> str | None:
    return text if text is None or len(text) <= _CHANGE_LIMIT else f"{text[:_CHANGE_LIMIT]}…"


def _vote(vote: Vote) -> VoteOut:
    return VoteOut(
        issuer=vote.issuer,
        subject=vote.subject,
        decision=vote.decision,
        reason=vote.reason,
        at=vote.at,
        channel=vote.channel,
        break_glass=vote.break_glass,
    )


def _clarification(one: Clarification) -> ClarificationOut:
    return ClarificationOut(
        question=one.question,
        asked_by=one.asked_by,
        asked_at=one.asked_at,
        answer=one.answer,
        answered_by=one.answered_by,
        answered_at=one.answered_at,
    )
