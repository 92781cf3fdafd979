"""An empty database made again from the topics: read what they say, to the end, and put it back.

"To the end" is the hard part: where a writer died, a transaction may still be open, and behind it a reader sees
nothing, not even what is committed. So the service first writes one event (``began``) to every partition of the
decisions topics, and has read everything before it when it reads that.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from typing import NamedTuple

from approvals.history import BEGAN, read_up_to, remember
from approvals.outputs import happened
from approvals.restore import Arrival, Unreadable
from approvals.rows import StoreError
from approvals.store import Store
from engine.brokers.base import Broker, BrokerUnavailable, Publisher
from engine.ledger.codec import ForeignMessage, LedgerError, decode
from engine.ledger.model import PeopleEvent, ReviewEvent, ReviewRequest, Verdict
from engine.records import ActivityRecord, TopicPartition

PATIENCE = 90.0  # seconds until what a dead writer left open must have ended: longer than a transaction may last
_BATCH = 5000
_EMPTY = 3  # times that a reader has nothing more, until that is believed

_log = logging.getLogger("sluicegate.approvals")


def arrival(record: ActivityRecord) -> Arrival:
    """``record`` of an approvals topic as far as it can be read. What cannot is named by its position only."""
    try:
        content = decode(record.value or b"")
    except LedgerError as error:
        _log.error("unreadable review request at %s: %s", record.position, error)
        return Arrival(record.position, Unreadable(str(error)))
    if not isinstance(content, ReviewRequest):
        _log.error("no review request at %s: %s", record.position, type(content).__name__)
        return Arrival(record.position, Unreadable(f"a {type(content).__name__} is no review request"))
    problem = _unfit(content)
    if problem:
        _log.error("a review request that nobody can decide on at %s: %s", record.position, problem)
        return Arrival(record.position, Unreadable(problem))
    return Arrival(record.position, content)


def _unfit(request: ReviewRequest) -> str:
    """Why nobody can decide on ``request``, without any of its content; the engine writes none like that."""
    if not request.principals or not all(p.issuer and p.subject for p in request.principals):
        return "it does not say who takes part in the action"
    if not request.request_id or not f"{request.request_id}{request.likeness}".isprintable():
        return "its id or its likeness is not plain text"
    if request.version < 1:
        return "its version is below 1"
    return ""


class _Told(NamedTuple):
    """What the decisions topics say."""

    events: list[ReviewEvent]
    verdicts: list[Verdict]
    people: list[PeopleEvent]


class Rebuild:
    """Makes an empty ``store`` again from ``broker``. ``clock`` gives ms since the epoch."""

    def __init__(
        self,
        store: Store,
        broker: Broker,
        topics: Sequence[str],
        *,
        clock: Callable[[], int],
        stopping: Callable[[], bool],
    ) -> None:
        self._store, self._broker, self._topics = store, broker, tuple(topics)
        self._decisions = store.decisions_topics(topics)
        self._clock, self._stopping = clock, stopping

    def run(self, publisher: Publisher) -> None:
        """Reads, adds up, puts back.

        Raises Contradiction if the topics say two things at once, StoreError if a message of theirs cannot be
        read, BrokerUnavailable if they cannot be read to their ends now.
        """
        mark = uuid.uuid4().hex
        sequence = publisher.last() + 1
        began = ReviewEvent(sequence=0, request_id="", version=0, event=BEGAN, at=self._clock(), detail=mark)
        places = self._places()
        publisher.publish([happened(began, *place) for place in sorted(places)], sequence)
        told = self._decided(mark, places)
        arrivals = self._asked(told.events)
        requests = {position: content for position, content in arrivals if isinstance(content, ReviewRequest)}
        past = remember(told.events, told.verdicts, requests, told.people)
        untold = self._store.restore(past, arrivals, published=sequence, at=self._clock())
        if past.requests or past.people:
            _log.warning("made the database again from the topics: %d requests", len(past.requests))
        if untold or past.gone:
            _log.error(
                "of %d old requests the log does not say any more how they ended, and %d that it tells of are not in "
                "the approvals topics any more: none of them is asked again",
                untold,
                len(past.gone),
            )

    def _places(self) -> frozenset[TopicPartition]:
        counts = self._broker.partitions(self._decisions)
        return frozenset(TopicPartition(topic, number) for topic in counts for number in range(counts[topic]))

    def _decided(self, mark: str, places: frozenset[TopicPartition]) -> _Told:
        """All that was told before the event that says ``mark``."""
        told = _Told([], [], [])
        waited_for = set(places)
        patience = time.monotonic() + PATIENCE
        with closing(self._broker.reader(self._decisions)) as reader:
            while waited_for:
                records = reader.poll(_BATCH, 0.5)
                if records:
                    patience = time.monotonic() + PATIENCE
                if self._stopping() or time.monotonic() > patience:
                    raise BrokerUnavailable("the decisions topics cannot be read to their ends: a transaction is open")
                for place, message in _messages(records):
                    if isinstance(message, Verdict):
                        told.verdicts.append(message)
                    elif isinstance(message, PeopleEvent):
                        told.people.append(message)
                    elif message.event != BEGAN:
                        told.events.append(message)
                    elif message.detail == mark:
                        waited_for.discard(place)
        return told

    def _asked(self, events: Sequence[ReviewEvent]) -> list[Arrival]:
        """What was read from the approvals topics while ``events`` happened. What follows it is still to be read."""
        last = read_up_to(events)
        arrivals: list[Arrival] = []
        waited_for = {place for place in last if place.topic in self._topics}
        if not waited_for:
            return arrivals
        with closing(self._broker.reader(self._topics)) as reader:
            empty = 0
            while waited_for and empty < _EMPTY:  # then it is the end: what is missing was taken by retention
                records = reader.poll(_BATCH, 0.5)
                empty = 0 if records else empty + 1
                for record in records:
                    place = TopicPartition(record.position.topic, record.position.partition)
                    if record.position.offset <= last.get(place, -1):
                        arrivals.append(arrival(record))
                    if record.position.offset >= last.get(place, -1):
                        waited_for.discard(place)
        return arrivals


def _messages(
    records: Sequence[ActivityRecord],
) -> Iterator[tuple[TopicPartition, ReviewEvent | PeopleEvent | Verdict]]:
    """What the service itself wrote. It has a key, the entries of the stream processor, which are most, have none."""
    for record in records:
        if record.key is None or record.value is None:
            continue
        try:
            message = decode(record.value)
        except ForeignMessage as error:
            _log.error("%s is not ours and is passed over: %s", record.position, error)
            continue
        except LedgerError as error:
            raise StoreError(f"{record.position} may be a verdict and cannot be read: {error}") from None
        if isinstance(message, ReviewEvent | PeopleEvent | Verdict):
            yield TopicPartition(record.position.topic, record.position.partition), message
