"""A text in parts: nothing is left out, and no part is long."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.ner.segments import LONGEST, segments

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
