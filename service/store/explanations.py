"""Many explanations at once: those that wait for review, and those of a model in a period."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from ifonly.service.store import archive
from ifonly.service.store.chain import Payload, Record
from ifonly.service.store.chain_membership import held, standing, standing_only
from ifonly.service.store.database import Database
from ifonly.service.store.kinds import RecordKind
from ifonly.service.store.rows import octets, record_of
from ifonly.service.store.tables import PAGE_ORDER, records
from ifonly.service.store.visibility import within
from ifonly.service.store.withdrawals import in_force

NOTHING_TO_CHANGE = "already_target"
VERDICTS = ("approve", "reject")
"""What closes a review: an auditor's word."""
PIECE = 500
"""Explanations that are looked at at once."""
MOST_JUDGED = 20_000
"""That are passed over for one page."""


def unreviewed(
    database: Database,
    wanted: archive.Filter,
    cursor: str | None,
    limit: int,
    belongs: Callable[[Record], bool] | None = None,
) -> archive.Page:
    """Explanations that no auditor has judged (and which ``belongs`` wants), the newest first;
    otherwise as :func:`archive.page`. A verdict counts if its record stands in its chain, and if
    whoever gave it has not taken it back.

    No more than ``MOST_JUDGED`` are passed over: a page may have fewer than ``limit``, and lead on.
    """
    waiting: list[sa.Row[Any]] = []
    passed, after, piece = 0, cursor, limit + 1  # often the newest all wait
    while len(waiting) <= limit:
        asked = explained_query(wanted, after, piece)
        with database.reading() as connection:
            # The query reads one row too many: here a full piece tells that there may be more.
            rows = connection.execute(within(database, asked)).all()[:piece]
            judged = _judged(connection, [row.id for row in rows])
        kept = [row for row in rows if row.id not in judged]
        if belongs is not None:
            kept = [row for row in kept if belongs(record_of(row))]
        waiting += kept
        passed += len(rows) - len(kept)
        if len(rows) < piece:
            return _page(waiting, limit, None)
        after, piece = archive.cursor_of(rows[-1]), max(PIECE, limit + 1)
        if passed >= MOST_JUDGED:
            break
    return _page(waiting, limit, after)


def _page(waiting: Sequence[sa.Row[Any]], limit: int, after: str | None) -> archive.Page:
    """``after``: where to go on if all of them fit."""
    shown = waiting[:limit]
    if len(waiting) > limit:
        after = archive.cursor_of(shown[-1])
    return archive.page_with(shown, after)


def explained_query(wanted: archive.Filter, cursor: str | None, limit: int) -> sa.Select[Any]:
    """Explanations, judged or not."""
    only = replace(wanted, equal={**wanted.equal, "kind": RecordKind.EXPLANATION.value})
    chosen = archive.query(only, cursor, limit)
    if "status" not in wanted.equal:  # there is nothing to judge where nothing was to change
        chosen = chosen.where(records.c.status != NOTHING_TO_CHANGE)
    return chosen


def _judged(connection: sa.Connection, ids: Sequence[str]) -> set[str | None]:
    """Which of some explanations an auditor has judged, and has not taken it back."""
    told = in_force(standing_only(connection.execute(reviews_query(ids))))
    return {record.facts.about for record in told if record.facts.status in VERDICTS}


def reviews_query(ids: Sequence[str]) -> sa.Select[Any]:
    """Reviews of some explanations, oldest first."""
    # Joined to nothing, so that the kind's index is not used: few records are about one.
    is_review = records.c.kind + "" == RecordKind.REVIEW.value
    chosen = sa.select(records, standing()).where(records.c.about.in_(ids), is_review)
    return chosen.order_by(*PAGE_ORDER)


def reviews_of(database: Database, ids: Sequence[str]) -> list[Record]:
    """What was said of some explanations, oldest first; only what stands, withdrawals among it:
    :func:`ifonly.service.store.withdrawals.in_force` has what still counts."""
    found: list[Record] = []
    for start in range(0, len(ids), PIECE):
        with database.reading() as connection:
            asked = reviews_query(ids[start : start + PIECE])
            found += standing_only(connection.execute(asked))
    return found


def about_model(
    database: Database, kind: RecordKind, model: str, since_us: int, until_us: int
) -> Iterator[tuple[Record, Payload | None]]:
    """Records of one kind about a model in a period, oldest first, only those that hold; read in
    pieces."""
    for read in read_about_model(database, kind, model, since_us, until_us):
        entry = read.checked()
        if entry is not None:
            yield entry


class ReadRecord:
    """A record as it was read: what it says counts once it is checked, which costs most of it."""

    __slots__ = ("_row", "time_us")

    def __init__(self, row: sa.Row[Any]) -> None:
        self._row = row
        self.time_us: int = row.time_us

    @property
    def id(self) -> str:
        return str(self._row.id)

    @property
    def about(self) -> str | None:
        """The record that it is about."""
        found: str | None = self._row.about
        return found

    @property
    def content(self) -> bytes | None:
        """Of its payload; None: it was erased, or there was none."""
        return None if self._row.content is None else octets(self._row.content)

    def checked(self) -> tuple[Record, Payload | None] | None:
        """None: it is not what was sealed."""
        return held(self._row)


def read_about_model(
    database: Database, kind: RecordKind, model: str, since_us: int, until_us: int
) -> Iterator[ReadRecord]:
    """As :func:`about_model`, not checked yet: for who passes most of them over."""
    place: tuple[int, str, int] = (since_us - 1, "", 0)
    chosen = archive.whole().where(*_of(kind, model, since_us, until_us)).order_by(*PAGE_ORDER)
    while True:
        after = sa.tuple_(*PAGE_ORDER) > sa.tuple_(*archive.literals(*place))
        with database.reading() as connection:
            piece = within(database, chosen.where(after).limit(archive.PIECE))
            rows = connection.execute(piece).all()
        yield from map(ReadRecord, rows)
        if len(rows) < archive.PIECE:
            return
        place = (rows[-1].time_us, rows[-1].writer, rows[-1].sequence)


def newest_about_model(
    database: Database, kind: RecordKind, model: str, since_us: int, until_us: int, most: int
) -> list[tuple[Record, Payload | None]]:
    """The newest of :func:`about_model`, the newest first."""
    chosen = archive.whole().where(*_of(kind, model, since_us, until_us))
    ordered = chosen.order_by(*archive.NEWEST_FIRST).limit(most)
    with database.reading() as connection:
        rows = connection.execute(within(database, ordered)).all()
    return [entry for entry in map(held, rows) if entry is not None]


def count_about_model(
    database: Database, kind: RecordKind, model: str, since_us: int, until_us: int
) -> int:
    count = sa.select(sa.func.count()).select_from(records)
    chosen = within(database, count.where(*_of(kind, model, since_us, until_us)))
    with database.reading() as connection:
        return connection.scalar(chosen) or 0


def _of(
    kind: RecordKind, model: str, since_us: int, until_us: int
) -> tuple[sa.ColumnElement[bool], ...]:
    return (
        records.c.kind == kind.value,
        records.c.model == model,
        records.c.time_us >= sa.literal(since_us, sa.BigInteger),
        records.c.time_us < sa.literal(until_us, sa.BigInteger),
    )
