"""How a worker gets on: what it has done, how far behind it is, and the line in the log that says so.

Counted once a batch, by the worker's thread; whoever shows it elsewhere (`engine.metrics`) only reads.
"""

from __future__ import annotations

import logging
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from engine.brokers.base import BrokerError, Session
from engine.ledger.model import OutcomeKind, Redaction
from engine.outcomes import Diverted, Outcome, Quarantined, Sanitized
from engine.records import ActivityRecord, TopicPartition
from engine.routing import kind

log = logging.getLogger(__name__)

LOG_EVERY = 10.0  # seconds between two lines about the work done
LAG_EVERY = 5.0  # seconds between two looks at the ends of the partitions
SETTLE_EVERY = 60.0  # seconds between two questions for offsets that others committed, if one failed
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Seconds that a batch took, commit and all: the upper ends of the histogram's buckets. One without end follows."""


@dataclass(slots=True)
class Counters:
    """What a worker has done since it started. ``bytes`` are of values read, ``seconds`` spent working.

    Only what was committed counts, but for ``aborted`` and ``seconds``. ``redactions`` are by entity.
    """

    records: int = 0
    bytes: int = 0
    batches: int = 0
    aborted: int = 0
    seconds: float = 0.0
    outcomes: Counter[OutcomeKind] = field(default_factory=Counter)
    redactions: Counter[str] = field(default_factory=Counter)
    batch_seconds: float = 0.0  # of the batches that were committed
    buckets: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS) + 1))

    def count(self, records: Sequence[ActivityRecord], outcomes: Sequence[Outcome], seconds: float) -> None:
        """A batch was committed."""
        self.records += len(records)
        self.bytes += sum(len(record.value or b"") for record in records)
        self.batches += 1
        found = [outcome for outcome in outcomes if type(outcome) is not Sanitized or outcome.redactions]
        self.outcomes[OutcomeKind.CLEAN] += len(outcomes) - len(found)
        self.outcomes.update(map(kind, found))
        self.redactions.update(one.entity for outcome in found for one in _redactions(outcome))
        self.batch_seconds += seconds
        self.buckets[bisect_left(BUCKETS, seconds)] += 1

    def __str__(self) -> str:
        outcomes = ", ".join(f"{self.outcomes[one]} {one}" for one in OutcomeKind if self.outcomes[one])
        rate = self.records / self.seconds if self.seconds else 0
        return (
            f"{self.records} records ({outcomes or 'none'}), {self.bytes} bytes, {self.batches} batches, "
            f"{self.aborted} aborted, {self.seconds:.1f} s of work, {rate:.0f} records/s"
        )


def _redactions(outcome: Outcome) -> tuple[Redaction, ...]:
    match outcome:
        case Quarantined():
            return ()
        case Diverted(_, request):
            return request.redactions
        case _:
            return outcome.redactions


@dataclass(frozen=True, slots=True)
class Lag:
    """Records between what the group has committed and the end, for each partition owned at that time."""

    partitions: Mapping[TopicPartition, int]
    measured: float  # seconds since the epoch

    def __str__(self) -> str:
        if not self.partitions:
            return "no partitions"
        total, (most, at) = sum(self.partitions.values()), max((n, p) for p, n in self.partitions.items())
        where = f", most on {at.topic}/{at.partition}: {most}" if most and len(self.partitions) > 1 else ""
        return f"lag {total} on {len(self.partitions)} partitions{where}"


class Progress:
    """The progress of the worker called ``name``; used by its thread, read by any."""

    def __init__(
        self,
        name: str,
        *,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self.counters = Counters()
        self.lag: Lag | None = None
        self.began = False  # whether it has polled, as a member of its group
        self.well = 0.0  # seconds from the first to the last time that polling, and what follows, went well
        self._clock, self._monotonic = clock, monotonic
        self._first: float | None = None
        self._owned: frozenset[TopicPartition] = frozenset()
        self._unsettled: set[TopicPartition] = set()
        self._measure_at = self._settle_at = 0.0
        self._logged = monotonic()
        self._records = self._bytes = 0  # when the last line was written

    def step(self, session: Session, done: dict[TopicPartition, int], *, idle: bool) -> None:
        """The worker polled and, unless ``idle``, committed. ``done`` holds the committed offsets it knows of."""
        now = self._monotonic()
        if self._first is None:
            self._first, self.began = now, True
            log.info("worker %s is up", self.name)
        self.well = now - self._first
        if now >= self._measure_at:
            self._measure_at = now + LAG_EVERY
            self._measure(session, done, now, idle=idle)
        if now - self._logged >= LOG_EVERY:
            log.info("worker %s: %s", self.name, self._line(now))
            self._logged, self._records, self._bytes = now, self.counters.records, self.counters.bytes

    def committed(self, offsets: Mapping[TopicPartition, int]) -> None:
        """The worker itself moved these partitions on: nobody else's commits of them need to be looked up."""
        if self._unsettled:
            self._unsettled.difference_update(offsets)

    def _measure(self, session: Session, done: dict[TopicPartition, int], now: float, *, idle: bool) -> None:
        owned = session.assignment()
        self._unsettled = (self._unsettled | (owned - self._owned)) & owned
        self._owned = owned
        try:
            # Others may have gone on with a partition before it came here. Their commits may take a while to
            # settle, so they are asked for when there is nothing better to do; until then the lag is an upper bound.
            if self._unsettled and idle and now >= self._settle_at:
                self._settle_at = now + SETTLE_EVERY
                done.update(session.committed())
                self._unsettled.clear()
                self._settle_at = 0.0
            ends = session.end_offsets()
        except BrokerError as error:
            log.warning("worker %s cannot tell its lag now: %s", self.name, error)
            return
        lag = {one: max(0, ends.get(one, 0) - done.get(one, 0)) for one in sorted(owned)}
        self.lag = Lag(lag, self._clock())

    def _line(self, now: float) -> str:
        elapsed, counters = now - self._logged, self.counters
        records = (counters.records - self._records) / elapsed
        volume = (counters.bytes - self._bytes) / elapsed / 1e6
        lag = "lag not known" if self.lag is None else self.lag
        return f"{records:.0f} records/s, {volume:.2f} MB/s, {lag}; in all {counters}"
