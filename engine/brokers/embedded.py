"""The broker on one SQLite file, for a laptop or a single host: no server, several processes at once.

The promises are Kafka's (see `engine.brokers.base`): offsets only grow, order within a partition, outputs and
offsets all or nothing. A commit that returned is on the disk. Readers see only what is committed, because
SQLite shows nothing else.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType

from engine.brokers.base import Fenced, Publisher, Reader, Session, TopicSpec
from engine.brokers.embedded_session import EmbeddedSession
from engine.brokers.embedded_store import Store
from engine.brokers.embedded_tail import Patience, Tail
from engine.brokers.limits import DEFAULT_MAX_MESSAGE_BYTES
from engine.records import ActivityRecord, OutputRecord, TopicPartition

DEFAULT_SESSION_TIMEOUT = 10.0


class EmbeddedBroker:
    """A log of topics and partitions in the SQLite file at ``path``, which is made if it does not exist.

    ``session_timeout`` (seconds): how long a silent worker keeps its partitions. ``max_message_bytes``: key,
    value and headers of one record. ``clock``: seconds since the epoch, shared by all processes on the file.
    ``busy_timeout`` (seconds): how long a locked file is retried before BrokerUnavailable.

    Its own methods may be called from several threads; a session, reader or publisher belongs to one at a
    time.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        session_timeout: float = DEFAULT_SESSION_TIMEOUT,
        max_message_bytes: int = DEFAULT_MAX_MESSAGE_BYTES,
        clock: Callable[[], float] = time.time,
        busy_timeout: float = 5.0,
    ) -> None:
        self.path = Path(path)
        self._session_timeout, self._limit = session_timeout, max_message_bytes
        self._clock, self._busy_timeout = clock, busy_timeout
        self._lock = threading.Lock()
        self._store = self._connect()

    def __enter__(self) -> EmbeddedBroker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def partitions(self, topics: Iterable[str]) -> Mapping[str, int]:
        """How many partitions each of ``topics`` has; a topic that does not exist is left out."""
        with self._lock:
            return {topic: count for topic in topics if (count := len(self._store.topic(topic)))}

    def create_topics(self, topics: Iterable[TopicSpec]) -> None:
        """Creates what does not exist. Raises BrokerError if one exists with other partitions."""
        with self._lock:
            self._store.create(topics)

    def join(self, group: str, topics: Sequence[str], *, worker: str) -> Session:
        """Joins ``group``. Raises BrokerError if a topic does not exist."""
        store = self._connect()
        try:
            return EmbeddedSession(
                store,
                group,
                topics,
                worker=worker,
                session_timeout=self._session_timeout,
                max_message_bytes=self._limit,
            )
        except BaseException:
            store.close()
            raise

    def reader(self, topics: Sequence[str], *, start: Mapping[TopicPartition, int] | None = None) -> Reader:
        """Follows ``topics`` from ``start``. Raises BrokerError if a topic does not exist."""
        store = self._connect()
        try:
            return EmbeddedReader(store, topics, start or {})
        except BaseException:
            store.close()
            raise

    def publisher(self, name: str) -> Publisher:
        """The one publisher called ``name``; a second one fences the first."""
        store = self._connect()
        try:
            return EmbeddedPublisher(store, name, max_message_bytes=self._limit)
        except BaseException:
            store.close()
            raise

    def append(self, records: Iterable[OutputRecord]) -> None:
        """Writes records outside any group, all or none."""
        with self._lock:
            checked = self._store.check(records, self._limit)
            with self._store.write():
                self._store.insert(checked)
            self._store.tidy()

    def clean(self) -> None:
        """One bounded clean-up run: deletes records that are older than their topic's ``retention_ms``."""
        with self._lock:
            self._store.clean()

    def close(self) -> None:
        """Frees the broker's own connection; sessions, readers and publishers have theirs."""
        self._store.close()

    def _connect(self) -> Store:
        return Store(self.path, clock=self._clock, busy_timeout=self._busy_timeout)


class EmbeddedReader:
    """Follows topics without a group (see `engine.brokers.base.Reader`)."""

    def __init__(self, store: Store, topics: Sequence[str], start: Mapping[TopicPartition, int]) -> None:
        self._store = store
        self._logs = store.logs(topics)
        self._tail = Tail(store)
        for log, partition in self._logs.items():
            self._tail.place(log, partition, start.get(partition, 0))

    def poll(self, max_records: int, timeout: float) -> Sequence[ActivityRecord]:
        """The next committed records; empty when none came within ``timeout`` seconds."""
        patience = Patience(self._store, timeout)
        while True:
            changes = self._store.changes()
            records = self._tail.take(max_records)
            if records:
                return records
            while self._store.changes() == changes:
                if not patience.again():
                    return records

    def end_offsets(self) -> Mapping[TopicPartition, int]:
        """For each followed partition: the offset that the next record will get."""
        ends = self._store.end_offsets(self._logs)
        return {self._logs[log]: end for log, end in ends.items()}

    def close(self) -> None:
        """Closes the reader's connection."""
        self._store.close()


class EmbeddedPublisher:
    """Writes an outbox exactly once (see `engine.brokers.base.Publisher`)."""

    def __init__(self, store: Store, name: str, *, max_message_bytes: int) -> None:
        self._store, self._name, self._limit = store, name, max_message_bytes
        with store.write() as db:
            db.execute("INSERT OR IGNORE INTO publishers VALUES (?, 0, 0)", (name,))
            db.execute("UPDATE publishers SET epoch = epoch + 1 WHERE name = ?", (name,))
            self._epoch, _ = self._row(db)

    def last(self) -> int:
        """The highest sequence number that was published; 0 if none was."""
        with self._store.read() as db:
            return self._row(db)[1]

    def publish(self, records: Iterable[OutputRecord], sequence: int) -> None:
        """Writes ``records`` and moves to ``sequence``, both or neither."""
        checked = self._store.check(records, self._limit)
        with self._store.write() as db:
            epoch, last = self._row(db)
            if epoch != self._epoch:
                raise Fenced(f"another publisher called '{self._name}' began; only one may run")
            if sequence <= last:
                raise ValueError(f"sequence {sequence} is not above {last}")
            self._store.insert(checked)
            db.execute("UPDATE publishers SET sequence = ? WHERE name = ?", (sequence, self._name))
        self._store.tidy()

    def close(self) -> None:
        """Closes the publisher's connection."""
        self._store.close()

    def _row(self, db: sqlite3.Connection) -> tuple[int, int]:
        query = "SELECT epoch, sequence FROM publishers WHERE name = ?"
        epoch, sequence = db.execute(query, (self._name,)).fetchone()
        return int(epoch), int(sequence)
