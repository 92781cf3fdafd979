"""What the tests of the reviewer service share."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # for approval_makers: test folders are no packages

from approval_makers import APPROVALS, DECISIONS, NOW
from approval_site import Clock, Site
from kafka_cluster.admin import Janitor
from oidc_server import OidcServer, running

from approvals.store import Arrival, Store
from engine.ledger.model import ReviewRequest
from engine.records import Position


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The log of a site: embedded, or what a test says by ``@ON_BOTH``. What Kafka holds is gone afterwards."""
    if getattr(request, "param", "embedded") == "embedded":
        yield f"embedded:{tmp_path / 'log.db'}"
        return
    servers = request.getfixturevalue("kafka_servers")
    janitor = Janitor(servers)
    yield f"kafka://{servers}"
    janitor.clean()


@pytest.fixture
def start(tmp_path: Path, clock: Clock, url: str) -> Iterator[Callable[[], Site]]:
    """Starts a site; calling it again is a restart on the same files, after the first one died as it was."""
    sites: list[Site] = []

    def begin() -> Site:
        sites.append(Site(tmp_path, clock, url))
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


@pytest.fixture(scope="session")
def oidc_server(request: pytest.FixtureRequest) -> Iterator[OidcServer]:
    with running(request) as server:
        yield server


@pytest.fixture
def oidc(oidc_server: OidcServer) -> Iterator[OidcServer]:
    """A certified OpenID provider with three accounts, as it was at the start."""
    yield oidc_server
    oidc_server.reset()
