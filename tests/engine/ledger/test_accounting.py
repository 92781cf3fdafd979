"""Decision entries add up to the input, position by position, and say so when they do not."""

import dataclasses
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.ledger.accounting import FaultKind, account, totals_by_outcome
from engine.ledger.model import DecisionEntry, OutcomeKind
from engine.records import TopicPartition

TOPIC = "activity.raw"
P0 = TopicPartition(TOPIC, 0)
CLEAN, REDACTED = OutcomeKind.CLEAN, OutcomeKind.REDACTED


def run(first, last, count, outcome=CLEAN, partition=0):
    return DecisionEntry(outcome, TOPIC, partition, first, last, count)


def one(offset, outcome=REDACTED):
    return run(offset, offset, 1, outcome)


def grouped(log, partition, most):
    """The entries for ``log``: clean runs of at most ``most`` records, an entry each for the rest."""
    entries = []
    for offset, outcome in log:
        last = entries[-1] if entries else None
        if outcome is CLEAN and last and last.outcome is CLEAN and last.count < most:
            entries[-1] = dataclasses.replace(last, last_offset=offset, count=last.count + 1)
        else:
            entries.append(DecisionEntry(outcome, TOPIC, partition, offset, offset))
    return entries


logs = st.lists(st.tuples(st.integers(1, 3), st.sampled_from(list(OutcomeKind))), max_size=25).map(
    lambda steps: [(sum(step for step, _ in steps[: i + 1]) - 1, outcome) for i, (_, outcome) in enumerate(steps)]
)
worlds = st.lists(logs, min_size=1, max_size=3)


def ledger(world, most):
    entries = [entry for number, log in enumerate(world) for entry in grouped(log, number, most)]
    inputs = {TopicPartition(TOPIC, number): [offset for offset, _ in log] for number, log in enumerate(world)}
    return entries, inputs


@given(worlds, st.integers(1, 9), st.randoms())
def test_any_outcomes_add_up(world, most, shuffle):
    """Whatever the outcomes, the gaps in the offsets and the order of entries: grouped, they add up again."""
    entries, inputs = ledger(world, most)
    shuffle.shuffle(entries)
    result = account(entries, inputs)
    assert result.adds_up
    assert not result.faults
    assert result.totals == Counter(outcome for log in world for _, outcome in log)
    assert [one.records for one in result.partitions] == [len(log) for log in world]
    assert account(entries).adds_up  # nothing is proven against them without the input either


@given(worlds.filter(any), st.integers(1, 9), st.data())
def test_a_dropped_entry_is_reported(world, most, data):
    """Without any one entry, exactly the positions it accounted for are missing."""
    entries, inputs = ledger(world, most)
    gone = entries.pop(data.draw(st.integers(0, len(entries) - 1)))
    result = account(entries, inputs)
    assert not result.adds_up
    (fault,) = result.faults
    assert (fault.kind, fault.expected, fault.counted) == (FaultKind.GAP, gone.count, 0)
    assert (fault.first_offset, fault.last_offset) == (gone.first_offset, gone.last_offset)
    assert fault.partition == (gone.topic, gone.partition)


@given(worlds.filter(any), st.integers(1, 9), st.booleans(), st.data())
def test_a_doubled_entry_is_reported(world, most, known, data):
    """With any one entry twice, its positions are accounted for twice; the input is not needed to see it."""
    entries, inputs = ledger(world, most)
    twice = data.draw(st.sampled_from(entries))
    result = account([*entries, twice], inputs if known else None)
    assert not result.adds_up
    (fault,) = [fault for fault in result.faults if fault.proven]
    assert fault.kind is FaultKind.OVERLAP
    assert (fault.first_offset, fault.last_offset) == (twice.first_offset, twice.last_offset)


@given(worlds.filter(any), st.integers(1, 9), st.sampled_from([-1, 1, 7]), st.data())
def test_a_wrong_count_is_reported(world, most, off, data):
    """An entry that counts one more or less than lies between its ends is reported."""
    entries, inputs = ledger(world, most)
    index = data.draw(st.integers(0, len(entries) - 1))
    entries[index] = dataclasses.replace(entries[index], count=entries[index].count + off)
    (fault,) = account(entries, inputs).faults
    assert fault.kind is FaultKind.COUNT
    assert fault.counted - fault.expected == off


def test_gap_without_the_input_is_suspected():
    """Without the input, offsets that nobody names may be markers: reported, but no proof."""
    result = account([run(0, 4, 5), one(7)])
    (fault,) = result.faults
    assert str(fault) == "gap at activity.raw/0@5..6: 2 at most expected, 0 counted"
    assert not fault.proven
    assert result.adds_up


def test_gap_in_the_input_is_none():
    """Offsets that the input does not have need no entry."""
    assert account([run(0, 4, 5), one(7)], {P0: [0, 1, 2, 3, 4, 7]}).faults == ()


def test_gaps_at_both_ends_are_seen_with_the_input():
    """With the input, what lies before the first entry and after the last one is missed too."""
    faults = account([one(5)], {P0: range(3, 9)}).faults
    assert [(fault.first_offset, fault.last_offset, fault.expected) for fault in faults] == [
        (3, 4, 2),
        (6, 8, 3),
    ]


def test_partition_without_entries_is_missed():
    """A partition of the input that no entry names is one gap; one that the input lacks is miscounted."""
    faults = account([run(0, 2, 3, partition=1)], {P0: [10, 20]}).faults
    assert [str(fault) for fault in faults] == [
        "gap at activity.raw/0@10..20: 2 expected, 0 counted",
        "count at activity.raw/1@0..2: 0 expected, 3 counted",
    ]


def test_overlap_in_part():
    """Only the offsets that two entries share are an overlap."""
    faults = account([run(0, 5, 6), run(4, 9, 6)], {P0: range(10)}).faults
    assert [str(fault) for fault in faults] == ["overlap at activity.raw/0@4..5: 2 expected, 4 counted"]


def test_a_run_keeps_its_reach():
    """Every entry inside a run overlaps it, the later ones too, and leaves no gap behind."""
    for inputs in (None, {P0: range(10)}):
        faults = account([run(0, 9, 10), one(2), one(7)], inputs).faults
        assert [(fault.kind, fault.first_offset) for fault in faults] == [
            (FaultKind.OVERLAP, 2),
            (FaultKind.OVERLAP, 7),
        ]


def test_a_record_inside_a_run_is_an_overlap():
    """A run does not span a position that has an entry of its own, even if the counts would fit."""
    assert [f.kind for f in account([run(0, 2, 2), one(1)]).faults] == [FaultKind.OVERLAP]


@pytest.mark.parametrize(
    "entry",
    [
        run(0, 3, 5),
        run(0, 3, 0),
        run(0, 3, -1),
        run(3, 0, 1),
        run(0, 3, 1),
        run(0, 0, 2),
        run(0, 3, 4, REDACTED),
    ],
    ids=["more", "none", "negative", "backwards", "one for two ends", "two for one", "only clean ones run"],
)
def test_counts_that_cannot_be(entry):
    """Counts that no input could have are reported without it."""
    assert [fault.kind for fault in account([entry]).faults] == [FaultKind.COUNT]


def test_nothing_adds_up_to_nothing():
    """No entries and no input are in order."""
    assert account([]).adds_up
    (empty,) = account([], {P0: []}).partitions
    assert (empty.first_offset, empty.last_offset, empty.records) == (None, None, 0)


def test_totals():
    """Totals count records, not entries."""
    assert totals_by_outcome([run(0, 9, 8), one(10), one(11)]) == {CLEAN: 8, REDACTED: 2}
