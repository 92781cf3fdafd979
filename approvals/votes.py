"""What people do to a request, and when a verdict stands. Pure.

Who may do it says `approvals.rights`, what can happen when says `approvals.lifecycle`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from approvals import lifecycle
from approvals.lifecycle import Event, RefusalCode, Refused, Review, advance, end
from approvals.person import Identity, Person
from approvals.rights import (
    approvals_needed,
    conflict,
    counted,
    entitlement,
    may_break_glass,
    may_vote,
    open_for_approval,
    rights,
)
from engine.ledger.model import ActionKind, Decision, ReviewRequest, Risk, VerdictKind, Vote

REASON_LIMIT = 2_000  # characters


@dataclass(frozen=True, slots=True)
class Ballot:
    """What somebody wants to vote: for one ``version``, with a ``reason`` that has been scrubbed.

    With ``break_glass`` it is the approval of one, in an emergency.
    """

    decision: Decision
    version: int
    reason: str = ""
    break_glass: bool = False


def reason_required(decision: Decision, risk: Risk, *, break_glass: bool = False) -> bool:
    """Whether a vote needs a reason: every denial, and an approval where a mistake is dear or one decides alone."""
    return break_glass or decision is Decision.DENY or risk in (Risk.HIGH, Risk.CRITICAL)


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
    if ballot.break_glass:
        return _break_glass(review, person, ballot, people, at=at, channel=channel)
    people = {**people, person.identity: person}
    refusal = may_vote(person, review.request, people, at) or _admissible(review, ballot, at)
    if refusal is not None:
        return refusal
    right = rights(person, review.request, people, at)[0]
    acting_for = "" if right.holder == person.identity else str(right.holder)
    review = _with(review, person, ballot, at, channel, right=right.via, acting_for=acting_for)
    votes = counted(review, people, at)
    if ballot.decision is Decision.DENY:
        if sum(vote.decision is Decision.DENY for vote in votes) < review.request.requirement.denials:
            return review
        return end(review, Event.DENIAL, VerdictKind.DENIED, at=at, reason=ballot.reason, votes=review.votes)
    if approvals_needed(review, people, at):
        return review
    return end(review, Event.QUORUM, VerdictKind.APPROVED, at=at, reason=ballot.reason, votes=votes)


def ask(
    review: Review,
    person: Person,
    question: str,
    people: Mapping[Identity, Person],
    *,
    version: int,
    at: int,
) -> Review | Refused:
    """``person`` asks for a clarification, which whoever could vote may do. ``question`` has been scrubbed."""
    refusal = (
        may_vote(person, review.request, people, at)
        or _possible(review, Event.ASK)
        or _timely(review, version, at)
        or _said(question, "a question")
    )
    return refusal or lifecycle.ask(review, question, by=str(person.identity), at=at)


def answer(
    review: Review,
    by: Person | Identity,
    text: str,
    people: Mapping[Identity, Person],
    *,
    version: int,
    at: int,
) -> Review | Refused:
    """A party to the action answers what was asked: a new version, and the votes are void. ``text`` has been scrubbed.

    ``by`` is a person, or the identity of a program that speaks for the one who asks.
    """
    refusal = (
        may_speak(by, review.request, people)
        or _possible(review, Event.ANSWER)
        or _timely(review, version, at)
        or _said(text, "an answer")
    )
    return refusal or lifecycle.answer(review, text, by=name_of(by), at=at)


def withdraw(
    review: Review, by: Person | Identity, reason: str, people: Mapping[Identity, Person], *, at: int
) -> Review | Refused:
    """A party to the action takes the request back. ``reason`` has been scrubbed and may be empty."""
    refusal = may_speak(by, review.request, people) or _possible(review, Event.WITHDRAWAL)
    if refusal is None and at >= review.request.expires:
        refusal = Refused(RefusalCode.DEADLINE_PASSED, "its deadline has passed, and silence is a denial")
    if refusal is None and len(reason) > REASON_LIMIT:
        refusal = Refused(RefusalCode.REASON_TOO_LONG, f"the reason is longer than {REASON_LIMIT:,} characters")
    return refusal or lifecycle.withdraw(review, at=at, reason=reason or f"withdrawn by {name_of(by)}")


def may_speak(by: Person | Identity, request: ReviewRequest, people: Mapping[Identity, Person]) -> Refused | None:
    """Why ``by`` cannot answer for the action, or take it back; None if they can.

    Those who take part in it may. Where none of these is a person who is known here, whoever would be asked may
    answer in their place: an answer is no approval, and says whose it is.
    """
    speaker = by if isinstance(by, Person) else Person("", str(by), frozenset(), (by,))
    if conflict(speaker, request) is not None:
        return None
    unknown = not any(conflict(person, request) for person in people.values())
    if unknown and isinstance(by, Person) and entitlement(by, request.requirement) is not None:
        return None
    return Refused(RefusalCode.NOT_ENTITLED, "only those who take part in the action can speak for it")


def _break_glass(
    review: Review, person: Person, ballot: Ballot, people: Mapping[Identity, Person], *, at: int, channel: str
) -> Review | Refused:
    request = review.request
    refusal = may_break_glass(person, request, people, at) or _possible(review, Event.BREAK_GLASS)
    if refusal is None and request.kind is not ActionKind.PROPOSAL:
        refusal = Refused(RefusalCode.WRONG_STATE, "it has happened: there is nothing to break the glass for")
    if refusal is None and ballot.decision is not Decision.APPROVE:
        refusal = Refused(RefusalCode.WRONG_STATE, "breaking the glass approves; a denial needs no emergency")
    refusal = refusal or _timely(review, ballot.version, at) or _reasoned(review, ballot)
    if refusal is not None:
        return refusal
    glass = request.requirement.break_glass
    right = (entitlement(person, glass) if glass else None) or ""
    review = _with(review, person, ballot, at, channel, right=right)
    return end(review, Event.BREAK_GLASS, VerdictKind.APPROVED, at=at, reason=ballot.reason, votes=review.votes)


def _with(
    review: Review, person: Person, ballot: Ballot, at: int, channel: str, *, right: str, acting_for: str = ""
) -> Review:
    """``review`` with the vote in place of an earlier one of the same person."""
    issuer, subject = person.identity
    vote = Vote(
        issuer,
        subject,
        ballot.decision,
        ballot.reason,
        at,
        channel,
        right=right,
        acting_for=acting_for,
        break_glass=ballot.break_glass,
    )
    others = (v for v in review.votes if Identity(v.issuer, v.subject) != person.identity)
    in_order = sorted((*others, vote), key=lambda v: (v.at, v.issuer, v.subject))  # as the database has them
    return replace(review, votes=tuple(in_order))


def _admissible(review: Review, ballot: Ballot, at: int) -> Refused | None:
    denies = ballot.decision is Decision.DENY
    refusal = _possible(review, Event.DENIAL if denies else Event.VOTE) or _timely(review, ballot.version, at)
    if refusal is None and not denies and not open_for_approval(review.request, at):
        refusal = Refused(RefusalCode.OUTSIDE_HOURS, "approvals may not be given at this hour; a denial may")
    return refusal or _reasoned(review, ballot)


def _possible(review: Review, event: Event) -> Refused | None:
    state = advance(review.state, event)
    return state if isinstance(state, Refused) else None


def _reasoned(review: Review, ballot: Ballot) -> Refused | None:
    if len(ballot.reason) > REASON_LIMIT:
        return Refused(RefusalCode.REASON_TOO_LONG, f"the reason is longer than {REASON_LIMIT:,} characters")
    risk = review.request.risk
    if not ballot.reason.strip() and reason_required(ballot.decision, risk, break_glass=ballot.break_glass):
        what = "a denial" if ballot.decision is Decision.DENY else f"an approval at {risk} risk"
        return Refused(
            RefusalCode.REASON_REQUIRED, f"{'breaking the glass' if ballot.break_glass else what} needs a reason"
        )
    return None


def _said(text: str, what: str) -> Refused | None:
    if not text.strip():
        return Refused(RefusalCode.REASON_REQUIRED, f"{what} needs words")
    if len(text) > REASON_LIMIT:
        return Refused(RefusalCode.REASON_TOO_LONG, f"{what} is longer than {REASON_LIMIT:,} characters")
    return None


def name_of(by: Person | Identity) -> str:
    """Who it is, as ``issuer:subject``."""
    return str(by.identity if isinstance(by, Person) else by)


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
