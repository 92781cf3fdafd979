"""What the gate keeps of each request, in the reviewer's database; and, through the outbox, in the log."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, Row, insert, select, update

from approvals import tables as t
from approvals.gate.authority import Authority
from approvals.gate.events import ALLOWED, DENIED, NOT_REDEEMED, REDEEMED
from approvals.gate.judge import PARTITION, Judged
from approvals.gate.standing import Kept, Outcome
from approvals.journal import Journal
from approvals.lifecycle import Review
from approvals.person import Identity
from approvals.rows import StoreError, load
from engine.actions.decide import Effect
from engine.ledger.model import ReviewEvent

CHANNEL = "gate"

_OUTCOMES = {Effect.ALLOW: Outcome.ALLOWED, Effect.DENY: Outcome.DENIED, Effect.REVIEW: Outcome.ASKED}


class GateStore:
    """The gate's part of the database behind ``engine``. Every method is one transaction; ``changing`` begins one that
    writes. Requests travel by the approvals topic ``topic``.
    """

    def __init__(self, changing: Callable[[], AbstractContextManager[Journal]], engine: Engine, topic: str) -> None:
        self._changing, self._engine, self._topic = changing, engine, topic

    def authority(self, name: str) -> Authority:
        """What stands with the token ``name``: nothing, if it was not made for the gate."""
        rows = t.gate_authorities.c
        with self._engine.begin() as c:
            said = c.execute(select(rows.said).where(rows.name == name)).scalar_one_or_none()
        return Authority.read(name, said)

    def submit(self, judged: Judged, *, at: int) -> Kept:
        """Keeps what was judged, unless there is a request with this id already, which is given then."""
        with self._ready() as journal:
            c = journal.connection
            known = load_kept(c, judged.request_id)
            if known is not None:
                return known
            kept = _kept(judged, at)
            keep(c, kept)
            if judged.request is not None:
                journal.submit(judged.request, self._topic)
            else:
                event = ALLOWED if kept.outcome is Outcome.ALLOWED else DENIED
                detail = told(kept, judged.shown)
                self._say(journal, kept.request_id, 1, event, at, actor=str(kept.agent), detail=detail)
            return kept

    def find(self, request_id: str) -> tuple[Kept, Review | None] | None:
        """A request with its review, if it has one that was read already."""
        with self._engine.begin() as c:
            kept = load_kept(c, request_id)
            if kept is None:
                return None
            return kept, load(c, request_id) if kept.outcome is Outcome.ASKED else None

    def redeem(self, request_id: str, *, by: Identity, version: int, at: int, detail: str) -> bool:
        """Uses up the approval of a request; False if that was done before. One conditional UPDATE decides."""
        rows = t.gate_requests.c
        with self._ready() as journal:
            statement = (
                update(t.gate_requests)
                .where(rows.request_id == request_id, rows.redeemed.is_(None))
                .values(redeemed=at, redeemed_by=str(by))
            )
            if journal.connection.execute(statement).rowcount != 1:
                return False
            self._say(journal, request_id, version, REDEEMED, at, actor=str(by), detail=detail)
            return True

    def refused(self, request_id: str, *, by: Identity, version: int, at: int, detail: str) -> None:
        """Notes that a token was not taken, for the auditor. ``request_id`` is empty for a forged one."""
        with self._ready() as journal:
            self._say(journal, request_id, version, NOT_REDEEMED, at, actor=str(by), detail=detail)

    @contextmanager
    def _ready(self) -> Iterator[Journal]:
        """One write transaction. Raises StoreError before the database has been made from the log, which leaves a row
        in the outbox: only an empty one can be made so, and what was used up before must be known.
        """
        with self._changing() as journal:
            if journal.connection.execute(select(t.outbox.c.seq).limit(1)).first() is None:
                raise StoreError("the service is still starting")
            yield journal

    def _say(
        self, journal: Journal, request_id: str, version: int, event: str, at: int, *, actor: str, detail: str
    ) -> None:
        said = ReviewEvent(0, request_id, version, event, at, actor=actor, channel=CHANNEL, detail=detail)
        journal.say(said, self._topic, PARTITION)


def keep_authority(engine: Engine, authority: Authority) -> None:
    """Keeps what a new token may do at the gate. Names of tokens are never used again."""
    with t.writing(engine) as c:
        c.execute(insert(t.gate_authorities).values(name=authority.name, said=authority.written()))


def keep(c: Connection, kept: Kept) -> None:
    """A row for ``kept``."""
    values = {column.name: getattr(kept, column.name, None) for column in t.gate_requests.c}
    values |= {"issuer": kept.agent.issuer, "subject": kept.agent.subject}
    c.execute(insert(t.gate_requests).values(**values))


def load_kept(c: Connection, request_id: str) -> Kept | None:
    """The row of exactly this request."""
    query = select(t.gate_requests).where(t.gate_requests.c.request_id == request_id)
    row = c.execute(query).one_or_none()
    return None if row is None else _from_row(row)


def _from_row(row: Row[Any]) -> Kept:
    return Kept(
        request_id=row.request_id,
        agent=Identity(row.issuer, row.subject),
        audience=row.audience,
        environment=row.environment,
        outcome=Outcome(row.outcome),
        likeness=row.likeness,
        digest=row.digest,
        rule_id=row.rule_id,
        reason=row.reason,
        created=row.created,
        expires=row.expires,
        redeemed=row.redeemed,
    )


def _kept(judged: Judged, at: int) -> Kept:
    return Kept(
        request_id=judged.request_id,
        agent=judged.agent,
        audience=judged.audience,
        environment=judged.request.environment if judged.request else judged.shown[2],
        outcome=_OUTCOMES[judged.effect],
        likeness=judged.likeness,
        digest=judged.digest,
        rule_id=judged.rule_id,
        reason=judged.reason,
        created=at,
        expires=judged.request.expires if judged.request else at,
    )


def told(kept: Kept, shown: tuple[str, str, str]) -> str:
    """What the log is told of a request that nobody had to be asked about: enough to keep it again."""
    action, resource, environment = shown
    return json.dumps(
        {
            "action": action,
            "resource": resource,
            "environment": environment,
            "audience": kept.audience,
            "rule": kept.rule_id,
            "reason": kept.reason,
            "likeness": kept.likeness,
            "digest": kept.digest,
        }
    )
