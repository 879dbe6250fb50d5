"""Heads of other logs, as this service has cosigned them: the last one of each."""

from __future__ import annotations

import sqlalchemy as sa

from ifonly.service.store.chain import now_us
from ifonly.service.store.journal import UnrecordedWrite
from ifonly.service.store.tables import witnessed_logs
from ifonly.service.transparency.verifier import Checkpoint
from ifonly.service.transparency.witnessing import (
    NOTHING,
    AddCheckpointRequest,
    CosignedHead,
    NotWitnessed,
    OtherSize,
    follows,
)


def take(
    shown: AddCheckpointRequest, checkpoint: Checkpoint
) -> UnrecordedWrite[NotWitnessed | OtherSize | None]:
    """The change that keeps a head, if it begins with the one that was kept; why not, else.

    Looked at and kept in one transaction, or two at once could set it back.
    """

    def change(connection: sa.Connection) -> NotWitnessed | OtherSize | None:
        try:
            follows(shown, checkpoint, _seen(connection, checkpoint.origin))
        except (NotWitnessed, OtherSize) as why:
            return why
        values = {
            "origin": checkpoint.origin,
            "size": checkpoint.size,
            "root": checkpoint.root,
            "note": str(shown.note),
            "time_us": now_us(),
        }
        kept = connection.execute(
            sa.update(witnessed_logs)
            .where(witnessed_logs.c.origin == checkpoint.origin)
            .where(witnessed_logs.c.size == shown.old)
            .values(values)
        )
        if kept.rowcount != 1:  # two first heads at once: the second one fails by its key
            connection.execute(sa.insert(witnessed_logs).values(values))
        return None

    return change


def _seen(connection: sa.Connection, origin: str) -> CosignedHead:
    chosen = sa.select(witnessed_logs.c.size, witnessed_logs.c.root).where(
        witnessed_logs.c.origin == origin
    )
    row = connection.execute(chosen.with_for_update()).one_or_none()
    return NOTHING if row is None else CosignedHead(row.size, bytes(row.root))
