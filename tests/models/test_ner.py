"""How the model for names is made: the same texts each time, labelled where names stand, and a pipeline of them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import spacy

from models.ner.grammar import LABELS, Grammar, templates
from models.ner.make import make
from models.ner.sources import Sources, classes, load


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


def test_a_pipeline_comes_of_it(tmp_path: Path) -> None:
    """A tiny one, which spaCy loads and which reads."""
    make(tmp_path / "made", texts=120, steps=2, quiet=True)
    nlp = spacy.load(tmp_path / "made", exclude=["vocab"])
    assert nlp("Jane_Doe  said\n\nhello.").text == "Jane_Doe  said\n\nhello."
    assert sum(file.stat().st_size for file in (tmp_path / "made").rglob("*") if file.is_file()) < 10_000_000


def test_each_template_can_be_filled(sources: Sources) -> None:
    """Its slots are known, and its choices are made."""
    grammar = Grammar(sources, 5)
    for lines in templates().values():
        for line in lines:
            made = grammar.filled(line)
            assert re.search(r"<[a-z]+>", made.text) is None, line
