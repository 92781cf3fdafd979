"""The pure part of writing out: entries and splits."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.config import TopicSet
from engine.ledger.accounting import account
from engine.ledger.codec import decode, encode
from engine.ledger.model import Redaction
from engine.outcomes import Denied, Dropped, Outcome, Quarantined, Sanitized
from engine.records import ActivityRecord, Position, TopicPartition
from engine.routing import EntryTooLarge, accounted, entries, kind, routed

TOPICS = {name: TopicSet(activity=name) for name in "ab"}
FOUND = Redaction("$.x", 0, 1, "rule", "ENTITY", "replace", 1.0)

_makes = st.sampled_from(
    [
        Sanitized,
        Sanitized,
        lambda record: Sanitized(record, (FOUND,)),
        lambda record: Denied(record, "rule", "no", ()),
        lambda record: Dropped(record, (FOUND,)),
        lambda record: Quarantined(record, "unparsable"),
    ]
)


@st.composite
def batches(draw: st.DrawFn) -> list[Outcome]:
    """Outcomes of several partitions, interleaved, with gaps in their offsets."""
    ends: dict[TopicPartition, int] = {}
    out = []
    for where in draw(st.lists(st.builds(TopicPartition, st.sampled_from("ab"), st.integers(0, 2)), max_size=40)):
        offset = ends.get(where, 0) + draw(st.integers(0, 2))
        ends[where] = offset + 1
        out.append(draw(_makes)(ActivityRecord(Position(*where, offset), b"k", b"v", (("h", b"1"),), 7)))
    return out


def _offsets(outcomes: list[Outcome]) -> dict[TopicPartition, list[int]]:
    offsets: dict[TopicPartition, list[int]] = {}
    for outcome in outcomes:
        offsets.setdefault(TopicPartition(*outcome.record.position[:2]), []).append(outcome.record.position[2])
    return offsets


@given(batches())
def test_entries_add_up(outcomes: list[Outcome]) -> None:
    """Whatever the batch, its entries account for each position exactly once, by the right outcome."""
    found = account(entries(outcomes), _offsets(outcomes))
    assert found.adds_up
    counts = [kind(outcome) for outcome in outcomes]
    assert found.totals == {one: counts.count(one) for one in set(counts)}


@given(batches(), st.integers(200, 2000))
def test_messages_stay_below_the_limit(outcomes: list[Outcome], limit: int) -> None:
    """However small the limit, the decision messages keep it, and together hold the same entries."""
    decisions = accounted(outcomes, TOPICS, encode, policy="p", worker="0", now=9, limit=limit)
    assert all(len(record.value) <= limit for record in decisions)
    got = [entry for record in decisions for entry in decode(record.value).entries]
    assert sorted(got, key=_place) == sorted(entries(outcomes), key=_place)
    for record in decisions:
        for entry in decode(record.value).entries:
            assert (f"{entry.topic}.decisions", entry.partition) == (record.topic, record.partition)


def _place(entry) -> tuple:
    return (entry.topic, entry.partition, entry.first_offset)


@given(batches())
def test_partition_is_kept(outcomes: list[Outcome]) -> None:
    """What is written for a record goes to its own partition, in order; only passed records carry content."""
    written = routed(outcomes, TOPICS, encode)
    passed = [o.record for o in outcomes if isinstance(o, Sanitized)]
    clean = [record for record in written if record.topic.endswith(".sanitized")]
    assert [(r.topic.partition(".")[0], r.partition, *r[2:]) for r in clean] == [
        (r.position.topic, r.position.partition, *r[1:]) for r in passed
    ]
    pointers = [orjson.loads(record.value) for record in written if record.topic.endswith(".quarantine")]
    refused = [o.record.position for o in outcomes if isinstance(o, Quarantined)]
    assert [(p["topic"], p["partition"], p["offset"]) for p in pointers] == refused


def test_one_entry_above_the_limit() -> None:
    """An entry that no message can hold is an error that names its position."""
    record = ActivityRecord(Position("a", 1, 5), None, b"v", (), 7)
    with pytest.raises(EntryTooLarge) as caught:
        accounted([Sanitized(record, (FOUND,) * 100)], TOPICS, encode, policy="p", worker="0", now=9, limit=500)
    assert caught.value.position == record.position


def test_nothing_comes_of_nothing() -> None:
    """An empty batch writes nothing."""
    assert routed([], TOPICS, encode) == accounted([], TOPICS, encode, policy="p", worker="0", now=9) == []
