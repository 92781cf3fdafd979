"""Where the reviewer's page listens."""

from __future__ import annotations

from pathlib import Path

import pytest

from approvals.server import Settings
from detectors.errors import ConfigError


def settings(**more) -> Settings:
    return Settings(people=Path("people.yaml"), database=Path("approvals.db"), topics={}, **more)


def test_it_listens_on_this_machine_only() -> None:
    """Unless somebody vouches for more."""
    assert settings().listen == "127.0.0.1"
    assert settings(host="::1").url == "http://[::1]:8787"


@pytest.mark.parametrize("vouched", [False, True])
def test_other_addresses_are_refused(vouched: bool) -> None:
    """Also of somebody who says that the port is published on loopback: the two do not go together."""
    with pytest.raises(ConfigError, match="can be reached from other machines"):
        settings(host="10.0.0.7", published_on_loopback=vouched)


def test_in_a_container_it_listens_on_all_addresses() -> None:
    """And still says that the page is on this machine, which is where its port is published."""
    container = settings(published_on_loopback=True)
    assert container.listen == "0.0.0.0"
    assert container.url == "http://127.0.0.1:8787"
