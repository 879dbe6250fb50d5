"""Alarms as people look at them: one, lists of them, counts, rates."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from ifonly.service.errors import UnknownRecord
from ifonly.service.lifecycle import AlarmState, Life, Phase
from ifonly.service.store import archive
from ifonly.service.store.chain import (
    Payload,
    Record,
)
from ifonly.service.store.chain_membership import held
from ifonly.service.store.database import Database
from ifonly.service.store.episodes import (
    Episode,
    episode_of,
    framed,
    unframed,
)
from ifonly.service.store.tables import episodes, records
from ifonly.service.store.visibility import episodes_within, within

HOUR_US = 3_600_000_000
HISTORY_US = 7 * 24 * HOUR_US
"""How far back those that are over are listed."""


SORTS = ("urgency", "raised", "equipment", "probability", "count")


@dataclass(frozen=True, slots=True)
class AlarmFilter:
    """Which episodes; every condition that is given holds."""

    state: AlarmState | None = None
    """:attr:`AlarmState.NORMAL`: those that are over, of the last days; None: all that are open."""
    model: str | None = None
    search: str = ""
    """Part of what the equipment is called, or of another attribute."""
    sort: str = "urgency"
    equipment: str | None = None
    """What it is called, whole."""
    lever: str | None = None
    """One that the smallest answer of the newest explanation sets."""
    group: tuple[str, str] | None = None
    """``equipment``, ``model`` or the name of an attribute, and what it is, whole."""
    raised_us: tuple[int, int] | None = None
    """Raised last from then, inclusive, until then, exclusive."""


EVERY = AlarmFilter()


@dataclass(frozen=True, slots=True)
class EpisodePage:
    """Some of them, and how many there are."""

    episodes: tuple[Episode, ...]
    total: int
    """That are wanted."""
    counts: Mapping[AlarmState, int]
    """Of all open ones, by state."""


def page(
    database: Database,
    wanted: AlarmFilter,
    ranks: Mapping[str, int],
    now_us: int,
    number: int,
    size: int,
) -> EpisodePage:
    """``ranks``: of models' priorities, the most urgent highest; ``number``: from 1.

    Raises
    ------
    StoreUnavailable, StoreDamaged
        If the store cannot be read.
    """
    with database.snapshot() as connection:
        counts = {
            AlarmState(state): count
            for state, count in connection.execute(counts_query(database, now_us))
        }
        total = connection.scalar(total_query(database, wanted, now_us)) or 0
        chosen = list_query(database, wanted, ranks, now_us).limit(size).offset(size * (number - 1))
        found = connection.execute(chosen).mappings().all()
    return EpisodePage(tuple(episode_of({**row}) for row in found), total, counts)


def counts_query(database: Database, now_us: int) -> sa.Select[Any]:
    """Open episodes by state."""
    state = state_of(now_us).label("state")
    counted: list[sa.ColumnElement[Any]] = [state, sa.func.count()]
    chosen = sa.select(*counted).where(sa.text("is_open"))
    return episodes_within(database, chosen).group_by(state)


def standing(database: Database, now_us: int) -> list[tuple[str, str, str, int]]:
    """Model, equipment, state, and how many episodes of it are open.

    Raises
    ------
    StoreUnavailable, StoreDamaged
        If the store cannot be read.
    """
    with database.reading() as connection:
        rows = connection.execute(standing_query(database, now_us))
        return [(model, equipment, state, count) for model, equipment, state, count in rows]


def standing_query(database: Database, now_us: int) -> sa.Select[Any]:
    """Open episodes by model, equipment and state."""
    of: list[sa.ColumnElement[Any]] = [
        episodes.c.model, episodes.c.equipment, state_of(now_us).label("state")
    ]  # fmt: skip
    chosen = sa.select(*of, sa.func.count()).where(sa.text("is_open"))
    return episodes_within(database, chosen).group_by(*of)


def total_query(database: Database, wanted: AlarmFilter, now_us: int) -> sa.Select[Any]:
    """How many there are."""
    count = sa.select(sa.func.count()).select_from(episodes)
    return episodes_within(database, count.where(*_conditions(database, wanted, now_us)))


def list_query(
    database: Database, wanted: AlarmFilter, ranks: Mapping[str, int], now_us: int
) -> sa.Select[Any]:
    """All of them, in order."""
    chosen = sa.select(episodes).where(*_conditions(database, wanted, now_us))
    newest = (episodes.c.raised_us.desc(), episodes.c.id.desc())
    if wanted.state is AlarmState.NORMAL and wanted.sort in ("urgency", "raised"):
        return episodes_within(database, chosen).order_by(*newest)
    rank: sa.ColumnElement[Any] = sa.literal(0)
    if ranks:
        rank = sa.case(*((episodes.c.model == m, r) for m, r in ranks.items()), else_=0)
    order = {
        "urgency": (_urgency(now_us), rank.desc()),
        "raised": (),
        "equipment": (episodes.c.equipment,),
        "probability": (sa.func.coalesce(episodes.c.share, -1).desc(),),
        "count": (episodes.c.count.desc(),),
    }[wanted.sort]
    return episodes_within(database, chosen).order_by(*order, *newest)


def _conditions(
    database: Database, wanted: AlarmFilter, now_us: int
) -> list[sa.ColumnElement[bool] | sa.TextClause]:
    # Word for word as the indexes have it, or none is used.
    found: list[sa.ColumnElement[bool] | sa.TextClause]
    if wanted.state is AlarmState.NORMAL:
        since = sa.literal(now_us - HISTORY_US, sa.BigInteger)
        found = [sa.text("raised_us IS NOT NULL"), episodes.c.raised_us >= since]
        found.append(sa.not_(episodes.c.is_open))
    else:
        found = [sa.text("is_open")]
        if wanted.state is not None:
            found.append(state_of(now_us) == wanted.state.value)
    return [*found, *having(database, wanted)]


def having(database: Database, wanted: AlarmFilter) -> list[sa.ColumnElement[bool]]:
    """What ``wanted`` asks of episodes besides their state."""
    found: list[sa.ColumnElement[bool]] = []
    if wanted.model is not None:
        found.append(episodes.c.model == wanted.model)
    if wanted.raised_us is not None:
        since, until = (sa.literal(t, sa.BigInteger) for t in wanted.raised_us)
        found += [episodes.c.raised_us >= since, episodes.c.raised_us < until]
    if wanted.group is not None:
        found.append(_is_of(database, *wanted.group))
    if wanted.equipment is not None:
        found.append(episodes.c.equipment == wanted.equipment)
    if wanted.lever is not None:
        # No LIKE: SQLite's takes capitals for small letters.
        place = sa.func.instr if database.is_sqlite else sa.func.strpos
        found.append(place(episodes.c.levers, framed([wanted.lever])) > 0)
    if wanted.search:
        # Attributes are JSON: their text has a letter as itself, and quotes escaped.
        has = episodes.c.attributes.icontains(wanted.search, autoescape=True)
        found.append(sa.or_(episodes.c.equipment.icontains(wanted.search, autoescape=True), has))
    return found


def _is_of(database: Database, by: str, name: str) -> sa.ColumnElement[bool]:
    if by in ("equipment", "model"):
        return episodes.c[by] == name
    # As the text of the attributes has it, quotes and all: no other member's text has it so.
    find = sa.func.instr if database.is_sqlite else sa.func.strpos
    said = f"{json.dumps(by, ensure_ascii=False)}: {json.dumps(name, ensure_ascii=False)}"
    return find(episodes.c.attributes, said) > 0


def state_of(now_us: int) -> sa.ColumnElement[str]:
    """As ``Life.state`` of an open episode."""
    now = sa.literal(now_us, sa.BigInteger)
    is_active = episodes.c.phase == Phase.ACTIVE.value
    return sa.case(
        (episodes.c.out_of_service, AlarmState.OUT_OF_SERVICE.value),
        (episodes.c.shelved_until_us > now, AlarmState.SHELVED.value),
        (~is_active, AlarmState.CLEARED_UNACKNOWLEDGED.value),
        (episodes.c.acknowledged, AlarmState.ACTIVE_ACKNOWLEDGED.value),
        else_=AlarmState.ACTIVE_UNACKNOWLEDGED.value,
    )


def _urgency(now_us: int) -> sa.ColumnElement[int]:
    """Unacknowledged first, shelved and out of service last."""
    order = (
        AlarmState.ACTIVE_UNACKNOWLEDGED,
        AlarmState.CLEARED_UNACKNOWLEDGED,
        AlarmState.ACTIVE_ACKNOWLEDGED,
        AlarmState.SHELVED,
    )
    state = state_of(now_us)
    return sa.case(*((state == each.value, k) for k, each in enumerate(order)), else_=len(order))


def find(database: Database, connection: sa.Connection, identity: str) -> Episode:
    """Raises
    ------
    UnknownRecord
        If there is none within the scope, or it was never raised.
    """
    chosen = sa.select(episodes).where(episodes.c.id == identity, episodes.c.raised_us.is_not(None))
    row = connection.execute(episodes_within(database, chosen)).mappings().one_or_none()
    if row is None:
        raise UnknownRecord(identity, "alarm")
    return episode_of({**row})


def get(database: Database, identity: str) -> Episode:
    """Raises
    ------
    UnknownRecord
        If there is none.
    StoreUnavailable, StoreDamaged
        If the store cannot be read.
    """
    with database.reading() as connection:
        return find(database, connection, identity)


def newest_of(database: Database, condition: str) -> Episode | None:
    """The newest episode of a condition, if it had one.

    Raises
    ------
    StoreUnavailable, StoreDamaged
        If the store cannot be read.
    """
    chosen = sa.select(episodes).where(
        sa.text("is_current"), episodes.c.condition == condition, episodes.c.raised_us.is_not(None)
    )
    with database.reading() as connection:
        row = connection.execute(episodes_within(database, chosen)).mappings().one_or_none()
    return None if row is None else episode_of({**row})


def lives(database: Database, conditions: Collection[str]) -> dict[str, Life]:
    """How far the newest episode of each condition is that has one.

    Raises
    ------
    StoreUnavailable, StoreDamaged
        If the store cannot be read.
    """
    chosen = sa.select(episodes).where(
        sa.text("is_current"), episodes.c.condition.in_(sorted(conditions))
    )
    with database.reading() as connection:
        found = [episode_of({**row}) for row in connection.execute(chosen).mappings()]
    return {episode.condition: episode.life for episode in found}


RecordsById = Mapping[str, tuple[Record, Payload | None]]


def records_of(database: Database, identities: Collection[str]) -> RecordsById:
    """Some records by id, with their payloads; without those that are not what was recorded.

    Raises
    ------
    StoreUnavailable, StoreDamaged
        If the store cannot be read.
    """
    chosen = archive.whole().where(records.c.id.in_(identities))
    with database.reading() as connection:
        found = connection.execute(within(database, chosen)).all() if identities else ()
    entries = ((row.id, held(row)) for row in found)
    return {identity: entry for identity, entry in entries if entry is not None}


def per_hour(
    database: Database, wanted: AlarmFilter, until_us: int, hours: int
) -> list[tuple[int, int]]:
    """Of each of the last ``hours``, the oldest first: how many episodes that are ``wanted`` were
    raised in it last, and how many of those are open.

    Raises
    ------
    StoreUnavailable, StoreDamaged
        If the store cannot be read.
    """
    since = until_us - hours * HOUR_US
    found = [(0, 0)] * hours
    with database.reading() as connection:
        for hour, raised, still in connection.execute(
            hours_query(database, wanted, since, until_us)
        ):
            found[hour] = (raised, still)
    return found


def hours_query(
    database: Database, wanted: AlarmFilter, since_us: int, until_us: int
) -> sa.Select[Any]:
    """Episodes by the hour, counted from ``since_us``, in which they were raised last; in the state
    that they are in at ``until_us``."""
    since, until = (sa.literal(t, sa.BigInteger) for t in (since_us, until_us))
    hour = ((episodes.c.raised_us - since) // sa.literal(HOUR_US, sa.BigInteger)).label("hour")
    still = sa.func.sum(sa.case((episodes.c.is_open, 1), else_=0))
    chosen: sa.Select[Any] = sa.select(hour, sa.func.count(), still).where(
        sa.text("raised_us IS NOT NULL"),
        episodes.c.raised_us >= since,
        episodes.c.raised_us < until,
        *having(database, wanted),
    )
    if wanted.state is AlarmState.NORMAL:
        chosen = chosen.where(sa.not_(episodes.c.is_open))
    elif wanted.state is not None:
        chosen = chosen.where(episodes.c.is_open, state_of(until_us) == wanted.state.value)
    return episodes_within(database, chosen).group_by(hour)


MOST_RAISED = 50


def raised_since(database: Database, since_us: int, now_us: int) -> list[Episode]:
    """Those raised since then that are active and unacknowledged, the newest first;
    :data:`MOST_RAISED` of them.

    Raises
    ------
    StoreUnavailable, StoreDamaged
        If the store cannot be read.
    """
    with database.reading() as connection:
        rows = connection.execute(raised_query(database, since_us, now_us)).mappings()
        return [episode_of({**row}) for row in rows]


def raised_query(database: Database, since_us: int, now_us: int) -> sa.Select[Any]:
    """What :func:`raised_since` asks."""
    since = sa.literal(since_us, sa.BigInteger)
    chosen = sa.select(episodes).where(
        sa.text("raised_us IS NOT NULL"),
        episodes.c.raised_us >= since,
        episodes.c.is_open,
        state_of(now_us) == AlarmState.ACTIVE_UNACKNOWLEDGED.value,
    )
    ordered = episodes_within(database, chosen).order_by(episodes.c.raised_us.desc())
    return ordered.limit(MOST_RAISED)


def levers(database: Database, since_us: int) -> dict[tuple[str, str], int]:
    """Model and feature, and of how many episodes that are open, or were raised since, the
    smallest answer sets it.

    Raises
    ------
    StoreUnavailable, StoreDamaged
        If the store cannot be read.
    """
    counted: dict[tuple[str, str], int] = {}
    with database.snapshot() as connection:
        for query in levers_queries(database, since_us):
            for model, names, count in connection.execute(query):
                for name in unframed(names):
                    counted[model, name] = counted.get((model, name), 0) + count
    return counted


def levers_queries(database: Database, since_us: int) -> tuple[sa.Select[Any], ...]:
    """Model, levers and how many: of those that are open, and of those that were raised since and
    are over; each by its index."""
    of = (episodes.c.model, episodes.c.levers)
    told: sa.Select[Any] = sa.select(*of, sa.func.count()).where(episodes.c.levers.is_not(None))
    told = episodes_within(database, told).group_by(*of)
    since = sa.literal(since_us, sa.BigInteger)
    return (
        told.where(sa.text("is_open")),
        told.where(
            sa.text("raised_us IS NOT NULL"),
            episodes.c.raised_us >= since,
            sa.not_(episodes.c.is_open),
        ),
    )


def newest(database: Database) -> tuple[int, ...]:
    """Something that changes whenever an open episode is raised, cleared or acted on.

    Raises
    ------
    StoreUnavailable, StoreDamaged
        If the store cannot be read.
    """
    with database.reading() as connection:
        row = connection.execute(newest_query(database)).one()
    return tuple(value or 0 for value in row)


def newest_query(database: Database) -> sa.Select[Any]:
    """How many are open; the newest raise, clearance and action of them; how often they did."""
    moved = (episodes.c.raised_us, episodes.c.cleared_us, episodes.c.acted_us)
    chosen = sa.select(*(sa.func.count(), *(sa.func.max(column) for column in moved)))
    return episodes_within(database, chosen.where(sa.text("is_open")))
