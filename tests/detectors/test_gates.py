"""A gate may say yes too often, never too seldom: tried on texts made from the patterns themselves."""

from __future__ import annotations

import json
import re
from random import Random

from matching import matching

from detectors.catalogue import load_rules, shipped_files
from detectors.compiled import CompiledRule
from detectors.patterns import PatternDetector

TEXTS = 8  # of each rule
SHORTEST = 4  # letters and digits; a match of fewer passes no check


def found(rule: CompiledRule, value: bytes, key: bytes) -> bool:
    """Whether the rule looks at something in the text, whatever the checks would say of it."""
    refusals = ("no context word near", "on the allow-list", "empty")
    return rule.reads(key) and any(
        len(re.sub(rb"\W", b"", value[start:end])) >= SHORTEST and rule.refusal(value, key, start, end) not in refusals
        for start, end in rule.spans(value)
    )


def test_each_gate_hits_on_whatever_its_pattern_finds() -> None:
    """Of each rule, some texts that it finds something in: its gate hits on them, also as JSON writes them."""
    detector = PatternDetector(load_rules(*shipped_files()))
    tried, silent = 0, set()
    for number, rule in enumerate(detector.rules):
        rng = Random(rule.rule.id)
        for _ in range(TEXTS):
            word = (
                rng.choice(rule.rule.context).encode() + rng.choice((b": ", b" ", b"=")) if rule.rule.context else b""
            )
            value = word + matching(rule.rule.pattern, rng) + rng.choice((b"", b" ", b" x"))
            key = matching(rule.rule.key, rng, fold=True) if rule.rule.key else b"k"
            if not found(rule, value, key):
                continue
            tried += 1
            written = json.dumps(value.decode("latin-1"), ensure_ascii=False).encode("latin-1")
            raws = [key + b'":' + value, b'"' + key + b'":' + written]
            silent.update(rule.rule.id for raw in raws if b"\\u" not in raw and number not in detector.gate.hits(raw))
    assert not silent
    assert tried > 5 * len(detector.rules)
