"""What pages look up: filters, searches, the last approval of a kind, earlier versions, counts."""

from __future__ import annotations

from dataclasses import replace

import pytest
from approval_makers import ADA, MINUTE, NOW, PEOPLE, principal, request

from approvals.lookups import Wanted
from approvals.votes import Ballot
from engine.ledger.model import Decision, Risk


def vote(store, request_id, decision=Decision.APPROVE, *, who=ADA, at=NOW + MINUTE):
    return store.vote(request_id, who, Ballot(decision, 1, "because"), PEOPLE, at=at, channel="page")


def ids(found):
    return [one.review.request.request_id for one in found]


def test_a_search_wants_every_word_in_any_case(store, arrive):
    """Words are looked for in id, action, target, environment, rule and people; a % is a % and nothing else."""
    arrive(
        request("aaaa", resource="Customers_2026"),
        request("bbbb", resource="orders", principals=(principal("agent:nightly"),)),
    )
    for number, one in enumerate(("aaaa", "bbbb")):
        vote(store, one, at=NOW + number)
    look = store.lookups.decided
    assert ids(look(Wanted(), limit=9)) == ["bbbb", "aaaa"]
    assert ids(look(Wanted("CUSTOMERS_2026 production"), limit=9)) == ["aaaa"]
    assert ids(look(Wanted("nightly"), limit=9)) == ["bbbb"]
    assert ids(look(Wanted("customers nightly"), limit=9)) == []
    assert ids(look(Wanted("customers%2026"), limit=9)) == []
    assert ids(look(Wanted(agent="agent:nightly"), limit=9)) == ["bbbb"]
    assert ids(look(Wanted(), limit=1, before=(NOW + 1, "bbbb"))) == ["aaaa"]


def test_what_waits_is_narrowed_and_counted(store, arrive):
    """By risk and by rule, most urgent first, and counted over all of it."""
    arrive(
        request("aaaa", risk=Risk.LOW, expires=NOW + 9 * MINUTE, likeness="1"),
        request("bbbb", risk=Risk.LOW, expires=NOW + 3 * MINUTE, likeness="2"),
        request("cccc", risk=Risk.HIGH, rule_id="delete", likeness="3"),
    )
    look = store.lookups
    assert ids(look.waiting(Wanted(risk="low"), limit=9)) == ["bbbb", "aaaa"]
    assert ids(look.waiting(Wanted(rule_id="delete"), limit=9)) == ["cccc"]
    assert look.counts_waiting() == [("low", "bulk-export", 2), ("high", "delete", 1)]


def test_the_last_approval_of_a_kind(store, arrive):
    """The latest that was approved, of the same rule, action and environment: no denial, and not the request itself."""
    arrive(*(request(name, likeness=name) for name in ("old1", "old2", "no", "now")), request("x", action="other"))
    vote(store, "old1", at=NOW + 1)
    vote(store, "old2", at=NOW + 2)
    vote(store, "no", Decision.DENY, at=NOW + 3)
    vote(store, "x", at=NOW + 4)
    found = store.lookups.last_approved(request("now"))
    assert found is not None
    assert found.review.request.request_id == "old2"
    assert found.review.request.params
    assert store.lookups.last_approved(request("now", environment="elsewhere")) is None


def test_an_earlier_version_is_kept_without_its_record(store, arrive):
    """Whoever looked at it can be told the difference."""
    first = request("aaaa")
    arrive(first)
    assert store.lookups.version("aaaa", 1) is None
    arrive(replace(first, version=2, resource="all"))
    assert store.lookups.version("aaaa", 1) == replace(first, held=None)


def test_decisions_and_blocked_attempts_are_counted(store, arrive):
    """What was decided since a time, with how long it took; attempts of a party to decide on its own action."""
    arrive(request("aaaa", principals=(principal("email:ada@example.com"),)), request("bbbb", likeness="b"))
    vote(store, "aaaa")
    vote(store, "bbbb", at=NOW + 2 * MINUTE)
    (one,) = store.lookups.decisions(since=NOW, limit=9)
    assert (one.created, one.decided, one.rule_id, one.agent) == (NOW, NOW + 2 * MINUTE, "bulk-export", "agent:etl-7")
    assert store.lookups.decisions(since=NOW + 3 * MINUTE, limit=9) == []
    assert store.lookups.refused_parties(since=NOW) == 1
    assert store.lookups.refused_parties(since=NOW + 2 * MINUTE) == 0
    assert store.lookups.newest_event() > 0


@pytest.mark.parametrize("hostile", ["\0", "x" * 5_000, "\u202e"])
def test_any_content_can_be_kept(store, arrive, hostile):
    """What a database cannot hold is left out of what is searched, never of the request."""
    arrive(request("aaaa", action=hostile, rule_id=hostile, resource=hostile))
    assert ids(store.lookups.waiting(Wanted("aaaa"), limit=9)) == ["aaaa"]
