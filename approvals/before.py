"""What an agent did just before it asked: the last sanitized records of its session, read from the log on demand.

Nothing is kept for it. The place in the sanitized topic is found by time, back from its end in growing steps and
then by halving, so a look costs some twenty small reads however long the topic is.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import Any, NamedTuple

import orjson

from engine.brokers.base import Broker
from engine.ledger.model import HeldRecord
from engine.records import ActivityRecord, TopicPartition

READ = 500  # records that are looked through
_FIRST_STEP = 250  # records, back from the end
_PROBES = 40
_SECONDS = 4.0
_SESSION_KEYS = (
    "session", "session_id", "sessionId", "conversation_id", "conversation", "thread_id", "run_id", "trace_id"
)  # fmt: skip


class Session(NamedTuple):
    """How the records of one session are known: a top-level field of that value, or, without one, the message key."""

    field: str
    value: str
    key: bytes | None

    def has(self, record: ActivityRecord) -> bool:
        """Whether ``record`` belongs to it."""
        if not self.field:
            return self.key is not None and record.key == self.key
        return _text(_object(record.value).get(self.field)) == self.value


def session_of(held: HeldRecord) -> Session | None:
    """The session of ``held``; None if the record names none and has no key."""
    fields = _object(held.value)
    for name in _SESSION_KEYS:
        value = _text(fields.get(name))
        if value and not value.startswith("["):  # what was masked may stand for many sessions
            return Session(name, value, held.key)
    return Session("", "", held.key) if held.key else None


def just_before(broker: Broker, held: HeldRecord, *, limit: int = 5) -> list[ActivityRecord]:
    """The last ``limit`` sanitized records of the session of ``held`` before it, oldest first.

    Among the `READ` records of its partition before it in time. Raises BrokerError.
    """
    session = session_of(held)
    if session is None:
        return []
    log = _Log(broker, TopicPartition(held.topic, held.partition))
    after = log.first_after(held.timestamp)
    records = log.read(max(0, after - READ), READ, before=after)
    found = [r for r in records if r.timestamp <= held.timestamp and r.value != held.value and session.has(r)]
    return found[-limit:]


class _Log:
    """Short reads of one partition."""

    def __init__(self, broker: Broker, place: TopicPartition) -> None:
        self._broker, self._place = broker, place
        self._until = time.monotonic() + _SECONDS
        self._probes = _PROBES
        with closing(broker.reader([place.topic])) as reader:
            self._ends: Mapping[TopicPartition, int] = reader.end_offsets()

    def read(self, start: int, count: int, *, before: int) -> Sequence[ActivityRecord]:
        """Up to ``count`` records from ``start``, below the offset ``before``."""
        found: list[ActivityRecord] = []
        with closing(self._broker.reader([self._place.topic], start={**self._ends, self._place: start})) as reader:
            while len(found) < count and time.monotonic() < self._until:
                batch = [r for r in reader.poll(count - len(found), 0.5) if r.position[:2] == self._place]
                found += (r for r in batch if r.position.offset < before)
                if not batch or batch[-1].position.offset >= before - 1:
                    break
        return found

    def first_after(self, timestamp: int) -> int:
        """About the first offset whose record is later than ``timestamp`` (ms since the epoch); the end if none is."""
        end = high = self._ends.get(self._place, 0)
        step, low = _FIRST_STEP, 0
        while high > 0:
            probe = max(0, end - step)
            if not self._is_after(probe, timestamp):
                low = probe
                break
            high, step = probe, step * 4
        while high - low > READ // 4 and self._probes > 0:
            middle = (low + high) // 2
            if self._is_after(middle, timestamp):
                high = middle
            else:
                low = middle
        return min(end, high + READ // 4)

    def _is_after(self, offset: int, timestamp: int) -> bool:
        """Whether the first record from ``offset`` on is later than ``timestamp``."""
        self._probes -= 1
        found = self.read(offset, 1, before=self._ends.get(self._place, 0)) if self._probes > 0 else ()
        return bool(found) and found[0].timestamp > timestamp


def _object(value: bytes | None) -> dict[str, Any]:
    try:
        found = orjson.loads(value or b"")
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}


def _text(value: Any) -> str:
    if isinstance(value, dict):
        value = value.get("id")
    return value if isinstance(value, str) else str(value) if isinstance(value, int) else ""
