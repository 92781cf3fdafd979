"""Commits that wait for others, on a broker whose commits do not."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping

from engine.brokers.base import Session
from engine.records import TopicPartition


class Waits:
    """A session on the embedded broker whose commits count as waiting for others; ``during`` is called in each."""

    commit_waits = True

    def __init__(self, session: Session, during: Callable[[int], None] = lambda number: None) -> None:
        self._session, self._during = session, during
        self.commits = 0
        self._busy = threading.Lock()

    def __getattr__(self, name: str):
        value = getattr(self._session, name)
        if callable(value) and self._busy.locked():
            raise AssertionError(f"{name} while a commit waits")
        return value

    def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        with self._busy:
            self.commits += 1
            self._during(self.commits)
            self._session.commit(offsets)
