"""The logs that the contract suite runs over. A broker joins by a class here and a line in `LOGS`."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest

from engine.brokers import open_broker
from engine.brokers.base import Broker
from engine.brokers.embedded import EmbeddedBroker


class Log(Protocol):
    """One fresh log that can be opened as often as a test wants, as if from several processes."""

    limit: int  # bytes a message
    url: str  # for `open_broker`, also in another process, with a session time-out of about a second

    def open(self) -> Broker:
        """Another connection to the log, closed at the end of the test."""
        ...

    def expire(self) -> None:
        """Returns when every worker that is silent now has run into its session time-out."""
        ...

    def close(self) -> None:
        """Closes every connection."""
        ...


class EmbeddedLog:
    """A file in a temporary directory, with a clock that the test moves."""

    limit = 5_000_000

    def __init__(self, directory: Path) -> None:
        self.path = directory / "log.db"
        self.url = f"embedded:{self.path}?session_timeout=1"
        self.now = time.time()
        self._opened: list[Broker] = []

    def open(self) -> Broker:
        broker = EmbeddedBroker(self.path, clock=lambda: self.now, max_message_bytes=self.limit)
        self._opened.append(broker)
        return broker

    def expire(self) -> None:
        self.now += 11

    def close(self) -> None:
        for broker in self._opened:
            broker.close()


LOGS = {"embedded": EmbeddedLog}


@pytest.fixture(params=LOGS)
def log(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Log]:
    log = LOGS[request.param](tmp_path)
    yield log
    log.close()


@pytest.fixture
def broker(log: Log) -> Broker:
    return log.open()


@pytest.fixture
def live(log: Log) -> Iterator[Broker]:
    """The log as another process opens it: by URL, on the real clock."""
    with open_broker(log.url) as broker:
        yield broker
