"""What channels still have to be told, in the reviewer's database. Every method is one transaction.

Several instances may send: each claims a delivery before it does, for as long as sending may take. Who dies in
between leaves a claim that ends. So a delivery is made at least once, and never by two at the same time.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from sqlalchemy import Connection, Engine, Row, delete, func, insert, select, update

from approvals import tables as t
from approvals.tables import writing

CLAIM_MS = 120_000
"""How long a claim lasts, in ms: longer than any attempt."""
KEPT_MS = 30 * 86_400_000
"""How long what has arrived is kept, so that a message is found when its request changes."""
_D = t.deliveries.c
_S = t.channel_states.c


class Delivery(NamedTuple):
    """One row. ``event`` and ``body`` are a webhook's; ``place`` is where a message stands, empty if nowhere yet."""

    id: str
    channel: str
    request_id: str
    event: str
    body: bytes | None
    wanted: int
    place: str
    state: str
    attempts: int
    due: int
    problem: str
    created: int


class News(NamedTuple):
    """What happened, for `Deliveries.plan`: a webhook's ``event`` with its ``body``; a message has neither."""

    channel: str
    request_id: str
    number: int
    event: str = ""
    body: bytes | None = None


class ChannelState(NamedTuple):
    """How a channel fares. ``problem`` is empty while all is well; times in ms since the epoch."""

    channel: str
    cursor: int
    problem: str
    since: int
    paused: int


_COLUMNS = [_D[name] for name in Delivery._fields]


