"""The SQLite file under the embedded broker: one connection, its schema, and the log in it.

Every method raises `BrokerError` (or `BrokerUnavailable` when the file is locked for too long) and never lets
an `sqlite3.Error` out. A connection is used by one thread at a time.
"""

from __future__ import annotations

import os
import sqlite3
import struct
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import groupby
from pathlib import Path

from engine.brokers.base import BrokerError, BrokerUnavailable, TopicSpec
from engine.brokers.limits import MessageTooLarge, message_bytes
from engine.records import ActivityRecord, Header, OutputRecord, Position, TopicPartition

SCHEMA_VERSION = 1
_APPLICATION_ID = 0x736C7569  # "slui": tells our files from those of other programs

# One table holds all records: its rowid is the log's number and the offset in it, so that a partition is one
# range of the B-tree and appending needs no second index.
_OFFSET_BITS = 42
_OFFSET_MASK = (1 << _OFFSET_BITS) - 1

_SCHEMA = """
CREATE TABLE topics (name TEXT PRIMARY KEY, partitions INTEGER NOT NULL, retention_ms INTEGER);
CREATE TABLE logs (
    id INTEGER PRIMARY KEY, topic TEXT NOT NULL REFERENCES topics, partition INTEGER NOT NULL,
    next_offset INTEGER NOT NULL DEFAULT 0, UNIQUE (topic, partition)
);
CREATE TABLE records (
    id INTEGER PRIMARY KEY, timestamp INTEGER NOT NULL, written INTEGER NOT NULL,
    key BLOB, value BLOB, headers BLOB
);
CREATE TABLE generations (grp TEXT PRIMARY KEY, generation INTEGER NOT NULL);
CREATE TABLE members (
    grp TEXT, worker TEXT, epoch INTEGER NOT NULL, seen REAL, timeout REAL NOT NULL, topics TEXT NOT NULL,
    PRIMARY KEY (grp, worker)
) WITHOUT ROWID;
CREATE TABLE leases (
    grp TEXT, log INTEGER, worker TEXT, epoch INTEGER NOT NULL, PRIMARY KEY (grp, log)
) WITHOUT ROWID;
CREATE TABLE group_offsets (
    grp TEXT, log INTEGER, next_offset INTEGER NOT NULL, PRIMARY KEY (grp, log)
) WITHOUT ROWID;
CREATE TABLE publishers (name TEXT PRIMARY KEY, epoch INTEGER NOT NULL, sequence INTEGER NOT NULL);
"""

_INSERT = "INSERT INTO records (id, timestamp, written, key, value, headers) VALUES (?, ?, ?, ?, ?, ?)"

# A read gives up its page of rows here, so that big records do not fill the memory.
_FETCH_ROWS = 256
_new = tuple.__new__  # a named tuple made by its own name runs a function of Python
FETCH_BYTES = 32 * 1024 * 1024

_CLEAN_EVERY = 60.0  # seconds between two clean-up runs of one connection
_CLEAN_RECORDS = 20_000  # and how many each may delete, so that no writer waits long


