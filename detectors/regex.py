"""google-re2 over bytes, in linear time, and past its wrapper: Python's part of it costs as much as the search."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import re2


def byte_regex(pattern: str) -> Any:
    """``pattern`` compiled by google-re2 over bytes. Raises ValueError."""
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    options.log_errors = False
    try:
        return re2.compile(pattern.encode("ascii"), options)
    except UnicodeEncodeError:
        raise ValueError("has a character beyond ASCII; patterns are byte patterns") from None
    except re2.error as error:
        reason = error.args[0].decode(errors="replace") if error.args else "not valid"
        raise ValueError(f"not a linear-time regular expression: {reason}") from None


Search = Callable[[bytes, int, int], Sequence[tuple[int, int]]]
"""The first match in ``text[pos:end]``: its span and those of its groups, (-1, -1) for none."""


def search_of(regex: Any) -> Search:
    """The search that google-re2 has in C++: the Python around it costs as much again, and makes an object of each."""
    inner = getattr(regex, "_regexp", None)
    if inner is not None and hasattr(inner, "Match"):
        return partial(inner.Match, _ANYWHERE)

    def search(text: bytes, pos: int, end: int) -> Sequence[tuple[int, int]]:
        match = regex.search(text, pos, end)
        return [(-1, -1)] if match is None else [match.span(group) for group in range(regex.groups + 1)]

    return search


_ANYWHERE, _WHOLE = re2._Anchor.UNANCHORED, re2._Anchor.ANCHOR_BOTH


def teller(regex: Any, *, whole: bool = False) -> Callable[[bytes], bool]:
    """Tells whether ``regex`` matches somewhere in a text, or all of it: past the wrapper, as `search_of`."""
    anchor = _WHOLE if whole else _ANYWHERE
    inner = getattr(regex, "_regexp", None)
    if inner is not None and hasattr(inner, "Match"):
        match = inner.Match
        return lambda text: match(anchor, text, 0, len(text))[0][0] >= 0
    test = regex.fullmatch if whole else regex.search
    return lambda text: test(text) is not None
