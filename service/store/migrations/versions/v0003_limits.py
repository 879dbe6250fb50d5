"""Who may ask how often, and what was asked under a key of the client's."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "rate_buckets",
        sa.Column("actor", sa.Text),
        sa.Column("tokens", sa.Double, nullable=False),
        sa.Column("filled_us", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("actor", name="pk_rate_buckets"),
    )
    op.create_table(
        "idempotency_keys",
        sa.Column("actor", sa.Text),
        sa.Column("key", sa.String(128)),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("record", sa.String(36), nullable=False),
        sa.Column("created_us", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("actor", "key", name="pk_idempotency_keys"),
    )
