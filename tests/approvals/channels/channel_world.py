"""A service that tells channels, stepped by hand."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from functools import cached_property
from ipaddress import ip_network
from typing import Any

from approval_makers import ADA, GRACE, MINUTE, request
from approval_site import Site
from chat_servers import SlackServer, TeamsServer, WebhookServer
from starlette.exceptions import StarletteDeprecationWarning

from approvals.channels.assembly import Channels
from approvals.channels.settings import Channel, ChannelSettings, SlackSettings, TeamsSettings
from approvals.channels.slack.inbound import Unusable
from approvals.person import Person
from approvals.web.app import WebSettings, create_app
from engine.ledger.model import Decision, ReviewRequest

with warnings.catch_warnings():  # it asks for a package that is not there yet
    warnings.simplefilter("ignore", StarletteDeprecationWarning)
    from starlette.testclient import TestClient

SITE = "https://approvals.example.com"
LOCAL = (ip_network("127.0.0.0/8"),)
ON_CALL = Channel("on-call", "slack", "C1")
OPS = Channel("ops", "teams", "19:ops@thread.tacv2")


def siem(hook: WebhookServer, **more: Any) -> Channel:
    import base64

    key = base64.b64decode(hook.SECRET.removeprefix("whsec_"))
    return Channel("siem", "webhook", hook.url, key=key, **({"allowed": LOCAL} | more))


class Moving:
    """The real time in ms, moved on by what a test says."""

    ahead = 0

    def __call__(self) -> int:
        return time.time_ns() // 1_000_000 + self.ahead


class World:
    """The service on ``site`` with ``channels``; ``slack`` and ``teams`` are the ends that it has."""

    def __init__(
        self,
        site: Site,
        clock: Moving,
        channels: tuple[Channel, ...],
        *,
        slack: SlackServer | None = None,
        teams: TeamsServer | None = None,
        seconds: int = 5,
        **slack_more: Any,
    ) -> None:
        self.site, self.clock, self.slack, self.teams = site, clock, slack, teams
        self.service = site.service
        self.store = site.store
        settings = ChannelSettings(
            channels,
            slack_settings(slack, **slack_more) if slack else None,
            teams_settings(teams) if teams else None,
        )
        self.channels = Channels(settings, self.service, lambda: self.service.people, SITE, seconds=seconds)
        self.has_channels = bool(channels)
        self._closed = False

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self.channels.stop()

    @cached_property
    def browser(self) -> TestClient:
        """The application, asked as a browser or a chat does."""
        app = create_app(self.service, WebSettings(b"s" * 32, channels=self.channels if self.has_channels else None))
        return TestClient(app, base_url="http://localhost")

    def ask(self, request_id: str = "req-0001", **more: Any) -> ReviewRequest:
        """A new request, taken in and told."""
        now = self.clock()
        made = request(request_id, **({"created": now, "expires": now + 60 * MINUTE} | more))
        self.site.put(made)
        self.step()
        return made

    def step(self) -> None:
        self.site.step()
        self.channels.worker.step(wait=True)

    def later(self, ms: int) -> None:
        """Time goes on, and what is then due is done."""
        self.clock.ahead += ms
        self.step()

    def link(self, person: Person, user: str) -> None:
        """Links a Slack or Teams account, by the way that people go."""
        links, now = self.store.links, self.clock()
        place = f"slack:{SlackServer.TEAM}" if self.slack else f"teams:{TeamsServer.TENANT}"
        assert links.redeem(place, user, links.code(person.identity, at=now), at=now) == person.identity

    def did(self, payload: Any) -> str:
        """Somebody does something in Slack; what they are told, empty if nothing."""
        slack = self.channels.slack
        assert slack is not None
        assert self.slack is not None
        before = len(self.slack.whispers)
        try:
            slack.handle(payload)
        except Unusable as error:
            return f"unusable: {error}"
        finally:
            self.step()
        told = self.slack.whispers[before:]
        return str(told[-1][2]["text"]) if told else ""

    def approve(self, request_id: str = "req-0001", who: Person = ADA) -> None:
        version = self.store.get(request_id).review.request.version
        self.service.vote(request_id, who, Decision.APPROVE, version=version, reason="fine", channel="page")

    def deny(self, request_id: str = "req-0001", who: Person = GRACE) -> None:
        version = self.store.get(request_id).review.request.version
        self.service.vote(request_id, who, Decision.DENY, version=version, reason="no", channel="page")

    def state(self, request_id: str = "req-0001") -> str:
        return str(self.store.get(request_id).review.state)

    def problem(self, channel: str) -> str:
        return self.channels.problems().get(channel, "")


def slack_settings(server: SlackServer, **more: Any) -> SlackSettings:
    values: dict[str, Any] = {
        "token": server.TOKEN,
        "app_id": server.APP,
        "team_id": server.TEAM,
        "signing_secret": server.SECRET,
        "app_token": None,
        "match_email": False,
        "api_url": server.url,
    }
    return SlackSettings(**(values | more))


def teams_settings(server: TeamsServer) -> TeamsSettings:
    return TeamsSettings(
        app_id=server.APP,
        tenant_id=server.TENANT,
        client_secret=server.SECRET,
        service_url=server.url,
        service_hosts=("127.0.0.1",),
        login_url=server.url,
        keys_url=f"{server.url}keys",
        issuer=server.ISSUER,
    )


def texts(content: Any) -> list[str]:
    """All text that is shown in a message or card."""
    if isinstance(content, dict):
        own = [content["text"]] if isinstance(content.get("text"), str) else []
        return own + [text for value in content.values() for text in texts(value)]
    return [text for one in content for text in texts(one)] if isinstance(content, list) else []


def buttons(message: Any) -> list[str]:
    """The buttons of a Slack message."""
    return [one["action_id"] for block in message["blocks"] if block["type"] == "actions" for one in block["elements"]]


def until(holds: Callable[[], Any], seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.01)


def newest(end: SlackServer | TeamsServer) -> Any:
    """The message that was posted last."""
    return end.messages[next(reversed(end.messages))]
