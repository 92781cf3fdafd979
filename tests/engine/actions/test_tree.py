"""JSON bytes as trees."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.errors import BudgetExceeded
from engine.actions.model import Json, Number
from engine.actions.tree import Reader, parse


@pytest.mark.parametrize(
    "text", ["0", "-0", "1.50", "1e400", "-1.0E+5", "123456789012345678901234567890", "NaN", "-Infinity"]
)
def test_numbers_stay_as_written(text: str) -> None:
    """A number is its digits: nothing is rounded, nothing overflows."""
    tree = parse(f'{{"n": {text}}}'.encode()).last
    assert isinstance(tree, dict)
    assert tree["n"] == text
    assert isinstance(tree["n"], Number)


def test_strings_are_not_numbers() -> None:
    """A string of digits is a plain string."""
    assert not isinstance(parse(b'"12"').last, Number)


def test_duplicate_keys_give_both_readings() -> None:
    """Where keys repeat, the tree of the first and the tree of the last are both there."""
    trees = parse(b'{"a": 1, "b": {"c": "x", "c": "y"}, "a": 2}')
    assert trees.readings() == (
        {"a": Number("2"), "b": {"c": "y"}},
        {"a": Number("1"), "b": {"c": "x"}},
    )


def test_without_duplicates_there_is_one_reading() -> None:
    """The second parse is only for records that need it."""
    assert len(parse(b'{"a": [{"a": 1}]}').readings()) == 1


def test_lone_surrogates_survive() -> None:
    """Half a surrogate pair is kept, escaped or raw."""
    assert parse(b'"\\ud800"').last == "\ud800"
    assert parse(b'"\xed\xa0\x80"').last == "\ud800"


def test_a_byte_order_mark_does_not_hide_a_record() -> None:
    """Readers that skip the mark would see the action, so it is skipped here too."""
    assert parse(b'\xef\xbb\xbf{"a": 1}').last == {"a": "1"}


@pytest.mark.parametrize("data", [b"", b"secret", b'{"secret": 1', b'{"a": "secret\xff"}', b"\xff\xfe{", b"[1]]"])
def test_what_is_not_json_is_refused_without_its_content(data: bytes) -> None:
    """The error, and what it came from, hold nothing of the document."""
    with pytest.raises(ValueError, match="not") as caught:
        parse(data)
    assert "secret" not in str(caught.value)
    assert caught.value.__context__ is None
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("data", [b"[" * 100_000, b'{"a":' * 100_000, b"[" * 200 + b"]" * 200])
def test_nesting_is_bounded(data: bytes) -> None:
    """Deep nesting is a budget, not a crash, also when the document never ends."""
    with pytest.raises(BudgetExceeded, match="depth"):
        parse(data)


def test_the_depth_limit_is_exact() -> None:
    """As many containers as allowed pass, one more does not."""
    assert parse(b"[" * 8 + b"1" + b"]" * 8, max_depth=8)
    with pytest.raises(BudgetExceeded):
        parse(b"[" * 9 + b"1" + b"]" * 9, max_depth=8)


def test_repr_holds_no_value() -> None:
    """Trees may be logged by accident."""
    assert "secret" not in repr(parse(b'"secret"'))


def test_json_in_strings_is_read_however_often_it_was_encoded() -> None:
    """A string that holds a string that holds an object is that object."""
    reader = Reader()
    assert reader.inside(json.dumps(json.dumps(json.dumps({"a": 1})))) == {"a": "1"}
    assert reader.inside("plain") is None
    assert reader.inside("{not json") is None
    assert not reader.ambiguous


def test_json_in_strings_is_bounded() -> None:
    """Encoding without end runs into a budget."""
    text = "{}"
    for _ in range(8):
        text = json.dumps(text)
    with pytest.raises(BudgetExceeded, match="layers"):
        Reader().inside(text)


def test_duplicates_in_strings_make_the_reader_ambiguous() -> None:
    """Which of the two is meant depends on the reading."""
    for first, value in ((False, "2"), (True, "1")):
        reader = Reader(first=first)
        assert reader.inside('{"a": 1, "a": 2}') == {"a": value}
        assert reader.ambiguous


documents = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def _plain(tree: Json) -> object:
    if isinstance(tree, Number):
        return int(tree)
    if isinstance(tree, dict):
        return {key: _plain(value) for key, value in tree.items()}
    return [_plain(item) for item in tree] if isinstance(tree, list) else tree


@given(documents)
def test_trees_are_what_the_standard_parser_reads(document: object) -> None:
    """Apart from numbers, the tree is that of the standard library."""
    assert _plain(parse(json.dumps(document).encode()).last) == document
