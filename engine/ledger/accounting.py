"""Whether the decision entries add up to the input, position by position.

Every input position is accounted for exactly once: by an entry of its own, or within a run of clean ones. A
run never spans a position that another entry names, so two entries whose offsets meet are always a fault.
Offsets that no entry names are not always one: compaction and transaction markers leave gaps in a topic. Who
has the offsets of the input (who can read the topic) gives them, and every gap is then told apart.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from engine.ledger.model import DecisionEntry, OutcomeKind
from engine.records import TopicPartition


class FaultKind(StrEnum):
    """How entries fail to add up."""

    GAP = "gap"  # positions that no entry accounts for
    OVERLAP = "overlap"  # positions that several entries account for
    COUNT = "count"  # an entry counts other than what lies between its ends


@dataclass(frozen=True, slots=True)
class Fault:
    """Offsets of one partition, both ends included, that do not add up.

    ``expected`` is how many records there are to account for, ``counted`` how many were. ``proven`` is False
    only for a gap that was found without the offsets of the input: it may hold nothing but markers.
    """

    kind: FaultKind
    partition: TopicPartition
    first_offset: int
    last_offset: int
    expected: int
    counted: int
    proven: bool = True

    def __str__(self) -> str:
        where = f"{self.partition.topic}/{self.partition.partition}@{self.first_offset}..{self.last_offset}"
        perhaps = "" if self.proven else " at most"
        return f"{self.kind} at {where}: {self.expected}{perhaps} expected, {self.counted} counted"


@dataclass(frozen=True, slots=True)
class PartitionAccount:
    """What the entries of one partition say. Without any, ``first_offset`` and ``last_offset`` are None."""

    partition: TopicPartition
    first_offset: int | None
    last_offset: int | None
    records: int
    totals: Mapping[OutcomeKind, int]
    faults: tuple[Fault, ...]


@dataclass(frozen=True, slots=True)
class Accounting:
    """What decision entries say about the input, by partition in order of topic and number."""

    partitions: tuple[PartitionAccount, ...]

    @property
    def faults(self) -> tuple[Fault, ...]:
        """All faults, in order of topic, partition and offset."""
        return tuple(fault for account in self.partitions for fault in account.faults)

    @property
    def adds_up(self) -> bool:
        """Whether no fault is proven."""
        return not any(fault.proven for fault in self.faults)

    @property
    def totals(self) -> Mapping[OutcomeKind, int]:
        """How many records had each outcome, over all partitions."""
        return sum((Counter(account.totals) for account in self.partitions), Counter[OutcomeKind]())


def totals_by_outcome(entries: Iterable[DecisionEntry]) -> Counter[OutcomeKind]:
    """How many records had each outcome."""
    totals: Counter[OutcomeKind] = Counter()
    for entry in entries:
        totals[entry.outcome] += entry.count
    return totals


def account(
    entries: Iterable[DecisionEntry], inputs: Mapping[TopicPartition, Iterable[int]] | None = None
) -> Accounting:
    """Adds ``entries`` up, in whatever order they come.

    ``inputs`` are the offsets of the records that were there to be read. A partition that it leaves out has
    none. With it, every fault is proven and nothing escapes. Without it, nobody can miss what lay before the
    first entry of a partition or after the last, and a gap is only suspected.
    """
    by_partition: defaultdict[TopicPartition, list[DecisionEntry]] = defaultdict(list)
    for entry in entries:
        by_partition[TopicPartition(entry.topic, entry.partition)].append(entry)
    accounts = []
    for partition in sorted(by_partition.keys() | (inputs or {}).keys()):
        offsets = None if inputs is None else sorted(set(inputs.get(partition, ())))
        accounts.append(_account_partition(partition, by_partition[partition], offsets))
    return Accounting(tuple(accounts))


def _account_partition(
    partition: TopicPartition, entries: list[DecisionEntry], offsets: Sequence[int] | None
) -> PartitionAccount:
    entries.sort(key=lambda entry: (entry.first_offset, entry.last_offset))
    totals = totals_by_outcome(entries)
    faults = [*_wrong_counts(partition, entries, offsets), *_overlaps(partition, entries, offsets)]
    if offsets is None:
        faults += _suspected_gaps(partition, entries)
    else:
        faults += _gaps(partition, entries, offsets)
    return PartitionAccount(
        partition=partition,
        first_offset=entries[0].first_offset if entries else None,
        last_offset=max(entry.last_offset for entry in entries) if entries else None,
        records=totals.total(),
        totals=totals,
        faults=tuple(sorted(faults, key=lambda fault: (fault.first_offset, fault.last_offset, fault.kind))),
    )


def _wrong_counts(
    partition: TopicPartition, entries: Iterable[DecisionEntry], offsets: Sequence[int] | None
) -> Iterator[Fault]:
    """Entries whose count cannot be, or is not what the input has between their ends; only clean ones run."""
    for entry in entries:
        first, last, count = entry.first_offset, entry.last_offset, entry.count
        most = last - first + 1
        there = most if offsets is None else _between(offsets, first, last)
        least = min(2, most) if offsets is None else there  # both ends of a run were read
        if entry.outcome is not OutcomeKind.CLEAN and (count, most) != (1, 1):
            yield Fault(FaultKind.COUNT, partition, first, last, expected=1, counted=count)
        elif not 0 < least <= count <= there:
            yield Fault(FaultKind.COUNT, partition, first, last, expected=max(0, there), counted=count)


def _overlaps(
    partition: TopicPartition, entries: Iterable[DecisionEntry], offsets: Sequence[int] | None
) -> Iterator[Fault]:
    """Offsets that an entry names though one before it has done so."""
    reached = -1  # offsets begin at 0
    for entry in entries:
        first, last = entry.first_offset, min(entry.last_offset, reached)
        if first <= last:
            once = last - first + 1 if offsets is None else _between(offsets, first, last)
            yield Fault(FaultKind.OVERLAP, partition, first, last, expected=once, counted=2 * once)
        reached = max(reached, entry.last_offset)


def _suspected_gaps(partition: TopicPartition, entries: Iterable[DecisionEntry]) -> Iterator[Fault]:
    """Offsets between two entries that none names."""
    reached: int | None = None
    for entry in entries:
        if reached is not None and entry.first_offset > reached + 1:
            first, last = reached + 1, entry.first_offset - 1
            yield Fault(FaultKind.GAP, partition, first, last, last - first + 1, 0, proven=False)
        reached = entry.last_offset if reached is None else max(reached, entry.last_offset)


def _gaps(partition: TopicPartition, entries: Iterable[DecisionEntry], offsets: Sequence[int]) -> Iterator[Fault]:
    """Stretches of the input that no entry names, as long as they go."""
    begin = 0  # index of the first input offset that is not yet behind us
    for entry in entries:
        end = bisect_left(offsets, entry.first_offset)
        if begin < end:
            yield Fault(FaultKind.GAP, partition, offsets[begin], offsets[end - 1], end - begin, 0)
        begin = max(begin, bisect_right(offsets, entry.last_offset))
    if begin < len(offsets):
        yield Fault(FaultKind.GAP, partition, offsets[begin], offsets[-1], len(offsets) - begin, 0)


def _between(offsets: Sequence[int], first: int, last: int) -> int:
    """How many of the sorted ``offsets`` lie from ``first`` to ``last``, both included."""
    return max(0, bisect_right(offsets, last) - bisect_left(offsets, first))
