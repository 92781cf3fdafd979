"""How time is taken.

Every task is run once to warm up, which also tells how many passes over its corpus fill a repetition. Then the
tasks take turns: repetition 1 of each, repetition 2 of each, and so on, so that a machine that slows down slows
all of them and the ratios between them stay what they are. What is shown is the median of the repetitions; the
*spread* beside it is the range of the repetitions over their median, (slowest - fastest) / median.
"""

from __future__ import annotations

import gc
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from detectors.errors import SluicegateError

REPETITIONS = 5
SECONDS = 0.5  # that a repetition takes at least: clocks and schedulers then cost nothing


@dataclass(frozen=True, slots=True)
class Measurement:
    """What was measured. ``wall`` and ``cpu`` are seconds for all ``records``, ``bytes`` in all, a value for each
    repetition. ``cpu`` counts the measured process alone; it is empty where that is not known.
    """

    name: str
    records: int
    bytes: int
    wall: tuple[float, ...]
    cpu: tuple[float, ...] = ()
    note: str = ""

    @property
    def seconds(self) -> float:
        """The median of the repetitions."""
        return median(self.wall)

    @property
    def records_per_s(self) -> float:
        """At the median."""
        return self.records / self.seconds

    @property
    def mb_per_s(self) -> float:
        """At the median; 1 MB is 1,000,000 bytes."""
        return self.bytes / self.seconds / 1e6

    @property
    def us_per_record(self) -> float:
        """Microseconds, by the clock on the wall."""
        return self.seconds / self.records * 1e6

    @property
    def cpu_us_per_record(self) -> float | None:
        """Microseconds of processor time; None where it was not measured."""
        return median(self.cpu) / self.records * 1e6 if self.cpu else None

    @property
    def median_of(self) -> int:
        """How many repetitions."""
        return len(self.wall)

    @property
    def spread(self) -> float:
        """(slowest - fastest) / median of the repetitions; 0.05 is 5 %."""
        return (max(self.wall) - min(self.wall)) / self.seconds

    def as_json(self) -> dict[str, Any]:
        """For files: the figures, and the samples that they come from."""
        found: dict[str, Any] = {
            "records_per_s": round(self.records_per_s, 1),
            "mb_per_s": round(self.mb_per_s, 3),
            "median_of": self.median_of,
            "spread": round(self.spread, 4),
            "us_per_record": round(self.us_per_record, 4),
            "cpu_us_per_record": None if self.cpu_us_per_record is None else round(self.cpu_us_per_record, 4),
            "records": self.records,
            "bytes": self.bytes,
            "wall_s": [round(one, 6) for one in self.wall],
        }
        return found | ({"note": self.note} if self.note else {})


@dataclass(frozen=True, slots=True)
class Skipped:
    """A row that could not be measured. ``reason`` is a line that says what to do to have it."""

    name: str
    reason: str

    def as_json(self) -> dict[str, Any]:
        """For files."""
        return {"skipped": self.reason}


Row = Measurement | Skipped


class MeasuringFailed(SluicegateError):
    """What was to be measured did not do its work; raised by a task, it makes its row a `Skipped`."""


@dataclass(frozen=True, slots=True)
class Took:
    """Seconds that a task took by its own watch, where setting it up is not to be counted. ``cpu`` is of what was
    measured alone; None where that is not known.
    """

    wall: float
    cpu: float | None = None


@dataclass(frozen=True, slots=True)
class Task:
    """Something to be timed: ``run`` makes one pass over ``records`` records of ``bytes`` bytes.

    If it gives a `Took`, that is what it took. ``once`` is for what brings its own length: each repetition is then
    one pass.
    """

    name: str
    run: Callable[[], object]
    records: int
    bytes: int
    once: bool = False


def measure(
    tasks: Sequence[Task],
    *,
    repetitions: int = REPETITIONS,
    seconds: float = SECONDS,
    advance: Callable[[], None] = lambda: None,
) -> dict[str, Row]:
    """Times ``tasks``, by name. ``advance`` is called after each repetition and each warm-up.

    A task that raises MeasuringFailed becomes a `Skipped`; the others go on.
    """
    passes: dict[str, int] = {}
    failed: dict[str, Row] = {}
    wall: dict[str, list[float]] = {task.name: [] for task in tasks}
    cpu: dict[str, list[float]] = {task.name: [] for task in tasks}
    for repetition in range(repetitions + 1):
        for task in tasks:
            if task.name not in failed:
                try:
                    took = _timed(task, passes.get(task.name, 1))
                except MeasuringFailed as error:
                    failed[task.name] = Skipped(task.name, str(error))
                else:
                    if repetition == 0:
                        passes[task.name] = 1 if task.once else max(1, math.ceil(seconds / max(took.wall, 1e-6)))
                    else:
                        wall[task.name].append(took.wall)
                        cpu[task.name] += [] if took.cpu is None else [took.cpu]
            advance()
    return failed | {
        task.name: Measurement(task.name, task.records, task.bytes, tuple(wall[task.name]), tuple(cpu[task.name]))
        for task in tasks
        if task.name not in failed
    }


def steps(tasks: int, repetitions: int = REPETITIONS) -> int:
    """How often `measure` calls ``advance``."""
    return tasks * (repetitions + 1)


def combined(name: str, rows: Sequence[Row]) -> Row | None:
    """The same over several corpora, one after the other: their records and their times are added up."""
    measured = [row for row in rows if isinstance(row, Measurement)]
    if not rows or len(measured) != len(rows):
        return rows[0] if rows and not measured else None
    if len({one.median_of for one in measured}) != 1:
        return None
    return Measurement(
        name,
        sum(one.records for one in measured),
        sum(one.bytes for one in measured),
        tuple(map(sum, zip(*(one.wall for one in measured), strict=True))),
        tuple(map(sum, zip(*(one.cpu for one in measured), strict=True))) if all(one.cpu for one in measured) else (),
    )


def ratio(rows: Mapping[str, Row], upper: str, lower: str) -> float | None:
    """How many times the records a second of ``lower`` those of ``upper`` are.

    The median over the repetitions, each compared with its neighbour in time where there are as many of both.
    None where one of them was not measured.
    """
    above, below = rows.get(upper), rows.get(lower)
    if not isinstance(above, Measurement) or not isinstance(below, Measurement):
        return None
    size = above.records / below.records
    if above.median_of == below.median_of:
        return size * median(b / a for a, b in zip(above.wall, below.wall, strict=True))
    return size * below.seconds / above.seconds


def _timed(task: Task, passes: int) -> Took:
    """Seconds for one pass, by the wall and of this process' processor time."""
    gc.collect()
    run, given = task.run, []
    worked, started = time.process_time(), time.perf_counter()
    for _ in range(passes):
        given.append(run())
    took = Took((time.perf_counter() - started) / passes, (time.process_time() - worked) / passes)
    own = [one for one in given if isinstance(one, Took)]
    if not own:
        return took
    cpu = [one.cpu for one in own if one.cpu is not None]
    return Took(sum(one.wall for one in own) / passes, sum(cpu) / passes if len(cpu) == passes else None)
