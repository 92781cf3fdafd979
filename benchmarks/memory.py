"""The memory of a worker while millions of records go through it.

The worker is a process of its own, whose resident memory is read twice a second: on a log that makes up its records
(`benchmarks.endless`), or on a broker that is filled while it works. The first fifth is taken as warming up. Memory is
*flat* if the straight line through the rest rises by no more than `SLACK` of its level from end to end.
"""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

from benchmarks.fits import line
from benchmarks.machine import rss_mb
from benchmarks.measurement import MeasuringFailed
from benchmarks.streams import Stage

SLACK = 0.03
WARM_UP = 0.2  # of all records
EVERY = 0.5  # seconds
FEW = 10  # samples after the warm-up, below which nothing can be said
_STALL = 120.0  # seconds without a record, after which it has failed
_AHEAD = 100_000  # records that are written before they are asked for
_SHOWN = 400  # points that are kept for files and plots


@dataclass(frozen=True)
class Soak:
    """``samples`` are (records done, MB resident)."""

    samples: Sequence[tuple[int, float]]
    seconds: float

    @property
    def steady(self) -> Sequence[tuple[int, float]]:
        """The samples after the warm-up."""
        since = WARM_UP * self.samples[-1][0]
        return [one for one in self.samples if one[0] >= since]

    @property
    def level(self) -> float:
        """MB, on average after the warm-up."""
        return mean(mb for _, mb in self.steady)

    @property
    def peak(self) -> float:
        """MB, the most there ever was."""
        return max(mb for _, mb in self.samples)

    @property
    def growth(self) -> float:
        """MB for a million records, after the warm-up."""
        found = line([(records / 1e6, mb) for records, mb in self.steady])
        return 0.0 if found is None else found.slope

    @property
    def flat(self) -> bool | None:
        """Whether it stays where it is; None if it was looked at too seldom to tell."""
        if len(self.steady) < FEW:
            return None
        millions = (self.samples[-1][0] - self.steady[0][0]) / 1e6
        return self.growth * millions <= SLACK * self.level

    def as_json(self) -> dict[str, Any]:
        """For files: the samples thinned out."""
        step = -(-len(self.samples) // _SHOWN)
        return {
            "records": self.samples[-1][0],
            "seconds": round(self.seconds, 1),
            "level_mb": round(self.level, 1),
            "peak_mb": round(self.peak, 1),
            "growth_mb_per_million": round(self.growth, 3),
            "flat": self.flat,
            "samples": [[records, round(mb, 2)] for records, mb in self.samples[::step]],
        }


def soak(policy: Path | None, records: Path, total: int, *, advance: Callable[[int], None]) -> Soak:
    """A worker on the endless log. ``advance`` hears of records done. Raises MeasuringFailed."""
    with _child("soak", str(policy or ""), str(records), str(total)) as child:
        return _watched(child, total, advance, lambda done: None)


def soak_on(
    stage: Stage, policy: Path | None, values: Sequence[bytes], total: int, *, advance: Callable[[int], None]
) -> Soak:
    """A worker on the broker of ``stage``, which is filled while it works. Raises MeasuringFailed."""
    group = stage.group()
    stage.config(policy, group=group)

    def fill(done: int) -> None:
        if stage.records < total and stage.records - done < _AHEAD:
            stage.fill(values, min(_AHEAD, total - stage.records))

    fill(0)
    with _child("serve", str(stage.folder / f"{group}.json")) as child:
        return _watched(child, total, advance, fill)


class _Child:
    """A process that writes how many records it has done, a number a line."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self.done = 0
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        for text in self.process.stdout or ():
            if text.strip().isdigit():
                self.done = int(text)


@contextmanager
def _child(*role: str) -> Iterator[_Child]:
    command = [sys.executable, "-P", "-m", "benchmarks.crew", *role]
    process = subprocess.Popen(  # noqa: S603 (our own interpreter and module)
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    try:
        yield _Child(process)
    finally:
        if process.stdin is not None:
            process.stdin.close()  # tells it to end
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _watched(child: _Child, total: int, advance: Callable[[int], None], fill: Callable[[int], None]) -> Soak:
    samples: list[tuple[int, float]] = []
    started = moved = time.monotonic()
    while child.done < total:
        before = child.done
        fill(before)
        time.sleep(EVERY)
        now, done = time.monotonic(), child.done
        advance(done - before)
        moved = now if done > before else moved
        mb = rss_mb(child.process.pid)
        if child.process.poll() is not None and child.done < total:
            raise MeasuringFailed(f"the worker ended after {child.done:,} of {total:,} records")
        if mb is None:
            raise MeasuringFailed("this system does not tell the memory of a process (it needs /proc)")
        if now - moved > _STALL:
            raise MeasuringFailed(f"no record went through for {_STALL:.0f} s, after {done:,} of {total:,}")
        if done:
            samples.append((done, mb))
    return Soak(samples, time.monotonic() - started)
