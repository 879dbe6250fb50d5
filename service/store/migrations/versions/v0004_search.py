"""Finding records by language, and those of one kind about one model."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

ORDER = ["time_us", "writer", "sequence"]
SPOKEN = {
    "ko": "languages IN ('ko', 'ko,ko', 'ko,en', 'en,ko')",
    "en": "languages IN ('en', 'en,en', 'ko,en', 'en,ko')",
}


def upgrade() -> None:
    by_model = ["kind", "model", *ORDER]
    op.create_index("ix_audit_records_kind_model", "audit_records", by_model)
    for tag, condition in SPOKEN.items():
        where = sa.text(condition)
        op.create_index(
            f"ix_audit_records_{tag}",
            "audit_records",
            ORDER,
            sqlite_where=where,
            postgresql_where=where,
        )
