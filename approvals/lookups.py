"""What pages look up in the database beyond one request: filters, searches, counts. Nothing here writes."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, NamedTuple

from sqlalchemy import Connection, Engine, Select, and_, func, or_, select

from approvals import tables as t
from approvals.facets import facets
from approvals.lifecycle import FOLDABLE_INTO, State
from approvals.rows import LIGHT, WHOLE, Listed, earlier_version, listed, load_all
from engine.ledger.model import ReviewRequest

_ROWS = t.requests.c
_APPROVED = (State.APPROVED, State.RELEASED)
_WORDS_IN_A_SEARCH = 8


class Wanted(NamedTuple):
    """What a list is narrowed to; what is empty narrows nothing. ``words`` must all occur."""

    words: str = ""
    rule_id: str = ""
    risk: str = ""
    agent: str = ""
    states: Collection[State] = ()

    def narrow(self, query: Select[tuple[object, ...]]) -> Select[tuple[object, ...]]:
        """``query`` on requests, narrowed."""
        for word in self.words.casefold().split()[:_WORDS_IN_A_SEARCH]:
            query = query.where(_ROWS.words.contains(word, autoescape=True))
        for column, value in ((_ROWS.rule_id, self.rule_id), (_ROWS.risk, self.risk), (_ROWS.agent, self.agent)):
            if value:
                query = query.where(column == value)
        return query.where(_ROWS.state.in_(self.states)) if self.states else query


class Decided(NamedTuple):
    """How one request ended, for counting; times in ms since the epoch."""

    state: State
    created: int
    decided: int
    risk: str
    rule_id: str
    agent: str


class Lookups:
    """Read-only questions to the database behind ``engine``."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def waiting(self, wanted: Wanted, *, limit: int, after: tuple[int, str] | None = None) -> list[Listed]:
        """What waits for votes, most urgent first, below ``after``, an (expires, request id).

        Without parameters and held records.
        """
        query = wanted.narrow(select(_ROWS.request_id).where(_ROWS.state.in_(FOLDABLE_INTO)))
        if after is not None:
            later = and_(_ROWS.expires == after[0], _ROWS.request_id > after[1])
            query = query.where(_ROWS.expires >= after[0], or_(_ROWS.expires > after[0], later))
        with self._engine.begin() as c:
            return _light(c, query.order_by(_ROWS.expires, _ROWS.request_id).limit(limit))

    def decided(self, wanted: Wanted, *, limit: int, before: tuple[int, str] | None = None) -> list[Listed]:
        """What has ended, latest first, below ``before``, a (decided, request id); without repeats that folded."""
        query = select(_ROWS.request_id).where(_ROWS.decided.is_not(None), _ROWS.state != State.FOLDED)
        if before is not None:
            earlier = and_(_ROWS.decided == before[0], _ROWS.request_id < before[1])
            query = query.where(_ROWS.decided <= before[0], or_(_ROWS.decided < before[0], earlier))
        query = wanted.narrow(query).order_by(_ROWS.decided.desc(), _ROWS.request_id.desc())
        with self._engine.begin() as c:
            return _light(c, query.limit(limit))

    def counts_waiting(self) -> list[tuple[str, str, int]]:
        """How many wait, as (risk, rule, count), most first."""
        query = (
            select(_ROWS.risk, _ROWS.rule_id, func.count())
            .where(_ROWS.state.in_(FOLDABLE_INTO))
            .group_by(_ROWS.risk, _ROWS.rule_id)
            .order_by(func.count().desc(), _ROWS.rule_id)
        )
        with self._engine.begin() as c:
            return [(risk, rule, count) for risk, rule, count in c.execute(query)]

    def unsettled(self) -> tuple[int, int]:
        """How much is on its way to the log, and how many records of the approvals topics could not be read."""
        with self._engine.begin() as c:
            on_its_way = c.execute(select(func.count()).where(t.outbox.c.published.is_(None))).scalar_one()
            return on_its_way, c.execute(select(func.count()).select_from(t.unreadable)).scalar_one()

    def decisions(self, *, since: int, limit: int) -> list[Decided]:
        """What was decided since ``since`` (ms since the epoch), latest first, without repeats that folded."""
        query = (
            select(_ROWS.state, _ROWS.created, _ROWS.decided, _ROWS.risk, _ROWS.rule_id, _ROWS.agent)
            .where(_ROWS.decided >= since, _ROWS.state != State.FOLDED)
            .order_by(_ROWS.decided.desc())
            .limit(limit)
        )
        with self._engine.begin() as c:
            return [Decided(State(row[0]), *row[1:]) for row in c.execute(query)]

    def last_approved(self, request: ReviewRequest) -> Listed | None:
        """The last approval of the same rule, action and environment, other than ``request`` itself."""
        query = (
            select(*WHOLE)
            .where(
                _ROWS.template == facets(request).template,
                _ROWS.decided.is_not(None),
                _ROWS.state.in_(_APPROVED),
                _ROWS.request_id != request.request_id,
            )
            .order_by(_ROWS.decided.desc())
            .limit(1)
        )
        with self._engine.begin() as c:
            return next(iter(listed(c, load_all(c, query))), None)

    def version(self, request_id: str, version: int) -> ReviewRequest | None:
        """What the request was as an earlier ``version``, without its held record; None if that is not kept."""
        with self._engine.begin() as c:
            return earlier_version(c, request_id, version)

    def refused_parties(self, *, since: int) -> int:
        """How many attempts of parties to an action to decide on it were refused since ``since``."""
        e = t.events.c
        query = select(func.count()).where(e.event == "refused", e.at >= since, e.detail.endswith(": conflict"))
        with self._engine.begin() as c:
            return c.execute(query).scalar_one()

    def events_after(self, number: int, *, limit: int) -> list[dict[str, Any]]:
        """What happened after event ``number``, in order, without content: sequence, request_id, version, event, at."""
        e = t.events.c
        query = select(e.seq.label("sequence"), e.request_id, e.version, e.event, e.at).where(e.seq > number)
        with self._engine.begin() as c:
            return [dict(row._mapping) for row in c.execute(query.order_by(e.seq).limit(limit))]

    def newest_event(self) -> int:
        """The number of the newest event: it grows whenever anything happens to any request."""
        with self._engine.begin() as c:
            return c.execute(select(func.max(t.events.c.seq))).scalar() or 0


def _light(c: Connection, ids: Select[tuple[object, ...]]) -> list[Listed]:
    """The requests of ``ids``, in its order. Ids first: they come from an index alone, rows are large."""
    found = list(c.execute(ids).scalars())
    reviews = {r.request.request_id: r for r in load_all(c, select(*LIGHT).where(_ROWS.request_id.in_(found)))}
    return listed(c, [reviews[str(one)] for one in found])
