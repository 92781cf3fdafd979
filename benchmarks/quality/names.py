"""Names in free text, measured: `bench quality --ner`.

Ours reads every text here, whatever the policy's free-text fields are. Beside it stand the same without its gate and
without its cache, so that one sees what each costs, and Presidio with our model in place of its own, if Presidio is
installed.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from benchmarks.quality.alignment import edits
from benchmarks.quality.labels import label_of
from benchmarks.quality.rows import Labelled, LabelledSet
from benchmarks.quality.scoring import Result
from benchmarks.quality.tools import OURS, Tool, ours
from detectors.ner.detector import KEPT, NameDetector
from detectors.ner.model import OURS as OUR_MODEL
from detectors.ner.model import load_model
from engine.policy.compiled import Policy

NAMED_KEYS = re.compile(r"first_?name|last_?name|full_?name|given_?name|family_?name|surname", re.IGNORECASE)
_PERSON = frozenset({"PERSON", "PER"})


def forced(policy: Policy, *, gate: bool = True, kept: int = KEPT) -> Policy:
    """``policy`` with names looked for in every text, and what was found in ``kept`` parts of texts kept in mind."""
    ner = policy.file.ner.model_copy(update={"fields": ["**"]})
    names = policy.names
    if names is not None:
        names = NameDetector(
            names.model, names.words, gated=gate, thresholds=ner.thresholds, limit=ner.characters, kept=kept
        )
    return replace(policy, file=policy.file.model_copy(update={"ner": ner}), names=names)


def tools(policy: Policy) -> list[Tool]:
    """Ours, ours without its gate, ours without its cache, and Presidio with our model, if it is there."""
    found = [
        ours(forced(policy)),
        replace(ours(forced(policy, gate=False)), name=f"{OURS} without its gate"),
        replace(ours(forced(policy, kept=0)), name=f"{OURS} without its cache"),
    ]
    presidio = _presidio()
    return [*found, presidio] if presidio is not None else found


def measure(rows: LabelledSet, tool: Tool) -> dict[str, Any]:
    """Persons found by ``tool`` in ``rows``: shares from 0 to 1, of all rows and of those without named keys.

    Rows of kind raw have no labels; on them, those count in which it found a person. On all others, what is not
    labelled as a person is none.
    """
    results, seconds = tool.run([row.text for row in rows.rows])
    found = [(row, _cut(row, result)) for row, result in zip(rows.rows, results, strict=True)]
    labelled = [(_persons(row), cuts, NAMED_KEYS.search(row.text) is None) for row, cuts in found if row.kind != "raw"]
    raw = [bool(cuts) for row, cuts in found if row.kind == "raw"]
    return {
        "persons": _figures([(gold, cuts) for gold, cuts, _ in labelled]),
        "without_named_keys": _figures([(gold, cuts) for gold, cuts, bare in labelled if bare]),
        "raw": len(raw),
        "person_alarms_per_10k": round(10_000 * sum(raw) / len(raw), 1) if raw else None,
        "seconds": round(seconds, 2),
    }


def _persons(row: Labelled) -> set[tuple[int, int]]:
    return {(start, end) for start, end, label in row.spans or () if label.upper() in _PERSON}


def _cut(row: Labelled, result: Result) -> set[tuple[int, int]]:
    """Where a person was replaced."""
    if result.output is None:
        return set()
    return {(cut.start, cut.end) for cut in edits(row.text, result.output) if label_of(cut.new) == "PERSON"}


def _figures(pairs: Sequence[tuple[set[tuple[int, int]], set[tuple[int, int]]]]) -> dict[str, Any] | None:
    spans, cuts = sum(len(gold) for gold, _ in pairs), sum(len(found) for _, found in pairs)
    if not spans:
        return None
    exact = sum(len(gold & found) for gold, found in pairs)
    right = sum(sum(any(a < d and c < b for c, d in gold) for a, b in found) for gold, found in pairs)
    hit = sum(sum(any(a < d and c < b for c, d in found) for a, b in gold) for gold, found in pairs)
    return {"spans": spans, "exact": _prf(exact, exact, cuts, spans), "overlapping": _prf(right, hit, cuts, spans)}


def _prf(right: int, hit: int, cuts: int, spans: int) -> dict[str, float]:
    precision, recall = right / cuts if cuts else 0.0, hit / spans
    f1 = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
    return {"precision": round(precision, 4), "recall": round(recall, 4), "f1": round(f1, 4)}


def _presidio() -> Tool | None:
    try:
        from presidio_analyzer import AnalyzerEngine
        from presidio_analyzer.nlp_engine import NerModelConfiguration, SpacyNlpEngine
    except ImportError:
        return None

    class Engine(SpacyNlpEngine):  # type: ignore[misc]  # its types are not read
        def __init__(self) -> None:
            super().__init__(ner_model_configuration=NerModelConfiguration(labels_to_ignore=[]))
            self.nlp = {"en": load_model(OUR_MODEL).pipeline}

    analyzer = AnalyzerEngine(nlp_engine=Engine(), supported_languages=["en"])

    def run(texts: Sequence[str]) -> tuple[list[Result], float]:
        started = time.perf_counter()
        found = [_replaced(text, analyzer.analyze(text, "en")) for text in texts]
        return found, time.perf_counter() - started

    return Tool("presidio with our model", "Presidio's default recognizers", run)


def _replaced(text: str, found: Sequence[Any]) -> Result:
    out, at = [], 0
    for one in sorted(found, key=lambda f: (f.start, -f.score)):
        if one.start >= at:
            out += [text[at : one.start], f"[{one.entity_type}]"]
            at = one.end
    return Result("".join([*out, text[at:]]))


def line(found: dict[str, Any]) -> list[str]:
    """One row of the table."""

    def share(part: dict[str, Any] | None, how: str, what: str = "f1") -> str:
        value = part[how][what] if part is not None else None
        return "–" if value is None else f"{value:.3f}"

    persons, rest = found["persons"], found["without_named_keys"]
    alarms = found["person_alarms_per_10k"]
    return [
        found["set"], found["tool"], share(persons, "exact", "precision"), share(persons, "exact", "recall"),
        share(persons, "exact"),
        share(persons, "overlapping"), share(rest, "exact"), "–" if alarms is None else f"{alarms:.1f}",
        f"{found['seconds']:.1f}",
    ]  # fmt: skip


COLUMNS = (
    "set", "tool", "precision", "recall", "F1 exact", "F1 overlap", "F1 exact, no named keys", "alarms per 10,000 raw",
    "s",
)  # fmt: skip
