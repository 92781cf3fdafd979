"""Names in texts, by the shipped model: where they stand, to the byte, and what comes of bad input."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.errors import ConfigError
from detectors.finding import Finding, Text
from detectors.ner.detector import NameDetector
from detectors.ner.gate import shipped_gate
from detectors.ner.model import LABELS, Name, NameModel, Spots, load_model

THRESHOLDS = {"PERSON": 0.5, "LOCATION": 0.6, "ORGANIZATION": 0.7}
MODEL = load_model("sluicegate")


def detector(*, gate: bool = True, limit: int = 100_000, **thresholds: float) -> NameDetector:
    """A detector with the shipped model, and an empty cache."""
    return NameDetector(MODEL, shipped_gate(), thresholds=thresholds or THRESHOLDS, gated=gate, limit=limit)


DETECTOR = detector()


def people(text: str) -> list[str]:
    """The persons in a text."""
    value = text.encode()
    found = DETECTOR.scan([Text(value)])[0]
    return [value[f.start : f.end].decode() for f in found if f.entity == "PERSON"]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("My name is Jane Doe and I want to cancel my order.", ["Jane Doe"]),
        ("Passenger: Omar Hernandez, DOB: 1990-01-02", ["Omar Hernandez"]),
        ("🙂 hi, i am Jane Doe 🙂", ["Jane Doe"]),
        ("🙂🙂 Thank you, Zoë Müller! Your order has been shipped.", ["Zoë Müller"]),
        ("- **Passengers:**\n  - Raj Patel\n  - Mei Johansson", ["Raj Patel", "Mei Johansson"]),
        ("SELECT id FROM users WHERE name = 'Sophia Rossi';", ["Sophia Rossi"]),
        ("2024-05-01 10:00:00 INFO AuthService - 12 connections closed, 3 retries left", []),
        ("The pod payment-api-7d9f was restarted by Kubernetes on Monday, May 6.", []),
        ("Please choose a Bluetooth Speaker or a Gift Card.", []),
    ],
)
def test_people_are_found_and_what_looks_like_them_is_not(text: str, names: list[str]) -> None:
    """In chat, lists, SQL; not in machine logs, months and products."""
    assert people(text) == names


def test_findings_carry_the_model_its_version_and_a_score() -> None:
    """So that a decision tells by what it was made."""
    [[finding]] = DETECTOR.scan([Text(b"My name is Jane Doe and I want to cancel my order.")])
    assert finding.rule_id == f"ner:{MODEL.id}"
    assert MODEL.id.startswith("sluicegate-1.")
    assert 0.5 <= finding.score <= 1


def test_with_nothing_kept_the_same_is_found() -> None:
    """What is kept in mind changes no result."""
    texts = [
        Text(f"Order {n} of Jane Doe, room {n % 3}, was shipped to Omar Hernandez.".encode()) for n in range(9, 30)
    ]
    bare = NameDetector(MODEL, shipped_gate(), thresholds=THRESHOLDS, kept=0)
    assert detector().scan(texts) == bare.scan(texts)


def test_thresholds_are_by_entity() -> None:
    """An entity without one is not looked for."""
    text = [Text(b"My name is Jane Doe and I live in London.")]
    assert {f.entity for f in detector(PERSON=0.1).scan(text)[0]} == {"PERSON"}
    assert detector(PERSON=1.1).scan(text) == [[]]


def test_what_was_read_before_is_not_read_again_and_is_found_again() -> None:
    """Digits make no difference to the model, so texts that differ in digits alone count as the same."""

    class Counting(NameModel):
        calls: ClassVar[list[int]] = []

        def find(self, texts: Sequence[str], near: Sequence[Spots | None] | None = None) -> list[list[Name]]:
            self.calls.append(len(texts))
            return super().find(texts, near)

    counting = Counting(MODEL.id, load_model("sluicegate").pipeline, LABELS)
    one = NameDetector(counting, shipped_gate(), thresholds=THRESHOLDS)
    first = one.scan([Text(b"Order 1234 of Jane Doe was shipped.")])
    second = one.scan([Text(b"Order 9876 of Jane Doe was shipped.")])
    assert first == second != [[]]
    assert Counting.calls == [1]
    one.forget()
    assert one.scan([Text(b"Order 9876 of Jane Doe was shipped.")]) == second
    assert Counting.calls == [1, 1]


BAD = [
    b"",
    b" ",
    b"\0\0\0",
    b"Jane\0Doe said hello to Jane Doe",
    "🙂🏳️‍🌈👩‍👩‍👧 Jane Doe 🙂".encode(),
    "שלום, קוראים לי יעל כהן ואני גרה בתל אביב".encode(),
    "\u202eJane Doe\u202c مرحبا محمد علي".encode(),
    "Jаne Dое и Иван Петров 和 王小明 さん".encode(),
    b"\xff\xfe Jane Doe \xc3\x28 \xed\xa0\x80 Jane Doe",
    "e\u0301".encode() * 50 + b" Jane Doe",
    b"\n" * 1000,
    b"{" * 500,
]


@pytest.mark.parametrize("value", BAD)
def test_bad_input_is_read(value: bytes) -> None:
    """Spans are within it, in order, and end where characters do."""
    for finding in DETECTOR.scan([Text(value)])[0]:
        assert 0 <= finding.start < finding.end <= len(value)
        assert value[finding.start : finding.end].strip()


@pytest.mark.parametrize(
    "before",
    [
        "",
        "\0\0 ",
        "🙂🏳️‍🌈👩‍👩‍👧 ",
        "שלום, קוראים לי ",
        "\u202e مرحبا \u202c",
        "Дорогие 和 さん, ",
        "e\u0301" * 50 + " ",
        "x" * 5000 + " ",
        "\n" * 500,
    ],
)
def test_spans_are_exact_whatever_stands_before(before: str) -> None:
    """Code points are counted right, and bytes told from them."""
    text = f"{before}My name is Jane Doe and I want to cancel my order."
    assert "Jane Doe" in people(text)
    start = len(f"{before}My name is ".encode())
    spans = [(f.start, f.end) for f in DETECTOR.scan([Text(text.encode())])[0] if f.entity == "PERSON"]
    assert (start, start + len("Jane Doe")) in spans


@settings(max_examples=40)
@given(st.text(max_size=80), st.text(max_size=80))
def test_spans_are_bytes_of_the_text(before: str, after: str) -> None:
    """Whatever stands around it, what is cut out is text again."""
    value = f"{before} My name is Jane Doe. {after}".encode("utf-8", "replace")
    for finding in DETECTOR.scan([Text(value)])[0]:
        value[finding.start : finding.end].decode()


def test_a_megabyte_of_one_word_takes_bounded_time() -> None:
    """It is over the budget of what a model reads of one record."""
    text = Text(b"x" * 1_000_000)
    assert detector().scan_records([[text]]) == [[[]]]
    assert detector().scan_records([[Text(b"Jane" * 250_000)]]) == [[[]]]
    assert detector().scan_records([[Text(b"Jane " * 200_000)]]) == [None]
    assert detector().scan_records([[Text("é".encode() * 500_000)]]) == [[[]]]
    assert detector(gate=False).scan_records([[text]]) == [None]
    [found] = detector(gate=False).scan([Text(b"x" * 20_000 + b" - My name is Jane Doe")])
    assert found[-1].end == 20_022


def test_the_budget_counts_what_passes_the_gate_read_before_or_not() -> None:
    """A replay ends as the first run did, and other records of the batch are read."""
    one = detector(limit=60)
    short, long = [Text(b"I am Jane Doe.")], [Text(b"I am Jane Doe. ") for _ in range(5)]
    for _ in range(2):
        found = one.scan_records([short, long, short])
        assert found[1] is None
        assert found[0] == found[2] != [[]]


def test_long_texts_are_read_to_their_end() -> None:
    """In windows: a name is found wherever it stands, and once."""
    rng = random.Random(1)
    words = ["order", "payment", "please", "status", "number", "window", "again"]
    one = detector(gate=False)
    for length in (40, 55, 60, 200):
        text = " ".join(rng.choice(words) for _ in range(length)) + " my name is Jane Doe and " + "again " * length
        found = [f for f in one.scan([Text(text.encode())])[0] if text[f.start : f.end] == "Jane Doe"]
        assert len(found) == 1


@pytest.mark.parametrize(
    ("name", "told"),
    [("xx_no_such_model", "python -m spacy download xx_no_such_model"), ("./nowhere", "there is no model at nowhere")],
)
def test_a_model_that_is_missing_is_named_with_what_to_do(name: str, told: str) -> None:
    """One line."""
    with pytest.raises(ConfigError, match=told):
        load_model(name)


def test_any_spacy_pipeline_can_take_its_place(tmp_path: object) -> None:
    """Its labels are mapped; what it tells no score for has a fixed one."""
    import spacy

    nlp = spacy.blank("en")
    ruler = nlp.add_pipe("entity_ruler")
    ruler.add_patterns([{"label": "HUMAN", "pattern": "Jane Doe"}, {"label": "DATE", "pattern": "Monday"}])  # type: ignore[attr-defined]
    nlp.to_disk(str(tmp_path) + "/theirs")
    theirs = load_model(str(tmp_path) + "/theirs", {"HUMAN": "PERSON"})
    found = NameDetector(theirs, shipped_gate(), thresholds={"PERSON": 0.5}).scan([Text(b"Jane Doe on Monday")])
    assert found == [[Finding("ner:en_pipeline-0.0.0", "PERSON", 0, 8, 0.85)]]
