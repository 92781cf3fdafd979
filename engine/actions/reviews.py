"""The policy's ``reviews`` section: who decides, by risk, environment, action and time of the week."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Protocol

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from engine.actions.approvers import Approvers, one_or_many
from engine.actions.globs import Glob, fold
from engine.actions.times import Hours, duration, waiting_time, within
from engine.ledger.model import Requirement, Risk, Window


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


Globs = Annotated[tuple[str, ...], BeforeValidator(one_or_many)]


class Circumstance(_Section):
    """When an entry of ``reviews`` counts: all keys that are given must hold, each by one of its alternatives."""

    rule: Globs | None = Field(None, description="Globs on the id of the rule that asks.")
    risk: Annotated[tuple[Risk, ...], BeforeValidator(one_or_many)] | None = None
    action: Globs | None = None
    resource: Globs | None = None
    environment: Globs | None = Field(None, description="Globs; '' is an action that names none.")
    hours: Annotated[tuple[Hours, ...], BeforeValidator(one_or_many)] | None = Field(
        None, description="When the request is opened."
    )

    @field_validator("rule", "action", "resource", "environment")
    @classmethod
    def _globs(cls, texts: tuple[str, ...] | None) -> tuple[str, ...] | None:
        for text in texts or ():
            Glob.of(text)
        return texts

    @field_validator("*")
    @classmethod
    def _alternatives(cls, value: tuple[object, ...] | None) -> tuple[object, ...] | None:
        if value is not None and not value:
            raise ValueError("give at least one, or leave the key out")
        return value


class ReviewEntry(_Section):
    """Who decides under a circumstance, in place of the approvers that the rule names."""

    when: Circumstance = Circumstance()
    approvers: Approvers
    expires: str | None = Field(None, description="How long it waits, in place of what the rule says.")

    _expires = field_validator("expires")(waiting_time)

    @model_validator(mode="after")
    def _in_time(self) -> ReviewEntry:
        if self.expires is not None and self.approvers.last_step >= duration(self.expires):
            raise ValueError(f"its escalation would come too late: it expires after {self.expires}")
        return self


class Named(Protocol):
    """What can be told of an action in words: an action, or the request that was made of one."""

    @property
    def action(self) -> str:
        """What is done."""

    @property
    def resource(self) -> str:
        """What it is done to."""

    @property
    def environment(self) -> str:
        """Where it is done."""


@dataclass(frozen=True, slots=True)
class _Entry:
    globs: tuple[tuple[str, tuple[Glob, ...]], ...]
    risks: tuple[Risk, ...]
    hours: tuple[Window, ...]
    requirement: Requirement
    expires_ms: int | None


@dataclass(frozen=True, slots=True)
class Reviews:
    """The ``reviews`` section, compiled: the first entry whose circumstance holds says who decides."""

    entries: tuple[_Entry, ...] = ()

    @classmethod
    def of(cls, entries: Sequence[ReviewEntry]) -> Reviews:
        """``entries``, which are valid, compiled."""
        return cls(tuple(_entry(one) for one in entries))

    def pick(self, rule_id: str, risk: Risk, about: Named, *, at: int) -> tuple[Requirement, int | None] | None:
        """Who decides and how long it waits (ms; None: as the rule says); None if no entry counts.

        ``at`` is when the request is opened, in ms since the epoch.
        """
        values = {name: fold(getattr(about, name)) for name in ("action", "resource", "environment")}
        values["rule"] = fold(rule_id)
        for entry in self.entries:
            if (
                (not entry.risks or risk in entry.risks)
                and (not entry.hours or within(entry.hours, at))
                and all(any(glob.matches_folded(values[name]) for glob in globs) for name, globs in entry.globs)
            ):
                return entry.requirement, entry.expires_ms
        return None


def _entry(one: ReviewEntry) -> _Entry:
    when = one.when
    named = ((name, getattr(when, name)) for name in ("rule", "action", "resource", "environment"))
    return _Entry(
        globs=tuple((name, tuple(Glob.of(text) for text in texts)) for name, texts in named if texts),
        risks=when.risk or (),
        hours=tuple(hours.window for hours in when.hours or ()),
        requirement=one.approvers.requirement,
        expires_ms=None if one.expires is None else duration(one.expires),
    )
