"""The worker on a real embedded broker: what it writes, and what it does when things go wrong."""

from __future__ import annotations

import logging
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import orjson
import pytest
from worker_rig import AGENTS, Passes, Rig, found

from engine.attempts import Attempts
from engine.brokers.base import BrokerUnavailable, Fenced, TopicSpec, TransactionAborted
from engine.config import Batch, TopicSet
from engine.ledger.codec import decode, encode
from engine.ledger.model import OutcomeKind, ReviewRequest
from engine.outcomes import Diverted, Outcome, Quarantined, Sanitized
from engine.policy import load_policy
from engine.records import ActivityRecord, Position, TopicPartition
from engine.sanitizer import Sanitizer
from engine.worker import PART, RETRIES, EngineError, Worker, _spans

HELD = b'{"actor":"local:ada","action":"db.drop_table","resource":"prod.users","params":{"table":"users"}}'
DENIED = b'{"actor":"local:ada","action":"audit.disable","resource":"prod"}'
UNREADABLE = b"[" * 300 + b'"jane@example.com"'
PERSONAL = b'{"user":"jane@example.com","n":1}'
CLEAN = b'{"n":1,"n":2.50,"text":"nothing of note"}'


@pytest.fixture(scope="session")
def sanitizer() -> Sanitizer:
    return Sanitizer(load_policy(), secret=b"k" * 32)


@pytest.fixture
def rig(tmp_path: Path):
    rig = Rig(tmp_path)
    yield rig
    rig.broker.close()


# --- where things go


def test_clean_record_passes_as_it_is(rig: Rig, sanitizer: Sanitizer) -> None:
    """A clean record keeps value, key, headers, timestamp and partition, byte for byte."""
    headers = (("b", b"1"), ("a", None), ("b", b"1"))
    rig.feed(CLEAN, partition=1, key=b"\x00key", headers=headers, timestamp=123)
    rig.run(sanitizer)
    [record] = rig.read("agents.sanitized")
    assert record.position.partition == 1
    assert record[1:] == (b"\x00key", CLEAN, headers, 123)
    assert not rig.values("approvals") + rig.values("quarantine")


def test_tombstone_passes(rig: Rig, sanitizer: Sanitizer) -> None:
    """A tombstone is a record like any other: it passes with its key."""
    rig.feed(None, key=b"k")
    rig.run(sanitizer)
    [record] = rig.read("agents.sanitized")
    assert (record.key, record.value) == (b"k", None)


def test_each_outcome_goes_to_its_topic(rig: Rig, sanitizer: Sanitizer) -> None:
    """One of each: passed, redacted, held, denied, quarantined; and the entries say so position by position."""
    rig.feed(CLEAN, PERSONAL, HELD, DENIED, UNREADABLE, CLEAN, partition=1, timestamp=5)
    worker = rig.run(sanitizer)
    assert rig.values() == [CLEAN, b'{"user":"[EMAIL_ADDRESS]","n":1}', CLEAN]

    [asked] = rig.read("agents.approvals")
    request = decode(asked.value)
    assert isinstance(request, ReviewRequest)
    assert asked.key == request.request_id.encode()
    assert (request.held.topic, request.held.partition, request.held.timestamp) == ("agents.sanitized", 1, 5)

    [pointer] = rig.read("agents.quarantine")
    assert (pointer.key, pointer.headers) == (None, ())
    assert orjson.loads(pointer.value) == {
        "topic": "agents",
        "partition": 1,
        "offset": 4,
        "reason": "budget.depth",
        "bytes": len(UNREADABLE),
    }

    for topic in ("sanitized", "approvals", "quarantine", "decisions"):
        assert {record.position.partition for record in rig.read(f"agents.{topic}")} == {1}
    entries = rig.entries()
    assert [entry.outcome for entry in entries] == [
        OutcomeKind.CLEAN,
        OutcomeKind.REDACTED,
        OutcomeKind.HELD,
        OutcomeKind.DENIED,
        OutcomeKind.QUARANTINED,
        OutcomeKind.CLEAN,
    ]
    assert [entry.first_offset for entry in entries] == list(range(6))
    assert entries[1].redactions[0].entity == "EMAIL_ADDRESS"
    assert (entries[2].request_id, entries[2].rule_id) == (request.request_id, request.rule_id)
    assert entries[3].rule_id == "agent-disables-audit"
    assert entries[4].reason == "budget.depth"
    assert rig.account().adds_up
    assert {batch.policy for batch in rig.batches()} == {sanitizer.digest}
    assert worker.counters.outcomes == rig.account().totals


