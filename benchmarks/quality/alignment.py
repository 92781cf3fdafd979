"""What a redactor replaced, told from the text that went in and the text that came out.

So all tools are judged alike, whatever they say of their findings. Where the output is the input with placeholders
in it (``[KIND]``, ``{{KIND}}``, a row of asterisks), what stands between them is looked up in the input, in order.
Where it is not, because a value went without a trace or was encoded again, both texts are cut into words, spaces and
signs; where they part, the shortest way back together is looked for (a redactor keeps order). Within a stretch that
differs the longest common runs are kept (`difflib`), and each replacement is trimmed by what is equal at its ends.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from itertools import accumulate
from typing import NamedTuple

TOGETHER = 6  # tokens in a row that say that both texts are at the same place again
SMALL = 40_000  # product of token counts up to which difflib looks inside a stretch

_PLACEHOLDER = re.compile(r"(\[[A-Za-z@][\w .:@-]*\]|\{\{[A-Z_]+\}\}|\*{3,})")
_TOKEN = re.compile(r"\w+|\s+|.", re.DOTALL)


class Edit(NamedTuple):
    """``before[start:end]`` became ``new``. Offsets are code points."""

    start: int
    end: int
    new: str


def edits(before: str, after: str) -> list[Edit]:
    """The replacements that make ``after`` of ``before``, in order."""
    if before == after:
        return []
    if (found := _by_placeholders(before, after)) is not None:
        return found
    a, b = _TOKEN.findall(before), _TOKEN.findall(after)
    starts = [0, *accumulate(map(len, a))]
    out = []
    for i, j, m, n in _stretches(a, b):
        for i1, i2, j1, j2 in _inside(a[i:j], b[m:n]):
            edit = _trimmed(before, starts[i + i1], starts[i + i2], "".join(b[m + j1 : m + j2]))
            out.append(edit)
    return out


def _by_placeholders(before: str, after: str) -> list[Edit] | None:
    """The shortest values that placeholders may stand for; None if the rest of the texts differs, too."""
    first, *rest = _PLACEHOLDER.split(after)
    if not rest or not before.startswith(first):
        return None
    at = len(first)
    out: list[Edit] = []
    for new, text in zip(rest[::2], rest[1::2], strict=True):
        last = len(out) == len(rest) // 2 - 1
        if not last and before.startswith(new + text, at):  # it was there before
            end = at + len(new)
        else:
            end = len(before) - len(text) if last else before.find(text, at + 1) if text else at + 1
        if end <= at or not before.startswith(text, end):
            return None
        out.append(Edit(at, end, new))
        at = end + len(text)
    return [edit for edit in out if before[edit.start : edit.end] != edit.new]


def _stretches(a: Sequence[str], b: Sequence[str]) -> Iterator[tuple[int, int, int, int]]:
    """Where the token lists differ: ``a[i:j]`` became ``b[m:n]``."""
    end: list[str | None] = [None] * TOGETHER
    left, right = [*a, *end], [*b, *end]
    places = defaultdict(list)
    for n in range(len(b) + 1):
        places[tuple(right[n : n + TOGETHER])].append(n)
    i = j = 0
    while True:
        while i < len(a) and left[i] == right[j]:
            i, j = i + 1, j + 1
        if i == len(a) and j == len(b):
            return
        skip_a, skip_b = _back_together(left, places, i, j, len(a) - i, len(b) - j)
        yield i, i + skip_a, j, j + skip_b
        i, j = i + skip_a, j + skip_b


def _back_together(
    left: Sequence[str | None],
    places: dict[tuple[str | None, ...], list[int]],
    i: int,
    j: int,
    most_a: int,
    most_b: int,
) -> tuple[int, int]:
    """How many tokens to skip in each text until both go on alike, as few as possible in all. A redactor replaces:
    only where nothing was, it puts something in between.
    """
    best = (most_a + most_b, most_a, most_b)
    for skip in range(min(1, most_a), most_a + 1):
        if skip >= best[0]:
            break
        where = places.get(tuple(left[i + skip : i + skip + TOGETHER]), ())
        at = bisect_left(where, j)
        if at < len(where):
            best = min(best, (skip + where[at] - j, skip, where[at] - j))
    return best[1], best[2]


def _inside(a: Sequence[str], b: Sequence[str]) -> list[tuple[int, int, int, int]]:
    if len(a) * len(b) > SMALL:
        return [(0, len(a), 0, len(b))]
    codes = SequenceMatcher(None, a, b, autojunk=False).get_opcodes()
    if any(op == "insert" for op, *_ in codes):  # it took one part for another that reads the same
        return [(0, len(a), 0, len(b))]
    out: list[tuple[int, int, int, int]] = []
    for op, i1, i2, j1, j2 in codes:
        if op == "equal":
            continue
        if out and not any(token[0].isalnum() for token in a[out[-1][1] : i1]):  # a sign alone keeps nothing apart
            out[-1] = (out[-1][0], i2, out[-1][2], j2)
        else:
            out.append((i1, i2, j1, j2))
    return out


def _trimmed(before: str, start: int, end: int, new: str) -> Edit:
    old = before[start:end]
    head = _alike(old, new)
    tail = _alike(old[head:][::-1], new[head:][::-1])
    return Edit(start + head, end - tail, new[head : len(new) - tail])


def _alike(one: str, other: str) -> int:
    """How many characters both begin with alike."""
    return next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
