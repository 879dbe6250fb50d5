"""Episodes of alarms: written with the record of each reading, in its transaction.

What a reading or a person makes of one is :mod:`ifonly.service.lifecycle`'s; here it is read,
written and found. Derived from records: they are the evidence, this table is how they are grouped.
"""

from __future__ import annotations

import json
import math
import time
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import sqlalchemy as sa

from ifonly.service.lifecycle import AlarmRules, Life, Phase, observe
from ifonly.service.store.chain import Facts
from ifonly.service.store.kinds import RecordKind
from ifonly.service.store.rows import insert
from ifonly.service.store.tables import episodes

MOST_WAITING = 5_000
"""Readings: they are written at once."""
MOST_SETTLED = 20_000
"""Conditions that are remembered: then they are looked up again."""
BOTH = "both"
"""Who told of a reading that was predicted and explained."""


@dataclass(frozen=True, slots=True)
class Observation:
    """What a record tells of a piece of equipment, for its alarm."""

    condition: str
    """Digest of the model and what tells the equipment from all other."""
    model: str
    version: str
    equipment: str
    attributes: str
    """What tells it from all other, as JSON."""
    is_alarm: bool
    rules: AlarmRules
    row: int = 0
    """Of the record's rows the one that is most likely an alarm."""
    share: float | None = None
    """Its probability."""
    reading: str | None = None
    """Digest of its readings, if the record has one row."""
    is_reading: bool = True
    """False: it was asked about a reading that was recorded before."""
    about_us: int | None = None
    """When that was, if it is known."""
    is_one_of_many: bool = False
    """Whether its record tells of other equipment too."""
    levers: str | None = None
    """What the smallest answer sets, :func:`framed`; None: no explanation, or it sets nothing."""


_FRAME = "\n"
"""Between names of features, which have no line ends."""


def framed(names: Sequence[str]) -> str:
    """Names as the column ``levers`` has them: each with an end on both sides, so that one is found
    whole."""
    return _FRAME + _FRAME.join(names) + _FRAME


def unframed(levers: str | None) -> tuple[str, ...]:
    """The names of :func:`framed`."""
    return tuple(filter(None, (levers or "").split(_FRAME)))


def episode_id(record: str, condition: str) -> str:
    """Of an episode that a record raised which tells of several pieces of equipment."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, f"{record}/{condition}"))


_LIFE = tuple(f.name for f in fields(Life))
_FLAGS = frozenset({"is_current", "is_open", "acknowledged", "chattering", "out_of_service"})


@dataclass(frozen=True, slots=True)
class Episode:
    """One row."""

    id: str
    """Of the record that raised it, or :func:`episode_id`."""
    condition: str
    """Digest of the model and what tells the equipment from all other."""
    model: str
    version: str
    equipment: str
    attributes: str
    """What tells the equipment from all other, as JSON."""
    life: Life
    record: str
    """Of its newest alarm, and which of its rows."""
    row: int = 0
    share: float | None = None
    """Probability that it is one; None: the model gives a score."""
    reading: str | None = None
    """Digest of that alarm's readings."""
    told_by: str = ""
    """The kind of record that told of it; :data:`BOTH`."""
    explained: str | None = None
    """Record of the newest explanation of one of its readings."""
    levers: str | None = None
    """What its smallest answer sets, :func:`framed`."""
    actor: str | None = None
    action: str | None = None
    acted_us: int | None = None
    """Who did what about it last, and when."""
    way: str | None = None
    """With that: which of the ways out was done, if they said so."""
    raised_by: str | None = None
    """The record that raised it, if that told of several pieces of equipment."""
    is_current: bool = True

    @property
    def raising_record(self) -> str:
        """Id of the record that raised it."""
        return self.raised_by or self.id

    @property
    def sets(self) -> tuple[str, ...]:
        """Features that the smallest answer of its newest explanation sets."""
        return unframed(self.levers)

    @property
    def said(self) -> Mapping[str, str]:
        return said_in(self.attributes)


def said_in(attributes: str) -> Mapping[str, str]:
    """What a column of attributes says; nothing, where it has been tampered with."""
    try:
        said = json.loads(attributes)
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}


_OWN = tuple(f.name for f in fields(Episode) if f.name != "life")
_COLUMNS = tuple(column.name for column in episodes.c)
_PHASES = {phase.value: phase for phase in Phase}
_KINDS = tuple(
    (column.name, kind, None if column.nullable else kind())
    for column in episodes.c
    for kind in [column.type.python_type]
)
"""Of each column: its type, and what stands for a value of another."""
_FIXED = frozenset({"id", "condition", "model", "equipment", "attributes", "raised_by"})
_CHANGED = tuple(n for n in _COLUMNS if n not in _FIXED)
_UPDATE = f"UPDATE episodes SET {', '.join(f'{n} = ?' for n in _CHANGED)} WHERE id = ?"
_SELECT = f"SELECT {', '.join(_COLUMNS)} FROM episodes WHERE is_current AND condition IN "
_LOCK = (
    "SELECT pg_advisory_xact_lock(hashtextextended(condition, 0)) "
    "FROM unnest(CAST(%s AS text[])) AS condition"
)