class Store:
    """One connection to the file at ``path``, which is made if it does not exist.

    ``clock`` gives seconds since the epoch; ``busy_timeout`` is how many seconds a locked file is retried.
    """

    def __init__(self, path: Path, *, clock: Callable[[], float] = time.time, busy_timeout: float = 5.0) -> None:
        self.path, self.clock = path, clock
        self._topics: dict[str, tuple[int, ...]] = {}
        self._clean_at = float("-inf")
        with self._errors():
            _create_private(path)
            self.db = sqlite3.connect(path, timeout=busy_timeout, isolation_level=None, check_same_thread=False)
            try:
                self._open(busy_timeout)
            except BaseException:
                self.db.close()
                raise

    def close(self) -> None:
        """Closes the connection; what is not committed is gone."""
        with suppress(sqlite3.Error):
            self.db.close()

    # -- transactions

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """A transaction that holds the write lock; an exception inside rolls it back."""
        with self._errors():
            self.db.execute("BEGIN IMMEDIATE")
            try:
                yield self.db
                self.db.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):
                    if self.db.in_transaction:
                        self.db.execute("ROLLBACK")
                raise

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """Reads what is committed, as of one moment."""
        with self._errors():
            self.db.execute("BEGIN")
            try:
                yield self.db
            finally:
                with suppress(sqlite3.Error):
                    self.db.execute("ROLLBACK")

    def changes(self) -> int:
        """A number that differs as soon as another connection has committed something."""
        with self._errors():
            return int(self.db.execute("PRAGMA data_version").fetchone()[0])

    def now_ms(self) -> int:
        """The injected clock, in ms."""
        return int(self.clock() * 1000)

    # -- topics

    def topic(self, name: str) -> tuple[int, ...]:
        """The log of each partition of a topic; empty if there is no such topic."""
        known = self._topics.get(name)
        if known is None:
            with self._errors():
                rows = self.db.execute("SELECT id FROM logs WHERE topic = ? ORDER BY partition", (name,))
                known = tuple(row[0] for row in rows.fetchall())
            if known:  # topics never change once they are there
                self._topics[name] = known
        return known

    def logs(self, topics: Iterable[str]) -> dict[int, TopicPartition]:
        """Every partition of ``topics`` by its log. Raises BrokerError if one does not exist."""
        out = {}
        for topic in dict.fromkeys(topics):
            logs = self.topic(topic)
            if not logs:
                raise BrokerError(f"there is no topic '{topic}' in {self.path}")
            out.update({log: TopicPartition(topic, number) for number, log in enumerate(logs)})
        return out

    def log_of(self, record: OutputRecord) -> int:
        """The log that ``record`` goes to. Raises BrokerError if there is none."""
        logs = self.topic(record.topic)
        if not 0 <= record.partition < len(logs):
            what = f"partition {record.partition} of topic" if logs else "topic"
            raise BrokerError(f"there is no {what} '{record.topic}' in {self.path}")
        return logs[record.partition]

    def create(self, topics: Iterable[TopicSpec]) -> None:
        """Creates what does not exist. Raises BrokerError if one exists with other partitions."""
        with self.write() as db:
            for spec in topics:
                there = len(self.topic(spec.name))
                if there and there != spec.partitions:
                    raise BrokerError(
                        f"topic '{spec.name}' has {there} partitions, not the {spec.partitions} asked for"
                    )
                if not spec.name or spec.partitions < 1:
                    raise BrokerError(f"topic '{spec.name}' needs a name and at least one partition")
                if not there:
                    db.execute("INSERT INTO topics VALUES (?, ?, ?)", (spec.name, spec.partitions, spec.retention_ms))
                    db.executemany(
                        "INSERT INTO logs (topic, partition) VALUES (?, ?)",
                        [(spec.name, number) for number in range(spec.partitions)],
                    )

    # -- the log

    def check(self, records: Iterable[OutputRecord], limit: int) -> list[tuple[int, OutputRecord]]:
        """Each record with the log it goes to. Raises BrokerError, MessageTooLarge."""
        out = []
        for record in records:
            # The exact size is counted only where the value alone does not show that it fits.
            if (record.headers or record.key or len(record.value or b"") > limit) and message_bytes(record) > limit:
                raise MessageTooLarge(record, limit)
            out.append((self.log_of(record), record))
        return out

    def insert(self, records: Iterable[tuple[int, OutputRecord]]) -> None:
        """Appends checked records, in order within each log. Only inside `write`."""
        now = self.now_ms()
        for log, group in groupby(sorted(records, key=_first), key=_first):
            base = log << _OFFSET_BITS
            [first] = self.db.execute("SELECT next_offset FROM logs WHERE id = ?", (log,)).fetchone()
            rows = [
                (
                    base | offset,
                    now if record.timestamp is None else record.timestamp,
                    now,
                    record.key,
                    record.value,
                    pack_headers(record.headers) if record.headers else None,
                )
                for offset, (_, record) in enumerate(group, first)
            ]
            self.db.executemany(_INSERT, rows)
            self.db.execute("UPDATE logs SET next_offset = ? WHERE id = ?", (first + len(rows), log))

    def fetch(
        self, log: int, partition: TopicPartition, start: int, limit: int, max_bytes: int = FETCH_BYTES
    ) -> list[ActivityRecord]:
        """Up to ``limit`` records from offset ``start``; it stops early once they exceed ``max_bytes``."""
        topic, number = partition
        out: list[ActivityRecord] = []
        size = 0
        with self._errors():
            cursor = self.db.execute(
                "SELECT id, timestamp, key, value, headers FROM records WHERE id BETWEEN ? AND ? ORDER BY id LIMIT ?",
                (log << _OFFSET_BITS | start, log << _OFFSET_BITS | _OFFSET_MASK, limit),
            )
            cursor.arraysize = _FETCH_ROWS
            while size < max_bytes and (rows := cursor.fetchmany()):
                for row, timestamp, key, value, headers in rows:
                    size += len(value or b"")
                    position = _new(Position, (topic, number, row & _OFFSET_MASK))
                    unpacked = unpack_headers(headers) if headers else ()
                    out.append(_new(ActivityRecord, (position, key, value, unpacked, timestamp)))
                    if size >= max_bytes:
                        break
            cursor.close()  # an open cursor would hold back the WAL
        return out

    def end_offsets(self, logs: Iterable[int]) -> dict[int, int]:
        """The next offset of each log."""
        with self.read() as db:
            query = "SELECT next_offset FROM logs WHERE id = ?"
            return {log: int(db.execute(query, (log,)).fetchone()[0]) for log in logs}

    def tidy(self) -> None:
        """A clean-up run, now and then. It is nobody's errand, so it fails in silence and is tried again."""
        now = self.clock()
        if now >= self._clean_at:
            with suppress(BrokerError):
                self._clean_at = now if self.clean() else now + _CLEAN_EVERY

    def clean(self, limit: int = _CLEAN_RECORDS) -> bool:
        """Deletes up to ``limit`` records that are older than their topic keeps them; whether more remain.

        A record's age counts from when it was written here, not from its own timestamp: a replay of old
        records stays as long as any other, and one from the future does not stay for ever.
        """
        now, left = self.now_ms(), limit
        with self.write() as db:
            for log, keep in db.execute(
                "SELECT logs.id, retention_ms FROM logs JOIN topics ON topic = name WHERE retention_ms IS NOT NULL"
            ).fetchall():
                old = db.execute(
                    "SELECT id, written FROM records WHERE id BETWEEN ? AND ? ORDER BY id LIMIT ?",
                    (log << _OFFSET_BITS, log << _OFFSET_BITS | _OFFSET_MASK, left),
                ).fetchall()
                count = next((n for n, row in enumerate(old) if row[1] >= now - keep), len(old))
                if count:
                    db.execute("DELETE FROM records WHERE id BETWEEN ? AND ?", (old[0][0], old[count - 1][0]))
                left -= count
                if left <= 0:
                    return True
        return False

    # -- opening

    def _open(self, busy_timeout: float) -> None:
        db = self.db
        application, version = self._identity()
        if application == 0 and version == 0:
            self._into_wal(busy_timeout)
            with self.write():
                if self._identity() == (0, 0):  # nobody else was faster
                    if db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                        raise BrokerError(f"{self.path} is a database of another program")
                    for statement in _SCHEMA.split(";\n"):
                        db.execute(statement)
                    db.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
                    db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
            application, version = self._identity()
        if application != _APPLICATION_ID:
            raise BrokerError(f"{self.path} is a database of another program")
        if version > SCHEMA_VERSION:
            raise BrokerError(
                f"{self.path} was written by a newer Sluicegate (its schema is {version}, this one knows "
                f"{SCHEMA_VERSION}); upgrade Sluicegate"
            )
        db.execute("PRAGMA synchronous = FULL")  # a commit that returned survives a power cut
        db.execute("PRAGMA secure_delete = ON")  # what retention deletes is overwritten, not only unlinked
        db.execute("PRAGMA wal_autocheckpoint = 4000")  # 16 MiB: a batch is not written twice at once

    def _identity(self) -> tuple[int, int]:
        """The application and its schema's version, by one statement: somebody may be writing them."""
        both = "SELECT application_id, user_version FROM pragma_application_id, pragma_user_version"
        application, version = self.db.execute(both).fetchone()
        return int(application), int(version)

    def _into_wal(self, patience: float) -> None:
        """Switches the journal. SQLite does not wait for others here, so this does, for a bounded time."""
        end = time.monotonic() + patience
        while True:
            try:
                self.db.execute("PRAGMA journal_mode = WAL")
                return
            except sqlite3.OperationalError as error:
                if not _is_busy(error) or time.monotonic() > end:
                    raise
                time.sleep(0.01)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise explain(error, self.path) from error


