"""What was answered under an idempotency key, so that a request that is sent twice is done once."""

from __future__ import annotations

from enum import Enum

from sqlalchemy import Engine, delete, insert, select, update

from approvals import tables as t

_KEPT_MS = 24 * 3600 * 1000
_STUCK_MS = 60_000  # who began it an age ago has died: it may be begun again


class Taken(Enum):
    """Why a request cannot be answered under its key."""

    IN_PROGRESS = "in_progress"
    REUSED = "key_reused"


class Answers:
    """What was answered under a key, in the database behind ``engine``."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def begin(self, caller: str, key: str, digest: str, *, at: int) -> tuple[int, bytes] | Taken | None:
        """Begins to answer; or the status and body that were answered already, or why the key cannot be used.

        ``digest`` is of what was asked, ``at`` in ms since the epoch.
        """
        a = t.answers.c
        with t.writing(self._engine) as c:  # one at a time, on all instances
            c.execute(delete(t.answers).where(a.at < at - _KEPT_MS))
            c.execute(delete(t.answers).where(a.caller == caller, a.key == key, a.status == 0, a.at < at - _STUCK_MS))
            query = select(a.digest, a.status, a.body).where(a.caller == caller, a.key == key)
            found = c.execute(query).one_or_none()
            if found is None:
                values = {"caller": caller, "key": key, "digest": digest, "status": 0, "body": b"", "at": at}
                c.execute(insert(t.answers).values(values))
                return None
        if found.digest != digest:
            return Taken.REUSED
        if found.status == 0:
            return Taken.IN_PROGRESS
        return found.status, found.body

    def end(self, caller: str, key: str, answer: tuple[int, bytes] | None) -> None:
        """Keeps the status and body that were answered; None: nothing was done, the key is free again."""
        a = t.answers.c
        mine = (a.caller == caller, a.key == key)
        with t.writing(self._engine) as c:
            if answer is None:
                c.execute(delete(t.answers).where(*mine))
            else:
                c.execute(update(t.answers).where(*mine).values(status=answer[0], body=answer[1]))
