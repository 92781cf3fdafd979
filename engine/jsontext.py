"""JSON as bytes with places: where each scalar stands, and how to write into it without rewriting the rest.

The reader is a little more lenient than RFC 8259, so that what a lax producer wrote is still read as JSON: it
takes NaN and Infinity, raw control characters and unknown escapes in strings, lone surrogates, duplicate keys.
What it takes it never changes, except where something is redacted.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from typing import NamedTuple, Protocol

from detectors.errors import BudgetExceeded
from engine.escapes import unescape_bytes
from engine.native import compiled

_TOKEN = re.compile(
    rb'[ \t\r\n]*(?:"([^"\\]*(?:\\.[^"\\]*)*)"(?:[ \t\r\n]*(:))?|([{\[])|([}\]])|(,)'
    rb"|(-?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?|Infinity)|NaN|true|false|null))",
    re.DOTALL,
)
_STRING, _KEY, _OPEN, _CLOSE, _COMMA, _SCALAR = 1, 2, 3, 4, 5, 6  # the token's groups
_TO_VALUE = re.compile(rb"[ \t\r\n]*:[ \t\r\n]*")
_BLANK = re.compile(rb"[ \t\r\n]*\Z")
# What may come next.
_VALUE, _VALUE_OR_CLOSE, _KEY_ONLY, _KEY_OR_CLOSE, _AFTER = range(5)


class Step(NamedTuple):
    """One step of a path: a member's key (decoded) or an element's index, below its container."""

    parent: Step | None
    name: bytes | int

    def names(self) -> tuple[bytes | int, ...]:
        """The whole path, outermost first."""
        out = []
        step: Step | None = self
        while step is not None:
            out.append(step.name)
            step = step.parent
        return tuple(reversed(out))


class Scalar(NamedTuple):
    """A scalar or key of a document. ``start`` and ``end`` leave out a string's quotes."""

    kind: str  # "string", "number" (or true, false, null), "key"
    start: int
    end: int
    step: Step | None  # None for a document that is one scalar


class Place(NamedTuple):
    """A scalar or key that was looked for. ``start`` and ``end`` leave out a string's quotes."""

    kind: str  # "string", "number" (or true, false, null), "key"
    start: int
    end: int
    path: tuple[bytes | int, ...]  # outermost first; a key's ends with itself
    member: tuple[int, int] | None  # the member or element that it is the value of, quotes included; None for a key


class Document(NamedTuple):
    """A JSON document found in a text: its scalars in order, and where it ends."""

    start: int
    end: int
    scalars: list[Scalar]


def read(data: bytes, start: int, max_depth: int) -> Document | None:
    """The JSON document that starts at ``data[start]``; None if there is none.

    Raises BudgetExceeded("depth") where containers are nested deeper than ``max_depth``.
    """
    match = _TOKEN.match
    scalars: list[Scalar] = []
    add = scalars.append
    stack: list[tuple[Step | None, bool, int]] = []  # of the containers around: step, is it an object, index
    step: Step | None = None  # of the value that comes next
    outer: Step | None = None  # of the container we are in
    in_object, index = False, 0
    state, at = _VALUE, start
    while True:
        token = match(data, at)
        if token is None:
            return None
        at, kind = token.end(), token.lastindex
        if kind == _KEY:
            if state not in (_KEY_ONLY, _KEY_OR_CLOSE):
                return None
            low, high = token.span(1)
            key = data[low:high]
            step = Step(outer, unescape_bytes(key) if b"\\" in key else key)
            add(Scalar("key", low, high, step))
            state = _VALUE
            continue
        if kind == _COMMA:
            if state != _AFTER or not stack:
                return None
            if in_object:
                state = _KEY_ONLY
            else:
                index += 1
                step = Step(outer, index)
                state = _VALUE
            continue
        if kind == _OPEN:
            if state > _VALUE_OR_CLOSE:
                return None
            if len(stack) >= max_depth:
                raise BudgetExceeded("depth", max_depth)
            stack.append((outer, in_object, index))
            outer, in_object, index = step, data[at - 1] == 0x7B, 0
            state = _KEY_OR_CLOSE if in_object else _VALUE_OR_CLOSE
            step = None if in_object else Step(outer, 0)
            continue
        if kind == _CLOSE:
            closes_object = data[at - 1] == 0x7D
            if state not in (_AFTER, _KEY_OR_CLOSE if closes_object else _VALUE_OR_CLOSE):
                return None
            if not stack or closes_object != in_object:
                return None
            outer, in_object, index = stack.pop()
        else:
            if state > _VALUE_OR_CLOSE:
                return None
            low, high = token.span(kind)  # type: ignore[arg-type]  # a match has a group
            add(Scalar("string" if kind == _STRING else "number", low, high, step))
        if not stack:
            return Document(start, at, scalars)
        state = _AFTER


