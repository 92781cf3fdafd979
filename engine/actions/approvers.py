"""Who decides and where they are told of it, as a policy says it: an ``approvers`` section.

What it says is written into each request as its `Requirement`, so that the rules that were in force when it was
opened are those by which it is decided.
"""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from engine.actions.times import Hours, duration
from engine.ledger.model import Requirement, Seat, Step

_CANONICAL = re.compile(r"[^\s:]+:\S(?:.*\S)?")
CHANNEL_NAME = r"^[a-z0-9][a-z0-9_-]{0,39}$"


def one_or_many(value: object) -> object:
    """A list where one thing may be written without brackets."""
    return [value] if isinstance(value, (str, dict)) else value


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class _Asked(_Section):
    """Groups and people, as ``issuer:id``."""

    groups: tuple[str, ...] = ()
    people: tuple[str, ...] = ()

    @field_validator("groups", "people")
    @classmethod
    def _ids(cls, ids: tuple[str, ...]) -> tuple[str, ...]:
        for one in ids:
            if not _CANONICAL.fullmatch(one):
                raise ValueError(f"'{one}' is not a canonical id: write 'issuer:id', like 'local:{one}'")
        if len(set(ids)) != len(ids):
            raise ValueError("names somebody twice; each counts once")
        return ids


class _Somebody(_Asked):
    @model_validator(mode="after")
    def _named(self) -> _Somebody:
        if not self.groups and not self.people:
            raise ValueError("names nobody: give groups, people or both")
        return self


class SeatEntry(_Somebody):
    """A named place among those who must approve, filled by one person."""

    name: str = Field(min_length=1, max_length=60)


class StepEntry(_Somebody):
    """Who is asked too once ``after`` has passed since the request was opened."""

    after: str = Field(description="Like '10m'.")

    @field_validator("after")
    @classmethod
    def _after(cls, text: str) -> str:
        duration(text)
        return text


class Emergency(_Somebody):
    """Who may break the glass."""


class Approvers(_Asked):
    """Who may decide: ``quorum`` different people of ``groups`` and ``people``, or ``quorum`` of the ``seats``."""

    seats: tuple[SeatEntry, ...] = Field((), description="Named places, each filled by a different person.")
    quorum: int | None = Field(
        None, ge=1, le=20, description="How many different people must approve; 1, or all seats, if left out."
    )
    denials: int = Field(1, ge=1, le=20, description="How many different people must deny to deny it.")
    hours: Annotated[tuple[Hours, ...], BeforeValidator(one_or_many)] = Field(
        (), description="When an approval may be given; a denial always may."
    )
    escalation: tuple[StepEntry, ...] = Field((), description="Who is asked too after a time, in order.")
    fallback: StepEntry | None = Field(None, description="Who is asked at the last, before silence denies.")
    break_glass: Emergency | None = Field(
        None, description="Who may approve alone in an emergency: with a reason, flagged, reviewed afterwards."
    )
    channels: Annotated[tuple[Annotated[str, Field(pattern=CHANNEL_NAME)], ...], BeforeValidator(one_or_many)] = Field(
        (), description="Where they are told of it: channels of channels.yaml, by name; by their own routes if empty."
    )

    @model_validator(mode="after")
    def _possible(self) -> Approvers:
        if self.seats and (self.groups or self.people):
            raise ValueError("names groups or people beside seats: say in each seat who may take it")
        if not self.seats and not self.groups and not self.people:
            raise ValueError("names nobody: give groups, people or seats")
        names = [seat.name for seat in self.seats]
        if len(set(names)) != len(names):
            raise ValueError("two seats have one name")
        if self.seats and self.needed > len(self.seats):
            raise ValueError(f"a quorum of {self.needed} cannot be reached by {len(self.seats)} seats")
        if not self.seats and not self.groups and self.needed > len(self.people) and not self._steps:
            raise ValueError(f"a quorum of {self.needed} cannot be reached by {len(self.people)} people")
        times = [duration(step.after) for step in self._steps]
        if times != sorted(set(times)):
            raise ValueError("each step of the escalation, the fallback last, must come later than the one before")
        return self

    @property
    def needed(self) -> int:
        """How many different people must approve."""
        return self.quorum or len(self.seats) or 1

    @property
    def last_step(self) -> int:
        """When the last of the escalation begins, in ms after the request was opened; 0 if there is none."""
        return max((duration(step.after) for step in self._steps), default=0)

    @property
    def _steps(self) -> tuple[StepEntry, ...]:
        return (*self.escalation, self.fallback) if self.fallback else self.escalation

    @property
    def requirement(self) -> Requirement:
        """What the ledger writes down."""
        glass = self.break_glass
        return Requirement(
            self.groups,
            self.people,
            self.needed,
            seats=tuple(Seat(seat.name, seat.groups, seat.people) for seat in self.seats),
            denials=self.denials,
            hours=tuple(one.window for one in self.hours),
            steps=tuple(
                Step(duration(step.after), step.groups, step.people, fallback=step is self.fallback)
                for step in self._steps
            ),
            break_glass=None if glass is None else Seat("break-glass", glass.groups, glass.people),
            channels=self.channels,
        )
