"""A person who is named once in a record is known in the rest of it."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.finding import Finding, Text
from engine.joins import joined, people

NAMED = "Zoë Müller-free text by Jane Doe"
TOLD = [Finding("ner:m-1", "PERSON", NAMED.encode().index(b"Jane"), len(NAMED.encode()), 0.95)]


def found(text: str, *, told: list[Finding] = TOLD) -> list[tuple[str, str]]:
    """What is found in a text beside one that names Jane Doe."""
    value = text.encode()
    texts = [Text(NAMED.encode()), Text(value)]
    _, more = joined(texts, [told, []], people(texts, [told, []]))
    return sorted((value[f.start : f.end].decode(), f.entity) for f in more)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("JANE DOE", [("JANE DOE", "PERSON")]),
        ("« jane doe », ö", [("jane doe", "PERSON")]),
        ("Doe, Jane; x", [("Doe, Jane", "PERSON")]),
        ("ask Jane.", [("Jane", "PERSON")]),
        ("Mrs. Doe's car", [("Doe", "PERSON")]),
        ("user=jane.doe ok", [("jane.doe", "USERNAME")]),
        ("jane_doe_4211", [("jane_doe_4211", "USERNAME")]),
        ("JDOE", [("JDOE", "USERNAME")]),
        ("ö doej.", [("doej", "USERNAME")]),
        ("janet does doeskin, jane, xdoe, jane.doe.smith, John Doer", []),
    ],
)
def test_other_forms_of_the_name_are_found(text: str, expected: list[tuple[str, str]]) -> None:
    """To the byte; what only looks alike is not."""
    assert found(text) == expected


def test_only_those_who_are_sure_and_have_two_names_are_known() -> None:
    """A given name alone stands for many people."""
    assert found("jdoe", told=[TOLD[0]._replace(score=0.7)]) == []
    assert found("jdoe", told=[TOLD[0]._replace(end=TOLD[0].start + 4)]) == []
    assert found("jdoe", told=[TOLD[0]._replace(entity="LOCATION")]) == []


@given(st.text(max_size=60), st.text(st.sampled_from("jane doe._-JDÖ\u0130,@1"), max_size=60))
def test_what_is_added_overlaps_nothing_and_ends_where_characters_do(before: str, text: str) -> None:
    """In any text."""
    value = (before + text).encode("utf-8", "replace")
    texts = [Text(NAMED.encode()), Text(value)]
    _, more = joined(texts, [TOLD, []], people(texts, [TOLD, []]))
    taken = bytearray(len(value))
    for finding in more:
        value[finding.start : finding.end].decode()
        assert 1 not in taken[finding.start : finding.end]
        taken[finding.start : finding.end] = b"\1" * (finding.end - finding.start)


@pytest.mark.parametrize("unit", ["jane doe, ", "doe", "Doe ", "jdoe.", "ö Jane "])
def test_a_text_that_names_somebody_again_and_again_takes_no_longer_for_each(unit: str) -> None:
    """Four times the text is about four times the work, counted in lines of Python: no square of it."""

    def work(size: int) -> int:
        done = 0

        def counted(*_: object) -> object:
            nonlocal done
            done += 1
            return counted

        before = sys.gettrace()
        sys.settrace(counted)
        try:
            found(unit * (size // len(unit)))
        finally:
            sys.settrace(before)
        return done

    assert work(8_000) < 5 * work(2_000)
