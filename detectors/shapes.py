r"""Shapes: short patterns that no literal begins, looked for at 64 places of a text at once.

Hyperscan is quick where a pattern has a few bytes that it cannot do without. ``\d\.\d{1,3}\.\d{1,3}\.\d`` has none, and
costs as much as a hundred tokens with a prefix; a dozen such patterns were half of the gate's time. Here each class of
bytes becomes a word of 64 bits, one for each byte of a block, and a pattern becomes a few ANDs and shifts of such words
(Cameron et al., Bitwise data parallelism in regular expression matching, PACT 2014). The compiled helper does that;
where there is no helper, Hyperscan looks for these patterns as for all others, which is the reference.
"""

from __future__ import annotations

import struct
from base64 import b64decode, b64encode
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from math import prod
from pathlib import Path
from re import _constants as sre  # type: ignore[attr-defined]
from typing import NamedTuple

import orjson

from detectors import cachefile
from detectors.anchors import frequency
from detectors.gateform import Node, byte_set, parsed

LONGEST = 32  # bytes of a match; a longer one begins with something rare, and the helper looks 64 ahead
_MOST_SHAPES = 255
_DEEPEST = 8
_MOST_WAYS = 64  # of a pattern
_TAKE, _BEGIN, _FORK, _OR, _JOIN, _MAYBE = range(6)
_ROW = 12  # bytes
_SHAPE = struct.Struct(f"=4H{2 * _ROW}B")  # id, where its instructions begin and end, its row: length, offsets, classes
_MOST_ROW_CLASSES, _MOST_CLASSES = 48, 255
_MOST_CODE = 0xFFFF  # bytes of instructions
_ENOUGH = 1e-5  # of the places in a text, a row may stand at so many
_TOLD = 4  # ways in which the bytes of a literal may be written
_LETTERS = frozenset(b"abcdefghijklmnopqrstuvwxyz")


class Shapes:
    """The shapes among ``patterns``, each with an id, which a glance looks for; ``ids`` are theirs.

    The patterns are in Hyperscan's syntax, with DOTALL. Those in ``numeric`` count only in texts with digits enough:
    of the two ``programs`` the first, for all others, is quicker without them.
    """

    __slots__ = ("ids", "programs")

    def __init__(self, patterns: Mapping[int, bytes], numeric: Collection[int] = ()) -> None:
        program, self.ids = _kept(patterns) if patterns else (b"", frozenset[int]())
        few = {number: pattern for number, pattern in patterns.items() if number in self.ids and number not in numeric}
        others = _kept(few)[0] if len(few) < len(self.ids) else program
        self.programs: tuple[bytes | None, bytes | None] = (others, program) if self.ids else (None, None)


def _kept(patterns: Mapping[int, bytes]) -> tuple[bytes, frozenset[int]]:
    """The program of the shapes among ``patterns``, kept for the next start."""
    told = [f"{number} {pattern.decode('latin-1')}" for number, pattern in patterns.items()]
    name = f"shapes-{cachefile.digest([cachefile.code(Path(__file__).parent), orjson.dumps(told)])}.json"
    data = cachefile.load(name)
    if data is not None:
        program, ids = orjson.loads(data)
        return b64decode(program), frozenset(ids)
    made, numbers = program_of({number: ways for number, pattern in patterns.items() if (ways := shape_of(pattern))})
    cachefile.save(name, orjson.dumps([b64encode(made).decode(), sorted(numbers)]))
    return made, numbers


class _Take(NamedTuple):
    """So many bytes of a class in a row."""

    bytes: frozenset[int]
    least: int
    most: int


class _Begin(NamedTuple):
    """The start of the data."""


class _Either(NamedTuple):
    """One of several ways."""

    ways: tuple[Shape, ...]


class _Maybe(NamedTuple):
    """A part that may be left out."""

    part: Shape


Shape = tuple[_Take | _Begin | _Either | _Maybe, ...]


class _NoShapeError(Exception):
    """A pattern has something that no shape has."""


def shape_of(pattern: bytes) -> tuple[Shape, ...]:
    """The ways in which ``pattern`` matches; none if it is no shape.

    A shape has a limited length, looks only at the bytes of its match and at the start of the data, and has no two
    bytes in a row that tell enough, see `_has_literal`: of digits and signs alone logs are full.
    """
    try:
        tree = parsed(pattern.decode("latin-1"))
        items = list(tree)
        ways = items[0][1][1] if len(items) == 1 and items[0][0] is sre.BRANCH else [items]
        folds = bool(tree.state.flags & sre.SRE_FLAG_IGNORECASE)
        shapes = [tuple(_parts(way, folds)) for way in ways]
    except (ValueError, _NoShapeError):
        return ()
    apart = tuple(islice((way for shape in shapes for way in _apart(shape)), _MOST_WAYS + 1))
    if (
        len(apart) > _MOST_WAYS
        or all(map(_has_literal, shapes))
        or (len(apart) > len(shapes) and any(map(_has_literal, apart)))
    ):
        return ()
    plain = all(_width(way) <= LONGEST and _depth(way) <= _DEEPEST and len(_rarest(way)) > 1 for way in apart)
    return apart if plain else ()


