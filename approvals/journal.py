"""What one write transaction puts down: each event in the database, and in the outbox with all that goes with it.

The outbox row is what the topics get to know of the transaction, all of it or nothing: so a verdict is never
there without the vote that decided, and the database can be made again from the topics.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from sqlalchemy import Connection, insert, select

from approvals import tables as t
from approvals.lifecycle import Review, State
from approvals.outputs import happened, in_words, outputs, pack
from approvals.person import Identity
from approvals.rows import event_row, load_with_topic, log
from engine.ledger.codec import Format, encode
from engine.ledger.model import Delegated, PeopleChange, PeopleEvent, ReviewEvent, ReviewRequest, Vote
from engine.records import OutputRecord, Position

_PUT_OUT = insert(t.outbox)
_COLUMNS = ("request_id", "version", "event", "at", "actor", "channel", "detail")


class Journal:
    """The events of one write transaction on ``connection``; `close` puts them in the outbox, as one row.

    ``decisions`` gives the decisions topic for each approvals topic, ``format`` is how messages are written.
    """

    def __init__(self, connection: Connection, decisions: Mapping[str, str], format: Format) -> None:  # noqa: A002
        self.connection = connection
        self._decisions = decisions
        self._format: Format = format
        self._events: list[dict[str, Any]] = []
        self._records: list[OutputRecord | Callable[[int], OutputRecord]] = []  # of each event, once it has its number
        self._approved = ""
        self._topics: dict[str, str] = {}  # of the requests that this transaction writes about

    def load(self, request_id: str) -> Review | None:
        """The review of exactly this request."""
        found = load_with_topic(self.connection, request_id)
        if found is None:
            return None
        review, topic = found
        self._topics[request_id] = self._decisions[topic]
        return review

    def note(
        self,
        request: ReviewRequest,
        event: str,
        at: int,
        *,
        actor: str | None = None,
        channel: str | None = None,
        detail: str = "",
        position: Position | None = None,
        vote: Vote | None = None,
        folded_into: str | None = None,
    ) -> None:
        """Notes what happened to ``request``, whose row is there already."""
        said = ReviewEvent(
            sequence=0,
            request_id=request.request_id,
            version=request.version,
            event=str(event),
            at=at,
            actor=actor,
            channel=channel,
            detail=detail,
            position=position,
            vote=vote,
            folded_into=folded_into,
        )
        self._put(said, self._topic(request.request_id), request.position.partition)

    def tell(
        self,
        event: PeopleChange,
        who: Identity,
        at: int,
        *,
        actor: str | None,
        channel: str | None,
        delegation: Delegated | None = None,
    ) -> None:
        """Notes a change of who may decide. It goes to the first of the decisions topics: it is about all requests."""
        said = PeopleEvent(0, event, str(who), at, actor, channel, delegation)
        self._events.append(event_row(None, event, at, actor=actor, channel=channel, detail=in_words(said)))
        self._records.append(partial(self._told, said))

    def end(self, review: Review, at: int, *, actor: str | None = None, channel: str | None = None) -> None:
        """Notes that ``review`` ended, with its verdict and the record that it releases."""
        verdict = review.verdict
        said = verdict.reason if verdict else ""
        self.note(review.request, review.state, at, actor=actor, channel=channel, detail=said)
        self._records += outputs(review, self._topic(review.request.request_id), self._format)
        if review.state is State.APPROVED:
            self._approved = review.request.request_id

    def open(self, request: ReviewRequest, follows: str) -> None:
        """Asks for ``request``, a review of what became of ``follows``, in the topic where that was asked."""
        rows = t.requests.c
        query = select(rows.topic, rows.partition).where(rows.request_id == follows)
        topic, partition = self.connection.execute(query).one()
        key = request.request_id.encode()
        value = encode(request, self._format)
        self._records.append(OutputRecord(topic, partition, key, value, timestamp=request.created))

    def submit(self, request: ReviewRequest, topic: str) -> None:
        """Asks for ``request`` in the approvals topic ``topic``, from where it is read like any other."""
        key, value = request.request_id.encode(), encode(request, self._format)
        self._records.append(OutputRecord(topic, request.position.partition, key, value, timestamp=request.created))

    def say(self, said: ReviewEvent, topic: str, partition: int) -> None:
        """Notes an event that moves no review, where those of the approvals topic ``topic`` go. It gets its number."""
        self._put(said, self._decisions[topic], partition)

    def close(self) -> None:
        """Writes the events, and the outbox row if there is anything to publish."""
        numbers = iter(log(self.connection, self._events))
        records = [one if isinstance(one, OutputRecord) else one(next(numbers)) for one in self._records]
        if records:
            self.connection.execute(_PUT_OUT, {"request_id": self._approved, "records": pack(records)})

    def _put(self, said: ReviewEvent, topic: str, partition: int) -> None:
        self._events.append({name: getattr(said, name) for name in _COLUMNS})
        self._records.append(lambda number: happened(replace(said, sequence=number), topic, partition, self._format))

    def _told(self, said: PeopleEvent, number: int) -> OutputRecord:
        value = encode(replace(said, sequence=number), self._format)
        return OutputRecord(min(self._decisions.values()), 0, said.who.encode(), value, timestamp=said.at)

    def _topic(self, request_id: str) -> str:
        if request_id not in self._topics:
            query = select(t.requests.c.topic).where(t.requests.c.request_id == request_id)
            self._topics[request_id] = self._decisions[self.connection.execute(query).scalar_one()]
        return self._topics[request_id]
