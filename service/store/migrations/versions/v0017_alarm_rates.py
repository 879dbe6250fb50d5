"""How many rows each version has decided by the hour, and how many were alarms."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"

HOUR_US = 3_600_000_000


def upgrade() -> None:
    op.create_table(
        "alarm_rates",
        sa.Column("model", sa.Text, primary_key=True),
        sa.Column("hour_us", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("version", sa.Text, primary_key=True),
        sa.Column("writer", sa.String(32), primary_key=True),
        sa.Column("decided", sa.BigInteger, nullable=False),
        sa.Column("alarms", sa.BigInteger, nullable=False),
    )
    # What was recorded before: the row of a record says whether one of its rows was an alarm, so
    # each counts as one.
    op.execute(
        f"""
        INSERT INTO alarm_rates (model, hour_us, version, writer, decided, alarms)
        SELECT model, time_us / {HOUR_US} * {HOUR_US}, version, writer, COUNT(*),
               SUM(CASE WHEN status = 'alarm' THEN 1 ELSE 0 END)
        FROM audit_records
        WHERE kind = 'prediction' AND about IS NULL AND status IN ('alarm', 'no_alarm')
              AND model IS NOT NULL AND version IS NOT NULL
        GROUP BY model, time_us / {HOUR_US}, version, writer
        """
    )
