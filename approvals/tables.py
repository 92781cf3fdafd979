"""The reviewer's database: its tables. `approvals.database` opens it.

Nothing in it is raw: requests are stored as they came from the approvals topic (sanitized), reasons are
scrubbed.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from weakref import WeakKeyDictionary

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Engine,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    false,
    func,
    select,
)
from sqlalchemy.pool import Pool

metadata = MetaData()
_NUMBER = Integer().with_variant(BigInteger, "postgresql")  # SQLite counts up in INTEGER only, of 64 bits

# What lists are searched by has a column of its own; the whole request is in `encoded`.
requests = Table(
    "requests",
    metadata,
    Column("request_id", String, primary_key=True),
    Column("kind", String, nullable=False),
    Column("state", String, nullable=False),
    Column("version", Integer, nullable=False),
    Column("likeness", String, nullable=False),
    Column("folded_into", String),
    Column("topic", String, nullable=False),
    Column("partition", Integer, nullable=False),
    Column("offset", BigInteger, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("expires", BigInteger, nullable=False),
    Column("decided", BigInteger),
    Column("steps", Integer, nullable=False, server_default="0"),  # of its escalation, as far as they were told
    Column("next_step", BigInteger),  # ms; when the next one is due
    Column("rule_id", String, nullable=False),
    Column("risk", String, nullable=False),
    Column("agent", String, nullable=False),
    Column("template", String, nullable=False),
    Column("words", String, nullable=False),
    Column("encoded", LargeBinary, nullable=False),
    Column("light", LargeBinary, nullable=False),  # the same without what a list does not show, which may be large
    Column("verdict", LargeBinary),
    Index("requests_by_deadline", "state", "expires"),
    Index("requests_by_step", "next_step"),
    Index("requests_by_likeness", "likeness", "state"),
    Index("requests_by_first", "folded_into"),
    # Search and the dashboard read nothing but this, since rows are large.
    Index("requests_by_decision", "decided", "request_id", "state", "created", "risk", "rule_id", "agent", "words"),
    Index("requests_by_template", "template", "decided"),
)

# What a request was before it changed, so that whoever looked at that can be told the difference.
versions = Table(
    "versions",
    metadata,
    Column("request_id", String, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("encoded", LargeBinary, nullable=False),
)

# Votes on earlier versions stay here, and count for nothing.
votes = Table(
    "votes",
    metadata,
    Column("request_id", String, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("issuer", String, primary_key=True),
    Column("subject", String, primary_key=True),
    Column("decision", String, nullable=False),
    Column("reason", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("channel", String, nullable=False),
    Column("right", String, nullable=False, server_default=""),
    Column("acting_for", String, nullable=False, server_default=""),
    Column("break_glass", Boolean, nullable=False, server_default=false()),
)

# What reviewers asked, by the version that they asked about, and what was answered.
clarifications = Table(
    "clarifications",
    metadata,
    Column("request_id", String, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("question", Text, nullable=False),
    Column("asked_by", String, nullable=False),
    Column("asked_at", BigInteger, nullable=False),
    Column("answer", Text, nullable=False),
    Column("answered_by", String),
    Column("answered_at", BigInteger),
)

# Append-only: what happened, in order, refused attempts of a party to the action included.
events = Table(
    "events",
    metadata,
    Column("seq", _NUMBER, primary_key=True, autoincrement=True),
    Column("request_id", String, nullable=False),
    Column("version", Integer, nullable=False),
    Column("event", String, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("actor", String),  # issuer:subject; null for what the service does by itself
    Column("channel", String),
    Column("detail", Text, nullable=False, default=""),
    Index("events_by_request", "request_id", "seq"),
    Index("events_by_kind", "event", "at"),
    sqlite_autoincrement=True,  # a number is never used twice
)

# Written in the transaction of what it tells; published in this order, exactly once, by its sequence number.
# `request_id` names the request whose record it releases, if it does; it is empty otherwise.
outbox = Table(
    "outbox",
    metadata,
    Column("seq", _NUMBER, primary_key=True, autoincrement=True),
    Column("request_id", String, nullable=False),
    Column("records", LargeBinary, nullable=False),
    Column("published", BigInteger),  # ms; for people to see: the log alone knows how far the outbox got
    Index("outbox_by_publication", "published"),
    sqlite_autoincrement=True,
)

# The next offset to read; moves in the transaction that stores what was read.
positions = Table(
    "positions",
    metadata,
    Column("topic", String, primary_key=True),
    Column("partition", Integer, primary_key=True),
    Column("next", BigInteger, nullable=False),
)

# What stood in an approvals topic and was no review request: where, and a reason without content.
unreadable = Table(
    "unreadable",
    metadata,
    Column("topic", String, primary_key=True),
    Column("partition", Integer, primary_key=True),
    Column("offset", BigInteger, primary_key=True),
    Column("reason", String, nullable=False),
    Column("at", BigInteger, nullable=False),
)

# Who carries the log: of several instances on one database, one at a time. Times in ms.
leases = Table(
    "leases",
    metadata,
    Column("name", String, primary_key=True),
    Column("holder", String, nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("until", BigInteger, nullable=False),
)

# Who signed in, by the hash of the session's id: a copy of this table signs nobody in. Times of sign-ins are in s.
sessions = Table(
    "sessions",
    metadata,
    Column("id_hash", String, primary_key=True),
    Column("issuer", String, nullable=False),
    Column("subject", String, nullable=False),
    Column("channel", String, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("expires", BigInteger, nullable=False),
    Column("auth_time", BigInteger, nullable=False),
    Column("acr", String, nullable=False),
    Index("sessions_by_person", "issuer", "subject"),
    Index("sessions_by_end", "expires"),
)

# What the provider last said of people, and who is barred, whatever a provider or people.yaml says.
accounts = Table(
    "accounts",
    metadata,
    Column("issuer", String, primary_key=True),
    Column("subject", String, primary_key=True),
    Column("name", String, nullable=False),
    Column("groups", Text, nullable=False),  # a JSON list
    Column("aliases", Text, nullable=False),  # a JSON list of [issuer, subject]
    Column("seen", BigInteger, nullable=False),
    Column("barred", BigInteger),  # ms; null for who is not
)

# Rights that people lent to others until some day (ms), beside those that people.yaml tells of.
delegations = Table(
    "delegations",
    metadata,
    Column("id", String, primary_key=True),
    Column("lender", String, nullable=False),  # issuer:subject
    Column("taker", String, nullable=False),  # issuer:subject
    Column("until", BigInteger, nullable=False),
    Column("groups", Text, nullable=False),  # a JSON list; empty: all that the lender may do
    Column("created", BigInteger, nullable=False),
    Column("revoked", BigInteger),
)

# Tokens of machines, by their hash.
api_tokens = Table(
    "api_tokens",
    metadata,
    Column("name", String, primary_key=True),
    Column("hash", String, nullable=False, unique=True),
    Column("scopes", String, nullable=False),  # separated by blanks
    Column("created", BigInteger, nullable=False),
    Column("expires", BigInteger, nullable=False),
    Column("revoked", BigInteger),
)

# One row, whose number moves with each change of accounts, delegations and tokens: so all instances know when to look
# again.
identity_revision = Table(
    "identity_revision",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("number", BigInteger, nullable=False),
)

# What was answered under an idempotency key, so that a repeated request gets the same answer and does nothing.
answers = Table(
    "answers",
    metadata,
    Column("caller", String, primary_key=True),
    Column("key", String, primary_key=True),
    Column("digest", String, nullable=False),  # of what was asked
    Column("status", Integer, nullable=False),  # 0 while it is being answered
    Column("body", LargeBinary, nullable=False),
    Column("at", BigInteger, nullable=False),
    Index("answers_by_age", "at"),
)

# What channels are told. A message has one row for each request, told anew until it shows what `wanted` numbers; an
# event that a webhook is told has a row of its own, with its body. Whoever sends claims a row by moving `due`.
deliveries = Table(
    "deliveries",
    metadata,
    Column("id", String, primary_key=True),
    Column("channel", String, nullable=False),
    Column("request_id", String, nullable=False),
    Column("event", String, nullable=False),  # empty for a message
    Column("body", LargeBinary),
    Column("wanted", BigInteger, nullable=False),  # the number of the newest event that it is to tell
    Column("shown", BigInteger, nullable=False),  # the same, that it tells; 0 if none
    Column("place", String, nullable=False),  # where a message stands; empty if nowhere yet
    Column("state", String, nullable=False),  # waiting, sent, dead
    Column("attempts", Integer, nullable=False),
    Column("due", BigInteger, nullable=False),  # ms
    Column("problem", String, nullable=False),  # why the last attempt failed; never content
    Column("created", BigInteger, nullable=False),
    Index("deliveries_by_time", "state", "due"),
    Index("deliveries_by_request", "channel", "request_id"),
)

# How far each channel has been told, and what is wrong with it, for people to see.
channel_states = Table(
    "channel_states",
    metadata,
    Column("channel", String, primary_key=True),
    Column("cursor", BigInteger, nullable=False),
    Column("problem", String, nullable=False),
    Column("since", BigInteger, nullable=False),  # ms; of the problem
    Column("paused", BigInteger, nullable=False),  # ms; nothing is sent before that
)

# Who somebody in a chat is here, as they have shown themselves. `place` is the workspace or tenant.
chat_links = Table(
    "chat_links",
    metadata,
    Column("place", String, primary_key=True),
    Column("chat_user", String, primary_key=True),
    Column("issuer", String, nullable=False),
    Column("subject", String, nullable=False),
    Column("address", String, nullable=False),  # as what the chat's API knows them, where that is another id
    Column("linked", BigInteger, nullable=False),
    Index("chat_links_by_person", "issuer", "subject"),
)

# Codes that somebody who is signed in types into a chat, by their hash; each works once.
link_codes = Table(
    "link_codes",
    metadata,
    Column("hash", String, primary_key=True),
    Column("issuer", String, nullable=False),
    Column("subject", String, nullable=False),
    Column("expires", BigInteger, nullable=False),
    Index("link_codes_by_end", "expires"),
)

# What a chat has sent already, so that what is sent twice is done once; wrong codes are counted here too.
chat_seen = Table(
    "chat_seen",
    metadata,
    Column("key", String, primary_key=True),
    Column("at", BigInteger, nullable=False),
    Index("chat_seen_by_age", "at"),
)

# What tokens of machines may do at the gate: as whom, for whom, as which executor; a JSON object.
gate_authorities = Table(
    "gate_authorities",
    metadata,
    Column("name", String, primary_key=True),
    Column("said", Text, nullable=False),
)

# What agents asked for at the gate. Times in ms; `redeemed` is set once, by the one UPDATE that finds it empty.
gate_requests = Table(
    "gate_requests",
    metadata,
    Column("request_id", String, primary_key=True),
    Column("issuer", String, nullable=False),  # of the agent
    Column("subject", String, nullable=False),
    Column("audience", String, nullable=False),
    Column("environment", String, nullable=False),
    Column("outcome", String, nullable=False),  # allowed, denied, asked
    Column("likeness", String, nullable=False),
    Column("digest", String, nullable=False),  # salted by a key that is not in the database
    Column("rule_id", String, nullable=False),
    Column("reason", Text, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("expires", BigInteger, nullable=False),
    Column("redeemed", BigInteger),
    Column("redeemed_by", String),  # issuer:subject
)


_PG_TURN = select(func.pg_advisory_xact_lock(0x51_CE_6A_7E))
"""The number of PostgreSQL's advisory lock that writers take; any would do, if nobody else in the database uses it."""


_TURNS: WeakKeyDictionary[Pool, threading.Lock] = WeakKeyDictionary()


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """One write transaction: it holds the write lock from its start, and is committed whole or not at all.

    Writers come one after the other on either database, so that numbers are given in the order in which they are
    committed: whoever has read up to a number has missed nothing below it. Those of one process queue up here: SQLite
    lets whoever is lucky go first, and others wait a hundred times as long.
    """
    turn = _TURNS.setdefault(engine.pool, threading.Lock())
    with turn, engine.connect().execution_options(sluicegate_writes=True) as connection:
        if engine.dialect.name == "postgresql":
            connection.execution_options(isolation_level="READ COMMITTED")
        with connection.begin():
            if engine.dialect.name == "postgresql":
                connection.execute(_PG_TURN)
            yield connection
