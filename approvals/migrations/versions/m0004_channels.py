"""What is told in chats and to webhooks, and who somebody in a chat is."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Adds tables."""
    op.create_table(
        "deliveries",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("channel", sa.String, nullable=False),
        sa.Column("request_id", sa.String, nullable=False),
        sa.Column("event", sa.String, nullable=False),
        sa.Column("body", sa.LargeBinary),
        sa.Column("wanted", sa.BigInteger, nullable=False),
        sa.Column("shown", sa.BigInteger, nullable=False),
        sa.Column("place", sa.String, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("due", sa.BigInteger, nullable=False),
        sa.Column("problem", sa.String, nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Index("deliveries_by_time", "state", "due"),
        sa.Index("deliveries_by_request", "channel", "request_id"),
    )
    op.create_table(
        "channel_states",
        sa.Column("channel", sa.String, primary_key=True),
        sa.Column("cursor", sa.BigInteger, nullable=False),
        sa.Column("problem", sa.String, nullable=False),
        sa.Column("since", sa.BigInteger, nullable=False),
        sa.Column("paused", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "chat_links",
        sa.Column("place", sa.String, primary_key=True),
        sa.Column("chat_user", sa.String, primary_key=True),
        sa.Column("issuer", sa.String, nullable=False),
        sa.Column("subject", sa.String, nullable=False),
        sa.Column("address", sa.String, nullable=False),
        sa.Column("linked", sa.BigInteger, nullable=False),
        sa.Index("chat_links_by_person", "issuer", "subject"),
    )
    op.create_table(
        "link_codes",
        sa.Column("hash", sa.String, primary_key=True),
        sa.Column("issuer", sa.String, nullable=False),
        sa.Column("subject", sa.String, nullable=False),
        sa.Column("expires", sa.BigInteger, nullable=False),
        sa.Index("link_codes_by_end", "expires"),
    )
    op.create_table(
        "chat_seen",
        sa.Column("key", sa.String, primary_key=True),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Index("chat_seen_by_age", "at"),
    )