def episode_of(row: Mapping[Any, Any]) -> Episode:
    """Of a row's columns by name. What is of another kind than declared is read as nothing: a
    row that somebody has written into must not keep readings from being recorded."""
    said: dict[str, Any] = {
        name: value if type(value := row[name]) is kind or value is default else default
        for name, kind, default in _KINDS
    }
    said |= {name: bool(row[name]) for name in _FLAGS}
    said["phase"] = _PHASES.get(said["phase"], Phase.NORMAL)
    life = Life(**{n: said[n] for n in _LIFE})
    return Episode(life=life, **{n: said[n] for n in _OWN})


def _values(episode: Episode) -> dict[str, Any]:
    life = episode.life
    own = {n: getattr(episode, n) for n in _OWN}
    told = {n: getattr(life, n) for n in _LIFE}
    return own | told | {"phase": life.phase.value, "is_open": life.is_open}


# --- readings -----------------------------------------------------------------------------


class EpisodeBook:
    """What the readings of one transaction make of the episodes that they are of."""

    def __init__(self, current: Mapping[str, Episode]) -> None:
        self._stored = {e.id: e for e in current.values()}
        self.current = dict(current)
        """The newest of each condition that has one."""
        self._rows: dict[str, Episode] = {}
        """Those that differ from what is stored, by id; in the order of their change."""

    def take(self, facts: Facts, seen: Observation) -> None:
        """One reading."""
        before = self.current.get(seen.condition)
        is_told = facts.kind is RecordKind.EXPLANATION
        if before is not None and _is_same(before, facts, seen):
            self._put(replace(before, told_by=BOTH, **_explained(facts, seen)))
        elif not seen.is_reading or (is_told and _is_past(before, facts, seen)):
            # What was asked about an alarm is no other reading of it.
            if before is not None and _is_about(before, facts, seen):
                self._put(replace(before, **_explained(facts, seen)))
        else:
            self._read(before, facts, seen)

    def _read(self, before: Episode | None, facts: Facts, seen: Observation) -> None:
        life = None if before is None else before.life
        after, is_new = observe(life, facts.time_us, seen.is_alarm, seen.rules)
        if before is None and not seen.is_alarm:
            return  # nothing is kept of equipment that was never in alarm
        is_newest = life is None or facts.time_us >= life.seen_us
        told: dict[str, Any] = {"record": facts.id, "row": seen.row, "share": seen.share} | {
            "reading": seen.reading, "told_by": facts.kind.value, "version": seen.version,
        }  # fmt: skip
        told |= _explained(facts, seen)
        if before is None or is_new:
            if seen.is_one_of_many:
                told |= {"id": episode_id(facts.id, seen.condition), "raised_by": facts.id}
            made = Episode(
                condition=seen.condition, model=seen.model,
                equipment=seen.equipment, attributes=seen.attributes, life=after,
                **{"id": facts.id} | told,
            )  # fmt: skip
            if before is not None:
                self._put(replace(before, is_current=False))
            self._put(made)
        elif seen.is_alarm and is_newest:
            self._put(replace(before, life=after, **told))
        else:
            self._put(replace(before, life=after))

    def _put(self, episode: Episode) -> None:
        self._rows[episode.id] = episode
        if episode.is_current:
            self.current[episode.condition] = episode

    def write(self, connection: sa.Connection) -> None:
        """What changed."""
        changed = [e for e in self._rows.values() if self._stored.get(e.id) != e]
        # What was never raised is no episode: the one that was takes its place.
        gone = {e.id for e in changed if not e.is_current and e.life.phase is Phase.NORMAL}
        kept = [e for e in changed if e.id not in gone]
        _delete(connection, gone & self._stored.keys())
        # Before the others are inserted: of each condition one is current.
        rewrite(connection, [e for e in kept if e.id in self._stored])
        insert(connection, episodes, [_values(e) for e in kept if e.id not in self._stored])


def _explained(facts: Facts, seen: Observation) -> dict[str, Any]:
    """What an explanation changes of the episode that it is about."""
    if facts.kind is not RecordKind.EXPLANATION:
        return {}
    return {"explained": facts.id, "levers": seen.levers}


def _is_same(before: Episode, facts: Facts, seen: Observation) -> bool:
    """Whether it is the newest alarm's reading, told of by the other kind of record."""
    is_other = before.told_by not in (BOTH, facts.kind.value)
    return seen.reading is not None and seen.reading == before.reading and is_other


def _is_past(before: Episode | None, facts: Facts, seen: Observation) -> bool:
    """Whether an explanation is taken for one of a reading from before it was cleared: whoever
    asks why it was an alarm would otherwise raise it again."""
    if before is None or before.life.phase is not Phase.CLEARED:
        return False
    since = facts.time_us - (before.life.cleared_us or 0)
    return before.life.is_open or since <= seen.rules.chattering_us


