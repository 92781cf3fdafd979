"""``channels.yaml``: where requests are told of, strictly read.

::

    slack:
      token: {env: SLACK_BOT_TOKEN}
      app_id: A0123ABCD
      team_id: T0123ABCD
      signing_secret: {file: slack-signing.secret}   # Slack posts to /chat/slack; or, without a public address:
      app_token: {env: SLACK_APP_TOKEN}              # Socket Mode
    channels:
      - {name: on-call, slack: C0123ABCD, environments: [production]}
      - {name: siem, webhook: https://siem.example.com/hooks, secret: {file: siem.whsec}}
"""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from approvals.secrets import secret_at
from detectors.yamlfile import Loc, YamlFile
from engine.actions.approvers import CHANNEL_NAME
from engine.config import Secret
from engine.ledger.model import ActionKind, ReviewRequest, Risk

Network = IPv4Network | IPv6Network
EventName = Literal[
    "request.created",
    "request.revised",
    "request.repeated",
    "request.escalated",
    "request.voted",
    "request.clarification_asked",
    "request.clarification_answered",
    "request.approved",
    "request.denied",
    "request.expired",
    "request.withdrawn",
    "request.folded",
]
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


def _url(text: str) -> str:
    parts = urlsplit(text)
    if not parts.hostname or parts.username or parts.fragment:
        raise ValueError("is no URL that can be posted to; it looks like https://hooks.example.com/sluicegate")
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        raise ValueError("must begin with https://, unless it is on this machine")
    return text


def _base(text: str) -> str:
    return _url(text).rstrip("/") + "/"


def _network(text: str) -> str:
    try:
        ip_network(text)
    except ValueError:
        raise ValueError(f"'{text}' is no network such as 10.20.0.0/16 or 192.0.2.7/32") from None
    return text


