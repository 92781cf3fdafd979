"""Findings: where something sensitive stands. A finding never holds the text itself."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol


class Finding(NamedTuple):
    """A span of a text that holds an entity. ``start`` and ``end`` are byte offsets in the UTF-8 text."""

    rule_id: str
    entity: str
    start: int
    end: int
    score: float  # 0..1


class Text(NamedTuple):
    """What a detector reads: a decoded text, and the name it stands under (a JSON key), if any."""

    value: bytes
    key: bytes = b""


class Detector(Protocol):
    """Anything that finds entities in texts."""

    def scan(self, texts: Sequence[Text]) -> list[list[Finding]]:
        """The findings of each text, as found: they may overlap. Raises BudgetExceeded."""
        ...


def resolve(findings: Iterable[Finding]) -> list[Finding]:
    """Findings without overlaps, in order of their start.

    Where findings overlap, one wins: the higher score, then the longer, then the earlier, then the smaller
    rule id. It is widened over all of them, so that what a loser found does not stay readable.
    """
    findings = list(findings)
    if len(findings) < 2:
        return findings
    out: list[Finding] = []
    cluster: list[Finding] = []
    end = -1
    for finding in sorted(findings, key=lambda f: (f.start, f.end)):
        if finding.start >= end and cluster:
            out.append(_winner(cluster, end))
            cluster = []
        cluster.append(finding)
        end = max(end, finding.end) if len(cluster) > 1 else finding.end
    if cluster:
        out.append(_winner(cluster, end))
    return out


def _winner(cluster: list[Finding], end: int) -> Finding:
    start = cluster[0].start
    best = min(cluster, key=lambda f: (-f.score, f.start - f.end, f.start, f.rule_id))
    if best.start == start and best.end == end:
        return best
    return Finding(best.rule_id, best.entity, start, end, best.score)
