"""Who somebody in a chat is here, and what a chat has sent already. Every method is one transaction.

A link is made by a code that the person gets on the page, signed in, and types into the chat: the sign-in shows who
they are, and the chat, whose messages are signed, from which account the code came.
"""

from __future__ import annotations

import hashlib
import secrets
from typing import NamedTuple

from sqlalchemy import Engine, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from approvals import tables as t
from approvals.person import Identity
from approvals.tables import writing

CODE_MS = 600_000
"""How long a code works, in ms."""
TRIES = 5
"""Wrong codes that one account of a chat may give in that time."""
_ALPHABET = "23456789ABCDEFGHJKMNPQRSTVWXYZ"  # without what is mistaken for something else
_LENGTH = 10
_SEEN_MS = 86_400_000
_L, _C, _SEEN = t.chat_links.c, t.link_codes.c, t.chat_seen.c


class Link(NamedTuple):
    """An account of a chat that has been shown to be somebody's, at ``linked`` (ms since the epoch)."""

    place: str
    chat_user: str
    identity: Identity
    address: str
    linked: int


class Links:
    """What the database behind ``engine`` knows of accounts of chats."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def code(self, identity: Identity, *, at: int) -> str:
        """A new code for ``identity``, who is signed in; earlier ones of theirs no longer work."""
        code = "".join(secrets.choice(_ALPHABET) for _ in range(_LENGTH))
        mine = (_C.issuer == identity.issuer, _C.subject == identity.subject)
        with writing(self._engine) as c:
            c.execute(delete(t.link_codes).where((_C.expires <= at) | (mine[0] & mine[1])))
            values = {"hash": _hash(code), **identity._asdict(), "expires": at + CODE_MS}
            c.execute(insert(t.link_codes).values(values))
        return f"{code[:5]}-{code[5:]}"

    def redeem(self, place: str, chat_user: str, code: str, *, at: int, address: str = "") -> Identity | None:
        """Whose code it is: the account is theirs from now on. None for a wrong one, or after too many of those."""
        bare = code.upper().replace("-", "").strip()
        wrong = f"wrong code {place} {chat_user} "
        with writing(self._engine) as c:
            recent = select(func.count()).where(_SEEN.key.startswith(wrong, autoescape=True), _SEEN.at > at - CODE_MS)
            if c.execute(recent).scalar_one() >= TRIES:
                return None
            query = select(_C.issuer, _C.subject).where(_C.hash == _hash(bare), _C.expires > at)
            found = c.execute(query).one_or_none()
            if found is None:
                c.execute(insert(t.chat_seen).values(key=wrong + secrets.token_hex(8), at=at))
                return None
            c.execute(delete(t.link_codes).where(_C.hash == _hash(bare)))
            c.execute(delete(t.chat_links).where(_L.place == place, _L.chat_user == chat_user))
            identity = Identity(found.issuer, found.subject)
            values = {"place": place, "chat_user": chat_user, "address": address, "linked": at, **identity._asdict()}
            c.execute(insert(t.chat_links).values(values))
        return identity

    def who(self, place: str, chat_user: str, *, address: str = "") -> Identity | None:
        """Whose account it is; None if nobody has shown that. ``address``, if given, is kept."""
        mine = (_L.place == place, _L.chat_user == chat_user)
        with self._engine.begin() as c:
            found = c.execute(select(_L.issuer, _L.subject, _L.address).where(*mine)).one_or_none()
        if found is None:
            return None
        if address and found.address != address:
            with writing(self._engine) as c:
                c.execute(update(t.chat_links).where(*mine).values(address=address))
        return Identity(found.issuer, found.subject)

    def of(self, identity: Identity) -> list[Link]:
        """The accounts of one person."""
        return [link for link in self.all() if link.identity == identity]

    def all(self) -> list[Link]:
        """All links, in the order of their making."""
        query = select(_L.place, _L.chat_user, _L.issuer, _L.subject, _L.address, _L.linked).order_by(_L.linked)
        with self._engine.begin() as c:
            return [Link(r[0], r[1], Identity(r[2], r[3]), r[4], r[5]) for r in c.execute(query)]

    def unlink(self, identity: Identity, place: str, chat_user: str) -> bool:
        """Ends a link of ``identity``; whether there was one."""
        mine = (_L.place == place, _L.chat_user == chat_user)
        theirs = (_L.issuer == identity.issuer, _L.subject == identity.subject)
        with writing(self._engine) as c:
            return c.execute(delete(t.chat_links).where(*mine, *theirs)).rowcount == 1

    def first_time(self, key: str, *, at: int) -> bool:
        """Whether ``key`` was not seen within a day before ``at``; from now on it was."""
        try:
            with writing(self._engine) as c:
                c.execute(delete(t.chat_seen).where(_SEEN.at <= at - _SEEN_MS))
                c.execute(insert(t.chat_seen).values(key=key, at=at))
        except IntegrityError:
            return False
        return True


def _hash(code: str) -> str:
    return hashlib.sha256(code.encode("utf-8", "replace")).hexdigest()
