"""What becomes of a record: exactly one of these, matched exhaustively by whoever writes it out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from engine.ledger.model import Redaction, ReviewRequest
from engine.records import ActivityRecord


class Sanitized(NamedTuple):
    """Passes: ``record`` is what goes out. Without redactions it is the input, byte for byte."""

    record: ActivityRecord
    redactions: tuple[Redaction, ...] = ()
    after_review: ReviewRequest | None = None  # a privileged fact: it passes, and opens a review


@dataclass(frozen=True, slots=True)
class Diverted:
    """A privileged proposal: waits as ``request`` (which holds the sanitized record) for a verdict."""

    record: ActivityRecord  # as read; only its position is written
    request: ReviewRequest


@dataclass(frozen=True, slots=True)
class Denied:
    """A policy rule denies the action: the record goes nowhere, its decision entry says why."""

    record: ActivityRecord
    rule_id: str
    reason: str
    redactions: tuple[Redaction, ...]


@dataclass(frozen=True, slots=True)
class Dropped:
    """The policy's method for what was found is ``drop``, and there is no smaller part to drop."""

    record: ActivityRecord
    redactions: tuple[Redaction, ...]


@dataclass(frozen=True, slots=True)
class Quarantined:
    """Could not be read safely. ``reason`` is a term of `QUARANTINE_REASONS`, never a value."""

    record: ActivityRecord
    reason: str


Outcome = Sanitized | Diverted | Denied | Dropped | Quarantined

QUARANTINE_REASONS = {
    "budget.bytes": "the record is larger than the policy reads",
    "budget.depth": "containers are nested deeper than the policy reads",
    "budget.layers": "encodings are nested deeper than the policy reads",
    "budget.candidates": "more places look suspicious than the policy checks",
    "budget.names": "more free text than the policy has read for names",
    "unparsable": "not valid in its topic's format, and the policy says to quarantine such records",
    "detector-error": "a detector failed on it",
    "no-principal": "a privileged action that does not say who initiated it",
    "attempts": "the process died while reading it, again and again",
    "output-too-large": "what would be written is above the broker's limit",
}
