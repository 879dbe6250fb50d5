"""Lists of jobs; and the record of a job's end, found without those that answer its rows."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    op.add_column("jobs", sa.Column("statuses", sa.Text))
    op.create_index("ix_jobs_created", "jobs", ["created_us", "id"])
    op.create_index("ix_jobs_actor", "jobs", ["actor", "created_us", "id"])
    where = sa.text("kind = 'job'")
    op.create_index(
        "ix_audit_records_job",
        "audit_records",
        ["about"],
        sqlite_where=where,
        postgresql_where=where,
    )
