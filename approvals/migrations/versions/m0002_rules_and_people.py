"""Rights behind votes, clarifications, escalation; what lists are searched by; sessions, accounts and tokens."""

import sqlalchemy as sa
from alembic import op

from approvals.facets import facets
from engine.ledger.codec import decode
from engine.ledger.model import ReviewRequest

revision = "0002"
down_revision = "0001"

_FACETS = ("rule_id", "risk", "agent", "template", "words")


def upgrade() -> None:
    """Adds columns and tables, and fills what lists are searched by from the requests themselves."""
    op.add_column("requests", sa.Column("steps", sa.Integer, nullable=False, server_default="0"))
    op.add_column("requests", sa.Column("next_step", sa.BigInteger))
    for name in _FACETS:
        op.add_column("requests", sa.Column(name, sa.String, nullable=False, server_default=""))
    op.create_index("requests_by_step", "requests", ["next_step"])
    op.drop_index("requests_by_decision", "requests")
    by_decision = ["decided", "request_id", "state", "created", "risk", "rule_id", "agent", "words"]
    op.create_index("requests_by_decision", "requests", by_decision)
    op.create_index("requests_by_template", "requests", ["template", "decided"])
    op.create_index("events_by_kind", "events", ["event", "at"])
    op.add_column("votes", sa.Column("right", sa.String, nullable=False, server_default=""))
    op.add_column("votes", sa.Column("acting_for", sa.String, nullable=False, server_default=""))
    op.add_column("votes", sa.Column("break_glass", sa.Boolean, nullable=False, server_default=sa.false()))
    _make_tables()
    _fill_facets(op.get_bind())


def _make_tables() -> None:
    op.create_table(
        "versions",
        sa.Column("request_id", sa.String, primary_key=True),
        sa.Column("version", sa.Integer, primary_key=True),
        sa.Column("encoded", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "clarifications",
        sa.Column("request_id", sa.String, primary_key=True),
        sa.Column("version", sa.Integer, primary_key=True),
        sa.Column("question", sa.Text, nullable=False),
        sa.Column("asked_by", sa.String, nullable=False),
        sa.Column("asked_at", sa.BigInteger, nullable=False),
        sa.Column("answer", sa.Text, nullable=False),
        sa.Column("answered_by", sa.String),
        sa.Column("answered_at", sa.BigInteger),
    )
    op.create_table(
        "leases",
        sa.Column("name", sa.String, primary_key=True),
        sa.Column("holder", sa.String, nullable=False),
        sa.Column("epoch", sa.BigInteger, nullable=False),
        sa.Column("until", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "sessions",
        sa.Column("id_hash", sa.String, primary_key=True),
        sa.Column("issuer", sa.String, nullable=False),
        sa.Column("subject", sa.String, nullable=False),
        sa.Column("channel", sa.String, nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("expires", sa.BigInteger, nullable=False),
        sa.Column("auth_time", sa.BigInteger, nullable=False),
        sa.Column("acr", sa.String, nullable=False),
        sa.Index("sessions_by_person", "issuer", "subject"),
        sa.Index("sessions_by_end", "expires"),
    )
    op.create_table(
        "accounts",
        sa.Column("issuer", sa.String, primary_key=True),
        sa.Column("subject", sa.String, primary_key=True),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("groups", sa.Text, nullable=False),
        sa.Column("aliases", sa.Text, nullable=False),
        sa.Column("seen", sa.BigInteger, nullable=False),
        sa.Column("barred", sa.BigInteger),
    )
    op.create_table(
        "api_tokens",
        sa.Column("name", sa.String, primary_key=True),
        sa.Column("hash", sa.String, nullable=False, unique=True),
        sa.Column("scopes", sa.String, nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("expires", sa.BigInteger, nullable=False),
        sa.Column("revoked", sa.BigInteger),
    )
    op.create_table(
        "identity_revision",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("number", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "answers",
        sa.Column("caller", sa.String, primary_key=True),
        sa.Column("key", sa.String, primary_key=True),
        sa.Column("digest", sa.String, nullable=False),
        sa.Column("status", sa.Integer, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Index("answers_by_age", "at"),
    )


def _fill_facets(connection: sa.Connection) -> None:
    rows = sa.table("requests", *(sa.column(name) for name in ("request_id", "light", *_FACETS)))
    for request_id, light in connection.execute(sa.select(rows.c.request_id, rows.c.light)).all():
        request = decode(light)
        if isinstance(request, ReviewRequest):
            found = facets(request)._asdict()
            connection.execute(sa.update(rows).where(rows.c.request_id == request_id).values(**found))
