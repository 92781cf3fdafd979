"""Changes of who may decide that the topics tell of too, so that a database that is made again knows them."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager

from sqlalchemy import Connection, and_, insert, update

from approvals import tables as t
from approvals.identity.store import StoredDelegation, end_sessions, moved
from approvals.journal import Journal
from approvals.person import Identity
from engine.ledger.model import Delegated, PeopleChange, PeopleEvent


class PeopleChanges:
    """Each method is one write transaction, with its event; ``changing`` begins one.

    ``actor`` is who does it, None for whoever runs the service; ``at`` is in ms since the epoch.
    """

    def __init__(self, changing: Callable[[], AbstractContextManager[Journal]]) -> None:
        self._changing = changing

    def bar(self, identity: Identity, *, at: int, actor: Identity | None = None, channel: str | None = None) -> int:
        """Bars ``identity``: no sign-in, no session, no vote that counts. How many sessions ended."""
        with self._changing() as journal:
            _bar(journal.connection, identity, at)
            _tell(journal, PeopleChange.BARRED, identity, at, actor, channel)
            return end_sessions(journal.connection, identity)

    def unbar(self, identity: Identity, *, at: int, actor: Identity | None = None, channel: str | None = None) -> bool:
        """Lets ``identity`` sign in again; whether they were barred."""
        with self._changing() as journal:
            changed = _unbar(journal.connection, identity)
            if changed:
                _tell(journal, PeopleChange.LET_IN, identity, at, actor, channel)
            return changed

    def delegate(
        self, lender: Identity, taker: Identity, *, until: int, groups: Iterable[str], at: int, channel: str
    ) -> StoredDelegation:
        """Lends the right of ``lender`` to ``taker``; whether that may be says `approvals.rights.why_not_lend`."""
        made = Delegated(f"dlg_{secrets.token_hex(5)}", str(taker), until, tuple(sorted(set(groups))))
        with self._changing() as journal:
            _lend(journal.connection, lender, made, at)
            _tell(journal, PeopleChange.DELEGATED, lender, at, lender, channel, made)
        return StoredDelegation(made.id, lender, taker, until, frozenset(made.groups), at)

    def revoke(self, delegation: StoredDelegation, *, at: int, actor: Identity | None, channel: str) -> bool:
        """Ends ``delegation`` before its time; whether it held until now. Open votes by it no longer count."""
        with self._changing() as journal:
            changed = _revoke(journal.connection, delegation.id, at)
            if changed:
                known = Delegated(
                    delegation.id, str(delegation.taker), delegation.until, tuple(sorted(delegation.groups))
                )
                _tell(journal, PeopleChange.REVOKED, delegation.lender, at, actor, channel, known)
            return changed


def change_again(c: Connection, event: PeopleEvent) -> None:
    """Makes the change that ``event`` tells of, in a database that is made again."""
    who = Identity.parsed(event.who)
    match event.event:
        case PeopleChange.BARRED:
            _bar(c, who, event.at)
        case PeopleChange.LET_IN:
            _unbar(c, who)
        case PeopleChange.DELEGATED if event.delegation is not None:
            _lend(c, who, event.delegation, event.at)
        case PeopleChange.REVOKED if event.delegation is not None:
            _revoke(c, event.delegation.id, event.at)


def _bar(c: Connection, identity: Identity, at: int) -> None:
    a = t.accounts.c
    mine = and_(a.issuer == identity.issuer, a.subject == identity.subject)
    if not c.execute(update(t.accounts).where(mine).values(barred=at)).rowcount:
        empty = {"name": identity.subject, "groups": "[]", "aliases": "[]"}
        c.execute(insert(t.accounts).values(**identity._asdict(), **empty, seen=at, barred=at))
    moved(c)


def _unbar(c: Connection, identity: Identity) -> bool:
    a = t.accounts.c
    mine = and_(a.issuer == identity.issuer, a.subject == identity.subject, a.barred.is_not(None))
    moved(c)
    return bool(c.execute(update(t.accounts).where(mine).values(barred=None)).rowcount)


def _lend(c: Connection, lender: Identity, made: Delegated, at: int) -> None:
    row = {"lender": str(lender), "taker": made.to, "until": made.until, "groups": json.dumps(made.groups)}
    c.execute(insert(t.delegations).values(id=made.id, **row, created=at))
    moved(c)


def _revoke(c: Connection, delegation_id: str, at: int) -> bool:
    d = t.delegations.c
    moved(c)
    return bool(
        c.execute(update(t.delegations).where(d.id == delegation_id, d.revoked.is_(None)).values(revoked=at)).rowcount
    )


def _tell(
    journal: Journal,
    event: PeopleChange,
    who: Identity,
    at: int,
    actor: Identity | None,
    channel: str | None,
    delegation: Delegated | None = None,
) -> None:
    by = None if actor is None else str(actor)
    journal.tell(event, who, at, actor=by, channel=channel, delegation=delegation)
