"""The gate: what tokens may do there, and what agents asked for."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0002"


def upgrade() -> None:
    """Makes the gate's tables."""
    op.create_table(
        "gate_authorities",
        sa.Column("name", sa.String, primary_key=True),
        sa.Column("said", sa.Text, nullable=False),
    )
    op.create_table(
        "gate_requests",
        sa.Column("request_id", sa.String, primary_key=True),
        sa.Column("issuer", sa.String, nullable=False),
        sa.Column("subject", sa.String, nullable=False),
        sa.Column("audience", sa.String, nullable=False),
        sa.Column("environment", sa.String, nullable=False),
        sa.Column("outcome", sa.String, nullable=False),
        sa.Column("likeness", sa.String, nullable=False),
        sa.Column("digest", sa.String, nullable=False),
        sa.Column("rule_id", sa.String, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("expires", sa.BigInteger, nullable=False),
        sa.Column("redeemed", sa.BigInteger),
        sa.Column("redeemed_by", sa.String),
    )
