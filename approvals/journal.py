"""What one write transaction puts down: each event in the database, and in the outbox with all that goes with it.

The outbox row is what the topics get to know of the transaction, all of it or nothing: so a verdict is never
there without the vote that decided, and the database can be made again from the topics.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from sqlalchemy import Connection, insert, select

from approvals import tables as t
from approvals.lifecycle import Review, State
from approvals.outputs import happened, outputs, pack
from approvals.rows import log
from engine.ledger.codec import Format, encode
from engine.ledger.model import ReviewEvent, ReviewRequest, Vote
from engine.records import OutputRecord, Position


class Journal:
    """The events of one write transaction on ``connection``; `close` puts them in the outbox, as one row.

    ``decisions`` gives the decisions topic for each approvals topic, ``format`` is how messages are written.
    """

    def __init__(self, connection: Connection, decisions: Mapping[str, str], format: Format) -> None:  # noqa: A002
        self.connection = connection
        self._decisions = decisions
        self._format: Format = format
        self._records: list[OutputRecord] = []
        self._approved = ""
        self._topics: dict[str, str] = {}  # of the requests that this transaction writes about

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
        sequence = log(self.connection, request, event, at, actor=actor, channel=channel, detail=detail)
        said = ReviewEvent(
            sequence=sequence,
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
        topic = self._topic(request.request_id)
        self._records.append(happened(said, topic, request.position.partition, self._format))

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
        names = ("request_id", "version", "event", "at", "actor", "channel", "detail")
        done = self.connection.execute(insert(t.events).values({name: getattr(said, name) for name in names}))
        (number,) = done.inserted_primary_key or (0,)
        told = replace(said, sequence=int(number))
        self._records.append(happened(told, self._decisions[topic], partition, self._format))

    def close(self) -> None:
        """Writes the outbox row, if there is anything to publish."""
        if self._records:
            row = insert(t.outbox).values(request_id=self._approved, records=pack(self._records))
            self.connection.execute(row)

    def _topic(self, request_id: str) -> str:
        if request_id not in self._topics:
            query = select(t.requests.c.topic).where(t.requests.c.request_id == request_id)
            self._topics[request_id] = self._decisions[self.connection.execute(query).scalar_one()]
        return self._topics[request_id]
