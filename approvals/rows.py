"""Reviews as rows, and rows as reviews. Used by `approvals.store`, which holds the transactions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from functools import lru_cache
from operator import attrgetter
from typing import Any, NamedTuple

from sqlalchemy import BindParameter, Connection, Row, Select, bindparam, delete, func, insert, select, update

from approvals import tables as t
from approvals.facets import facets
from approvals.lifecycle import FOLDABLE_INTO, Clarification, Review, State
from detectors.errors import SluicegateError
from engine.ledger.codec import LedgerMessage, decode, encode
from engine.ledger.model import ActionKind, Decision, ReviewRequest, Verdict, Vote


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
_NEVER_ASKED = (State.PENDING, State.REPEAT)

# What every vote runs through, put together once: that takes longer than to run it.
_IDS: BindParameter[Sequence[str]] = bindparam("ids", expanding=True)
_BY_ID = select(*WHOLE).where(t.requests.c.request_id == bindparam("request_id"))
_MOVE = update(t.requests).where(
    t.requests.c.request_id == bindparam("moved_id"),
    t.requests.c.version == bindparam("moved_version"),
    t.requests.c.state == bindparam("moved_state"),
)
_VOTES = (
    select(t.votes).where(t.votes.c.request_id.in_(_IDS)).order_by(t.votes.c.at, t.votes.c.issuer, t.votes.c.subject)
)
_ASKED = select(t.clarifications).where(t.clarifications.c.request_id.in_(_IDS)).order_by(t.clarifications.c.version)
_REPEATS = (
    select(*WHOLE)
    .where(t.requests.c.folded_into == bindparam("first"), t.requests.c.state == State.REPEAT)
    .order_by(t.requests.c.created, t.requests.c.request_id)
)
_COUNTED_REPEATS = (
    select(t.requests.c.folded_into, func.count(), func.max(t.requests.c.created))
    .where(t.requests.c.folded_into.in_(_IDS))
    .group_by(t.requests.c.folded_into)
)
_LOG = insert(t.events).returning(t.events.c.seq, sort_by_parameter_order=True)
_KEEP_VOTE = insert(t.votes)


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
    changed = _standing(after) if after.request is before.request else columns(after)
    if c.execute(_MOVE, changed | _as_read(before)).rowcount != 1:
        raise Lost
    if after.request.version != before.request.version:
        keep_earlier(c, before.request)


def move_all(c: Connection, steps: Sequence[tuple[Review, Review]]) -> None:
    """Moves several on whose requests stay as they are. Raises Lost if one is not as it was read."""
    if steps and c.execute(_MOVE, [_standing(after) | _as_read(before) for before, after in steps]).rowcount != len(
        steps
    ):
        raise Lost


def _as_read(before: Review) -> dict[str, Any]:
    return {
        "moved_id": before.request.request_id,
        "moved_version": before.request.version,
        "moved_state": before.state,
    }


def keep_earlier(c: Connection, request: ReviewRequest) -> None:
    """Keeps what a request was before it changed, without its held record."""
    key = {"request_id": request.request_id, "version": request.version}
    c.execute(insert(t.versions).values(**key, encoded=encode(replace(request, held=None))))


def keep_vote(c: Connection, before: Review, vote: Vote) -> None:
    """Keeps ``vote`` on ``before`` in place of the same person's earlier one; that one stays in the events."""
    request, rows = before.request, t.votes.c
    key = {
        "request_id": request.request_id,
        "version": request.version,
        "issuer": vote.issuer,
        "subject": vote.subject,
    }
    if any((one.issuer, one.subject) == (vote.issuer, vote.subject) for one in before.votes):
        c.execute(delete(t.votes).where(*(rows[name] == value for name, value in key.items())))
    c.execute(_KEEP_VOTE, key | vote_columns(vote))


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


def event_row(
    request: ReviewRequest | None,
    event: str,
    at: int,
    *,
    actor: str | None = None,
    channel: str | None = None,
    detail: str = "",
) -> dict[str, Any]:
    """One event, of no request if it is about people, as `log` takes it."""
    return {
        "request_id": request.request_id if request else "",
        "version": request.version if request else 0,
        "event": str(event),
        "at": at,
        "actor": actor,
        "channel": channel,
        "detail": detail,
    }


