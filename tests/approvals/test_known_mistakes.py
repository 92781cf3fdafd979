"""Mistakes that other approval systems are known for, and that no other test here is named after."""

from __future__ import annotations

import pytest
from approval_makers import ADA, GRACE, MINUTE, NOW, PEOPLE, needs, person, principal, request

from approvals.lifecycle import RefusalCode, Refused, Review, State
from approvals.person import Identity, Person, Roster
from approvals.rights import who_can
from approvals.votes import Ballot, cast
from engine.ledger.model import Decision, PrincipalRole

YES = Ballot(Decision.APPROVE, 1, "fine")
THIRD = person("third", groups=("local:security",))


def test_more_approvals_than_it_takes_approve():
    """Where a vote counts again that did not for a while, the quorum is passed over and not missed for ever."""
    everybody = Roster([*PEOPLE.values(), THIRD])
    without_ada = Roster([one for one in everybody.values() if one != ADA])
    review = Review(request(requirement=needs(2)))
    for voter, people in ((ADA, everybody), (GRACE, without_ada)):
        after = cast(review, voter, YES, people, at=NOW, channel="page")
        assert isinstance(after, Review)
        assert after.state is State.PENDING
        review = after
    decided = cast(review, THIRD, YES, everybody, at=NOW, channel="page")
    assert isinstance(decided, Review)
    assert decided.state is State.APPROVED
    assert decided.verdict is not None
    assert len(decided.verdict.votes) == 3


@pytest.mark.parametrize("role", PrincipalRole)
def test_being_in_every_group_exempts_nobody(role):
    """An administrator who takes part in an action is refused before anything else is asked."""
    admin = person("admin", groups=("local:security", "local:data", "local:admins"))
    asked = request(principals=(principal("agent:x"), principal("local:admin", role)), requirement=needs(1))
    refused = cast(Review(asked), admin, YES, Roster([admin, ADA]), at=NOW, channel="slack")
    assert isinstance(refused, Refused)
    assert refused.code is RefusalCode.CONFLICT


def test_a_refused_vote_changes_nothing(store, arrive):
    """Who may not is asked before anything is written: the request stands as it was, and the try alone is told."""
    arrive(request("a", principals=(principal("local:ada"),)))
    before = store.get("a")
    assert isinstance(store.vote("a", ADA, YES, PEOPLE, at=NOW, channel="page"), Refused)
    assert store.get("a") == before
    assert [e.event for e in store.events("a")] == ["received", "refused"]


def test_what_has_expired_stays_in_the_history(store, arrive):
    """With all that happened to it, and still found by its words."""
    arrive(request("a", expires=NOW + MINUTE))
    store.expire_due(at=NOW + MINUTE)
    assert [one.review.state for one in store.decided()] == [State.EXPIRED]
    assert [e.event for e in store.events("a")] == ["received", "expired"]


def test_who_is_gone_is_not_among_those_who_can():
    """Nobody is named, or would be notified, who left or cannot decide."""
    asked = request(principals=(principal("local:grace"),))
    able = {one.person.id for one in who_can(asked, Roster([GRACE, THIRD]), NOW) if one.can}
    assert able == {"third"}


def test_a_machine_that_approves_is_told_from_a_person(store, arrive):
    """The verdict says whose vote it was: one of the issuer ``machine`` is no human being."""
    bot = Person("machine:bot", "machine bot", frozenset(), (Identity("machine", "bot"),))
    arrive(request("a", requirement=needs(1, "local:nobody", people=("machine:bot",))))
    decided = store.vote("a", bot, YES, Roster([bot]), at=NOW, channel="api")
    assert isinstance(decided, Review)
    assert decided.verdict is not None
    assert [(vote.issuer, vote.channel) for vote in decided.verdict.votes] == [("machine", "api")]
