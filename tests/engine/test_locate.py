"""Scalars are located by spans: what is found is what a reader of the whole document would pick."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from implementations import Loops, each_implementation
from strategies import lax_spellings, spans_in

from detectors.errors import BudgetExceeded
from engine.jsontext import Place, Scalar, Step, locate_all, read


def picked(data: bytes, start: int, spans: Sequence[tuple[int, int]]) -> tuple[int, list[Place]] | None:
    """The same as `locate`, the obvious way: every scalar against every span, every key above it looked up."""

    def touches(low: int, high: int) -> bool:
        return any(a < high and low < b for a, b in spans)

    def whole(scalar: Scalar) -> tuple[int, int]:
        quote = scalar.kind != "number"
        return scalar.start - quote, scalar.end + quote

    document = read(data, start, 100)
    if document is None:
        return None
    keys: list[tuple[Step | None, int, bool]] = []  # step, opening quote, is it or what follows touched
    out = []
    for scalar in document.scalars:
        low, high = whole(scalar)
        path = scalar.step.names() if scalar.step else ()
        if scalar.kind == "key":
            rest = data[high:].lstrip(b" \t\r\n")[1:].lstrip(b" \t\r\n")
            keys.append((scalar.step, low, touches(low, len(data) - len(rest))))
            if touches(low, high):
                out.append(Place("key", scalar.start, scalar.end, path, None))
            continue
        above = scalar.step
        while above is not None and isinstance(above.name, int):
            above = above.parent
        key = next((key for key in keys if above is not None and key[0] is above), None)
        if touches(low, high) or (key is not None and key[2]):
            member = (key[1] if key and key[0] is scalar.step else low, high) if path else None
            out.append(Place(scalar.kind, scalar.start, scalar.end, path, member))
    return document.end, out


@each_implementation
@given(data=lax_spellings(), choice=st.data())
def test_what_is_located_is_what_a_whole_reading_would_pick(loops: Loops, data: bytes, choice: st.DataObject) -> None:
    """Whatever the spelling, and wherever the spans lie."""
    spans = choice.draw(spans_in(data))
    assert loops.locate(data, 0, 100, spans) == picked(data, 0, spans)


RECORD = b'{"a": "one", "k" : ["two", [3], {"x": "four"}, "five"], "k":6}'


@each_implementation
@pytest.mark.parametrize(
    ("touched", "found"),
    [
        (b"one", [b"one"]),
        (b'"one', [b"one"]),
        (b'e"', [b"one"]),
        (b", ", []),  # between two members
        (b"four", [b"four"]),
        (b'"x"', [b"x", b"four"]),
        (b'k" ', [b"k", b"two", b"3", b"five"]),  # through arrays, not through objects, and not its namesake
        (b": [", [b"two", b"3", b"five"]),
        (b": ", [b"one"]),
        (b"[", []),
        (b"]", []),
        (b"k", [b"k", b"two", b"3", b"five"]),
        (b"6", [b"6"]),
        (b'"k":', [b"k", b"6"]),
        (b"e" + b'", "k"', [b"one", b"k", b"two", b"3", b"five"]),
        (b"one" + RECORD[10:-2], [b"one", b"k", b"two", b"3", b"x", b"four", b"five", b"k", b"6"]),
    ],
)
def test_a_span_finds_what_it_touches_and_what_stands_under_the_key_it_touches(
    loops: Loops, touched: bytes, found: list[bytes]
) -> None:
    """A string with its quotes; a key with the way to its value."""
    low = RECORD.index(touched)
    document = loops.locate(RECORD, 0, 100, [(low, low + len(touched))])
    assert document is not None
    end, places = document
    assert end == len(RECORD)
    assert [RECORD[place.start : place.end] for place in places] == found


@each_implementation
def test_a_place_knows_its_path_and_its_member(loops: Loops) -> None:
    """Keys decoded, indexes as numbers; the member is what would be cut with it."""
    data = b'{"\\u0061b": [1, {"c": "x"}]}'
    located = loops.locate(data, 0, 100, [(0, len(data))])
    assert located is not None
    assert located[1] == [
        Place("key", 2, 9, (b"ab",), None),
        Place("number", 13, 14, (b"ab", 0), (13, 14)),
        Place("key", 18, 19, (b"ab", 1, b"c"), None),
        Place("string", 23, 24, (b"ab", 1, b"c"), (17, 25)),
    ]
    assert loops.locate(b'"x"', 0, 100, [(0, 1)]) == (3, [Place("string", 1, 2, (), None)])


@each_implementation
def test_a_document_within_a_text_is_located_where_it_stands(loops: Loops) -> None:
    """Spans and places are offsets in the whole text; what is outside of the document is not looked at."""
    located = loops.locate(b'call {"a":[1,{"b":2}]} done {', 5, 100, [(0, 12), (22, 25)])
    assert located == (22, [Place("key", 7, 8, (b"a",), None), Place("number", 11, 12, (b"a", 0), (11, 12))])
    assert loops.locate(b"text", 0, 100, [(0, 4)]) is None


@each_implementation
@pytest.mark.parametrize("start", [-5, -1, 3, 100])
def test_a_start_outside_of_the_text_finds_what_read_finds(loops: Loops, start: int) -> None:
    """It is clipped."""
    assert loops.locate(b"[1]", start, 100, [(1, 2)]) == picked(b"[1]", start, [(1, 2)])


@each_implementation
def test_nesting_is_bounded(loops: Loops) -> None:
    """As it is for a whole reading."""
    with pytest.raises(BudgetExceeded, match="depth budget of 200"):
        loops.locate(b"[" * 10_000 + b"]" * 10_000, 0, 200, [])
    deep = b"[" * 200 + b"1" + b"]" * 200
    assert loops.locate(deep, 0, 200, [(200, 201)]) == (401, [Place("number", 200, 201, (0,) * 200, (200, 201))])


@each_implementation
def test_places_are_bounded(loops: Loops) -> None:
    """One key would name them all, and each has its path. What is no JSON has no places, however many there were."""
    data = b'{"password": [' + b"1, " * 99 + b"1]}"
    located = loops.locate(data, 0, 9, [(1, 2)], 101)
    assert located is not None
    assert len(located[1]) == 101
    with pytest.raises(BudgetExceeded, match="candidates budget of 100"):
        loops.locate(data, 0, 9, [(1, 2)], 100)
    assert loops.locate(data[:-1], 0, 9, [(1, 2)], 100) is None
    with pytest.raises(BudgetExceeded, match="candidates"):
        locate_all(data, 9, [(1, 2)], 100)


def test_all_of_a_text_is_the_document_or_nothing_is_located() -> None:
    """White space and a byte order mark aside."""
    mark = b"\xef\xbb\xbf"
    assert locate_all(mark + b" [1]\n", 9, [(5, 6)]) == (7, [Place("number", 5, 6, (0,), (5, 6))])
    assert locate_all(b"[1] 2", 9, [(1, 2)]) is None
    assert locate_all(b"[1", 9, [(1, 2)]) is None
