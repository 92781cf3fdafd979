"""What the page and the chats say alike: risks, verdicts, times, digests. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple

from approvals.web.text import short
from engine.ledger.model import ActionKind, ReviewRequest, Risk, VerdictKind

RISK_WORDS = {
    Risk.LOW: "a wrong yes is easily undone",
    Risk.MEDIUM: "a wrong yes takes work to undo",
    Risk.HIGH: "a wrong yes does real harm",
    Risk.CRITICAL: "a wrong yes may not be undone",
}
_DECIDED = {
    (ActionKind.PROPOSAL, VerdictKind.APPROVED): "Approved",
    (ActionKind.PROPOSAL, VerdictKind.DENIED): "Denied",
    (ActionKind.FACT, VerdictKind.APPROVED): "Acknowledged",
    (ActionKind.FACT, VerdictKind.DENIED): "Flagged",
}
_ENDED = {
    VerdictKind.EXPIRED: "Expired",
    VerdictKind.FOLDED: "Ended as a repeat",
    VerdictKind.WITHDRAWN: "Withdrawn",
}


class Moment(NamedTuple):
    """A time: ms since the epoch, and as people read it, in UTC."""

    ms: int
    text: str
    iso: str


def verdict_word(request: ReviewRequest, kind: VerdictKind) -> str:
    """How ``request`` ended, in a word or two."""
    return _DECIDED.get((request.kind, kind)) or _ENDED[kind]


def moment(ms: int) -> Moment:
    """``ms`` since the epoch as a time that people read; far beyond the calendar it stays a number."""
    try:
        at = datetime.fromtimestamp(ms / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return Moment(ms, f"{ms} ms", "")
    return Moment(ms, f"{at.day} {at:%b %Y, %H:%M} UTC", at.isoformat(timespec="seconds"))


def span(ms: int) -> str:
    """A duration as people say it: ``4 min``, ``1 h 12 min``, ``3 d 4 h``."""
    minutes, seconds = divmod(max(0, ms) // 1000, 60)
    if minutes < 1:
        return f"{seconds} s"
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days} d {hours} h" if hours else f"{days} d"
    if hours:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    return f"{minutes} min"


def digest(text: str) -> str:
    """The beginning of a digest in groups of four, to be compared by eye."""
    bare = short(text.rsplit(":", 1)[-1], 16).rstrip("…")[:12]
    return " ".join(bare[i : i + 4] for i in range(0, len(bare), 4))
