"""A log that makes up its records and forgets what is written: what a worker runs on where only it is of interest.

It keeps the words of `engine.brokers.base.Session`, for one worker and one topic, except that nothing is kept.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from itertools import cycle, islice

from engine.records import ActivityRecord, OutputRecord, Position, TopicPartition


class EndlessLog:
    """``total`` records, ``values`` over and over, in turn on ``partitions`` partitions of ``topic``."""

    def __init__(self, topic: str, values: Sequence[bytes], total: int, *, partitions: int = 4) -> None:
        self._places = [TopicPartition(topic, number) for number in range(partitions)]
        self._values, self._total = cycle(values), total
        self._read = self._done = 0  # records handed out, and those of them that are committed

    @property
    def done(self) -> bool:
        """Whether all is committed."""
        return self._done >= self._total

    def poll(self, max_records: int, timeout: float) -> Sequence[ActivityRecord]:
        """The next records; after the last one, nothing."""
        first, width = self._read, len(self._places)
        count = min(max_records, self._total - first)
        if not count:
            time.sleep(min(timeout, 0.01))
            return []
        self._read += count
        now = time.time_ns() // 1_000_000
        return [
            ActivityRecord(Position(*self._places[n % width], n // width), None, value, (), now)
            for n, value in enumerate(islice(self._values, count), first)
        ]

    @property
    def commit_waits(self) -> bool:
        """For nobody."""
        return False

    def assignment(self) -> frozenset[TopicPartition]:
        """All partitions."""
        return frozenset(self._places)

    def at_end(self) -> Mapping[TopicPartition, int]:
        """All of them, once all has been handed out."""
        return self._offsets(self._total) if self._read >= self._total else {}

    def end_offsets(self) -> Mapping[TopicPartition, int]:
        """As if all records were there already."""
        return self._offsets(self._total)

    def committed(self) -> Mapping[TopicPartition, int]:
        """Up to where it was committed."""
        return self._offsets(self._done)

    def begin(self) -> None:
        """Nothing to open."""

    def produce(self, records: Iterable[OutputRecord]) -> None:
        """Takes what is written, as a broker's client would, and forgets it."""
        for _ in records:
            pass

    def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        """What was handed out is done."""
        self._done = self._read

    def abort(self) -> None:
        """Not kept, so not to be read again: nothing here can fail."""

    def close(self) -> None:
        """Nothing to free."""

    def _offsets(self, read: int) -> Mapping[TopicPartition, int]:
        width = len(self._places)
        return {place: (read - number + width - 1) // width for number, place in enumerate(self._places)}
