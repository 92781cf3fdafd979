"""Which scalars of a JSON document rules have to read: those that a place touches, and those that hold other text.

`engine.jsontext.locate` finds the scalars; here each gets its raw form, its key and the rules whose places touch it.
The compiled helper does both in one walk.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Protocol

from detectors.anchors import Span
from engine.jsontext import after_mark, is_end, locate_pure
from engine.layers.characters import plain_key
from engine.native import compiled

_KNOWN = 4096  # of a detector, at most
_BRACE, _BRACKET = b"{["  # as numbers, see `engine.escapes.BACKSLASH`
_LONG = 256  # bytes; longer names seldom come twice

Touched = tuple[str, int, bytes, tuple[bytes | int, ...], tuple[int, int] | None, bytes, frozenset[int]]
"""A scalar or key: its kind, where it begins, its raw form, its path below the text, its member or element (see
`engine.jsontext.Place`), the key that rules read it under, and the rules that do."""


class Reads(Protocol):
    """A rule, as far as it matters here."""

    def reads(self, key: bytes, /) -> bool:
        """Whether it reads what stands under ``key`` at all."""
        ...


class Readers(dict[tuple[frozenset[int], bytes], tuple[frozenset[int], bytes]]):
    """From rules and the name of a member to the rules that read what stands under it, and the key they see.

    Numbers below 0 are marks in place of rules, and stay.
    """

    def __init__(self, rules: Sequence[Reads]) -> None:
        super().__init__()
        self._rules = rules

    def __repr__(self) -> str:  # never the names
        return f"Readers({len(self)} known)"

    def __missing__(self, pair: tuple[frozenset[int], bytes]) -> tuple[frozenset[int], bytes]:
        """Works it out, and keeps it: both come again and again."""
        rules, name = pair
        key = plain_key(name)
        found = frozenset([rule for rule in rules if rule < 0 or self._rules[rule].reads(key)]), key
        if len(self) >= _KNOWN:
            self.clear()
        if len(name) <= _LONG:
            self[pair] = found
        return found


Touching = Callable[
    [Readers, bytes, int, int, Sequence[Span], int, Collection[int], bytes, bool], tuple[int, list[Touched]] | None
]
"""From `Readers`, a text, the offset of a document in it, the depth that it may have, the spans of rules, the scalars
that they may touch, the rules on keys, the name of the member that the text is, and whether what may hold a document
counts though nothing touches it, to where the document ends, and the scalars and keys in it that rules read; None if
there is no document. Raises BudgetExceeded, as `locate` does."""


def touched_pure(
    readers: Readers,
    text: bytes,
    start: int,
    max_depth: int,
    spans: Sequence[Span],
    max_places: int,
    by_key: Collection[int],
    above: bytes,
    untouched: bool,
    /,
) -> tuple[int, list[Touched]] | None:
    """The reference of `Touching`."""
    located = locate_pure(text, start, max_depth, spans, max_places)
    if located is None:
        return None
    everywhere = frozenset([rule for _, _, rule in spans if rule in by_key])  # a place in a key is for what is under it
    following, count, near = 0, len(spans), list[Span]()
    found: list[Touched] = []
    for kind, low, high, path, member in located[1]:
        while following < count and spans[following][0] <= high:
            near.append(spans[following])
            following += 1
        near = [span for span in near if span[1] >= low]
        rules = everywhere.union([rule for _, _, rule in near])
        rules, key = readers[rules, b"" if kind == "key" else last_name(path, above)]
        raw = text[low:high]
        if (rules and raw) or ((near or untouched) and kind != "number" and holds_more(raw)):
            found.append((kind, low, raw, path, member, key, rules))
    return located[0], found


def completed(inner: Callable[..., tuple[int, list[Touched]] | None]) -> Touching:
    """The compiled helper's function, and `touched_pure` where it does not go: for more rules than bits in a word."""

    def touched(
        readers: Readers,
        text: bytes,
        start: int,
        max_depth: int,
        spans: Sequence[Span],
        max_places: int,
        by_key: Collection[int],
        above: bytes,
        untouched: bool,
        /,
    ) -> tuple[int, list[Touched]] | None:  # each by its name: to gather and spread them takes as long as the call
        found = inner(readers, text, start, max_depth, spans, max_places, by_key, above, untouched)
        if found is NotImplemented:
            return touched_pure(readers, text, start, max_depth, spans, max_places, by_key, above, untouched)
        return found

    return touched


touched: Touching = completed(compiled.touched) if compiled else touched_pure


def touched_all(
    readers: Readers,
    text: bytes,
    max_depth: int,
    spans: Sequence[Span],
    max_places: int,
    by_key: Collection[int],
    *,
    untouched: bool,
) -> list[Touched] | None:
    """`touched` in the document that ``text`` is, white space and a byte order mark aside; None if it is none."""
    start = 0 if text[:1] == b"{" else after_mark(text)
    found = touched(readers, text, start, max_depth, spans, max_places, by_key, b"", untouched)
    if found is None or (found[0] != len(text) and not is_end(text, found[0])):
        return None
    return found[1]


def holds_more(raw: bytes) -> bool:
    """Whether there may be a document in it."""
    return _BRACE in raw or _BRACKET in raw


def last_name(path: Sequence[bytes | int], above: bytes) -> bytes:
    """The name of the member that something at ``path`` stands in; ``above`` if there is none in it."""
    for name in reversed(path):
        if isinstance(name, bytes):
            return name
    return above
