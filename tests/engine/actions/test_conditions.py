"""Globs, comparisons and paths."""

from __future__ import annotations

import fnmatch
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.actions.conditions import Scalars, holds, parse_condition, together
from engine.actions.globs import AnyGlob, Glob
from engine.actions.model import Json
from engine.actions.paths import Path, leaves
from engine.actions.tree import Reader, parse


@pytest.mark.parametrize(
    ("glob", "text", "matches"),
    [
        ("*.export", "customers.export", True),
        ("*.export", "customers.exports", False),
        ("DB.Drop*", "db.dropTable", True),
        ("a*b*c", "a-b-b-c", True),
        ("a*b*c", "acb", False),
        ("ab*ba", "aba", False),
        ("*", "", True),
        ("", "", True),
        ("", "x", False),
        ("rm -rf *", " rm \t -rf\n/", True),
        ("rm -rf*", "rm-rf", False),
        ("*k*", "\u212a", True),  # KELVIN SIGN
        ("db.drop", "db.drop\u00a0", True),
        ("db.drop", "\u2003db.dr\u200bop", True),
        ("db.drop", "ｄｂ.drор", True),
        ("удалить*", "удалить все", True),
        ("db.drop", "db.drøp", False),
    ],
)
def test_globs_match_whole_texts(glob: str, text: str, matches: bool) -> None:
    """A star is anything, ASCII case does not count, a blank is any white space, look-alikes are what they look like."""
    assert Glob.of(glob).matches(text) is matches


@pytest.mark.parametrize("text", ["db.read\u00a0", "db.re\u200bad", "ｄｂ.read", "db.reаd"])
def test_what_is_allowed_is_allowed_as_it_is_written(text: str) -> None:
    """A look-alike of a name that passes does not; a name in another script does, by its own rule."""
    assert Glob.of("db.read").matches(text)
    assert not Glob.of("db.read").matches_as_written(text)
    assert Glob.of(text).matches_as_written(text)
    for condition, met in (("db.read", False), ("!db.read", False)):
        assert holds([parse_condition(condition)], [text], Scalars(Reader()), allow=True) is met
    for condition, met in (("db.read", True), ("!db.read", True)):
        assert holds([parse_condition(condition)], [text], Scalars(Reader())) is met


@given(st.text(alphabet="aAb* ", max_size=8), st.text(alphabet="aAb ", max_size=8))
def test_globs_agree_with_a_naive_matcher(glob: str, text: str) -> None:
    """Against fnmatch, after the same folding."""
    fold = lambda value: re.sub(" +", " ", value).strip(" ").lower()  # noqa: E731
    assert Glob.of(glob).matches(text) is fnmatch.fnmatchcase(fold(text), fold(glob))


@given(st.text(alphabet="ab*", max_size=5), st.text(alphabet="ab*", max_size=5), st.text(alphabet="ab", max_size=6))
def test_a_glob_that_covers_another_matches_all_it_matches(wide: str, narrow: str, text: str) -> None:
    """`covers` never claims too much."""
    one, two = Glob.of(wide), Glob.of(narrow)
    if one.covers(two) and two.matches(text):
        assert one.matches(text)


@given(
    st.lists(st.text(alphabet="aA.é* \n", max_size=6), min_size=2, max_size=5),
    st.text(alphabet="aA.é \n", max_size=8),
    st.sampled_from([0, 1, 300]),
)
def test_globs_asked_at_once_say_what_each_says(globs: list[str], text: str, repeats: int) -> None:
    """For texts short and long, bytes beyond ASCII and what a regular expression takes for a sign of its own."""
    text, each = text * repeats, [Glob.of(glob) for glob in globs]
    assert AnyGlob(each).matches(text) is any(glob.matches(text) for glob in each)


def test_many_stars_stay_linear() -> None:
    """A glob that would blow up a backtracking matcher is answered at once."""
    assert not Glob.of("*a" * 50 + "*b").matches("a" * 20_000)


def check(condition: str | list[str], *found: Json, allow: bool = False) -> bool:
    texts = [condition] if isinstance(condition, str) else condition
    conditions = [parse_condition(text) for text in texts]
    answer = holds(conditions, found, Scalars(Reader()), allow=allow)
    assert holds(together(conditions), found, Scalars(Reader()), allow=allow) is answer
    return answer


