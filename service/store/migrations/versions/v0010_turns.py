"""Open jobs by actor, and open rows by job: a claim looks at no answered row."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.drop_index("ix_job_rows_open", "job_rows")
    for name, table, columns, is_open in (
        ("ix_job_rows_open", "job_rows", ["job", "number"], "record IS NULL"),
        ("ix_jobs_open", "jobs", ["actor", "created_us"], "finished_us IS NULL"),
    ):
        where = sa.text(is_open)
        op.create_index(name, table, columns, sqlite_where=where, postgresql_where=where)
