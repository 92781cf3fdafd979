"""How the model for names is made: the same texts each time, labelled where names stand, and a pipeline of them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import spacy

from models.ner.grammar import LABELS, Grammar, templates
from models.ner.make import make
from models.ner.sources import Sources, classes, load

EVALUATION = Path(__file__).parents[2] / "models" / "ner" / "evaluation"


@pytest.fixture(scope="module")
def sources() -> Sources:
    """Names, places and words."""
    return load()


def test_the_same_seed_makes_the_same_texts(sources: Sources) -> None:
    """And another one others."""
    one, again, other = (list(Grammar(sources, seed).texts(300)) for seed in (1, 1, 2))
    assert one == again != other


def test_names_stand_where_the_labels_say(sources: Sources) -> None:
    """Within the text, without space around them, not overlapping, of a known kind."""
    for text, spans in Grammar(sources, 3).texts(3000):
        at = 0
        for start, end, kind in spans:
            assert at <= start < end <= len(text)
            assert text[start:end].strip() == text[start:end]
            assert kind in LABELS.values()
            at = end


def test_classes_tell_words_from_names(sources: Sources) -> None:
    """As far as lists know."""
    known = classes(sources)
    assert {word: known.get(word) for word in ("please", "jane", "qxzv")} == {"please": "0", "jane": "g2", "qxzv": None}


def test_a_pipeline_comes_of_it_and_again_to_the_byte(tmp_path: Path) -> None:
    """A tiny one, made by the same steps as the shipped one, which spaCy loads and which reads."""
    one, two = tmp_path / "one", tmp_path / "two"
    for into in (one, two):
        make(into, texts=100, steps=2, quiet=True)
    files = sorted(path.relative_to(one) for path in one.rglob("*") if path.is_file())
    assert files == sorted(path.relative_to(two) for path in two.rglob("*") if path.is_file())
    for path in files:
        assert (one / path).read_bytes() == (two / path).read_bytes(), path
    assert sum((one / path).stat().st_size for path in files) < 10_000_000
    nlp = spacy.load(one, exclude=["vocab"])
    assert nlp("Jane_Doe  said\n\nhello.").text == "Jane_Doe  said\n\nhello."


@pytest.mark.parametrize("language", ["de", "en", "es", "fr"])
def test_labels_of_what_it_is_evaluated_on_are_names(language: str) -> None:
    """Within their texts, in order, without space around them; a third of the texts and more have none."""
    rows = [json.loads(line) for line in (EVALUATION / f"{language}.ndjson").read_text().splitlines()]
    assert len(rows) >= 80
    assert sum(not row["spans"] for row in rows) >= len(rows) / 3
    assert len({row["text"] for row in rows}) == len(rows)
    for row in rows:
        at = 0
        for start, end, label in row["spans"]:
            assert at <= start < end <= len(row["text"])
            assert row["text"][start:end].strip() == row["text"][start:end]
            assert label in LABELS.values()
            at = end


def test_each_template_can_be_filled(sources: Sources) -> None:
    """Its slots are known, and its choices are made."""
    grammar = Grammar(sources, 5)
    for lines in templates().values():
        for line in lines:
            made = grammar.filled(line)
            assert re.search(r"<[a-z]+>", made.text) is None, line
