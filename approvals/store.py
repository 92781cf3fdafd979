"""The reviewer's database: what was asked, who voted, what was decided, what still has to be published.

Every method is one transaction. What may happen is decided by `approvals.lifecycle` and `approvals.votes`;
here it is only made to last, together with its event and its outbox row, or not at all. Safe to use from
several threads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import and_, delete, func, insert, or_, select, update

from approvals import deciding
from approvals import tables as t
from approvals.answers import Answers
from approvals.channels.deliveries import Deliveries
from approvals.channels.links import Links
from approvals.database import open_engine
from approvals.gate.authority import Authority
from approvals.gate.store import GateStore, keep_authority
from approvals.history import History
from approvals.identity.changes import PeopleChanges
from approvals.identity.store import IdentityStore
from approvals.intake import take_in
from approvals.journal import Journal
from approvals.lease import Lease
from approvals.lifecycle import (
    FOLDABLE_INTO,
    OPEN,
    Refused,
    Review,
    State,
    release,
)
from approvals.lookups import Lookups
from approvals.outputs import pack, unpack
from approvals.person import Identity, Person
from approvals.restore import Arrival, Unreadable, put_back
from approvals.rows import (
    LIGHT,
    WHOLE,
    Listed,
    LoggedEvent,
    Lost,
    StoreError,
    event_row,
    listed,
    load,
    load_all,
    log,
    move_all,
)
from approvals.votes import Ballot
from engine.ledger.codec import Format
from engine.records import OutputRecord, TopicPartition

_TRIES = 5
_REMEDY = "delete the database while nothing runs, and it is made again from the topics"


__all__ = ["Arrival", "Counts", "Store", "Unreadable"]


class Counts(NamedTuple):
    """How much of everything there is."""

    waiting: int
    repeats: int
    decided: int
    unreadable: int
    unpublished: int


class Store:
    """The database at a path, or by the URL of a PostgreSQL; see `approvals.database.open_engine` for what it raises.

    ``decisions`` gives, for each approvals topic, the topic of its verdicts; ``format`` is how verdicts are written.
    """

    def __init__(self, database: Path | str, *, decisions: Mapping[str, str], format: Format = "avro") -> None:  # noqa: A002
        self._engine = open_engine(database)
        self.lookups = Lookups(self._engine)
        self.identities = IdentityStore(self._engine)
        self.changes = PeopleChanges(self._changing)
        self.lease = Lease(self._engine)
        self.answers = Answers(self._engine)
        self.deliveries = Deliveries(self._engine)
        self.links = Links(self._engine)
        self._decisions = dict(decisions)
        self._told: list[Callable[[], None]] = []
        self._format: Format = format

    def tell(self, listener: Callable[[], None]) -> None:
        """Calls ``listener`` after each write from now on, in the thread that wrote; others may write elsewhere."""
        self._told.append(listener)

    def close(self) -> None:
        """Closes the database."""
        self._engine.dispose()

    def gate(self, topic: str) -> GateStore:
        """What is kept for the gate, whose requests travel by the approvals topic ``topic``."""
        return GateStore(self._changing, self._engine, topic)

    def grant(self, authority: Authority) -> None:
        """Keeps what a new token of a machine may do at the gate."""
        keep_authority(self._engine, authority)

    # --- What comes in --------------------------------------------------------------------------------------

    def positions(self) -> Mapping[TopicPartition, int]:
        """The next offset to read of each partition that was read so far."""
        with self._engine.begin() as c:
            rows = c.execute(select(t.positions.c.topic, t.positions.c.partition, t.positions.c.next))
            return {TopicPartition(topic, partition): offset for topic, partition, offset in rows}

    def is_empty(self) -> bool:
        """Whether it has not read, kept or published anything yet."""
        with self._engine.begin() as c:
            return not any(
                c.execute(select(func.count()).select_from(table)).scalar_one()
                for table in (t.positions, t.requests, t.events, t.outbox, t.unreadable)
            )

    def restore(self, past: History, arrivals: Sequence[Arrival], *, published: int, at: int) -> int:
        """Makes this empty database what it was according to ``past``; how many requests nobody can tell of.

        ``arrivals`` is what was read for it from the approvals topics, ``published`` the number that the outbox
        has got to. Raises StoreError if it is not empty.
        """
        with self._changing(leading=True) as journal:
            if not self.is_empty():
                raise StoreError("only an empty database can be made again from the topics")
            return put_back(journal, past, arrivals, published=published, at=at)

    def decisions_topics(self, topics: Iterable[str]) -> list[str]:
        """The topics that tell what happened to the requests of ``topics``."""
        return sorted({self._decisions[topic] for topic in topics if topic in self._decisions})

    def ingest(self, arrivals: Sequence[Arrival], *, at: int) -> int:
        """Takes in what was read, together with how far: how many requests are new or newer.

        What is known already is passed over, by position and by request id, so reading twice does nothing.
        """
        fresh = 0
        with self._changing(leading=True) as journal:
            c = journal.connection
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
                    fresh += take_in(journal, position, content, at)
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
        return self._act(lambda j: deciding.vote(j, request_id, person, ballot, people, at=at, channel=channel))

    def ask(
        self,
        request_id: str,
        person: Person,
        question: str,
        people: Mapping[Identity, Person],
        *,
        version: int,
        at: int,
        channel: str,
    ) -> Review | Refused:
        """Asks for a clarification (see `approvals.votes.ask`); ``question`` has been scrubbed. Raises as `vote`."""
        return self._act(
            lambda j: deciding.ask(j, request_id, person, question, people, version=version, at=at, channel=channel)
        )

    def answer(
        self,
        request_id: str,
        by: Person | Identity,
        text: str,
        people: Mapping[Identity, Person],
        *,
        version: int,
        at: int,
        channel: str,
    ) -> Review | Refused:
        """Answers what was asked (see `approvals.votes.answer`); ``text`` has been scrubbed. Raises as `vote`."""
        return self._act(
            lambda j: deciding.answer(j, request_id, by, text, people, version=version, at=at, channel=channel)
        )

    def withdraw(
        self,
        request_id: str,
        by: Person | Identity,
        reason: str,
        people: Mapping[Identity, Person],
        *,
        at: int,
        channel: str,
    ) -> Review | Refused:
        """Takes a request back (see `approvals.votes.withdraw`); ``reason`` has been scrubbed. Raises as `vote`."""
        return self._act(lambda j: deciding.withdraw(j, request_id, by, reason, people, at=at, channel=channel))

    def expire_due(self, *, at: int, limit: int = 500) -> int:
        """Ends what nobody decided in time, ``limit`` requests at most; how many these were."""
        with self._changing(leading=True) as journal:
            return deciding.expire_due(journal, at=at, limit=limit)

    def escalate_due(self, *, at: int, limit: int = 500) -> int:
        """Notes who is asked too from now on, of ``limit`` requests at most; how many steps were taken."""
        with self._changing(leading=True) as journal:
            return deciding.escalate_due(journal, at=at, limit=limit)

    def _act(self, act: deciding.Act) -> Review | Refused:
        for _ in range(_TRIES):
            try:
                with self._changing() as journal:
                    return act(journal)
            except Lost:
                continue
        raise StoreError("the request keeps changing while it is decided; try again")

    @contextmanager
    def _changing(self, *, leading: bool = False) -> Iterator[Journal]:
        """One write transaction, with the outbox row of what is noted in it; only for the leader, if ``leading``."""
        with t.writing(self._engine) as c:
            if leading:
                self.lease.check(c)
            journal = Journal(c, self._decisions, self._format)
            yield journal
            journal.close()
        for told in self._told:
            told()

    # --- What goes out --------------------------------------------------------------------------------------

    def outbox(self, *, after: int, limit: int = 200) -> list[tuple[int, list[OutputRecord]]]:
        """What is to be published after sequence number ``after``, in order."""
        rows = t.outbox.c
        query = select(rows.seq, rows.records).where(rows.seq > after).order_by(rows.seq).limit(limit)
        with self._engine.begin() as c:
            return [(seq, unpack(records)) for seq, records in c.execute(query)]

    def remind(self) -> None:
        """Puts nothing into the outbox, under a number of its own: a log may forget a number that never moves."""
        with t.writing(self._engine) as c:
            self.lease.check(c)
            c.execute(insert(t.outbox).values(request_id="", records=pack([])))

    def mark_published(self, *, up_to: int, at: int) -> None:
        """Notes that the outbox is in the log up to ``up_to``. Raises StoreError if it never was that long.

        Only for people to see, and so that a request says that its record is out: what decides about
        publishing again is the publisher's own memory.
        """
        rows = t.outbox.c
        with t.writing(self._engine) as c:
            self.lease.check(c)
            newest = c.execute(select(func.max(rows.seq))).scalar() or 0
            if up_to > newest:
                raise StoreError(
                    f"the log has what happened up to number {up_to}, the database knows {newest}: this is not the "
                    f"database that wrote it, or an old copy of it; {_REMEDY}"
                )
            told = c.execute(select(func.max(rows.seq)).where(rows.published.is_not(None))).scalar() or 0
            if up_to < told:
                raise StoreError(
                    f"the database has published up to number {told}, the log knows of {up_to}: this is another "
                    f"log, or it forgot; {_REMEDY}"
                )
            new = and_(rows.seq <= up_to, rows.published.is_(None))
            query = select(*WHOLE).where(
                t.requests.c.state == State.APPROVED,
                t.requests.c.request_id.in_(select(rows.request_id).where(new)),
            )
            released = [(one, after) for one in load_all(c, query) if isinstance(after := release(one), Review)]
            move_all(c, released)
            log(c, [event_row(after.request, "released", at) for _, after in released])
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
