"""The policy's ``actions`` section: which actions a person decides on, which are denied, which pass.

The first rule that matches decides; an action that no rule matches passes. A field that the record does not
have is the empty string (``environment: [prod, '']`` includes the actions that name none).
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from engine.actions.approvers import Approvers
from engine.actions.conditions import parse_condition
from engine.actions.globs import Glob
from engine.actions.paths import Path
from engine.actions.times import duration, waiting_time
from engine.ledger.model import ActionKind, Risk


def _one_or_many(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _condition_texts(value: object) -> object:
    """YAML gives numbers and booleans their own types: ``rows: 5`` is ``= 5``, ``force: true`` the glob."""
    if isinstance(value, bool):
        return ["true" if value else "false"]
    if isinstance(value, int):
        return [f"= {value}"]
    if isinstance(value, float):
        raise ValueError("quote it, so that its digits stay as written: '= 0.10'")
    if isinstance(value, list):
        return [text for item in value for text in _condition_texts(item)]  # type: ignore[attr-defined]
    return _one_or_many(value)


def _check_globs(texts: tuple[str, ...]) -> tuple[str, ...]:
    if not texts:
        raise ValueError("give at least one glob, or leave the key out")
    for text in texts:
        Glob.of(text)
    return texts


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


Globs = Annotated[tuple[str, ...], BeforeValidator(_one_or_many)]
Conditions = Annotated[tuple[str, ...], BeforeValidator(_condition_texts)]


class Match(_Section):
    """What a rule matches: all keys that are given must hold, each by one of its alternatives.

    ``actor`` is any principal's subject or issuer:subject (for an allow rule, the initiator's); an action
    whose principals are not known matches it, except in an allow rule. ``params`` maps a path to a glob,
    ``!glob``, a comparison (``> 1000``), ``present`` or ``absent``, or a list of them; the path ``**`` is
    everything in the parameters.
    """

    action: Globs | None = None
    resource: Globs | None = None
    actor: Globs | None = None
    environment: Globs | None = None
    kind: ActionKind | None = None
    profile: Globs | None = None
    params: dict[str, Conditions] = Field(default_factory=dict)

    @field_validator("action", "resource", "actor", "environment", "profile")
    @classmethod
    def _globs(cls, texts: tuple[str, ...] | None) -> tuple[str, ...] | None:
        return texts if texts is None else _check_globs(texts)

    @field_validator("params")
    @classmethod
    def _params(cls, params: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        for path, texts in params.items():
            Path.of(path)
            if path.endswith("|json"):
                raise ValueError(f"'{path}': JSON in strings is read anyway, leave '|json' out")
            if not texts:
                raise ValueError(f"'{path}' needs at least one condition")
            for text in texts:
                parse_condition(text)
        return params

    @model_validator(mode="after")
    def _says_something(self) -> Match:
        if not self.model_fields_set:
            raise ValueError("says nothing: give at least one key (action: '*' is every action)")
        return self


class Rule(_Section):
    """One line of the ``actions`` section. A deny rule is about proposals: facts cannot be denied any more."""

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,79}$")
    effect: Literal["review", "deny", "allow"]
    match: Match
    risk: Risk = Risk.MEDIUM
    reason: str = ""
    approvers: Approvers | None = None
    expires: str | None = None

    _expires = field_validator("expires")(waiting_time)

    @model_validator(mode="after")
    def _fits_effect(self) -> Rule:
        if self.effect == "review" and self.approvers is None:
            raise ValueError("a review needs approvers")
        if self.approvers is not None and self.expires_ms is not None and self.approvers.last_step >= self.expires_ms:
            raise ValueError(f"its escalation would come too late: it expires after {self.expires}")
        if self.effect != "review" and (self.approvers is not None or self.expires is not None):
            raise ValueError(f"approvers and expires mean nothing where the effect is '{self.effect}'")
        if self.effect == "deny" and self.match.kind is ActionKind.FACT:
            raise ValueError("a fact has happened and cannot be denied: write 'effect: review'")
        if self.effect != "allow" and not self.reason.strip():
            raise ValueError("needs a reason: one plain sentence for whoever decides or was refused")
        return self

    @property
    def expires_ms(self) -> int | None:
        """How long a request waits, in milliseconds; None for the policy's own default."""
        return None if self.expires is None else duration(self.expires)
