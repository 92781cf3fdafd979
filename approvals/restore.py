"""A history put back into an empty database, in the store's transaction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Connection, func, insert, select

from approvals import tables as t
from approvals.gate import remembering
from approvals.history import History, read_up_to
from approvals.identity.changes import change_again
from approvals.intake import take_in
from approvals.journal import Journal
from approvals.lifecycle import State
from approvals.outputs import in_words, pack
from approvals.rows import columns, event_row, keep_clarification, keep_earlier, log, vote_columns
from engine.ledger.model import ReviewRequest
from engine.records import Position


class Unreadable(NamedTuple):
    """What stood in an approvals topic and was no review request; ``reason`` holds no content."""

    reason: str


class Arrival(NamedTuple):
    """One record of an approvals topic, as far as it could be read."""

    position: Position
    content: ReviewRequest | Unreadable


def put_back(journal: Journal, past: History, arrivals: Sequence[Arrival], *, published: int, at: int) -> int:
    """See `approvals.store.Store.restore`."""
    c = journal.connection
    for known in past.requests.values():
        row = {**columns(known.review), **known.position._asdict(), "created": known.created}
        c.execute(insert(t.requests).values(**row))
        for one in known.review.clarifications:
            keep_clarification(c, known.review.request.request_id, one)
    for request in past.earlier.values():
        keep_earlier(c, request)
    for (request_id, version, _, _), vote in past.votes.items():
        key = {"request_id": request_id, "version": version, "issuer": vote.issuer, "subject": vote.subject}
        c.execute(insert(t.votes).values(**key, **vote_columns(vote)))
    remembering.put_back(c, {i: known.review.request for i, known in past.requests.items()}, past.events)
    _tell_again(c, past)
    # Numbers go on above what was published; this row stands for all of it.
    c.execute(insert(t.outbox).values(seq=published, request_id="", records=pack([]), published=at))
    _count_on(c)
    _mark_read(c, past, arrivals, at)
    untold = 0
    for position, request in past.untold.items():
        # One that still waits has its whole past in the log, or none; of an older one retention took it.
        if request.expires > at:
            take_in(journal, position, request, at)
        else:
            untold += 1
    return untold


def _count_on(c: Connection) -> None:
    """Numbers that were given by hand do not move PostgreSQL's counters; those of SQLite they do."""
    if c.dialect.name == "postgresql":
        for table in (t.events, t.outbox):
            last = select(func.coalesce(func.max(table.c.seq), 1)).scalar_subquery()
            c.execute(select(func.setval(func.pg_get_serial_sequence(table.name, "seq"), last)))


def _tell_again(c: Connection, past: History) -> None:
    names = [column.name for column in t.events.c if column.name != "seq"]
    rows = [{"seq": event.sequence, **{name: getattr(event, name) for name in names}} for event in past.events]
    for change in past.people:
        change_again(c, change)
        said = {"event": change.event, "at": change.at, "actor": change.actor, "channel": change.channel}
        rows.append({"seq": change.sequence, "request_id": "", "version": 0, **said, "detail": in_words(change)})
    if rows:
        c.execute(insert(t.events), rows)
    for known in past.requests.values():
        review = known.review
        if review.state is State.RELEASED and review.verdict is not None:
            log(c, [event_row(review.request, "released", review.verdict.decided)])  # it was in the same commit


def _mark_read(c: Connection, past: History, arrivals: Sequence[Arrival], at: int) -> None:
    """What the events tell of was read: none of it is taken in again, not even what could not be found now."""
    for (topic, partition), offset in read_up_to(past.events).items():
        c.execute(insert(t.positions).values(topic=topic, partition=partition, next=offset + 1))
    for position, content in arrivals:
        if isinstance(content, Unreadable):
            c.execute(insert(t.unreadable).values(**position._asdict(), reason=content.reason, at=at))
