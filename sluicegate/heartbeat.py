"""A file that is touched as long as a process gets on with its work, for whoever checks its health from outside."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from detectors.errors import ConfigError
from engine.brokers.base import Session
from engine.records import ActivityRecord, OutputRecord, TopicPartition

EVERY = 1.0  # seconds between two touches, at least


class Heartbeat:
    """Touches ``path`` when it is told to beat, at most once in `EVERY` seconds; with None it does nothing.

    One from before is taken away: a file that is there was touched by this process. Raises ConfigError if it
    cannot be written.
    """

    def __init__(self, path: Path | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._path, self._clock, self._next = path, clock, clock()
        if path is not None:
            try:
                path.unlink(missing_ok=True)
                path.touch()
                path.unlink(missing_ok=True)  # another worker may beat on it, too
            except OSError as error:
                raise ConfigError((error.strerror or "cannot be written").lower(), file=path) from None

    def beat(self) -> None:
        """Says that all goes on."""
        if self._path is not None and self._clock() >= self._next:
            self._path.touch()
            self._next = self._clock() + EVERY


class BeatingSession:
    """``session`` as it is, with a beat whenever its broker has answered: to a poll, or to a commit."""

    def __init__(self, session: Session, heartbeat: Heartbeat) -> None:
        self._session, self._heartbeat = session, heartbeat

    def poll(self, max_records: int, timeout: float) -> Sequence[ActivityRecord]:
        """The next records."""
        records = self._session.poll(max_records, timeout)
        self._heartbeat.beat()
        return records

    @property
    def commit_waits(self) -> bool:
        """As it is."""
        return self._session.commit_waits

    def assignment(self) -> frozenset[TopicPartition]:
        """What is owned now."""
        return self._session.assignment()

    def at_end(self) -> Mapping[TopicPartition, int]:
        """What has been read to its end."""
        return self._session.at_end()

    def end_offsets(self) -> Mapping[TopicPartition, int]:
        """Where each partition ends."""
        return self._session.end_offsets()

    def committed(self) -> Mapping[TopicPartition, int]:
        """Where the group got to."""
        return self._session.committed()

    def begin(self) -> None:
        """Opens a transaction."""
        self._session.begin()

    def produce(self, records: Iterable[OutputRecord]) -> None:
        """Writes into it."""
        self._session.produce(records)

    def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Commits it."""
        self._session.commit(offsets)
        self._heartbeat.beat()

    def abort(self) -> None:
        """Gives it up."""
        self._session.abort()

    def close(self) -> None:
        """Leaves the group."""
        self._session.close()
