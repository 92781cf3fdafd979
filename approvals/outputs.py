"""What is written to the log: what happened, verdicts, and the held records that they release. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import orjson

from approvals.lifecycle import Review
from engine.ledger.codec import Format, encode
from engine.ledger.model import HeldRecord, PeopleEvent, ReviewEvent
from engine.records import OutputRecord

REQUEST_HEADER = "sluicegate-request"
RELEASED_HEADER = "sluicegate-released"
_OURS = frozenset({REQUEST_HEADER, RELEASED_HEADER})


def happened(
    event: ReviewEvent,
    decisions_topic: str,
    partition: int,
    format: Format = "avro",  # noqa: A002
) -> OutputRecord:
    """``event`` as a record of ``decisions_topic``, keyed as verdicts are."""
    key = event.request_id.encode()
    return OutputRecord(decisions_topic, partition, key, encode(event, format), timestamp=event.at)


def in_words(event: PeopleEvent) -> str:
    """What ``event`` says beside its kind, for the log of events."""
    lent = event.delegation
    if lent is None:
        return event.who
    until = f"{datetime.fromtimestamp(lent.until / 1000, UTC):%Y-%m-%d %H:%M} UTC"
    part = f", for {', '.join(lent.groups)}" if lent.groups else ""
    return f"{lent.id}: {event.who} to {lent.to} until {until}{part}"


def outputs(review: Review, decisions_topic: str, format: Format = "avro") -> list[OutputRecord]:  # noqa: A002
    """The records of ``review``'s verdict, to be written in one transaction.

    The verdict goes to the partition of ``decisions_topic`` with the number of the request's own, keyed by
    the request id. Raises ValueError without a verdict.
    """
    if review.verdict is None:
        raise ValueError("a request without a verdict has no outputs")
    request = review.request
    records = [
        OutputRecord(
            topic=decisions_topic,
            partition=request.position.partition,
            key=request.request_id.encode(),
            value=encode(review.verdict, format),
            timestamp=review.verdict.decided,
        )
    ]
    if review.verdict.released and request.held is not None:
        records.append(released(request.held, request.request_id))
    return records


def released(held: HeldRecord, request_id: str) -> OutputRecord:
    """``held`` as it goes out: untouched, with two headers that say who let it through.

    Headers of these names that came with the record are dropped: only the reviewer service can set them.
    """
    kept = tuple(header for header in held.headers if header[0].lower() not in _OURS)
    return OutputRecord(
        topic=held.topic,
        partition=held.partition,
        key=held.key,
        value=held.value,
        headers=(*kept, (REQUEST_HEADER, request_id.encode()), (RELEASED_HEADER, b"approved")),
        timestamp=held.timestamp,
    )


def pack(records: Sequence[OutputRecord]) -> bytes:
    """``records`` as bytes for the outbox."""
    return orjson.dumps(
        [
            [
                r.topic,
                r.partition,
                _hex(r.key),
                _hex(r.value),
                [[k, _hex(v)] for k, v in r.headers],
                r.timestamp,
            ]
            for r in records
        ]
    )


def unpack(data: bytes) -> list[OutputRecord]:
    """The records that `pack` packed."""
    return [
        OutputRecord(topic, partition, _bytes(key), _bytes(value), tuple((k, _bytes(v)) for k, v in headers), timestamp)
        for topic, partition, key, value, headers, timestamp in orjson.loads(data)
    ]


def _hex(data: bytes | None) -> str | None:
    return None if data is None else data.hex()


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else bytes.fromhex(text)
