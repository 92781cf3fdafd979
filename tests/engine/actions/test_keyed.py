"""Words behind their keys: the helper says what the reference does, and is silent only where all patterns are."""

from __future__ import annotations

import json

import pytest
from glances import tells, the_helper
from hypothesis import example, given, settings
from hypothesis import strategies as st

from engine.actions.defaults import compiled_defaults
from engine.actions.keyed import MOST_KEYS, Keyed, keyed, table, tells_pure, word_in
from engine.actions.literals import gate_patterns
from engine.actions.profile import shipped_profiles

SOME = [
    Keyed(b"action", b"db.", anywhere=False),
    Keyed(b"action", b"export", anywhere=False, ends=True),
    Keyed(b"action", b"rm", anywhere=False, beside=(b"prod", b"ab")),
    Keyed(b"name", b"shell", anywhere=False, beside=(b"kubectl",)),
    Keyed(b"name", b"shell_run", anywhere=False),
    Keyed(b"me", b"x.y", anywhere=True),
    Keyed(b"type", b"", anywhere=False, beside=(b"kubectl",)),
    Keyed(b"verb", b"", anywhere=False),
    Keyed(b"verb", b"get", anywhere=False),
]
PIECES = [
    '"action"', '"ACTION\\"', '\\"name\\"', '"me"', '"type"', '"verb\\\\\\"', "action", "name", '"', '\\"', '\\\\\\"',
    "\\", ":", " : ", "\\n", "\\\\t", "\t", " ", "db.", "DB.", "exp", "export", "rm", "shell", "shell_run", "x.y", "prod",
    "ab", "KUBEctl", "get", ",", "}", "]", "a", "\u00e9", "\x00",
]  # fmt: skip
texts = st.lists(st.sampled_from(PIECES), max_size=14).map("".join).map(str.encode)


@pytest.fixture(autouse=True, scope="module")
def helper() -> None:
    """Only the compiled helper reads the tables."""
    the_helper()


@settings(max_examples=2000)
@given(data=texts | st.binary(max_size=30), some=st.lists(st.sampled_from(SOME), max_size=6))
@example(data=b':"action":"db."', some=SOME)
@example(data=b'"action":"rm"', some=SOME[2:3])
@example(data=b'"action" \\n:\\n"x\\"db."', some=SOME)
@example(data=b'"action":db.', some=SOME)
def test_the_helper_says_what_the_reference_does(data: bytes, some: list[Keyed]) -> None:
    """Any keys, words, white space, quotes in quotes and ends of values."""
    written = table(some)
    assert written is not None
    assert tells(data, written) is tells_pure(data, some)


@pytest.mark.parametrize(
    ("data", "hit"),
    [
        (b'{"action": "users.export"}', True),
        (b'{"action": "users.exports"}', False),
        (b'{"action": ["users.export"]}', False),
        (b'{"action": "read", "reason": "users.export"}', False),
        (b'{"name": "shell", "text": "ls"}', False),
        (b'{"text": "kubectl get", "name": "shell"}', True),
        (json.dumps({"log": json.dumps({"log": json.dumps({"action": 'a "b" db.x'})})}).encode(), True),
        (json.dumps({"log": json.dumps({"action": 'a "b"', "reason": "db.x"})}).encode(), False),
        (b'{"me": {"deep": ["x.y"]}}', True),
    ],
)
def test_a_word_counts_behind_its_key_alone(data: bytes, *, hit: bool) -> None:
    """In the value, to its end if it ends one, and beside another word where it needs one."""
    written = table(SOME[:6])
    assert written is not None
    assert tells(data, written) is hit
    assert tells_pure(data, SOME[:6]) is hit


def test_what_cannot_be_told_is_not() -> None:
    """Keys with other characters, and words that raw bytes may spell in other ways, leave the gate its patterns."""
    assert keyed([b"a b"], b"word", anywhere=False) is None
    assert keyed([b"key"], b' "word', anywhere=False) is None
    assert keyed([b"key"], b"a/b", anywhere=False) is None
    assert keyed([b"key"], b"a/word x", anywhere=False, ends=True) == (Keyed(b"key", b"word", anywhere=False),)
    assert keyed([b"key"], b"a/word", anywhere=False, ends=True) == (Keyed(b"key", b"word", anywhere=False, ends=True),)
    assert word_in(b" -r delete/x") == b"delete"
    assert word_in(b" / ") == b""
    assert table([Keyed(b"key%d" % number, b"word", anywhere=False) for number in range(MOST_KEYS + 1)]) is None


def test_more_words_beside_than_are_told_apart_count_as_none() -> None:
    """What is beyond the groups of the helper hits without the words beside."""
    some = [Keyed(b"key", b"word%02d" % number, anywhere=False, beside=(b"no%02d" % number,)) for number in range(40)]
    written = table(some)
    assert written is not None
    assert not tells(b'{"key": "word00"}', written)
    assert tells(b'{"key": "word00", "b": "no00"}', written)
    assert tells(b'{"key": "word39"}', written)


@settings(max_examples=300)
@given(written=st.binary(max_size=40), at=st.integers(0, 2000), data=texts)
def test_a_broken_table_is_read_within_its_bounds(written: bytes, at: int, data: bytes) -> None:
    """Whatever its bytes say."""
    whole = table(SOME) or b""
    assert tells(data, whole[:at] + written + whole[at + len(written) :]) in (True, False) if at > 1200 else True
    with pytest.raises(TypeError, match="no plan"):
        tells(data, written)


def test_strings_in_strings_in_strings_take_linear_time() -> None:
    """What looks like one value to its end, from each of thousands of keys, is read once."""
    written = table(SOME)
    assert written is not None
    assert not tells(b'\\\\\\"action\\\\\\":' * 200_000, written)
    assert not tells(b'"me":' * 200_000, written)


def test_the_shipped_rules_are_told_by_keys_and_words() -> None:
    """None of them leaves the gate to its words alone."""
    found = gate_patterns(compiled_defaults(), shipped_profiles()).keyed
    assert found
    assert table(found)