def explain(error: Exception, path: Path) -> BrokerError:
    """One readable line for what SQLite or the system says. Neither names a value."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if _is_busy(error):
        return BrokerUnavailable(f"{path} is locked by another process")
    known = {
        sqlite3.SQLITE_FULL: "cannot grow: the disk is full",
        sqlite3.SQLITE_READONLY: "is read-only: give this user the right to write to it and its directory",
        sqlite3.SQLITE_NOTADB: "is not a SQLite file",
        sqlite3.SQLITE_CORRUPT: "is damaged: restore it from a copy",
        sqlite3.SQLITE_CANTOPEN: "cannot be opened: check that its directory exists and can be written to",
        sqlite3.SQLITE_TOOBIG: "cannot take a record this large",
    }
    if isinstance(error, OSError):
        return BrokerError(f"{path}: {error.strerror or 'cannot be opened'}")
    return BrokerError(f"{path} {known.get(code, f'failed: {type(error).__name__}: {error}')}")


def pack_headers(headers: Sequence[Header]) -> bytes:
    """Headers as bytes, exactly: their order, duplicates and None values stay."""
    out = []
    for name, value in headers:
        encoded = name.encode()
        size = -1 if value is None else len(value)
        out += [struct.pack(">Ii", len(encoded), size), encoded, value or b""]
    return b"".join(out)


def unpack_headers(packed: bytes) -> tuple[Header, ...]:
    """What `pack_headers` packed."""
    out: list[Header] = []
    at = 0
    while at < len(packed):
        length, size = struct.unpack_from(">Ii", packed, at)
        at += 8
        name = packed[at : at + length].decode()
        at += length
        out.append((name, None if size < 0 else packed[at : at + size]))
        at += max(size, 0)
    return tuple(out)


def _is_busy(error: Exception) -> bool:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def _create_private(path: Path) -> None:
    """The file holds raw activity, so only its owner may read it; SQLite gives its WAL the same mode."""
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))


def _first(pair: tuple[int, OutputRecord]) -> int:
    return pair[0]
