"""A stream with records of every kind, a reviewer for what is held, and the proof that each input is there once.

For tests that kill what works on it: whatever died when, a read-committed reader must see this.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from contextlib import ExitStack, closing
from pathlib import Path

import orjson

from approvals.lifecycle import RefusalCode, Refused
from approvals.person import Identity, Person, Roster
from approvals.service import Service
from approvals.store import Store
from engine.brokers.base import Broker
from engine.ledger.accounting import account
from engine.ledger.codec import decode
from engine.ledger.model import (
    Decision,
    DecisionBatch,
    DecisionEntry,
    OutcomeKind,
    ReviewRequest,
    Verdict,
    VerdictKind,
)
from engine.records import ActivityRecord, Position, TopicPartition

TOPIC = "agents"
OUTPUTS = ("sanitized", "approvals", "decisions", "quarantine")
TOPICS = (TOPIC, *(f"{TOPIC}.{role}" for role in OUTPUTS))
POLICY = "redaction: {entities: {CREDIT_CARD: drop}}\n"
GRACE = Person("grace", "Grace", frozenset({"local:approvers", "local:security"}), (Identity("local", "grace"),))


def value(number: int) -> bytes:
    """Input ``number``. Most are clean; of each other kind there are many."""
    if number % 41 == 7:
        resource = number // 164  # the same is asked again a few times
        return b'{"id":%d,"actor":"local:ada","action":"db.drop_table","resource":"prod.t%d"}' % (number, resource)
    if number % 41 == 14:
        return b'{"id":%d,"actor":"local:ada","action":"audit.disable","resource":"prod"}' % number
    if number % 41 == 21:
        return b"id %d paid with 4111 1111 1111 1111" % number
    if number % 41 == 28:
        return b'{"id":%d,"deep":%s"jane@example.com"%s}' % (number, b"[" * 300, b"]" * 300)
    if number % 11 == 3:
        return b'{"id":%d,"user":"jane@example.com"}' % number
    return b'{"id":%d,"text":"nothing of note"}' % number


def key(number: int) -> bytes:
    """The key of input ``number``."""
    return b"key-%d" % number


# --- the reviewer


def make_service(database: Path, broker: Broker) -> Service:
    """A reviewer service on ``broker``, with one person."""
    return Service(
        store=Store(database, decisions={f"{TOPIC}.approvals": f"{TOPIC}.decisions"}),
        broker=broker,
        people=Roster([GRACE]),
        topics=[f"{TOPIC}.approvals"],
        clock=lambda: int(time.time() * 1000),
        scrub=lambda text: text,
        poll_seconds=0,
    )


def decide(service: Service) -> None:
    """A person decides on what waits: approves a third, denies a third, and leaves a third alone."""
    for listed in service.store.waiting(limit=1000):
        request = listed.review.request
        choice = int(request.position.offset) % 3
        if choice < 2:
            decision = Decision.APPROVE if choice else Decision.DENY
            given = {"version": request.version, "reason": "seen", "channel": "test"}
            cast = service.vote(request.request_id, GRACE, decision, **given)
            # One that has just been decided was not yet seen to be.
            assert not isinstance(cast, Refused) or cast.code in (RefusalCode.DECIDED, RefusalCode.REPEAT), cast


def review(database: Path, broker: Broker) -> None:
    """A reviewer service comes up, takes in all there is, decides, and goes down again."""
    service = make_service(database, broker)
    with closing(service.store), ExitStack() as resources:
        reader, publisher = service.connect(resources)
        while service.step(reader, publisher):
            pass
        decide(service)
        service.publish(publisher)


# --- what a reader sees


def read(broker: Broker, topic: str) -> list[ActivityRecord]:
    """All that a read-committed reader sees of a topic."""
    with closing(broker.reader([topic])) as reader:
        found: list[ActivityRecord] = []
        while records := reader.poll(100_000, 0):
            found += records
        return found


def number(record: ActivityRecord) -> int:
    """Which input this is, by the id that no rule touches."""
    text = (record.value or b"").decode()
    return int(orjson.loads(text)["id"]) if text.startswith("{") else int(text.split()[1])


def check(broker: Broker, count: int) -> None:
    """Each of ``count`` inputs is in exactly one place, as its decision entry says, and the entries add up."""
    written = {topic: read(broker, topic) for topic in TOPICS}
    inputs = {record.position: number(record) for record in written[TOPIC]}
    assert sorted(inputs.values()) == list(range(count))
    where: dict[int, list[str]] = defaultdict(list)
    order: dict[int, list[int]] = defaultdict(list)
    released: Counter[int] = Counter()
    partition_of = {n: position.partition for position, n in inputs.items()}
    for record in written["agents.sanitized"]:
        n = number(record)
        if ("sluicegate-released", b"approved") in record.headers:
            released[n] += 1
        else:
            where[n].append("sanitized")
            order[record.position.partition].append(n)
        assert (record.key, record.position.partition) == (key(n), partition_of[n])
    for record in written["agents.approvals"]:
        request = decode(record.value or b"")
        assert isinstance(request, ReviewRequest)
        where[inputs[request.position]].append("held")
    for record in written["agents.quarantine"]:
        pointer = orjson.loads(record.value or b"")
        at = Position(pointer["topic"], pointer["partition"], pointer["offset"])
        where[inputs[at]].append("quarantined")
    told = [decode(record.value or b"") for record in written["agents.decisions"]]

    entries = [entry for batch in told if isinstance(batch, DecisionBatch) for entry in batch.entries]
    offsets: dict[TopicPartition, list[int]] = defaultdict(list)
    for position in sorted(inputs):
        offsets[TopicPartition(*position[:2])].append(position.offset)
    accounted = account(entries, offsets)
    assert accounted.adds_up, accounted.faults[:3]
    outcomes = {inputs[at]: entry.outcome for entry in entries for at in _positions(entry, inputs)}
    for n in range(count):
        match outcomes[n]:
            case OutcomeKind.CLEAN | OutcomeKind.REDACTED:
                assert where[n] == ["sanitized"], n
            case OutcomeKind.DENIED | OutcomeKind.DROPPED:
                assert where[n] == [], n
            case kind:
                assert where[n] == [str(kind)], n
    assert Counter(outcomes.values()) == accounted.totals
    assert set(accounted.totals) == set(OutcomeKind), "the stream is to have records of every kind"
    _check_verdicts([one for one in told if isinstance(one, Verdict)], inputs, outcomes, released)
    assert all(mine == sorted(mine) for mine in order.values()), "order within a partition"
    everything = b"".join(record.value or b"" for topic in TOPICS[1:] for record in written[topic])
    assert b"jane@example.com" not in everything
    assert b"4111 1111" not in everything


def _check_verdicts(
    told: list[Verdict], inputs: dict[Position, int], outcomes: dict[int, OutcomeKind], released: Counter[int]
) -> None:
    """A held record has one verdict at most; what was approved is released once, and nothing else ever is."""
    verdicts = {inputs[one.position]: one for one in told}
    assert len(verdicts) == len(told)
    assert all(outcomes[n] is OutcomeKind.HELD for n in verdicts)
    approved = {n for n, one in verdicts.items() if one.verdict is VerdictKind.APPROVED}
    assert released == Counter(approved)
    assert {one.verdict for one in verdicts.values()} >= {VerdictKind.APPROVED, VerdictKind.DENIED, VerdictKind.FOLDED}
    waiting = sum(kind is OutcomeKind.HELD for kind in outcomes.values()) - len(verdicts)
    assert waiting > 0, "some are to be left waiting"


def _positions(entry: DecisionEntry, inputs: dict[Position, int]) -> list[Position]:
    span = range(entry.first_offset, entry.last_offset + 1)
    every = [Position(entry.topic, entry.partition, offset) for offset in span]
    return [position for position in every if position in inputs]
