"""Jobs and their rows."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "jobs",
        sa.Column("id", sa.String(36)),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("version", sa.Text, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("role", sa.Text),
        sa.Column("request_id", sa.Text),
        sa.Column("rows", sa.Integer, nullable=False),
        sa.Column("answered", sa.Integer, nullable=False),
        sa.Column("refused", sa.Integer, nullable=False),
        sa.Column("created_us", sa.BigInteger, nullable=False),
        sa.Column("started_us", sa.BigInteger),
        sa.Column("finished_us", sa.BigInteger),
        sa.PrimaryKeyConstraint("id", name="pk_jobs"),
    )
    op.create_table(
        "job_rows",
        sa.Column("job", sa.String(36)),
        sa.Column("number", sa.Integer),
        sa.Column("request", sa.LargeBinary),
        sa.Column("record", sa.String(36)),
        sa.Column("worker", sa.String(40)),
        sa.Column("leased_until_us", sa.BigInteger, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("job", "number", name="pk_job_rows"),
    )
    unanswered = sa.text("record IS NULL")
    for name, columns in (
        ("ix_job_rows_open", ["number", "job"]),
        ("ix_job_rows_worker", ["worker"]),
    ):
        op.create_index(
            name,
            "job_rows",
            columns,
            sqlite_where=unanswered,
            postgresql_where=unanswered,
        )
