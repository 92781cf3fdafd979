"""What `rules check` proves: the rules are sound, and each one does on its own examples what it says.

Of every file: it is valid, and ids are unique over all files. Of every rule: each example is found with exactly the
marked spans, each counter-example is silent, each known miss is still missed, and the gate hits the example in raw
JSON and in JSON inside a JSON string, escapes and all. Of all rules: they compile together.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from detectors.errors import ConfigError
from detectors.finding import Text
from detectors.gate import Gate
from detectors.patterns import Budget, CompiledRule, PatternDetector
from detectors.rule import Example, Rule, RuleFile
from detectors.yamlfile import YamlFile

Loc = tuple[str | int, ...]
"""Where in a rule: keys and indexes."""


@dataclass(frozen=True, slots=True)
class Failure:
    """What is wrong, and where: ``line`` is 1-based; ``rule_id`` is empty where the file itself is unsound."""

    file: str
    line: int | None
    rule_id: str
    problem: str

    def __str__(self) -> str:
        where = self.file if self.line is None else f"{self.file}:{self.line}"
        return f"{where}: {self.rule_id + ': ' if self.rule_id else ''}{self.problem}"


@dataclass(slots=True)
class Report:
    """The outcome of a check: how much was checked, and what failed."""

    files: int = 0
    rules: int = 0
    examples: int = 0
    counter_examples: int = 0
    known_misses: int = 0
    failures: list[Failure] = field(default_factory=list)


def check_files(paths: Sequence[Path]) -> Report:
    """Checks the rules in ``paths``. Does not raise for what is wrong in them: it reports it."""
    report = Report(files=len(paths))
    seen: dict[str, str] = {}
    sound: list[Rule] = []
    for path in paths:
        try:
            file = YamlFile.read(path)
            parsed = file.validate(RuleFile)
        except ConfigError as error:
            problem = f"{error.key}: {error.message}" if error.key else error.message
            report.failures.append(Failure(str(path), error.line, "", problem))
            continue
        for number, rule in enumerate(parsed.rules):
            report.rules += 1
            report.examples += len(rule.examples)
            report.counter_examples += len(rule.counter_examples)
            report.known_misses += len(rule.known_misses)
            problems: list[tuple[Loc, str]] = (
                [(("id",), f"the id is already used in {seen[rule.id]}")] if rule.id in seen else []
            )
            seen.setdefault(rule.id, str(path))
            problems += check_rule(rule)
            if not problems:
                sound.append(rule)
            for loc, problem in problems:
                line = file.line(("rules", number, *loc))
                report.failures.append(Failure(str(path), line, rule.id, problem))
    try:
        if sound:
            PatternDetector(sound)
    except ValueError as error:
        report.failures.append(Failure("all files", None, "", f"do not compile together: {error}"))
    return report


def check_rule(rule: Rule) -> list[tuple[Loc, str]]:
    """What is wrong with ``rule``: (where in it, what), empty if it keeps its promises. Texts are not repeated."""
    try:
        compiled = CompiledRule(rule)
        gate = PatternDetector([rule]).gate
    except ValueError as error:
        parts = [part for part in str(error).split(": ")[:3] if part in Rule.model_fields]
        return [(tuple(parts[-1:]), str(error))]
    return [
        *_examples(compiled, gate),
        *(
            (("counter_examples", i), f"must be silent, but {_written(found)} was found")
            for i, example in enumerate(rule.counter_examples)
            if (found := _found(compiled, example))
        ),
        *(
            (("known_misses", i), "is found: it can become an example")
            for i, example in enumerate(rule.known_misses)
            if example.spans and set(example.spans) <= set(_found(compiled, example))
        ),
    ]


def _examples(rule: CompiledRule, gate: Gate) -> Iterator[tuple[Loc, str]]:
    for i, example in enumerate(rule.rule.examples):
        loc: Loc = ("examples", i)
        found = _found(rule, example)
        if found != example.spans:
            yield loc, f"expected {_written(example.spans)}, found {_written(found)}"
        for form, raw in raw_forms(example).items():
            if not gate.hits(raw):
                yield loc, f"the gate is silent on it {form}"
            elif not any(rule.places(raw)):
                yield loc, f"its place cannot be told {form}"


def raw_forms(example: Example) -> dict[str, bytes]:
    """The example as it stands in the raw bytes of records: by itself, in JSON, and in JSON inside JSON.

    Not with characters as ``\\uXXXX``: a record with such an escape is decoded whatever the gate says.
    """
    text, key = example.plain.decode(), example.key
    once = json.dumps({key or "message": text}, ensure_ascii=False)
    forms = {
        "in JSON": once,
        "in JSON inside a JSON string": json.dumps({"arguments": once}, ensure_ascii=False),
        "in JSON inside two JSON strings": json.dumps(
            {"a": json.dumps({"b": once}, ensure_ascii=False)}, ensure_ascii=False
        ),
    }
    if not key:
        forms["as plain text"] = text
    return {form: raw.encode() for form, raw in forms.items()}


def _found(rule: CompiledRule, example: Example) -> list[tuple[int, int]]:
    """The spans of the rule's findings in the example."""
    value = example.plain
    return [(f.start, f.end) for f in rule.findings(Text(value, example.key.encode()), Budget())]


def _written(spans: Sequence[tuple[int, int]]) -> str:
    return ", ".join(f"bytes {start} to {end}" for start, end in spans) or "nothing"
