"""What the finite demo proves of itself, from what stands in the log. Pure."""

from __future__ import annotations

import base64
import binascii
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Any, NamedTuple
from urllib.parse import unquote

import orjson

from approvals.outputs import RELEASED_HEADER, REQUEST_HEADER
from benchmarks.activity import Activity
from engine.ledger.accounting import account
from engine.ledger.codec import decode
from engine.ledger.model import DecisionBatch, DecisionEntry, OutcomeKind, ReviewRequest, Verdict, VerdictKind
from engine.records import ActivityRecord, TopicPartition

_BASE64 = re.compile(r"[A-Za-z0-9+/]{16,}={0,2}")


class Haul(NamedTuple):
    """All that stands in the demo's topics."""

    activity: Sequence[ActivityRecord]
    sanitized: Sequence[ActivityRecord]
    approvals: Sequence[ActivityRecord]
    decisions: Sequence[ActivityRecord]
    quarantine: Sequence[ActivityRecord]

    def requests(self) -> dict[str, ReviewRequest]:
        """The review requests, by id."""
        found = [decode(record.value or b"") for record in self.approvals]
        return {one.request_id: one for one in found if isinstance(one, ReviewRequest)}

    def verdicts(self) -> dict[str, Verdict]:
        """The verdicts, by the id of their request."""
        found = [decode(record.value or b"") for record in self.decisions]
        return {one.request_id: one for one in found if isinstance(one, Verdict)}

    def entries(self) -> list[DecisionEntry]:
        """What became of each record."""
        found = [decode(record.value or b"") for record in self.decisions]
        return [entry for one in found if isinstance(one, DecisionBatch) for entry in one.entries]

    def released(self) -> list[ActivityRecord]:
        """The held records that went out after all."""
        return [record for record in self.sanitized if header(record, REQUEST_HEADER)]


class Check(NamedTuple):
    """One thing that has to hold, whether it does, and in which numbers."""

    holds: bool
    told: str


def header(record: ActivityRecord, name: str) -> bytes | None:
    """The value of the header ``name``."""
    return next((value for key, value in record.headers if key == name), None)


def check_all(haul: Haul, activities: Sequence[Activity]) -> list[Check]:
    """Everything that is checked, in the order in which it is told."""
    return [
        every_record_has_one_outcome(haul),
        clean_stream_is_what_it_should_be(haul),
        nothing_planted_survives(haul, activities),
        verdicts_were_carried_out(haul),
    ]


def every_record_has_one_outcome(haul: Haul) -> Check:
    """Outcomes and inputs match, position by position."""
    inputs: defaultdict[TopicPartition, list[int]] = defaultdict(list)
    for record in haul.activity:
        inputs[TopicPartition(record.position.topic, record.position.partition)].append(record.position.offset)
    accounting = account(haul.entries(), inputs)
    total = sum(accounting.totals.values())
    if not accounting.adds_up:
        return Check(
            False, f"{len(haul.activity):,} records in, but the decisions do not add up: {accounting.faults[0]}"
        )
    return Check(total == len(haul.activity), f"{len(haul.activity):,} records in, {total:,} outcomes, one for each")


def clean_stream_is_what_it_should_be(haul: Haul) -> Check:
    """The sanitized topic holds what passed and what was released; clean records as they came."""
    totals = account(haul.entries()).totals
    passed = totals[OutcomeKind.CLEAN] + totals[OutcomeKind.REDACTED]
    raw = {(record.position.partition, record.timestamp): record.value for record in haul.activity}
    fresh = [record for record in haul.sanitized if not header(record, REQUEST_HEADER)]
    same = sum(raw.get((record.position.partition, record.timestamp)) == record.value for record in fresh)
    valid = sum(_is_json(record.value) for record in haul.sanitized)
    holds = len(fresh) == passed and same >= totals[OutcomeKind.CLEAN] and valid == len(haul.sanitized)
    return Check(holds, f"{len(fresh):,} went on, {same:,} of them byte for byte, and all are still valid JSON")


def nothing_planted_survives(haul: Haul, activities: Sequence[Activity]) -> Check:
    """No sensitive value of the generator is found behind the engine, under any of its encodings.

    The people that agents act for may be named in a review request, since a reviewer must know who asks. That
    the search is not blind is shown on the records as they went in.
    """
    planted = {value for one in activities for value in one.planted}
    people = {value for one in activities for value in one.identities}
    unseen = [one for one in activities if search(one.planted, [one.value]) < set(one.planted)]
    leaked = search(planted | people, (record.value for record in haul.sanitized))
    leaked |= search(planted, (record.value for record in (*haul.approvals, *haul.decisions, *haul.quarantine)))
    told = f"{len(planted):,} made-up secrets and personal data in, {len(leaked):,} came out"
    if leaked:  # they are made up, so they may be shown: this says what to look for
        told += f": {', '.join(sorted(leaked)[:3])}"
    if unseen:
        told += f" (but the search is blind to some of {len(unseen)} records as they went in)"
    return Check(not leaked and not unseen, told)


def verdicts_were_carried_out(haul: Haul) -> Check:
    """What was approved is in the clean stream, once and as it was reviewed; what was denied is not."""
    requests, verdicts = haul.requests(), haul.verdicts()
    kinds = [verdict.verdict for verdict in verdicts.values()]
    approved = {name for name, verdict in verdicts.items() if verdict.verdict is VerdictKind.APPROVED}
    out = {(header(record, REQUEST_HEADER) or b"").decode(): record for record in haul.released()}
    unchanged = all(
        (held := requests[name].held) is not None
        and record.value == held.value
        and header(record, RELEASED_HEADER) == b"approved"
        for name, record in out.items()
    )
    holds = out.keys() == approved and len(haul.released()) == len(out) and unchanged and VerdictKind.DENIED in kinds
    denied = kinds.count(VerdictKind.DENIED)
    return Check(bool(out) and holds, f"{len(approved)} approved and released, once; {denied} denied and not released")


def search(values: Collection[str], records: Iterable[bytes | None]) -> set[str]:
    """Which of ``values`` stand in any of ``records``, as they are or under an encoding."""
    haystack = "\n".join(text for record in records if record for text in readings(record)).encode("utf-8", "replace")
    return {value for value in values if value.encode() in haystack}


def readings(value: bytes) -> Iterator[str]:
    """``value`` as text, and whatever texts hide in it: percent-encoded, escaped, in base64, JSON in a string."""
    text = value.decode("utf-8", "replace")
    yield text
    if "%" in text:
        yield unquote(text)
    yield from _hidden(text)


def _hidden(text: str) -> Iterator[str]:
    for run in _BASE64.findall(text):
        with suppress(binascii.Error):
            yield base64.b64decode(run + "=" * (-len(run) % 4)).decode("latin-1")
    if "\\" in text or text[:1] in ("{", "["):
        with suppress(orjson.JSONDecodeError):
            for inner in _strings(orjson.loads(text)):
                if "\\" in text:
                    yield inner
                yield from _hidden(inner)


def _strings(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        for key, value in node.items():
            yield key
            yield from _strings(value)
    elif isinstance(node, list):
        for value in node:
            yield from _strings(value)
    elif isinstance(node, str):
        yield node


def _is_json(value: bytes | None) -> bool:
    with suppress(orjson.JSONDecodeError):
        orjson.loads(value or b"")
        return True
    return False
