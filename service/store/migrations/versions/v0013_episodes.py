"""Episodes: what alarms of one piece of equipment are grouped by."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    op.create_table(
        "episodes",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("condition", sa.String(64), nullable=False),
        sa.Column("is_current", sa.Boolean, nullable=False),
        sa.Column("is_open", sa.Boolean, nullable=False),
        *(
            sa.Column(name, sa.Text, nullable=False)
            for name in ("model", "version", "equipment", "attributes", "phase")
        ),
        sa.Column("acknowledged", sa.Boolean, nullable=False),
        *(
            sa.Column(name, sa.BigInteger, nullable=False)
            for name in ("began_us", "seen_us", "count", "returns")
        ),
        sa.Column("chattering", sa.Boolean, nullable=False),
        *(sa.Column(name, sa.BigInteger) for name in ("raised_us", "cleared_us", "turned_us")),
        sa.Column("waiting", sa.BigInteger, nullable=False),
        sa.Column("shelved_until_us", sa.BigInteger),
        sa.Column("out_of_service", sa.Boolean, nullable=False),
        sa.Column("record", sa.String(36), nullable=False),
        sa.Column("row", sa.Integer, nullable=False),
        sa.Column("share", sa.Double),
        sa.Column("reading", sa.String(64)),
        sa.Column("told_by", sa.Text, nullable=False),
        sa.Column("explained", sa.String(36)),
        sa.Column("actor", sa.Text),
        sa.Column("action", sa.Text),
        sa.Column("acted_us", sa.BigInteger),
    )
    for name, columns, which, is_unique in (
        ("current", ["condition"], "is_current", True),
        ("open", ["id"], "is_open", False),
        ("raised", ["raised_us", "id"], "raised_us IS NOT NULL", False),
    ):
        where = sa.text(which)
        op.create_index(
            f"ix_episodes_{name}",
            "episodes",
            columns,
            unique=is_unique,
            sqlite_where=where,
            postgresql_where=where,
        )
