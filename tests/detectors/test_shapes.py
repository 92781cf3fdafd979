"""Shapes: found where Hyperscan finds the pattern that they are made of, on any bytes."""

from __future__ import annotations

import struct
from collections.abc import Callable
from itertools import product

import pytest
from glances import the_helper
from hypothesis import example, given, settings
from hypothesis import strategies as st
from implementations import without_helper

from detectors.gate import Gate
from detectors.glance import Plan
from detectors.shapes import LONGEST, Shapes, program_of, shape_of
from engine.policy import load_policy

PATTERNS = [
    rb"\d\.\d{1,3}\.\d{1,3}\.\d",
    rb"(?i)[a-z0-9_%\x80-\xff-]@[a-z0-9\x80-\xff]",
    rb"(?i)(?:[0-9a-f]{1,4}:){6}[0-9a-f]|(?:^|[^\w:.]|\\[nrtbf])::[0-9a-f]",
    rb"(?i)(?-i:[A-Z][A-Z]\d\d(?:[ -]?[A-Z0-9]){5})",
    rb"\+[1-9][ ()./-]{0,3}\d(?:[a-f](?:[gh][xyz]?){0,2}|-\d){1,2}",
    rb"(?s)^[,;].[,;]",
    rb"[,;:.]{4}[^a]{9}[,;:.]\d{0,5}!",
]
PIECES = [
    b"1.22.333.4", b"12.3", b".5.", b"a@b", b"\xc3@", b"@", b"1:22:333:4444:5:6", b":7", b"::1", b"\\n::f", b" ::", b"DE12 3AB", b"-C4",
    b"de", b"+1 (2", b"agx", b"hz", b"-3", b",", b";", b",x;", b",;,;", b"bcdefghij", b"9!", b"\x00", b"\x80", b"\xff", b"A", b"0",
]  # fmt: skip


@pytest.fixture(autouse=True, scope="module")
def helper() -> None:
    """Only the compiled helper looks for shapes."""
    if not the_helper().shapes:
        without_helper()


def shapes_in(data: bytes, program: bytes) -> list[int]:
    """The ids of the shapes of ``program`` in ``data``."""
    hits: list[int] = []
    the_helper().glance([data], [hits], Plan(few_shapes=program, shapes=program))
    return hits


@pytest.fixture(scope="module")
def gates() -> tuple[Gate, Gate]:
    """One that looks for the patterns as shapes, and one that leaves them to Hyperscan."""
    return Gate(PATTERNS, helper=the_helper()), Gate(PATTERNS)


def test_all_of_these_are_shapes() -> None:
    """The patterns that the other tests compare are looked for by the helper."""
    assert Shapes(dict(enumerate(PATTERNS))).ids == set(range(len(PATTERNS)))


@settings(max_examples=3000)
@given(
    before=st.integers(0, 200), parts=st.lists(st.sampled_from(PIECES), max_size=12), filler=st.sampled_from(b" a1:,.")
)
@example(before=63, parts=[b"1.22.333.4"], filler=32)
@example(before=0, parts=[b",x;"], filler=32)
@example(before=1, parts=[b",x;"], filler=32)
def test_a_shape_is_where_its_pattern_is(
    gates: tuple[Gate, Gate], before: int, parts: list[bytes], filler: int
) -> None:
    """Wherever it stands in a block, and over the border of two."""
    data = bytes([filler]) * before + b"".join(parts)
    assert sorted(gates[0].hits(data)) == sorted(gates[1].hits(data))


@pytest.mark.parametrize("piece", [*PIECES, b"1:2:3:4:5:6:7", b"DE12-3 A-B C4", b",;,;bcdefghi,12345!"])
def test_long_texts_are_read_in_parts(gates: tuple[Gate, Gate], piece: bytes) -> None:
    """What stands over the border of two parts, or behind many of them, is found."""
    for before in (0, 1, 40, 62, 4096 - 64, *range(4096 - 20, 4096 + 2), 4096 + 63, 2 * 4096 - 3, 40_000):
        for behind in (b"", b" " * 30, b" " * 500, b" " * 4096):
            data = b" " * before + piece + behind
            assert sorted(gates[0].hits(data)) == sorted(gates[1].hits(data)), (before, behind)


@settings(max_examples=1000, deadline=None)
@given(data=st.binary(max_size=300))
def test_any_bytes_are_read(gates: tuple[Gate, Gate], data: bytes) -> None:
    """Bytes of all values, with and without what is looked for."""
    assert sorted(gates[0].hits(data)) == sorted(gates[1].hits(data))


