"""Texts that a pattern matches, made by chance from its syntax tree."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from random import Random
from re import _constants as sre  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

_MORE = 3  # of what may be repeated, beyond what must be
_USUAL = b" abzABZ0189_-.,;:=/\"'()@\n"
_CATEGORIES = {
    category: [byte for byte in range(128) if re.match(pattern, chr(byte))]
    for category, pattern in {
        sre.CATEGORY_DIGIT: r"\d",
        sre.CATEGORY_NOT_DIGIT: r"\D",
        sre.CATEGORY_SPACE: r"[ \t\n]",
        sre.CATEGORY_NOT_SPACE: r"\S",
        sre.CATEGORY_WORD: r"\w",
        sre.CATEGORY_NOT_WORD: r"\W",
    }.items()
}
_parsed = cache(parser.parse)


def matching(pattern: str, rng: Random, *, fold: bool = False) -> bytes:
    """A text that ``pattern`` matches, but for what it asserts of what stands around it; with ``fold``, in any case."""
    tree = _parsed(pattern)
    return _sequence(tree, rng, fold or bool(tree.state.flags & sre.SRE_FLAG_IGNORECASE))


def _sequence(items: Iterable[tuple[Any, Any]], rng: Random, fold: bool) -> bytes:
    return b"".join(_one(op, arg, rng, fold) for op, arg in items)


def _one(op: Any, arg: Any, rng: Random, fold: bool) -> bytes:
    if op is sre.AT:
        return b""
    if op is sre.BRANCH:
        return _sequence(rng.choice(arg[1]), rng, fold)
    if op is sre.SUBPATTERN:
        _, add, remove, inner = arg
        return _sequence(inner, rng, (fold or bool(add & sre.SRE_FLAG_IGNORECASE)) and not remove)
    if op in (sre.MAX_REPEAT, sre.MIN_REPEAT):
        least, most, inner = arg
        count = rng.choice((least, rng.randint(least, min(most, least + _MORE))))
        return b"".join(_sequence(inner, rng, fold) for _ in range(count))
    byte = bytes([rng.choice(_bytes(op, arg))])
    return byte.swapcase() if fold and rng.random() < 0.5 else byte


def _bytes(op: Any, arg: Any) -> list[int]:
    """The bytes that one node matches, of negated sets the usual ones."""
    if op is sre.LITERAL:
        return [arg & 0xFF]
    if op is sre.ANY:
        return list(b"aZ1 -")
    if op is sre.NOT_LITERAL:
        return [byte for byte in _USUAL if byte != arg]
    if op is sre.RANGE:
        return list(range(arg[0], arg[1] + 1))
    if op is sre.CATEGORY:
        return _CATEGORIES[arg]
    negated = arg[0][0] is sre.NEGATE
    found = [byte for one in arg[negated:] for byte in _bytes(*one)]
    if not negated:
        return found
    return [byte for byte in _USUAL if byte not in found] or [byte for byte in range(256) if byte not in found]
