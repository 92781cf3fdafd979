"""What channels still have to be told: noted once, claimed by one, kept until it arrived."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from approval_makers import ADA, APPROVALS, DECISIONS, GRACE, NOW
from postgres import fresh

from approvals.channels.deliveries import CLAIM_MS, News
from approvals.channels.links import CODE_MS, TRIES
from approvals.store import Store


@pytest.fixture(params=["sqlite", "postgresql"])
def pair(request: pytest.FixtureRequest, tmp_path: Path):
    """Two instances on one database."""
    if request.param == "sqlite":
        database = tmp_path / "shared.db"
    else:
        database = fresh(request.getfixturevalue("postgres_server"))
    stores = [Store(database, decisions={APPROVALS: DECISIONS}) for _ in range(2)]
    yield [store.deliveries for store in stores]
    for store in stores:
        store.close()


@pytest.fixture
def queue(store):
    store.deliveries.plan("c", [], before=None, cursor=0, at=NOW)
    return store.deliveries


def message(number, request_id="r1", channel="c"):
    return News(channel, request_id, number)


def test_two_instances_note_and_send_each_thing_once(pair):
    """Whoever is slower notes nothing, and gets nothing to send."""
    one, two = pair
    news = [News("c", f"r{n}", n + 1, "request.created", b"{}") for n in range(20)]
    noted = [queue.plan("c", news, before=None, cursor=20, at=NOW) for queue in pair]
    assert noted == [True, False]
    assert not two.plan("c", news, before=3, cursor=40, at=NOW)
    ids = one.due("c", at=NOW, limit=100)
    assert ids == two.due("c", at=NOW, limit=100)
    with ThreadPoolExecutor(8) as pool:
        claims = [claim for queue in pair for claim in pool.map(lambda d, q=queue: q.claim(d, at=NOW), ids)]
    assert sorted(claim.id for claim in claims if claim) == sorted(ids)


def test_the_claim_of_one_that_died_ends(queue):
    """Then another sends it."""
    queue.plan("c", [message(1)], before=0, cursor=1, at=NOW)
    (only,) = queue.due("c", at=NOW)
    assert queue.claim(only, at=NOW) is not None
    assert queue.claim(only, at=NOW + CLAIM_MS - 1) is None
    assert queue.claim(only, at=NOW + CLAIM_MS) is not None


def test_many_changes_of_one_request_are_one_message(queue):
    """It is told anew as often as needed, and where it stands is kept."""
    queue.plan("c", [message(1), message(2)], before=0, cursor=2, at=NOW)
    (only,) = queue.due("c", at=NOW)
    claimed = queue.claim(only, at=NOW)
    assert (claimed.wanted, claimed.place) == (2, "")
    queue.plan("c", [message(3)], before=2, cursor=3, at=NOW)  # while it is being sent
    assert queue.due("c", at=NOW) == []
    queue.sent(claimed, shown=2, place="there", at=NOW)
    claimed = queue.claim(only, at=NOW)
    assert (claimed.wanted, claimed.place) == (3, "there")
    queue.sent(claimed, shown=3, place="there", at=NOW)
    assert queue.due("c", at=NOW + 10**9) == []
    assert queue.places("r1") == {"there"}


def test_a_dead_message_stays_dead_until_somebody_says_so(queue):
    """News of its request do not revive it; replayed, it tells the newest."""
    queue.plan("c", [message(1)], before=0, cursor=1, at=NOW)
    claimed = queue.claim(queue.due("c", at=NOW)[0], at=NOW)
    queue.failed(claimed, "no such channel", due=NOW, dead=True)
    queue.plan("c", [message(2)], before=1, cursor=2, at=NOW)
    assert queue.due("c", at=NOW) == []
    assert queue.replay([claimed.id], at=NOW) == [claimed.id]
    assert queue.claim(claimed.id, at=NOW).wanted == 2


def test_a_pause_holds_for_the_whole_channel_and_for_no_other(queue):
    """And an arrival ends what was wrong."""
    queue.plan("d", [message(1, channel="d")], before=None, cursor=1, at=NOW)
    queue.plan("c", [message(1)], before=0, cursor=1, at=NOW)
    assert queue.trouble("c", "away", at=NOW, paused=NOW + 1_000)
    assert not queue.trouble("c", "away", at=NOW + 5, paused=NOW + 1_000)
    assert queue.states()["c"].since == NOW
    assert queue.due("c", at=NOW + 999) == []
    assert len(queue.due("d", at=NOW)) == 1
    claimed = queue.claim(queue.due("c", at=NOW + 1_000)[0], at=NOW + 1_000)
    queue.sent(claimed, shown=1, place="x", at=NOW)
    assert queue.states()["c"].problem == ""


def test_what_arrived_long_ago_is_forgotten_and_nothing_else(queue):
    """Dead letters and what waits stay."""
    queue.plan("c", [message(n, f"r{n}") for n in range(1, 4)], before=0, cursor=3, at=NOW)
    first, second, _ = (queue.claim(one, at=NOW) for one in queue.due("c", at=NOW))
    queue.sent(first, shown=1, place="x", at=NOW)
    queue.failed(second, "no", due=NOW, dead=True)
    assert queue.forget(before=NOW) == 0
    assert queue.forget(before=NOW + 1) == 1
    assert queue.counts() == {("c", "dead"): 1, ("c", "waiting"): 1}


# --- Links ------------------------------------------------------------------------------------------------------


def test_a_code_works_once_and_for_ten_minutes(store):
    """From then on the account is theirs; another code of theirs makes the first one void."""
    links = store.links
    old = links.code(ADA.identity, at=NOW)
    code = links.code(ADA.identity, at=NOW)
    assert links.redeem("slack:T", "U1", old, at=NOW) is None
    assert links.redeem("slack:T", "U1", code, at=NOW + CODE_MS) is None
    assert links.redeem("slack:T", "U1", f" {code.lower()} ", at=NOW + CODE_MS - 1) == ADA.identity
    assert links.redeem("slack:T", "U2", code, at=NOW) is None
    assert links.who("slack:T", "U1") == ADA.identity
    assert links.who("slack:X", "U1") is None


def test_codes_cannot_be_guessed(store):
    """After five wrong ones an account has to wait, even with a right one; other accounts do not."""
    links = store.links
    code = links.code(ADA.identity, at=NOW)
    for n in range(TRIES):
        assert links.redeem("slack:T", "U1", f"WRONG-000{n}", at=NOW) is None
    assert links.redeem("slack:T", "U1", code, at=NOW + 1) is None
    assert links.redeem("slack:T", "U2", code, at=NOW + 1) == ADA.identity
    late = links.code(GRACE.identity, at=NOW + CODE_MS)
    assert links.redeem("slack:T", "U1", late, at=NOW + CODE_MS) == GRACE.identity


def test_who_unlinks_ends_their_own_links_only(store):
    """Nobody ends the link of another."""
    links = store.links
    links.redeem("slack:T", "U1", links.code(ADA.identity, at=NOW), at=NOW)
    assert not links.unlink(GRACE.identity, "slack:T", "U1")
    assert [link.chat_user for link in links.of(ADA.identity)] == ["U1"]
    assert links.unlink(ADA.identity, "slack:T", "U1")
    assert links.who("slack:T", "U1") is None


def test_what_comes_twice_is_seen_once(tmp_path):
    """On whichever instance; after a day it is forgotten."""
    stores = [Store(tmp_path / "seen.db", decisions={}) for _ in range(2)]
    with ThreadPoolExecutor(8) as pool:
        firsts = list(pool.map(lambda n: stores[n % 2].links.first_time("k", at=NOW), range(16)))
    assert firsts.count(True) == 1
    assert stores[0].links.first_time("k", at=NOW + 86_400_000)
    for store in stores:
        store.close()
