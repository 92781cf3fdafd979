"""The database is made again from the topics, and a process that dies leaves the log whole."""

from __future__ import annotations

import logging
import subprocess
import sys
import tempfile
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from approval_makers import ADA, DECISIONS, GRACE, LINUS, MINUTE, NOW, PEOPLE, SANITIZED, needs, principal, request
from approval_site import Clock, Site
from confluent_kafka import Producer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from approvals import tables as t
from approvals.history import Contradiction
from approvals.identity.directory import Directory
from approvals.lifecycle import Refused, State
from approvals.person import Identity
from approvals.rows import StoreError
from engine.ledger.codec import decode, encode
from engine.ledger.model import ActionKind, Decision, ReviewEvent, Seat, Step, VerdictKind
from engine.records import OutputRecord

YES, NO = Decision.APPROVE, Decision.DENY
ON_BOTH = pytest.mark.parametrize("url", ["embedded", "kafka"], indirect=True)


def vote(site, request_id, who=ADA, decision=YES, version=1):
    return site.service.vote(request_id, who, decision, version=version, reason=f"{who.id} says", channel="page")


def state(site, request_id):
    listed = site.store.get(request_id)
    assert listed is not None
    return listed.review.state


def released(site):
    return [dict(record.headers)["sluicegate-request"].decode() for record in site.log(SANITIZED)]


def dump(store):
    """All that the database knows, but for when this very file noticed something (that a record was out, that one
    could not be read): nothing that was decided hangs on it."""
    with store._engine.begin() as c:
        happened = c.execute(select(t.events).order_by(t.events.c.request_id, t.events.c.seq)).all()
        events = [tuple(r) for r in happened if r.event != "released"]
        out = [r.request_id for r in happened if r.event == "released"]
        unreadable = sorted((r.topic, r.partition, r.offset, r.reason) for r in c.execute(select(t.unreadable)))
        whole = {
            table.name: sorted(map(tuple, c.execute(select(table)).all()))
            for table in (t.requests, t.versions, t.votes, t.clarifications, t.positions, t.delegations)
        }
        return {"events": events, "out": out, "unreadable": unreadable, **whole}


@ON_BOTH
def test_the_database_is_made_again(start, clock):
    """Verdicts, standing votes, repeats, deadlines and events are as they were, and nothing goes out once more."""
    site = start()
    like = request("one", requirement=needs(2))
    site.put(like, request("two"), request("three", expires=NOW + MINUTE), request("four", likeness=like.likeness))
    site.put(request("own", principals=(principal("local:ada"),), partition=1), partition=1)
    site.step()
    vote(site, "one")
    vote(site, "two", GRACE, NO)
    assert isinstance(vote(site, "own"), Refused)
    clock.now += 2 * MINUTE
    site.step()
    site.put(request("two", version=2), request("five"))
    site.step()
    vote(site, "five", ADA)
    site.step()
    before, told, out = dump(site.store), site.events(), released(site)
    assert len(site.verdicts()) == 3
    site.lose_database()

    again = start()
    again.step()
    assert dump(again.store) == before
    assert (again.events(), released(again)) == (told, out)
    assert [state(again, name) for name in ("one", "two", "three", "four", "five", "own")] == [
        State.PENDING,
        State.DENIED,
        State.EXPIRED,
        State.REPEAT,
        State.RELEASED,
        State.PENDING,
    ]
    assert isinstance(vote(again, "two", ADA), Refused), "it was decided"
    vote(again, "one", GRACE)  # the second of two votes
    again.step()
    assert {v.request_id: v.verdict for v in again.verdicts()} | {"two": None, "three": None, "five": None} == {
        "one": VerdictKind.APPROVED,
        "four": VerdictKind.FOLDED,
        "two": None,
        "three": None,
        "five": None,
    }
    assert released(again) == ["five", "one"]
    assert again.publisher.last() == again.store.outbox(after=0)[-1][0]


