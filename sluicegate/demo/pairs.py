"""A record before and after, laid side by side: where it was redacted, and the part around that. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

_PLACEHOLDER = re.compile(r"\[[A-Z][A-Z0-9_]*\]|%5B[A-Z][A-Z0-9_]*%5D")  # the latter in a URL
Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Pair:
    """One record as it came and as it went. The spans are of what was redacted, one for one."""

    before: str
    after: str
    before_spans: tuple[Span, ...]
    after_spans: tuple[Span, ...]


def align(before: str, after: str) -> Pair | None:
    """The spans that were redacted; None if nothing was, or if the two cannot be laid side by side.

    What stands between two placeholders is the same on both sides, but for quotes: a redacted number becomes
    a string.
    """
    holes = list(_PLACEHOLDER.finditer(after))
    if not holes:
        return None
    pattern, at = [], 0
    for hole in holes:
        pattern += [_literal(after[at : hole.start()], first=not at), "(.+?)"]
        at = hole.end()
    pattern.append(_literal(after[at:], first=False, last=True))
    match = re.fullmatch("".join(pattern), before, re.DOTALL)
    if match is None:
        return None
    there = [number for number in range(1, len(holes) + 1) if match[number] != holes[number - 1].group()]
    if not there:
        return None
    return Pair(
        before,
        after,
        tuple(match.span(number) for number in there),
        tuple(holes[number - 1].span() for number in there),
    )


def _literal(text: str, *, first: bool, last: bool = False) -> str:
    opens = "" if first or not text.startswith('"') else '"?'
    closes = "" if last or not text.endswith('"') or (opens and len(text) == 1) else '"?'
    return opens + re.escape(text[1 if opens else 0 : len(text) - 1 if closes else len(text)]) + closes


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of a record, and whether it is, or was, redacted."""

    text: str
    redacted: bool


def excerpt(text: str, spans: Sequence[Span], *, width: int, lead: int = 24) -> list[Piece]:
    """About ``width`` characters of ``text`` from shortly before the first span, with an ellipsis where it is cut."""
    start = max(0, spans[0][0] - lead)
    if len(text) - start < width:  # then there is room for more before it
        start = max(0, len(text) - width)
    end = min(len(text), start + width)
    pieces = [Piece("…", redacted=False)] if start else []
    at = start
    for left, right in spans:
        if left >= end:
            break
        pieces += [Piece(text[at:left], redacted=False), Piece(text[left : min(right, end)], redacted=True)]
        at = min(right, end)
    pieces.append(Piece(text[at:end], redacted=False))
    if end < len(text):
        pieces.append(Piece("…", redacted=False))
    return [piece for piece in pieces if piece.text]
