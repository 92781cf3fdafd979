"""What the compiled helper sees of one text."""

from __future__ import annotations

from implementations import without_helper

from detectors.glance import Helper, Plan, Told
from engine.native import helper


def the_helper() -> Helper:
    """It, or the test is skipped; with CI=true it fails."""
    if helper is None:
        without_helper()
    return helper


def told(data: bytes, plan: Plan) -> Told:
    """What a glance at ``data`` tells."""
    return Told(*the_helper().glance([data], [[]], plan))  # type: ignore[arg-type]


def cut(data: bytes) -> bytes:
    """Its stretches with a long run."""
    return told(data, Plan(cuts=True)).stretches[0]


def has_digits(data: bytes) -> bool:
    """Whether it has digits enough."""
    return told(data, Plan()).numeric[0]


def tells(data: bytes, table: bytes) -> bool:
    """Whether a word of a table of `engine.actions.keyed` stands behind its key."""
    return told(data, Plan(keyed=table)).keyed[0]
