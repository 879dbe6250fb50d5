"""What auditors look through: what is unproven, what is fragile, and upkeep."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"

ORDER = ["time_us", "writer", "sequence"]
LISTING = (
    "CASE WHEN kind = 'explanation' "
    "AND status IN ('feasible', 'unknown', 'abstained') THEN 'unproven' "
    "WHEN kind IN ('anchor', 'key', 'job', 'model', 'sign_in', 'access', 'hold', "
    "'erasure', 'bulk') THEN 'upkeep' ELSE '' END"
)
FRAGILE = (
    "CASE WHEN kind = 'explanation' "
    "AND replace(detail, '\"robust\"\\:0', '') <> detail "
    "THEN 'fragile' ELSE '' END"
)


def upgrade() -> None:
    for name, found in (("unproven", LISTING), ("upkeep", LISTING), ("fragile", FRAGILE)):
        where = sa.text(f"{found} = '{name}'")
        op.create_index(
            f"ix_audit_records_{name}",
            "audit_records",
            ORDER,
            sqlite_where=where,
            postgresql_where=where,
        )
