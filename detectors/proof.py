"""What a rule proves on its own examples: it finds what they mark, and nothing where nothing is to be found."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from detectors.compiled import Budget, CompiledRule
from detectors.finding import Text
from detectors.gate import Gate
from detectors.patterns import PatternDetector
from detectors.rule import Example, Rule

Loc = tuple[str | int, ...]
"""Where in a rule: keys and indexes."""

_ORDINARY = (
    b"the quick brown fox jumps over the lazy dog",
    b"2026-01-02T03:04:05.678Z",
    b"{}[]()<>;:,.!?-_=+*/&%$#@",
    b"4096",
    b"GET",
    "größer 日本語".encode(),
)
"""Texts that no pattern finds something in all of, unless it finds something in anything."""


def check_rule(rule: Rule) -> list[tuple[Loc, str]]:
    """What is wrong with ``rule``: (where in it, what), empty if it keeps its promises. Texts are not repeated."""
    try:
        compiled = CompiledRule(rule)
        gate = PatternDetector([rule]).gate
    except ValueError as error:
        parts = [part for part in str(error).split(": ")[:3] if part in Rule.model_fields]
        return [(tuple(parts[-1:]), str(error))]
    if matches_everything(compiled):
        return [(("pattern",), "matches everything: give it something that it cannot do without, a key or a context")]
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


def matches_everything(rule: CompiledRule) -> bool:
    """Whether a rule that needs neither key nor context finds a candidate in any text."""
    needs = rule.rule.key or rule.rule.context
    return not needs and all(any(rule.spans(text)) for text in _ORDINARY)


def _examples(rule: CompiledRule, gate: Gate) -> Iterator[tuple[Loc, str]]:
    for i, example in enumerate(rule.rule.examples):
        loc: Loc = ("examples", i)
        found = _found(rule, example)
        if found != example.spans:
            yield loc, f"expected {_written(example.spans)}, found {_written(found)}"
        for form, raw in raw_forms(example).items():
            if not gate.hits(raw):
                yield loc, f"the gate is silent on it {form}"
            elif rule.place(raw, 0) is None:
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
