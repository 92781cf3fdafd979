"""A long text as short ones: lines, and sentences within them.

A name hardly ever stands across lines or sentences, short texts that come again can be kept in mind, and of a long
message only the sentences that could hold a name need a model. What has no such ends is cut into windows that overlap.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

LONGEST = 320  # characters of a segment
OVERLAP = 64  # characters that a window shares with the one before
LONGEST_WORD = 40
NEAR = 44  # characters: more than a name and the four tokens beside it that the shipped model sees
SHORT = 60  # a line that is shorter is read together with its neighbours, up to so many characters in all

_ENDS = re.compile(
    r"\n+|(?<=[.!?])[ \t]+(?=[\"'“(\[*A-ZÀ-Þ])"
    r"(?<!\b[A-Z]\. )(?<!Mr\. )(?<!Dr\. )(?<!Ms\. )(?<!Mrs\. )(?<!Prof\. )(?<!St\. )"
)


class Segment(NamedTuple):
    """The part of a text from ``start`` to ``end``; names that begin before ``since`` or from ``until`` on belong to
    the windows beside it.
    """

    start: int
    end: int
    since: int
    until: int


def segments(text: str) -> Iterator[Segment]:
    """The parts of ``text``, in order; offsets are code points."""
    begin = at = 0
    for match in _ENDS.finditer(text):
        start, end = match.span()
        if end - begin <= SHORT or (end - at <= SHORT and start - begin <= LONGEST // 2):
            at = end
            continue
        yield from _windows(text, begin, start)
        begin = at = end
    if begin < len(text):
        yield from _windows(text, begin, len(text))


def around(text: str, spots: Iterable[tuple[int, int]]) -> Iterator[Segment]:
    """The parts of ``text`` around ``spots``, in order of which these come, with `NEAR` characters on either side."""
    begin = end = 0
    for first, last in spots:
        low = 0 if first <= NEAR else _between(text, first - NEAR)
        high = len(text) if last + NEAR >= len(text) else _between(text, last + NEAR)
        if low > end:
            if end > begin:
                yield from _windows(text, begin, end)
            begin = low
        end = max(end, high)
    if end > begin:
        yield from _windows(text, begin, end)


def _windows(text: str, start: int, end: int) -> Iterator[Segment]:
    since = start
    while end - start > LONGEST:
        stop = _between(text, start + LONGEST)
        following = _between(text, stop - OVERLAP)
        until = (following + stop) // 2
        yield Segment(start, stop, since, until)
        start, since = following, until
    yield Segment(start, end, since, end)


def _between(text: str, at: int) -> int:
    """The end of the last space before ``at``, or ``at`` where words are very long."""
    return text.rfind(" ", max(0, at - LONGEST_WORD), at) + 1 or at
