"""What is compared where the cost of names is measured."""

from __future__ import annotations

import pytest

from benchmarks.corpora import Corpus
from benchmarks.names import distinct, every_text, tasks
from engine.policy import load_policy


@pytest.mark.parametrize(
    ("record", "texts"),
    [
        (b'{"a": ["x", {"b": "y", "n": 1}], "c": null, "d": "z"}', ["x", "y", "z"]),
        (b'"only"', ["only"]),
        (b"level=info user=jane", ["level=info user=jane"]),
        (b"7", []),
        (b"\xff", ["\ufffd"]),
    ],
)
def test_every_text_of_a_record(record: bytes, texts: list[str]) -> None:
    """Values that are strings, in order, each once; keys are none."""
    assert list(every_text(record)) == texts


def test_a_corpus_without_free_text_is_still_compared_with_reading_every_text() -> None:
    """Where there is free text, that alone is compared, too; each record counts once."""
    policy = load_policy(ner=True)
    line, said = b"sshd: session opened", b'{"content": "My name is Jane Doe"}'
    corpus = distinct(Corpus("c", (line, said, line), "here"))
    assert corpus.records == (line, said)
    found = tasks(policy, corpus)
    assert [task.name for task in found] == ["core", "names", "pipe", "pipe_free"]
    assert [task.name for task in tasks(policy, Corpus("c", (line,), "here"))] == ["core", "names", "pipe"]
    for task in found:
        task.run()
