"""Reviews as rows, and rows as reviews. Used by `approvals.store`, which holds the transactions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, Select, delete, func, insert, select, update

from approvals import tables as t
from approvals.facets import facets
from approvals.lifecycle import FOLDABLE_INTO, Clarification, Review, State
from detectors.errors import SluicegateError
from engine.ledger.codec import LedgerMessage, decode, encode
from engine.ledger.model import Decision, ReviewRequest, Verdict, Vote


class StoreError(SluicegateError):
    """The database cannot be used as it is, or somebody else writes it in an order we do not expect."""


class Lost(Exception):
    """The row changed between our reading and our writing it: read it again."""


class Listed(NamedTuple):
    """A request with how often it was asked again while it waited, and when last (ms since the epoch)."""

    review: Review
    repeats: int
    latest: int


WHOLE = [column for column in t.requests.c if column.name != "light"]
LIGHT = [column for column in t.requests.c if column.name != "encoded"]
"""The columns of a review, and of one for a list: without held record and parameters, so that many large
requests do not make the list slow, which is asked for every few seconds."""

_LIGHT_REDACTIONS = 50
_REMEMBERED_BYTES = 4_096


class LoggedEvent(NamedTuple):
    """One line of the append-only log. ``actor`` is ``issuer:subject``, or None for the service itself."""

    seq: int
    version: int
    event: str
    at: int
    actor: str | None
    channel: str | None
    detail: str


def _light(request: ReviewRequest) -> ReviewRequest:
    return replace(request, params="", held=None, redactions=request.redactions[:_LIGHT_REDACTIONS])


def columns(review: Review) -> dict[str, Any]:
    """The columns of ``review`` that change with it."""
    request = review.request
    return {
        "request_id": request.request_id,
        "kind": request.kind,
        "version": request.version,
        "likeness": request.likeness,
        "expires": request.expires,
        "encoded": encode(request),
        "light": encode(_light(request)),
        **facets(request)._asdict(),
        **_standing(review),
    }


def _standing(review: Review) -> dict[str, Any]:
    """The columns that change while the request itself stays as it is."""
    verdict = review.verdict
    return {
        "state": review.state,
        "folded_into": review.folded_into,
        "decided": verdict.decided if verdict else None,
        "steps": review.escalated,
        "next_step": _next_step(review),
        "verdict": encode(verdict) if verdict else None,
    }


def _next_step(review: Review) -> int | None:
    steps = review.request.requirement.steps[review.escalated :]
    return review.request.created + steps[0].after if steps and review.state in FOLDABLE_INTO else None


def move(c: Connection, before: Review, after: Review) -> None:
    """The one conditional UPDATE by which a request moves on. Raises Lost if it is not as it was read."""
    rows = t.requests.c
    statement = (
        update(t.requests)
        .where(
            rows.request_id == before.request.request_id,
            rows.version == before.request.version,
            rows.state == before.state,
        )
        .values(_standing(after) if after.request is before.request else columns(after))
    )
    if c.execute(statement).rowcount != 1:
        raise Lost
    if after.request.version != before.request.version:
        earlier = {"request_id": before.request.request_id, "version": before.request.version}
        c.execute(insert(t.versions).values(**earlier, encoded=encode(replace(before.request, held=None))))


def keep_vote(c: Connection, request: ReviewRequest, vote: Vote) -> None:
    """Keeps ``vote`` in place of the same person's earlier one; that one stays in the events."""
    rows = t.votes.c
    key = {
        "request_id": request.request_id,
        "version": request.version,
        "issuer": vote.issuer,
        "subject": vote.subject,
    }
    c.execute(delete(t.votes).where(*(rows[name] == value for name, value in key.items())))
    c.execute(insert(t.votes).values(**key, **vote_columns(vote)))


def vote_columns(vote: Vote) -> dict[str, Any]:
    """What ``vote`` says, beside whose and for what it is."""
    return {
        "decision": vote.decision,
        "reason": vote.reason,
        "at": vote.at,
        "channel": vote.channel,
        "right": vote.right,
        "acting_for": vote.acting_for,
        "break_glass": vote.break_glass,
    }


def keep_clarification(c: Connection, request_id: str, one: Clarification) -> None:
    """Keeps a question, or a question with its answer."""
    rows = t.clarifications.c
    c.execute(delete(t.clarifications).where(rows.request_id == request_id, rows.version == one.version))
    c.execute(insert(t.clarifications).values(request_id=request_id, **asdict(one)))