def log(c: Connection, events: Sequence[Mapping[str, Any]]) -> list[int]:
    """Appends events in this order; their numbers."""
    return list(c.execute(_LOG, events).scalars()) if events else []


def load(c: Connection, request_id: str) -> Review | None:
    """The review of exactly this request."""
    found = load_with_topic(c, request_id)
    return found and found[0]


def load_with_topic(c: Connection, request_id: str) -> tuple[Review, str] | None:
    """The review of exactly this request, and the approvals topic in which it was read."""
    rows = c.execute(_BY_ID, {"request_id": request_id}).all()
    return (_reviews(c, rows)[0], rows[0].topic) if rows else None


def earlier_version(c: Connection, request_id: str, version: int) -> ReviewRequest | None:
    """What the request was as ``version``, without its held record; None if that is not kept."""
    v = t.versions.c
    row = c.execute(select(v.encoded).where(v.request_id == request_id, v.version == version)).scalar_one_or_none()
    request = decode(row) if row is not None else None
    return request if isinstance(request, ReviewRequest) else None


def repeats_of(c: Connection, request_id: str) -> list[Review]:
    """The open repeats that wait with this request, oldest first."""
    return _reviews(c, c.execute(_REPEATS, {"first": request_id}).all())


def load_all(c: Connection, query: Select[Any]) -> list[Review]:
    """The reviews behind `WHOLE` or `LIGHT` rows, with the votes on their present versions."""
    return _reviews(c, c.execute(query).all())


def _reviews(c: Connection, rows: Sequence[Row[Any]]) -> list[Review]:
    votes: dict[tuple[str, int], list[Vote]] = {}
    asked: dict[str, list[Clarification]] = {}
    for row in _of_these(c, _VOTES, [row.request_id for row in rows]):
        said = row[5:]
        vote = Vote(row.issuer, row.subject, Decision(row.decision), *said)
        votes.setdefault((row.request_id, row.version), []).append(vote)
    # Of a first version that waits for votes nobody has asked anything yet.
    spoken = [row.request_id for row in rows if row.version > 1 or row.state not in _NEVER_ASKED]
    for row in _of_these(c, _ASKED, spoken):
        said = row[1:]
        asked.setdefault(row.request_id, []).append(Clarification(*said))
    content = attrgetter("encoded" if rows and "encoded" in rows[0]._fields else "light")
    return [
        _review(row, content(row), votes.get((row.request_id, row.version), ()), asked.get(row.request_id, ()))
        for row in rows
    ]


def _of_these(c: Connection, query: Select[Any], ids: Sequence[str]) -> Iterator[Any]:
    for start in range(0, len(ids), 500):  # SQLite takes so many parameters in one statement
        yield from c.execute(query, {"ids": ids[start : start + 500]})


def _review(row: Row[Any], content: bytes, votes: Sequence[Vote], asked: Sequence[Clarification]) -> Review:
    request = _decoded(content)
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


def _decoded(data: bytes) -> LedgerMessage:
    return _remembered(data) if len(data) <= _REMEMBERED_BYTES else decode(data)


@lru_cache(maxsize=4_000)
def _remembered(data: bytes) -> LedgerMessage:
    """Lists are asked for again whenever something happens, and most of what they show has not changed; who votes on
    a request has just looked at it.
    """
    return decode(data)


def listed(c: Connection, reviews: Sequence[Review]) -> list[Listed]:
    """``reviews`` with how often each was asked again."""
    ids = [review.request.request_id for review in reviews if review.request.kind is ActionKind.PROPOSAL]
    repeats = {first: (count, latest) for first, count, latest in _of_these(c, _COUNTED_REPEATS, ids)}
    return [
        Listed(review, count, max(latest, review.request.created))
        for review in reviews
        for count, latest in [repeats.get(review.request.request_id, (0, 0))]
    ]
