"""Two runs beside each other: ratios of rates and of latencies, with bootstrap confidence intervals.

Each figure is the median of a few repetitions, so it is not exact. Both runs' repetitions are drawn again with
replacement, `DRAWS` times, and the ratio of the medians is taken each time; the interval holds the middle 95 % of
these ratios (percentile bootstrap: Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13). Where it
holds 1, the runs do not differ as far as can be told. With few repetitions intervals are rough: repeat more often.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

DRAWS = 2_000
LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class Change:
    """How a figure changed: ``ratio`` is new over old in speed, so above 1 is better, whatever was measured."""

    name: str
    old: float
    new: float
    unit: str
    ratio: float
    low: float
    high: float

    @property
    def verdict(self) -> str:
        """In a word."""
        if self.low > 1:
            return "faster"
        return "slower" if self.high < 1 else "same"

    def as_json(self) -> dict[str, Any]:
        """For files."""
        return {
            "name": self.name,
            "old": self.old,
            "new": self.new,
            "unit": self.unit,
            "ratio": round(self.ratio, 4),
            "low": round(self.low, 4),
            "high": round(self.high, 4),
            "verdict": self.verdict,
        }


@dataclass(frozen=True, slots=True)
class Timed:
    """A figure of one run: seconds (or ms) of each repetition for ``amount``; what is shown is per ``unit``."""

    seconds: Sequence[float]
    amount: float
    unit: str

    @property
    def shown(self) -> float:
        """The rate at the median, or the median itself where there is no amount."""
        return self.amount / median(self.seconds) if self.amount else median(self.seconds)


def compared(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Change]:
    """Everything that both results hold, in the order of ``new``."""
    before = dict(timed(old))
    return [_change(name, before[name], after) for name, after in timed(new) if name in before]


def interval(old: Sequence[float], new: Sequence[float], scale: float = 1.0) -> tuple[float, float]:
    """The confidence interval of ``scale * median(old) / median(new)``. The same for the same samples."""
    rng = random.Random(len(old) * 1000 + len(new))  # noqa: S311 (nothing here is to be kept from anybody)
    ratios = sorted(
        scale * median(rng.choices(old, k=len(old))) / median(rng.choices(new, k=len(new))) for _ in range(DRAWS)
    )
    cut = int(DRAWS * (1 - LEVEL) / 2)
    return ratios[cut], ratios[-1 - cut]


def timed(results: Mapping[str, Any]) -> Iterator[tuple[str, Timed]]:
    """Each figure of a run that has repetitions, by a name that is the same in every run."""
    for part in ("throughput", "peers"):
        for corpus in results.get(part, {}).get("corpora", ()):
            rows = {**corpus, **corpus.get("peers", {})}
            for name, row in rows.items():
                if isinstance(row, dict) and "wall_s" in row:
                    yield f"{part}: {corpus['name']}, {name}", Timed(row["wall_s"], row["records"], "records/s")
    for row in results.get("latency", {}).get("latency", ()):
        if "p99_each_ms" in row:
            which = "direct" if row["commit_interval_ms"] is None else f"commit interval {row['commit_interval_ms']} ms"
            yield f"latency: p99, {row['load']}, {which}", Timed(row["p99_each_ms"], 0, "ms")
    for series in results.get("scaling", {}).get("series", ()):
        for point in series["points"]:
            if "wall_s" in point:
                name = f"scaling: {series['title']}, {point['x']:g}"
                yield name, Timed(point["wall_s"], point["records"], "records/s")


def _change(name: str, old: Timed, new: Timed) -> Change:
    scale = new.amount / old.amount if old.amount else 1.0
    ratio = scale * median(old.seconds) / median(new.seconds)
    return Change(name, old.shown, new.shown, new.unit, ratio, *interval(old.seconds, new.seconds, scale))
