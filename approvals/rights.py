"""Who may decide on a request, by what right, and which seats are taken. Pure.

Separation of duties comes first and is not a rule of any policy: whoever takes part in an action (initiator,
on behalf of, every delegate, owner, whoever gains by it) cannot decide on it, by any channel, whatever groups they
are in, whether they break the glass or act for somebody else; nor can who acts for one of these.

The two comparisons lean opposite ways on purpose. A *conflict* is found generously (any identity, any issuer,
case folded), an *entitlement* strictly (``issuer:id``, to the letter): a name that two issuers share may keep
somebody from voting, and never lets anybody vote.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple, Protocol

from approvals.lifecycle import RefusalCode, Refused, Review
from approvals.person import Identity, Person, folded
from approvals.seating import Offer, Right, seated
from engine.actions.times import within
from engine.ledger.model import Decision, Principal, PrincipalRole, Requirement, ReviewRequest, Seat, Step, Vote

_ROLE_TO_YOU = {
    PrincipalRole.INITIATOR: "you initiated this action",
    PrincipalRole.ON_BEHALF_OF: "this action is done on your behalf",
    PrincipalRole.DELEGATE: "you are a link in its delegation chain",
    PrincipalRole.OWNER: "you own the agent that asks",
    PrincipalRole.BENEFICIARY: "you are the one it is for",
}
_ROLE_OF_THEM = {
    PrincipalRole.INITIATOR: "initiated this action",
    PrincipalRole.ON_BEHALF_OF: "it is done on their behalf",
    PrincipalRole.DELEGATE: "is a link in its delegation chain",
    PrincipalRole.OWNER: "owns the agent that asks",
    PrincipalRole.BENEFICIARY: "is the one it is for",
}


LONGEST_DELEGATION_MS = 366 * 86_400_000


class Pool(Protocol):
    """Groups and people, as ``issuer:id``, any of whom will do."""

    @property
    def groups(self) -> tuple[str, ...]:
        """Groups, each of whose members will do."""

    @property
    def people(self) -> tuple[str, ...]:
        """People by name."""


class Standing(NamedTuple):
    """Whether ``person`` can decide on a request, and why or why not, as words that follow their name.

    ``glass`` is whether they could approve it alone, in an emergency.
    """

    person: Person
    can: bool
    why: str
    glass: bool = False


class Taken(NamedTuple):
    """A seat, named as the policy does (empty if it names none), and the vote that fills it, if one does."""

    seat: str
    vote: Vote | None


# --- Conflicts ----------------------------------------------------------------------------------------------


def conflict(person: Person, request: ReviewRequest) -> Principal | None:
    """The first principal of ``request`` that may be ``person``; None if none can be.

    Where the target of the action is a person, that person is a principal too: nobody grants rights to themselves.
    """
    subjects = person.subjects()
    found = next((p for p in request.principals if folded(p.subject) in subjects), None)
    if found is not None:
        return found
    target = folded(request.resource)
    if any(_is_target(target, subject) for subject in subjects):
        return Principal(PrincipalRole.BENEFICIARY, *person.identity)
    return None


def _is_target(target: str, subject: str) -> bool:
    return bool(subject) and (target == subject or target.endswith((f"/{subject}", f":{subject}")))


def lent_conflict(
    person: Person, request: ReviewRequest, people: Mapping[Identity, Person], at: int
) -> tuple[Identity, Principal] | None:
    """Whoever ``person`` acts for at ``at`` that takes part in the action, and as what; None if nobody does."""
    for lent in person.acts_for:
        lender = people.get(lent.lender) or Person("", "", frozenset(), (lent.lender,))
        if lent.until > at and (principal := conflict(lender, request)) is not None:
            return lent.lender, principal
    return None


# --- Rights -------------------------------------------------------------------------------------------------


def entitlement(person: Person, pool: Pool, only: frozenset[str] = frozenset()) -> str | None:
    """The group or the name in ``pool`` that lets ``person`` decide; None if nothing does.

    ``only``, unless it is empty, is all that counts of their groups, and their name then does not.
    """
    if only:
        return next((group for group in pool.groups if group in person.groups & only), None)
    named = next((name for name in pool.people if person.is_known_as(name)), None)
    return named or next((group for group in pool.groups if group in person.groups), None)


def quorum(request: ReviewRequest) -> int:
    """How many different people must approve: never fewer than one, whatever the policy says."""
    return max(1, request.requirement.quorum)


def seats(request: ReviewRequest) -> tuple[Seat, ...]:
    """The places to be filled by different people. Where the policy names none, there are as many as it asks for."""
    requirement = request.requirement
    return requirement.seats or (Seat("", requirement.groups, requirement.people),) * quorum(request)


def steps(request: ReviewRequest, at: int) -> tuple[Step, ...]:
    """The steps of the escalation that have been taken at ``at``: who they name may fill any seat."""
    return tuple(step for step in request.requirement.steps if request.created + step.after <= at)


def rights(person: Person, request: ReviewRequest, people: Mapping[Identity, Person], at: int) -> list[Right]:
    """By what rights ``person`` can fill which seats at ``at``: their own first, then what others lent them."""
    asked_too = steps(request, at)
    found = []
    for holder, only in _holders(person, people, at):
        for number, seat in enumerate(seats(request)):
            pools: tuple[Pool, ...] = (seat, *asked_too)
            granted = (entitlement(holder, pool, only) for pool in pools)
            via = next((one for one in granted if one is not None), None)
            if via is not None:
                found.append(Right(number, holder.identity, via))
    return found


def _holders(person: Person, people: Mapping[Identity, Person], at: int) -> Iterator[tuple[Person, frozenset[str]]]:
    yield person, frozenset()
    for lent in person.acts_for:
        lender = people.get(lent.lender)
        if lender is not None and lent.until > at:
            yield lender, lent.groups


def why_not_lend(lender: Person, taker: Person | None, *, until: int, groups: Collection[str], at: int) -> str | None:
    """Why ``lender`` cannot lend their right at ``at``, as a sentence without a full stop; None if they can."""
    if lender.is_machine or taker is None or taker.is_machine:
        return "a right is lent by one person to another who is known here"
    if taker.identity == lender.identity:
        return "nobody can delegate to themselves"
    if not at < until <= at + LONGEST_DELEGATION_MS:
        return "a delegation ends at a time to come, within a year"
    missing = sorted(set(groups) - lender.groups)
    return f"you are not in {missing[0]}" if missing else None


def may_vote(person: Person, request: ReviewRequest, people: Mapping[Identity, Person], at: int) -> Refused | None:
    """Why ``person`` cannot decide on ``request`` at ``at``, or None if they can. Conflicts come before all else."""
    refusal = _party(person, request, people, at)
    if refusal is not None:
        return refusal
    if rights(person, request, people, at):
        return None
    later = _asked_later(person, request, at)
    if later is not None:
        when = _clock(request.created + later.after)
        return Refused(RefusalCode.NOT_ENTITLED, f"you are asked from {when} on, if nobody has decided until then")
    return Refused(RefusalCode.NOT_ENTITLED, f"you are not {_asked(request.requirement, steps(request, at))}")


def may_break_glass(
    person: Person, request: ReviewRequest, people: Mapping[Identity, Person], at: int
) -> Refused | None:
    """Why ``person`` cannot approve ``request`` alone in an emergency; None if they can. Nobody can lend that."""
    refusal = _party(person, request, people, at)
    if refusal is not None:
        return refusal
    glass = request.requirement.break_glass
    if glass is None:
        return Refused(RefusalCode.NOT_ENTITLED, "the policy lets nobody break the glass here")
    if entitlement(person, glass) is None:
        return Refused(RefusalCode.NOT_ENTITLED, "you are not among those who may break the glass")
    return None


def _party(person: Person, request: ReviewRequest, people: Mapping[Identity, Person], at: int) -> Refused | None:
    principal = conflict(person, request)
    if principal is not None:
        return Refused(RefusalCode.CONFLICT, f"{_ROLE_TO_YOU[principal.role]}, so you cannot decide on it")
    lent = lent_conflict(person, request, people, at)
    if lent is not None:
        words = f"you act for {lent[0]}, who takes part in it ({lent[1].role.replace('_', ' ')})"
        return Refused(RefusalCode.CONFLICT, f"{words}, so you cannot decide on it")
    return None


def open_for_approval(request: ReviewRequest, at: int) -> bool:
    """Whether an approval may be given at ``at``; a denial always may."""
    return not request.requirement.hours or within(request.requirement.hours, at)


def who_can(request: ReviewRequest, people: Mapping[Identity, Person], at: int) -> list[Standing]:
    """Everybody, those who can decide first, with why or why not."""
    found = [_standing(person, request, people, at) for person in people.values()]
    return sorted(found, key=lambda s: (not s.can, s.person.id))


def _standing(person: Person, request: ReviewRequest, people: Mapping[Identity, Person], at: int) -> Standing:
    principal = conflict(person, request)
    if principal is not None:
        return Standing(person, can=False, why=_ROLE_OF_THEM[principal.role])
    lent = lent_conflict(person, request, people, at)
    if lent is not None:
        return Standing(person, can=False, why=f"acts for {lent[0]}, who takes part in it")
    glass = may_break_glass(person, request, people, at) is None
    mine = rights(person, request, people, at)
    if not mine:
        later = _asked_later(person, request, at)
        why = (
            f"is asked from {_clock(request.created + later.after)} on"
            if later
            else f"is not {_asked(request.requirement, steps(request, at))}"
        )
        return Standing(person, can=False, why=f"{why}; may break the glass" if glass else why, glass=glass)
    right = mine[0]
    how = "is named" if person.is_known_as(right.via) else f"is in {right.via}"
    if right.holder != person.identity:
        until = next(lent.until for lent in person.acts_for if lent.lender == right.holder and lent.until > at)
        how = f"acts for {right.holder}, by {right.via}, until {_clock(until)}"
    names = dict.fromkeys(seats(request)[one.seat].name for one in mine)
    taking = [name for name in names if name]
    why = f"{how}, for {' or '.join(taking)}" if taking else how
    if not open_for_approval(request, at):
        why += "; can only deny now, outside the hours for approvals"
    return Standing(person, can=True, why=why, glass=glass)


def _asked_later(person: Person, request: ReviewRequest, at: int) -> Step | None:
    coming = (step for step in request.requirement.steps if request.created + step.after > at)
    return next((step for step in coming if entitlement(person, step) is not None), None)


# --- Counting -----------------------------------------------------------------------------------------------


def counted(review: Review, people: Mapping[Identity, Person], at: int) -> tuple[Vote, ...]:
    """The votes that count at ``at``: one a person, from those who are still there and may still vote.

    Somebody who left, lost their group, or turned out to take part in the action no longer counts.
    """
    latest = {Identity(vote.issuer, vote.subject): vote for vote in review.votes}
    return tuple(
        vote
        for identity, vote in latest.items()
        if (person := people.get(identity)) is not None and may_vote(person, review.request, people, at) is None
    )


def taken(review: Review, people: Mapping[Identity, Person], at: int) -> tuple[Taken, ...]:
    """Each seat with the approval that fills it: as many as can be filled, one person and one right to a seat.

    A vote counts by the right that it was cast by. Who lent a right and voted as well has used it.
    """
    votes = counted(review, people, at)
    voted = {Identity(vote.issuer, vote.subject) for vote in votes}
    offers = []
    for vote in votes:
        if vote.decision is Decision.APPROVE:
            voter = Identity(vote.issuer, vote.subject)
            mine = rights(people[voter], review.request, people, at)
            holder = next((r.holder for r in mine if str(r.holder) == (vote.acting_for or str(voter))), None)
            if holder is not None and (holder == voter or holder not in voted):
                offers.append(Offer(voter, holder, tuple(r.seat for r in mine if r.holder == holder)))
    found = seated(offers)
    by_voter = {Identity(vote.issuer, vote.subject): vote for vote in votes}
    return tuple(
        Taken(seat.name, by_voter[found[number]] if number in found else None)
        for number, seat in enumerate(seats(review.request))
    )


def approvals_needed(review: Review, people: Mapping[Identity, Person], at: int) -> int:
    """How many more approvals it takes; 0 if the votes are enough."""
    filled = sum(one.vote is not None for one in taken(review, people, at))
    return max(0, quorum(review.request) - filled)


def _asked(requirement: Requirement, asked_too: Sequence[Step]) -> str:
    pools: Iterable[Pool] = (*(requirement.seats or (requirement,)), *asked_too)
    groups, names = [dict.fromkeys(x for pool in pools for x in part(pool)) for part in (_groups, _people)]
    if groups and names:
        return f"in {' or '.join(groups)}, nor {' or '.join(names)}"
    return f"in {' or '.join(groups)}" if groups else " or ".join(names) or "asked: no group and nobody is named"


def _groups(pool: Pool) -> tuple[str, ...]:
    return pool.groups


def _people(pool: Pool) -> tuple[str, ...]:
    return pool.people


def _clock(ms: int) -> str:
    return f"{datetime.fromtimestamp(ms / 1000, UTC):%Y-%m-%d %H:%M} UTC"
