"""Patterns that are nothing but classes of base64's characters in a row, looked for by the compiled helper.

There are more than a hundred such rows and no literal begins them, so that they took a third of the gate's first pass.
What the helper does is Teddy, Hyperscan's own way with short literals (its src/fdr/teddy.c), with classes in place of
bytes: the three rarest characters of each row are put into one of 32 groups, two tables of 16 bytes tell for each of
three bytes by its halves which groups may have it there, and only where a group remains, rows are compared.
"""

from __future__ import annotations

import struct
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from itertools import chain, product
from math import prod
from pathlib import Path
from re import _constants as sre  # type: ignore[attr-defined]

from detectors import cachefile
from detectors.gateform import Node, byte_set, parsed

Row = tuple[frozenset[int], ...]
"""The bytes that may stand in each place."""
Halves = tuple[tuple[int, int], ...]
"""For each of three places: which lower halves a byte may have there, and which upper ones, a bit for each."""

MOST = 192
_GROUPS = 32
_THREE = 3
_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_VALUES = {char: value for value, char in enumerate(_ALPHABET)} | {ord("-"): 62, ord("_"): 63}
_OFTEN = (1, 1, 18, 12, 8, 6, 33, 22, 1, 1, 1, 1, 1, 1, 1, 1)  # in a hundred bytes of a log, by their upper half


def table_of(pattern: bytes) -> bytes:
    """`table` of the rows of ``pattern``, kept for the next start. Raises ValueError."""
    name = f"rows-{cachefile.digest([cachefile.code(Path(__file__).parent), pattern])}.txt"
    data = cachefile.load(name)
    if data is not None:
        return b64decode(data)
    made = table(rows_of(pattern))
    cachefile.save(name, b64encode(made))
    return made


def rows_of(pattern: bytes) -> list[Row]:
    """All rows that ``pattern`` matches. Raises ValueError if it matches anything else, or rows without an end."""
    return [tuple(row) for row in _rows(parsed(pattern.decode("latin-1")))]


def table(rows: Sequence[Row]) -> bytes:
    """Rows of three characters or more, as the helper reads them.

    First the tables of the groups: for each eight of them, and each of three places, by the lower and by the upper half
    of a byte. Then for each of the three places, and each character of the alphabet, which rows may have it there, as
    three numbers of 64 bits. Then for each row its length, where the three begin in it, and where its characters are,
    which have 64 bits each. Raises ValueError for rows that the helper does not know.
    """
    if len(rows) > MOST:
        raise ValueError(f"the helper knows {MOST} rows, not {len(rows)}")
    masks = [[0] * 64 for _ in range(_THREE)]
    heads, bodies = b"", b""
    rarest: list[Halves] = []
    for number, row in enumerate(rows):
        values = [_values(chars) for chars in row]
        halves = [_halves(chars) for chars in row]
        start = min(range(len(row) - _THREE + 1), key=lambda at: _share(halves[at : at + _THREE]))
        rarest.append(tuple(halves[start : start + _THREE]))
        for place in range(_THREE):
            for value in values[start + place]:
                masks[place][value] |= 1 << number
        heads += struct.pack("=BBH", len(row), start, 4 * len(rows) + len(bodies))
        bodies += b"".join(struct.pack("=Q", sum(1 << value for value in chars)) for chars in values)
    parts = [mask >> at & 2**64 - 1 for place in masks for mask in place for at in range(0, MOST, 64)]
    return _tables(_grouped(rarest)) + struct.pack(f"={len(parts)}Q", *parts) + heads + bodies


def _rows(items: Iterable[Node]) -> Iterator[list[frozenset[int]]]:
    choices: list[list[list[frozenset[int]]]] = []
    for op, arg in items:
        if op is sre.SUBPATTERN:
            choices.append(list(_rows(arg[3])))
        elif op is sre.BRANCH:
            choices.append([row for way in arg[1] for row in _rows(way)])
        elif op in (sre.MAX_REPEAT, sre.MIN_REPEAT) and arg[1] <= MOST:
            least, most, inner = arg
            some = list(_rows(inner))
            choices.append(
                [list(chain(*one)) for count in range(least, most + 1) for one in product(some, repeat=count)]
            )
        elif op in (sre.LITERAL, sre.IN):
            choices.append([[byte_set((op, arg))]])
        else:
            raise ValueError(f"a row has no {str(op).lower()}")
    for parts in product(*choices):
        yield [chars for part in parts for chars in part]


def _values(chars: frozenset[int]) -> set[int]:
    """Raises ValueError where base64 and base64url would not be told from each other, and for other characters."""
    values = {_VALUES.get(char, -1) for char in chars}
    if -1 in values or sum(2 if value > 61 else 1 for value in values) != len(chars):
        raise ValueError("a row has characters of base64, those that base64url writes in another way as both")
    return values


def _halves(chars: Iterable[int]) -> tuple[int, int]:
    lower = upper = 0
    for char in chars:
        lower |= 1 << (char & 15)
        upper |= 1 << (char >> 4)
    return lower, upper


def _share(places: Iterable[tuple[int, int]]) -> int:
    """How often what has one of these halves in each place is met, as a number to compare."""
    return prod(lower.bit_count() * _frequency(upper) for lower, upper in places)


@cache  # and no table of all 65,536: it took as long at every start as half of the other imports
def _frequency(upper: int) -> int:
    """How often bytes with one of these upper halves are met."""
    return sum(often for half, often in enumerate(_OFTEN) if upper >> half & 1)


def _grouped(rows: Iterable[Halves]) -> list[Halves]:
    """What the rows of each group may have, each row in the group of which it makes the least more."""
    groups: list[Halves] = [((0, 0),) * _THREE] * _GROUPS
    for row in sorted(rows, key=_share, reverse=True):
        wider = [tuple((a | c, b | d) for (a, b), (c, d) in zip(row, group, strict=True)) for group in groups]
        best = min(range(_GROUPS), key=lambda number: _share(wider[number]) - _share(groups[number]))
        groups[best] = wider[best]
    return groups


def _tables(groups: Sequence[Halves]) -> bytes:
    out = bytearray()
    for first in range(0, _GROUPS, 8):
        for place in range(_THREE):
            for half in (0, 1):
                sets = [group[place][half] for group in groups[first : first + 8]]
                out += bytes(
                    sum((bits >> value & 1) << number for number, bits in enumerate(sets)) for value in range(16)
                )
    return bytes(out)
