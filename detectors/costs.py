"""What each rule costs by itself on given records, and how often it pays: the time of its gate and of what follows."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from detectors.compiled import Budget, CompiledRule
from detectors.errors import BudgetExceeded
from detectors.finding import Text
from detectors.gate import Gate


@dataclass(frozen=True, slots=True)
class Cost:
    """The cost of one rule, alone, over all records.

    ``gate_ms`` and ``confirm_ms`` are milliseconds of processor time: to look for the gate in all records, and for
    exact spans and their checks where it hit. ``hits`` are records whose gate hit, ``findings`` what was confirmed.
    """

    rule_id: str
    gate_ms: float
    confirm_ms: float
    hits: int
    findings: int

    @property
    def total_ms(self) -> float:
        """Both together."""
        return self.gate_ms + self.confirm_ms


def costs(
    rules: Sequence[CompiledRule], records: Sequence[bytes], texts: Callable[[bytes], Sequence[Text]]
) -> Iterator[Cost]:
    """The cost of each of ``rules``, in their order, on raw ``records``; ``texts`` tells what is to be read in one.

    In the joint gate, what rules share is paid for once.
    """
    for rule in rules:
        hits = Gate([rule.gate]).hits
        started = time.process_time_ns()
        hit = [raw for raw in records if hits(raw)]
        gated = time.process_time_ns()
        read = [texts(raw) for raw in hit]
        resumed = time.process_time_ns()
        found = sum(_findings(rule, some) for some in read)
        ended = time.process_time_ns()
        yield Cost(rule.rule.id, (gated - started) / 1e6, (ended - resumed) / 1e6, len(hit), found)


def _findings(rule: CompiledRule, texts: Sequence[Text]) -> int:
    try:
        budget = Budget()
        return sum(len(rule.findings(text, budget)) for text in texts)
    except BudgetExceeded:
        return 0
