"""What operators look at: recent predictions, the alarms apart from the others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import sqlalchemy as sa

from ifonly.service.store.archive import NEWEST_FIRST, newest_first, read_page, whole
from ifonly.service.store.chain import Payload, Record
from ifonly.service.store.chain_membership import holds
from ifonly.service.store.database import Database
from ifonly.service.store.rows import payload_of, record_of
from ifonly.service.store.tables import RECENT, records
from ifonly.service.store.visibility import within

Which = Literal["alarms", "others"]
LISTS: tuple[Which, ...] = ("alarms", "others")


@dataclass(frozen=True, slots=True)
class Recent:
    """A page of them, the newest first."""

    entries: tuple[tuple[Record, Payload | None], ...]
    next: str | None
    """Cursor of the page after this one; None at the end."""
    doubtful: int
    """Left out: they are not what was recorded."""


def recent(database: Database, which: Which, cursor: str | None, limit: int) -> Recent:
    """Records of predictions, and of explanations that were asked for outright.

    Raises
    ------
    InvalidCursor
        If the cursor is none that a page gave.
    StoreUnavailable, StoreDamaged
        If the store cannot be read.
    """
    rows, after = read_page(database, query(which, cursor, limit), limit)
    sound = [row for row in rows if holds(row)]
    return Recent(
        tuple((record_of(row), payload_of(row)) for row in sound), after, len(rows) - len(sound)
    )


def query(which: Which, cursor: str | None, limit: int) -> sa.Select[Any]:
    """What :func:`recent` asks."""
    return newest_first(whole().where(*_in(which)), cursor, limit)


def newest(database: Database) -> str:
    """Something that changes with every new entry of either list.

    Raises
    ------
    StoreUnavailable, StoreDamaged
        If the store cannot be read.
    """
    with database.reading() as connection:
        found = [connection.execute(within(database, newest_of(which))).scalar() for which in LISTS]
    return "/".join(str(identity) for identity in found)


def newest_of(which: Which) -> sa.Select[Any]:
    """The first of a list."""
    return sa.select(records.c.id).where(*_in(which)).order_by(*NEWEST_FIRST).limit(1)


def _in(which: Which) -> tuple[Any, ...]:
    # A time, any: the index is then entered at its end, not walked through from it.
    return RECENT[which], records.c.time_us > 0