def test_fact_passes_and_opens_a_review(rig: Rig, sanitizer: Sanitizer) -> None:
    """A privileged fact passes, a review request goes to approvals, and its entry names the request."""

    class Facts(Passes):
        def one(self, record: ActivityRecord) -> Outcome:
            [held] = sanitizer.sanitize([record._replace(value=HELD)], 1000)
            assert isinstance(held, Diverted)
            return Sanitized(record, (), replace(held.request, held=None))

    rig.feed(b"a", b"b")
    rig.run(Facts())
    assert rig.values() == [b"a", b"b"]
    requests = [decode(value) for value in rig.values("approvals")]
    assert [(e.outcome, e.count, e.request_id) for e in rig.entries()] == [
        (OutcomeKind.CLEAN, 1, request.request_id) for request in requests
    ]
    assert rig.account().adds_up


def test_dropped_record_leaves_only_its_entry(rig: Rig) -> None:
    """A record that is dropped goes nowhere; its entry says what was found."""
    rig.feed(b"drop")
    rig.run(Passes())
    assert not rig.values() + rig.values("approvals") + rig.values("quarantine")
    [entry] = rig.entries()
    assert (entry.outcome, entry.redactions) == (OutcomeKind.DROPPED, found(1))


def test_clean_runs_share_an_entry(rig: Rig) -> None:
    """Clean records of a partition share one entry, broken only by records with an entry of their own."""
    rig.feed(*[b"a"] * 30, b"drop", *[b"a"] * 10)
    rig.feed(*[b"b"] * 5, partition=1)
    rig.run(Passes())
    spans = [(e.partition, e.first_offset, e.last_offset, e.count, str(e.outcome)) for e in rig.entries()]
    assert sorted(spans) == [
        (0, 0, 29, 30, "clean"),
        (0, 30, 30, 1, "dropped"),
        (0, 31, 40, 10, "clean"),
        (1, 0, 4, 5, "clean"),
    ]
    assert len(rig.batches()) == 2


def test_decisions_are_split(rig: Rig) -> None:
    """Entries that do not fit into one message are split over several, in order, each below the limit."""
    rig.feed(*[b"find 1000"] * 100)
    rig.run(Passes())
    values = rig.values("decisions")
    assert len(values) > 2
    assert max(map(len, values)) <= 900_000
    assert [entry.first_offset for entry in rig.entries()] == list(range(100))
    assert rig.account().adds_up


def test_decisions_as_json(rig: Rig) -> None:
    """Decisions can be written as JSON, and are read back the same."""
    rig.feed(CLEAN)
    rig.run(Passes(), encode=lambda message: encode(message, "json"))
    assert orjson.loads(rig.values("decisions")[0])["type"] == "DecisionBatch"
    assert rig.account().adds_up


def test_several_activity_topics(tmp_path: Path) -> None:
    """Each activity topic has outputs of its own."""
    rig = Rig(tmp_path, [AGENTS, TopicSet(activity="audit", sanitized="clean")])
    rig.feed(b"a")
    rig.feed(b"b", topic="audit")
    rig.run(Passes())
    assert rig.values() == [b"a"]
    assert [record.value for record in rig.read("clean")] == [b"b"]
    [entry] = [e for r in rig.read("audit.decisions") for e in decode(r.value).entries]
    assert entry.topic == "audit"
    rig.broker.close()


# --- batches


def test_order_is_kept(rig: Rig) -> None:
    """Records of a partition leave in the order they came, whatever the batches."""
    for partition in (0, 1):
        rig.feed(*[b"%d" % n for n in range(100)], partition=partition)
    worker = rig.run(Passes(), batch=Batch(records=7))
    assert worker.counters.batches == 29
    for partition in (0, 1):
        mine = [r.value for r in rig.read("agents.sanitized") if r.position.partition == partition]
        assert mine == [b"%d" % n for n in range(100)]
    assert rig.account().adds_up


def test_batch_is_bounded_in_bytes(rig: Rig) -> None:
    """A batch ends when its bytes are enough, however many records it may have."""
    rig.feed(*[bytes(10_000)] * 100)
    sizes: list[int] = []
    core = Passes(lambda records: sizes.append(sum(len(r.value) for r in records)))
    rig.run(core, batch=Batch(bytes=100_000))
    assert sum(sizes) == 1_000_000
    # The first is taken before the size of a record is known, and one more poll may go as far beyond.
    assert sizes[0] <= 300_000
    assert max(sizes[1:]) <= 110_000
    assert rig.account().adds_up


