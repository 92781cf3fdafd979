"""How long a record takes from end to end, at a fixed rate, without coordinated omission.

A process of its own writes records on a schedule: the n-th is due at ``start + n / rate``, whatever happened to those
before it. Its latency is counted from that moment, not from when it was sent: if the log or the engine holds up the
writer, the wait counts. (https://www.youtube.com/watch?v=lJ8ydIuPFeU; HdrHistogram calls what is missing otherwise
"coordinated omission".) A reader follows the sanitized topic, read-committed, and notes when each record is there. A
record is told by its timestamp, which the engine keeps: it is a number, not a time.

*direct* is the same without an engine: the reader follows the activity topic itself. What the engine adds is the
difference. All latencies are kept, so percentiles are exact (nearest rank).
"""

from __future__ import annotations

import math
import subprocess
import sys
import time
from array import array
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.corpora import Corpus
from benchmarks.measurement import MeasuringFailed
from benchmarks.streams import Stage
from engine.brokers.base import Reader
from engine.config import Batch

QUANTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "p99.9": 0.999}
LEAD = 0.3  # seconds between deciding on a start and the start: time for the writer to hear of it
_BACKWARD = 30 * 86_400_000  # ms: numbers instead of times, but none of the future, which Kafka may refuse
_LATE = 20.0  # seconds after the last record was due, until which what arrives is waited for
_FIRST = 60.0  # seconds until the first record must have come through


@dataclass(frozen=True)
class Delay:
    """Latencies at one rate. ``samples`` are seconds, sorted, a sequence for each repetition."""

    rate: float
    interval_ms: int | None  # of the engine's commits; None where there is no engine
    samples: Sequence[Sequence[float]]
    half: bool = False  # whether the rate is half of what the engine does at most

    @property
    def load(self) -> str:
        """The rate in words."""
        return "half load" if self.half else f"{self.rate:,.0f} records/s"

    def at(self, quantile: float) -> float:
        """Seconds: the median over the repetitions."""
        return median(percentile(one, quantile) for one in self.samples)

    @property
    def largest(self) -> float:
        """Of all repetitions."""
        return max(one[-1] for one in self.samples)

    def spread(self, quantile: float) -> float:
        """(largest - smallest) / median of the repetitions."""
        values = [percentile(one, quantile) for one in self.samples]
        return (max(values) - min(values)) / median(values)

    def as_json(self) -> dict[str, Any]:
        """For files, in ms."""
        return {
            "rate": round(self.rate, 1),
            "load": self.load,
            "commit_interval_ms": self.interval_ms,
            "records": sum(map(len, self.samples)),
            "median_of": len(self.samples),
            **{f"{name}_ms": round(self.at(quantile) * 1000, 2) for name, quantile in QUANTILES.items()},
            "max_ms": round(self.largest * 1000, 2),
            "p99_each_ms": [round(percentile(one, 0.99) * 1000, 3) for one in self.samples],
            "p99_spread": round(self.spread(0.99), 4),
        }


def percentile(ordered: Sequence[float], quantile: float) -> float:
    """By nearest rank: the smallest value that is not below a ``quantile`` of them."""
    return ordered[max(0, math.ceil(quantile * len(ordered)) - 1)]


