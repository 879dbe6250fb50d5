"""What deployed models were asked and said, sent as events; and what is still to be sent."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    op.create_table(
        "inference_events",
        sa.Column("key", sa.String(64)),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("role", sa.Text),
        sa.Column("scope", sa.Text),
        sa.Column("request_id", sa.Text),
        sa.Column("said", sa.Text, nullable=False),
        sa.Column("request", sa.LargeBinary),
        sa.Column("response", sa.LargeBinary),
        sa.Column("received_us", sa.BigInteger, nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("worker", sa.String(40), nullable=False),
        sa.Column("leased_until_us", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_inference_events"),
    )
    op.create_index(
        "ix_inference_events_unsorted",
        "inference_events",
        ["state", "received_us"],
        sqlite_where=sa.text("state != 'sorted'"),
        postgresql_where=sa.text("state != 'sorted'"),
    )
    op.create_table(
        "outbox",
        sa.Column("id", sa.String(36)),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("job", sa.String(36), nullable=False),
        sa.Column("number", sa.Integer),
        sa.Column("target", sa.Text),
        sa.Column("context", sa.Text, nullable=False),
        sa.Column("record", sa.String(36)),
        sa.Column("created_us", sa.BigInteger, nullable=False),
        sa.Column("due_us", sa.BigInteger, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("worker", sa.String(40), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_outbox"),
    )
    op.create_index("ix_outbox_state", "outbox", ["state", "due_us"])
    op.create_index("ix_outbox_job", "outbox", ["job", "number"])
