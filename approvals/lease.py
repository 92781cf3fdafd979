"""Who carries the log, of several instances on one database: one at a time, by a lease with an epoch.

The lease keeps instances from getting into each other's way. That nothing is published twice does not rest on it,
nor on their clocks: the log fences an older publisher, and what a leader writes to the database is refused once
another has taken the lease.
"""

from __future__ import annotations

import secrets

from sqlalchemy import Connection, Engine, insert, select, update

from approvals import tables as t
from approvals.tables import writing
from detectors.errors import SluicegateError

TTL_MS = 15_000
"""How long a leader that has died keeps others from carrying on, in ms."""
RENEW_MS = 3_000
_NAME = "log"


class NotLeading(SluicegateError):
    """Another instance carries the log now."""


class Lease:
    """One instance's part in it. Nothing is checked before it was first asked for."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._me = secrets.token_hex(8)
        self._epoch: int | None = None
        self._renewed = 0

    def hold(self, at: int) -> bool:
        """Whether this instance leads at ``at`` (ms since the epoch). Takes the lease if it is free, and renews it."""
        if self._epoch is not None and 0 <= at - self._renewed < RENEW_MS:
            return True
        rows = t.leases.c
        with writing(self._engine) as c:
            known = c.execute(select(rows.holder, rows.epoch, rows.until).where(rows.name == _NAME)).one_or_none()
            mine = known is not None and known.holder == self._me
            if known is not None and not mine and at < known.until <= at + TTL_MS:
                self._epoch = None
                return False
            epoch = 1 if known is None else known.epoch + (not mine)
            values = {"holder": self._me, "epoch": epoch, "until": at + TTL_MS}
            if known is None:
                c.execute(insert(t.leases).values(name=_NAME, **values))
            else:
                c.execute(update(t.leases).where(rows.name == _NAME).values(**values))
        self._epoch, self._renewed = epoch, at
        return True

    def doubt(self) -> None:
        """The next time that it is asked for, the lease is looked up."""
        self._renewed = -RENEW_MS

    def check(self, c: Connection) -> None:
        """Raises NotLeading if another has taken the lease since this instance held it."""
        if self._epoch is None:
            return
        rows = t.leases.c
        found = c.execute(select(rows.holder, rows.epoch).where(rows.name == _NAME)).one_or_none()
        if found is None or tuple(found) != (self._me, self._epoch):
            raise NotLeading("another instance carries the log now")

    def resign(self) -> None:
        """Lets another carry on at once."""
        if self._epoch is not None:
            rows = t.leases.c
            with writing(self._engine) as c:
                mine = (rows.name == _NAME, rows.holder == self._me)
                c.execute(update(t.leases).where(*mine).values(until=0))
            self._epoch = None
