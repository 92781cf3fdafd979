"""Durations and hours of the week, as policies write them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, field_validator

from engine.ledger.model import Window

_DURATION = re.compile(r"([1-9][0-9]{0,8})\s*(s|m|h|d)")
_UNITS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
MAX_EXPIRES = 30 * _UNITS["d"]
_CLOCK = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")
Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
_DAYS: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def duration(text: str) -> int:
    """``15m``, ``90s``, ``2h``, ``1d`` as milliseconds. Raises ValueError."""
    found = _DURATION.fullmatch(text)
    if not found:
        raise ValueError(f"'{text}' is not a duration: write a number and s, m, h or d, like '15m'")
    return int(found[1]) * _UNITS[found[2]]


def waiting_time(text: str | None) -> str | None:
    """``text`` if it says how long a request may wait. Raises ValueError."""
    if text is not None and duration(text) > MAX_EXPIRES:
        raise ValueError("a request waits for 30 days at most")
    return text


def _minutes(text: str) -> int:
    found = _CLOCK.fullmatch(text)
    if not found:
        raise ValueError(f"'{text}' is no time of day: write it like '09:00'")
    return int(found[1]) * 60 + int(found[2])


class Hours(BaseModel):
    """Hours of the week. ``to`` is exclusive; where it is not after ``from``, it is on the next day."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    days: tuple[Day, ...] = Field(_DAYS, min_length=1, description="The days on which they start.")
    start: str = Field(alias="from", description="Time of day, like '09:00'.")
    end: str = Field(alias="to", description="Time of day, like '18:00'.")
    zone: str = Field("UTC", description="IANA name of the time zone, like Europe/Berlin.")

    @field_validator("start", "end")
    @classmethod
    def _times(cls, text: str) -> str:
        _minutes(text)
        return text

    @field_validator("zone")
    @classmethod
    def _zone(cls, zone: str) -> str:
        try:
            ZoneInfo(zone)
        except (ValueError, OSError, LookupError):  # not a name, or not known on this machine
            raise ValueError(f"'{zone}' is no time zone of the IANA database, like Europe/Berlin") from None
        return zone

    @property
    def window(self) -> Window:
        """What the ledger writes down."""
        return Window(self.days, _minutes(self.start), _minutes(self.end), self.zone)


def within(windows: Sequence[Window], at: int) -> bool:
    """Whether ``at`` (ms since the epoch) is in one of ``windows``; in none whose zone this machine does not know."""
    return any(_within(window, at) for window in windows)


def _within(window: Window, at: int) -> bool:
    try:
        local = datetime.fromtimestamp(at / 1000, UTC).astimezone(ZoneInfo(window.zone))
    except (ValueError, OSError, LookupError):
        return False
    minute, day = local.hour * 60 + local.minute, local.weekday()
    if window.start < window.end:
        return _DAYS[day] in window.days and window.start <= minute < window.end
    if minute >= window.start:
        return _DAYS[day] in window.days
    return minute < window.end and _DAYS[day - 1] in window.days
