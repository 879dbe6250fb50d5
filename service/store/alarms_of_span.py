"""Episodes of alarms that are open, or were raised within a span: what one change is sought for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from ifonly.service.store.alarms import AlarmFilter, having, list_query, total_query
from ifonly.service.store.database import Database
from ifonly.service.store.episodes import Episode, episode_of
from ifonly.service.store.tables import episodes
from ifonly.service.store.visibility import episodes_within


@dataclass(frozen=True, slots=True)
class SpanAlarms:
    """Some of them, and how many there are, by model."""

    episodes: tuple[Episode, ...]
    models: Mapping[str, int]

    @property
    def total(self) -> int:
        return sum(self.models.values())


def open_ones(
    database: Database, wanted: AlarmFilter, ranks: Mapping[str, int], now_us: int, most: int
) -> SpanAlarms:
    """Those that are open, the most urgent first.

    Raises
    ------
    StoreUnavailable, StoreDamaged
        If the store cannot be read.
    """
    chosen = list_query(database, wanted, ranks, now_us).limit(most)
    counted = _by_model(total_query(database, wanted, now_us))
    return _read(database, chosen, counted)


def raised_in(
    database: Database, wanted: AlarmFilter, since_us: int, until_us: int, most: int
) -> SpanAlarms:
    """Those that began, or were raised last, within ``[since_us, until_us)``, the newest first; of
    ``wanted`` all but the state.

    Raises
    ------
    StoreUnavailable, StoreDamaged
        If the store cannot be read.
    """
    chosen = span_query(database, wanted, since_us, until_us)
    newest = (episodes.c.raised_us.desc(), episodes.c.id)
    counted = _by_model(chosen.with_only_columns(sa.func.count()))
    return _read(database, chosen.order_by(*newest).limit(most), counted)


def span_query(
    database: Database, wanted: AlarmFilter, since_us: int, until_us: int
) -> sa.Select[Any]:
    """All of :func:`raised_in`, in no order."""
    since, until = (sa.literal(t, sa.BigInteger) for t in (since_us, until_us))
    of = episodes.c
    chosen = sa.select(episodes).where(
        # Word for word as the index has it, or it is not used.
        sa.text("raised_us IS NOT NULL"),
        of.raised_us >= since,
        # What began within the span and has returned since is one of its alarms all the same.
        sa.or_(of.raised_us < until, sa.and_(of.began_us >= since, of.began_us < until)),
        *having(database, wanted),
    )
    return episodes_within(database, chosen)


def _by_model(counted: sa.Select[Any]) -> sa.Select[Any]:
    return counted.add_columns(episodes.c.model).group_by(episodes.c.model)


def _read(database: Database, chosen: sa.Select[Any], counted: sa.Select[Any]) -> SpanAlarms:
    with database.snapshot() as connection:
        models = {model: count for count, model in connection.execute(counted)}
        found = connection.execute(chosen).mappings().all()
    return SpanAlarms(tuple(episode_of({**row}) for row in found), models)