def test_a_repeat_that_was_withdrawn_says_what_it_repeated(start):
    """Also after the database was lost."""
    site = start()
    first = request("first")
    site.put(first, request("again", likeness=first.likeness))
    site.step()
    site.service.withdraw("again", AGENT, "", channel="api")
    site.step()
    before = dump(site.store)
    site.lose_database()
    again = start()
    again.step()
    assert dump(again.store) == before
    listed = again.store.get("again")
    assert listed is not None
    assert (listed.review.state, listed.review.folded_into) == (State.WITHDRAWN, "first")


@ON_BOTH
def test_what_a_request_was_is_known_again(start):
    """Who looked at an earlier version is told what has changed since, also after the database was lost."""
    site = start()
    site.put(request("a", params={"rows": 1}))
    site.step()
    site.service.ask("a", GRACE, "which?", version=1, channel="page")
    site.service.answer("a", AGENT, "all", version=1, channel="api")
    site.put(request("a", version=2, params={"rows": 2}))
    site.step()
    site.lose_database()
    again = start()
    again.step()
    seen = [again.store.lookups.version("a", version) for version in (1, 2, 3)]
    assert [one and (one.version, one.params, one.held) for one in seen] == [
        (1, '{"rows": 1}', None),
        (2, '{"rows": 1}', None),
        None,
    ]
    refused = vote(again, "a", version=1)
    assert isinstance(refused, Refused)
    assert (refused.version, refused.current) == (1, 3)


@ON_BOTH
def test_who_is_out_and_what_is_lent_is_known_again(start):
    """Somebody who was barred stays out, and delegations hold or do not hold as before, when the database is lost."""
    site = start()
    site.put(request("a", requirement=needs(2)))
    site.step()
    until = NOW + 60 * MINUTE
    lend = site.store.changes.delegate
    lent = lend(ADA.identity, LINUS.identity, until=until, groups=["local:security"], at=NOW, channel="cli")
    over = lend(GRACE.identity, LINUS.identity, until=until, groups=[], at=NOW, channel="cli")
    site.store.changes.revoke(over, at=NOW, actor=LINUS.identity, channel="cli")
    site.store.changes.bar(GRACE.identity, at=NOW)
    site.store.changes.bar(LINUS.identity, at=NOW)
    site.store.changes.unbar(LINUS.identity, at=NOW)
    site.step()
    told, before = site.changes(), dump(site.store)
    assert told == ["delegated local:ada", "delegated local:grace", "revoked local:grace"] + [
        f"{word} local:{who}" for word, who in (("barred", "grace"), ("barred", "linus"), ("let_in", "linus"))
    ]
    site.lose_database()
    again = start()
    again.step()
    assert dump(again.store) == before
    assert again.store.identities.delegations(at=NOW) == [lent]
    assert again.store.identities.delegations(at=until) == []
    roster = Directory(again.store.identities, PEOPLE, clock=again.clock).roster()
    assert roster.by_id("grace") is None
    linus = roster.by_id("linus")
    assert linus is not None
    assert [(one.lender, one.until) for one in linus.acts_for] == [(ADA.identity, until)]
    assert again.changes() == told, "nothing is told twice"
    again.store.changes.bar(ADA.identity, at=NOW)
    again.step()
    assert again.changes()[-1] == "barred local:ada", "numbers go on"


