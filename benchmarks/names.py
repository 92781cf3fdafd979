"""What names in free text cost: `bench throughput --ner`.

- *core*: the core without names.
- *names*: the same with names, as the policy's free-text fields are, by a detector that has read nothing before and
  a model that knows no word yet. Each record counts once, so that what is kept in mind comes from within the corpus.
- *pipe*: spaCy's ``nlp.pipe`` over every text of the same records: each string value, and what is no JSON as a whole.
  No fields, no gate, nothing kept in mind; records are not read, and nothing is redacted.
- *pipe_free*: the same over what stands in the policy's free-text fields alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import orjson

from benchmarks.core import Core
from benchmarks.corpora import Corpus
from benchmarks.measurement import Task
from detectors.ner.detector import NameDetector
from engine.names import NameReader
from engine.policy.compiled import Policy
from engine.sanitizer import cleaner_of

LABELS = {
    "core": "core: without names",
    "names": "core: with names, nothing read before",
    "pipe": "nlp.pipe over every text",
    "pipe_free": "nlp.pipe over free-text fields",
}
PAIRS = (("names", "core"), ("names", "pipe"), ("names", "pipe_free"))


def distinct(corpus: Corpus) -> Corpus:
    """Each record once."""
    return replace(corpus, records=tuple(dict.fromkeys(corpus.records)))


def every_text(record: bytes) -> Iterator[str]:
    """The string values of a JSON record; of any other, all of it."""
    try:
        tree = orjson.loads(record)
    except orjson.JSONDecodeError:
        tree = record.decode("utf-8", "replace")
    left: list[Any] = [tree]
    while left:
        value = left.pop()
        if isinstance(value, str):
            yield value
        elif isinstance(value, (dict, list)):
            left += reversed(list(value.values()) if isinstance(value, dict) else value)


def tasks(policy: Policy, corpus: Corpus) -> list[Task]:
    """What is timed on ``corpus``. ``policy`` looks for names."""
    names, ner = policy.names, policy.file.ner
    if names is None:
        raise ValueError("the policy does not look for names")
    every = NameDetector(names.model, names.words, thresholds=ner.thresholds, gated=False)
    reader = NameReader(every, ner.fields, cleaner_of(policy).limits)
    free = [text for record in corpus.records for text in reader.texts(record)]

    asking = Core(policy).task("names", corpus)

    def cold() -> None:
        names.forget()
        asking.run()

    def pipe(texts: list[str]) -> None:
        for _ in names.model.pipeline.pipe(texts, batch_size=128):
            pass

    count, size = len(corpus.records), corpus.size
    without = Core(replace(policy, names=None)).task("core", corpus)
    asked = {"pipe": [text for record in corpus.records for text in every_text(record)], "pipe_free": free}
    pipes = [Task(name, partial(pipe, some), count, size) for name, some in asked.items() if some]
    return [without, Task("names", cold, count, size), *pipes]
