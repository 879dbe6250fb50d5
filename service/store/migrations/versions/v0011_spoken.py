"""Records by language whatever the languages are: the tag is text, and says nothing of the others.

The indexes of :mod:`v0004_search` listed the combinations of two languages. Those by language are
made by :func:`ifonly.service.store.migrate.upgrade`, one for each that this version speaks: a
further language needs no migration.
"""

from __future__ import annotations

from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    for tag in ("ko", "en"):
        op.drop_index(f"ix_audit_records_{tag}", "audit_records")
