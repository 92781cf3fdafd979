"""What the tests of channels share: local ends of chats, and a service that tells them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # for chat_servers: test folders are no packages

from approval_makers import ADA, GRACE, LINUS
from approval_site import Site
from channel_world import ON_CALL, Moving, World
from chat_servers import SlackServer, TeamsServer, WebhookServer, serving

from approvals.channels.settings import Channel


@pytest.fixture
def clock() -> Moving:
    """The real time, which signatures are checked against, and which a test can move on."""
    return Moving()


@pytest.fixture
def slack() -> Iterator[SlackServer]:
    with serving(SlackServer) as server:
        yield server


@pytest.fixture
def teams() -> Iterator[TeamsServer]:
    with serving(TeamsServer) as server:
        yield server


@pytest.fixture
def hook() -> Iterator[WebhookServer]:
    with serving(WebhookServer) as server:
        yield server


@pytest.fixture
def world(start: Callable[[], Site], clock: Moving) -> Iterator[Callable[..., World]]:
    """Starts a service with channels; again: a restart on the same files."""
    worlds: list[World] = []

    def begin(*channels: Channel, **more: Any) -> World:
        for earlier in worlds:
            earlier.close()
        worlds.append(World(start(), clock, channels, **more))
        return worlds[-1]

    yield begin
    for one in worlds:
        one.close()


@pytest.fixture
def chat(world: Callable[..., World], slack: SlackServer) -> World:
    """A service with one channel in Slack, and three people who have linked their accounts."""
    made = world(ON_CALL, slack=slack)
    made.link(ADA, "U0ADA")
    made.link(GRACE, "U0GRACE")
    made.link(LINUS, "U0LINUS")
    return made
