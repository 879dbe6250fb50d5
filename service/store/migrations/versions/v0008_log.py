"""The trail as a transparency log: its leaves, tiles and signed heads; heads of others' logs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.create_table(
        "audit_log",
        sa.Column("id", sa.Integer, autoincrement=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("holder", sa.String(32), nullable=False),
        sa.Column("held_until_us", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_audit_log"),
    )
    op.create_table(
        "audit_log_runs",
        sa.Column("start", sa.BigInteger, autoincrement=False),
        sa.Column("writer", sa.String(32), nullable=False),
        sa.Column("first", sa.BigInteger, nullable=False),
        sa.Column("length", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("start", name="pk_audit_log_runs"),
    )
    op.create_index("ix_audit_log_runs_writer", "audit_log_runs", ["writer", "first"])
    op.create_table(
        "audit_log_writers",
        sa.Column("writer", sa.String(32)),
        sa.Column("integrated", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("writer", name="pk_audit_log_writers"),
    )
    op.create_table(
        "audit_log_tiles",
        sa.Column("level", sa.Integer, autoincrement=False),
        sa.Column("number", sa.BigInteger, autoincrement=False),
        sa.Column("hashes", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("level", "number", name="pk_audit_log_tiles"),
    )
    op.create_table(
        "audit_log_heads",
        sa.Column("size", sa.BigInteger, autoincrement=False),
        sa.Column("time_us", sa.BigInteger, nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("cosignatures", sa.Text, nullable=False),
        sa.Column("stamp", sa.LargeBinary),
        sa.PrimaryKeyConstraint("size", name="pk_audit_log_heads"),
    )
    op.create_table(
        "witnessed_logs",
        sa.Column("origin", sa.Text),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("root", sa.LargeBinary, nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("time_us", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("origin", name="pk_witnessed_logs"),
    )
