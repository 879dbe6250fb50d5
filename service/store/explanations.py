"""Many explanations at once: those that wait for review, and those of a model in a period."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from service.store import archive
from service.store.chain import Kind, Payload, Record
from service.store.database import Database
from service.store.rows import payload_of, record_of
from service.store.sight import within
from service.store.tables import PAGE_ORDER, records

NOTHING_TO_CHANGE = "already_target"
VERDICTS = ("approve", "reject")
"""What closes a review: an auditor's word."""


def unreviewed(
    database: Database, wanted: archive.Filter, cursor: str | None, limit: int
) -> archive.Page:
    """Explanations that no auditor has judged, the newest first; otherwise as
    :func:`archive.page`."""
    return archive.page_of(database, unreviewed_query(wanted, cursor, limit), limit)


def unreviewed_query(wanted: archive.Filter, cursor: str | None, limit: int) -> sa.Select[Any]:
    """What :func:`unreviewed` asks."""
    review = records.alias()
    # Joined to nothing, so that no index on the verdict is used: few records are about one.
    said = (review.c.status + "").in_(VERDICTS)
    judged = sa.exists().where(review.c.about == records.c.id, said)
    only = replace(wanted, equal={**wanted.equal, "kind": Kind.EXPLANATION.value})
    chosen = archive.query(only, cursor, limit).where(~judged)
    if "status" not in wanted.equal:  # there is nothing to judge where nothing was to change
        chosen = chosen.where(records.c.status != NOTHING_TO_CHANGE)
    return chosen


def reviews_of(database: Database, ids: Sequence[str]) -> list[Record]:
    """What was said of some explanations, oldest first."""
    chosen = sa.select(records).where(records.c.about.in_(ids)).order_by(*PAGE_ORDER)
    with database.reading() as connection:
        rows = connection.execute(chosen).all()
    return [record_of(row) for row in rows if row.kind == Kind.REVIEW.value]


def about_model(
    database: Database, kind: Kind, model: str, since_us: int, until_us: int
) -> Iterator[tuple[Record, Payload | None]]:
    """Records of one kind about a model in a period, oldest first; read in pieces."""
    place: tuple[int, str, int] = (since_us - 1, "", 0)
    chosen = archive.whole().where(*_of(kind, model, since_us, until_us)).order_by(*PAGE_ORDER)
    while True:
        after = sa.tuple_(*PAGE_ORDER) > sa.tuple_(*archive.literals(*place))
        with database.reading() as connection:
            piece = within(database, chosen.where(after).limit(archive.PIECE))
            rows = connection.execute(piece).all()
        for row in rows:
            yield record_of(row), payload_of(row)
        if len(rows) < archive.PIECE:
            return
        place = (rows[-1].time_us, rows[-1].writer, rows[-1].sequence)


def count_about_model(
    database: Database, kind: Kind, model: str, since_us: int, until_us: int
) -> int:
    count = sa.select(sa.func.count()).select_from(records)
    chosen = within(database, count.where(*_of(kind, model, since_us, until_us)))
    with database.reading() as connection:
        return connection.scalar(chosen) or 0


def _of(kind: Kind, model: str, since_us: int, until_us: int) -> tuple[sa.ColumnElement[bool], ...]:
    return (
        records.c.kind == kind.value,
        records.c.model == model,
        records.c.time_us >= sa.literal(since_us, sa.BigInteger),
        records.c.time_us < sa.literal(until_us, sa.BigInteger),
    )
