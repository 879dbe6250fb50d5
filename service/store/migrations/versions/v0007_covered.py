"""Rows that something is decided by name the record that vouches for them; what no record says of
a chain is gone."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.drop_column("audit_writers", "started_us")
    op.drop_column("audit_writers", "engine_version")
    op.add_column("job_rows", sa.Column("salt", sa.LargeBinary))
    op.add_column("job_rows", sa.Column("digest", sa.String(64)))
    op.drop_index("ix_sessions_expires", "sessions")
    op.drop_table("sessions")  # nobody recorded them: people sign in again
    op.create_table(
        "sessions",
        sa.Column("digest", sa.String(64)),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("roles", sa.Text, nullable=False),
        sa.Column("key", sa.String(16)),
        sa.Column("created_us", sa.BigInteger, nullable=False),
        sa.Column("expires_us", sa.BigInteger, nullable=False),
        sa.Column("record", sa.String(36), nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_sessions"),
    )
    op.create_index("ix_sessions_expires", "sessions", ["expires_us"])
