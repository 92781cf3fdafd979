"""``identity.yaml``: the OpenID provider at which reviewers sign in, strictly read.

::

    public_url: https://approvals.example.com        # where people reach the page
    name: okta                                       # what ids of this issuer begin with: okta:00u1ab2, okta:security
    issuer: https://acme.okta.com
    client_id: 0oa1reviewer
    client_secret: {file: okta.secret}
    device_client_id: 0oa1terminal                   # for `sluicegate approvals login`; off if left out
    step_up: {max_age: 300, acr_values: ['urn:okta:loa:2fa:any']}
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from approvals.person import LOCAL, MACHINE
from approvals.secrets import secret_at
from detectors.yamlfile import YamlFile
from engine.config import Secret

_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_CLAIM = r"^[A-Za-z0-9_.:/-]{1,200}$"


def _safe_url(text: str) -> str:
    """``text`` without a final slash, if it is an https URL, or an http URL of this machine."""
    parts = urlsplit(text)
    if not parts.hostname or parts.query or parts.fragment or parts.username:
        raise ValueError("is no URL of a site; it looks like https://approvals.example.com")
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        raise ValueError("must begin with https://, unless it is on this machine")
    return text.rstrip("/")


def _issuer_name(text: str) -> str:
    if not re.fullmatch(r"[a-z0-9-]{1,40}", text) or text in (LOCAL, MACHINE):
        raise ValueError(f"is a short name in small letters, for example okta, and neither {LOCAL} nor {MACHINE}")
    return text


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class StepUp(_Strict):
    """How fresh and how strong a sign-in must be to approve what is of high or critical risk."""

    max_age: int = Field(300, ge=30, le=86_400, description="Seconds since the person signed in at the provider.")
    acr_values: list[str] = Field([], description="One of these must be the `acr` of the sign-in; any if empty.")


class _File(_Strict):
    public_url: Annotated[str, AfterValidator(_safe_url)]
    name: Annotated[str, AfterValidator(_issuer_name)]
    issuer: Annotated[str, AfterValidator(_safe_url)]
    client_id: str = Field(min_length=1)
    client_secret: Secret | None = None
    device_client_id: str | None = Field(None, min_length=1)
    audiences: list[str] = []
    scopes: list[str] = ["openid", "profile", "email", "groups"]
    groups_claim: str = Field("groups", pattern=_CLAIM)
    max_groups: int = Field(100, ge=1, le=5_000)
    aliases: dict[str, Annotated[str, Field(pattern=_CLAIM)]] = {}
    unlisted: Literal["refuse", "admit"] = "refuse"
    step_up: StepUp = StepUp()
    leeway: int = Field(60, ge=0, le=300)
    session_hours: int = Field(8, ge=1, le=24)


@dataclass(frozen=True, slots=True)
class IdentitySettings:
    """What there is to know about the provider; ``client_secret`` is None for a public client.

    ``name`` stands for ``issuer`` in the ids of people and groups. ``audiences`` are the clients whose ID tokens
    are taken besides ``client_id``. ``aliases`` gives, for an issuer of principals, the claim that says as what it
    knows the person: these count for conflicts only. ``unlisted`` says whether who is not in people.yaml gets in.
    ``leeway`` is how far clocks may differ, in seconds.
    """

    public_url: str
    name: str
    issuer: str
    client_id: str
    client_secret: str | None = field(repr=False)
    device_client_id: str | None
    audiences: tuple[str, ...]
    scopes: tuple[str, ...]
    groups_claim: str
    max_groups: int
    aliases: Mapping[str, str]
    unlisted: Literal["refuse", "admit"]
    step_up: StepUp
    leeway: int
    session_seconds: int

    @property
    def host(self) -> str:
        """The host under which people reach the page."""
        name = urlsplit(self.public_url).hostname or ""
        return f"[{name}]" if ":" in name else name

    @property
    def secure(self) -> bool:
        """Whether people reach the page over TLS."""
        return self.public_url.startswith("https:")

    @property
    def redirect_uri(self) -> str:
        """Where the provider sends people back to."""
        return f"{self.public_url}/sign-in/callback"


def load_identity(path: Path, environ: Mapping[str, str] = os.environ) -> IdentitySettings:
    """The settings in the YAML file at ``path``. Raises ConfigError with file, line and key, never with a secret."""
    source = YamlFile.read(path)
    file = source.validate(_File)
    if "openid" not in file.scopes:
        raise source.error("must have 'openid': without it a provider gives no ID token", ("scopes",))
    if file.unlisted == "admit" and not file.aliases:
        raise source.error(
            "'admit' needs aliases, or nobody could tell that an agent acts for the one who approves: "
            "for example aliases: {email: email}",
            ("unlisted",),
        )
    if file.name in file.aliases:
        raise source.error(f"'{file.name}' is the provider itself", ("aliases", file.name))
    terminal = [file.device_client_id] if file.device_client_id else []
    return IdentitySettings(
        public_url=file.public_url,
        name=file.name,
        issuer=file.issuer,
        client_id=file.client_id,
        client_secret=secret_at(file.client_secret, ("client_secret",), source, path.parent, environ),
        device_client_id=file.device_client_id,
        audiences=tuple({*file.audiences, *terminal}),
        scopes=tuple(file.scopes),
        groups_claim=file.groups_claim,
        max_groups=file.max_groups,
        aliases=dict(file.aliases),
        unlisted=file.unlisted,
        step_up=file.step_up,
        leeway=file.leeway,
        session_seconds=file.session_hours * 3600,
    )
