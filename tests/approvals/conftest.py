"""What the tests of the reviewer service share."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # for approval_makers: test folders are no packages

from approval_makers import APPROVALS, DECISIONS, NOW, PEOPLE, SANITIZED

from approvals.service import Service
from approvals.store import Arrival, Store
from engine.brokers import open_broker
from engine.brokers.base import Broker, Publisher, Reader, TopicSpec
from engine.ledger.codec import decode, encode
from engine.ledger.model import ReviewRequest, Verdict
from engine.records import ActivityRecord, OutputRecord, Position

CHROMIUM_ARGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


class Clock:
    """A clock that stands until it is moved; ms since the epoch."""

    def __init__(self, now: int = NOW) -> None:
        self.now = now

    def __call__(self) -> int:
        return self.now


def marked(text: str) -> str:
    """A scrubber that hides one word."""
    return text.replace("hunter2", "[PASSWORD]")


class Site:
    """A service on files in one folder, stepped by hand: a new one on the same folder is a restart."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self.folder, self.clock = folder, clock
        self._resources = ExitStack()
        self.broker: Broker = open_broker(f"embedded:{folder / 'log.db'}")
        self._resources.callback(self.broker.close)
        self.broker.create_topics([TopicSpec(topic, 2) for topic in (APPROVALS, DECISIONS, SANITIZED)])
        self.store = Store(folder / "approvals.db", decisions={APPROVALS: DECISIONS})
        self._resources.callback(self.store.close)
        self.service = Service(
            store=self.store,
            broker=self.broker,
            people=PEOPLE,
            topics=[APPROVALS],
            clock=clock,
            scrub=marked,
            poll_seconds=0.0,
        )
        self._ends: tuple[Reader, Publisher] | None = None

    @property
    def publisher(self) -> Publisher:
        return self.connected()[1]

    def connected(self) -> tuple[Reader, Publisher]:
        if self._ends is None:
            self._ends = self.service.connect(self._resources)
        return self._ends

    def put(self, *requests: ReviewRequest, partition: int = 0) -> None:
        """Writes requests as the engine does."""
        self.broker.append([OutputRecord(APPROVALS, partition, None, encode(one)) for one in requests])

    def put_raw(self, *values: bytes | None) -> None:
        self.broker.append([OutputRecord(APPROVALS, 0, None, value) for value in values])

    def step(self) -> None:
        """Reads all there is, expires, publishes."""
        reader, publisher = self.connected()
        while self.service.step(reader, publisher):
            pass

    def log(self, topic: str) -> list[ActivityRecord]:
        """All records of a topic, as a read-committed reader sees them."""
        reader = self.broker.reader([topic])
        try:
            found: list[ActivityRecord] = []
            while batch := reader.poll(1000, 0):
                found += batch
            return found
        finally:
            reader.close()

    def verdicts(self) -> list[Verdict]:
        decoded = [decode(record.value or b"") for record in self.log(DECISIONS)]
        assert all(isinstance(one, Verdict) for one in decoded)
        return decoded  # type: ignore[return-value]

    def close(self) -> None:
        self._resources.close()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def start(tmp_path: Path, clock: Clock) -> Iterator[Callable[[], Site]]:
    """Starts a site; calling it again is a restart on the same files, after the first one died as it was."""
    sites: list[Site] = []

    def begin() -> Site:
        sites.append(Site(tmp_path, clock))
        return sites[-1]

    yield begin
    for site in sites:
        site.close()


@pytest.fixture
def site(start: Callable[[], Site]) -> Site:
    return start()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(tmp_path / "approvals.db", decisions={APPROVALS: DECISIONS})
    yield opened
    opened.close()


@pytest.fixture
def arrive(store: Store) -> Callable[..., None]:
    """Takes requests in, at the next offsets of partition 0."""
    offsets = iter(range(10_000))

    def take(*requests: ReviewRequest) -> None:
        arrivals: Sequence[Arrival] = [Arrival(Position(APPROVALS, 0, next(offsets)), r) for r in requests]
        store.ingest(arrivals, at=NOW)

    return take


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of a Chromium. Where there is none: a failure in CI, else one loud skip."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        message = "BROWSER TESTS NOT RUN: no chromium found. Install it: apt-get install chromium"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        print(f"\n*** {message} ***", file=sys.stderr)
        pytest.skip(message)
    return found
