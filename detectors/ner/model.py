"""A model for names: ours, or any other spaCy pipeline. spaCy is loaded when the first of them is."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

from detectors.errors import ConfigError

OURS = "sluicegate"
SHIPPED = Path(__file__).parent / "pipeline"
LABELS = {
    "PERSON": "PERSON", "PER": "PERSON", "GPE": "LOCATION", "LOC": "LOCATION", "LOCATION": "LOCATION",
    "FAC": "LOCATION", "ORG": "ORGANIZATION", "ORGANIZATION": "ORGANIZATION",
    "ADDRESS": "ADDRESS", "USERNAME": "USERNAME",
}  # fmt: skip
"""What labels of models are called here; a policy may say otherwise. Other labels are left out."""
ENTITIES = frozenset(LABELS.values())
UNSCORED = 0.85
"""The score of what a model finds that tells none, as spaCy's own recognizers do."""
_BATCH = 128
_FORGET = 20_000  # texts


Spots = tuple[tuple[int, int], ...]
"""Where words stand that could be of a name: first character, and the one after the last."""


class Name(NamedTuple):
    """A name in a text; offsets are code points."""

    start: int
    end: int
    entity: str
    score: float


class NameModel:
    """A loaded pipeline. ``id`` is its name and version, as findings carry them."""

    def __init__(self, id: str, pipeline: Any, labels: Mapping[str, str]) -> None:  # noqa: A002
        self.id = id
        self.pipeline = pipeline
        self._labels = labels
        self._ours = type(pipeline).__module__ == "detectors.ner.language"
        self._zone = ExitStack()  # what the pipeline learns of words is forgotten now and then
        self._read = _FORGET

    @property
    def masks_digits(self) -> bool:
        """Whether it cannot tell one digit from another."""
        return self._ours

    def forget(self) -> None:
        """Forgets what it keeps of words."""
        if self._ours:
            self.pipeline.get_pipe("names").network.forget()

    def find(self, texts: Sequence[str], near: Sequence[Spots | None] | None = None) -> list[list[Name]]:
        """The names in each text; of ours, only those ``near`` some places in it."""
        if self._ours:
            labels = self._labels
            found = self.pipeline.get_pipe("names").find(texts, near)
            return [[Name(a, b, labels[kind], score) for a, b, kind, score in names] for names in found]
        if self._read >= _FORGET:
            self._zone.close()
            self._zone.enter_context(self.pipeline.memory_zone())
            self._read = 0
        self._read += len(texts)
        out = []
        for at in range(0, len(texts), _BATCH):
            out += self._batch(texts[at : at + _BATCH])
        return out

    def _batch(self, texts: Sequence[str]) -> list[list[Name]]:
        labels = self._labels
        return [
            [
                Name(ent.start_char, ent.end_char, labels[ent.label_], UNSCORED)
                for ent in doc.ents
                if ent.label_ in labels
            ]
            for doc in self.pipeline.pipe(texts, batch_size=_BATCH)
        ]


def load_model(name: str, labels: Mapping[str, str] | None = None, folder: Path = Path()) -> NameModel:
    """The model called ``name``: ours, a path from ``folder``, or a package.

    Raises ConfigError with what to install.
    """
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "BLIS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(variable, "1")  # workers are processes: threads of each would fight for the same cores
    try:
        import spacy

        from detectors.ner import language  # noqa: F401 - it registers how ours reads text
    except ImportError as error:
        raise ConfigError(f"names need spaCy ({error}): pip install 'spacy>=3.8'") from None
    path = SHIPPED if name == OURS else folder / name
    try:
        if path.is_dir():
            pipeline = spacy.load(path, exclude=["vocab"] if name == OURS else [])
        elif name == OURS or os.sep in name:
            raise ConfigError(f"there is no model at {path}; `make model` makes ours")
        else:
            pipeline = spacy.load(name)
    except OSError:
        message = f"the spaCy pipeline '{name}' is not installed: python -m spacy download {name}"
        raise ConfigError(message) from None
    except (ValueError, KeyError) as error:
        raise ConfigError(f"the spaCy pipeline '{name}' cannot be loaded: {type(error).__name__}") from None
    meta = pipeline.meta
    called = OURS if name == OURS else f"{meta['lang']}_{meta['name']}"
    return NameModel(f"{called}-{meta['version']}", pipeline, dict(LABELS) | dict(labels or {}))
