"""What the topics say is added up, or found to be impossible."""

from __future__ import annotations

import pytest
from approval_makers import APPROVALS, NOW, request

from approvals.history import Contradiction, read_up_to, remember
from approvals.lifecycle import Review, State, expire
from engine.ledger.model import Decision, ReviewEvent, Vote
from engine.records import Position, TopicPartition

WHERE = Position(APPROVALS, 0, 3)
ASKED = request("a")
RECEIVED = ReviewEvent(1, "a", 1, "received", NOW, position=WHERE)
YES = Vote("local", "ada", Decision.APPROVE, "", NOW + 1, "page")


def event(what, sequence=2, version=1, **more):
    return ReviewEvent(sequence, "a", version, what, NOW + sequence, **more)


def verdict():
    ended = expire(Review(ASKED), at=ASKED.expires)
    assert isinstance(ended, Review)
    return ended.verdict


def test_events_are_told_in_their_order():
    """However they come, the number says what was first; a later vote replaces the same person's earlier one."""
    other = Vote("local", "ada", Decision.APPROVE, "again", NOW + 2, "cli")
    events = [event("vote approve", 3, vote=other), event("vote approve", 2, vote=YES), RECEIVED]
    past = remember(events, [], {WHERE: ASKED})
    assert [one.sequence for one in past.events] == [1, 2, 3]
    assert past.requests["a"].review.votes == (other,)
    assert past.votes == {("a", 1, "local", "ada"): other}


@pytest.mark.parametrize(
    ("events", "message"),
    [
        ([event("refused", 1)], "two events have the number 1"),
        ([event("received", position=WHERE)], "a was received twice"),
        ([event("dreamt")], "what 'dreamt' means is not known"),
        ([event("vote approve")], "does not say what it was"),
        ([event("vote approve", version=2, vote=YES)], "is for version 2"),
        ([event("approved")], "ended as approved, and the log has no such verdict"),
        ([event("expired"), event("expired", 3)], "'expired' cannot have happened to a"),
        ([event("expired"), event("vote approve", 3, vote=YES)], "'vote approve' cannot have happened to a"),
        ([event("repeat", folded_into="a")], "'repeat' cannot have happened to a"),
        ([event("revised", version=2, position=WHERE)], "is not version 2 of a"),
    ],
)
def test_what_cannot_have_been_is_found(events, message):
    """Events that contradict each other, the verdict or the request are named; nothing is made of them."""
    with pytest.raises(Contradiction, match=message):
        remember([RECEIVED, *events], [verdict()], {WHERE: ASKED})


def test_a_verdict_without_events_stands():
    """A request whose verdict is in the log has ended, whatever else is left of its past."""
    past = remember([], [verdict()], {WHERE: ASKED})
    assert past.requests["a"].review.state is State.EXPIRED
    assert past.untold == {}


def test_what_nothing_is_known_of_is_named():
    """Requests without a past, and a past without its request, are told apart from the rest."""
    past = remember([event("refused")], [], {WHERE: request("b")})
    assert (list(past.untold), past.gone, past.requests) == ([WHERE], {"a"}, {})


def test_how_far_was_read():
    """The highest offset that events tell of, by partition."""
    later = event("revised", 5, version=2, position=Position(APPROVALS, 1, 9))
    assert read_up_to([RECEIVED, later, event("refused")]) == {
        TopicPartition(APPROVALS, 0): 3,
        TopicPartition(APPROVALS, 1): 9,
    }
