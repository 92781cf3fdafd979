"""The logs that the contract suite runs over. A broker joins by a class here and a line in `LOGS`."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest
from kafka_cluster.admin import Janitor

from engine.brokers import open_broker
from engine.brokers.base import Broker
from engine.brokers.embedded import EmbeddedBroker


class Log(Protocol):
    """One fresh log that can be opened as often as a test wants, as if from several processes."""

    limit: int  # bytes a message
    quiet: float  # seconds without a record after which there is none
    by_topic: bool  # whether each topic is shared fairly, or only all partitions together
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
    quiet = 0.0
    by_topic = True

    def __init__(self, request: pytest.FixtureRequest) -> None:
        directory: Path = request.getfixturevalue("tmp_path")
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


class KafkaLog:
    """The cluster that all tests share, emptied after each; the clock is real, so the time-outs are short."""

    limit = 1_048_588  # of a new topic
    quiet = 0.2  # a fetch is on its way, which waits for 0.1
    by_topic = False  # the cooperative-sticky strategy counts partitions only

    def __init__(self, request: pytest.FixtureRequest) -> None:
        servers = request.getfixturevalue("kafka_servers")
        self._janitor = Janitor(servers)
        session = max(1500, int(self._janitor.broker_setting("group.min.session.timeout.ms")))
        times = {"session.timeout.ms": session, "heartbeat.interval.ms": 300, "max.poll.interval.ms": session + 2500}
        self.url = f"kafka://{servers}?" + "&".join(f"{name}={value}" for name, value in times.items())
        self._opened: list[Broker] = []

    def open(self) -> Broker:
        broker = open_broker(self.url)
        self._opened.append(broker)
        return broker

    def expire(self) -> None:
        self._janitor.await_end_of_sessions()

    def close(self) -> None:
        for broker in self._opened:
            broker.close()
        self._janitor.clean()


LOGS = {"embedded": EmbeddedLog, "kafka": KafkaLog}


@pytest.fixture(params=LOGS)
def log(request: pytest.FixtureRequest) -> Iterator[Log]:
    log = LOGS[request.param](request)
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