def _apart(shape: Shape) -> Iterator[Shape]:
    """The ways of ``shape``, apart where it has no row as a whole."""
    fork = next((at for at in reversed(range(len(shape))) if isinstance(shape[at], _Either)), None)
    if fork is None or len(_rarest(shape)) > 1:
        yield shape
    elif isinstance(either := shape[fork], _Either):
        for way in either.ways:
            yield from _apart((*shape[:fork], *way, *shape[fork + 1 :]))


def program_of(shapes: Mapping[int, Sequence[Shape]]) -> tuple[bytes, frozenset[int]]:
    """These as the helper reads them, and the ids that are in it: as many as it has room for.

    Three bytes say how many classes there are, how many of them are of rows, and how many shapes; then follow for each
    class, those of rows first, two tables of 16 bytes, which hold by a byte's lower half the bits of its upper halves
    (0 to 7, 8 to 15), then `_SHAPE` for each shape, and the instructions: TAKE with class, least and most, BEGIN, FORK,
    OR, JOIN, MAYBE.
    """
    kept, of_rows = _fitting(shapes)
    ways = [(number, way) for number in kept for way in shapes[number]]
    all_classes = dict.fromkeys([*of_rows, *(one for _, way in ways for one in _classes(way))])
    classes = {one: number for number, one in enumerate(all_classes)}
    heads, code = b"", b""
    for number, way in ways:
        row = _row(way)
        places = [value for at, one in row for value in (at, classes[one])]
        body = _code(way, classes)
        heads += _SHAPE.pack(
            number, len(code), len(code) + len(body), len(row), *places, *[0] * (2 * (_ROW - len(row)))
        )
        code += body
    sizes = bytes([len(classes), len(of_rows), len(ways)])
    return sizes + b"".join(map(_table, classes)) + heads + code, frozenset(kept)


def _fitting(shapes: Mapping[int, Sequence[Shape]]) -> tuple[list[int], list[frozenset[int]]]:
    """The ids of those shapes, from the first on, that the helper has room for, and the classes of their rows."""
    kept: list[int] = []
    of_rows: dict[frozenset[int], None] = {}
    classes: dict[frozenset[int], None] = {}
    count = size = 0
    for number, ways in shapes.items():
        rows = of_rows | dict.fromkeys(one for way in ways for _, one in _row(way))
        every = classes | rows | dict.fromkeys(one for way in ways for one in _classes(way))
        longer = size + sum(len(_code(way, dict.fromkeys(every, 0))) for way in ways)
        room = count + len(ways) <= _MOST_SHAPES and longer <= _MOST_CODE
        if room and len(rows) <= _MOST_ROW_CLASSES and len(every) <= _MOST_CLASSES:
            kept.append(number)
            of_rows, classes, count, size = rows, every, count + len(ways), longer
    return kept, list(of_rows)


def _parts(items: Iterable[Node], folds: bool) -> Iterable[_Take | _Begin | _Either | _Maybe]:
    for op, arg in items:
        if op is sre.AT:
            if arg is not sre.AT_BEGINNING:
                raise _NoShapeError
            yield _Begin()
        elif op is sre.SUBPATTERN:
            _, add, remove, inner = arg
            yield from _parts(inner, (folds or bool(add & sre.SRE_FLAG_IGNORECASE)) and not remove)
        elif op is sre.BRANCH:
            yield _Either(tuple(tuple(_parts(way, folds)) for way in arg[1]))
        elif op in (sre.MAX_REPEAT, sre.MIN_REPEAT):
            least, most, inner = arg
            yield from _repeated(least, most, inner, folds)
        elif op in (sre.LITERAL, sre.NOT_LITERAL, sre.ANY, sre.IN):
            may = byte_set((op, arg))
            yield _Take(
                may | {byte ^ 0x20 for byte in may if chr(byte).isalpha() and byte < 128} if folds else may, 1, 1
            )
        else:
            raise _NoShapeError


