"""What is written for the outcomes of a batch: which topic, which partition, and what stands in it. Pure.

The same partition as the input, always: order within a key then holds from end to end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import assert_never

import orjson

from detectors.errors import SluicegateError
from engine.config import TopicSet
from engine.ledger.codec import LedgerMessage
from engine.ledger.model import DecisionBatch, DecisionEntry, OutcomeKind, Redaction, ReviewRequest
from engine.outcomes import Denied, Diverted, Dropped, Outcome, Quarantined, Sanitized
from engine.records import ActivityRecord, OutputRecord, Position, TopicPartition

Encode = Callable[[LedgerMessage], bytes]

_new = tuple.__new__  # a named tuple made by its own name runs a function of Python

DECISIONS_LIMIT = 900_000  # bytes of one message of decision entries: below the 1 MB that brokers take by default


class EntryTooLarge(SluicegateError):
    """The decision entry of one record is above the limit of a message all by itself."""

    def __init__(self, position: Position, limit: int) -> None:
        self.position = position
        super().__init__(f"the decision entry of {position} is above {limit:,} bytes")


def routed(outcomes: Iterable[Outcome], topics: Mapping[str, TopicSet], encode: Encode) -> list[OutputRecord]:
    """What is written for ``outcomes`` besides decisions. ``topics`` by the name of their activity topic."""
    out: list[OutputRecord] = []
    for outcome in outcomes:
        if type(outcome) is Sanitized and outcome.after_review is None:  # nearly all: `route` would make a list of it
            (topic, partition, _), key, value, headers, timestamp = outcome.record
            out.append(_new(OutputRecord, (topics[topic].sanitized, partition, key, value, headers, timestamp)))
        else:
            out += route(outcome, topics, encode)
    return out


def accounted(
    outcomes: Iterable[Outcome],
    topics: Mapping[str, TopicSet],
    encode: Encode,
    *,
    policy: str,
    worker: str,
    now: int,
    limit: int = DECISIONS_LIMIT,
) -> list[OutputRecord]:
    """The decision entries of ``outcomes``, which are in order within each partition.

    ``topics`` by the name of their activity topic, ``policy`` its digest, ``now`` in ms since the epoch,
    ``limit`` in bytes of a message. Raises EntryTooLarge, and whatever ``encode`` raises.
    """
    out: list[OutputRecord] = []
    by_partition: dict[TopicPartition, list[DecisionEntry]] = {}
    for entry in entries(outcomes):
        by_partition.setdefault(TopicPartition(entry.topic, entry.partition), []).append(entry)
    for (topic, partition), mine in by_partition.items():
        batch = DecisionBatch(policy=policy, worker=worker, created=now, entries=tuple(mine))
        for value in _split(batch, encode, limit):
            out.append(OutputRecord(topics[topic].decisions, partition, None, value, timestamp=now))
    return out


def route(outcome: Outcome, topics: Mapping[str, TopicSet], encode: Encode) -> list[OutputRecord]:
    """What one outcome writes besides its decision entry."""
    position = outcome.record.position
    to = topics[position.topic]
    match outcome:
        case Sanitized(record, _, after_review):
            clean = OutputRecord(
                to.sanitized, position.partition, record.key, record.value, record.headers, record.timestamp
            )
            if after_review is None:
                return [clean]
            return [clean, _request(after_review, to.approvals, position.partition, encode)]
        case Diverted(_, request):
            return [_request(request, to.approvals, position.partition, encode)]
        case Quarantined(record, reason):
            pointer = orjson.dumps(_pointer(record, reason))
            return [OutputRecord(to.quarantine, position.partition, None, pointer, timestamp=record.timestamp)]
        case Denied() | Dropped():
            return []
        case _:
            assert_never(outcome)


def entries(outcomes: Iterable[Outcome]) -> list[DecisionEntry]:
    """One entry for each run of clean records of a partition, and one for each other record."""
    out: list[DecisionEntry | _Run] = []
    runs: dict[tuple[str, int], _Run] = {}  # partition -> the run that its next clean record joins
    run: _Run | None = None  # the one that the last clean record joined: mostly the next does, too
    for outcome in outcomes:
        topic, partition, offset = outcome.record.position
        if type(outcome) is not Sanitized or outcome.redactions or outcome.after_review is not None:
            runs.pop((topic, partition), None)
            run = None
            out.append(_entry(outcome))
            continue
        if run is None or run.partition != partition or run.topic != topic:
            run = runs.get((topic, partition))
        if run is None:
            run = runs[topic, partition] = _Run(topic, partition, offset, offset, 0)
            out.append(run)
        run.last = offset
        run.count += 1
    return [
        DecisionEntry(OutcomeKind.CLEAN, i.topic, i.partition, i.first, i.last, i.count) if isinstance(i, _Run) else i
        for i in out
    ]


@dataclass(slots=True)
class _Run:
    """Clean records of one partition, as far as they have come."""

    topic: str
    partition: int
    first: int
    last: int
    count: int


def kind(outcome: Outcome) -> OutcomeKind:
    """What became of the record, in one word."""
    match outcome:
        case Sanitized(_, redactions, _):
            return OutcomeKind.REDACTED if redactions else OutcomeKind.CLEAN
        case Diverted():
            return OutcomeKind.HELD
        case Denied():
            return OutcomeKind.DENIED
        case Dropped():
            return OutcomeKind.DROPPED
        case Quarantined():
            return OutcomeKind.QUARANTINED
        case _:
            assert_never(outcome)


def _entry(outcome: Outcome) -> DecisionEntry:
    topic, partition, offset = outcome.record.position
    redactions: tuple[Redaction, ...] = ()
    request_id: str | None = None
    rule_id: str | None = None
    reason: str | None = None
    match outcome:
        case Sanitized(_, redactions, request):
            if request is not None:
                request_id, rule_id = request.request_id, request.rule_id
        case Diverted(_, request):
            redactions, request_id, rule_id = request.redactions, request.request_id, request.rule_id
        case Denied(_, rule_id, reason, redactions):
            pass
        case Dropped(_, redactions):
            pass
        case Quarantined(_, reason):
            pass
        case _:
            assert_never(outcome)
    # Made in one go: a frozen dataclass sets each field by a call.
    return DecisionEntry(kind(outcome), topic, partition, offset, offset, 1, redactions, request_id, rule_id, reason)


def _request(request: ReviewRequest, topic: str, partition: int, encode: Encode) -> OutputRecord:
    key = request.request_id.encode()
    return OutputRecord(topic, partition, key, encode(request), timestamp=request.created)


def _pointer(record: ActivityRecord, reason: str) -> dict[str, object]:
    """Where the record is and why it is not passed on; neither payload nor key, which may hold anything."""
    topic, partition, offset = record.position
    size = len(record.value or b"")
    return {"topic": topic, "partition": partition, "offset": offset, "reason": reason, "bytes": size}


def _split(batch: DecisionBatch, encode: Encode, limit: int) -> list[bytes]:
    """``batch`` as messages of at most ``limit`` bytes: halved until each fits."""
    value = encode(batch)
    if len(value) <= limit:
        return [value]
    half = len(batch.entries) // 2
    if not half:
        [entry] = batch.entries
        raise EntryTooLarge(Position(entry.topic, entry.partition, entry.first_offset), limit)
    return [
        message
        for part in (batch.entries[:half], batch.entries[half:])
        for message in _split(replace(batch, entries=part), encode, limit)
    ]
