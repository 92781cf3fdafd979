"""Consumer groups on the embedded broker: members, leases, and a worker's session.

A partition's *lease* names the worker that owns it and an epoch that goes up whenever the owner changes. The
lease is checked in the transaction that commits, so a worker that was taken for dead, and whose partitions
went to others meanwhile, cannot commit what it still had in hand. A worker's *name* has an epoch of its own:
joining under a name that is in use raises it, and the session before is fenced.

Outputs wait in memory until `commit`, which writes them with the offsets in one SQLite transaction: the write
lock is held for the writing only, never while the engine computes.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress

import orjson

from engine.brokers.base import BrokerError, Fenced, TransactionAborted
from engine.brokers.embedded_store import Store
from engine.brokers.embedded_tail import Patience, Tail
from engine.brokers.sharing import share
from engine.records import ActivityRecord, OutputRecord, TopicPartition


class EmbeddedSession:
    """A worker's place in a consumer group (see `engine.brokers.base.Session`).

    ``session_timeout`` is in seconds of the store's clock: how long a silent worker keeps its partitions.
    """

    def __init__(
        self,
        store: Store,
        group: str,
        topics: Sequence[str],
        *,
        worker: str,
        session_timeout: float,
        max_message_bytes: int,
    ) -> None:
        self._store, self._group, self._worker = store, group, worker
        self._timeout, self._limit = session_timeout, max_message_bytes
        self._logs = store.logs(topics)
        self._log_of = {partition: log for log, partition in self._logs.items()}
        self._tail = Tail(store)
        self._leases: dict[int, int] = {}  # log -> epoch, as this session last saw them
        # log -> the epoch under which records were handed out that are not committed yet. A partition may go
        # and come back between two polls: what was read before that must not be committed after it.
        self._handed: dict[int, int] = {}
        self._stale = False  # positions have to go back to the last commit
        self._open: list[tuple[int, OutputRecord]] | None = None
        self._fenced = self._closed = False
        self._changes = self._generation = -1
        with store.write() as db:
            row = db.execute("SELECT epoch FROM members WHERE grp = ? AND worker = ?", (group, worker)).fetchone()
            self._epoch = (row[0] if row else 0) + 1
            self._beat = store.clock()
            db.execute(
                "INSERT OR REPLACE INTO members (grp, worker, epoch, seen, timeout, topics) VALUES (?, ?, ?, ?, ?, ?)",
                (group, worker, self._epoch, self._beat, session_timeout, orjson.dumps(sorted(topics))),
            )
            self._release(db)  # what a session of this name had before
            self._rebalance(db)
            _raise_generation(db, group)  # even if no partition moved: a session that this fences has to notice
            self._reload(db)

    # -- reading

    def poll(self, max_records: int, timeout: float) -> Sequence[ActivityRecord]:
        """The next records, in order within each partition; empty when none came in ``timeout`` seconds."""
        self._check()
        patience = Patience(self._store, timeout)
        changed = True
        while True:
            if self._keep_alive() or changed:
                records = self._tail.take(max_records)
                if records:
                    for log in self._tail.touched:
                        self._handed.setdefault(log, self._leases[log])
                    self._tail.touched.clear()
                    return records
            changed = False
            if not patience.again():
                return []

    @property
    def commit_waits(self) -> bool:
        """It does not: what it takes is this process's own work."""
        return False

    def assignment(self) -> frozenset[TopicPartition]:
        """The partitions that this worker owned when it last looked."""
        return frozenset(self._logs[log] for log in self._leases)

    def at_end(self) -> Mapping[TopicPartition, int]:
        """The partitions owned of which every record has been given, and where they ended."""
        if self._stale:
            return {}
        ends = self.end_offsets()  # first: what comes after that is seen below
        return {self._logs[log]: ends[self._logs[log]] for log in self._tail.ended()}

    def end_offsets(self) -> Mapping[TopicPartition, int]:
        """For every partition of the subscribed topics: the offset that the next record will get."""
        ends = self._store.end_offsets(self._logs)
        return {self._logs[log]: end for log, end in ends.items()}

    def committed(self) -> Mapping[TopicPartition, int]:
        """For every partition of the subscribed topics: the group's committed offset (0 if none)."""
        with self._store.read() as db:
            return {partition: self._committed(db, log) for log, partition in self._logs.items()}

    # -- transactions

    def begin(self) -> None:
        """Opens a transaction."""
        self._check()
        if self._open is not None:
            raise BrokerError("a transaction is open already")
        self._open = []

    def produce(self, records: Iterable[OutputRecord]) -> None:
        """Takes records into the open transaction. Raises BrokerError, MessageTooLarge."""
        self._check()
        if self._open is None:
            raise BrokerError("no transaction is open")
        self._open += self._store.check(records, self._limit)

    def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Commits what was produced together with ``offsets``, or nothing."""
        self._check()
        if self._open is None:
            raise BrokerError("no transaction is open")
        records, self._open = self._open, None
        try:
            with self._store.write() as db:
                self._check_epoch(db)
                for partition, offset in offsets.items():
                    self._check_lease(db, partition)
                    db.execute(
                        "INSERT OR REPLACE INTO group_offsets VALUES (?, ?, ?)",
                        (self._group, self._log_of[partition], offset),
                    )
                self._store.insert(records)
                beat = self._touch(db)
        except BaseException:
            self._rewind()
            raise
        self._beat = beat
        for partition, offset in offsets.items():
            log = self._log_of[partition]
            if self._tail.offset(log) == offset:
                self._handed.pop(log, None)
        self._store.tidy()

    def abort(self) -> None:
        """Gives up the open transaction and goes back to the last commit."""
        if self._open is not None:
            self._open = None
            self._rewind()

    def close(self) -> None:
        """Leaves the group at once; what cannot be reached now runs out by its time-out."""
        if self._closed:
            return
        self._closed, self._open = True, None
        try:
            if not self._fenced:
                with suppress(BrokerError), self._store.write() as db:
                    self._check_epoch(db)
                    db.execute(
                        "UPDATE members SET seen = NULL WHERE grp = ? AND worker = ?",
                        (self._group, self._worker),
                    )
                    self._release(db)
                    self._rebalance(db)
        finally:
            self._leases.clear()
            self._store.close()

    # -- membership

    def _check(self) -> None:
        if self._closed:
            raise BrokerError("the session is closed")
        if self._fenced:
            raise self._fence()

    def _fence(self) -> Fenced:
        self._fenced = True
        self._leases.clear()
        return Fenced(
            f"another session joined group '{self._group}' as worker '{self._worker}'; give each worker "
            "a name of its own"
        )

    def _keep_alive(self) -> bool:
        """Says that this worker lives, drops those that do not, and notices when partitions have moved.

        Returns whether anything was committed by others since the last call, or positions have changed.
        """
        since = self._store.clock() - self._beat
        if not 0 <= since < self._timeout / 3:
            try:
                with self._store.write() as db:
                    self._check_epoch(db)
                    beat = self._touch(db)
                    self._rebalance(db)
            except BaseException:
                self._rewind()
                raise
            self._beat = beat
            self._changes = -1  # own commits do not show there
            self._store.tidy()
        changes = self._store.changes()
        if changes == self._changes and not self._stale:
            return False
        with self._store.read() as db:
            row = db.execute("SELECT generation FROM generations WHERE grp = ?", (self._group,)).fetchone()
            if row[0] != self._generation or self._stale:
                self._check_epoch(db)
                self._reload(db)
        self._changes = changes
        return True

    def _touch(self, db: sqlite3.Connection) -> float:
        now = self._store.clock()
        db.execute("UPDATE members SET seen = ? WHERE grp = ? AND worker = ?", (now, self._group, self._worker))
        return now

    def _check_epoch(self, db: sqlite3.Connection) -> None:
        [epoch] = db.execute(
            "SELECT epoch FROM members WHERE grp = ? AND worker = ?", (self._group, self._worker)
        ).fetchone()
        if epoch != self._epoch:
            raise self._fence()

    def _check_lease(self, db: sqlite3.Connection, partition: TopicPartition) -> None:
        log = self._log_of.get(partition)
        row = db.execute("SELECT worker, epoch FROM leases WHERE grp = ? AND log = ?", (self._group, log)).fetchone()
        held = None if log is None else self._handed.get(log, self._leases.get(log))
        if held is None or row != (self._worker, held):
            raise TransactionAborted(f"{partition.topic}/{partition.partition} went to another worker")

    def _release(self, db: sqlite3.Connection) -> None:
        db.execute(
            "UPDATE leases SET worker = NULL, epoch = epoch + 1 WHERE grp = ? AND worker = ?",
            (self._group, self._worker),
        )

    def _rebalance(self, db: sqlite3.Connection) -> None:
        """Forgets members that were silent for too long and shares all partitions among the others."""
        now = self._store.clock()
        members: dict[str, frozenset[str]] = {}
        for worker, seen, timeout, topics in db.execute(
            "SELECT worker, seen, timeout, topics FROM members WHERE grp = ? AND seen IS NOT NULL",
            (self._group,),
        ).fetchall():
            if abs(now - seen) <= timeout:  # abs: the clock may have been set back
                members[worker] = frozenset(orjson.loads(topics))
            else:
                db.execute("UPDATE members SET seen = NULL WHERE grp = ? AND worker = ?", (self._group, worker))
        logs = self._store.logs(topic for topics in members.values() for topic in topics)
        log_of = {partition: log for log, partition in logs.items()}
        leases = {
            log: (worker, epoch)
            for log, worker, epoch in db.execute(
                "SELECT log, worker, epoch FROM leases WHERE grp = ?", (self._group,)
            ).fetchall()
        }
        current = {logs[log]: worker for log, (worker, _) in leases.items() if log in logs and worker}
        target = {log_of[p]: worker for p, worker in share(list(log_of), members, current).items()}
        moved = False
        for log in leases.keys() | target.keys():
            before, epoch = leases.get(log, (None, 0))
            if target.get(log) != before:
                moved = True
                db.execute(
                    "INSERT OR REPLACE INTO leases VALUES (?, ?, ?, ?)",
                    (self._group, log, target.get(log), epoch + 1),
                )
        if moved:
            _raise_generation(db, self._group)

    def _reload(self, db: sqlite3.Connection) -> None:
        """Takes up the leases as they are: a partition that comes begins at its committed offset."""
        [self._generation] = db.execute("SELECT generation FROM generations WHERE grp = ?", (self._group,)).fetchone()
        mine = dict(
            db.execute(
                "SELECT log, epoch FROM leases WHERE grp = ? AND worker = ? ORDER BY log",
                (self._group, self._worker),
            ).fetchall()
        )
        for log in self._leases.keys() - mine.keys():
            self._tail.drop(log)
        for log, epoch in mine.items():
            if self._leases.get(log) != epoch or self._stale:
                self._tail.place(log, self._logs[log], self._committed(db, log))
        self._leases, self._stale = mine, False

    def _rewind(self) -> None:
        """Back to the last commit, when the next poll begins."""
        self._stale = True
        self._handed.clear()

    def _committed(self, db: sqlite3.Connection, log: int) -> int:
        row = db.execute(
            "SELECT next_offset FROM group_offsets WHERE grp = ? AND log = ?", (self._group, log)
        ).fetchone()
        return int(row[0]) if row else 0


def _raise_generation(db: sqlite3.Connection, group: str) -> None:
    db.execute("INSERT OR IGNORE INTO generations VALUES (?, 0)", (group,))
    db.execute("UPDATE generations SET generation = generation + 1 WHERE grp = ?", (group,))
