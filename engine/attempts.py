"""Finds the record that kills the process.

A note of what is in flight is written before each batch, without a sync: it has to outlive the process, not
the machine. A process that ends in order takes it away, so a note that is there at the start tells of a death.
After `DEATHS` deaths at the same place its records are taken one at a time, and the one that is in flight
alone when the process dies again is condemned.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import orjson

from engine.records import Position, TopicPartition

DEATHS = 3


@dataclass(frozen=True, slots=True)
class _Place:
    """Offsets ``first`` to ``last`` of a partition, in flight together, and how often that was deadly."""

    topic: str
    partition: int
    first: int
    last: int
    deaths: int
    alone: bool


class Attempts:
    """The note at ``path``. One worker's own: no other process writes it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: int | None = None
        self.condemned: set[Position] = set()
        """Records that were in flight alone when the process died."""
        self._before: dict[TopicPartition, _Place] = {}
        for place in _read(path):
            self._before[TopicPartition(place.topic, place.partition)] = place
            if place.alone:
                self.condemned.add(Position(place.topic, place.partition, place.first))

    def went_on(self, committed: Mapping[TopicPartition, int]) -> None:
        """Forgets the places that a commit has gone past."""
        for partition, offset in committed.items():
            place = self._before.get(partition)
            if place is not None and offset > place.last:
                del self._before[partition]

    @property
    def quiet(self) -> bool:
        """Whether all of what an earlier process left in flight has been gone past."""
        return not self._before

    def cautious(self, assignment: Collection[TopicPartition]) -> bool:
        """Whether records have to be taken one at a time, given the partitions that are owned now."""
        return any(place.deaths >= DEATHS and partition in assignment for partition, place in self._before.items())

    def begin(self, batch: Mapping[TopicPartition, tuple[int, int]], *, alone: bool) -> None:
        """Notes what is in flight now: the first and last offset by partition. Raises OSError."""
        places = []
        for partition, (first, last) in batch.items():
            before = self._before.get(partition)
            deaths = before.deaths if before is not None and before.first == first else 0
            places.append(asdict(_Place(*partition, first, last, deaths, alone)))
        # In place and in one call: renaming a new file over the old one makes file systems flush it, which
        # costs milliseconds a batch. What a longer note leaves behind the first line is not read.
        if self._file is None:
            self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT, 0o600)
        os.pwrite(self._file, orjson.dumps(places) + b"\n", 0)

    def end(self) -> None:
        """Takes the note away: the process ends in order."""
        with suppress(OSError):
            self._path.unlink(missing_ok=True)
        self.close()

    def close(self) -> None:
        """Frees the file; the note stays."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


def _read(path: Path) -> list[_Place]:
    """What was in flight when the last process died, that death counted; nothing if the note is of no use."""
    try:
        places = [_Place(**place) for place in orjson.loads(path.read_bytes().partition(b"\n")[0])]
        return [_Place(p.topic, p.partition, p.first, p.last, p.deaths + 1, p.alone) for p in places]
    except (OSError, ValueError, TypeError):
        return []
