"""Why a text is or is not redacted: which gates hit, what each rule made of it, and who won where findings overlap."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from detectors.finding import Finding, Text, resolve
from detectors.patterns import Budget, PatternDetector


@dataclass(frozen=True, slots=True)
class Candidate:
    """One place where one rule's pattern matched. Exactly one of ``score`` and ``refused`` is set.

    ``start`` and ``end`` are byte offsets in the text. ``won`` is false for a refused one and for one that a
    better finding covers.
    """

    rule_id: str
    entity: str
    start: int
    end: int
    score: float | None
    refused: str | None
    won: bool


@dataclass(frozen=True, slots=True)
class Explanation:
    """What the rules made of one text. ``gated`` are the rules whose gate hit, ``silent`` those of them whose
    pattern matched nowhere in the text or that do not read its key. ``findings`` is what remains.
    """

    gated: tuple[str, ...]
    silent: tuple[str, ...]
    candidates: tuple[Candidate, ...]
    findings: tuple[Finding, ...]


def explain(detector: PatternDetector, texts: Sequence[Text]) -> list[Explanation]:
    """An explanation for each of ``texts``. Raises BudgetExceeded."""
    return [_explain(detector, text, rules) for text, rules in zip(texts, detector.gated(texts), strict=True)]


def _explain(detector: PatternDetector, text: Text, rules: Sequence[int]) -> Explanation:
    value, key = text
    confirmed: list[Finding] = []
    refused: list[Candidate] = []
    silent: list[str] = []
    for number in rules:
        compiled = detector.rules[number]
        rule = compiled.rule
        spans = list(compiled.spans(value)) if compiled.reads(key) else []
        if not spans:
            silent.append(rule.id)
        for start, end in spans:
            reason = compiled.refusal(value, key, start, end)
            if reason is not None:
                refused.append(Candidate(rule.id, rule.entity, start, end, None, reason, won=False))
        if spans:
            confirmed += compiled.findings(text, Budget())
    winners = resolve(confirmed)
    accepted = [
        Candidate(f.rule_id, f.entity, f.start, f.end, f.score, None, won=any(_is(f, w) for w in winners))
        for f in confirmed
    ]
    return Explanation(
        gated=tuple(detector.rules[number].rule.id for number in rules),
        silent=tuple(silent),
        candidates=tuple(sorted(accepted + refused, key=lambda c: (c.start, c.end, c.rule_id))),
        findings=tuple(winners),
    )


def _is(finding: Finding, winner: Finding) -> bool:
    """Whether ``winner``, which may have been widened over those it beat, is this finding."""
    same = finding.rule_id == winner.rule_id and finding.score == winner.score
    return same and winner.start <= finding.start and finding.end <= winner.end
