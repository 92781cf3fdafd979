"""A reviewer service on real files, to be stepped by hand, killed and started again."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from approval_makers import APPROVALS, DECISIONS, NOW, PEOPLE, SANITIZED

from approvals.service import Service
from approvals.store import Store
from engine.brokers import open_broker
from engine.brokers.base import Broker, Publisher, Reader, TopicSpec
from engine.ledger.codec import decode, encode
from engine.ledger.model import ReviewRequest, Verdict
from engine.records import ActivityRecord, OutputRecord

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

    def __init__(self, folder: Path, clock: Callable[[], int]) -> None:
        self.folder, self.clock = folder, clock
        self._resources = ExitStack()
        self.broker: Broker = open_broker(f"embedded:{folder / 'log.db'}")
        self._resources.callback(self.broker.close)
        self.broker.create_topics([TopicSpec(topic, 2) for topic in (APPROVALS, DECISIONS, SANITIZED)])
        self.store = Store(folder / "approvals.db", decisions={APPROVALS: DECISIONS})
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
        self.broker.append([OutputRecord(APPROVALS, partition, None, encode(one)) for one in requests])

    def put_raw(self, *values: bytes | None) -> None:
        self.broker.append([OutputRecord(APPROVALS, 0, None, value) for value in values])

    def step(self) -> None:
        """Reads all there is, expires, publishes."""
        reader, publisher = self.connected()
        while self.service.step(reader, publisher):
            pass

    def log(self, topic: str) -> list[ActivityRecord]:
        """All records of a topic, as a read-committed reader sees them."""
        reader = self.broker.reader([topic])
        try:
            found: list[ActivityRecord] = []
            while batch := reader.poll(1000, 0):
                found += batch
            return found
        finally:
            reader.close()

    def verdicts(self) -> list[Verdict]:
        decoded = [decode(record.value or b"") for record in self.log(DECISIONS)]
        assert all(isinstance(one, Verdict) for one in decoded)
        return decoded  # type: ignore[return-value]

    def close(self) -> None:
        self._resources.close()
