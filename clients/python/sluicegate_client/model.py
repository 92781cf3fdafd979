"""What goes to the gate and what comes back. No ``repr`` shows parameters or a token."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

JsonValue = str | int | float | bool | None | Sequence["JsonValue"] | Mapping[str, "JsonValue"]
"""What parameters are made of. Numbers count as they are written: ``1`` is not ``1.0``."""

Role = Literal["on_behalf_of", "delegate", "beneficiary"]


@dataclass(frozen=True, slots=True)
class Principal:
    """Somebody who takes part in an action, beside the agent and its owner, whom the credential names.

    Nobody who takes part in an action can approve it.
    """

    issuer: str
    subject: str
    role: Role = "on_behalf_of"

    @classmethod
    def of(cls, text: str, role: Role = "on_behalf_of") -> Principal:
        """The one written ``issuer:subject``. Raises ValueError for another text."""
        issuer, colon, subject = text.partition(":")
        if not (issuer and colon and subject):
            raise ValueError("a principal is written issuer:subject, for example okta:00u1ab2cd")
        return cls(issuer, subject, role)


@dataclass(frozen=True, slots=True)
class Intent:
    """What is to run: an action on a resource with parameters. Approval is bound to exactly these three."""

    action: str
    resource: str
    params: Mapping[str, JsonValue] = field(default_factory=dict, repr=False)
    environment: str = ""
    reason: str = field(default="", repr=False)
    principals: tuple[Principal, ...] = ()


@dataclass(frozen=True, slots=True)
class Approval:
    """It may run, once. ``token`` is what the executor redeems, until ``expires``.

    ``by`` is ``policy`` where nobody had to be asked. ``audience`` is who may redeem it.
    """

    request_id: str
    token: str = field(repr=False)
    audience: str
    expires: datetime
    by: Literal["policy", "people"]
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Question:
    """What a reviewer asks before they decide, about ``version`` of the request."""

    request_id: str
    version: int
    text: str


@dataclass(frozen=True, slots=True)
class Waiting:
    """Nobody has decided yet; silence is a denial at ``expires``."""

    request_id: str
    version: int
    expires: datetime


@dataclass(frozen=True, slots=True)
class Grant:
    """What a token says that was checked: ``agent`` (``issuer:subject``) may do it once, here."""

    request_id: str
    token_id: str
    agent: str
    audience: str
    environment: str
    expires: datetime
