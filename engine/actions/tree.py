"""JSON bytes as trees that keep numbers as written, and both readings of an object with duplicate keys."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from detectors.errors import BudgetExceeded
from engine.actions.model import Json, Number

MAX_DEPTH = 128  # containers inside containers
MAX_LAYERS = 6  # JSON inside a string inside JSON
_BOM = b"\xef\xbb\xbf"
_BLANK = " \t\r\n"
_OPENING = ("{", "[", '"')
_Pairs = list[tuple[str, Json]]


@dataclass(frozen=True, slots=True)
class Trees:
    """What the bytes can mean: in ``last`` the last of duplicate keys wins, in ``first`` the first.

    ``first`` is None without duplicate keys, since the two are then the same.
    """

    last: Json
    first: Json = None
    ambiguous: bool = False

    def __repr__(self) -> str:  # never a raw value
        return f"Trees(ambiguous={self.ambiguous})"

    def readings(self) -> tuple[Json, ...]:
        """Each tree that differs: one, or two when keys repeat."""
        return (self.last, self.first) if self.ambiguous else (self.last,)


def parse(data: bytes, *, max_depth: int = MAX_DEPTH) -> Trees:
    """``data`` as trees; a byte order mark is skipped and lone surrogates survive.

    Raises ValueError (whose message holds nothing of the data) if it is not JSON in UTF-8, and
    BudgetExceeded("depth") if containers are nested deeper than ``max_depth``.
    """
    text: str | None = None
    with suppress(UnicodeDecodeError):  # it carries the document, and would stay attached as context
        text = data.removeprefix(_BOM).decode("utf-8", "surrogatepass")
    if text is None:
        raise ValueError("not UTF-8")
    return parse_text(text, max_depth=max_depth)


def parse_text(text: str, *, max_depth: int = MAX_DEPTH) -> Trees:
    """As `parse`, for text that is decoded already."""
    try:
        return Trees(_load(text, _UNREPEATED, max_depth))
    except _RepeatedKey:
        pass  # few documents have any, so only these are read by both readings
    return Trees(_load(text, _LAST, max_depth), _load(text, _FIRST, max_depth), ambiguous=True)


class _RepeatedKey(Exception):
    """An object has a key twice."""


def _unrepeated(pairs: _Pairs) -> Json:
    tree = dict(pairs)
    if len(tree) != len(pairs):
        raise _RepeatedKey
    return tree


def _first_wins(pairs: _Pairs) -> Json:
    tree: dict[str, Json] = {}
    for key, value in pairs:
        tree.setdefault(key, value)
    return tree


def _decoder(pairs: Callable[[_Pairs], Json]) -> json.JSONDecoder:
    return json.JSONDecoder(parse_int=Number, parse_float=Number, parse_constant=Number, object_pairs_hook=pairs)


_UNREPEATED, _LAST, _FIRST = _decoder(_unrepeated), _decoder(dict), _decoder(_first_wins)


def _load(text: str, decoder: json.JSONDecoder, max_depth: int) -> Json:
    problem: Exception | None = None
    tree: Json = None
    try:
        tree = decoder.decode(text)
    except RecursionError:
        problem = BudgetExceeded("depth", max_depth)
    except ValueError:
        problem = ValueError("not JSON")
    if problem is not None:  # outside of the handler, so that the parser's error (it holds the text) is gone
        raise problem
    if text.count("{") + text.count("[") > max_depth:
        _check_depth(tree, max_depth)
    return tree


def _check_depth(tree: Json, max_depth: int) -> None:
    level: list[Json] = [tree]
    depth = 0
    while level := [item for item in level if isinstance(item, dict | list) and item]:
        depth += 1
        if depth > max_depth:
            raise BudgetExceeded("depth", max_depth)
        level = [child for item in level for child in (item.values() if isinstance(item, dict) else item)]


class Reader:
    """Reads JSON that stands in strings, under one of the two readings of duplicate keys.

    ``ambiguous`` becomes true once a string had duplicate keys: then the other reading counts too.
    """

    __slots__ = ("_known", "ambiguous", "first")

    def __init__(self, *, first: bool = False) -> None:
        self.first = first
        self.ambiguous = False
        self._known: dict[str, dict[str, Json] | list[Json] | None] = {}

    def inside(self, text: str) -> dict[str, Json] | list[Json] | None:
        """The object or array that ``text`` holds, also when it was encoded more than once; else None.

        Raises BudgetExceeded for "depth" and for "layers".
        """
        if not text.lstrip(_BLANK).startswith(_OPENING):
            return None
        if text not in self._known:  # each profile and rule asks about the same strings
            self._known[text] = self._read(text)
        return self._known[text]

    def _read(self, text: str) -> dict[str, Json] | list[Json] | None:
        for _ in range(MAX_LAYERS):
            if not text.lstrip(_BLANK).startswith(_OPENING):
                return None
            try:
                trees = parse_text(text)
            except ValueError:
                return None
            self.ambiguous = self.ambiguous or trees.ambiguous
            tree = trees.first if self.first and trees.ambiguous else trees.last
            if isinstance(tree, dict | list):
                return tree
            if not isinstance(tree, str):
                return None
            text = tree
        raise BudgetExceeded("layers", MAX_LAYERS)
