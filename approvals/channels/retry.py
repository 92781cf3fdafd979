"""How a delivery went, and when the next attempt is. Pure."""

from __future__ import annotations

import email.utils
from dataclasses import dataclass

ATTEMPTS = 10
"""After so many a delivery is dead, until a person has it tried again: about 15 hours."""
PUT_OFF_MS = 86_400_000
"""How long the other side may put a delivery off, by Retry-After, before that counts as a failed attempt, in ms."""
HALT_MS = 600_000
"""How long a channel whose credentials are refused is left alone, in ms."""
_FIRST_MS = 5_000
_LONGEST_MS = 6 * 3_600_000
_LONGEST_WISH_MS = 3_600_000  # what the other side may ask for by Retry-After


@dataclass(frozen=True, slots=True)
class Sent:
    """It arrived; a message stands at ``place``."""

    place: str = ""


@dataclass(frozen=True, slots=True)
class Retry:
    """It did not arrive, and may the next time. ``after_ms`` is what the other side asked for: then the whole
    channel waits.
    """

    problem: str
    after_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Dead:
    """It will never arrive as things are: somebody has to look at it. ``channel``: so will nothing in the channel."""

    problem: str
    channel: bool = False


@dataclass(frozen=True, slots=True)
class Halt:
    """The credentials of the channel are refused: nothing will arrive until somebody has mended that."""

    problem: str


Result = Sent | Retry | Dead | Halt


def pause_ms(attempts: int, *, luck: float) -> int:
    """How long to wait after ``attempts`` failed ones: four times as long each time, by up to half less.

    ``luck`` is from 0 to 1, so that many deliveries that failed at once do not come back at once.
    """
    longest = min(_LONGEST_MS, _FIRST_MS * 4 ** (max(1, min(attempts, 20)) - 1))
    return int(longest * (1 - luck / 2))


def retry_after_ms(header: str | None, *, now: int) -> int | None:
    """What a Retry-After header says, in ms from ``now`` (ms since the epoch), an hour at most; None for nothing.

    It holds seconds or a date (RFC 9110, section 10.2.3).
    """
    if not header:
        return None
    text = header.strip()
    if text.isascii() and text.isdigit() and len(text) < 10:
        return min(_LONGEST_WISH_MS, int(text) * 1000)
    try:
        at = email.utils.parsedate_to_datetime(text).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None
    return max(0, min(_LONGEST_WISH_MS, int(at * 1000) - now))
