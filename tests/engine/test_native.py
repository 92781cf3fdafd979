"""The compiled helper does exactly what the Python functions do, and is there where it should be."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from glances import has_digits, the_helper
from hypothesis import example, given, settings
from hypothesis import strategies as st
from implementations import COMPILED, HELPER, PYTHON, Loops, without_helper
from strategies import escaped, lax_spellings, nested, spans_in

from detectors.anchors import table
from detectors.errors import BudgetExceeded
from detectors.gateform import has_digits_pure
from detectors.glance import Plan
from engine import native
from engine.jsontext import Place
from engine.touched import Readers

ROOT = Path(__file__).parents[2]
LIMIT = 2**80


@pytest.fixture(scope="module")
def compiled(request: pytest.FixtureRequest) -> Loops:
    """The compiled helper: without it a failure in CI, else one loud skip."""
    if COMPILED is None:
        with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
            print("\n*** THE COMPILED HELPER IS NOT TESTED ***", file=sys.stderr)
        without_helper()
    return COMPILED


def outcome(function: Callable[..., Any], *arguments: Any) -> Any:
    """What it returns, or that it went over which budget."""
    try:
        return function(*arguments)
    except BudgetExceeded as error:
        return error.budget, error.limit, str(error)


@settings(max_examples=1000)
@given(
    data=lax_spellings() | st.binary(max_size=40) | st.text('{}[]",:\\u0041 \t1e-.tfnaN', max_size=40).map(str.encode),
    choice=st.data(),
    depth=st.integers(0, 6) | st.just(200),
)
def test_locating_is_the_same(compiled: Loops, data: bytes, choice: st.DataObject, depth: int) -> None:
    """Places, their types, what is no JSON, what is nested too deeply: on any bytes, from any start."""
    spans = choice.draw(spans_in(data))
    start = choice.draw(st.just(0) | st.integers(-2, len(data) + 2))
    max_places = choice.draw(st.sampled_from([-1, 0, 1, 3, LIMIT]))
    expected = outcome(PYTHON.locate, data, start, depth, spans, max_places)
    found = outcome(compiled.locate, data, start, depth, spans, max_places)
    assert found == expected
    if found is not None and isinstance(found[1], list):
        assert all(type(place) is Place for place in found[1])
        assert [list(map(type, place)) for place in found[1]] == [list(map(type, place)) for place in expected[1]]
        assert [list(map(type, place.path)) for place in found[1]] == [
            list(map(type, place.path)) for place in expected[1]
        ]


@settings(max_examples=1000)
@given(raw=escaped | st.binary(max_size=20), offset=st.integers(-2, 40), end=st.booleans())
@example(raw=b"\\", offset=1, end=True)
@example(raw=b"\\ud83d\\ude00\\", offset=4, end=True)
def test_escapes_are_the_same(compiled: Loops, raw: bytes, offset: int, end: bool) -> None:
    """Their text, and each way back, of offsets that are beyond the text too."""
    assert compiled.unescape_bytes(raw) == PYTHON.unescape_bytes(raw)
    assert compiled.raw_offset(raw, offset, end) == PYTHON.raw_offset(raw, offset, end)


class EveryThird:
    """A rule that does not read some keys."""

    def __init__(self, number: int) -> None:
        self.number = number

    def reads(self, key: bytes) -> bool:
        """Not those of a certain length."""
        return len(key) % 3 != self.number % 3


READERS = Readers([EveryThird(number) for number in range(200)])


@settings(max_examples=1000)
@given(
    data=lax_spellings() | st.text('{}[]",:\\u0041 \t1e-.tfnaN', max_size=40).map(str.encode),
    choice=st.data(),
    rules=st.sampled_from([1, 4, 200]),
    by_key=st.sets(st.integers(0, 3)),
    above=st.sampled_from([b"", b"a", "é".encode()]),
    untouched=st.booleans(),
)
def test_what_rules_read_is_the_same(
    compiled: Loops, data: bytes, choice: st.DataObject, rules: int, by_key: set[int], above: bytes, untouched: bool
) -> None:
    """Scalars, their keys and rules; for more rules than a word has bits as well."""
    spans = [(low, high, choice.draw(st.integers(0, rules - 1))) for low, high in choice.draw(spans_in(data))]
    if rules == 200:
        spans = sorted([*spans, *((at % 7, at % 7 + 2, at) for at in range(100))])
    most = choice.draw(st.sampled_from([-1, 0, 1, LIMIT]))
    arguments = READERS, data, choice.draw(st.integers(-1, 2)), 5, sorted(spans), most, by_key, above, untouched
    assert outcome(compiled.touched, *arguments) == outcome(PYTHON.touched, *arguments)


sets = st.sets(st.sampled_from(b"ab1."), min_size=1).map(frozenset)


@settings(max_examples=300)
@given(
    anchors=st.dictionaries(
        st.integers(0, 500),
        st.lists(st.lists(sets, min_size=1, max_size=9).map(tuple), min_size=1, max_size=6),
        max_size=6,
    ),
    data=st.text("ab1.x", max_size=60).map(str.encode) | st.binary(max_size=20),
    most=st.sampled_from([0, 1, 5, 1000]),
)
def test_anchors_are_the_same(
    compiled: Loops, anchors: dict[int, list[tuple[frozenset[int], ...]]], data: bytes, most: int
) -> None:
    """Where they end, in tables of one word and of several, and that there are too many."""
    made = table(anchors)
    assert compiled.scan(data, *made, most) == PYTHON.scan(data, *made, most)


@pytest.mark.parametrize("depth", [23, 24, 25, 48, 49, 200, 5000])
@pytest.mark.parametrize("shape", [(b"[", b"]"), (b'{"\\u0061":', b"}"), (b'{"a": [', b"]}")])
def test_deep_nesting_is_the_same(compiled: Loops, depth: int, shape: tuple[bytes, bytes]) -> None:
    """At every size of the stack of containers, and beyond what may be nested."""
    opening, closing = shape
    data = opening * depth + b'"x"' + closing * depth
    middle = len(opening) * depth
    for spans in ([], [(middle, middle + 1)], [(0, len(data))]):
        for start in (0, len(opening) * (depth - 1)):
            for max_depth in (depth - 1, 2 * depth):
                arguments = data, start, max_depth, spans
                assert outcome(compiled.locate, *arguments) == outcome(PYTHON.locate, *arguments)


@pytest.mark.parametrize("cut", [0, 1])
def test_many_spans_and_long_strings_are_the_same(compiled: Loops, cut: int) -> None:
    """Strings with quotes and escapes at every offset of a word; more spans than fit on the stack."""
    strings = [b'"' + b"x" * before + mark + b"y" * 9 + b'"' for before in range(20) for mark in (b"", b'\\"', b"\\\\")]
    data = b"[" + b", ".join(strings) + b"]"[cut:]
    spans = [(at, at + 2) for at in range(0, len(data), 7)]
    assert compiled.locate(data, 0, 9, spans) == PYTHON.locate(data, 0, 9, spans)


def test_json_in_json_is_the_same(compiled: Loops) -> None:
    """Whose strings are mostly escapes."""
    data = nested('é"\n😀\\', 6, ascii_only=True)
    located = compiled.locate(data, 0, 9, [(len(data) // 2, len(data) // 2 + 1)])
    assert located is not None
    assert located == PYTHON.locate(data, 0, 9, [(len(data) // 2, len(data) // 2 + 1)])
    [place] = located[1]
    assert compiled.unescape_bytes(data[place.start : place.end]) == nested('é"\n😀\\', 5, ascii_only=True)


@pytest.mark.parametrize("number", [LIMIT, -LIMIT])
def test_numbers_of_any_size_are_taken(compiled: Loops, number: int) -> None:
    """As Python takes them; offsets must be some that there can be."""
    for arguments in ((b"[1]", 0, 9, [(number, LIMIT)]), (b"[1]", 0, number, [(1, 2)])):
        assert outcome(compiled.locate, *arguments) == outcome(PYTHON.locate, *arguments)
    for loops in (compiled, PYTHON):
        with pytest.raises(OverflowError):
            loops.locate(b"[1]", number, 9, [])
    with pytest.raises(OverflowError):
        compiled.raw_offset(b"x", number, True)
    with pytest.raises(OverflowError):
        compiled.raw_offset(b"\\n", sys.maxsize, True)


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        (Place, b"[]", 0, 9),
        (Place, b"[]", 0, 9, [], 1, 1),
        (Place, b"[]", 0, 9, [], None),
        (dict, b"[]", 0, 9, []),
        (None, b"[]", 0, 9, []),
        (Place, "[]", 0, 9, []),
        (Place, bytearray(b"[]"), 0, 9, []),
        (Place, b"[]", 0.0, 9, []),
        (Place, b"[]", 0, None, []),
        (Place, b"[]", 0, 9, None),
        (Place, b"[]", 0, 9, [1]),
        (Place, b"[]", 0, 9, [(1, 2)] * 9 + [(1,)]),
        (Place, b"[]", 0, 9, [(1, "2")]),
        (Place, b"[]", 0, 9, [[1, 2]]),
    ],
)
def test_what_is_no_argument_is_refused(compiled: Loops, arguments: tuple[Any, ...]) -> None:
    """With an exception, not a crash."""
    assert HELPER is not None
    with pytest.raises(TypeError):
        HELPER.locate(*arguments)


@pytest.mark.parametrize("arguments", [(), ("x", 0, True), (b"x", "0", True), (b"x", 0)])
def test_what_is_no_argument_of_an_escape_is_refused(compiled: Loops, arguments: tuple[Any, ...]) -> None:
    """The same."""
    assert HELPER is not None
    with pytest.raises(TypeError):
        HELPER.raw_offset(*arguments)
    with pytest.raises(TypeError):
        HELPER.unescape_bytes("x")


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("x", 1, bytes(258 * 8), (-1,) * 64, 9),
        (b"x", 1, bytes(258 * 8 - 1), (-1,) * 64, 9),
        (b"x", 2, bytes(258 * 16), (-1,) * 64, 9),
        (b"x", 2**70, bytes(258 * 8), (-1,) * 64, 9),
        (b"x", -1, b"", (), 9),
    ],
)
def test_what_is_no_table_of_anchors_is_refused(compiled: Loops, arguments: tuple[Any, ...]) -> None:
    """The same."""
    with pytest.raises((TypeError, ValueError)):
        compiled.scan(*arguments)


def test_the_helper_was_compiled_from_this_source(compiled: Loops) -> None:
    """Else all the others test another one."""
    assert HELPER is not None
    parts = sorted((ROOT / "engine" / "c").iterdir())
    digest = hashlib.sha256(b"".join(part.read_bytes() for part in parts)).hexdigest()
    assert f"x{digest}" == HELPER.SOURCE_DIGEST, "engine/c has changed: run make"


def told(**environment: str) -> str:
    """What `python -m engine.native` says."""
    command = [sys.executable, "-m", "engine.native"]
    given = {name: value for name, value in os.environ.items() if name != "SLUICEGATE_PURE"} | environment
    return subprocess.run(command, env=given, capture_output=True, text=True, check=True).stdout


def test_one_line_tells_which_is_used(compiled: Loops) -> None:
    """And why the other isn't."""
    assert told() == "compiled helper: in use\n"
    assert told(SLUICEGATE_PURE="1").endswith("(SLUICEGATE_PURE=1)\n")