def tree(text: str) -> Json:
    return parse(text.encode()).last


@pytest.mark.parametrize(
    ("condition", "value", "expected"),
    [
        ("> 1000", "1000", False),
        ("> 1000", "1000.0000000000000000000000001", True),
        (">= 1000", "1e3", True),
        ("< 0", "-0", False),
        ("<= 0.3", "0.3", True),
        ("= 12345678901234567890123", "12345678901234567890123", True),
        ("= 12345678901234567890123", "12345678901234567890124", False),
        ("!= 5", "5.00", False),
        ("> 1000", '"2000"', True),
        ("> 1000", '" 2000 "', True),
        ("> 1000", '"20"', False),
        ("> 1000", "Infinity", True),
        ("> 1000", "[1, 2000]", True),
    ],
)
def test_comparisons_are_exact(condition: str, value: str, expected: bool) -> None:
    """Decimals of any size, also in strings and lists, without floats."""
    assert check(condition, tree(value)) is expected


@pytest.mark.parametrize("value", ['"many"', "true", "NaN", "{}", "[]", '"1_000"', '"1e99999999999"', '{"n": "all"}'])
def test_what_cannot_be_compared_is_held_back_and_never_let_through(value: str) -> None:
    """A review fails closed, an allowance too: they go opposite ways."""
    assert check("> 1000", tree(value))
    assert check("< 1000", tree(value))
    assert not check("> 1000", tree(value), allow=True)
    assert not check("< 1000", tree(value), allow=True)


def test_presence() -> None:
    """Null is nothing; a comparison and a glob need something."""
    assert check("present", "x")
    assert not check("present", None)
    assert check("absent")
    assert check("absent", None)
    assert not check("absent", "x")
    assert not check("> 5")
    assert not check("*")
    assert check(["> 5", "absent"])


def test_any_value_is_enough_to_review_but_all_are_needed_to_allow() -> None:
    """A list with one bad item is reviewed, and not allowed."""
    roles = tree('["viewer", "admin"]')
    assert check("*admin*", roles)
    assert not check("viewer", roles, allow=True)
    assert check("!viewer", roles)
    assert check(["viewer", "admin", "viewer admin"], roles, allow=True)


def test_argument_vectors_read_as_commands() -> None:
    """A command in a list is the command, and so is one in JSON in a string."""
    assert check("*rm -rf*", tree('["rm", "-rf", "/"]'))
    assert check("*rm -rf*", tree(r'"[\"rm\", \"-rf\", \"/\"]"'))
    assert list(leaves(tree('{"a": [1, true, null, "x"]}'), Reader())) == ["1", True, "x"]


@pytest.mark.parametrize("text", ["> many", ">", "!= prod", "= x"])
def test_comparisons_need_numbers(text: str) -> None:
    """Text after an operator is a mistake, and the error says what to write."""
    with pytest.raises(ValueError, match="write a glob"):
        parse_condition(text)


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("a.b", ["1"]),
        ("l.*.x", ["2", "3"]),
        ("l.[].x", ["2", "3"]),
        ("a.[]", []),
        ("a.*", ["1"]),
        ("l.1.x", ["3"]),
        ("l.7.x", []),
        ("a.b.c", []),
        (r"d\.e", ["4"]),
        ("s.k", ["5"]),
        ("missing", []),
    ],
)
def test_paths_find_what_they_name(path: str, found: list[str]) -> None:
    """Keys, items, indexes, dots in keys, and JSON in strings on the way."""
    record = tree(r'{"a": {"b": 1}, "l": [{"x": 2}, {"x": 3}], "d.e": 4, "s": "{\"k\": 5}"}')
    assert list(Path.of(path).find_through(record, Reader())) == found


def test_only_paths_that_say_so_read_json_in_strings() -> None:
    """A profile's path stops at a string: chat text that looks like a call is not one."""
    record = tree(r'{"s": "{\"k\": 5}"}')
    assert list(Path.of("s.k").find(record, Reader())) == []
    assert list(Path.of("s|json").find(record, Reader())) == [{"k": "5"}]


@pytest.mark.parametrize("text", ["", "a..b", ".a", "a.", "**.a"])
def test_bad_paths_are_refused(text: str) -> None:
    """An empty step, or everything in the middle, names nothing."""
    with pytest.raises(ValueError, match="path"):
        Path.of(text)