class Course:
    """Records sent through a stage on a schedule, and read at its end. ``passes`` tells of each record of ``corpus``
    whether it comes out.
    """

    def __init__(self, stage: Stage, corpus: Corpus, passes: Sequence[bool], records: Path) -> None:
        self._stage, self._size, self._passes, self._records = stage, len(corpus.records), passes, records
        self._base = time.time_ns() // 1_000_000 - _BACKWARD
        self._next = 0
        self._group = stage.group()

    def direct(self, rate: float, seconds: float, repetitions: int) -> Delay:
        """Without an engine. Raises MeasuringFailed."""
        with self._reader(self._stage.activity) as reader:
            self._run(reader, min(rate, 1000.0), 0.5, every=True)
            runs = [self._run(reader, rate, seconds, every=True) for _ in range(repetitions)]
        return Delay(rate, None, runs)

    def through(self, policy: Path | None, rate: float, interval_ms: int, seconds: float, repetitions: int) -> Delay:
        """Through one worker that commits every ``interval_ms``. Raises MeasuringFailed."""
        with self._reader(f"{self._stage.activity}.sanitized") as reader, self._worker(policy, interval_ms):
            self._run(reader, min(rate, 1000.0), 1.0)
            self._run(reader, rate, 1.0)
            runs = [self._run(reader, rate, seconds) for _ in range(repetitions)]
        return Delay(rate, interval_ms, runs)

    def most(self, policy: Path | None, rate: float, seconds: float, repetitions: int) -> float:
        """Records/s that come through one worker while they are written and read, if ``rate``, too many, are sent.

        Raises MeasuringFailed.
        """
        interval_ms = Batch().interval_ms
        with self._reader(f"{self._stage.activity}.sanitized") as reader, self._worker(policy, interval_ms):
            self._run(reader, min(rate, 1000.0), 1.0)
            # The later a record was due, the longer it waits, so the last one to come waited longest.
            longest = [self._run(reader, rate, seconds)[-1] for _ in range(repetitions)]
        return rate * seconds / (seconds + median(longest))

    def _run(self, reader: Reader, rate: float, seconds: float, *, every: bool = False) -> Sequence[float]:
        count = max(1, int(rate * seconds))
        first, self._next = self._next, self._next + count
        start = time.monotonic() + LEAD
        numbers = [n for n in range(count) if every or self._passes[(first + n) % self._size]]
        feed = subprocess.Popen(  # noqa: S603 (our own interpreter and module)
            [
                *(sys.executable, "-P", "-m", "benchmarks.feed", self._stage.url, self._stage.activity),
                *map(str, (self._stage.partitions, self._records, self._base, first, count, rate, start)),
            ],
            stderr=subprocess.PIPE,
        )
        try:
            found = self._arrivals(reader, first, count, rate, start, expected=len(numbers))
            if feed.wait(_LATE):
                raise MeasuringFailed("the writer of the records failed")
        finally:
            feed.kill()
            feed.communicate()
        return found

    def _arrivals(
        self, reader: Reader, first: int, count: int, rate: float, start: float, *, expected: int
    ) -> Sequence[float]:
        latencies = array("d")
        base, low, high = self._base, self._base + first, self._base + first + count
        end = start + count / rate + max(_LATE, _FIRST if not first else 0)
        while len(latencies) < expected:
            records = reader.poll(10_000, 0.1)
            now = time.monotonic()
            latencies.extend(
                now - start - (record.timestamp - base - first) / rate
                for record in records
                if low <= record.timestamp < high
            )
            if now > end:
                raise MeasuringFailed(
                    f"{len(latencies):,} of {expected:,} records came through: {rate:,.0f} records/s are too many"
                )
        return sorted(latencies)

    @contextmanager
    def _reader(self, topic: str) -> Iterator[Reader]:
        """Follows ``topic`` from where it ends now."""
        reader = self._stage.broker.reader([topic])
        ends = reader.end_offsets()
        reader.close()
        reader = self._stage.broker.reader([topic], start=ends)
        try:
            yield reader
        finally:
            reader.close()

    @contextmanager
    def _worker(self, policy: Path | None, interval_ms: int) -> Iterator[None]:
        """An engine in a process of its own, always of the same group: it begins where the last one ended."""
        self._stage.config(policy, batch={"interval_ms": interval_ms}, group=self._group)
        path = self._stage.folder / f"{self._group}.json"
        command = [sys.executable, "-P", "-m", "benchmarks.crew", "serve", str(path)]
        with subprocess.Popen(  # noqa: S603 (our own interpreter and module)
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as child:
            try:
                yield
            finally:
                if child.stdin is not None:
                    child.stdin.close()  # tells it to end
                try:
                    child.wait(_LATE)
                except subprocess.TimeoutExpired:
                    child.kill()