def test_counters(rig: Rig) -> None:
    """The counters add up what was committed, and say it in one line without values."""
    rig.feed(b"a", b"find 1", b"drop")
    counters = rig.run(Passes()).counters
    assert (counters.records, counters.bytes, counters.batches, counters.aborted) == (3, 11, 1, 0)
    assert "3 records (1 clean, 1 redacted, 1 dropped), 11 bytes, 1 batches" in str(counters)


# --- draining and stopping


def test_drain_stops_at_the_ends_that_stood_at_start(rig: Rig) -> None:
    """Draining ends though records keep coming: it goes to where the ends were when it began."""
    rig.feed(*[b"x"] * 50)
    worker = rig.run(Passes(lambda records: rig.feed(*[b"more"] * 20)), batch=Batch(records=10))
    assert 50 <= worker.counters.records < 200


def test_drain_of_nothing(rig: Rig) -> None:
    """Draining empty topics ends at once."""
    assert rig.run(Passes()).counters.records == 0


def test_drain_when_the_last_records_are_gone(tmp_path: Path) -> None:
    """Draining ends though the records before an end were deleted by retention and will never come."""
    rig = Rig(tmp_path)
    rig.broker.create_topics([TopicSpec("old", 1, retention_ms=1)])
    rig.topics = {"old": TopicSet(activity="old")}
    rig.feed(b"gone", topic="old")
    time.sleep(0.01)
    rig.broker.clean()
    started = time.monotonic()
    assert rig.run(Passes()).counters.records == 0
    assert time.monotonic() - started < 20
    rig.broker.close()