def read_all(data: bytes, max_depth: int) -> Document | None:
    """The document that ``data`` is, white space and a byte order mark aside; None if it is none."""
    document = read(data, after_mark(data), max_depth)
    return document if document is not None and is_end(data, document.end) else None


def is_end(data: bytes, at: int) -> bool:
    """Whether nothing but white space follows."""
    return _BLANK.match(data, at) is not None


def after_mark(data: bytes) -> int:
    """Where a document begins: behind a byte order mark."""
    return 3 if data.startswith(b"\xef\xbb\xbf") else 0


def locate_pure(
    data: bytes, start: int, max_depth: int, spans: Sequence[tuple[int, ...]], max_places: int = sys.maxsize, /
) -> tuple[int, list[Place]] | None:
    """Where the JSON document at ``data[start]`` ends, and which of its scalars and keys overlap one of ``spans``.

    Reads as `read` does, None included. ``spans`` are offsets in ``data``, [low, high), sorted by low; they may
    overlap. A string or key counts with its quotes. A span that touches a key, or what stands between it and its
    value, finds the scalars under that key too: its value, or what stands in it through arrays alone.

    Raises BudgetExceeded("depth") as `read` does, and BudgetExceeded("candidates") where there are more than
    ``max_places``: one key can name every scalar of a long list, each with its whole path.
    """
    document = read(data, start, max_depth)
    if document is None:
        return None
    places: list[Place] = []
    for place in _touched(data, document.scalars, spans):
        if len(places) >= max_places:
            raise BudgetExceeded("candidates", max_places)
        places.append(place)
    return document.end, places


class Locate(Protocol):
    """The type of `locate`."""

    def __call__(  # noqa: D102
        self,
        data: bytes,
        start: int,
        max_depth: int,
        spans: Sequence[tuple[int, ...]],
        max_places: int = sys.maxsize,
        /,
    ) -> tuple[int, list[Place]] | None: ...


locate: Locate = partial(compiled.locate, Place) if compiled else locate_pure


def locate_all(
    data: bytes, max_depth: int, spans: Sequence[tuple[int, ...]], max_places: int = sys.maxsize
) -> tuple[int, list[Place]] | None:
    """`locate` in the document that ``data`` is, white space and a byte order mark aside; None if it is none."""
    found = locate(data, after_mark(data), max_depth, spans, max_places)
    return found if found is not None and is_end(data, found[0]) else None


def _touched(data: bytes, scalars: list[Scalar], spans: Sequence[tuple[int, ...]]) -> Iterator[Place]:
    following, reach = 0, 0  # the first span that begins later, and how far those before it reach

    def touched(low: int, high: int) -> bool:  # asked with rising bounds
        nonlocal following, reach
        while following < len(spans) and spans[following][0] < high:
            reach = max(reach, spans[following][1])
            following += 1
        return reach > low

    named: set[int] = set()  # the keys that are touched, by their steps: a duplicate of one is another
    key_start, key_step = 0, None
    for kind, start, end, step in scalars:
        low, high = (start, end) if kind == "number" else (start - 1, end + 1)
        if kind == "key":
            key_start, key_step = low, step
            if touched(low, high):
                yield Place(kind, start, end, step.names() if step else (), None)
            to_value = _TO_VALUE.match(data, high)
            if to_value and touched(low, to_value.end()):
                named.add(id(step))
            continue
        key = step
        while key is not None and isinstance(key.name, int):
            key = key.parent
        if touched(low, high) or id(key) in named:
            member = None if step is None else (key_start if step is key_step else low, high)
            yield Place(kind, start, end, step.names() if step else (), member)


_TO_COMMA = re.compile(rb"[ \t\r\n]*,[ \t\r\n]*")
_FROM_COMMA = re.compile(rb"[ \t\r\n]*,[ \t\r\n]*\Z")


def without(data: bytes, members: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The stretches of ``data`` to cut so that these members or elements go and what stays is valid.

    ``members`` are their spans, a member's from its key's opening quote. One comma goes with each.
    """
    runs: list[tuple[int, int]] = []
    for start, end in sorted(members):
        if runs and _TO_COMMA.fullmatch(data, runs[-1][1], start):
            runs[-1] = runs[-1][0], end
        else:
            runs.append((start, end))
    cuts = []
    for start, end in runs:
        after = _TO_COMMA.match(data, end)
        before = None if after else _FROM_COMMA.search(data, max(0, start - 4096), start)
        cuts.append((before.start() if before else start, after.end() if after else end))
    return cuts
