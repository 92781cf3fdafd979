"""The network in numpy gives what spaCy gives, and tokens are the text."""

from __future__ import annotations

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.ner import network
from detectors.ner.language import Names, words_of
from detectors.ner.model import load_model

PIPELINE = load_model("sluicegate").pipeline
NAMES: Names = PIPELINE.get_pipe("names")
TEXTS = [
    "My name is Jane Doe and I want to cancel my order #4711.",
    "",
    " ",
    "  - **Passenger:** Zoë Müller\n\n",
    "l'équipe d'Anaïs — “tomorrow”… it’s 10 €, 王小明 🙂",
    "a" * 100,
    "SELECT * FROM users WHERE name = 'Sophia Rossi';",
]


@pytest.mark.parametrize("rows", [1, 1000])
def test_probabilities_are_those_of_spacy(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """But for rounding, whatever is read together, and read again."""
    monkeypatch.setattr(network, "ROWS", rows)
    expected = NAMES.predict([PIPELINE.tokenizer(text) for text in TEXTS])
    for _ in range(2):
        found = list(NAMES.network([words_of(text) for text in TEXTS]))
        assert [len(one) for one in found] == [len(one) for one in expected]
        assert all(numpy.allclose(a, b, atol=1e-4) for a, b in zip(found, expected, strict=True))
    NAMES.network.forget()


def test_what_is_kept_of_words_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """All is forgotten now and then, and found again."""
    monkeypatch.setattr(network, "WORDS", 10)
    first = NAMES.find(TEXTS)
    assert NAMES.find([f"word{chr(97 + n)} Jane Doe" for n in range(20)])
    assert NAMES.find(TEXTS) == first


@pytest.mark.parametrize("beside", [0, 1, 7, 30])
def test_names_near_a_place_are_those_of_the_whole_text(beside: int) -> None:
    """What stands far from it makes no difference, and names there are left out."""
    text = "again and " * beside + "my name is Jane Doe, thanks" + " and again" * beside + ", Omar Hernandez"
    places = [(text.index(word), text.index(word) + len(word)) for word in ("Jane", "Doe")]
    [whole], [near] = NAMES.find([text]), NAMES.find([text], [places])
    assert [name[:3] for name in near if name[2] == "PERSON"][:1] == [(places[0][0], places[1][1], "PERSON")]
    assert near[0] == (*whole[0][:3], pytest.approx(whole[0][3], abs=1e-4))
    assert (len(near) < len(whole)) == (beside > 1)
    assert NAMES.find([text], [[]]) == [[]]


@given(st.text(st.sampled_from("ab .'’dL\n\té語🙂12-"), max_size=20))
def test_tokens_are_the_text(text: str) -> None:
    """Joined with the single blanks between them, and the same with and without documents."""
    doc = PIPELINE.tokenizer(text)
    assert doc.text == text
    assert [token.text for token in doc] == words_of(text)