def test_two_workers_drain(rig: Rig) -> None:
    """Two workers drain together: each partition's records pass once, and both end."""
    for partition in (0, 1):
        rig.feed(*[b"%d" % n for n in range(300)], partition=partition)
    workers = [rig.worker(Passes(), name, batch=Batch(records=20)) for name in "01"]

    def work(worker: Worker) -> None:
        worker.run(stop=lambda: False, drain=True)
        worker._session.close()

    threads = [threading.Thread(target=work, args=[worker]) for worker in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(rig.values()) == sorted(b"%d" % n for n in range(300) for _ in (0, 1))
    assert rig.account().adds_up


def test_stop_finishes_the_batch(rig: Rig) -> None:
    """Asked to stop while a batch is in hand, the worker commits it and takes no other."""
    rig.feed(*[b"x"] * 30)
    asked: list[bool] = []
    worker = rig.worker(Passes(lambda records: asked.append(True)), batch=Batch(records=10))
    worker.run(stop=lambda: bool(asked))
    assert worker.counters.records == len(rig.values()) == 10


# --- what goes wrong


def test_failure_on_one_record(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    """If the core fails on a batch, its records go one by one, and only the culprit is quarantined.

    The log names the exception's type and the place, and nothing of what the exception says.
    """
    rig.feed(b"a", b"b", b"fail hunter2", b"c")
    with caplog.at_level(logging.DEBUG):
        rig.run(Passes())
    assert rig.values() == [b"a", b"b", b"c"]
    assert rig.pointers() == [(2, "detector-error")]
    assert rig.account().adds_up
    assert "ValueError in 1 records from agents/0@2" in caplog.text
    assert "hunter2" not in caplog.text
    assert b"hunter2" not in b"".join(rig.values("decisions") + rig.values("quarantine"))


@pytest.mark.parametrize("change", ["one less", "one more", "twice the same", "another order"])
def test_an_input_without_exactly_one_outcome_stops_the_engine(rig: Rig, change: str) -> None:
    """Outcomes that do not match their inputs one to one stop the engine, and nothing is committed."""

    class Miscounts(Passes):
        def sanitize(self, records: Sequence[ActivityRecord], now: int) -> list[Outcome]:
            good = super().sanitize(records, now)
            return {
                "one less": good[:-1],
                "one more": [*good, good[-1]],
                "twice the same": [*good[:-1], good[0]],
                "another order": good[::-1],
            }[change]

    rig.feed(b"a", b"b", b"c")
    with pytest.raises(EngineError, match="did not get one outcome each"):
        rig.run(Miscounts())
    assert not rig.values() + rig.values("decisions")
    assert rig.run(Passes()).counters.records == 3


def test_what_cannot_be_written_down(rig: Rig) -> None:
    """A decision that its schema cannot hold puts its record into quarantine, and stops nothing else."""
    rig.feed(b"a", b"surrogate", b"b")
    rig.run(Passes())
    assert rig.values() == [b"a", b"b"]
    assert rig.pointers() == [(1, "detector-error")]
    assert rig.account().adds_up


def test_output_above_the_brokers_limit(tmp_path: Path) -> None:
    """A record that redaction made larger than the broker takes is quarantined; the rest of the batch passes."""
    rig = Rig(tmp_path, max_message_bytes=10_000)
    rig.feed(b"a", b"grow 20000", b"grow 10", b"grow 10001", b"b")
    worker = rig.run(Passes())
    assert rig.values() == [b"a", bytes(10), b"b"]
    assert rig.pointers() == [(1, "output-too-large"), (3, "output-too-large")]
    assert rig.account().adds_up
    assert worker.counters.records == 5
    rig.broker.close()


def test_decisions_above_the_brokers_limit(tmp_path: Path) -> None:
    """Where the broker takes less than our own limit, decision messages become small enough for it."""
    rig = Rig(tmp_path, max_message_bytes=10_000)
    rig.feed(*[b"find 100"] * 20)
    rig.run(Passes())
    assert len(rig.values()) == 20
    assert max(map(len, rig.values("decisions"))) <= 10_000
    assert rig.account().adds_up
    rig.broker.close()


def test_entry_above_the_limit(rig: Rig) -> None:
    """A record with more findings than one message holds is quarantined."""
    rig.feed(b"a", b"find 50000", b"b")
    rig.run(Passes())
    assert rig.values() == [b"a", b"b"]
    assert rig.pointers() == [(1, "output-too-large")]
    assert rig.account().adds_up


def test_parts_of_a_batch_are_one_batch(rig: Rig) -> None:
    """What is worked on part by part is written in order and accounted for together, also where a later part fails."""
    handed: list[int] = []
    values = [b"%d" % number for number in range(2 * PART + 10)]
    values[PART + 5], values[-1] = b"find 50000", b"surrogate"
    rig.feed(*values)
    worker = rig.run(Passes(lambda records: handed.append(len(records))))
    assert handed == [PART, PART, 10, PART, PART - 1, 9]  # read again without those whose entries cannot be written
    assert rig.pointers() == [(PART + 5, "output-too-large"), (2 * PART + 9, "detector-error")]
    assert rig.values() == [value for value in values if value.isdigit()]
    assert [(e.first_offset, e.last_offset, str(e.outcome)) for e in rig.entries()] == [
        (0, PART + 4, "clean"),
        (PART + 5, PART + 5, "quarantined"),
        (PART + 6, 2 * PART + 8, "clean"),
        (2 * PART + 9, 2 * PART + 9, "quarantined"),
    ]
    assert len(rig.batches()) == 1
    assert worker.counters.records == len(values)


def test_lost_partition_is_read_again(rig: Rig) -> None:
    """A batch whose partition went to another worker meanwhile is given up, and everything passes once."""
    rig.feed(b"a", b"b")
    rig.feed(b"c", partition=1)
    others: list = []

    def steal(records: Sequence[ActivityRecord]) -> None:
        if not others:
            others.append(rig.broker.join("g", ["agents"], worker="1"))
            others[0].close()  # it came and went: the partitions are ours again, under another lease

    worker = rig.run(Passes(steal))
    assert worker.counters.aborted == 1
    assert sorted(rig.values()) == [b"a", b"b", b"c"]
    assert rig.account().adds_up


def test_fenced_worker_stops(rig: Rig) -> None:
    """A worker whose name another one took stops with an error that says so, and commits nothing."""
    rig.feed(b"a")
    others: list = []
    with pytest.raises(Fenced, match="worker '0'; give each worker a name of its own"):
        rig.run(Passes(lambda records: others.append(rig.broker.join("g", ["agents"], worker="0"))))
    assert rig.values() == []
    others[0].close()


def test_unavailable_broker_is_tried_again(tmp_path: Path) -> None:
    """While the broker cannot be reached, the worker backs off, longer each time; then it goes on."""
    rig = Rig(tmp_path, busy_timeout=0.01)
    rig.feed(b"a", b"b")
    lock = sqlite3.connect(tmp_path / "log.db", isolation_level=None)
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            lock.execute("ROLLBACK")

    once = iter([1])
    core = Passes(lambda records: next(once, None) and lock.execute("BEGIN IMMEDIATE"))
    rig.run(core, sleep=pause)
    assert pauses == pytest.approx([0.1, 0.2, 0.25, 0.15])  # the third, of 0.4 s, in two: a stop is heard in time
    assert rig.values() == [b"a", b"b"]
    assert rig.account().adds_up
    lock.close()
    rig.broker.close()


def test_unavailable_broker_ends_the_worker(tmp_path: Path) -> None:
    """A broker that stays away ends the worker after bounded tries, with the broker's own words."""
    rig = Rig(tmp_path, busy_timeout=0.01)
    rig.feed(b"a")
    lock = sqlite3.connect(tmp_path / "log.db", isolation_level=None)
    pauses: list[float] = []
    core = Passes(lambda records: lock.in_transaction or lock.execute("BEGIN IMMEDIATE"))
    worker = rig.worker(core, sleep=pauses.append)
    with pytest.raises(BrokerUnavailable, match="locked by another process"):
        worker.run(stop=lambda: False)
    assert len(pauses) > RETRIES
    assert 5 < sum(pauses) < 60
    lock.close()
    worker._session.close()
    assert rig.run(Passes()).counters.records == 1
    rig.broker.close()


class PollFails:
    """The session it is around, but the second poll of it fails, once."""

    def __init__(self, session) -> None:
        self._session, self._polls = session, 0

    def __getattr__(self, name: str):
        return getattr(self._session, name)

    def poll(self, max_records: int, timeout: float):
        self._polls += 1
        if self._polls == 2:
            raise BrokerUnavailable("away for a moment")
        return self._session.poll(min(max_records, 3), timeout)


def test_poll_that_fails_amid_a_batch(rig: Rig) -> None:
    """If the broker goes away while a batch is gathered, what was polled already is read again, not lost."""
    rig.feed(*[b"%d" % n for n in range(10)])
    worker = rig.worker(Passes(), sleep=lambda seconds: None)
    worker._session = PollFails(worker._session)
    worker.run(stop=lambda: False, drain=True)
    worker._session.close()
    assert rig.values() == [b"%d" % n for n in range(10)]
    assert rig.account().adds_up


class EndedBefore:
    """The session it is around, which heard of the ends of its partitions when they were empty, and gives nothing at first."""

    def __init__(self, session) -> None:
        self._session, self._polls = session, 0

    def __getattr__(self, name: str):
        return getattr(self._session, name)

    def poll(self, max_records: int, timeout: float):
        self._polls += 1
        return self._session.poll(max_records, timeout) if self._polls > 2 else []

    def at_end(self):
        return dict.fromkeys(self._session.assignment(), 0)


def test_a_partition_that_ended_before_records_came(rig: Rig) -> None:
    """Draining goes on until they are done: an end that was heard of earlier is no reason to pass over them."""
    rig.feed(b"1", b"2")
    worker = rig.worker(Passes())
    worker._session = EndedBefore(worker._session)
    worker.run(stop=lambda: False, drain=True)
    worker._session.close()
    assert rig.values() == [b"1", b"2"]


def at(*places: tuple[int, int]) -> list[ActivityRecord]:
    """Records at these partitions and offsets."""
    return [ActivityRecord(Position("agents", *place), None, b"", (), 0) for place in places]


def test_spans_of_partitions_that_take_turns() -> None:
    """Each from its first offset to its last, with gaps, in whatever order the partitions come."""
    spans = _spans(at((1, 5), (1, 6), (0, 2), (1, 9), (0, 3)))
    assert spans == {TopicPartition("agents", 1): (5, 9), TopicPartition("agents", 0): (2, 3)}
    assert _spans([]) == {}


@pytest.mark.parametrize(
    "again", [((0, 1), (0, 1)), ((0, 2), (0, 1)), ((0, 1), (1, 7), (0, 1)), ((0, 2), (1, 7), (0, 0))]
)
def test_a_partition_that_goes_back_within_a_batch(again: tuple[tuple[int, int], ...]) -> None:
    """It was lost and came back while the batch was gathered: nothing of it may be committed twice."""
    with pytest.raises(TransactionAborted, match="agents/0 was read again"):
        _spans(at(*again))


# --- records that kill

_DEADLY = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from engine.attempts import Attempts
from engine.brokers.embedded import EmbeddedBroker
from engine.config import Batch, TopicSet
from engine.ledger.codec import encode
from engine.outcomes import Sanitized
from engine.worker import Worker

class Dies:
    digest = "sha256:test"
    def sanitize(self, records, now):
        if any(record.value == b"deadly" for record in records):
            os.kill(os.getpid(), signal.SIGKILL)
        return [Sanitized(record) for record in records]

directory = Path(sys.argv[2])
with EmbeddedBroker(directory / "log.db") as broker:
    session = broker.join("g", ["agents"], worker="0")
    topics = {"agents": TopicSet(activity="agents")}
    worker = Worker(session, Dies(), topics, encode, attempts=Attempts(directory / "attempts.json"),
                    name="0", batch=Batch(records=10, interval_ms=0))
    worker.run(stop=lambda: False, drain=True)
    session.close()
"""


def test_record_that_kills_is_found(rig: Rig, tmp_path: Path) -> None:
    """A record that kills the process is quarantined by its attempts: three deaths, one more alone, then on.

    All others pass once, and no other is suspected.
    """
    rig.feed(*[b"%d" % n for n in range(24)], b"deadly", *[b"%d" % n for n in range(24, 40)])
    rig.feed(*[b"%d" % n for n in range(40, 50)], partition=1)
    root = str(Path(__file__).parents[2])
    command = [sys.executable, "-c", _DEADLY, root, str(tmp_path)]
    codes = []
    while not codes or (codes[-1] == -signal.SIGKILL and len(codes) < 10):
        codes.append(subprocess.run(command, timeout=60, check=False).returncode)
    assert codes == [-signal.SIGKILL] * 4 + [0]
    assert rig.pointers() == [(24, "attempts")]
    assert sorted(map(int, rig.values())) == list(range(50))
    assert rig.account().adds_up
    assert not (tmp_path / "attempts.json").exists()


def test_two_records_that_kill(rig: Rig, tmp_path: Path) -> None:
    """Each record that kills is found in turn, also within one batch."""
    rig.feed(b"a", b"deadly", b"b", b"deadly", b"c")
    command = [sys.executable, "-c", _DEADLY, str(Path(__file__).parents[2]), str(tmp_path)]
    codes = []
    while not codes or (codes[-1] == -signal.SIGKILL and len(codes) < 12):
        codes.append(subprocess.run(command, timeout=60, check=False).returncode)
    assert codes[-1] == 0
    assert rig.pointers() == [(1, "attempts"), (3, "attempts")]
    assert rig.values() == [b"a", b"b", b"c"]
    assert rig.account().adds_up


def test_orderly_ends_are_no_deaths(rig: Rig, tmp_path: Path) -> None:
    """A worker that is stopped, fenced or without a broker leaves no note behind."""
    for _ in range(5):
        rig.feed(b"a")
        worker = rig.worker(_Nothing())
        with pytest.raises(EngineError):
            worker.run(stop=lambda: False)
        worker._session.close()
        assert not (tmp_path / "attempts-0.json").exists()
    rig.run(Passes())
    assert rig.values() == [b"a"] * 5


class _Nothing(Passes):
    def sanitize(self, records: Sequence[ActivityRecord], now: int) -> list[Outcome]:
        return []


def test_unforeseen_errors_count_as_deaths(rig: Rig, tmp_path: Path) -> None:
    """An error that nobody foresaw leaves the note, so that a record that brings it about is found."""
    rig.feed(b"a", b"b")

    def fail(*_: object) -> None:
        raise MemoryError

    worker = rig.worker(Passes())
    worker._session.commit = fail
    with pytest.raises(MemoryError):
        worker.run(stop=lambda: False)
    assert Attempts(tmp_path / "attempts-0.json")._before[TopicPartition("agents", 0)].last == 1


def test_damaged_note(rig: Rig, tmp_path: Path) -> None:
    """A note that was cut short by a power failure is as good as none."""
    (tmp_path / "attempts-0.json").write_bytes(b'[{"topic": "agen')
    rig.feed(b"a")
    assert rig.run(Passes()).counters.records == 1


def test_quarantined_by_the_core_names_the_input(rig: Rig) -> None:
    """The pointer to a quarantined record counts the bytes of the input and holds neither key nor payload."""

    class Refuses(Passes):
        def one(self, record: ActivityRecord) -> Outcome:
            return Quarantined(record, "unparsable")

    rig.feed(b"hunter2", key=b"hunter2", headers=(("hunter2", b"hunter2"),))
    rig.run(Refuses())
    [record] = rig.read("agents.quarantine")
    assert orjson.loads(record.value)["bytes"] == 7
    assert "hunter2" not in str(tuple(record))
