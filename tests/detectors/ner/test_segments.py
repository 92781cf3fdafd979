"""A text in parts: nothing is left out, and no part is long."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.ner.segments import LONGEST, NEAR, around, segments

TEXTS = st.text(st.sampled_from("ab A.!?\n\t é語🙂"), max_size=1500)


@given(TEXTS)
def test_the_parts_hold_all_but_the_space_between_them(text: str) -> None:
    """In order, and each no longer than a window."""
    at = 0
    for start, end, _, _ in segments(text):
        assert not text[at:start].strip()
        assert start < end <= start + LONGEST
        at = max(at, end)
    assert not text[at:].strip()


@given(TEXTS)
def test_each_place_belongs_to_one_part(text: str) -> None:
    """Windows overlap, but of what begins somewhere only one of them tells."""
    told = [0] * len(text)
    for start, end, since, until in segments(text):
        assert start <= since <= until <= end
        for at in range(since, until):
            told[at] += 1
    assert all(count == 1 or (count == 0 and text[at].isspace()) for at, count in enumerate(told))


@given(TEXTS, st.lists(st.tuples(st.integers(0, 1500), st.integers(1, 20)), max_size=8))
def test_around_spots_stands_what_is_near_them(text: str, places: list[tuple[int, int]]) -> None:
    """Each spot is in exactly one part that has all that is near, but where a long stretch is read in windows."""
    spots = sorted((at, min(at + size, len(text))) for at, size in places if at < len(text))
    parts = list(around(text, spots))
    assert [part[:2] for part in parts] == sorted({part[:2] for part in parts})
    for first, last in spots:
        assert any(start <= first and last <= end for start, end, _, _ in parts)
        assert sum(since <= first < until for _, _, since, until in parts) == 1
    assert sum(end - start for start, end, _, _ in parts) <= max(1, len(spots)) * 3 * (NEAR + 60)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", []),
        ("One line.", ["One line."]),
        (
            "Thank you for waiting so long for our reply to this message. Your order has been shipped to the address below.",
            [
                "Thank you for waiting so long for our reply to this message.",
                "Your order has been shipped to the address below.",
            ],
        ),
        ("a" * (LONGEST + 10), ["a" * LONGEST, "a" * 74]),
    ],
)
def test_parts_end_where_lines_and_sentences_do(text: str, parts: list[str]) -> None:
    """Or, where nothing ends, after a window."""
    assert [text[start:end] for start, end, _, _ in segments(text)] == parts
