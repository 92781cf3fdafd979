"""What the gate's API takes and gives, as JSON."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from approvals.gate.standing import Stand


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class StandingOut(_Model):
    """Where a request stands; times in ms since the epoch.

    ``by`` says who decided: ``policy`` or ``people``. ``token`` is there while an approval can be used, until
    ``token_expires``; ``question`` while a reviewer waits for an answer.
    """

    request_id: str
    version: int
    state: Stand
    expires: int
    reason: str
    by: str
    audience: str
    question: str | None
    token: str | None = Field(repr=False)
    token_expires: int | None


class GateAnswerIn(_Model):
    """An answer to what was asked about ``version``."""

    answer: Annotated[str, Field(min_length=1, max_length=20_000)]
    version: Annotated[int, Field(ge=1, le=2**31 - 1)]


class GateWithdrawalIn(_Model):
    """Why a request is taken back, if that is said."""

    reason: Annotated[str, Field(max_length=20_000)] = ""


class GrantOut(_Model):
    """An approval that was used up just now: ``agent`` may do what was redeemed, once."""

    request_id: str
    token_id: str
    agent: str
    audience: str
    environment: str
    expires: int


class KeysOut(_Model):
    """A JSON Web Key Set (RFC 7517)."""

    keys: list[dict[str, Any]]
