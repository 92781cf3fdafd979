r"""Anchors: a few bytes that stand wherever a pattern finds something, looked for in all rules at once.

``[\w.]+@[\w-]+\.\w+`` cannot match without a sign, an ``@`` and a sign in a row; that is its anchor: a sequence of
sets of bytes. Anchors tell which scalars of a record a rule has to read at all. A record has some hundred bytes and a
few rules whose gate hits, and one pass over the bytes finds the anchors of all of them: the bit-parallel Shift-And
of Baeza-Yates and Gonnet (A new approach to text searching, CACM 35(10), 1992), a bit for each set.

An anchor holds in raw, still escaped bytes too: it has no byte that JSON may escape (the gate form's proviso on
``\uXXXX`` holds here as well), so the bytes that are a row in the text are one where it is written.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache, reduce
from itertools import takewhile, zip_longest
from operator import or_
from re import _constants as sre  # type: ignore[attr-defined]
from typing import NamedTuple

from detectors.gateform import ESCAPED, Node, byte_set, finding, parsed

Anchor = tuple[frozenset[int], ...]
"""Sets of bytes, one for each byte of a row."""
Span = tuple[int, int, int]  # start, end, rule

LONGEST = 9  # sets in an anchor
MOST = 24  # anchors of a rule
RARE = 2e-3  # of the places in a text, an anchor may stand at so many: a more frequent one is of no use
ENOUGH = 1e-8  # rarer than that brings nothing more
_WORD = 64
_ALL = (1 << _WORD) - 1
_FREQUENT = {**dict.fromkeys(b"0123456789", 0.015), **dict.fromkeys(b"abcdefghijklmnopqrstuvwxyz", 0.022)}
_FREQUENT |= {**dict.fromkeys(b"etaoinsr", 0.04), 0x20: 0.05, **dict.fromkeys(b"-_.:,", 0.015), 0x22: 0.08}
_FREQUENT |= {0x40: 0.0005}
_SELDOM = 0.003
_BROKEN = 1 << 256  # among bytes: one that JSON may escape, or none that is known
_ENDLESS = 1 << 30
_CANNOT = frozenset(map(ord, ESCAPED)) | frozenset(range(0x20))


def anchors_of(pattern: str, *, fold: bool = False) -> tuple[Anchor, ...]:
    """Anchors of which each text that ``pattern`` finds something in holds one; none if there are no good ones.

    With ``fold``, the pattern does not tell upper from lower case. Raises ValueError for what is no pattern.
    """
    tree = parsed(pattern)
    fold = fold or bool(tree.state.flags & sre.SRE_FLAG_IGNORECASE)
    best = _sequence(finding(tree), fold).best
    return best if best and _share(best) <= RARE else ()


class _Part(NamedTuple):
    """What is known of a part of a pattern: the texts that it matches have ``least`` to ``most`` bytes.

    ``front`` has, for each offset from the start, the bytes that may stand there in those that are so long, as the bits
    of a number; ``back`` the same from the end. Each match holds one of the anchors of ``best``, where there are any.
    """

    least: int
    most: int
    front: tuple[int, ...]
    back: tuple[int, ...]
    best: tuple[Anchor, ...]


_EMPTY = _Part(0, 0, (), (), ())


def _sequence(items: Iterable[Node], fold: bool) -> _Part:
    parts = list(_parts(items, fold))
    fronts, backs = [_EMPTY], [_EMPTY]  # the parts from here on, and those up to here
    for part in reversed(parts):
        fronts.append(_joined(part, fronts[-1]))
    for part in parts:
        backs.append(_joined(backs[-1], part))
    rows = [_row(before, after) for before, after in zip(backs, reversed(fronts), strict=True)]
    return backs[-1]._replace(best=_better(*(part.best for part in parts), *rows))


def _parts(items: Iterable[Node], fold: bool) -> Iterator[_Part]:
    for op, arg in items:
        if op is sre.AT:
            continue
        if op is sre.SUBPATTERN:
            _, add, remove, inner = arg
            folds = (fold or bool(add & sre.SRE_FLAG_IGNORECASE)) and not remove & sre.SRE_FLAG_IGNORECASE
            yield from _parts(inner, folds)
        elif op is sre.BRANCH:
            yield _branches([_sequence(branch, fold) for branch in arg[1]])
        elif op in (sre.MAX_REPEAT, sre.MIN_REPEAT):
            yield from _repeated(arg, fold)
        else:
            yield _byte((op, arg), fold)


def _byte(node: Node, fold: bool) -> _Part:
    may = byte_set(node)
    if fold:
        may |= frozenset(byte ^ 0x20 for byte in may if chr(byte).isalpha())  # Latin-1, as google-re2 reads bytes
    bits = sum(1 << byte for byte in may) | (_BROKEN if may & _CANNOT else 0)
    return _Part(1, 1, (bits,), (bits,), ())


def _joined(one: _Part, two: _Part) -> _Part:
    return _Part(
        one.least + two.least,
        one.most + two.most,
        _after(one, one.front, two.front),
        _after(two, two.back, one.back),
        (),
    )


def _after(first: _Part, near: tuple[int, ...], far: tuple[int, ...]) -> tuple[int, ...]:
    """By offset: what stands ``near`` in the texts of ``first``, and what stands ``far``, behind them."""
    out = []
    for at in range(min(first.most + len(far), LONGEST)):
        bits = near[at] if at < len(near) else 0
        for length in range(max(first.least, at - len(far) + 1), min(first.most, at) + 1):
            bits |= far[at - length]
        out.append(bits)
    return tuple(out)


def _branches(ways: Sequence[_Part]) -> _Part:
    best: tuple[Anchor, ...] = ()
    if all(way.best for way in ways):
        best = tuple(dict.fromkeys(anchor for way in ways for anchor in way.best))
    return _Part(
        min(way.least for way in ways),
        max(way.most for way in ways),
        _either([way.front for way in ways]),
        _either([way.back for way in ways]),
        best,
    )


def _either(rows: Iterable[tuple[int, ...]]) -> tuple[int, ...]:
    return tuple(reduce(or_, column) for column in zip_longest(*rows, fillvalue=0))


def _repeated(repeat: tuple[int, int, Iterable[Node]], fold: bool) -> Iterator[_Part]:
    least, most, items = repeat
    one = _sequence(items, fold)
    must, may = min(least, LONGEST), min(most, LONGEST)
    for _ in range(must):
        yield one
    optional = one._replace(least=0, best=())
    for _ in range(may - must):
        yield optional
    if most > LONGEST:  # there may be any number more
        bits = reduce(or_, one.front + one.back, 0) if one.most <= LONGEST else _BROKEN
        yield _Part(0, _ENDLESS, (bits,) * LONGEST, (bits,) * LONGEST, ())


def _row(before: _Part, after: _Part) -> tuple[Anchor, ...]:
    """The best anchor among the bytes around a border: the rarest, and no longer than it has to be for that."""
    left = list(takewhile(_whole, before.back[: before.least]))
    row = tuple(_set(bits) for bits in (*reversed(left), *takewhile(_whole, after.front[: after.least])))
    if not row:
        return ()
    size = min(len(row), LONGEST)
    best = min((row[at : at + size] for at in range(len(row) - size + 1)), key=lambda part: _share((part,)))
    while len(best) > 1 and _share((best[:-1],)) <= ENOUGH:
        best = best[:-1]
    return (best,)


def _whole(bits: int) -> bool:
    return not bits & _BROKEN


@cache
def _set(bits: int) -> frozenset[int]:
    return frozenset(byte for byte in range(256) if bits >> byte & 1)


def _better(*choices: tuple[Anchor, ...]) -> tuple[Anchor, ...]:
    given = [choice for choice in choices if choice and len(choice) <= MOST]
    return min(given, key=lambda choice: (max(_share(choice), ENOUGH), sum(map(len, choice))), default=())


def _share(anchors: Iterable[Anchor]) -> float:
    """At what share of the places in a text one of these stands, roughly; like follows like more often than not."""
    total = 0.0
    for anchor in anchors:
        share, before = 1.0, frozenset[int]()
        for bytes_ in anchor:
            one = min(1.0, frequency(bytes_))
            share *= one**0.4 if bytes_ & before else one
            before = bytes_
        total += share
    return total


@cache
def frequency(bytes_: frozenset[int]) -> float:
    """What share of a text's bytes is one of these, roughly."""
    return sum(_FREQUENT.get(byte, _SELDOM) for byte in bytes_)


