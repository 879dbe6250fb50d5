"""Alarms of a span as rows of one model: what one change is sought for."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ifonly.service.audit.alarm_rows import has
from ifonly.service.audit.alarms import ranks
from ifonly.service.served.registry import Registry
from ifonly.service.store import alarms_of_span as store
from ifonly.service.store.alarms import AlarmFilter, records_of
from ifonly.service.store.alarms_of_span import SpanAlarms
from ifonly.service.store.chain import Payload, Record
from ifonly.service.store.database import Database
from ifonly.service.store.episodes import Episode
from ifonly.service.store.kinds import RecordKind
from ifonly.service.wire.requests import of_rows

Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class AlarmReading:
    """The reading of one alarm."""

    episode: Episode
    record: str
    """Of the reading, and which of its rows."""
    row: int
    instance: Mapping[str, Any]

    @property
    def path(self) -> str:
        """Of its page."""
        return f"/alarms/{self.record}" + (f"?row={self.row}" if self.row else "")


@dataclass(frozen=True, slots=True)
class AlarmReadings:
    """Rows of one model."""

    model: str
    rows: tuple[AlarmReading, ...]
    total: int
    """Alarms of that model that are wanted; more than rows where some are left out."""
    unreadable: int
    """Of those that were looked at: erased, or not what was recorded."""
    models: Mapping[str, int]
    """Alarms by model, of all that are wanted."""
    apart: int = 0
    """Left out: of other lines (or what else the scope of whoever asks names) than most."""

    @property
    def attributes(self) -> dict[str, str]:
        """What is said of the equipment of all of them alike."""
        first, *others = (row.episode.said for row in self.rows)
        return {n: v for n, v in first.items() if all(o.get(n) == v for o in others)}


def alarm_readings(
    database: Database,
    registry: Registry,
    wanted: AlarmFilter,
    span: Span | None,
    now_us: int,
    most: int,
) -> AlarmReadings | None:
    """Of the model that ``wanted`` names, else of the one with the most alarms; None: there are
    none. ``span``: raised within it, each with the reading that raised it; None: open, each with
    its newest reading that called for an alarm.

    Raises
    ------
    StoreUnavailable, StoreDamaged
        If the store cannot be read.
    """
    found = _found(database, registry, wanted, span, now_us, most)
    models = found.models
    if not models:
        return None
    model = wanted.model or max(sorted(models), key=lambda name: models[name])
    if wanted.model is None and len(models) > 1:
        of_it = replace(wanted, model=model)
        found = replace(_found(database, registry, of_it, span, now_us, most), models=models)
    together = _alike(found.episodes, [name for name, _ in database.scope.attributes])
    told = [(e, *_reading(e, span)) for e in together]
    kept = records_of(database, {record for _, record, _ in told})
    rows = []
    for episode, record, number in told:
        reading, payload = kept.get(record, (None, None))
        read = _instance(reading, payload, episode, number)
        if read is not None:
            rows.append(AlarmReading(episode, record, *read))
    unreadable = len(told) - len(rows)
    apart = len(found.episodes) - len(together)
    return AlarmReadings(model, tuple(rows), models.get(model, 0), unreadable, models, apart)


def _alike(found: Sequence[Episode], names: Sequence[str]) -> list[Episode]:
    """Those that have the values of ``names`` that most have. One record has the rows of all of
    them: whoever is here for one line would see another's in it."""
    of = [tuple(episode.said.get(name) for name in names) for episode in found]
    most = Counter(of).most_common(1)
    return [e for e, values in zip(found, of, strict=True) if values == most[0][0]]


def _found(
    database: Database,
    registry: Registry,
    wanted: AlarmFilter,
    span: Span | None,
    now_us: int,
    most: int,
) -> SpanAlarms:
    if span is None:
        return store.open_ones(database, wanted, ranks(registry), now_us, most)
    return store.raised_in(database, wanted, *span, most)


def _reading(episode: Episode, span: Span | None) -> tuple[str, int | None]:
    """Record and row; None: the row of its equipment that is most likely an alarm."""
    if span is None or episode.record == episode.raising_record:
        return episode.record, episode.row
    return episode.raising_record, None


def _instance(
    record: Record | None, payload: Payload | None, episode: Episode, number: int | None
) -> tuple[int, Mapping[str, Any]] | None:
    """The row's number, and the row; None: it is erased, or not there."""
    if record is None or payload is None:
        return None
    kept = json.loads(payload.content)
    asked, answer = kept["request"], kept["answer"]
    if record.facts.kind is RecordKind.EXPLANATION:
        return 0, asked["instance"]
    rows = asked.get("instances") or [asked["instance"]]
    if number is None:
        whose = of_rows(asked.get("attributes", {}), len(rows))
        ours = [k for k, said in enumerate(whose) if has(said, episode.said)]
        said = answer["predictions"]
        number = max(ours, key=lambda k: said[k].get("probability") or 0.0, default=len(rows))
    return (number, rows[number]) if number < len(rows) else None
