"""Records as they travel: where they stand, what they carry."""

from __future__ import annotations

from typing import NamedTuple

Header = tuple[str, bytes | None]


class TopicPartition(NamedTuple):
    """One partition of one topic: the unit of order and of assignment."""

    topic: str
    partition: int


class Position(NamedTuple):
    """Where one record stands in the log."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}@{self.offset}"


class ActivityRecord(NamedTuple):
    """A record as it was read. ``value`` is None for a tombstone; ``timestamp`` is in ms since the epoch."""

    position: Position
    key: bytes | None
    value: bytes | None
    headers: tuple[Header, ...]
    timestamp: int

    def __repr__(self) -> str:  # never the payload
        size = "tombstone" if self.value is None else f"{len(self.value)} bytes"
        return f"ActivityRecord({self.position}, {size})"


class OutputRecord(NamedTuple):
    """A record to be written. ``timestamp`` is in ms since the epoch; None lets the broker set it."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes | None
    headers: tuple[Header, ...] = ()
    timestamp: int | None = None

    def __repr__(self) -> str:  # never the payload
        size = "tombstone" if self.value is None else f"{len(self.value)} bytes"
        return f"OutputRecord({self.topic}/{self.partition}, {size})"
