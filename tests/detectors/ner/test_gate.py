"""Which texts could hold a name, by their words."""

from __future__ import annotations

import pytest

from detectors.ner.gate import shipped_gate

GATE = shipped_gate()


@pytest.mark.parametrize(
    ("text", "spots"),
    [
        ("ask jane about it", ["jane"]),
        ("OMAR HERNANDEZ", ["OMAR", "HERNANDEZ"]),
        ("for Xyrvana, please", ["Xyrvana"]),
        ("Ronald McDonald", ["Ronald", "McDonald"]),
        ("first\\nJane said", ["Jane"]),
        ("janeDoe42 logged in", ["jane"]),
        ("ask Zoë about it", ["Zoë"]),
    ],
)
def test_words_of_names_are_pointed_at(text: str, spots: list[str]) -> None:
    """In any case, with prefixes, after an escaped line break, in what is written together."""
    assert GATE(text)
    assert [text[start:end] for start, end in GATE.spots(text)] == spots


@pytest.mark.parametrize("text", ["my name is hope", "a person named xu", "Dr. young"])
def test_after_a_cue_any_word_counts(text: str) -> None:
    """Also one that is plain elsewhere."""
    assert GATE(text)
    assert GATE.spots(text)


@pytest.mark.parametrize(
    "text",
    ["", "The order was shipped on Monday.", "getUserName(id)", "org.apache.Foo", "I hope it will work", "12:30"],
)
def test_plain_words_and_code_are_passed_over(text: str) -> None:
    """Nobody is named here."""
    assert not GATE(text)


def test_a_part_of_a_word_is_none() -> None:
    """Only the whole word is pointed at."""
    text = "janey's plan: ask jane"
    assert [start for start, end in GATE.spots(text) if text[start:end] == "jane"] == [18]
