"""Why a text is or is not redacted: which gates hit, what each rule made of it, and who won where findings overlap."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from detectors.compiled import Budget
from detectors.finding import Finding, Text, resolve
from detectors.patterns import PatternDetector

Exempt = Callable[[int, Finding], str | None]
"""Why a finding in the text of this number is left alone; None if it is not."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One place where one rule's pattern matched. Exactly one of ``score`` and ``refused`` is set.

    ``start`` and ``end`` are byte offsets in the text. ``won`` is false for a refused one and for one that a
    better finding covers: that of the rule ``lost_to``, ``because`` of what decided.
    """

    rule_id: str
    entity: str
    start: int
    end: int
    score: float | None
    refused: str | None
    won: bool
    lost_to: str | None = None
    because: str | None = None


@dataclass(frozen=True, slots=True)
class Explanation:
    """What the rules made of one text. ``gated`` are the rules whose gate hit, ``silent`` those of them whose
    pattern matched nowhere in the text or that do not read its key. ``findings`` is what remains.
    """

    gated: tuple[str, ...]
    silent: tuple[str, ...]
    candidates: tuple[Candidate, ...]
    findings: tuple[Finding, ...]


def explain(detector: PatternDetector, texts: Sequence[Text], exempt: Exempt | None = None) -> list[Explanation]:
    """An explanation for each of ``texts``; ``exempt`` says what a policy leaves alone. Raises BudgetExceeded."""
    gated = zip(texts, detector.gated(texts), strict=True)
    return [_explain(detector, number, text, rules, exempt) for number, (text, rules) in enumerate(gated)]


def _explain(
    detector: PatternDetector, number: int, text: Text, rules: Sequence[int], exempt: Exempt | None
) -> Explanation:
    value, key = text
    confirmed: list[Finding] = []
    refused: list[Candidate] = []
    silent: list[str] = []
    for index in rules:
        compiled = detector.rules[index]
        rule = compiled.rule
        spans = list(compiled.spans(value)) if compiled.reads(key) else []
        if not spans:
            silent.append(rule.id)
        for start, end in spans:
            reason = compiled.refusal(value, key, start, end)
            if reason is not None:
                refused.append(Candidate(rule.id, rule.entity, start, end, None, reason, won=False))
        for finding in compiled.findings(text, Budget()) if spans else ():
            reason = exempt(number, finding) if exempt is not None else None
            if reason is None:
                confirmed.append(finding)
            else:
                start, end = finding.start, finding.end
                refused.append(Candidate(rule.id, rule.entity, start, end, None, reason, won=False))
    winners = resolve(confirmed)
    accepted = [_judged(finding, winners) for finding in confirmed]
    return Explanation(
        gated=tuple(detector.rules[index].rule.id for index in rules),
        silent=tuple(silent),
        candidates=tuple(sorted(accepted + refused, key=lambda c: (c.start, c.end, c.rule_id))),
        findings=tuple(winners),
    )


def _judged(finding: Finding, winners: Sequence[Finding]) -> Candidate:
    # The winner covers it, and may have been widened over it.
    winner = next(w for w in winners if w.start <= finding.start and finding.end <= w.end)
    rule_id, entity, start, end, score = finding
    if (rule_id, score) == (winner.rule_id, winner.score):
        return Candidate(rule_id, entity, start, end, score, None, won=True)
    return Candidate(rule_id, entity, start, end, score, None, False, winner.rule_id, _because(finding, winner))


def _because(loser: Finding, winner: Finding) -> str:
    """What decides between the two, in the order in which `resolve` asks."""
    if winner.score != loser.score:
        return f"it is surer, {winner.score:.2f} to {loser.score:.2f}"
    if winner.start < loser.start or winner.end > loser.end:
        return "it is as sure, and longer or earlier"
    return "it is as sure and as long, and its id comes first"
