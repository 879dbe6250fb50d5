"""Explanations of a period, whoever asked for them, and samples that were drawn of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import sqlalchemy as sa

from ifonly.service.store import archive
from ifonly.service.store.chain import Record
from ifonly.service.store.chain_membership import standing, standing_only
from ifonly.service.store.database import Database
from ifonly.service.store.kinds import RecordKind
from ifonly.service.store.tables import PAGE_ORDER, records, writers

PIECE = 2_000


def ends(database: Database) -> Mapping[str, int]:
    """How many records each chain has now.

    Raises
    ------
    StoreUnavailable, StoreDamaged
        If the store cannot be read.
    """
    with database.reading() as connection:
        rows = connection.execute(sa.select(writers.c.id, writers.c.head_sequence)).all()
    return {str(writer): end for writer, end in rows if type(end) is int}


def explained(
    database: Database, model: str | None, since_us: int, until_us: int
) -> Iterator[Record]:
    """Explanations of a period, oldest first; only those that stand, whatever their claim.

    Raises
    ------
    StoreUnavailable, StoreDamaged
        If the store cannot be read.
    """
    # Before every record of that time: no chain has an empty name.
    place: tuple[int, str, int] = (since_us, "", 0)
    while True:
        with database.reading() as connection:
            rows = connection.execute(piece_query(model, place, until_us)).all()
        yield from standing_only(rows)
        if len(rows) < PIECE:
            return
        place = (rows[-1].time_us, rows[-1].writer, rows[-1].sequence)


def piece_query(model: str | None, after: tuple[int, str, int], until_us: int) -> sa.Select[Any]:
    """The next of them."""
    chosen = sa.select(records, standing()).where(*_of(model))
    chosen = chosen.where(
        sa.tuple_(*PAGE_ORDER) > sa.tuple_(*archive.literals(*after)),
        records.c.time_us < sa.literal(until_us, sa.BigInteger),
    )
    return chosen.order_by(*PAGE_ORDER).limit(PIECE)


def count(database: Database, model: str | None, since_us: int, until_us: int, most: int) -> int:
    """How many there are, no more than ``most`` counted.

    Raises
    ------
    StoreUnavailable, StoreDamaged
        If the store cannot be read.
    """
    with database.reading() as connection:
        asked = count_query(model, since_us, until_us, most)
        return int(connection.execute(asked).scalar_one())


def count_query(model: str | None, since_us: int, until_us: int, most: int) -> sa.Select[Any]:
    """What :func:`count` asks."""
    some = sa.select(records.c.time_us).where(
        *_of(model),
        records.c.time_us >= sa.literal(since_us, sa.BigInteger),
        records.c.time_us < sa.literal(until_us, sa.BigInteger),
    )
    return sa.select(sa.func.count()).select_from(some.limit(most).subquery())


def _of(model: str | None) -> tuple[sa.ColumnElement[bool], ...]:
    is_explanation = records.c.kind == RecordKind.EXPLANATION.value
    return (is_explanation,) if model is None else (is_explanation, records.c.model == model)


def own_reviews(database: Database, actor: str, since_us: int, most: int) -> list[Record]:
    """What somebody said of explanations since a time, oldest first, of the ``most`` newest
    reviews; only what stands.

    Raises
    ------
    StoreUnavailable, StoreDamaged
        If the store cannot be read.
    """
    with database.reading() as connection:
        rows = connection.execute(own_reviews_query(since_us, most)).all()
    return [r for r in reversed(list(standing_only(rows))) if r.facts.actor == actor]


def own_reviews_query(since_us: int, most: int) -> sa.Select[Any]:
    """The newest reviews of anybody: people give few, and whoever gives them has many records."""
    chosen = sa.select(records, standing()).where(
        records.c.kind == RecordKind.REVIEW.value,
        records.c.time_us >= sa.literal(since_us, sa.BigInteger),
    )
    return chosen.order_by(*archive.NEWEST_FIRST).limit(most)