def _is_about(before: Episode, facts: Facts, seen: Observation) -> bool:
    is_of_alarm = facts.kind is RecordKind.EXPLANATION and seen.is_alarm
    if not is_of_alarm or before.life.phase is Phase.NORMAL:
        return False
    asked_us = facts.time_us if seen.is_reading else seen.about_us
    return seen.reading == before.reading or (
        asked_us is not None and asked_us >= before.life.began_us
    )


Seen = tuple[Facts, Observation]


def take(connection: sa.Connection, seen: Sequence[Seen]) -> Mapping[str, Episode]:
    """Write what readings, in their order, make of their episodes: the newest of each condition,
    where there is one."""
    conditions = sorted({observation.condition for _, observation in seen})
    book = EpisodeBook(current(connection, conditions))
    for facts, observation in seen:
        book.take(facts, observation)
    book.write(connection)
    return book.current


class Backlog:
    """Readings that say what was known: they wait for others, and are written with them.

    What raises or clears an alarm is written with its record. That an alarm stands is said again
    and again: written each time it would cost a fifth of a prediction. A process that is killed
    loses counts of some seconds, and no alarm.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._waiting: list[Seen] = []
        self._since = 0.0
        # Of each condition, whether its newest reading here was an alarm, and settled as one. A
        # hint: another process may know better, and is heard when what waits is written.
        self._settled: dict[str, bool | None] = {}
        self._next: tuple[list[Seen], dict[str, bool | None]] | None = None

    @property
    def due(self) -> float:
        """When what waits must be written, by ``time.monotonic``."""
        return self._since + self._seconds if self._waiting else math.inf

    def write(self, connection: sa.Connection, seen: Sequence[Seen]) -> None:
        """Write ``seen`` and what waits, if one of them cannot wait; valid once :meth:`keep` is
        called."""
        waiting = [*self._waiting, *seen]
        can_wait = all(self._can_wait(*each) for each in seen) and len(waiting) <= MOST_WAITING
        if can_wait and (not waiting or (self._seconds > 0 and time.monotonic() < self.due)):
            self._next = waiting, {}
        else:
            self._next = [], self._taken(connection, waiting)

    def flush(self, connection: sa.Connection) -> None:
        """As :meth:`write`: all that waits."""
        self._next = [], self._taken(connection, self._waiting)

    def keep(self) -> None:
        """The transaction of the last :meth:`write` is durable."""
        if self._next is None:
            return
        if not self._waiting:
            self.postpone()
        self._waiting, found = self._next
        if len(self._settled) > MOST_SETTLED:
            self._settled = {}
        self._settled |= found
        self._next = None

    def postpone(self) -> None:
        """What waits is due as long from now as if it had come just now."""
        self._since = time.monotonic()

    def _taken(self, connection: sa.Connection, seen: Sequence[Seen]) -> dict[str, bool | None]:
        newest = take(connection, seen)
        return {c: _settled(newest.get(c)) for c in {each.condition for _, each in seen}}

    def _can_wait(self, facts: Facts, seen: Observation) -> bool:
        is_prediction = facts.kind is RecordKind.PREDICTION
        return is_prediction and self._settled.get(seen.condition) is seen.is_alarm


def _settled(newest: Episode | None) -> bool | None:
    """Whether readings of it are alarms; None: they are about to turn."""
    if newest is None:
        return False
    return newest.life.phase is Phase.ACTIVE if newest.life.turned_us is None else None


def current(connection: sa.Connection, conditions: Sequence[str]) -> dict[str, Episode]:
    """The newest episode of each condition that has one; nobody else writes one until the
    transaction ends."""
    if not _is_sqlite(connection):  # SQLite has one writer
        # In the order of the list, which is sorted: nobody waits in a circle.
        connection.exec_driver_sql(_LOCK, ([*conditions],))
    marks = ", ".join([_mark(connection)] * len(conditions))
    rows = connection.exec_driver_sql(f"{_SELECT}({marks})", tuple(conditions))
    found = (episode_of(dict(zip(_COLUMNS, row, strict=True))) for row in rows)
    return {episode.condition: episode for episode in found}


def rewrite(connection: sa.Connection, changed: Sequence[Episode]) -> None:
    """Those that are stored, as they are now."""
    if not changed:
        return
    rows = [_values(episode) for episode in changed]
    values = [(*(row[n] for n in _CHANGED), row["id"]) for row in rows]
    connection.exec_driver_sql(_UPDATE.replace("?", _mark(connection)), values)


def _delete(connection: sa.Connection, identities: Collection[str]) -> None:
    if identities:
        connection.execute(sa.delete(episodes).where(episodes.c.id.in_(identities)))


def _is_sqlite(connection: sa.Connection) -> bool:
    return connection.dialect.name == "sqlite"


def _mark(connection: sa.Connection) -> str:
    return "?" if _is_sqlite(connection) else "%s"
