"""Which models, and which attributes of requests, a key and a session are for."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    for table in ("api_keys", "sessions"):
        op.add_column(table, sa.Column("scope", sa.Text))
