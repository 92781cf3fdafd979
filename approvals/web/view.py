"""What a page shows of a request, in words. Pure: a review, people and the time in, a view out."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from markupsafe import Markup

from approvals.before import session_of
from approvals.lifecycle import OPEN, State
from approvals.person import Person, Roster
from approvals.rights import Standing, counted, may_vote, quorum, who_can
from approvals.rows import Listed, LoggedEvent
from approvals.web.compare import Difference, difference
from approvals.web.options import Exchange, Options, SeatView, denials_needed, exchanges, options, seat_views
from approvals.web.params import ParamTable, param_lines, param_table
from approvals.web.reach import Reach, reach
from approvals.web.text import clipped, plain, short
from approvals.web.words import RISK_WORDS, Moment, digest, moment, span, verdict_word
from engine.ledger.model import (
    ActionKind,
    Decision,
    Principal,
    PrincipalRole,
    ReviewRequest,
    Risk,
    Vote,
)

_ROLE_WORDS = {
    PrincipalRole.INITIATOR: "Initiated by",
    PrincipalRole.ON_BEHALF_OF: "On behalf of",
    PrincipalRole.DELEGATE: "Delegated to",
    PrincipalRole.OWNER: "Owned by",
    PrincipalRole.BENEFICIARY: "For",
}
_PLATFORMS = {"aws": "AWS", "kubernetes": "Kubernetes"}
_TYPED = 60  # characters
_PLACEHOLDER_NAME = re.compile(r"\[([A-Z][A-Z0-9_]+)")
# A chain is read from the person at its top to the agent at its end.
_ROLE_ORDER = [
    PrincipalRole.ON_BEHALF_OF,
    PrincipalRole.OWNER,
    PrincipalRole.INITIATOR,
    PrincipalRole.DELEGATE,
    PrincipalRole.BENEFICIARY,
]


class Named(NamedTuple):
    """Somebody: what to call them, their canonical id, and how much of it the name leaves unsaid."""

    name: Markup
    canonical: Markup
    note: Markup


class Link(NamedTuple):
    """One principal of the chain. ``known`` says what the id is worth: who vouches for it."""

    role: str
    who: Named
    is_you: bool
    known: str


class LastTime(NamedTuple):
    """The last approval of the same rule, action and environment."""

    id: str
    at: Moment
    by: list[Named]
    resource: Markup | None  # where it differs


class VoteView(NamedTuple):
    """One vote: by whom, what, why, when, over which channel."""

    who: Named
    decision: str
    reason: Markup
    at: Moment
    channel: str
    acting_for: Markup  # whose right they used; empty if their own


@dataclass(frozen=True, slots=True)
class Brief:
    """What a list shows of a request."""

    id: str
    version: int
    who: Named
    for_whom: Named | None
    through: list[Named]
    verb: str
    action: Markup
    resource: Markup
    environment: Markup
    risk: str
    risk_words: str
    is_fact: bool
    is_open: bool
    state: str
    times: int
    latest: Moment
    created: Moment
    expires: Moment
    left: str
    silence: str
    have: int
    need: int
    can: bool
    why_not: str
    verdict: str
    verdict_kind: str
    decided: Moment | None
    deciders: list[Named]


@dataclass(frozen=True, slots=True)
class Full:
    """What the page of one request shows beside its brief."""

    brief: Brief
    table: ParamTable
    last: LastTime | None
    reach: Reach
    taken_out: list[tuple[str, int]]  # what was redacted, most first
    typed: str  # what must be typed to approve; empty if nothing
    since: Difference | None  # to the version that the viewer has seen
    options: Options
    seats: list[SeatView]
    denials: str
    asked: list[Exchange]
    review_of: str | None  # the request whose glass was broken
    glass: bool  # it was
    goes_back: bool  # to a session, whose earlier records can be looked up
    claim: Markup
    chain: list[Link]
    rule_id: Markup
    rule_reason: Markup
    policy: str
    binding: str
    view_digest: str
    position: str
    votes: list[VoteView]
    mine: VoteView | None
    able: list[Standing]
    unable: list[Standing]
    too_few: bool
    reason_for_approval: bool
    folded_into: str | None
    verdict_reason: Markup
    verdict_votes: list[VoteView]
    released: bool
    out: bool  # the held record is in the log
    entry: int  # of the event log, where it ended; 0 before
    pulse: str

    @property
    def filled(self) -> int:
        """How many seats are filled."""
        return sum(bool(one.by) for one in self.seats)


def pulse(listed: Listed) -> str:
    """Changes when a form that shows this request must not be sent any more.

    Repeats are left out: an agent that asks again and again must not keep anybody from answering.
    """
    review = listed.review
    voted = max((vote.at for vote in review.votes), default=0)
    return f"{review.request.version}.{review.state}.{len(review.votes)}.{voted}"


def brief(listed: Listed, people: Roster, viewer: Person, *, now: int, limit: int = 160) -> Brief:
    """What a list shows to ``viewer`` at ``now`` (ms since the epoch). ``limit``: bytes for each part."""
    review, request = listed.review, listed.review.request
    by_role = {role: [p for p in request.principals if p.role is role] for role in PrincipalRole}
    first = (by_role[PrincipalRole.INITIATOR] or list(request.principals))[0]
    for_whom = next(iter(by_role[PrincipalRole.ON_BEHALF_OF]), None)
    is_fact, verdict = request.kind is ActionKind.FACT, review.verdict
    refusal = may_vote(viewer, request, people, now)
    left = "" if verdict else span(request.expires - now)
    entities = _entities(request)
    return Brief(
        id=request.request_id,
        version=request.version,
        who=_named(first, people),
        for_whom=_named(for_whom, people) if for_whom and _key(for_whom) != _key(first) else None,
        through=[_named(p, people) for p in by_role[PrincipalRole.DELEGATE][:3] if _key(p) != _key(first)],
        verb="has run" if is_fact else "wanted to run" if verdict else "wants to run",
        action=clipped(request.action, limit, entities)[0],
        resource=clipped(request.resource, limit, entities)[0],
        environment=clipped(request.environment, limit, entities)[0],
        risk=request.risk,
        risk_words=RISK_WORDS[request.risk],
        is_fact=is_fact,
        is_open=review.state in OPEN,
        state=review.state,
        times=listed.repeats + 1,
        latest=moment(listed.latest),
        created=moment(request.created),
        expires=moment(request.expires),
        left=left,
        silence="Closes as not reviewed" if is_fact else "Denied",
        have=len(counted(review, people, now)),
        need=quorum(request),
        can=refusal is None and review.state in (State.PENDING, State.CLARIFICATION_ASKED),
        why_not=refusal.message if refusal else "",
        verdict=verdict_word(request, verdict.verdict) if verdict else "",
        verdict_kind=verdict.verdict if verdict else "",
        decided=moment(verdict.decided) if verdict else None,
        deciders=[_voter(vote, people) for vote in verdict.votes] if verdict else [],
    )


def must_type(request: ReviewRequest) -> str:
    """What an approval on the page needs to be typed: the target's name where the risk is high, else nothing.

    A target that nobody can type is stood for by the beginning of the request's fingerprint.
    """
    if request.risk not in (Risk.HIGH, Risk.CRITICAL):
        return ""
    name = request.resource or request.action
    can_be_typed = name.isascii() and name.isprintable() and name == name.strip() and len(name) <= _TYPED
    return (
        name
        if can_be_typed and not _entities(request) & set(_PLACEHOLDER_NAME.findall(name))
        else digest(request.binding).replace(" ", "")
    )


def full(
    listed: Listed,
    events: Sequence[LoggedEvent],
    people: Roster,
    viewer: Person,
    *,
    now: int,
    last: Listed | None = None,
    seen: ReviewRequest | None = None,
) -> Full:
    """What the page of one request shows to ``viewer`` at ``now`` (ms since the epoch).

    ``last`` is the last approval of its kind; ``seen`` an earlier version, if that is what the viewer knows.
    """
    review, request, verdict = listed.review, listed.review.request, listed.review.verdict
    entities = _entities(request)
    standings = who_can(request, people, now)
    able = [s for s in standings if s.can]
    voted = [_vote(vote, people) for vote in counted(review, people, now)]
    mine = next((v for v in review.votes if (v.issuer, v.subject) == viewer.identity), None)
    return Full(
        brief=brief(listed, people, viewer, now=now, limit=600),
        table=param_table(request.params, entities, last.review.request.params if last else None),
        last=_last_time(request, last, people) if last else None,
        reach=reach(request),
        taken_out=Counter(r.entity.upper().replace("_", " ") for r in request.redactions).most_common(12),
        typed=must_type(request),
        since=difference(seen, request) if seen else None,
        goes_back=request.held is not None and session_of(request.held) is not None,
        options=options(review, people, viewer, now=now),
        seats=seat_views(review, people, now=now),
        denials=denials_needed(request),
        asked=exchanges(review.clarifications),
        review_of=request.review_of,
        glass=verdict is not None and verdict.break_glass,
        claim=clipped(request.reason, 2_000, entities)[0],
        chain=_chain(request, people, viewer),
        rule_id=clipped(request.rule_id, 200)[0],
        rule_reason=clipped(request.rule_reason, 1_000)[0],
        policy=digest(request.policy),
        binding=digest(request.binding),
        view_digest=digest(request.view_digest),
        position=short(str(request.position), 200),
        votes=voted,
        mine=_vote(mine, people) if mine else None,
        able=able[:20],
        unable=[s for s in standings if not s.can][:20],
        too_few=verdict is None and len(able) < quorum(request),
        reason_for_approval=request.risk in (Risk.HIGH, Risk.CRITICAL),
        folded_into=review.folded_into,
        verdict_reason=clipped(verdict.reason, 2_000)[0] if verdict else Markup(""),
        verdict_votes=[_vote(vote, people) for vote in verdict.votes] if verdict else [],
        released=verdict is not None and verdict.released,
        out=review.state is State.RELEASED,
        entry=next((e.seq for e in reversed(events) if verdict and e.event == verdict.verdict), 0),
        pulse=pulse(listed),
    )


def whole_text(request: ReviewRequest) -> str:
    """All that a reviewer may see of a request, uncut: a line for each value, unseen characters named."""
    lines = [
        f"request: {request.request_id}, version {request.version}",
        f"action: {plain(request.action)}",
        f"resource: {plain(request.resource)}",
        f"environment: {plain(request.environment)}",
        f"reason given: {plain(request.reason)}",
        *(f"{p.role}: {plain(p.issuer)}:{plain(p.subject)}" for p in request.principals),
        "",
        *(f"{plain(path) or 'value'} = {plain(value)}" for path, value in param_lines(request.params)),
    ]
    return "\n".join(lines) + "\n"


def _entities(request: ReviewRequest) -> frozenset[str]:
    return frozenset(r.entity.upper() for r in request.redactions)


def _key(principal: Principal) -> tuple[str, str]:
    return principal.issuer, principal.subject


def _named(principal: Principal, people: Roster) -> Named:
    """Known people by name, all others by subject: a record cannot choose what we call somebody."""
    person = people.known_as(principal.issuer, principal.subject)
    return _who(person, principal.issuer, principal.subject)


def _voter(vote: Vote, people: Roster) -> Named:
    person = people.known_as(vote.issuer, vote.subject)
    return _who(person, vote.issuer, vote.subject)


def _who(person: Person | None, issuer: str, subject: str) -> Named:
    canonical = clipped(f"{issuer}:{subject}", 200)[0]
    if person is None:
        return Named(clipped(subject, 200)[0], canonical, clipped(issuer, 80)[0])
    return Named(clipped(person.name, 120)[0], canonical, canonical)


def _vote(vote: Vote, people: Roster) -> VoteView:
    word = "approved" if vote.decision is Decision.APPROVE else "denied"
    lent = clipped(vote.acting_for, 200)[0]
    return VoteView(_voter(vote, people), word, clipped(vote.reason, 2_000)[0], moment(vote.at), vote.channel, lent)


def _last_time(request: ReviewRequest, last: Listed, people: Roster) -> LastTime:
    then, verdict = last.review.request, last.review.verdict
    resource = clipped(then.resource, 200, _entities(then))[0] if then.resource != request.resource else None
    votes = verdict.votes if verdict else ()
    return LastTime(
        then.request_id, moment(verdict.decided if verdict else 0), [_voter(v, people) for v in votes], resource
    )


def _known(principal: Principal, kind: ActionKind) -> str:
    """Who vouches for the id of ``principal``: a platform's audit log has checked it, an agent's record has not."""
    if kind is ActionKind.FACT and principal.issuer in _PLATFORMS:
        return f"signed in at {_PLATFORMS[principal.issuer]}, whose audit log says so"
    return "as the record says; nobody has checked it"


def _chain(request: ReviewRequest, people: Roster, viewer: Person) -> list[Link]:
    ordered = sorted(request.principals, key=lambda p: _ROLE_ORDER.index(p.role))
    return [
        Link(
            _ROLE_WORDS[p.role],
            _named(p, people),
            is_you=people.known_as(p.issuer, p.subject) == viewer,
            known=_known(p, request.kind),
        )
        for p in ordered[:30]
    ]
