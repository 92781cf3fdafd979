"""Reading on in the embedded broker's log: positions that move, and waiting for what comes."""

from __future__ import annotations

import time

from engine.brokers.embedded_store import FETCH_BYTES, Store
from engine.records import ActivityRecord, TopicPartition


class Tail:
    """Positions in some logs, and the records that come next; a turn at a time, so that none is starved."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._next: dict[int, tuple[TopicPartition, int]] = {}
        self.touched: set[int] = set()  # the logs that records were taken from since this was last cleared

    def place(self, log: int, partition: TopicPartition, offset: int) -> None:
        """Goes on at ``offset`` of this log."""
        self._next[log] = (partition, offset)

    def offset(self, log: int) -> int | None:
        """The offset that is taken next, if this log is followed."""
        return self._next[log][1] if log in self._next else None

    def drop(self, log: int) -> None:
        """Follows this log no longer."""
        self._next.pop(log, None)

    def ended(self) -> list[int]:
        """The logs that have no more records now."""
        return [log for log, at in self._next.items() if not self._store.fetch(log, *at, limit=1)]

    def take(self, limit: int) -> list[ActivityRecord]:
        """The next records, up to ``limit`` and some tens of MiB, and moves on."""
        out: list[ActivityRecord] = []
        room = FETCH_BYTES
        for log, (partition, offset) in list(self._next.items()):
            records = self._store.fetch(log, partition, offset, limit - len(out), room)
            if records:
                del self._next[log]  # to the end of the queue
                self._next[log] = (partition, records[-1].position.offset + 1)
                self.touched.add(log)
                out += records
                room -= sum(len(record.value or b"") for record in records)
                if len(out) >= limit or room <= 0:
                    break
        return out


class Patience:
    """Waits for another connection's commit: a cheap look at the file, less and less often."""

    def __init__(self, store: Store, timeout: float) -> None:
        self._store, self._end, self._pause = store, time.monotonic() + timeout, 0.001

    def again(self) -> bool:
        """Sleeps a little; False once the time-out has passed."""
        left = self._end - time.monotonic()
        if left <= 0:
            return False
        time.sleep(min(left, self._pause))
        self._pause = min(self._pause * 1.5, 0.02)
        return True
