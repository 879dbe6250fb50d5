"""What operators look at: recent predictions, alarms apart."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

ORDER = ["time_us", "writer", "sequence"]
LIST = (
    "CASE WHEN about IS NOT NULL THEN '' "
    "WHEN kind = 'prediction' AND status = 'alarm' THEN 'alarms' "
    "WHEN kind = 'explanation' AND status <> 'already_target' "
    "THEN 'alarms' WHEN kind IN ('prediction', 'explanation') THEN 'others' "
    "ELSE '' END"
)


def upgrade() -> None:
    for name in ("alarms", "others"):
        where = sa.text(f"{LIST} = '{name}'")
        op.create_index(
            f"ix_audit_records_{name}",
            "audit_records",
            ORDER,
            sqlite_where=where,
            postgresql_where=where,
        )
