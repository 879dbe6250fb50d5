"""The audit chain, its payloads, API keys."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

# Written out, not imported from the tables: a migration must stay as it was when those change.
FILTERS = ("kind", "model", "status", "actor", "request_id", "about")


def upgrade() -> None:
    _audit()
    op.create_table(
        "api_keys",
        sa.Column("id", sa.String(16)),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("label", sa.Text, nullable=False),
        sa.Column("created_us", sa.BigInteger, nullable=False),
        sa.Column("expires_us", sa.BigInteger),
        sa.Column("revoked_us", sa.BigInteger),
        sa.PrimaryKeyConstraint("id", name="pk_api_keys"),
    )


def _audit() -> None:
    op.create_table(
        "audit_writers",
        sa.Column("id", sa.String(32)),
        sa.Column("started_us", sa.BigInteger, nullable=False),
        sa.Column("engine_version", sa.Text, nullable=False),
        sa.Column("head_sequence", sa.BigInteger, nullable=False),
        sa.Column("head_hash", sa.String(64), nullable=False),
        sa.Column("anchored", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_audit_writers"),
    )
    op.create_table(
        "audit_records",
        sa.Column("writer", sa.String(32)),
        sa.Column("sequence", sa.BigInteger),
        sa.Column("previous", sa.String(64), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.Column("payload_digest", sa.String(64)),
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("time_us", sa.BigInteger, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("role", sa.Text),
        sa.Column("request_id", sa.Text),
        sa.Column("about", sa.String(36)),
        sa.Column("status", sa.Text),
        sa.Column("languages", sa.Text),
        sa.Column("model", sa.Text),
        sa.Column("version", sa.Text),
        sa.Column("model_sha256", sa.String(64)),
        sa.Column("spec_sha256", sa.String(64)),
        sa.Column("causal_sha256", sa.String(64)),
        sa.Column("engine", sa.Text),
        sa.Column("engine_version", sa.Text),
        sa.Column("seed", sa.BigInteger),
        sa.Column("latency_us", sa.BigInteger),
        sa.Column("detail", sa.Text),
        sa.PrimaryKeyConstraint("writer", "sequence", name="pk_audit_records"),
        sa.ForeignKeyConstraint(
            ["writer"], ["audit_writers.id"], name="fk_audit_records_audit_writers"
        ),
    )
    order = ["time_us", "writer", "sequence"]
    op.create_index("ix_audit_records_id", "audit_records", ["id"], unique=True)
    op.create_index("ix_audit_records_time", "audit_records", order)
    for column in FILTERS:
        op.create_index(f"ix_audit_records_{column}", "audit_records", [column, *order])
    by_writer = ["writer", "time_us", "sequence"]
    op.create_index("ix_audit_records_writer", "audit_records", by_writer)
    op.create_table(
        "audit_payloads",
        sa.Column("writer", sa.String(32)),
        sa.Column("sequence", sa.BigInteger),
        sa.Column("time_us", sa.BigInteger, nullable=False),
        sa.Column("salt", sa.LargeBinary, nullable=False),
        sa.Column("content", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("writer", "sequence", name="pk_audit_payloads"),
    )
    op.create_index("ix_audit_payloads_time", "audit_payloads", ["time_us"])
