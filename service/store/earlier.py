"""What was predicted of one piece of equipment just before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import sqlalchemy as sa

from ifonly.service.store.archive import NEWEST_FIRST, whole
from ifonly.service.store.chain import Payload, Record
from ifonly.service.store.chain_membership import holds
from ifonly.service.store.database import Database
from ifonly.service.store.kinds import RecordKind
from ifonly.service.store.rows import payload_of, record_of
from ifonly.service.store.tables import records
from ifonly.service.store.visibility import says, within

HOUR_US = 3_600_000_000
MOST_LOOKED_AT = 2_000
"""Predictions of the model, of all its equipment, the newest of the hour: no index tells equipment
apart. Of 200 machines that are predicted every ten seconds it is the last two minutes."""
MOST_READ = 60
"""Of those of the equipment: more than a small drawing shows."""


def earlier(
    database: Database, of: Record, said: Mapping[str, str]
) -> list[tuple[Record, Payload]]:
    """Predictions of the hour before ``of``, by the same model, whose requests said ``said``, the
    oldest first; of more than :data:`MOST_READ` some, the first and the last among them. Without
    what was erased, or is not as it was recorded.

    Raises
    ------
    StoreUnavailable, StoreDamaged
        If the store cannot be read.
    """
    with database.reading() as connection:
        found = connection.execute(within(database, query(database, of, said))).scalars().all()
        places = np.linspace(0, len(found) - 1, min(MOST_READ, len(found))).round().astype(int)
        some = [found[k] for k in sorted({*places.tolist()})]
        chosen = whole().where(records.c.id.in_(some)).order_by(*NEWEST_FIRST)
        rows = connection.execute(chosen).all() if some else ()
    kept = [(record_of(row), payload_of(row)) for row in reversed(rows) if holds(row)]
    return [(record, payload) for record, payload in kept if payload is not None]


def query(database: Database, of: Record, said: Mapping[str, str]) -> sa.Select[Any]:
    """Ids, the newest first: what :func:`earlier` asks."""
    newest = (
        sa.select(records.c.writer, records.c.sequence)
        .where(
            records.c.kind == RecordKind.PREDICTION.value,
            records.c.model == of.facts.model,
            records.c.time_us > of.facts.time_us - HOUR_US,
            records.c.time_us <= of.facts.time_us,
        )
        .order_by(*NEWEST_FIRST)
        .limit(MOST_LOOKED_AT)
        .subquery()
    )
    same = (records.c.writer == newest.c.writer) & (records.c.sequence == newest.c.sequence)
    return (
        sa.select(records.c.id)
        .select_from(newest.join(records, same))
        # Rows of jobs may be of last year.
        .where(records.c.about.is_(None))
        .where(says(database, records, said))
        .order_by(*NEWEST_FIRST)
    )