class Deliveries:
    """What the database behind ``engine`` knows of deliveries."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    # --- Planning -------------------------------------------------------------------------------------------

    def states(self) -> dict[str, ChannelState]:
        """All channels that were ever told anything."""
        with self._engine.begin() as c:
            rows = c.execute(select(*(_S[name] for name in ChannelState._fields)))
            return {row.channel: ChannelState(*row) for row in rows}

    def plan(self, channel: str, news: Iterable[News], *, before: int | None, cursor: int, at: int) -> bool:
        """Notes what ``channel`` is to be told, and that it has been told up to ``cursor``; ``before`` is its cursor.

        False, and nothing is noted, if another instance has done so meanwhile. None before: it never had one.
        """
        with writing(self._engine) as c:
            known = c.execute(select(_S.cursor).where(_S.channel == channel)).scalar()
            if known != before:
                return False
            if known is None:
                values = {"channel": channel, "cursor": cursor, "problem": "", "since": 0, "paused": 0}
                c.execute(insert(t.channel_states).values(values))
            else:
                c.execute(update(t.channel_states).where(_S.channel == channel).values(cursor=cursor))
            for one in news:
                _note(c, one, at)
        return True

    # --- Sending --------------------------------------------------------------------------------------------

    def due(self, channel: str, *, at: int, limit: int = 20) -> list[str]:
        """The ids of what can be sent to ``channel`` at ``at``, the oldest first."""
        query = select(_D.id).where(_D.channel == channel, _D.state == "waiting", _D.due <= at)
        paused = select(_S.paused).where(_S.channel == channel)
        with self._engine.begin() as c:
            if (c.execute(paused).scalar() or 0) > at:
                return []
            return list(c.execute(query.order_by(_D.wanted, _D.id).limit(limit)).scalars())

    def claim(self, delivery_id: str, *, at: int) -> Delivery | None:
        """The delivery, for whoever calls to send it now; None if another has it, or it is not due."""
        mine = (_D.id == delivery_id, _D.state == "waiting", _D.due <= at)
        with writing(self._engine) as c:
            if c.execute(update(t.deliveries).where(*mine).values(due=at + CLAIM_MS)).rowcount != 1:
                return None
            return _delivery(c.execute(select(*_COLUMNS).where(_D.id == delivery_id)).one())

    def sent(self, delivery: Delivery, *, shown: int, place: str, at: int) -> None:
        """It arrived, and tells what ``shown`` numbers. What has happened since is due at once."""
        more = _D.wanted > shown
        values = {"shown": shown, "place": place, "attempts": 0, "problem": "", "due": at}
        with writing(self._engine) as c:
            mine = update(t.deliveries).where(_D.id == delivery.id)
            c.execute(mine.where(more).values(state="waiting", **values))
            c.execute(mine.where(~more).values(state="sent", **values))
            cured = {"problem": "", "since": 0, "paused": 0}
            c.execute(update(t.channel_states).where(_S.channel == delivery.channel).values(cured))

    def failed(self, delivery: Delivery, problem: str, *, due: int, counts: bool = True, dead: bool = False) -> None:
        """It did not arrive; tried again at ``due``, unless it is ``dead``. ``counts``: it was an attempt."""
        state = "dead" if dead else "waiting"
        values = {"problem": problem, "state": state, "due": due, "attempts": delivery.attempts + counts}
        with writing(self._engine) as c:
            c.execute(update(t.deliveries).where(_D.id == delivery.id).values(values))

    def trouble(self, channel: str, problem: str, *, at: int, paused: int = 0) -> bool:
        """Says what is wrong with a channel, and that nothing is sent before ``paused``; whether that is news."""
        with writing(self._engine) as c:
            before = c.execute(select(_S.problem, _S.since).where(_S.channel == channel)).one_or_none()
            if before is None:
                return False
            since = before.since if before.problem == problem else at
            mine = update(t.channel_states).where(_S.channel == channel)
            c.execute(mine.values(problem=problem, since=since, paused=paused))
            return bool(before.problem != problem)

    def places(self, request_id: str) -> frozenset[str]:
        """Where messages of a request stand."""
        query = select(_D.place).where(_D.request_id == request_id, _D.event == "", _D.place != "")
        with self._engine.begin() as c:
            return frozenset(c.execute(query).scalars())

    def forget(self, *, before: int) -> int:
        """Forgets what arrived and has not changed since ``before`` (ms since the epoch); how many."""
        with writing(self._engine) as c:
            old = delete(t.deliveries).where(_D.state == "sent", _D.due < before)
            return c.execute(old).rowcount

    # --- What people look at --------------------------------------------------------------------------------

    def dead(self, *, limit: int = 200) -> list[Delivery]:
        """What will not be tried again by itself, the oldest first."""
        query = select(*_COLUMNS).where(_D.state == "dead").order_by(_D.created, _D.id).limit(limit)
        with self._engine.begin() as c:
            return [_delivery(row) for row in c.execute(query)]

    def replay(self, ids: Sequence[str], *, at: int) -> list[str]:
        """Has dead ones tried again, and their channels with them; which of ``ids`` were dead."""
        with writing(self._engine) as c:
            query = select(_D.id, _D.channel).where(_D.id.in_(ids), _D.state == "dead")
            found = {row.id: row.channel for row in c.execute(query)}
            again = update(t.deliveries).where(_D.id.in_(found))
            c.execute(again.values(state="waiting", attempts=0, due=at))
            freed = update(t.channel_states).where(_S.channel.in_(set(found.values())))
            c.execute(freed.values(paused=0))
        return [one for one in ids if one in found]

    def counts(self) -> dict[tuple[str, str], int]:
        """How many deliveries there are, by channel and state."""
        query = select(_D.channel, _D.state, func.count()).group_by(_D.channel, _D.state)
        with self._engine.begin() as c:
            return {(channel, state): count for channel, state, count in c.execute(query)}


def _note(c: Connection, one: News, at: int) -> None:
    """A message that stands or waits is told anew; what is dead stays so until a person has looked at it."""
    if one.event == "":
        mine = (_D.channel == one.channel, _D.request_id == one.request_id, _D.event == "")
        row = c.execute(select(_D.id, _D.state).where(*mine)).one_or_none()
        if row is not None:
            again = {"state": "waiting", "due": at, "attempts": 0} if row.state == "sent" else {}
            c.execute(update(t.deliveries).where(_D.id == row.id).values(wanted=one.number, **again))
            return
    values = {
        "id": f"msg_{secrets.token_hex(16)}",
        "channel": one.channel,
        "request_id": one.request_id,
        "event": one.event,
        "body": one.body,
        "wanted": one.number,
        "shown": 0,
        "place": "",
        "state": "waiting",
        "attempts": 0,
        "due": at,
        "problem": "",
        "created": at,
    }
    c.execute(insert(t.deliveries).values(values))


def _delivery(row: Row[tuple[object, ...]]) -> Delivery:
    return Delivery._make(row)
