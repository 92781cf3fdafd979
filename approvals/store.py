"""The reviewer's database: what was asked, who voted, what was decided, what still has to be published.

Every method is one transaction. What may happen is decided by `approvals.lifecycle` and `approvals.votes`;
here it is only made to last, together with its event and its outbox row, or not at all. Safe to use from
several threads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import Connection, and_, delete, func, insert, or_, select, update

from approvals import tables as t
from approvals.lifecycle import (
    FOLDABLE_INTO,
    OPEN,
    RefusalCode,
    Refused,
    Review,
    State,
    close_repeat,
    expire,
    fold,
    may_fold,
    release,
    revise,
    unfold,
)
from approvals.outputs import outputs, pack, unpack
from approvals.person import Identity, Person
from approvals.rows import (
    LIGHT,
    WHOLE,
    Listed,
    LoggedEvent,
    Lost,
    StoreError,
    columns,
    keep_vote,
    listed,
    load,
    load_all,
    log,
    move,
    repeats_of,
)
from approvals.votes import Ballot, cast
from engine.ledger.codec import Format
from engine.ledger.model import ActionKind, ReviewRequest
from engine.records import OutputRecord, Position, TopicPartition

_EVIDENCE = frozenset({RefusalCode.CONFLICT, RefusalCode.NOT_ENTITLED})  # refusals that an auditor asks for
_TRIES = 5


class Unreadable(NamedTuple):
    """What stood in an approvals topic and was no review request; ``reason`` holds no content."""

    reason: str


class Arrival(NamedTuple):
    """One record of an approvals topic, as far as it could be read."""

    position: Position
    content: ReviewRequest | Unreadable


class Counts(NamedTuple):
    """How much of everything there is."""

    waiting: int
    repeats: int
    decided: int
    unreadable: int
    unpublished: int


class Store:
    """The database at ``path``. ``decisions`` gives, for each approvals topic, the topic of its verdicts.

    ``format`` is how verdicts are written. Raises StoreError if the file cannot be opened.
    """

    def __init__(self, path: Path, *, decisions: Mapping[str, str], format: Format = "avro") -> None:  # noqa: A002
        self._engine = t.open_engine(path)
        self._decisions = dict(decisions)
        self._format: Format = format

    def close(self) -> None:
        """Closes the database."""
        self._engine.dispose()

    # --- What comes in --------------------------------------------------------------------------------------

    def positions(self) -> Mapping[TopicPartition, int]:
        """The next offset to read of each partition that was read so far."""
        with self._engine.begin() as c:
            rows = c.execute(select(t.positions.c.topic, t.positions.c.partition, t.positions.c.next))
            return {TopicPartition(topic, partition): offset for topic, partition, offset in rows}

    def ingest(self, arrivals: Sequence[Arrival], *, at: int) -> int:
        """Takes in what was read, together with how far: how many requests are new or newer.

        What is known already is passed over, by position and by request id, so reading twice does nothing.
        """
        fresh = 0
        with t.writing(self._engine) as c:
            known = t.positions.c
            done = {(r[0], r[1]): r[2] for r in c.execute(select(known.topic, known.partition, known.next))}
            for position, content in arrivals:
                place = (position.topic, position.partition)
                if position.offset < done.get(place, 0):
                    continue
                done[place] = position.offset + 1
                if isinstance(content, Unreadable):
                    c.execute(insert(t.unreadable).values(**position._asdict(), reason=content.reason, at=at))
                else:
                    fresh += _take_in(c, position, content, at)
            c.execute(delete(t.positions))
            if done:
                rows = [{"topic": p[0], "partition": p[1], "next": offset} for p, offset in done.items()]
                c.execute(insert(t.positions), rows)
        return fresh

    # --- What is decided ------------------------------------------------------------------------------------

    def vote(
        self,
        request_id: str,
        person: Person,
        ballot: Ballot,
        people: Mapping[Identity, Person],
        *,
        at: int,
        channel: str,
    ) -> Review | Refused:
        """Casts ``ballot`` (see `approvals.votes.cast`) and makes it last, verdict and outbox included.

        Raises StoreError if others keep changing the request at the same moment.
        """
        for _ in range(_TRIES):
            try:
                with t.writing(self._engine) as c:
                    return self._vote(
                        c,
                        request_id=request_id,
                        person=person,
                        ballot=ballot,
                        people=people,
                        at=at,
                        channel=channel,
                    )
            except Lost:
                continue
        raise StoreError("the request keeps changing while it is decided; try again")

    def expire_due(self, *, at: int, limit: int = 500) -> int:
        """Ends what nobody decided in time, ``limit`` requests at most; how many these were."""
        rows = t.requests.c
        due = (
            select(*WHOLE).where(rows.state.in_(FOLDABLE_INTO), rows.expires <= at).order_by(rows.expires).limit(limit)
        )
        with t.writing(self._engine) as c:
            ended = 0
            for before in load_all(c, due):
                after = expire(before, at=at)
                if isinstance(after, Review):
                    self._change(c, before, after, "expired", at)
                    ended += 1
            return ended

    def _vote(
        self,
        c: Connection,
        *,
        request_id: str,
        person: Person,
        ballot: Ballot,
        people: Mapping[Identity, Person],
        at: int,
        channel: str,
    ) -> Review | Refused:
        before = load(c, request_id)
        if before is None:
            return Refused(RefusalCode.UNKNOWN, "there is no such request")
        actor = str(person.identity)
        after = cast(before, person, ballot, people, at=at, channel=channel)
        if isinstance(after, Refused):
            if after.code in _EVIDENCE:
                detail = f"{ballot.decision}: {after.code}"
                log(c, before.request, "refused", at, actor=actor, channel=channel, detail=detail)
            return after
        mine = next(vote for vote in reversed(after.votes) if Identity(vote.issuer, vote.subject) == person.identity)
        keep_vote(c, before.request, mine)
        log(c, before.request, f"vote {mine.decision}", at, actor=actor, channel=channel, detail=mine.reason)
        if after.verdict is not None:
            self._change(c, before, after, after.state, at)
        return after

    def _change(self, c: Connection, before: Review, after: Review, event: str, at: int) -> None:
        """Moves a request on, if it still is what we read: with its event and, at its end, its outbox row."""
        move(c, before, after)
        log(c, after.request, event, at, detail=after.verdict.reason if after.verdict else "")
        if after.verdict is None:
            return
        request_id = after.request.request_id
        topic = c.execute(select(t.requests.c.topic).where(t.requests.c.request_id == request_id)).scalar_one()
        records = outputs(after, self._decisions[topic], self._format)
        c.execute(insert(t.outbox).values(request_id=request_id, records=pack(records)))
        for repeat in repeats_of(c, request_id):
            closed = close_repeat(repeat, after)
            if isinstance(closed, Review):
                self._change(c, repeat, closed, "folded", at)

    # --- What goes out --------------------------------------------------------------------------------------

    def outbox(self, *, after: int, limit: int = 200) -> list[tuple[int, list[OutputRecord]]]:
        """What is to be published after sequence number ``after``, in order."""
        rows = t.outbox.c
        query = select(rows.seq, rows.records).where(rows.seq > after).order_by(rows.seq).limit(limit)
        with self._engine.begin() as c:
            return [(seq, unpack(records)) for seq, records in c.execute(query)]

    def mark_published(self, *, up_to: int, at: int) -> None:
        """Notes that the outbox is in the log up to ``up_to``. Raises StoreError if it never was that long.

        Only for people to see, and so that a request says that its record is out: what decides about
        publishing again is the publisher's own memory.
        """
        rows = t.outbox.c
        with t.writing(self._engine) as c:
            newest = c.execute(select(func.max(rows.seq))).scalar() or 0
            if up_to > newest:
                raise StoreError(
                    f"the log has verdicts up to number {up_to}, the database knows {newest}: "
                    "this is not the database that wrote them, or an old copy of it"
                )
            new = and_(rows.seq <= up_to, rows.published.is_(None))
            query = select(*WHOLE).where(
                t.requests.c.state == State.APPROVED,
                t.requests.c.request_id.in_(select(rows.request_id).where(new)),
            )
            for before in load_all(c, query):
                after = release(before)
                if isinstance(after, Review):
                    move(c, before, after)
                    log(c, after.request, "released", at)
            c.execute(update(t.outbox).where(new).values(published=at))

    # --- What is looked at ----------------------------------------------------------------------------------

    def get(self, request_id: str) -> Listed | None:
        """The request with exactly this id."""
        with self._engine.begin() as c:
            review = load(c, request_id)
            return None if review is None else listed(c, [review])[0]

    def matching(self, prefix: str, *, limit: int = 5) -> list[str]:
        """The ids that begin with ``prefix``, at most ``limit``."""
        ids = t.requests.c.request_id
        query = select(ids).where(ids.startswith(prefix, autoescape=True)).order_by(ids).limit(limit)
        with self._engine.begin() as c:
            return list(c.execute(query).scalars())

    def waiting(self, *, limit: int = 200, whole: bool = False) -> list[Listed]:
        """What waits for votes, most urgent first; repeats stand behind the request that they repeat.

        Parameters and held records are left out, unless ``whole``.
        """
        rows = t.requests.c
        query = (
            select(*(WHOLE if whole else LIGHT))
            .where(rows.state.in_(FOLDABLE_INTO))
            .order_by(rows.expires, rows.request_id)
        )
        with self._engine.begin() as c:
            return listed(c, load_all(c, query.limit(limit)))

    def decided(self, *, limit: int = 50, before: tuple[int, str] | None = None, whole: bool = False) -> list[Listed]:
        """What has ended, latest first, without repeats; below ``before``, a (decided, request id).

        Parameters and held records are left out, unless ``whole``.
        """
        rows = t.requests.c
        query = select(*(WHOLE if whole else LIGHT)).where(rows.decided.is_not(None), rows.state != State.FOLDED)
        if before is not None:
            earlier = and_(rows.decided == before[0], rows.request_id < before[1])
            query = query.where(or_(rows.decided < before[0], earlier))
        query = query.order_by(rows.decided.desc(), rows.request_id.desc()).limit(limit)
        with self._engine.begin() as c:
            return listed(c, load_all(c, query))

    def events(self, request_id: str) -> list[LoggedEvent]:
        """What happened to a request, in order."""
        e = t.events.c
        query = select(e.seq, e.version, e.event, e.at, e.actor, e.channel, e.detail)
        with self._engine.begin() as c:
            return [LoggedEvent(*r) for r in c.execute(query.where(e.request_id == request_id).order_by(e.seq))]

    def counts(self) -> Counts:
        """How much of everything there is."""
        with self._engine.begin() as c:
            state = t.requests.c.state
            rows = c.execute(select(state, func.count()).group_by(state))
            states: dict[str, int] = {row[0]: row[1] for row in rows}
            return Counts(
                waiting=sum(states.get(s, 0) for s in FOLDABLE_INTO),
                repeats=states.get(State.REPEAT, 0),
                decided=sum(n for s, n in states.items() if s not in OPEN),
                unreadable=c.execute(select(func.count()).select_from(t.unreadable)).scalar_one(),
                unpublished=c.execute(select(func.count()).where(t.outbox.c.published.is_(None))).scalar_one(),
            )


def _take_in(c: Connection, position: Position, request: ReviewRequest, at: int) -> bool:
    """Whether ``request`` is new, or a newer version of one that is open; if so, it waits now."""
    known = load(c, request.request_id)
    if known is None:
        review = Review(request)
        c.execute(insert(t.requests).values(**columns(review), **position._asdict(), created=request.created))
        log(c, request, "received", at, detail=str(position))
        _fold_if_alike(c, review, at)
        return True
    revised = revise(known, request)
    if isinstance(revised, Refused):
        return False
    move(c, known, revised)
    log(c, request, "revised", at, detail=str(position))
    revised = _fold_if_alike(c, revised, at)
    for repeat in repeats_of(c, request.request_id):
        alone = unfold(repeat)
        if isinstance(alone, Review) and not may_fold(repeat.request, revised):
            move(c, repeat, alone)
            log(c, alone.request, "unfolded", at)
            _fold_if_alike(c, alone, at)
    return True


def _fold_if_alike(c: Connection, review: Review, at: int) -> Review:
    """``review``, which waits; folded if an older like request waits too."""
    if review.request.kind is not ActionKind.PROPOSAL:
        return review
    rows = t.requests.c
    query = (
        select(*WHOLE)
        .where(
            rows.likeness == review.request.likeness,
            rows.state.in_(FOLDABLE_INTO),
            rows.request_id != review.request.request_id,
        )
        .order_by(rows.created, rows.request_id)
        .limit(1)
    )
    for first in load_all(c, query):
        after = fold(review, first)
        if isinstance(after, Review):
            move(c, review, after)
            log(c, after.request, "repeat", at, detail=f"of {first.request.request_id}")
            return after
    return review
