"""What the tests of integrations share: a real service with a gate, and its address in the environment."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "approvals"), str(HERE.parent / "approvals" / "gate")]

from tool_site import ToolSite  # noqa: E402


@pytest.fixture(scope="session")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ToolSite]:
    """A service on an embedded broker, for all tests here."""
    folder = tmp_path_factory.mktemp("gate")
    site = ToolSite(folder, f"embedded:{folder / 'log.db'}")
    yield site
    site.close()


@pytest.fixture
def site(started: ToolSite, monkeypatch: pytest.MonkeyPatch) -> Iterator[ToolSite]:
    """The service, where an agent finds it: by the environment, with a token of its own for each test."""
    monkeypatch.setenv("SLUICEGATE_URL", started.http)
    monkeypatch.setenv("SLUICEGATE_TOKEN", started.new_token())
    yield started
    started.clear()