@pytest.mark.parametrize("lost", [False, True], ids=["kept", "lost"])
@pytest.mark.parametrize(
    ("url", "place"),
    [(url, place) for url in ("embedded", "kafka") for place in ("before", "produced", "inside", "after")],
    indirect=["url"],
)
def test_killed_while_publishing(start, url, tmp_path, place, lost):
    """Killed at any step, with or without its database: one verdict, one release, and never half of it."""
    site = start()
    site.put(request("a"))
    site.close()
    script = [sys.executable, str(Path(__file__).with_name("killed_while_publishing.py")), url, str(tmp_path), place]
    with subprocess.Popen(script, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"here\n"
        process.kill()
    again = start()
    if lost:
        again.lose_database()
        again = start()
    committed = place == "after"
    if place in ("produced", "inside"):
        again.patience = 0.3  # nobody ends this transaction
    assert [v.request_id for v in again.verdicts()] == ["a"] * committed
    assert released(again) == ["a"] * committed
    again.patience = Site.patience
    again.step()
    if lost and not committed:
        listed = again.store.get("a")
        assert listed is not None
        assert (listed.review.state, listed.review.votes) == (State.PENDING, ())
        vote(again, "a", GRACE)
        again.step()
    again.step()
    assert [v.request_id for v in again.verdicts()] == ["a"]
    assert released(again) == ["a"]
    assert state(again, "a") is State.RELEASED


@pytest.mark.parametrize("url", ["kafka"], indirect=True)
def test_what_stands_behind_an_open_transaction_is_waited_for(start, kafka_servers):
    """A dead engine's open transaction hides later verdicts from readers: they are not taken as never given."""
    site = start()
    site.put(request("a"))
    site.step()
    config = {
        "bootstrap.servers": kafka_servers,
        "transactional.id": "an-engine",
        "logger": logging.getLogger("engine"),
    }
    other = Producer(config)
    other.init_transactions(10)
    other.begin_transaction()
    other.produce(DECISIONS, b"half", partition=0)
    other.flush(10)
    vote(site, "a")
    site.step()
    site.patience = 0.3
    assert site.verdicts() == [], "no reader sees it"
    site.lose_database()
    again = start()
    end = threading.Timer(1.5, other.abort_transaction)
    end.start()
    again.step()
    end.join()
    assert state(again, "a") is State.RELEASED
    assert released(again) == ["a"]


def test_died_while_it_was_made_again(start, monkeypatch):
    """A process that dies half way through leaves an empty database, and the next one begins anew."""
    site = start()
    site.put(request("a"))
    site.step()
    vote(site, "a")
    site.step()
    before = dump(site.store)
    site.lose_database()
    half = start()
    monkeypatch.setattr("approvals.store.put_back", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        half.step()
    monkeypatch.undo()
    again = start()
    again.step()
    assert dump(again.store) == before
    assert released(again) == ["a"]


def test_messages_for_eyes_are_read_as_well(start):
    """The topics may hold JSON."""
    site = start()
    site.store._format = "json"
    site.put(request("a"), request("b", requirement=needs(2)))
    site.step()
    vote(site, "a")
    vote(site, "b")
    site.step()
    before = dump(site.store)
    site.lose_database()
    again = start()
    again.step()
    assert dump(again.store) == before


def test_two_verdicts_for_one_request_are_found(start):
    """A log that says two things about one request stops the start, and says which request."""
    site = start()
    site.put(request("a"))
    site.step()
    vote(site, "a")
    site.step()
    (verdict,) = site.verdicts()
    other = encode(replace(verdict, verdict=VerdictKind.DENIED, released=False))
    site.broker.append([OutputRecord(DECISIONS, 0, b"a", other)])
    site.lose_database()
    with pytest.raises(Contradiction, match="two verdicts for a: approved and denied"):
        start().step()


def test_a_verdict_for_something_else_is_found(start):
    """A verdict that is not bound to the request as it is in the topic stops the start."""
    site = start()
    site.put(request("a"), request("b"))
    site.step()
    vote(site, "a")
    site.step()
    (verdict,) = site.verdicts()
    site.broker.append([OutputRecord(DECISIONS, 0, b"b", encode(replace(verdict, request_id="b")))])
    site.lose_database()
    with pytest.raises(Contradiction, match="the verdict for b is bound to something else"):
        start().step()


def test_what_somebody_else_wrote_is_named_and_passed_over(start, caplog):
    """A foreign message among the decisions, with a key, stops nobody: it cannot be a verdict."""
    site = start()
    site.put(request("a"))
    site.step()
    vote(site, "a")
    site.step()
    before = dump(site.store)
    foreign = [b"\x00\x00\x00\x00\x07secret", b'{"secret":1}', b"{secret", b"secret", b"\xc3\x02secret", b""]
    site.broker.append([OutputRecord(DECISIONS, 0, b"a", value) for value in foreign])
    site.lose_database()
    again = start()
    with caplog.at_level(logging.ERROR):
        again.connected()
    assert caplog.text.count("is not ours and is passed over") == len(foreign)
    assert f"{DECISIONS}/0@" in caplog.text
    assert "secret" not in caplog.text
    again.step()
    assert dump(again.store) == before
    assert released(again) == ["a"]


def test_what_may_be_a_verdict_and_cannot_be_read_stops_the_start(start):
    """A damaged message that the service may have written is no reason to decide again."""
    site = start()
    site.put(request("a"))
    site.step()
    site.broker.append([OutputRecord(DECISIONS, 0, b"a", b"\xc3\x01damaged")])
    site.lose_database()
    with pytest.raises(StoreError, match=r"activity.decisions/0@\d+ may be a verdict"):
        start().step()


def test_votes_that_were_not_published_are_lost_whole(start):
    """Of a vote that had not gone out nothing remains, and the request waits as before."""
    site = start()
    site.put(request("a", requirement=needs(2)))
    site.step()
    vote(site, "a")
    site.step()
    vote(site, "a", GRACE)
    site.lose_database()
    again = start()
    again.step()
    listed = again.store.get("a")
    assert listed is not None
    assert listed.review.state is State.PENDING
    assert [v.subject for v in listed.review.votes] == ["ada"]
    assert again.verdicts() == []


def test_what_retention_took_is_not_asked_again(start, tmp_path, clock):
    """A request whose past is gone from the log is not decided a second time once its deadline is over."""
    site = start()
    site.put(request("old"), request("young", expires=NOW + 60 * MINUTE))
    site.step()
    vote(site, "old")
    vote(site, "young")
    site.step()
    told = site.log(DECISIONS)
    site.lose_database()
    for file in tmp_path.glob("log.db*"):
        file.unlink()
    clock.now += 30 * MINUTE
    other = start()  # the same log, as retention left it
    other.put(request("old"), request("young", expires=NOW + 60 * MINUTE))
    kept = [r for r in told if r.key == b"young"]
    other.broker.append([OutputRecord(DECISIONS, 0, r.key, r.value, r.headers, r.timestamp) for r in kept])
    other.step()
    assert other.store.get("old") is None
    assert state(other, "young") is State.RELEASED
    assert [v.request_id for v in other.verdicts()] == ["young"]


def test_a_past_without_its_request_is_not_lived_again(start, monkeypatch, caplog):
    """A request that cannot be found when the database is made again is not taken for a new one later."""
    site = start()
    site.put(request("a"), request("b"))
    site.step()
    vote(site, "a")
    site.step()
    site.lose_database()
    again = start()
    monkeypatch.setattr("approvals.rebuild.Rebuild._asked", lambda *_: [])
    again.step()
    monkeypatch.undo()
    again.step()
    assert (again.store.get("a"), released(again)) == (None, ["a"])
    assert "2 that it tells of are not in the approvals topics any more" in caplog.text
    again.put(request("c"))
    again.step()
    assert state(again, "c") is State.PENDING


@pytest.mark.parametrize("kept", range(1, 5))
def test_the_end_of_a_past_is_enough(start, tmp_path, kept):
    """Where retention took the first events of a request, what is left of them still says how it ended."""
    site = start()
    first = request("a")
    site.put(first, request("b", likeness=first.likeness))
    site.step()
    vote(site, "a")
    site.step()
    mine = {key: [r for r in site.log(DECISIONS) if r.key == key] for key in (b"a", b"b")}
    site.lose_database()
    for file in tmp_path.glob("log.db*"):
        file.unlink()
    other = start()
    other.put(first, request("b", likeness=first.likeness))
    left = [r for records in mine.values() for r in records[-kept:]]
    other.broker.append([OutputRecord(DECISIONS, 0, r.key, r.value, r.headers, r.timestamp) for r in left])
    other.broker.append([OutputRecord(DECISIONS, 0, b"c", encode(_read_later(other)))])
    other.step()
    assert (state(other, "a"), state(other, "b")) == (State.RELEASED, State.FOLDED)
    assert released(other) == []
    assert len(other.verdicts()) == 2


def _read_later(site):
    """An event that tells that all there is was read."""
    site.put(request("c"))
    (where,) = [r.position for r in site.log("activity.approvals") if decode(r.value).request_id == "c"]
    return ReviewEvent(10_000, "c", 1, "received", NOW, detail=str(where), position=where)


def test_a_full_database_is_never_written_over(site):
    """Only an empty database is made again."""
    site.put(request("a"))
    site.step()
    with pytest.raises(StoreError, match="only an empty database"):
        site.store.restore(None, [], published=9, at=NOW)


# --- Whatever happened --------------------------------------------------------------------------------------

IDS = [f"r{n}" for n in range(5)]
ids = st.sampled_from(IDS)
STEPS = (Step(2 * MINUTE, ("local:data",)), Step(4 * MINUTE, (), ("local:linus",), fallback=True))
GLASS = Seat("break-glass", ("local:data",))
puts = st.tuples(
    st.just("put"),
    ids,
    st.integers(1, 3),
    st.sampled_from(["x", "y", "z"]),
    st.sampled_from([ActionKind.PROPOSAL, ActionKind.PROPOSAL, ActionKind.FACT]),
    st.integers(1, 2),
    st.sampled_from([1, 5, 60]),
    st.sampled_from([{}, {"denials": 2}, {"steps": STEPS}, {"break_glass": GLASS}]),
)
votes = st.tuples(
    st.just("vote"), ids, st.sampled_from([ADA, GRACE, LINUS]), st.sampled_from([YES, YES, NO]), st.integers(1, 3)
)
others = st.sampled_from([("step",), ("step",), ("garbage",), ("wait",), ("restart",), ("lose",)])
spoken = st.tuples(st.sampled_from(["ask", "answer", "ask", "answer", "withdraw", "glass"]), ids)
steps = st.lists(st.one_of(puts, votes, votes, others, spoken), min_size=3, max_size=25)


AGENT = Identity("agent", "etl-7")


def _version(site, name):
    listed = site.store.get(name)
    return listed.review.request.version if listed else 1


def play(site, clock, step):
    match step:
        case ("put", name, version, likeness, kind, quorum, minutes, more):
            partition = IDS.index(name) % 2
            one = request(
                name,
                version=version,
                likeness=likeness,
                kind=kind,
                requirement=replace(needs(quorum), **more),
                created=clock.now,
                expires=clock.now + minutes * MINUTE,
                partition=partition,
            )
            site.put(one, partition=partition)
            site.step()
        case ("vote", name, who, decision, version):
            vote(site, name, who, decision, version)
        case ("ask", name):
            site.service.ask(name, GRACE, "which?", version=_version(site, name), channel="page")
        case ("answer", name):
            site.service.answer(name, AGENT, "that one", version=_version(site, name), channel="api")
        case ("withdraw", name):
            site.service.withdraw(name, AGENT, "", channel="api")
        case ("glass", name):
            seen = _version(site, name)
            site.service.vote(name, LINUS, YES, version=seen, reason="down", channel="page", break_glass=True)
        case ("garbage",):
            site.put_raw(b"garbage")
        case ("wait",):
            clock.now += 2 * MINUTE
        case ("step",):
            site.step()
    clock.now += 1


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps)
def test_the_topics_hold_everything(steps):
    """Whatever was asked, voted, let pass and lost: the database that the topics give is the one there was."""
    with tempfile.TemporaryDirectory() as name:
        folder, clock = Path(name), Clock()
        site = Site(folder, clock)
        for step in steps:
            if step[0] == "lose":
                site.lose_database()
            if step[0] in ("lose", "restart"):
                site.close()
                site = Site(folder, clock)
            play(site, clock, step)
        site.step()
        before, told, out = dump(site.store), (site.events(), site.verdicts()), released(site)
        assert len({v.request_id for v in told[1]}) == len(told[1])
        assert sorted(out) == sorted(v.request_id for v in told[1] if v.released)
        site.lose_database()
        again = Site(folder, clock)
        again.step()
        assert dump(again.store) == before
        assert (again.events(), again.verdicts()) == told
        assert released(again) == out
        again.close()
