"""What the tests of the gate share."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # for gate_site: test folders are no packages

from gate_site import GateSite


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GateSite]:
    """One for tests that leave nothing behind that matters to others."""
    folder = tmp_path_factory.mktemp("gate")
    opened = GateSite(folder, f"embedded:{folder / 'log.db'}")
    yield opened
    opened.close()


@pytest.fixture
def site(tmp_path: Path, url: str) -> Iterator[GateSite]:
    """A service with a gate; with ``url`` as tests of the service say it."""
    opened = GateSite(tmp_path, url)
    yield opened
    opened.close()
