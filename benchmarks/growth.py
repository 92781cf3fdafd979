"""How cost grows: with rules, with the size of records, with the share of records that have something to find.

Each `Series` is measured point by point with turns taken (`benchmarks.measurement`), the gate alone beside the core.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.core import Core, GateAlone
from benchmarks.corpora import Corpus, generated, sized
from benchmarks.fits import PowerLaw, line, power_law
from benchmarks.measurement import Measurement, Row, Task, measure
from benchmarks.padding import padded_policy

RULES = (10, 32, 100, 316, 1_000)
SIZES = (100, 316, 1_000, 3_162, 10_000, 31_623, 100_000)  # bytes
HITS = (0.0, 0.1, 0.25, 0.5, 0.75, 1.0)


@dataclass(frozen=True)
class Series:
    """Measurements by ``x``. ``limit`` holds the gate alone at the same points, where it was measured."""

    name: str
    title: str
    unit: str
    points: Sequence[tuple[float, Row]]
    limit: Sequence[tuple[float, Row]] = ()
    rising: bool = False  # whether the rate is what grows (workers), not the cost of a record

    @property
    def fit(self) -> PowerLaw | None:
        """The power law of µs per record (of records/s where the rate is to rise)."""
        return power_law(_values(self.points, rising=self.rising))

    @property
    def limit_fit(self) -> PowerLaw | None:
        """The same of the gate alone."""
        return power_law(_values(self.limit))

    def told(self) -> str:
        """The fit in words."""
        if self.rising:
            return self._speed_up()
        said = [] if self.fit is None else [f"the cost of a record grows with {self.name}: {self.fit}"]
        if self.limit_fit is not None:
            said.append(f"the gate alone: {self.limit_fit}")
        if self.name == "hits" and (found := line(_values(self.points))) is not None:
            said = [
                f"a record without findings costs {found.intercept:.1f} µs, "
                f"one with findings {found.intercept + found.slope:.1f} µs (straight line)",
                *said,
            ]
        return "; ".join(said)

    def _speed_up(self) -> str:
        values = _values(self.points, rising=True)
        if len(values) < 2:
            return ""
        times = ", ".join(f"{y / values[0][1]:.2f} times with {x:.0f}" for x, y in values[1:])
        return f"records/s of one, {times}; {self.fit}"

    def as_json(self) -> dict[str, Any]:
        """For files."""
        fit, limit = self.fit, self.limit_fit
        return {
            "title": self.title,
            "unit": self.unit,
            "exponent": None if fit is None else round(fit.exponent, 4),
            "r2": None if fit is None else round(fit.r2, 4),
            "exponent_of": "records_per_s" if self.rising else "us_per_record",
            "gate_exponent": None if limit is None else round(limit.exponent, 4),
            "told": self.told(),
            "points": [{"x": x, **row.as_json()} for x, row in self.points],
            "gate": [{"x": x, **row.as_json()} for x, row in self.limit],
        }


def by_rules(
    policy: Path | None, corpus: Corpus, counts: Sequence[int], *, repetitions: int, advance: Callable[[], None]
) -> Series:
    """With exactly so many rules: a part of the catalogue, or all of it and generated ones."""
    with ExitStack() as stack:
        tasks: list[Task] = []
        for count in counts:
            _, loaded = stack.enter_context(padded_policy(policy, count, exactly=True))
            tasks += _pair(count, Core(loaded), GateAlone(loaded), corpus)
        return _series("rules", f"rules, on {corpus.name}", "rules", counts, tasks, repetitions, advance)


def by_size(
    core: Core,
    gate: GateAlone,
    sizes: Sequence[int],
    *,
    seed: int,
    hits: float,
    volume: int,
    repetitions: int,
    advance: Callable[[], None],
) -> Series:
    """With records of so many bytes; ``hits`` is the share of the activity's records with something to find."""
    made = [sized(seed, size, volume, hits=hits) for size in sizes]
    tasks = [task for size, one in zip(sizes, made, strict=True) for task in _pair(size, core, gate, one)]
    title = f"size of a record, {hits:.0%} of the activity with findings"
    measured = _series("size", title, "bytes", sizes, tasks, repetitions, advance)
    true = [one.size / len(one.records) for one in made]  # as they came out, not as they were asked for
    return Series(measured.name, title, "bytes", _at(true, measured.points), _at(true, measured.limit))


def by_hits(
    core: Core,
    gate: GateAlone,
    shares: Sequence[float],
    *,
    seed: int,
    volume: int,
    repetitions: int,
    advance: Callable[[], None],
) -> Series:
    """With so many of the records having something to find; ``shares`` are 0 to 1."""
    tasks: list[Task] = []
    for share in shares:
        made = generated(seed, max(1, volume // 500), hits=share, privileged=0)
        tasks += _pair(share, core, gate, made)
    return _series("hits", "share of records with findings", "share", shares, tasks, repetitions, advance)


def _pair(x: float, core: Core, gate: GateAlone, corpus: Corpus) -> list[Task]:
    return [core.task(f"core {x}", corpus), gate.task(f"gate {x}", corpus)]


def _series(
    name: str,
    title: str,
    unit: str,
    xs: Sequence[float],
    tasks: Sequence[Task],
    repetitions: int,
    advance: Callable[[], None],
) -> Series:
    rows = measure(tasks, repetitions=repetitions, seconds=0.2, advance=advance)
    points, limit = ([(x, rows[f"{kind} {x}"]) for x in xs] for kind in ("core", "gate"))
    return Series(name, title, unit, points, limit)


def _at(xs: Sequence[float], points: Sequence[tuple[float, Row]]) -> list[tuple[float, Row]]:
    return [(round(x, 1), row) for x, (_, row) in zip(xs, points, strict=True)]


def _values(points: Sequence[tuple[float, Row]], *, rising: bool = False) -> list[tuple[float, float]]:
    measured = [(x, row) for x, row in points if isinstance(row, Measurement)]
    return [(x, row.records_per_s if rising else row.us_per_record) for x, row in measured]
