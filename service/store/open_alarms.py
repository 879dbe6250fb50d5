"""All that is open, a few columns of each: what groups of alarms are made of; and when alarms were
raised, of which floods are made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from ifonly.service.lifecycle import AlarmState
from ifonly.service.store.alarms import AlarmFilter, list_query, state_of
from ifonly.service.store.database import Database
from ifonly.service.store.episodes import said_in
from ifonly.service.store.tables import episodes
from ifonly.service.store.visibility import episodes_within

MOST = 2_000
"""Open alarms that are grouped: the most urgent of more."""
MOST_TIMES = 10_000
"""Alarms of which the times are read: the newest of more."""
UNACKNOWLEDGED = frozenset({AlarmState.ACTIVE_UNACKNOWLEDGED, AlarmState.CLEARED_UNACKNOWLEDGED})


@dataclass(frozen=True, slots=True)
class OpenAlarm:
    """One of them."""

    id: str
    model: str
    equipment: str
    attributes: str
    """What tells the equipment from all other, as JSON."""
    state: AlarmState
    returns: int
    raised_us: int
    share: float | None
    """Probability of its newest alarm."""

    @property
    def is_unacknowledged(self) -> bool:
        """Whether it waits for somebody: not what is shelved or out of service."""
        return self.state in UNACKNOWLEDGED

    @property
    def said(self) -> Mapping[str, str]:
        """What tells the equipment from all other."""
        return said_in(self.attributes)


def open_alarms(
    database: Database, wanted: AlarmFilter, ranks: Mapping[str, int], now_us: int
) -> list[OpenAlarm]:
    """Those that are open, the most urgent first, :data:`MOST` at most.

    Raises
    ------
    StoreUnavailable, StoreDamaged
        If the store cannot be read.
    """
    with database.reading() as connection:
        rows = connection.execute(open_query(database, wanted, ranks, now_us)).all()
    return [
        OpenAlarm(
            row.id, row.model, row.equipment, row.attributes, AlarmState(row.state),
            row.returns, row.raised_us or 0, row.share,
        )
        for row in rows
    ]  # fmt: skip


def open_query(
    database: Database, wanted: AlarmFilter, ranks: Mapping[str, int], now_us: int
) -> sa.Select[Any]:
    """What :func:`open_alarms` asks."""
    of = episodes.c
    return (
        list_query(database, wanted, ranks, now_us)
        .with_only_columns(
            of.id, of.model, of.equipment, of.attributes, of.returns, of.raised_us, of.share,
            state_of(now_us).label("state"),
        )
        .limit(MOST)
    )  # fmt: skip


def raised(database: Database, since_us: int, until_us: int) -> list[int]:
    """When alarms were raised last, of those that were within this time; the newest first,
    :data:`MOST_TIMES` at most. One that returns counts once: what chatters makes no flood.

    Raises
    ------
    StoreUnavailable, StoreDamaged
        If the store cannot be read.
    """
    with database.reading() as connection:
        return list(connection.execute(raised_query(database, since_us, until_us)).scalars())


def raised_query(database: Database, since_us: int, until_us: int) -> sa.Select[Any]:
    """What :func:`raised` asks."""
    since, until = (sa.literal(t, sa.BigInteger) for t in (since_us, until_us))
    # Word for word as the index has it, or it is not used.
    chosen = sa.select(episodes.c.raised_us).where(
        sa.text("raised_us IS NOT NULL"),
        episodes.c.raised_us >= since,
        episodes.c.raised_us <= until,
    )
    newest = episodes.c.raised_us.desc()
    return episodes_within(database, chosen).order_by(newest).limit(MOST_TIMES)
