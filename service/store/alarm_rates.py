"""How many rows each version has decided by the hour, and how many of them were alarms.

Counted as predictions are recorded: a share over weeks is read from a few hundred rows, not from a
million records. Derived from records, which are the evidence; a process that is killed loses what
it had counted in its last seconds.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

import sqlalchemy as sa

from ifonly.service.store.chain import Facts
from ifonly.service.store.database import Database
from ifonly.service.store.kinds import RecordKind
from ifonly.service.store.tables import alarm_rates, records
from ifonly.service.store.visibility import within

HOUR_US = 3_600_000_000
MOST_REMEMBERED = 50_000
"""Hours of versions; far more than a process lives to see."""

_Key = tuple[str, str, int]
"""Model, version, and when the hour began."""


@dataclass(frozen=True, slots=True)
class Decided:
    """What a record of predictions says of its rows."""

    rows: int
    alarms: int


class RateCounts:
    """Counts of one process, written with its records: at once where ``seconds`` is 0, else some
    seconds later, together. Totals are written, not steps: a transaction that is tried again
    counts nothing twice, and no other process writes these rows."""

    def __init__(self, writer: str, seconds: float) -> None:
        self._writer, self._seconds = writer, seconds
        self._totals: dict[_Key, Decided] = {}
        self._unwritten: set[_Key] = set()
        self._since = 0.0
        self._next: tuple[dict[_Key, Decided], set[_Key]] | None = None

    @property
    def due(self) -> float:
        """When what waits must be written, by ``time.monotonic``."""
        return self._since + self._seconds if self._unwritten else math.inf

    def write(self, connection: sa.Connection, seen: Iterable[tuple[Facts, Decided]]) -> None:
        """Count ``seen``, and write what is due; valid once :meth:`keep` is called."""
        totals: dict[_Key, Decided] = {}
        for facts, decided in seen:
            if facts.model is None or facts.version is None:
                continue
            key = facts.model, facts.version, facts.time_us // HOUR_US * HOUR_US
            before = totals.get(key) or self._totals.get(key) or Decided(0, 0)
            totals[key] = Decided(before.rows + decided.rows, before.alarms + decided.alarms)
        unwritten = self._unwritten | totals.keys()
        is_due = self._seconds <= 0 or time.monotonic() >= self.due
        if unwritten and is_due:
            self._put(connection, {key: totals.get(key) or self._totals[key] for key in unwritten})
            unwritten = set()
        self._next = totals, unwritten

    def flush(self, connection: sa.Connection) -> None:
        """As :meth:`write`: all that waits."""
        self._put(connection, {key: self._totals[key] for key in self._unwritten})
        self._next = {}, set()

    def keep(self) -> None:
        """The transaction of the last :meth:`write` is durable."""
        if self._next is None:
            return
        totals, unwritten = self._next
        if unwritten and not self._unwritten:
            self.postpone()
        self._totals |= totals
        self._unwritten = unwritten
        self._next = None
        if len(self._totals) > MOST_REMEMBERED:
            oldest = sorted(self._totals.keys() - unwritten, key=lambda key: key[2])
            for key in oldest[: MOST_REMEMBERED // 2]:
                del self._totals[key]

    def postpone(self) -> None:
        """What waits is due as long from now as if it had come just now."""
        self._since = time.monotonic()

    def _put(self, connection: sa.Connection, counts: Mapping[_Key, Decided]) -> None:
        # Sorted: of two processes none waits for the other, as each has rows of its own.
        rows = [
            (model, hour, version, self._writer, decided.rows, decided.alarms)
            for (model, version, hour), decided in sorted(counts.items())
        ]
        if rows:
            mark = "?" if connection.dialect.name == "sqlite" else "%s"
            connection.exec_driver_sql(_UPSERT.replace("?", mark), rows)


_UPSERT = (
    "INSERT INTO alarm_rates (model, hour_us, version, writer, decided, alarms) "
    "VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (model, hour_us, version, writer) "
    "DO UPDATE SET decided = excluded.decided, alarms = excluded.alarms"
)


# --- readings -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class HourlyRate:
    """What one version decided within one hour."""

    hour_us: int
    version: str
    decided: int
    alarms: int


def hourly(database: Database, model: str, since_us: int, until_us: int) -> list[HourlyRate]:
    """Of each hour that begins within the time, oldest first, each version that was asked.

    Raises
    ------
    StoreUnavailable, StoreDamaged
        If the store cannot be read.
    """
    with database.reading() as connection:
        found = connection.execute(hours_query(model, since_us, until_us)).all()
    return [
        HourlyRate(_whole(hour), version, _whole(decided), _whole(alarms))
        for hour, version, decided, alarms in found
    ]


def hours_query(model: str, since_us: int, until_us: int) -> sa.Select[Any]:
    """What :func:`hourly` asks."""
    table = alarm_rates.c
    return (
        sa.select(
            table.hour_us, table.version, sa.func.sum(table.decided), sa.func.sum(table.alarms)
        )
        .where(table.model == model, table.hour_us >= since_us, table.hour_us < until_us)
        .group_by(table.hour_us, table.version)
        .order_by(table.hour_us, table.version)
    )


def _whole(value: Any) -> int:
    # PostgreSQL sums to a Decimal; what somebody has written into the table is no count.
    return int(value) if isinstance(value, int) or hasattr(value, "as_tuple") else 0


ChangeStatus = Literal["activated", "rolled_back", "uploaded"]
CHANGES: Mapping[str, ChangeStatus] = {each: each for each in get_args(ChangeStatus)}
"""Statuses of records of the kind ``model`` by which another version may be asked."""


@dataclass(frozen=True, slots=True)
class VersionChange:
    """That another version was asked from then on."""

    time_us: int
    version: str
    status: ChangeStatus
    record: str


MOST_CHANGES = 200


def changes(database: Database, model: str, since_us: int, until_us: int) -> list[VersionChange]:
    """When another version was asked, within the time, oldest first; of more than 200 the newest.

    Raises
    ------
    StoreUnavailable, StoreDamaged
        If the store cannot be read.
    """
    with database.reading() as connection:
        chosen = within(database, changes_query(model, since_us, until_us))
        found = connection.execute(chosen).all()
    return [
        VersionChange(row.time_us, row.version, CHANGES[row.status], row.id)
        for row in reversed(found)
    ]


def changes_query(model: str, since_us: int, until_us: int) -> sa.Select[Any]:
    """What :func:`changes` asks."""
    return (
        sa.select(records.c.time_us, records.c.version, records.c.status, records.c.id)
        .where(
            records.c.kind == RecordKind.MODEL.value,
            records.c.model == model,
            records.c.time_us >= since_us,
            records.c.time_us < until_us,
            # Joined to nothing: the index by kind and model is the one to read from.
            (records.c.status + "").in_(CHANGES),
            records.c.version.is_not(None),
        )
        .order_by(records.c.time_us.desc(), records.c.writer.desc(), records.c.sequence.desc())
        .limit(MOST_CHANGES)
    )
