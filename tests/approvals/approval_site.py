"""A reviewer service on real files, to be stepped by hand, killed and started again."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing, suppress
from pathlib import Path

from approval_makers import APPROVALS, DECISIONS, NOW, PEOPLE, SANITIZED
from confluent_kafka import IsolationLevel
from confluent_kafka import TopicPartition as Place
from confluent_kafka.admin import OffsetSpec

from approvals.service import Service
from approvals.store import Store
from engine.brokers import open_broker
from engine.brokers.base import Broker, BrokerUnavailable, Publisher, Reader, TopicSpec
from engine.brokers.kafka import KafkaBroker
from engine.ledger.codec import LedgerMessage, decode, encode
from engine.ledger.model import PeopleEvent, ReviewEvent, ReviewRequest, Verdict
from engine.records import ActivityRecord, OutputRecord, TopicPartition

CHROMIUM_ARGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


class Clock:
    """A clock that stands until it is moved; ms since the epoch."""

    def __init__(self, now: int = NOW) -> None:
        self.now = now

    def __call__(self) -> int:
        return self.now


def marked(text: str) -> str:
    """A scrubber that hides one word."""
    return text.replace("hunter2", "[PASSWORD]")


class Site:
    """A service on files in one folder, stepped by hand: a new one on the same folder is a restart."""

    patience = 2.0  # seconds that what was written may take to be seen; less will do where a transaction is open

    def __init__(
        self, folder: Path, clock: Callable[[], int], url: str | None = None, database: Path | str | None = None
    ) -> None:
        self.folder, self.clock = folder, clock
        self._resources = ExitStack()
        self.broker: Broker = open_broker(url or f"embedded:{folder / 'log.db'}")
        self._resources.callback(self.broker.close)
        self.broker.create_topics([TopicSpec(topic, 2) for topic in (APPROVALS, DECISIONS, SANITIZED)])
        self.store = Store(database or folder / "approvals.db", decisions={APPROVALS: DECISIONS})
        self._resources.callback(self.store.close)
        self.service = Service(
            store=self.store,
            broker=self.broker,
            people=PEOPLE,
            topics=[APPROVALS],
            clock=clock,
            scrub=marked,
            poll_seconds=0.0,
        )
        self._ends: tuple[Reader, Publisher] | None = None

    @property
    def publisher(self) -> Publisher:
        return self.connected()[1]

    def connected(self) -> tuple[Reader, Publisher]:
        if self._ends is None:
            self._ends = self.service.connect(self._resources)
        return self._ends

    def put(self, *requests: ReviewRequest, partition: int = 0) -> None:
        """Writes requests as the engine does."""
        self._append([OutputRecord(APPROVALS, partition, None, encode(one)) for one in requests])

    def put_raw(self, *values: bytes | None) -> None:
        self._append([OutputRecord(APPROVALS, 0, None, value) for value in values])

    def _append(self, records: list[OutputRecord]) -> None:
        """Writes records; returns when readers see them."""
        with closing(self.broker.reader([APPROVALS])) as reader:
            least = _end(reader) + len(records)
            self.broker.append(records)
            end = time.monotonic() + 60
            while _end(reader) < least:
                assert time.monotonic() < end, "what was written is not there"
                time.sleep(0.01)

    def step(self) -> None:
        """Reads all there is, expires, publishes."""
        reader, publisher = self.connected()
        ends = reader.end_offsets()
        # A broker may need a moment; what ends a partition may be the marker of a commit and no record.
        while self.service.step(reader, publisher) or self._behind(ends):
            pass

    def _behind(self, ends: Mapping[TopicPartition, int]) -> bool:
        positions = self.store.positions()
        return any(end - 1 > positions.get(place, 0) for place, end in ends.items())

    def log(self, topic: str) -> list[ActivityRecord]:
        """All records of a topic, as a read-committed reader sees them."""
        if isinstance(self.broker, KafkaBroker):
            _settle(self.broker, topic, self.patience)
        with closing(self.broker.reader([topic])) as reader:
            found: list[ActivityRecord] = []
            while batch := reader.poll(1000, 0.0):  # a new reader waits for all that was there when it began
                found += batch
            return found

    def told(self) -> list[LedgerMessage]:
        """All that the decisions topic says."""
        return [decode(record.value or b"") for record in self.log(DECISIONS)]

    def verdicts(self) -> list[Verdict]:
        return [one for one in self.told() if isinstance(one, Verdict)]

    def events(self) -> list[str]:
        """What the decisions topic tells of requests, in order."""
        told = [one for one in self.told() if isinstance(one, ReviewEvent) and one.event != "began"]
        return [f"{one.event} {one.request_id}" for one in sorted(told, key=lambda one: one.sequence)]

    def changes(self) -> list[str]:
        """What the decisions topic tells of people, in order."""
        told = [one for one in self.told() if isinstance(one, PeopleEvent)]
        return [f"{one.event} {one.who}" for one in sorted(told, key=lambda one: one.sequence)]

    def lose_database(self) -> None:
        """The process ends and its database is gone; the log stays."""
        self.close()
        for file in self.folder.glob("approvals.db*"):
            file.unlink()

    def close(self) -> None:
        self._resources.close()


def _end(reader: Reader) -> int:
    """How long the topics are. A new partition has no leader for a moment."""
    for _ in range(50):
        with suppress(BrokerUnavailable):
            return sum(reader.end_offsets().values())
        time.sleep(0.1)
    return sum(reader.end_offsets().values())


def _settle(broker: KafkaBroker, topic: str, patience: float) -> None:
    """Returns when readers see all that was written, or after ``patience``, when a transaction is meant to be open."""
    places = [Place(topic, number) for number in range(broker.partitions([topic])[topic])]
    ends = dict.fromkeys(places, OffsetSpec.latest())
    until = time.monotonic() + patience
    while time.monotonic() < until:
        seen, there = (
            [
                future.result(10).offset
                for future in broker.topics.admin.list_offsets(ends, isolation_level=level).values()
            ]
            for level in (IsolationLevel.READ_COMMITTED, IsolationLevel.READ_UNCOMMITTED)
        )
        if seen == there:
            return
        time.sleep(0.02)
