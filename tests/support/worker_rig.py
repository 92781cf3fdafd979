"""A worker on a real embedded broker: the log, what is fed to it, and a core that does what it is told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import orjson

from engine.attempts import Attempts
from engine.brokers.base import TopicSpec
from engine.brokers.embedded import EmbeddedBroker
from engine.config import TopicSet
from engine.ledger.accounting import account
from engine.ledger.codec import decode, encode
from engine.ledger.model import DecisionBatch, DecisionEntry, Redaction
from engine.outcomes import Denied, Dropped, Outcome, Sanitized
from engine.records import ActivityRecord, OutputRecord, TopicPartition
from engine.worker import Worker

AGENTS = TopicSet(activity="agents")


class Passes:
    """A core of a few lines: what to do stands in the value. ``before`` is called with each batch."""

    digest = "sha256:test"

    def __init__(self, before: Callable[[Sequence[ActivityRecord]], None] = lambda records: None) -> None:
        self.before = before

    def sanitize(self, records: Sequence[ActivityRecord], now: int) -> list[Outcome]:
        self.before(records)
        return [self.one(record) for record in records]

    def one(self, record: ActivityRecord) -> Outcome:
        match (record.value or b"").split(b" "):
            case [b"fail", secret]:
                raise ValueError(f"cannot read {secret.decode()}")
            case [b"grow", size]:
                return Sanitized(record._replace(value=bytes(int(size))), found(1))
            case [b"find", count]:
                return Sanitized(record, found(int(count)))
            case [b"surrogate"]:
                return Denied(record, "rule", "\ud800", ())
            case [b"drop"]:
                return Dropped(record, found(1))
            case _:
                return Sanitized(record)


def found(count: int) -> tuple[Redaction, ...]:
    return (Redaction("$.some.path", 0, 1, "rule", "ENTITY", "replace", 1.0),) * count


class Rig:
    """A broker in a file, fed by the test, and workers on it."""

    def __init__(self, directory: Path, topics: Sequence[TopicSet] = (AGENTS,), **options) -> None:
        self.directory = directory
        self.broker = EmbeddedBroker(directory / "log.db", **options)
        self.topics = {topic.activity: topic for topic in topics}
        names = {name for topic in topics for name in (topic.activity, *topic.outputs())}
        self.broker.create_topics([TopicSpec(name, 2) for name in names])

    def feed(self, *values: bytes | None, partition: int = 0, topic: str = "agents", **fields) -> None:
        fields = {"key": None} | fields
        self.broker.append([OutputRecord(topic, partition, value=value, **fields) for value in values])

    def worker(self, core, name: str = "0", group: str = "g", **options) -> Worker:
        options = {"encode": encode} | options
        return Worker(
            self.broker.join(group, list(self.topics), worker=name),
            core,
            self.topics,
            attempts=Attempts(self.directory / f"attempts-{name}.json"),
            name=name,
            **options,
        )

    def run(self, core, **options) -> Worker:
        worker = self.worker(core, **options)
        try:
            worker.run(stop=lambda: False, drain=True)
        finally:
            worker._session.close()
        return worker

    def read(self, topic: str) -> list[ActivityRecord]:
        reader = self.broker.reader([topic])
        out: list[ActivityRecord] = []
        while records := reader.poll(10_000, 0):
            out += records
        reader.close()
        return out

    def values(self, role: str = "sanitized") -> list[bytes | None]:
        return [record.value for record in self.read(f"agents.{role}")]

    def pointers(self) -> list[tuple[int, str]]:
        return [(p["offset"], p["reason"]) for p in map(orjson.loads, self.values("quarantine"))]

    def batches(self) -> list[DecisionBatch]:
        return [decode(value) for value in self.values("decisions")]

    def entries(self) -> list[DecisionEntry]:
        return [entry for batch in self.batches() for entry in batch.entries]

    def account(self):
        offsets: dict[TopicPartition, list[int]] = {}
        for topic in self.topics:
            for record in self.read(topic):
                offsets.setdefault(TopicPartition(*record.position[:2]), []).append(record.position.offset)
        return account(self.entries(), offsets)
