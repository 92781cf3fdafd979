"""Rows of characters: read from a pattern, refused where the helper cannot look for them, found wherever they stand."""

from __future__ import annotations

import random
import re

import pytest
from implementations import without_helper

from detectors.gateform import byte_set, parsed
from engine.layers import ROWS
from engine.layers.rows import MOST, rows_of, table, table_of
from engine.native import compiled

TABLE, SEARCH = table_of(ROWS), re.compile(ROWS).search
ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_"


def chars(pattern: str) -> frozenset[int]:
    """The bytes of a class."""
    return byte_set(parsed(pattern)[0])


def test_rows_are_all_that_a_pattern_matches() -> None:
    """Each branch, and each number of times that a part may come."""
    x, y, z = chars("x"), chars("[yY]"), chars("z")
    assert rows_of(b"x(?:[yY]z|z){1,2}") == [(x, y, z), (x, z), (x, y, z, y, z), (x, y, z, z), (x, z, y, z), (x, z, z)]
    assert len(rows_of(ROWS)) > 100


@pytest.mark.parametrize("pattern", [b"ab.d", b"ab+c", b"^abc", b"ab(?=c)"])
def test_a_pattern_of_anything_else_is_refused(pattern: bytes) -> None:
    """What is endless, looks around or takes any byte is no row."""
    with pytest.raises(ValueError, match="a row has"):
        rows_of(pattern)


def test_rows_that_the_helper_does_not_know_are_refused() -> None:
    """Other characters than base64's, one of two that mean the same, too many rows, too short ones."""
    for pattern in (b"ab c", rb"ab\+", b"ab[/]", b"ab-"):
        with pytest.raises(ValueError, match="characters of base64"):
            table(rows_of(pattern))
    with pytest.raises(ValueError, match=f"knows {MOST} rows"):
        table(rows_of(b"[a]bc") * (MOST + 1))
    with pytest.raises(ValueError, match="empty"):
        table(rows_of(b"ab"))


def found_by_both(text: bytes) -> bool:
    """Whether the helper finds a row in ``text``, which it does where the pattern does."""
    if compiled is None:
        without_helper()
    found = compiled.has_row(TABLE, text)
    assert found is (SEARCH(text) is not None), text
    return bool(found)


def test_each_row_is_found() -> None:
    """A text of each row, at places in and between the 32 bytes that the helper reads at a time."""
    rng = random.Random(7)
    for number, row in enumerate(rows_of(ROWS)):
        spelled = bytes(rng.choice(sorted(place)) for place in row)
        for before in (0, 1 + number % 31, 31):
            for behind in (0, 1, 40):
                assert found_by_both(b" " * before + spelled + b"." * behind)
                found_by_both(b" " * before + spelled[:-1] + b"." * behind)


def test_random_texts_are_told_apart() -> None:
    """Some of them hold a row by chance, most do not."""
    rng = random.Random(8)
    texts = [bytes(rng.choices(ALPHABET + b" =", k=rng.randrange(400))) for _ in range(400)]
    assert 0 < sum(map(found_by_both, texts)) < 400


@pytest.mark.parametrize("given", [(b"", b"text"), (bytes(4991), b"text"), (bytes(9000), "text"), (bytes(9000),)])
def test_other_arguments_are_refused(given: tuple[object, ...]) -> None:
    """A table of at least its fixed parts, and bytes."""
    if compiled is None:
        without_helper()
    with pytest.raises(TypeError, match="has_row takes"):
        compiled.has_row(*given)


def test_a_damaged_table_is_read_within_its_bounds() -> None:
    """Rows that are said to be behind its end are none."""
    if compiled is None:
        without_helper()
    whole = table_of(ROWS)
    for size in range(384 + 4608, len(whole), 37):
        compiled.has_row(whole[:size], ALPHABET * 3)
    compiled.has_row(b"\xff" * (384 + 4608 + 16), ALPHABET * 3)
