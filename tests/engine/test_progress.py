"""What a worker says of its progress: counts, rates and lag."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.brokers import open_broker
from engine.brokers.base import Broker, BrokerUnavailable, TopicSpec
from engine.ledger.model import OutcomeKind, Redaction
from engine.outcomes import Dropped, Quarantined, Sanitized
from engine.progress import LAG_EVERY, LOG_EVERY, Counters, Progress
from engine.records import ActivityRecord, OutputRecord, Position, TopicPartition


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    with open_broker(f"embedded:{tmp_path}/log.db") as broker:
        broker.create_topics([TopicSpec("agents", 2)])
        yield broker


class Clock:
    """Stands still until it is told to go on."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Member:
    """A worker of the group, as far as its progress goes."""

    def __init__(self, broker: Broker, name: str) -> None:
        self.clock = Clock()
        self.session = broker.join("g", ["agents"], worker=name)
        self.progress = Progress(name, clock=self.clock, monotonic=self.clock)
        self.done = dict(self.session.committed())

    def work(self, *, most: int = 1000) -> int:
        """Reads and commits as a worker does, some seconds after the last time."""
        self.clock.now += LAG_EVERY
        self.session.begin()
        records = self.session.poll(most, 0)
        offsets = {TopicPartition(*r.position[:2]): r.position.offset + 1 for r in records}
        if records:
            self.session.commit(offsets)
            self.done.update(offsets)
            self.progress.committed(offsets)
        else:
            self.session.abort()
        self.progress.step(self.session, self.done, idle=not records)
        return len(records)

    @property
    def lag(self) -> dict[int, int]:
        assert self.progress.lag is not None
        return {at.partition: records for at, records in self.progress.lag.partitions.items()}


def feed(broker: Broker, partition: int, count: int) -> None:
    broker.append([OutputRecord("agents", partition, None, b"x")] * count)


def test_lag(broker: Broker) -> None:
    """The lag of a partition is what lies between the committed offset and its end."""
    feed(broker, 0, 10)
    feed(broker, 1, 3)
    member = Member(broker, "a")
    left = 13 - member.work(most=4)
    assert sum(member.lag.values()) == left
    while member.work():
        pass
    assert member.lag == {0: 0, 1: 0}
    member.session.close()


def test_lag_is_of_own_partitions(broker: Broker) -> None:
    """A partition that went to another worker is no longer told of, so that the lags of all add up."""
    feed(broker, 0, 10)
    feed(broker, 1, 10)
    one = Member(broker, "a")
    one.work(most=1)
    assert set(one.lag) == {0, 1}
    other = Member(broker, "b")
    one.work(most=1)
    other.work(most=1)
    assert sorted([*one.lag, *other.lag]) == [0, 1]
    for member in (one, other):
        member.session.close()


def test_lag_of_a_partition_that_comes_back(broker: Broker) -> None:
    """What another worker committed on a partition meanwhile counts, once there is a moment to ask."""
    one, other = Member(broker, "a"), Member(broker, "b")
    one.work()
    other.work()
    feed(broker, 0, 5)
    feed(broker, 1, 7)
    while other.work() or one.work():
        pass
    other.session.close()
    one.work()
    assert one.lag == {0: 0, 1: 0}
    one.session.close()


def test_lag_while_the_broker_is_away(broker: Broker, caplog: pytest.LogCaptureFixture) -> None:
    """A broker that cannot say where partitions end does not stop the worker; the last lag stands, with its time."""
    member = Member(broker, "a")
    member.work()
    measured = member.progress.lag

    class Away:
        assignment = member.session.assignment

        def end_offsets(self):
            raise BrokerUnavailable("no broker answers")

    member.clock.now += LAG_EVERY
    member.progress.step(Away(), member.done, idle=True)
    assert member.progress.lag is measured
    assert "cannot tell its lag now: no broker answers" in caplog.text
    member.session.close()


def test_the_line(broker: Broker, caplog: pytest.LogCaptureFixture) -> None:
    """The line in the log tells the rates since the last one, the lag and where it is largest, and all in all."""
    caplog.set_level(logging.INFO)
    feed(broker, 0, 60)
    feed(broker, 1, 20)
    member = Member(broker, "a")
    member.work(most=1)
    records = [ActivityRecord(Position("agents", 0, n), None, b"x" * 5000, (), 0) for n in range(2000)]
    member.progress.counters.count(records, [Sanitized(record) for record in records], 0.2)
    member.clock.now += LOG_EVERY - LAG_EVERY
    member.progress.step(member.session, member.done, idle=False)
    line = caplog.messages[-1]
    assert line.startswith("worker a: 200 records/s, 1.00 MB/s, lag 79 on 2 partitions, most on agents/0: 59; in all ")
    assert "2000 records (2000 clean), 10000000 bytes, 1 batches" in line
    member.clock.now += LOG_EVERY
    member.progress.step(member.session, member.done, idle=True)
    assert caplog.messages[-1].startswith("worker a: 0 records/s, 0.00 MB/s, lag 79")
    member.session.close()


def test_counters() -> None:
    """Outcomes are counted by kind, redactions by entity, seconds in the bucket that they fall into."""
    record = ActivityRecord(Position("agents", 0, 0), None, b"12345", (), 0)
    found = tuple(Redaction("$.a", 0, 1, "rule", entity, "replace", 1.0) for entity in ("IP", "IP", "CARD"))
    outcomes = [
        Sanitized(record),
        Sanitized(record, found),
        Dropped(record, found[:1]),
        Quarantined(record, "attempts"),
    ]
    counters = Counters()
    counters.count([record] * 4, outcomes, 0.005)
    counters.count([record], outcomes[:1], 31.0)
    assert (counters.records, counters.bytes, counters.batches) == (5, 25, 2)
    assert counters.outcomes == {
        OutcomeKind.CLEAN: 2,
        OutcomeKind.REDACTED: 1,
        OutcomeKind.DROPPED: 1,
        OutcomeKind.QUARANTINED: 1,
    }
    assert counters.redactions == {"IP": 3, "CARD": 1}
    assert (counters.buckets[0], counters.buckets[-1], sum(counters.buckets)) == (1, 1, 2)
