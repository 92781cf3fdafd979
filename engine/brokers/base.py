"""What Sluicegate asks of a broker, in Kafka's terms.

A broker is a log of topics and partitions. A worker *joins* a consumer group and gets a `Session`: it polls
records of the partitions assigned to it, and everything it writes for them is committed together with the
offsets that it read, or not at all. A `Reader` follows topics without a group, read-committed: it never sees
what was not committed. A `Publisher` writes an ordered outbox exactly once.

Two real implementations: `engine.brokers.embedded` (one SQLite file) and Kafka. One contract suite holds both
to these words.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from detectors.errors import SluicegateError
from engine.records import ActivityRecord, OutputRecord, TopicPartition


class BrokerError(SluicegateError):
    """The broker could not do what was asked."""


class BrokerUnavailable(BrokerError):
    """Not reachable now; trying again later may help."""


class TransactionAborted(BrokerError):
    """Nothing of this batch was committed; the session has gone back to its last commit: poll again."""


class Fenced(BrokerError):
    """Another worker has taken over this identity; this one must stop."""


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """A topic as it should be. ``retention_ms`` None keeps records for ever.

    ``copies`` is on how many brokers each partition is kept; None is what the cluster does by default.
    """

    name: str
    partitions: int
    retention_ms: int | None = None
    copies: int | None = None


class Session(Protocol):
    """A worker's place in a consumer group: it reads, and commits what it wrote with what it read.

    Used by one thread at a time. Between `begin` and `commit` or `abort` a transaction is open; records produced in
    it are seen by no reader until `commit` returns. If the process dies, the open transaction never happened.

    What was polled before `commit` and is beyond its offsets belongs to the next transaction.
    """

    @property
    def commit_waits(self) -> bool:
        """Whether `commit` mostly waits for others, so that a thread of its own for it leaves time to work in."""
        ...

    def poll(self, max_records: int, timeout: float) -> Sequence[ActivityRecord]:
        """The next records, in order within each partition; empty when none came within ``timeout`` seconds.

        Also keeps the membership alive, so it must be called often. Partitions may come and go between calls;
        a partition that comes begins at its committed offset. Raises Fenced, BrokerUnavailable.
        """
        ...

    def assignment(self) -> frozenset[TopicPartition]:
        """The partitions that this worker owns now."""
        ...

    def at_end(self) -> Mapping[TopicPartition, int]:
        """The partitions owned of which `poll` has given every record there was for a reader, and where they ended.

        What ends a partition may be no record: markers, or what retention took. So offsets alone do not tell. And
        there may be more by now, of which this session has not heard.
        """
        ...

    def end_offsets(self) -> Mapping[TopicPartition, int]:
        """For every partition of the subscribed topics: the offset that the next record will get."""
        ...

    def committed(self) -> Mapping[TopicPartition, int]:
        """For every partition of the subscribed topics: the group's committed offset (0 if none)."""
        ...

    def begin(self) -> None:
        """Opens a transaction."""
        ...

    def produce(self, records: Iterable[OutputRecord]) -> None:
        """Writes into the open transaction. Raises BrokerError if a record cannot be taken (too large …)."""
        ...

    def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Commits all that was produced together with ``offsets`` (the next offset to read, by partition).

        Raises TransactionAborted if a partition was lost meanwhile, Fenced if this identity was taken over.
        """
        ...

    def abort(self) -> None:
        """Gives up the open transaction (a no-op if there is none) and goes back to the last commit."""
        ...

    def close(self) -> None:
        """Leaves the group at once, so that others take over without waiting."""
        ...


class Reader(Protocol):
    """Follows topics from given positions, read-committed, in order within each partition."""

    def poll(self, max_records: int, timeout: float) -> Sequence[ActivityRecord]:
        """The next committed records; empty when none came within ``timeout`` seconds."""
        ...

    def end_offsets(self) -> Mapping[TopicPartition, int]:
        """For each followed partition: the offset that the next record will get."""
        ...

    def close(self) -> None:
        """Frees what the reader holds."""
        ...


class Publisher(Protocol):
    """Writes an outbox exactly once: each batch is committed together with its sequence number.

    After a crash, `last` says how far the outbox got, whatever the writer remembers.
    """

    def last(self) -> int:
        """The highest sequence number that was published; 0 if none was."""
        ...

    def publish(self, records: Iterable[OutputRecord], sequence: int) -> None:
        """Writes ``records`` and moves to ``sequence``, both or neither.

        Raises ValueError if ``sequence`` is not above `last`, Fenced if another publisher of this name began.
        """
        ...

    def close(self) -> None:
        """Frees what the publisher holds."""
        ...


class Broker(AbstractContextManager["Broker"], Protocol):
    """A log of topics and partitions."""

    def partitions(self, topics: Iterable[str]) -> Mapping[str, int]:
        """How many partitions each of ``topics`` has; a topic that does not exist is left out."""
        ...

    def create_topics(self, topics: Iterable[TopicSpec]) -> None:
        """Creates what does not exist. Raises BrokerError if one exists with other partitions."""
        ...

    def join(self, group: str, topics: Sequence[str], *, worker: str) -> Session:
        """Joins ``group``. ``worker`` is a stable name: a second session with it fences the first."""
        ...

    def reader(self, topics: Sequence[str], *, start: Mapping[TopicPartition, int] | None = None) -> Reader:
        """Follows ``topics`` from ``start``; partitions it does not name begin at their first record."""
        ...

    def publisher(self, name: str) -> Publisher:
        """The one publisher called ``name``; a second one fences the first."""
        ...

    def append(self, records: Iterable[OutputRecord]) -> None:
        """Writes records outside any group, all or none: what a producer of activity does."""
        ...

    def close(self) -> None:
        """Frees what the broker holds."""
        ...