class Table(NamedTuple):
    """The anchors of some rules, as `scan` reads them.

    ``masks`` are 64-bit words of the machine, ``words`` for each of: the 256 bytes (the sets that hold the byte), the
    first sets of the anchors, their last ones. ``owners`` has the rule of each bit that is a last one, else -1.
    """

    words: int
    masks: bytes
    owners: tuple[int, ...]


def table(anchors: Mapping[int, Sequence[Anchor]]) -> Table:
    """The table for rules and their anchors. No anchor crosses a word."""
    rows = [(rule, anchor) for rule, some in anchors.items() for anchor in some]
    places, at = [], 0
    for _, anchor in rows:
        if at % _WORD + len(anchor) > _WORD:
            at += _WORD - at % _WORD
        places.append(at)
        at += len(anchor)
    words = max(1, -(-at // _WORD))
    values, owners = [0] * 258, [-1] * (words * _WORD)
    for (rule, anchor), first in zip(rows, places, strict=True):
        for bit, bytes_ in enumerate(anchor, first):
            for byte in bytes_:
                values[byte] |= 1 << bit
        values[256] |= 1 << first
        values[257] |= 1 << first + len(anchor) - 1
        owners[first + len(anchor) - 1] = rule
    parts = [value >> at & _ALL for value in values for at in range(0, words * _WORD, _WORD)]
    return Table(words, b"".join(part.to_bytes(8, sys.byteorder) for part in parts), tuple(owners))


Scan = Callable[[bytes, int, bytes, tuple[int, ...], int], list[Span] | None]
"""From data, the parts of a `Table` and the most that may be found, to where anchors end; None if there are more.

A span is [start, end) of the last bytes of one anchor, those that stand in a row as one; sorted.
"""


def scan_pure(data: bytes, words: int, masks: bytes, owners: tuple[int, ...], most: int, /) -> list[Span] | None:
    """The reference of `Scan`: Shift-And with Python's integers."""
    parts = [int.from_bytes(masks[at : at + 8], sys.byteorder) for at in range(0, len(masks), 8)]
    value = [
        sum(part << _WORD * word for word, part in enumerate(parts[at : at + words]))
        for at in range(0, len(parts), words)
    ]
    first, last = value[256], value[257]
    state = before = 0
    starts: dict[int, int] = {}
    found: list[Span] = []
    for at, byte in enumerate(data):
        state = (state << 1 | first) & value[byte]
        ends = state & last
        for bit in _bits(before & ~ends):
            found.append((starts[bit], at, owners[bit]))
        for bit in _bits(ends & ~before):
            starts[bit] = at
        before = ends
    for bit in _bits(before):
        found.append((starts[bit], len(data), owners[bit]))
    return sorted(found) if len(found) <= most else None


def _bits(number: int) -> Iterable[int]:
    while number:
        bit = number & -number
        yield bit.bit_length() - 1
        number ^= bit
