"""Who may vote, and when a verdict stands. Pure.

Separation of duties comes first and is not a rule of any policy: whoever takes part in an action (initiator,
on behalf of, every delegate, owner) cannot decide on it, by any channel, whatever groups they are in.

The two comparisons lean opposite ways on purpose. A *conflict* is found generously (any identity, any issuer,
case folded), an *entitlement* strictly (``issuer:id``, to the letter): a name that two issuers share may keep
somebody from voting, and never lets anybody vote.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

from approvals.lifecycle import (
    Event,
    RefusalCode,
    Refused,
    Review,
    advance,
    end,
)
from approvals.person import Identity, Person, folded
from engine.ledger.model import (
    Decision,
    Principal,
    PrincipalRole,
    Requirement,
    ReviewRequest,
    Risk,
    VerdictKind,
    Vote,
)

REASON_LIMIT = 2_000  # characters

_ROLE_TO_YOU = {
    PrincipalRole.INITIATOR: "you initiated this action",
    PrincipalRole.ON_BEHALF_OF: "this action is done on your behalf",
    PrincipalRole.DELEGATE: "you are a link in its delegation chain",
    PrincipalRole.OWNER: "you own the agent that asks",
}
_ROLE_OF_THEM = {
    PrincipalRole.INITIATOR: "initiated this action",
    PrincipalRole.ON_BEHALF_OF: "it is done on their behalf",
    PrincipalRole.DELEGATE: "is a link in its delegation chain",
    PrincipalRole.OWNER: "owns the agent that asks",
}


@dataclass(frozen=True, slots=True)
class Ballot:
    """What somebody wants to vote: for one ``version``, with a ``reason`` that has been scrubbed."""

    decision: Decision
    version: int
    reason: str = ""


class Standing(NamedTuple):
    """Whether ``person`` can decide on a request, and why or why not, as words that follow their name."""

    person: Person
    can: bool
    why: str


def conflict(person: Person, request: ReviewRequest) -> Principal | None:
    """The first principal of ``request`` that may be ``person``; None if none can be."""
    subjects = person.subjects()
    return next((p for p in request.principals if folded(p.subject) in subjects), None)


def entitlement(person: Person, requirement: Requirement) -> str | None:
    """The group or the name in ``requirement`` that lets ``person`` vote; None if nothing does."""
    named = next((name for name in requirement.people if person.is_known_as(name)), None)
    return named or next((group for group in requirement.groups if group in person.groups), None)


def may_vote(person: Person, request: ReviewRequest) -> Refused | None:
    """Why ``person`` cannot decide on ``request``, or None if they can. Conflicts come before all else."""
    principal = conflict(person, request)
    if principal is not None:
        return Refused(RefusalCode.CONFLICT, f"{_ROLE_TO_YOU[principal.role]}, so you cannot decide on it")
    if entitlement(person, request.requirement) is None:
        return Refused(RefusalCode.NOT_ENTITLED, f"you are not {_asked(request.requirement)}")
    return None


def who_can(request: ReviewRequest, people: Iterable[Person]) -> list[Standing]:
    """Everybody, those who can decide first, with why or why not."""
    standings = []
    for person in people:
        principal = conflict(person, request)
        granted = entitlement(person, request.requirement)
        if principal is not None:
            standings.append(Standing(person, can=False, why=_ROLE_OF_THEM[principal.role]))
        elif granted is None:
            standings.append(Standing(person, can=False, why=f"is not {_asked(request.requirement)}"))
        else:
            how = "is named" if granted in request.requirement.people else f"is in {granted}"
            standings.append(Standing(person, can=True, why=how))
    return sorted(standings, key=lambda s: (not s.can, s.person.id))


def counted(review: Review, people: Mapping[Identity, Person]) -> tuple[Vote, ...]:
    """The votes that count now: one a person, from those who are still there and may still vote.

    Somebody who left, lost their group, or turned out to take part in the action no longer counts.
    """
    latest = {Identity(vote.issuer, vote.subject): vote for vote in review.votes}
    return tuple(
        vote
        for identity, vote in latest.items()
        if (person := people.get(identity)) is not None and may_vote(person, review.request) is None
    )


def quorum(request: ReviewRequest) -> int:
    """How many different people must approve: never fewer than one, whatever the policy says."""
    return max(1, request.requirement.quorum)


def reason_required(decision: Decision, risk: Risk) -> bool:
    """Whether a vote needs a reason: every denial, and an approval where a mistake is dear."""
    return decision is Decision.DENY or risk in (Risk.HIGH, Risk.CRITICAL)


def cast(
    review: Review,
    person: Person,
    ballot: Ballot,
    people: Mapping[Identity, Person],
    *,
    at: int,
    channel: str,
) -> Review | Refused:
    """``review`` after ``person`` has voted at ``at`` (ms since the epoch); with its verdict if that decides.

    ``people`` is everybody as known now: earlier votes are counted against it again.
    """
    refusal = may_vote(person, review.request) or _admissible(review, ballot, at)
    if refusal is not None:
        return refusal
    identity = person.identity
    vote = Vote(identity.issuer, identity.subject, ballot.decision, ballot.reason, at, channel)
    others = tuple(v for v in review.votes if Identity(v.issuer, v.subject) != identity)
    review = replace(review, votes=(*others, vote))
    if vote.decision is Decision.DENY:  # one denial denies
        return end(review, Event.DENIAL, VerdictKind.DENIED, at=at, reason=vote.reason, votes=review.votes)
    standing = counted(review, {**people, identity: person})
    if len(standing) < quorum(review.request):
        return review
    return end(review, Event.QUORUM, VerdictKind.APPROVED, at=at, reason=vote.reason, votes=standing)


def ask(review: Review, person: Person, *, version: int, at: int) -> Review | Refused:
    """``person`` asks for a clarification, which whoever could vote may do."""
    refusal = may_vote(person, review.request) or _timely(review, version, at)
    if refusal is not None:
        return refusal
    state = advance(review.state, Event.ASK)
    return state if isinstance(state, Refused) else replace(review, state=state)


def _admissible(review: Review, ballot: Ballot, at: int) -> Refused | None:
    event = Event.DENIAL if ballot.decision is Decision.DENY else Event.VOTE
    state = advance(review.state, event)
    if isinstance(state, Refused):
        return state
    refusal = _timely(review, ballot.version, at)
    if refusal is not None:
        return refusal
    if len(ballot.reason) > REASON_LIMIT:
        return Refused(RefusalCode.REASON_TOO_LONG, f"the reason is longer than {REASON_LIMIT:,} characters")
    if not ballot.reason.strip() and reason_required(ballot.decision, review.request.risk):
        what = "a denial" if event is Event.DENIAL else f"an approval at {review.request.risk} risk"
        return Refused(RefusalCode.REASON_REQUIRED, f"{what} needs a reason")
    return None


def _timely(review: Review, version: int, at: int) -> Refused | None:
    current = review.request.version
    if version != current:
        return Refused(
            RefusalCode.STALE,
            f"you looked at version {version}, it is now version {current}: look again before you decide",
            version=version,
            current=current,
        )
    if at >= review.request.expires:
        return Refused(RefusalCode.DEADLINE_PASSED, "its deadline has passed, and silence is a denial")
    return None


def _asked(requirement: Requirement) -> str:
    groups = " or ".join(requirement.groups)
    names = " or ".join(requirement.people)
    if groups and names:
        return f"in {groups}, nor {names}"
    return f"in {groups}" if groups else names or "asked: no group and nobody is named"