def log(
    c: Connection,
    request: ReviewRequest,
    event: str,
    at: int,
    *,
    actor: str | None = None,
    channel: str | None = None,
    detail: str = "",
) -> int:
    """Appends one event; its number."""
    done = c.execute(
        insert(t.events).values(
            request_id=request.request_id,
            version=request.version,
            event=str(event),
            at=at,
            actor=actor,
            channel=channel,
            detail=detail,
        )
    )
    (number,) = done.inserted_primary_key or (0,)
    return int(number)


def load(c: Connection, request_id: str) -> Review | None:
    """The review of exactly this request."""
    found = load_all(c, select(*WHOLE).where(t.requests.c.request_id == request_id))
    return found[0] if found else None


def earlier_version(c: Connection, request_id: str, version: int) -> ReviewRequest | None:
    """What the request was as ``version``, without its held record; None if that is not kept."""
    v = t.versions.c
    row = c.execute(select(v.encoded).where(v.request_id == request_id, v.version == version)).scalar_one_or_none()
    request = decode(row) if row is not None else None
    return request if isinstance(request, ReviewRequest) else None


def repeats_of(c: Connection, request_id: str) -> list[Review]:
    """The open repeats that wait with this request, oldest first."""
    rows = t.requests.c
    query = select(*WHOLE).where(rows.folded_into == request_id, rows.state == State.REPEAT)
    return load_all(c, query.order_by(rows.created, rows.request_id))


def load_all(c: Connection, query: Select[Any]) -> list[Review]:
    """The reviews behind `WHOLE` or `LIGHT` rows, with the votes on their present versions."""
    rows = c.execute(query).all()
    votes: dict[tuple[str, int], list[Vote]] = {}
    asked: dict[str, list[Clarification]] = {}
    ids = [row.request_id for row in rows]
    for start in range(0, len(ids), 500):  # SQLite takes so many parameters in one statement
        some = ids[start : start + 500]
        v, q = t.votes.c, t.clarifications.c
        for row in c.execute(select(t.votes).where(v.request_id.in_(some)).order_by(v.at, v.issuer, v.subject)):
            vote = Vote(row.issuer, row.subject, Decision(row.decision), *row[5:])
            votes.setdefault((row.request_id, row.version), []).append(vote)
        for row in c.execute(select(t.clarifications).where(q.request_id.in_(some)).order_by(q.version)):
            asked.setdefault(row.request_id, []).append(Clarification(*row[1:]))
    return [_review(row, votes.get((row.request_id, row.version), ()), asked.get(row.request_id, ())) for row in rows]


def _review(row: Row[Any], votes: Sequence[Vote], asked: Sequence[Clarification]) -> Review:
    request = decode(row.encoded) if hasattr(row, "encoded") else _decoded_light(row.light)
    verdict = decode(row.verdict) if row.verdict is not None else None
    if not isinstance(request, ReviewRequest) or not isinstance(verdict, Verdict | None):
        raise StoreError("the database holds something that is no review request")
    return Review(
        request,
        State(row.state),
        tuple(votes),
        row.folded_into,
        verdict,
        clarifications=tuple(asked),
        escalated=row.steps,
    )


def _decoded_light(data: bytes) -> LedgerMessage:
    return _remembered(data) if len(data) <= _REMEMBERED_BYTES else decode(data)


@lru_cache(maxsize=4_000)
def _remembered(data: bytes) -> LedgerMessage:
    """Lists are asked for again whenever something happens, and most of what they show has not changed."""
    return decode(data)


def listed(c: Connection, reviews: Sequence[Review]) -> list[Listed]:
    """``reviews`` with how often each was asked again."""
    rows = t.requests.c
    ids = [review.request.request_id for review in reviews]
    query = (
        select(rows.folded_into, func.count(), func.max(rows.created))
        .where(rows.folded_into.in_(ids))
        .group_by(rows.folded_into)
    )
    repeats = {first: (count, latest) for first, count, latest in c.execute(query)}
    return [
        Listed(review, count, max(latest, review.request.created))
        for review in reviews
        for count, latest in [repeats.get(review.request.request_id, (0, 0))]
    ]