def test_every_shape_of_the_shipped_gate_is_found_in_its_examples() -> None:
    """The gate with shapes hits on whatever the same gate by Hyperscan alone hits on."""
    detector = load_policy().detector
    assert len(detector.gate.shaped) >= 5
    plain = Gate([detector.gate.patterns[number] for number in sorted(detector.gate.shaped)])
    names = sorted(detector.gate.shaped)
    found = set()
    for rule in detector.rules:
        for text in rule.rule.examples:
            value = text.text.encode()
            hits = {names[number] for number in plain.hits(value)}
            assert detector.gate.shaped.intersection(detector.gate.hits(value)) == hits, value
            found |= hits
    assert found == detector.gate.shaped


@pytest.mark.parametrize("pattern", [
    rb"\d+[.]\d", rb"\d\.\d$", rb"\b\d\.\d", rb"AKIA[A-Z]{4}", rb"(?i)x[yz]\d", rb"\d" * (LONGEST + 1), rb"[a-z]?", rb"\d", rb"(?:a|b)"
])  # fmt: skip
def test_the_rest_is_left_to_hyperscan(pattern: bytes) -> None:
    """What is endless, looks beyond its match, begins with a literal, is long, or has no two bytes in a row."""
    assert shape_of(pattern) == ()


@pytest.mark.parametrize("pattern", [
    b"(?:" * 6 + rb"\d[ab]" + b"){9}" * 6, rb"(?:[a-z]{2}|\d?|[g-k]-?)" * 20, rb"[a-z]\d" * LONGEST, rb"(?:\d[a-f]){0,40}",
])  # fmt: skip
def test_what_would_be_enormous_is_left_too(pattern: bytes) -> None:
    """Repeats of repeats and ways of ways are not written out: a user's rule must not hold up a start."""
    assert shape_of(pattern) == ()


def _rows(number: int) -> bytes:
    return rb"[\x00-\x%02x][\x40-\x%02x]\d" % (0x60 + number, 0x60 + number)


def _classes(number: int) -> bytes:
    return b"@[a-f]" + b"".join(rb"[\x%02x-\x%02x]" % (number, 0x80 + at) for at in range(4))


def _long(number: int) -> bytes:
    ways = map(b"".join, product((rb"\d", b"[a-f]", b"[g-z]"), repeat=4))
    return rb"@[a-f](?:%b)[0-%d]" % (b"|".join(ways), number % 9)


@pytest.mark.parametrize("pattern", [_rows, _classes, _long])
def test_there_is_room_for_some_shapes_only(pattern: Callable[[int], bytes]) -> None:
    """What does not fit into the helper's tables stays with Hyperscan: classes of rows, other classes, instructions."""
    shapes = {number: shape_of(pattern(number)) for number in range(80)}
    assert all(shapes.values())
    program, ids = program_of(shapes)
    assert 5 < len(ids) < len(shapes)
    assert shapes_in(b"no such thing", program) == []


@pytest.mark.parametrize("broken", [
    b"", b"\x01", b"\xff\xff\x01" + bytes(40), b"\x01\x01\x01" + bytes(31),
    b"\x01\x01\x01" + bytes(32) + struct.pack("=4H24B", 7, 0, 9, 1, *[0] * 24) + b"\x00",
    b"\x01\x01\x01" + b"\xff" * 32 + struct.pack("=4H24B", 7, 0, 1, 1, *[0] * 24) + b"\x09",
    b"\x01\x01\x01" + b"\xff" * 32 + struct.pack("=4H24B", 7, 0, 2, 1, *[0] * 24) + b"\x00\x00",
    b"\x01\x01\x01" + b"\xff" * 32 + struct.pack("=4H24B", 7, 0, 1, 1, *[0] * 24) + b"\x04",
    b"\x01\x01\x01" + b"\xff" * 32 + struct.pack("=4H24B", 7, 0, 9, 1, *[0] * 24) + b"\x02" * 9,
    b"\x01\x01\x01" + b"\xff" * 32 + struct.pack("=4H24B", 7, 0, 1, 1, 99, *[0] * 23) + b"\x01",
    b"\x01\x01\x01" + b"\xff" * 32 + struct.pack("=4H24B", 7, 0, 1, 1, 0, 9, *[0] * 22) + b"\x01",
])  # fmt: skip
def test_what_is_no_program_is_refused(broken: bytes) -> None:
    """A table that was damaged ends in an error, not in bytes that are not its own."""
    with pytest.raises(TypeError, match="no plan"):
        shapes_in(b"some text", broken)