def test_a_helper_of_other_sources_is_not_used(compiled: Loops, monkeypatch: pytest.MonkeyPatch) -> None:
    """After an update without a build it would be called in a way that it does not know, and all be quarantined."""
    assert HELPER is not None
    monkeypatch.setattr(HELPER, "SOURCE_DIGEST", "xolder")
    assert native._load() == (None, "engine/c has changed since it was built: run make")


def test_records_come_out_the_same_without_the_helper(compiled: Loops) -> None:
    """From the command line to the last byte, escapes and JSON in strings included."""
    records = (ROOT / "examples" / "agent.ndjson").read_bytes()
    records += b"\n".join(
        nested('mail jane\\u0040corp.example.com é "😀" AKIA', depth, ascii_only=ascii_only)
        for depth in range(4)
        for ascii_only in (True, False)
    )

    def cleaned(pure: str) -> bytes:
        command = [sys.executable, "-m", "sluicegate", "sanitize"]
        environment = os.environ | {"SLUICEGATE_PURE": pure}
        return subprocess.run(command, input=records, env=environment, capture_output=True, check=True).stdout

    assert cleaned("0") == cleaned("1") != records


@settings(max_examples=1000)
@given(
    data=st.lists(
        st.text("0123456789 .()/-\\", max_size=12).map(str.encode)
        | st.binary(max_size=3)
        | st.integers(0, 130).map(lambda count: b" " * count)
        | st.integers(0, 130).map(lambda count: b"x" * count),
        max_size=12,
    ).map(b"".join)
)
@example(b"1" + b"-" * 200 + b"23456")
@example(b"x" * 61 + b"123456")
@example(b"12345" + b"x" * 59 + b"1")
@example(b"12345" + b" " * 59 + b"1")
def test_digits_are_seen_where_the_pattern_sees_them(data: bytes) -> None:
    """Across the borders of the blocks that it looks at, with whatever may stand between digits."""
    assert has_digits(data) is has_digits_pure(data)


@pytest.mark.parametrize(
    "given", [(), ([b"a"],), ([b"a"], [[]], ()), (b"a", [[]], Plan()), ([b"a"], [], Plan()), (["a"], [[]], Plan()), ([b"a"], [()], Plan()),
        ([b"a"], [[]], Plan(hidden=1)), ([b"a"], [[]], Plan(keyed=b"a")), ([b"a"], [[]], Plan(shapes=b"a", few_shapes=b"")),
        ([b"a"], [[]], Plan(words=b"a", few_words=b"")), ([b"a"], [[]], Plan(hidden=1, rows=b"a"))])  # fmt: skip
def test_a_glance_refuses_what_it_cannot_read(given: tuple[Any, ...]) -> None:
    """Texts that are no bytes, lists that are none or too few, and plans with tables that are none."""
    with pytest.raises(TypeError):
        the_helper().glance(*given)
