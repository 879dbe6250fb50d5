"""Episodes: what their smallest answer sets, which way was done, several of one record."""

from __future__ import annotations

import json
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"

_RAISED = sa.text("raised_us IS NOT NULL")
_EXPLAINED = sa.text(
    "SELECT episodes.id, audit_payloads.content FROM episodes "
    "JOIN audit_records ON audit_records.id = episodes.explained "
    "JOIN audit_payloads ON audit_payloads.writer = audit_records.writer "
    "AND audit_payloads.sequence = audit_records.sequence"
)


def upgrade() -> None:
    op.add_column("episodes", sa.Column("raised_by", sa.String(36)))
    op.add_column("episodes", sa.Column("levers", sa.Text))
    op.add_column("episodes", sa.Column("way", sa.Text))
    op.drop_index("ix_episodes_raised", "episodes")
    for name, columns in (
        ("raised", ["raised_us", "id", "is_open", "model", "equipment", "levers"]),
        ("equipment", ["equipment", "raised_us", "id"]),
    ):
        op.create_index(
            f"ix_episodes_{name}",
            "episodes",
            columns,
            sqlite_where=_RAISED,
            postgresql_where=_RAISED,
        )
    connection = op.get_bind()
    found = [(id, _levers(content)) for id, content in connection.execute(_EXPLAINED)]
    told = [{"own": id, "levers": levers} for id, levers in found if levers is not None]
    if told:
        update = sa.text("UPDATE episodes SET levers = :levers WHERE id = :own")
        connection.execute(update, told)


def _levers(content: bytes) -> str | None:
    """A line for each feature that the first answer sets; whoever has written into the store must
    not keep it from being upgraded."""
    try:
        answer: Any = json.loads(content)["answer"]
        first = answer["counterfactuals"][0]
        names = [str(each["feature"]) for each in first["actions"]]
    except (ValueError, LookupError, TypeError):
        return None
    is_advice = answer.get("semantics") != "backtracking"
    return "\n" + "\n".join(names) + "\n" if names and is_advice else None
