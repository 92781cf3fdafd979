"""The database: all or nothing, once and only once."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest
from approval_makers import (
    ADA,
    APPROVALS,
    DECISIONS,
    GRACE,
    LINUS,
    MINUTE,
    NOW,
    PEOPLE,
    SANITIZED,
    needs,
    principal,
    request,
)
from sqlalchemy.exc import DBAPIError

from approvals import tables
from approvals.lifecycle import RefusalCode, Refused, Review, State
from approvals.rows import Lost, StoreError, load, move
from approvals.store import Arrival, Store, Unreadable
from approvals.votes import Ballot
from engine.ledger.codec import decode
from engine.ledger.model import ActionKind, Decision, Verdict, VerdictKind
from engine.records import Position, TopicPartition

YES, NO = Decision.APPROVE, Decision.DENY


def vote(store, request_id, who, decision=YES, *, version=1, reason="because", at=NOW + 1):
    return store.vote(request_id, who, Ballot(decision, version, reason), PEOPLE, at=at, channel="page")


def state(store, request_id):
    listed = store.get(request_id)
    assert listed is not None
    return listed.review.state


def outbox(store):
    """What is to be published of verdicts, and what they release."""
    records = [record for _, records in store.outbox(after=0) for record in records]
    return [r for r in records if r.topic != DECISIONS or isinstance(decode(r.value), Verdict)]


def verdicts(store):
    return [decode(record.value) for record in outbox(store) if record.topic == DECISIONS]


def test_reading_twice_does_nothing(store):
    """The same records again, at the same or at other offsets, change nothing."""
    arrivals = [Arrival(Position(APPROVALS, 0, n), request(f"r{n}")) for n in range(3)]
    assert store.ingest(arrivals, at=NOW) == 3
    assert store.ingest(arrivals, at=NOW) == 0
    assert store.ingest([Arrival(Position(APPROVALS, 0, 9), request("r1"))], at=NOW) == 0
    assert store.positions() == {TopicPartition(APPROVALS, 0): 10}
    assert len(store.waiting()) == 3


def test_what_was_read_and_how_far_are_one(store):
    """If a batch fails half way, neither its requests nor its offsets are there."""
    good = Arrival(Position(APPROVALS, 0, 0), request("good"))
    bad = Arrival(Position(APPROVALS, 0, 1), request("bad", reason="\ud800"))
    with pytest.raises(Exception, match="does not fit"):
        store.ingest([good, bad], at=NOW)
    assert store.positions() == {}
    assert store.waiting() == []


def test_what_cannot_be_read_is_counted_by_position(store):
    """An unreadable record is passed over and counted once, and does not stop what follows."""
    arrivals = [
        Arrival(Position(APPROVALS, 1, 0), Unreadable("no bytes at all")),
        Arrival(Position(APPROVALS, 1, 1), request()),
    ]
    store.ingest(arrivals, at=NOW)
    store.ingest(arrivals, at=NOW)
    assert store.counts().unreadable == 1
    assert store.counts().waiting == 1


def test_an_approval_holds_verdict_and_record_in_one_outbox_row(store, arrive):
    """The verdict goes to the decisions topic of the approvals topic, the held record to where it was bound."""
    asked = request(partition=1)
    arrive(asked)
    assert isinstance(vote(store, asked.request_id, ADA), Review)
    _, (seq, records) = store.outbox(after=0)
    voted, ended, verdict, released = records
    assert [decode(one.value).event for one in (voted, ended)] == ["vote approve", "approved"]
    assert (verdict.topic, verdict.partition, verdict.key) == (DECISIONS, 1, b"req-0001")
    assert seq == 2
    assert asked.held is not None
    assert (released.topic, released.partition) == (SANITIZED, 1)
    assert (released.key, released.value, released.timestamp) == (
        asked.held.key,
        asked.held.value,
        asked.held.timestamp,
    )
    assert released.headers == (
        ("trace", b"abc"),
        ("empty", None),
        ("sluicegate-request", b"req-0001"),
        ("sluicegate-released", b"approved"),
    )


def test_nobody_else_can_say_that_a_record_was_released(store, arrive):
    """Headers of ours that an agent put on its record do not come out with it."""
    asked = request()
    assert asked.held is not None
    forged = (("Sluicegate-Released", b"approved"), ("sluicegate-request", b"other"), ("x", b"y"))
    arrive(replace(asked, held=replace(asked.held, headers=forged)))
    vote(store, asked.request_id, ADA)
    released = outbox(store)[1]
    assert released.headers == (
        ("x", b"y"),
        ("sluicegate-request", b"req-0001"),
        ("sluicegate-released", b"approved"),
    )


@pytest.mark.parametrize("kind", list(ActionKind))
@pytest.mark.parametrize("decision", list(Decision))
def test_only_an_approved_proposal_releases(store, arrive, kind, decision):
    """A denial, and whatever is decided on a fact, writes a verdict and nothing else."""
    arrive(request(kind=kind))
    vote(store, "req-0001", ADA, decision)
    records = outbox(store)
    approved = kind is ActionKind.PROPOSAL and decision is YES
    assert [r.topic for r in records] == [DECISIONS, SANITIZED][: 1 + approved]
    assert verdicts(store)[0].released is approved


def test_two_people_at_once_give_one_verdict(tmp_path, store, arrive):
    """Of an approval and a denial in the same moment one decides; the other is told so."""
    other = Store(tmp_path / "approvals.db", decisions={APPROVALS: DECISIONS})
    for round_ in range(12):
        asked = request(f"race-{round_}")
        arrive(asked)
        gate = threading.Barrier(2)
        results: dict[str, Review | Refused] = {}

        def decide(at, who, decision, *, request_id, gate, results):
            gate.wait()
            results[who.id] = vote(at, request_id, who, decision)

        shared = {"request_id": asked.request_id, "gate": gate, "results": results}
        threads = [
            threading.Thread(target=decide, args=args, kwargs=shared)
            for args in ((store, ADA, YES), (other, GRACE, NO))
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        won = [r for r in results.values() if isinstance(r, Review)]
        lost = [r for r in results.values() if isinstance(r, Refused)]
        assert (len(won), len(lost)) == (1, 1)
        assert lost[0].code is RefusalCode.DECIDED
        assert won[0].state == state(store, asked.request_id)
    other.close()
    assert [v.request_id for v in verdicts(store)] == [f"race-{n}" for n in range(12)]


def test_a_row_that_moved_on_is_not_overwritten(store, arrive):
    """The update is conditional on state and version, whatever isolation the database gives."""
    arrive(request())
    with tables.writing(store._engine) as c:
        before = load(c, "req-0001")
        assert before is not None
    vote(store, "req-0001", ADA)
    for stale in (before, replace(before, request=replace(before.request, version=2))):
        with pytest.raises(Lost), tables.writing(store._engine) as c:
            move(c, stale, replace(before, state=State.DENIED))
    assert state(store, "req-0001") is State.APPROVED


def test_a_newer_version_is_not_decided_by_a_slow_vote(store, arrive):
    """The update is conditional on the version too: a request that changed meanwhile stays pending."""
    arrive(request())
    with tables.writing(store._engine) as c:
        before = load(c, "req-0001")
        assert before is not None
    arrive(request(version=2))
    with pytest.raises(Lost), tables.writing(store._engine) as c:
        move(c, before, replace(before, state=State.DENIED))
    assert state(store, "req-0001") is State.PENDING


def test_silence_denies_when_its_time_has_come(store, arrive):
    """What is due expires with a verdict of its own; what is not stays."""
    arrive(request("soon", expires=NOW + MINUTE), request("later", expires=NOW + 2 * MINUTE))
    assert store.expire_due(at=NOW + MINUTE - 1) == 0
    assert store.expire_due(at=NOW + MINUTE) == 1
    assert store.expire_due(at=NOW + MINUTE) == 0
    assert state(store, "later") is State.PENDING
    (verdict,) = verdicts(store)
    assert (verdict.request_id, verdict.verdict) == ("soon", VerdictKind.EXPIRED)
    assert not verdict.released


def test_a_repeat_waits_with_the_first_and_ends_with_it(store, arrive):
    """One decision ends all like requests that wait: each with a verdict, only the first released."""
    first = request("a", created=NOW)
    arrive(first, *(request(n, created=NOW + i, likeness=first.likeness) for i, n in enumerate("bc", 1)))
    (listed,) = store.waiting()
    assert (listed.review.request.request_id, listed.repeats, listed.latest) == ("a", 2, NOW + 2)
    assert store.counts()[:2] == (1, 2)
    refusal = vote(store, "b", ADA)
    assert isinstance(refusal, Refused)
    assert refusal.code is RefusalCode.REPEAT
    vote(store, "a", ADA)
    found = {v.request_id: v for v in verdicts(store)}
    assert {n: v.verdict for n, v in found.items()} == {
        "a": VerdictKind.APPROVED,
        "b": VerdictKind.FOLDED,
        "c": VerdictKind.FOLDED,
    }
    assert found["b"].folded_into == "a"
    released = [r for r in outbox(store) if r.topic == SANITIZED]
    assert [dict(r.headers)["sluicegate-request"] for r in released] == [b"a"]
    assert [one.review.request.request_id for one in store.decided()] == ["a"]


def test_after_the_decision_a_like_request_is_asked_anew(store, arrive):
    """An approval is for what waited then: the next one like it waits for its own."""
    first = request("a")
    arrive(first)
    vote(store, "a", ADA)
    arrive(request("b", likeness=first.likeness))
    assert state(store, "b") is State.PENDING


def test_facts_do_not_fold(store, arrive):
    """Each of them happened, and each is looked at."""
    arrive(*(request(n, kind=ActionKind.FACT, likeness="same") for n in "ab"))
    assert len(store.waiting()) == 2


def test_a_newer_version_voids_votes(store, arrive):
    """When what is asked changes, earlier votes count for nothing and a stale vote is refused."""
    arrive(request(requirement=needs(2)))
    vote(store, "req-0001", ADA)
    arrive(request(version=2, requirement=needs(2), resource="all customers"))
    listed = store.get("req-0001")
    assert listed is not None
    assert (listed.review.request.version, listed.review.votes) == (2, ())
    refusal = vote(store, "req-0001", GRACE, version=1)
    assert isinstance(refusal, Refused)
    assert (refusal.code, refusal.version, refusal.current) == (RefusalCode.STALE, 1, 2)
    assert isinstance(vote(store, "req-0001", GRACE, version=2), Review)
    assert state(store, "req-0001") is State.PENDING


def test_repeats_do_not_follow_a_first_that_becomes_something_else(store, arrive):
    """When the first changes, its repeats wait by themselves again, as one."""
    first = request("a", created=NOW)
    arrive(first, *(request(n, created=NOW + i, likeness=first.likeness) for i, n in enumerate("bc", 1)))
    arrive(request("a", version=2, likeness="other", created=NOW))
    assert {(one.review.request.request_id, one.repeats) for one in store.waiting()} == {("a", 0), ("b", 1)}
    vote(store, "a", ADA, version=2)
    assert state(store, "b") is State.PENDING


def test_a_decided_request_is_not_revised(store, arrive):
    """A newer version of what has ended changes nothing: there is one verdict for each request."""
    arrive(request())
    vote(store, "req-0001", ADA, NO)
    arrive(request(version=2))
    assert state(store, "req-0001") is State.DENIED
    assert len(verdicts(store)) == 1


def test_refused_attempts_of_a_party_are_evidence(store, arrive):
    """A blocked self-approval stands in the log of events, with who and over which channel."""
    arrive(request(principals=(principal("local:ada"),)))
    assert isinstance(vote(store, "req-0001", ADA), Refused)
    assert isinstance(vote(store, "req-0001", LINUS), Refused)
    refused = [e for e in store.events("req-0001") if e.event == "refused"]
    assert [(e.actor, e.channel, e.detail) for e in refused] == [
        ("local:ada", "page", "approve: conflict"),
        ("local:linus", "page", "approve: not_entitled"),
    ]


@pytest.mark.parametrize("statement", ["UPDATE events SET event = 'x'", "DELETE FROM events"])
def test_events_are_append_only(store, arrive, statement):
    """The database itself refuses to change or remove what has happened."""
    arrive(request())
    with pytest.raises(DBAPIError, match="append-only"), tables.writing(store._engine) as c:
        c.exec_driver_sql(statement)


def test_every_step_leaves_an_event(store, arrive):
    """The life of a request can be read from its events, a replaced vote included."""
    arrive(request(requirement=needs(2)))
    vote(store, "req-0001", ADA, reason="first")
    vote(store, "req-0001", ADA, reason="second")
    vote(store, "req-0001", GRACE)
    store.mark_published(up_to=3, at=NOW)
    assert state(store, "req-0001") is State.APPROVED
    store.mark_published(up_to=4, at=NOW)
    events = store.events("req-0001")
    assert [e.event for e in events] == [
        "received",
        "vote approve",
        "vote approve",
        "vote approve",
        "approved",
        "released",
    ]
    assert [e.detail for e in events[1:3]] == ["first", "second"]
    assert state(store, "req-0001") is State.RELEASED


def test_an_old_copy_of_the_database_is_noticed(store):
    """A log that is ahead of the outbox means that this is not the database that wrote it: nothing goes on."""
    with pytest.raises(StoreError, match="old copy"):
        store.mark_published(up_to=1, at=NOW)


def test_a_log_that_forgot_is_noticed(store, arrive):
    """A log that knows of less than was published would be told it again: nothing goes on."""
    arrive(request("a"))
    arrive(request("b"))
    store.mark_published(up_to=2, at=NOW)
    with pytest.raises(StoreError, match="another log"):
        store.mark_published(up_to=1, at=NOW)


def test_history_has_pages(store, arrive):
    """Pages follow each other without gaps or repeats, also where many were decided in one moment."""
    arrive(*(request(f"r{n:02}") for n in range(7)))
    for n in range(7):
        vote(store, f"r{n:02}", ADA, at=NOW + n // 3)
    seen: list[str] = []
    before = None
    while page := store.decided(limit=2, before=before):
        seen += [one.review.request.request_id for one in page]
        last = page[-1].review
        assert last.verdict is not None
        before = (last.verdict.decided, last.request.request_id)
    assert seen == sorted(seen, reverse=True)
    assert len(seen) == 7


def test_a_list_leaves_out_what_may_be_large(store, arrive):
    """Parameters and held records come with a single request, and in a list when asked for."""
    arrive(request("a"), request("b"))
    vote(store, "b", ADA)
    for listed in (*store.waiting(), *store.decided()):
        assert (listed.review.request.params, listed.review.request.held) == ("", None)
    for listed in (store.get("a"), *store.waiting(whole=True), *store.decided(whole=True)):
        assert listed is not None
        assert listed.review.request.held is not None
        assert listed.review.request.params != ""


def test_a_prefix_is_taken_literally(store, arrive):
    """Characters that mean something to LIKE mean themselves in the beginning of an id."""
    arrive(request("abc1"), request("abc2"), request("a%c3"))
    assert store.matching("abc") == ["abc1", "abc2"]
    assert store.matching("a%") == ["a%c3"]
    assert store.matching("___") == []


def test_the_file_is_for_its_owner_only(tmp_path, store):
    """Nobody else on the machine can read the requests."""
    assert (tmp_path / "approvals.db").stat().st_mode & 0o077 == 0
