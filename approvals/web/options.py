"""What somebody can do about a request now, and how its seats are filled. Pure: the rules are `approvals.votes`'s."""

from __future__ import annotations

from typing import NamedTuple

from markupsafe import Markup

from approvals.lifecycle import Clarification, Review, State
from approvals.person import Person, Roster
from approvals.rights import may_break_glass, may_vote, open_for_approval, taken
from approvals.votes import may_speak
from approvals.web.text import clipped
from engine.ledger.model import ReviewRequest

_BYTES = 2_000


class Options(NamedTuple):
    """What the viewer is offered. ``waits_for`` says why an approval would not be taken now; empty if it would."""

    vote: bool
    ask: bool
    answer: bool
    withdraw: bool
    break_glass: bool
    waits_for: str


class SeatView(NamedTuple):
    """A seat, by the policy's name (may be empty), and who has filled it (empty: nobody yet)."""

    name: Markup
    by: Markup


class Exchange(NamedTuple):
    """A question of a reviewer and its answer (empty: none yet), and by whom each is."""

    version: int
    asked_by: Markup
    question: Markup
    answered_by: Markup
    answer: Markup


def options(review: Review, people: Roster, viewer: Person, *, now: int) -> Options:
    """What ``viewer`` can do about ``review`` at ``now`` (ms since the epoch)."""
    request = review.request
    votes = review.state in (State.PENDING, State.CLARIFICATION_ASKED) and now < request.expires
    may = votes and may_vote(viewer, request, people, now) is None
    speaks = may_speak(viewer, request, people) is None
    waits = ""
    if review.state is State.CLARIFICATION_ASKED:
        waits = "A question waits for its answer: until then, only a denial counts."
    elif not open_for_approval(request, now):
        waits = "It is outside the hours for approvals: now, only a denial counts."
    return Options(
        vote=may,
        ask=may and review.state is State.PENDING,
        answer=speaks and votes and review.state is State.CLARIFICATION_ASKED,
        withdraw=speaks and not may and review.verdict is None and now < request.expires,
        break_glass=votes and review.state is State.PENDING and may_break_glass(viewer, request, people, now) is None,
        waits_for=waits,
    )


def seat_views(review: Review, people: Roster, *, now: int) -> list[SeatView]:
    """The seats of ``review`` with who has filled them, at most a dozen."""
    found = []
    for seat, vote in taken(review, people, now)[:12]:
        person = people.known_as(vote.issuer, vote.subject) if vote else None
        name = person.name if person else vote.subject if vote else ""
        found.append(SeatView(clipped(seat, 80)[0], clipped(name, 120)[0]))
    return found


def denials_needed(request: ReviewRequest) -> str:
    """How many denials it takes, in words."""
    needed = request.requirement.denials
    return "one denial denies" if needed <= 1 else f"{needed} different people must deny to deny it"


def exchanges(clarifications: tuple[Clarification, ...]) -> list[Exchange]:
    """What was asked and answered, in order."""
    return [
        Exchange(
            one.version,
            clipped(one.asked_by, 200)[0],
            clipped(one.question, _BYTES)[0],
            clipped(one.answered_by or "", 200)[0],
            clipped(one.answer, _BYTES)[0],
        )
        for one in clarifications[-10:]
    ]
