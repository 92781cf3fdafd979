"""Conditions on values: globs (``*prod*``, ``!sandbox-*``), comparisons (``> 1000``), present, absent.

A review or deny rule fails closed: one value that meets the condition is enough, and a value that cannot be
compared meets a comparison. An allow rule is the other way round: every value must meet it, and what cannot
be compared does not.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from enum import Enum

from engine.actions.globs import AnyGlob, Fold, Glob, fold
from engine.actions.model import Json
from engine.actions.paths import leaves, scalar_text
from engine.actions.tree import Reader

_COMPARISON = re.compile(r"(>=|<=|!=|>|<|=)\s*(.*)", re.DOTALL)
_NUMBER = re.compile(r"\s*[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,9})?\s*", re.ASCII)
_OPERATORS: dict[str, Callable[[Decimal, Decimal], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
    "=": operator.eq,
    "!=": operator.ne,
}


class Presence(Enum):
    """Whether there is anything at the path; null is nothing."""

    PRESENT = "present"
    ABSENT = "absent"


@dataclass(frozen=True, slots=True)
class Comparison:
    """A comparison with a decimal. Numbers in strings count as numbers."""

    operator: str
    limit: Decimal

    def meets(self, value: Json, *, closed: bool, written: bool = False, folded: Fold = fold) -> bool:
        """Whether the scalar ``value`` meets it; what cannot be compared does if ``closed``."""
        number = _decimal(value)
        return closed if number is None else _OPERATORS[self.operator](number, self.limit)


@dataclass(frozen=True, slots=True)
class Like:
    """A glob, or with ``negated`` everything that the glob does not match."""

    glob: Glob
    negated: bool = False

    def meets(self, value: Json, *, closed: bool, written: bool = False, folded: Fold = fold) -> bool:
        """Whether the scalar ``value`` matches, if ``written`` only as it is written; what is negated the other way."""
        text = scalar_text(value)
        if text is None:
            return False
        matches = self.glob.matches_as_written if written != self.negated else self.glob.matches
        return matches(text, folded) != self.negated


@dataclass(frozen=True, slots=True)
class LikeAny:
    """Several globs as one condition, which is met where one of them matches."""

    globs: AnyGlob

    def meets(self, value: Json, *, closed: bool, written: bool = False, folded: Fold = fold) -> bool:
        """Whether the scalar ``value`` matches one of them, if ``written`` only as it is written."""
        text = scalar_text(value)
        matches = self.globs.matches_as_written if written else self.globs.matches
        return text is not None and matches(text, folded)


Condition = Presence | Comparison | Like
Test = Condition | LikeAny
"""A condition as it is tried: see `together`."""


def parse_condition(text: str) -> Condition:
    """The condition written as ``text``. Raises ValueError with what to write instead."""
    if text in ("present", "absent"):
        return Presence(text)
    if found := _COMPARISON.fullmatch(text.strip()):
        number = _decimal(found[2])
        if number is None:
            raise ValueError(
                f"'{found[1]}' compares with a number, like '{found[1]} 1000'; for text write a glob, "
                "or '!glob' for all that it does not match"
            )
        return Comparison(found[1], number)
    if text.startswith("!"):
        return Like(Glob.of(text[1:]), negated=True)
    return Like(Glob.of(text))


def together(conditions: Sequence[Condition]) -> tuple[Test, ...]:
    """Conditions of which one is enough, as `holds` takes them, with all their globs as one test."""
    globs = [one.glob for one in conditions if isinstance(one, Like) and not one.negated]
    if len(globs) < 2:
        return tuple(conditions)
    others = [one for one in conditions if not isinstance(one, Like) or one.negated]
    return (*others, LikeAny(AnyGlob(globs)))


class Scalars:
    """The scalars below values, and their texts as globs see them: found once, whatever number of conditions asks."""

    __slots__ = ("_below", "_folded", "reader")

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self._below: dict[int, tuple[Json, list[Json]]] = {}  # with the value, so that no other gets its id
        self._folded: dict[str, bytes] = {}

    def below(self, value: Json) -> list[Json]:
        """`leaves` of ``value``."""
        known = self._below.get(id(value))
        if known is None:
            known = self._below[id(value)] = value, list(leaves(value, self.reader))
        return known[1]

    def folded(self, text: str) -> bytes:
        """`fold` of ``text``."""
        known = self._folded.get(text)
        if known is None:
            known = self._folded[text] = fold(text)
        return known


def holds(conditions: Sequence[Test], values: Iterable[Json], scalars: Scalars, *, allow: bool = False) -> bool:
    """Whether any of ``conditions`` holds for the values found at a path, failing closed unless ``allow``."""
    found = [value for value in values if value is not None]
    if not found:
        return Presence.ABSENT in conditions
    if Presence.PRESENT in conditions:
        return True
    return (all if allow else any)(_meets(conditions, value, scalars, allow) for value in found)


def holds_scalar(conditions: Sequence[Condition], values: Iterable[Json], *, written: bool = False) -> bool:
    """As `holds` for a profile's ``when``: scalars as they stand, containers are only present."""
    found = [value for value in values if value is not None]
    for condition in conditions:  # dozens are tried on a record, and generators would be most of the time
        if isinstance(condition, Presence):
            if (condition is Presence.PRESENT) is bool(found):
                return True
        elif not found:
            if isinstance(condition, Like) and condition.negated:
                return True
        else:
            for value in found:
                if condition.meets(value, closed=False, written=written):
                    return True
    return False


def holds_unread(conditions: Sequence[Condition]) -> Callable[[str], bool]:
    """For parameters that are text where an object was expected: globs count anywhere, all else is met."""
    globs = [c.glob.anywhere() for c in conditions if isinstance(c, Like) and not c.negated]
    other = any(not isinstance(c, Like) or c.negated for c in conditions)
    return lambda text: other or any(glob.matches(text) for glob in globs)


def _meets(conditions: Sequence[Test], value: Json, scalars: Scalars, allow: bool) -> bool:
    tests = [c for c in conditions if not isinstance(c, Presence)]
    found = scalars.below(value) if not allow or isinstance(value, dict | list) else [value]
    if not found:  # an empty container: there is nothing to compare
        return not allow and any(isinstance(c, Comparison) for c in tests)
    folded = scalars.folded
    if allow:
        return all(any(c.meets(one, closed=False, written=True, folded=folded) for c in tests) for one in found)
    return any(c.meets(one, closed=True, folded=folded) for c in tests for one in found)


def _decimal(value: Json) -> Decimal | None:
    """A number, or a string that is one, as a decimal; None if it cannot be compared."""
    if not isinstance(value, str):
        return None
    if value in ("Infinity", "-Infinity"):
        return Decimal(value)
    if not _NUMBER.fullmatch(value):
        return None
    try:
        return Decimal(value.strip())
    except InvalidOperation:
        return None
