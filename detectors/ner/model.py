"""A model for names: ours, or any other spaCy pipeline. spaCy is loaded when the first of them is."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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


class Name(NamedTuple):
    """A name in a text; offsets are code points."""

    start: int
    end: int
    entity: str
    score: float


@dataclass(frozen=True)
class NameModel:
    """A loaded pipeline. ``masks_digits`` says that it cannot tell one digit from another."""

    id: str  # its name and version, as findings carry them
    pipeline: Any
    labels: Mapping[str, str]
    masks_digits: bool = False

    def find(self, texts: Sequence[str]) -> list[list[Name]]:
        """The names in each text."""
        out = []
        with self.pipeline.memory_zone():  # what it learns of words is forgotten after each batch
            for doc in self.pipeline.pipe(texts, batch_size=_BATCH):
                scores = doc.user_data.get("scores") or [UNSCORED] * len(doc.ents)
                out.append(
                    [
                        Name(ent.start_char, ent.end_char, self.labels[ent.label_], score)
                        for ent, score in zip(doc.ents, scores, strict=True)
                        if ent.label_ in self.labels
                    ]
                )
        return out


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
    ours = type(pipeline).__module__ == "detectors.ner.language"
    return NameModel(f"{called}-{meta['version']}", pipeline, dict(LABELS) | dict(labels or {}), masks_digits=ours)
