"""Sessions, accounts, delegations and API tokens in the reviewer's database. Every method is one transaction.

What could sign somebody in is kept as a SHA-256 only: it is random, so the hash gives nothing away.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from typing import NamedTuple

from sqlalchemy import Connection, Engine, and_, bindparam, delete, insert, select, update

from approvals import tables as t
from approvals.identity.claims import Profile
from approvals.person import MACHINE, Identity

TOKEN_PREFIX = "sgm_"  # noqa: S105 (what tokens begin with, so that secret scanners find them)
SESSION_PREFIX = "sgs_"
_S = t.sessions.c
_SESSION = select(_S.issuer, _S.subject, _S.expires, _S.auth_time, _S.acr, _S.channel).where(
    _S.id_hash == bindparam("id_hash"), _S.expires > bindparam("now")
)
_REVISION = select(t.identity_revision.c.number)  # asked for with every request, as is the session


class SignedIn(NamedTuple):
    """A session: whose, until when (ms since the epoch), and when (s; 0: not known) and how they signed in."""

    identity: Identity
    expires: int
    auth_time: int
    acr: str
    channel: str


class Account(NamedTuple):
    """What the provider last said of somebody; ``barred``: whatever it says, they are out."""

    identity: Identity
    name: str
    groups: frozenset[str]
    aliases: tuple[Identity, ...]
    barred: bool


class StoredDelegation(NamedTuple):
    """A right that ``lender`` lent ``taker`` until ms since the epoch: all of it, or that of ``groups``."""

    id: str
    lender: Identity
    taker: Identity
    until: int
    groups: frozenset[str]
    created: int


class ApiToken(NamedTuple):
    """A token of a machine, without what is secret of it; times in ms since the epoch."""

    name: str
    scopes: frozenset[str]
    created: int
    expires: int
    revoked: int | None

    @property
    def identity(self) -> Identity:
        """As what a policy names it, and a vote would be signed."""
        return Identity(MACHINE, self.name)


class IdentityStore:
    """What the database behind ``engine`` knows of who may ask."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def revision(self) -> int:
        """A number that moves with each change of accounts, delegations and tokens."""
        with self._engine.begin() as c:
            return c.execute(_REVISION).scalar() or 0

    # --- Sessions -------------------------------------------------------------------------------------------

    def begin_session(
        self, identity: Identity, *, at: int, seconds: int, channel: str, auth_time: int = 0, acr: str = ""
    ) -> str:
        """Begins a session at ``at`` (ms since the epoch); its secret id. Sessions that are over are forgotten."""
        secret = SESSION_PREFIX + secrets.token_urlsafe(32)
        with t.writing(self._engine) as c:
            c.execute(delete(t.sessions).where(t.sessions.c.expires <= at))
            c.execute(
                insert(t.sessions).values(
                    id_hash=_hash(secret),
                    **identity._asdict(),
                    channel=channel,
                    created=at,
                    expires=at + seconds * 1000,
                    auth_time=auth_time,
                    acr=acr,
                )
            )
        return secret

    def session(self, secret: str, *, at: int) -> SignedIn | None:
        """The session with this id, unless it is over at ``at``."""
        with self._engine.begin() as c:
            row = c.execute(_SESSION, {"id_hash": _hash(secret), "now": at}).one_or_none()
        return None if row is None else SignedIn(Identity(row[0], row[1]), *row[2:])

    def end_session(self, secret: str) -> None:
        """Ends one session."""
        with t.writing(self._engine) as c:
            c.execute(delete(t.sessions).where(t.sessions.c.id_hash == _hash(secret)))

    def end_sessions(self, identity: Identity) -> int:
        """Ends all sessions of a person; how many these were."""
        with t.writing(self._engine) as c:
            return end_sessions(c, identity)

    # --- Accounts -------------------------------------------------------------------------------------------

    def accounts(self) -> list[Account]:
        """Everybody who ever signed in at the provider, or is barred."""
        a = t.accounts.c
        with self._engine.begin() as c:
            rows = c.execute(select(a.issuer, a.subject, a.name, a.groups, a.aliases, a.barred)).all()
        return [
            Account(
                Identity(row.issuer, row.subject),
                row.name,
                groups_of(row.groups),
                tuple(Identity(*alias) for alias in json.loads(row.aliases)),
                row.barred is not None,
            )
            for row in rows
        ]

    def keep_account(self, said: Profile, *, at: int) -> None:
        """Keeps what the provider said of somebody at ``at`` (ms since the epoch); who is barred stays so."""
        values = {"name": said.name, "groups": json.dumps(sorted(said.groups)), "aliases": json.dumps(said.aliases)}
        a = t.accounts.c
        mine = and_(a.issuer == said.identity.issuer, a.subject == said.identity.subject)
        with t.writing(self._engine) as c:
            before = c.execute(select(a.name, a.groups, a.aliases).where(mine)).one_or_none()
            if before is None:
                c.execute(insert(t.accounts).values(**said.identity._asdict(), **values, seen=at))
            else:
                c.execute(update(t.accounts).where(mine).values(**values, seen=at))
            if before is None or tuple(before) != tuple(values.values()):
                moved(c)

    # --- Delegations ----------------------------------------------------------------------------------------

    def delegations(self, *, at: int) -> list[StoredDelegation]:
        """The delegations that hold at ``at`` (ms since the epoch), the one that ends first before the others."""
        d = t.delegations.c
        query = select(d.id, d.lender, d.taker, d.until, d.groups, d.created).order_by(d.until, d.id)
        with self._engine.begin() as c:
            return [
                StoredDelegation(
                    row.id,
                    Identity.parsed(row.lender),
                    Identity.parsed(row.taker),
                    row.until,
                    groups_of(row.groups),
                    row.created,
                )
                for row in c.execute(query.where(d.revoked.is_(None), d.until > at))
            ]

    # --- API tokens -----------------------------------------------------------------------------------------

    def make_token(self, name: str, scopes: frozenset[str], *, at: int, expires: int) -> str | None:
        """Makes a token; None if there is one of that name already, revoked or not: names are never used again."""
        token = TOKEN_PREFIX + secrets.token_urlsafe(32)
        with t.writing(self._engine) as c:
            if c.execute(select(t.api_tokens.c.name).where(t.api_tokens.c.name == name)).one_or_none():
                return None
            values = {"name": name, "scopes": " ".join(sorted(scopes)), "created": at, "expires": expires}
            c.execute(insert(t.api_tokens).values(hash=_hash(token), **values))
            moved(c)
        return token

    def tokens(self) -> list[ApiToken]:
        """All tokens, by name."""
        k = t.api_tokens.c
        query = select(k.name, k.scopes, k.created, k.expires, k.revoked).order_by(k.name)
        with self._engine.begin() as c:
            return [ApiToken(name, frozenset(scopes.split()), *rest) for name, scopes, *rest in c.execute(query)]

    def token(self, token: str, *, at: int) -> ApiToken | None:
        """The token that this is, unless it is over or revoked at ``at``."""
        k = t.api_tokens.c
        query = select(k.name, k.scopes, k.created, k.expires, k.revoked).where(
            k.hash == _hash(token), k.expires > at, k.revoked.is_(None)
        )
        with self._engine.begin() as c:
            row = c.execute(query).one_or_none()
        return None if row is None else ApiToken(row[0], frozenset(row[1].split()), *row[2:])

    def revoke_token(self, name: str, *, at: int) -> bool:
        """Revokes a token; whether there was one that was not revoked."""
        k = t.api_tokens.c
        with t.writing(self._engine) as c:
            changed = c.execute(
                update(t.api_tokens).where(k.name == name, k.revoked.is_(None)).values(revoked=at)
            ).rowcount
            moved(c)
            return bool(changed)


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


def end_sessions(c: Connection, identity: Identity) -> int:
    """Ends all sessions of ``identity``; how many these were."""
    s = t.sessions.c
    return c.execute(delete(t.sessions).where(s.issuer == identity.issuer, s.subject == identity.subject)).rowcount


def groups_of(text: str) -> frozenset[str]:
    """Groups as a column keeps them, a JSON list."""
    return frozenset(json.loads(text))


def moved(c: Connection) -> None:
    """Has all instances look again who may decide."""
    number = t.identity_revision.c.number
    if not c.execute(update(t.identity_revision).values(number=number + 1)).rowcount:
        c.execute(insert(t.identity_revision).values(id=1, number=1))
