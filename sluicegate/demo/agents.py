"""The sample agents: which of their records are due when, and how they get into the log.

What they do all day and what they need a person for come from two generators, so that the pace of the one says
nothing about that of the other: a few requests at once, for somebody who has just started the demo, and then
one now and then.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import islice
from random import Random

from benchmarks.activity import Activity, generate
from engine.brokers.base import Broker, BrokerUnavailable
from engine.records import OutputRecord
from sluicegate.demo.folder import ACTIVITY, PARTITIONS

# What the first requests are for. The agent behind the first is grace's, that behind the second ada's: neither
# may decide on her own.
OPENING = (b"crm.delete", b"db.export", b"deploy.production", b"iam.role.grant")
OPENING_GAP = 0.8  # seconds between them
ASK_EVERY = (7.0, 11.0)  # seconds between two requests, then; the shipped policy lets about half of them pass
RETRY_GAP = (0.4, 1.2)  # seconds between two tries of an agent that loops
REMEMBERED = 4000  # raw records that are kept in memory, to be shown beside what became of them

_LONGEST_STEP = 1.0  # seconds: what is not written while we sleep is not made up for
_LOOK_AHEAD = 100  # requests
_HEAD = b'{"ts":"'
_TS_BYTES = 24

# How long the agents keep a pace (seconds), and what it is to the rate asked for; the mean is 1.
_PACES = (((2.0, 5.0), 1.0), ((1.5, 4.0), 1.5), ((2.0, 4.0), 0.8), ((1.0, 2.0), 1.7), ((0.6, 1.4), 0.0))
_MEAN_PACE = sum((a + b) / 2 * pace for (a, b), pace in _PACES) / sum((a + b) / 2 for (a, b), _ in _PACES)


class Agents:
    """What is due, as time goes on. The same seed plays the same records in the same order.

    ``rate`` is in records a second, on average; ``start`` when the records say they begin, in ms since the epoch.
    """

    def __init__(self, *, seed: int, rate: float, start: int) -> None:
        self._rng = Random(seed)  # noqa: S311 (nothing here is to be kept from anybody)
        self._rate = rate
        self._routine = generate(seed, privileged=0.0, start=start)
        self._asks = _schedule(Random(seed), generate(seed + 1, privileged=0.3, start=start))  # noqa: S311
        self._clock = 0.0  # seconds since the first call
        self._last: float | None = None
        self._owed = 0.0
        self._pace, self._pace_ends = 1.0, 3.0
        self._next_at, self._next = next(self._asks)

    def due(self, now: float) -> list[Activity]:
        """What came due since the last call; ``now`` in seconds of a clock that never goes back."""
        step = 0.0 if self._last is None else min(now - self._last, _LONGEST_STEP)
        self._last = now
        self._clock += step
        self._owed += step * self._rate * self._pace / _MEAN_PACE
        if self._clock >= self._pace_ends:
            (least, most), self._pace = self._rng.choice(_PACES)
            self._pace_ends = self._clock + self._rng.uniform(least, most)
        out = [next(self._routine) for _ in range(int(self._owed))]
        self._owed -= len(out)
        while self._next_at <= self._clock:
            out.append(self._next)
            self._next_at, self._next = next(self._asks)
        return out


def _schedule(rng: Random, records: Iterator[Activity]) -> Iterator[tuple[float, Activity]]:
    """Privileged records and when each is due: those of `OPENING` at once, then one at a time."""
    asks = (one for one in records if one.privileged)
    first: dict[bytes, Activity] = {}
    while not first.keys() >= set(OPENING):
        one = next(asks)
        first.setdefault(_kind(one), one)
    at = 0.3
    for kind in OPENING:
        yield at, first[kind]
        at += OPENING_GAP
    for flurry in _flurries(asks):
        for number, activity in enumerate(flurry):
            at += rng.uniform(*(RETRY_GAP if number else ASK_EVERY))
            yield at, activity


def _flurries(asks: Iterator[Activity]) -> Iterator[list[Activity]]:
    """``asks``, each with its repeats: what an agent that loops asks for stands among what others do."""
    ahead: list[Activity] = []
    while True:
        ahead += islice(asks, _LOOK_AHEAD - len(ahead))
        first = (ahead[0].key, _without_ts(ahead[0].value))
        alike = [(one.key, _without_ts(one.value)) == first for one in ahead]
        yield [one for one, same in zip(ahead, alike, strict=True) if same]
        ahead = [one for one, same in zip(ahead, alike, strict=True) if not same]


def _kind(activity: Activity) -> bytes:
    """What is done, roughly: the same for two requests to export a table."""
    for member in (b'"action":"', b'"eventName":"'):
        _, found, rest = activity.value.partition(member)
        if found:
            return rest.partition(b'"')[0]
    return activity.shape.encode()


def _without_ts(value: bytes) -> bytes:
    return value[len(_HEAD) + _TS_BYTES :]


def partition_of(key: bytes) -> int:
    """The partition of a session's records, which stay in order."""
    return zlib.crc32(key) % PARTITIONS


def output(activity: Activity, timestamp: int) -> OutputRecord:
    """``activity`` as a record of the log."""
    return OutputRecord(ACTIVITY, partition_of(activity.key), activity.key, activity.value, timestamp=timestamp)


class Writer:
    """Writes what the agents do, as if it happened now, and remembers the last of it.

    No two records of a partition get the same timestamp, so that what comes out can be laid beside what went in.
    """

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._last = [0] * PARTITIONS
        self._raw: dict[tuple[int, int], bytes] = {}
        self._waiting: list[OutputRecord] = []

    def write(self, activities: Sequence[Activity], now: int) -> None:
        """Appends ``activities``; ``now`` in ms since the epoch. If the log is busy they go with the next ones."""
        for activity in activities:
            partition = partition_of(activity.key)
            stamp = self._last[partition] = max(now, self._last[partition] + 1)
            record = output(activity._replace(value=stamped(activity.value, stamp)), stamp)
            self._waiting.append(record)
            self._raw[partition, stamp] = record.value or b""
        while len(self._raw) > REMEMBERED:
            del self._raw[next(iter(self._raw))]
        if self._waiting:
            try:
                self._broker.append(self._waiting)
            except BrokerUnavailable:
                return
            self._waiting = []

    def raw(self, partition: int, timestamp: int) -> bytes | None:
        """The value that was written with this timestamp, if it is not too long ago."""
        return self._raw.get((partition, timestamp))


def stamped(value: bytes, now: int) -> bytes:
    """``value`` with the time ``now``, where it begins with one."""
    if not value.startswith(_HEAD):
        return value
    moment = datetime.fromtimestamp(now / 1000, UTC)
    return b"%s%s.%03dZ%s" % (_HEAD, f"{moment:%Y-%m-%dT%H:%M:%S}".encode(), now % 1000, _without_ts(value))