def _repeated(least: int, most: int, items: Iterable[Node], folds: bool) -> Iterable[_Take | _Begin | _Either | _Maybe]:
    part = tuple(_parts(items, folds)) if most <= LONGEST else ()
    if most > LONGEST or most * _width(part) > LONGEST:
        raise _NoShapeError
    if len(part) == 1 and isinstance(part[0], _Take) and part[0].most == 1:
        yield _Take(part[0].bytes, least, most)
        return
    yield from part * least
    rest: Shape = ()
    for _ in range(most - least):  # (x(xx?)?)?
        rest = (_Maybe((*part, *rest)),)
    yield from rest


def _width(shape: Shape) -> int:
    """The bytes of its longest match."""
    width = 0
    for part in shape:
        if isinstance(part, _Take):
            width += part.most
        elif isinstance(part, _Either):
            width += max(map(_width, part.ways))
        elif isinstance(part, _Maybe):
            width += _width(part.part)
    return width


def _depth(shape: Shape) -> int:
    """How many forks are open at once."""
    depth = 0
    for part in shape:
        if isinstance(part, _Either):
            depth = max(depth, 1 + max(map(_depth, part.ways)))
        elif isinstance(part, _Maybe):
            depth = max(depth, 1 + _depth(part.part))
    return depth


def _row(shape: Shape) -> list[tuple[int, frozenset[int]]]:
    """Some places of the rarest row, by their offsets, and the classes of the bytes there: as few as say enough.

    The rarest comes first; of those that are met as often, the outermost.
    """
    rarest = _rarest(shape)
    middle = (len(rarest) - 1) / 2
    chosen: list[tuple[int, frozenset[int]]] = []
    share = 1.0
    for at, one in sorted(enumerate(rarest), key=lambda place: (frequency(place[1]), -abs(place[0] - middle))):
        if share > _ENOUGH:
            chosen.append((at, one))
            share *= min(1.0, frequency(one))
    first = min(at for at, _ in chosen)
    return [(at - first, one) for at, one in chosen]


def _rarest(shape: Shape) -> Sequence[frozenset[int]]:
    """Classes of the bytes of a row that is in each match, as rare a one as there is; none if there is no such row."""
    runs: list[list[frozenset[int]]] = [[]]
    for part in shape:
        if not isinstance(part, _Take):
            runs.append([])
            continue
        runs[-1] += [part.bytes] * min(part.least, _ROW)
        if part.least != part.most or part.least > _ROW:
            runs.append([part.bytes] * min(part.least, _ROW))
    rows = [run[at : at + _ROW] for run in runs if run for at in range(max(1, len(run) - _ROW + 1))]
    return min(rows, key=lambda row: prod(min(1.0, frequency(one)) for one in row), default=())


def _has_literal(shape: Shape) -> bool:
    """Whether each match has a few bytes in a row that tell enough for Hyperscan, apart from their case.

    That is three, or two with a letter, that are one of `_TOLD` at most.
    """
    row: list[frozenset[int]] = []
    for part in shape:
        if isinstance(part, _Either) and all(map(_has_literal, part.ways)):
            return True
        some = [part.bytes] * min(part.least, 3) if isinstance(part, _Take) else []
        for one in some:
            row.append(frozenset(byte | 0x20 for byte in one))
            lettered = any(not _LETTERS.isdisjoint(one) for one in row[-2:])
            if prod(map(len, row[-2:] if lettered else row[-3:])) <= _TOLD and len(row) > 1 + (not lettered):
                return True
        if not (isinstance(part, _Take) and 0 < part.least == part.most):
            row = row[-1:] if some else []
    return False


def _classes(shape: Shape) -> Iterable[frozenset[int]]:
    for part in shape:
        if isinstance(part, _Take):
            yield part.bytes
        elif isinstance(part, _Either):
            for way in part.ways:
                yield from _classes(way)
        elif isinstance(part, _Maybe):
            yield from _classes(part.part)


def _code(shape: Shape, classes: Mapping[frozenset[int], int]) -> bytes:
    code = bytearray()
    for part in shape:
        if isinstance(part, _Take):
            code += bytes([_TAKE, classes[part.bytes], part.least, part.most])
        elif isinstance(part, _Begin):
            code.append(_BEGIN)
        elif isinstance(part, _Maybe):
            code += bytes([_FORK, *_code(part.part, classes), _MAYBE])
        else:
            code.append(_FORK)
            for way in part.ways:
                code += bytes([*_code(way, classes), _OR])
            code[-1:] = bytes([_JOIN])
    return bytes(code)


def _table(bytes_: frozenset[int]) -> bytes:
    table = bytearray(32)
    for byte in bytes_:
        table[(byte & 0x80) >> 3 | byte & 15] |= 1 << (byte >> 4 & 7)
    return bytes(table)
