"""What `rules check` proves: the rules are sound, and each one does on its own examples what it says.

Of every file: it is valid, and ids are unique over all files. Of every rule: each example is found with exactly the
marked spans, each counter-example is silent, each known miss is still missed, and the gate hits the example in raw
JSON and in JSON inside a JSON string, escapes and all. Of all rules: they compile together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from detectors.catalogue import Catalogue, Failure
from detectors.patterns import PatternDetector


@dataclass(slots=True)
class Report:
    """The outcome of a check: how much was checked, and what failed."""

    files: int = 0
    rules: int = 0
    examples: int = 0
    counter_examples: int = 0
    known_misses: int = 0
    disabled: int = 0
    overridden: int = 0
    exemptions: int = 0
    failures: list[Failure] = field(default_factory=list)


def check_files(paths: Sequence[Path], *, after: Catalogue | None = None) -> Report:
    """Checks the rules in ``paths``, and adds them to those that they come ``after``.

    Does not raise for what is wrong in them: it reports it.
    """
    report = Report(files=len(paths))
    catalogue = after if after is not None else Catalogue()
    for path in paths:
        report.failures += catalogue.add(path, prove=True)
    report.disabled, report.overridden = catalogue.disabled, catalogue.overridden
    report.exemptions = len(catalogue.exemptions)
    for rule in catalogue.written:
        report.rules += 1
        report.examples += len(rule.examples)
        report.counter_examples += len(rule.counter_examples)
        report.known_misses += len(rule.known_misses)
    try:
        if catalogue.rules:
            PatternDetector(list(catalogue.rules.values()))
    except ValueError as error:
        report.failures.append(Failure("all files", None, "", f"do not compile together: {error}"))
    return report
