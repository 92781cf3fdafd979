r"""Needles: a few bytes in a row that stand in the data wherever a pattern of the gate matches.

Hyperscan is quick where a pattern has a long literal that is seldom met, and slow where it has not: words of two or
three letters with something like a border around them, digits, alternatives of many words. From such a pattern come
rows of *sets* of bytes, one of which is in the data wherever the pattern matches; a compiled helper finds thousands of
them in one pass. Where the rows are all that the pattern asks for (a list of words), no pattern is looked for at all.

Beyond both ends of the data, `OUTSIDE` stands: a row may reach over them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cache, lru_cache, reduce
from itertools import product, takewhile, zip_longest
from math import prod
from operator import or_
from re import _constants as sre  # type: ignore[attr-defined]
from typing import NamedTuple

from detectors.gateform import Node, byte_set, parsed

Row = tuple[int, ...]
"""Sets of bytes, one for each byte in a row: bit n of a number is the byte n."""

_KNOWN_FLAGS = sre.SRE_FLAG_IGNORECASE | sre.SRE_FLAG_UNICODE  # the second says nothing of patterns in ASCII

OUTSIDE = 0
"""The byte that is read beyond the ends."""

LONGEST = 24  # sets in a row that announces a pattern
_LONGEST_EXACT = 48  # sets in a row that is all that there is to a pattern
_MOST = 400  # rows of a pattern
_MOST_EXACT = 1_500
_MOST_SPARING = 120  # rows that spare a look at a pattern
_APART = 40  # alternatives that are told apart from those behind them
_SHORT, _LONG = 160, 700  # characters of a pattern: the longer, the fewer alternatives in a row are told apart
_FEW = 16  # rows that are looked for even if their keys are not seldom met
_TELLING = 4  # sets that two rows begin with or end in, if one covers the other
KEY = 4  # bytes of a row by which it is found
MOST_KEYS = 1_300  # what these may be, of one row
OFTEN = 0.02  # of the places in a text: a key at more of them is of no use
_SELDOM_KEY = 5e-3  # of the places in a text: two bytes at fewer of them are a good key
_ENDLESS = 1 << 30
_INSIDE = (1 << 256) - 1
_EDGE = 1 << 256  # in a set: what is beyond an end
_FEED = 1 << 257  # in a set: a line feed that is the last byte, before which ``$`` matches as well
_ANYTHING = 0.95  # the same of a part of a pattern that may be anything
_LITTLE = 2  # bytes that such a part needs
_WIDE = 0.95  # a set that so many of the bytes of a text are in says nothing
_FREQUENT = {**dict.fromkeys(b"0123456789", 0.015), **dict.fromkeys(b"abcdefghijklmnopqrstuvwxyz", 0.022)}
_FREQUENT |= {**dict.fromkeys(b"etaoinsr", 0.04), 0x20: 0.08, **dict.fromkeys(b"-_.:,", 0.015), 0x5C: 0.03, 0x22: 0.08}
_FREQUENT |= {0x40: 0.0005, **dict.fromkeys(range(0x80, 0x100), 0.0002)}
_SELDOM = 0.002
_SMALL = sum(1 << byte for byte in b"abcdefghijklmnopqrstuvwxyz")
_CAPITALS = sum(1 << byte for byte in b"ABCDEFGHIJKLMNOPQRSTUVWXYZ")
_DIGITS = sum(1 << byte for byte in b"0123456789")
_AFTER = {"letter": 1.4, "capital": 8.0, "digit": 5.0, "sign": 5.0}
"""How much more often a byte is met behind one of its kind."""


class Needles(NamedTuple):
    """Where one of ``sure`` is, the pattern matches; elsewhere only where each of ``maybe`` has a row.

    Without ``maybe``, the pattern matches nowhere else.
    """

    sure: tuple[Row, ...]
    maybe: tuple[tuple[Row, ...], ...]


def needles_of(pattern: str) -> Needles:
    """The needles of a pattern for Hyperscan, with DOTALL. Raises ValueError for one of which they cannot be told."""
    tree = parsed(pattern)
    if tree.state.flags & ~_KNOWN_FLAGS or "{," in pattern:  # Hyperscan takes the latter as it stands
        raise ValueError("means something else to Hyperscan, or may")
    items = tuple(_items(tree, fold=bool(tree.state.flags & sre.SRE_FLAG_IGNORECASE)))
    ways = items[0].ways if len(items) == 1 and isinstance(items[0], _Ways) else (items,)
    depth = 2 if len(pattern) <= _SHORT else 1 if len(pattern) <= _LONG else 0
    sure: list[Row] = []
    rest: list[tuple[_Item, ...]] = []
    for way in ways:
        exact = _exact(way)
        if exact is not None and all(map(_is_sound, exact)) and _is_found(exact):
            sure += exact
        else:
            rest.append(way)
    if not rest:
        return Needles(_plain(sure), ())
    if len(rest) == 1:
        found = list(_stretches(rest[0], depth))
        maybe = [rows for rows in dict.fromkeys(found) if rows]
    else:
        maybe = [_all([_rows(_EMPTY, way, _EMPTY, depth) for way in rest])]
    for way in rest:  # what is most often met of it spares a look at the pattern
        some = _exact(_shortest(way))
        if some is not None and len(some) <= _MOST_SPARING and all(_is_sound(row) and _has_key(row) for row in some):
            sure += some
    return Needles(_plain(sure), tuple(map(_plain, maybe)) or ((),))


def _stretches(items: Sequence[_Item], depth: int) -> Iterator[tuple[Row, ...]]:
    """The best rows of each part between items that may be anything: what one part needs says nothing of another."""
    start = 0
    for at, item in enumerate((*items, None)):
        if item is not None:
            part = _part(item)
            if part.least > _LITTLE or part.most < _ENDLESS or _frequency(_any_of([item])) < _ANYTHING:
                continue
        if start < at:
            yield _rows(_sequence(items[:start]), items[start:at], _sequence(items[at:]), depth)
        start = at + 1


def _plain(rows: Iterable[Row]) -> tuple[Row, ...]:
    """The rows with what is beyond the ends as the byte that is read there, without those that others cover."""
    known = dict.fromkeys(tuple(map(_readable, row)) for row in rows)
    kept: dict[Row, None] = {}
    begins: dict[Row, list[Row]] = {}  # those that are kept, by what they begin with, and by what they end in
    ends: dict[Row, list[Row]] = {}
    for row in sorted(known, key=len):
        near = begins.get(row[:_TELLING], ()), ends.get(row[-_TELLING:], ())
        if any(_covers(one, row[: len(one)]) for one in near[0]) or any(
            _covers(one, row[-len(one) :]) for one in near[1]
        ):
            continue
        kept[row] = None
        begins.setdefault(row[:_TELLING], []).append(row)
        ends.setdefault(row[-_TELLING:], []).append(row)
    return tuple(kept)


def _readable(bits: int) -> int:
    return bits & _INSIDE | (1 << OUTSIDE if bits & _EDGE else 0) | (1 << 0x0A if bits & _FEED else 0)


def _covers(one: Row, other: Row) -> bool:
    """Whether the one stands wherever the other, which is as long, does."""
    return all(not b & ~a for a, b in zip(one, other, strict=True))


@cache
def folded(bits: int) -> bytes:
    """The bytes of a set as keys are hashed: with the bit that tells small letters from capitals, each once."""
    return bytes(sorted({byte | 0x20 for byte in range(256) if bits >> byte & 1}))


def _is_found(rows: Sequence[Row]) -> bool:
    """Whether these rows are found quickly: so are those that have a good key, and a few that have any."""
    few = len(rows) <= _FEW
    return all(
        _has_key(row) or (few and any(stands(row[at : at + 2]) <= OFTEN for at in range(len(row)))) for row in rows
    )


@cache
def _has_key(row: Row) -> bool:
    sizes = [len(folded(bits)) for bits in row]
    long = any(prod(sizes[at : at + KEY]) <= MOST_KEYS for at in range(len(row) - KEY + 1))
    return long or any(stands(row[at : at + 2]) <= _SELDOM_KEY for at in range(len(row) - 1))


# -- a pattern, as far as it matters here -----------------------------------------------------------------------


class _Set(NamedTuple):
    bits: int


class _Ways(NamedTuple):
    ways: tuple[tuple[_Item, ...], ...]


class _Repeat(NamedTuple):
    least: int
    most: int
    items: tuple[_Item, ...]
    is_rest: bool = False  # of one that was unrolled


_Item = _Set | _Ways | _Repeat


def _items(nodes: Iterable[Node], *, fold: bool) -> Iterator[_Item]:
    for op, arg in nodes:
        if op is sre.AT:
            if arg in (sre.AT_BEGINNING, sre.AT_BEGINNING_STRING):
                yield _Set(_EDGE)
            elif arg in (sre.AT_END, sre.AT_END_STRING):
                yield _Set(_EDGE | _FEED)
            else:  # a border of a word, anywhere
                yield _Repeat(0, 0, ())
        elif op is sre.SUBPATTERN:
            _, add, remove, inner = arg
            if (add | remove) & ~_KNOWN_FLAGS:
                raise ValueError("a flag changes what ends and dots match")
            folds = (fold or bool(add & sre.SRE_FLAG_IGNORECASE)) and not remove & sre.SRE_FLAG_IGNORECASE
            yield from _items(inner, fold=folds)
        elif op is sre.BRANCH:
            yield from _alternatives([tuple(_items(way, fold=fold)) for way in arg[1]])
        elif op in (sre.MAX_REPEAT, sre.MIN_REPEAT):
            least, most, inner = arg
            yield _Repeat(int(least), min(int(most), _ENDLESS), tuple(_items(inner, fold=fold)))
        else:
            yield _Set(_bits((op, arg), fold=fold))


def _alternatives(ways: list[tuple[_Item, ...]]) -> Iterator[_Item]:
    """Alternatives; those of one byte are one set."""
    singles = [way[0].bits for way in ways if len(way) == 1 and isinstance(way[0], _Set)]
    others = [way for way in ways if len(way) != 1 or not isinstance(way[0], _Set)]
    if singles:
        others.insert(0, (_Set(reduce(or_, singles)),))
    if len(others) == 1:
        yield from others[0]
    else:
        yield _Ways(tuple(others))


def _bits(node: Node, *, fold: bool) -> int:
    op, arg = node
    members = byte_set(node)
    if fold:
        if op is sre.NOT_LITERAL or (op is sre.IN and arg[0][0] is sre.NEGATE):
            members = frozenset(range(256)) - _folded(frozenset(range(256)) - members)
        else:
            members = _folded(members)
    return sum(1 << byte for byte in members)


def _folded(members: frozenset[int]) -> frozenset[int]:
    return members | {byte ^ 0x20 for byte in members if byte < 128 and chr(byte).isalpha()}


def _shortest(items: Iterable[_Item]) -> tuple[_Item, ...]:
    """The same without most of what may be repeated: a part of what it matches."""
    out: list[_Item] = []
    for item in items:
        if isinstance(item, _Ways):
            out.append(_Ways(tuple(_shortest(way) for way in item.ways)))
        elif isinstance(item, _Repeat):
            most = item.most if item.most <= item.least + 1 else item.least + (item.least == 0)
            out.append(_Repeat(item.least, most, _shortest(item.items)))
        else:
            out.append(item)
    return tuple(out)


# -- all that a pattern matches, where that is so many rows ------------------------------------------------------


def _exact(items: Sequence[_Item]) -> list[Row] | None:
    """The rows that a sequence matches, and nothing else; None if there is more to it than so many rows."""
    rows: list[Row] = [()]
    for item in items:
        if isinstance(item, _Set):
            ways: list[Row] = [(item.bits,)]
        elif isinstance(item, _Ways):
            ways = []
            for way in item.ways:
                some = _exact(way)
                if some is None:
                    return None
                ways += some
        else:
            some = _exact(item.items) if 0 < item.most <= _LONGEST_EXACT else None
            if some is None or (item.most - item.least + 1) * len(some) ** item.most > _MOST_EXACT:
                return None
            ways = [sum(one, ()) for count in range(item.least, item.most + 1) for one in product(some, repeat=count)]
        if len(rows) * len(ways) > _MOST_EXACT:
            return None
        rows = [one + more for one in rows for more in ways]
    return rows


def _is_sound(row: Row) -> bool:
    """Whether the row stands exactly where what it is of matches, beyond the ends as well."""
    return (
        len(row) <= _LONGEST_EXACT
        and all(bits & _INSIDE or not bits & _EDGE for bits in row)
        and all(bits & 1 << 0x0A or not bits & _FEED for bits in row)
        and all(bits & 1 for bits in row if bits & _EDGE)
        and _closed(row)
        and _closed(row[::-1])
    )


def _closed(row: Row) -> bool:
    """Whether a row begins inside, or one byte before: only its first set may take what is beyond, and must say so."""
    open_ = list(takewhile(lambda bits: bits & 1, row))
    return not open_ or (len(open_) == 1 and bool(open_[0] & _EDGE))


# -- what stands wherever a pattern matches ------------------------------------------------------------------------


class _Part(NamedTuple):
    """What is known of a part of a pattern: it matches ``least`` to ``most`` bytes.

    ``front`` has, for each offset from the start, what may stand there in a match that is so long; ``back`` the same
    from the end.
    """

    least: int
    most: int
    front: Row
    back: Row


_EMPTY = _Part(0, 0, (), ())


def _rows(before: _Part, items: Sequence[_Item], after: _Part, depth: int = 1) -> tuple[Row, ...]:
    """The best rows of which one stands wherever this sequence matches between these two.

    ``depth`` says how many alternatives in a row are told apart from each other.
    """
    parts = [_part(item) for item in items]
    heads, tails = [before], [after]
    for part in parts:
        heads.append(_joined(heads[-1], part))
    for part in reversed(parts):
        tails.append(_joined(part, tails[-1]))
    tails.reverse()
    choices = [_window(head, tail) for head, tail in zip(heads, tails, strict=True)]
    for number, item in enumerate(items):
        ways, rest = _ways(item)
        if not ways:
            continue
        tail = _joined(_sequence(rest), tails[number + 1])
        choices.append(_all([_rows(heads[number], way, tail, depth) for way in ways]))
        if depth and len(ways) <= _APART:
            more = (*rest, *items[number + 1 :])
            choices.append(_all([_rows(heads[number], (*way, *more), after, depth - 1) for way in ways]))
    return _best(choices)


def _all(found: Sequence[tuple[Row, ...]]) -> tuple[Row, ...]:
    return tuple(dict.fromkeys(row for rows in found for row in rows)) if all(found) else ()


def _ways(item: _Item) -> tuple[Sequence[tuple[_Item, ...]], tuple[_Item, ...]]:
    """The alternatives that an item begins with, none if there are none, and what of it comes behind them."""
    if isinstance(item, _Ways):
        return item.ways, ()
    if isinstance(item, _Set) or item.is_rest or not item.most:
        return (), ()
    rest = () if item.most == 1 else (_Repeat(max(item.least - 1, 0), item.most - 1, item.items, is_rest=True),)
    if item.least == 0:
        return ((), (*item.items, *rest)), ()
    if len(item.items) == 1 and isinstance(item.items[0], _Ways):
        return item.items[0].ways, rest
    return (), ()


@lru_cache(maxsize=10_000)
def _part(item: _Item) -> _Part:
    if isinstance(item, _Set):
        return _Part(1, 1, (item.bits,), (item.bits,))
    if isinstance(item, _Ways):
        ways = [_sequence(way) for way in item.ways]
        return _Part(
            min(way.least for way in ways),
            max(way.most for way in ways),
            _either([way.front for way in ways]),
            _either([way.back for way in ways]),
        )
    return _repeated(item)


def _sequence(items: Sequence[_Item]) -> _Part:
    return reduce(_joined, map(_part, items), _EMPTY)


def _repeated(item: _Repeat) -> _Part:
    one = _sequence(item.items)
    must, may = min(item.least, LONGEST), min(item.most, LONGEST)
    known = reduce(_joined, [one] * must + [one._replace(least=0)] * (may - must), _EMPTY)
    if item.most > LONGEST:  # there may be any number more
        bits = _any_of(item.items)
        known = _joined(known, _Part(0, _ENDLESS, (bits,) * LONGEST, (bits,) * LONGEST))
    return known


def _any_of(items: Iterable[_Item]) -> int:
    """All that may stand in what these match."""
    bits = 0
    for item in items:
        if isinstance(item, _Set):
            bits |= item.bits
        elif isinstance(item, _Ways):
            bits |= reduce(or_, map(_any_of, item.ways), 0)
        else:
            bits |= _any_of(item.items)
    return bits


def _joined(one: _Part, two: _Part) -> _Part:
    return _Part(
        one.least + two.least,
        min(one.most + two.most, _ENDLESS),
        _behind(one, one.front, two.front),
        _behind(two, two.back, one.back),
    )


def _behind(first: _Part, near: Row, far: Row) -> Row:
    """By offset: what stands ``near`` in the texts of ``first``, and what stands ``far``, behind them."""
    if first.least == first.most:
        return (near + far if first.most <= LONGEST else near)[:LONGEST]
    out = []
    for at in range(min(first.most + len(far), LONGEST)):
        bits = near[at] if at < len(near) else 0
        for length in range(max(first.least, at - len(far) + 1), min(first.most, at) + 1):
            bits |= far[at - length]
        out.append(bits)
    return tuple(out)


def _either(rows: Iterable[Row]) -> Row:
    return tuple(reduce(or_, column) for column in zip_longest(*rows, fillvalue=0))


def _window(before: _Part, after: _Part) -> tuple[Row, ...]:
    """The rarest row around a border, without sets at its ends that say nothing."""
    row = (*before.back[: before.least][::-1], *after.front[: after.least])
    if not row:
        return ()
    size = min(len(row), LONGEST)
    best = min((row[at : at + size] for at in range(len(row) - size + 1)), key=stands)
    while len(best) > 1 and _frequency(best[-1]) >= _WIDE:
        best = best[:-1]
    while len(best) > 1 and _frequency(best[0]) >= _WIDE:
        best = best[1:]
    return (best,)


def _best(choices: Iterable[tuple[Row, ...]]) -> tuple[Row, ...]:
    given = [choice for choice in choices if choice and len(choice) <= _MOST]
    return min(given, key=lambda rows: (not all(map(_has_key, rows)), _share(rows), len(rows)), default=())


def _share(rows: Iterable[Row]) -> float:
    """At what share of the places in a text one of these stands, roughly."""
    return sum(map(stands, rows))


@cache
def stands(row: Row) -> float:
    """At what share of the places in a text a row stands, roughly: a sign follows a sign, and a digit a digit."""
    share, before = 1.0, ""
    for bits in row:
        kind = _kind(bits)
        share *= min(1.0, _frequency(bits) * (_AFTER[kind] if kind == before else 1.0))
        before = kind
    return share


def _kind(bits: int) -> str:
    if bits & _SMALL:
        return "letter"
    return "capital" if bits & _CAPITALS else "digit" if bits & _DIGITS else "sign"


@cache
def _frequency(bits: int) -> float:
    return min(1.0, sum(_FREQUENT.get(byte, _SELDOM) for byte in range(256) if bits >> byte & 1))
