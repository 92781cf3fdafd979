"""What names in free text cost: `bench throughput --ner`.

- *core*: the core without names.
- *names*: the same with names, as the policy's free-text fields are, by a detector that has read nothing before and
  a model that knows no word yet. Each record counts once, so that what is kept in mind comes from within the corpus.
- *pipe*: spaCy's ``nlp.pipe`` over the same texts, all of them: no gate, nothing kept in mind, no redaction.
"""

from __future__ import annotations

from dataclasses import replace

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
    "pipe": "nlp.pipe over every free text",
}
PAIRS = (("names", "core"), ("names", "pipe"))


def distinct(corpus: Corpus) -> Corpus:
    """Each record once."""
    return replace(corpus, records=tuple(dict.fromkeys(corpus.records)))


def tasks(policy: Policy, corpus: Corpus) -> list[Task]:
    """What is timed on ``corpus``. ``policy`` looks for names."""
    names, ner = policy.names, policy.file.ner
    if names is None:
        raise ValueError("the policy does not look for names")
    every = NameDetector(names.model, names.words, thresholds=ner.thresholds, gated=False)
    reader = NameReader(every, ner.fields, cleaner_of(policy).limits)
    texts = [text for record in corpus.records for text in reader.texts(record)]

    def cold() -> None:
        names.model.forget()
        detector = NameDetector(
            names.model, names.words, thresholds=ner.thresholds, gated=ner.gate, limit=ner.characters
        )
        Core(replace(policy, names=detector)).task("names", corpus).run()

    def pipe() -> None:
        pipeline = names.model.pipeline
        for _ in pipeline.pipe(texts, batch_size=128):
            pass

    count, size = len(corpus.records), corpus.size
    without = Core(replace(policy, names=None)).task("core", corpus)
    return [without, Task("names", cold, count, size), Task("pipe", pipe, count, size)]