Url = Annotated[str, AfterValidator(_url)]
Base = Annotated[str, AfterValidator(_base)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class _Slack(_Strict):
    token: Secret = Field(description="Of the bot, xoxb-…; scopes chat:write, and users:read.email for match_email.")
    app_id: str = Field(pattern=r"^A[A-Z0-9]{2,30}$")
    team_id: str = Field(pattern=r"^T[A-Z0-9]{2,30}$", description="The workspace; nobody from another one counts.")
    signing_secret: Secret | None = Field(None, description="With it Slack may post to /chat/slack.")
    app_token: Secret | None = Field(None, description="Socket Mode: xapp-…, scope connections:write.")
    match_email: bool = Field(False, description="An e-mail that Slack has confirmed, and one person alone has, links.")
    api_url: Base = "https://slack.com/api/"

    @model_validator(mode="after")
    def _some_way_in(self) -> _Slack:
        if self.signing_secret is None and self.app_token is None:
            raise ValueError("needs signing_secret (Slack posts to /chat/slack) or app_token (Socket Mode)")
        return self


class _Teams(_Strict):
    app_id: str = Field(min_length=1, description="Of the bot's registration.")
    tenant_id: str = Field(min_length=1, description="Ours; nobody from another one counts.")
    client_secret: Secret
    service_url: Base = "https://smba.trafficmanager.net/teams/"
    service_hosts: list[str] = ["smba.trafficmanager.net"]
    login_url: Base = "https://login.microsoftonline.com/"
    keys_url: Url = "https://login.botframework.com/v1/.well-known/keys"
    issuer: str = "https://api.botframework.com"


class _Channel(_Strict):
    name: str = Field(pattern=CHANNEL_NAME)
    slack: str | None = Field(None, pattern=r"^[CG][A-Z0-9]{2,30}$", description="The id of a Slack channel.")
    teams: str | None = Field(None, min_length=1, max_length=300, description="The id of a conversation of the bot.")
    workflow: Secret | None = Field(None, description="The URL of a Teams workflow: whoever has it can post there.")
    webhook: Url | None = Field(None, description="Where events are posted to, by Standard Webhooks.")
    secret: Secret | None = Field(None, description="What a webhook is signed with: whsec_…")
    events: list[EventName] = Field([], description="What a webhook is told of; everything if empty.")
    allow_addresses: list[Annotated[str, AfterValidator(_network)]] = Field(
        [], description="Networks that are not public, and that this webhook or workflow may reach all the same."
    )
    risks: list[Risk] = Field([], description="What it is told of: requests of these risks; all if empty.")
    environments: list[str] = Field([], description="Of these environments, * stands for anything; all if empty.")
    rules: list[str] = Field([], description="Of these rules, * stands for anything; all if empty.")
    kinds: list[ActionKind] = Field([], description="Proposals, which wait, or facts; both if empty.")


class _File(_Strict):
    slack: _Slack | None = None
    teams: _Teams | None = None
    channels: list[_Channel] = Field(min_length=1)


@dataclass(frozen=True, slots=True)
class SlackSettings:
    """An app in one workspace. Either ``signing_secret`` or ``app_token`` is there, or both."""

    token: str = field(repr=False)
    app_id: str
    team_id: str
    signing_secret: str | None = field(repr=False)
    app_token: str | None = field(repr=False)
    match_email: bool
    api_url: str


@dataclass(frozen=True, slots=True)
class TeamsSettings:
    """A bot in one tenant. Tokens of ours go to ``service_hosts`` alone."""

    app_id: str
    tenant_id: str
    client_secret: str = field(repr=False)
    service_url: str
    service_hosts: tuple[str, ...]
    login_url: str
    keys_url: str
    issuer: str


@dataclass(frozen=True, slots=True)
class Route:
    """Which requests a channel is told of. What is empty narrows nothing."""

    risks: frozenset[Risk] = frozenset()
    environments: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    kinds: frozenset[ActionKind] = frozenset()

    def takes(self, request: ReviewRequest) -> bool:
        """Whether ``request`` goes this way."""
        return (
            (not self.risks or request.risk in self.risks)
            and (not self.kinds or request.kind in self.kinds)
            and _fits(request.environment, self.environments)
            and _fits(request.rule_id, self.rules)
        )


@dataclass(frozen=True, slots=True)
class Channel:
    """One place where requests are told of.

    ``target`` is a channel of Slack, a conversation of Teams, or a URL, which may be a secret. ``key`` signs a webhook.
    """

    name: str
    kind: Literal["slack", "teams", "workflow", "webhook"]
    target: str = field(repr=False)
    route: Route = Route()
    key: bytes = field(default=b"", repr=False)
    events: frozenset[str] = frozenset()
    allowed: tuple[Network, ...] = ()

    @property
    def is_message(self) -> bool:
        """Whether it shows each request once, as it stands now; a webhook is told each event."""
        return self.kind != "webhook"

    def takes(self, request: ReviewRequest, names: Collection[str]) -> bool:
        """Whether ``request`` is told here; ``names`` are those of all channels.

        Where its policy names a channel that there is, people are told there and nowhere else; webhooks hear by their
        routes all the same.
        """
        named = [name for name in request.requirement.channels if name in names]
        return self.name in named or (self.route.takes(request) and not (named and self.is_message))


@dataclass(frozen=True, slots=True)
class ChannelSettings:
    """All of ``channels.yaml``, secrets included."""

    channels: tuple[Channel, ...]
    slack: SlackSettings | None = None
    teams: TeamsSettings | None = None


def load_channels(path: Path, environ: Mapping[str, str] = os.environ) -> ChannelSettings:
    """The settings in the YAML file at ``path``. Raises ConfigError with file, line and key, never with a secret."""
    source = YamlFile.read(path)
    file = source.validate(_File)

    def secret(given: Secret | None, loc: Loc) -> str | None:
        return secret_at(given, loc, source, path.parent, environ)

    channels = []
    for index, one in enumerate(file.channels):
        channels.append(_channel(one, file, ("channels", index), source, secret))
        if any(one.name == earlier.name for earlier in file.channels[:index]):
            raise source.error(f"'{one.name}' is the name of another channel", ("channels", index, "name"))
    slack = teams = None
    if (app := file.slack) is not None:
        slack = SlackSettings(
            secret(app.token, ("slack", "token")) or "",
            app.app_id,
            app.team_id,
            secret(app.signing_secret, ("slack", "signing_secret")),
            secret(app.app_token, ("slack", "app_token")),
            app.match_email,
            app.api_url,
        )
    if (bot := file.teams) is not None:
        teams = TeamsSettings(
            bot.app_id,
            bot.tenant_id,
            secret(bot.client_secret, ("teams", "client_secret")) or "",
            bot.service_url,
            tuple(host.lower() for host in bot.service_hosts),
            bot.login_url,
            bot.keys_url,
            bot.issuer,
        )
        if (urlsplit(bot.service_url).hostname or "") not in teams.service_hosts:
            raise source.error("must be at one of the service_hosts", ("teams", "service_url"))
    return ChannelSettings(tuple(channels), slack, teams)


def _channel(
    one: _Channel, file: _File, loc: Loc, source: YamlFile, secret: Callable[[Secret | None, Loc], str | None]
) -> Channel:
    ways = [way for way in ("slack", "teams", "workflow", "webhook") if getattr(one, way) is not None]
    if len(ways) != 1:
        raise source.error("needs one of slack, teams, workflow and webhook, and one only", loc)
    way = ways[0]
    if way in ("slack", "teams") and getattr(file, way) is None:
        raise source.error(f"needs a section '{way}' that says with which app", (*loc, way))
    if (way == "webhook") != (one.secret is not None):
        word = "is required: a webhook that is not signed can be forged" if way == "webhook" else "is for a webhook"
        raise source.error(word, (*loc, "secret") if one.secret else (*loc, way))
    for key in ("events", "allow_addresses"):
        if getattr(one, key) and way not in (("webhook",) if key == "events" else ("webhook", "workflow")):
            raise source.error(f"means nothing for {way}", (*loc, key))
    route = Route(frozenset(one.risks), tuple(one.environments), tuple(one.rules), frozenset(one.kinds))
    allowed = tuple(ip_network(text) for text in one.allow_addresses)
    if way == "webhook":
        key_bytes = _signing_key(secret(one.secret, (*loc, "secret")) or "", source, (*loc, "secret"))
        events: frozenset[str] = frozenset(one.events)
        return Channel(one.name, "webhook", one.webhook or "", route, key_bytes, events, allowed)
    if way == "workflow":
        try:
            target = _url(secret(one.workflow, (*loc, "workflow")) or "")
        except ValueError as error:
            raise source.error(str(error), (*loc, "workflow")) from None
        return Channel(one.name, "workflow", target, route, allowed=allowed)
    if way == "slack":
        return Channel(one.name, "slack", one.slack or "", route)
    return Channel(one.name, "teams", one.teams or "", route)


def _signing_key(text: str, source: YamlFile, loc: Loc) -> bytes:
    try:
        key = base64.b64decode(text.removeprefix("whsec_"), validate=True)
    except binascii.Error:
        key = b""
    if not 24 <= len(key) <= 64:  # what Standard Webhooks asks for
        made = "echo whsec_$(openssl rand -base64 32)"
        raise source.error(f"must hold whsec_ and 24 to 64 bytes in base64; make one with: {made}", loc)
    return key


def _fits(text: str, patterns: tuple[str, ...]) -> bool:
    return not patterns or any(fnmatchcase(text, pattern) for pattern in patterns)
