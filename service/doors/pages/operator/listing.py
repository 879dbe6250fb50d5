"""The list of recent predictions, as it is shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ifonly.explainers.wording import Language
from ifonly.models.errors import InvalidInstance
from ifonly.models.schema import Feature
from ifonly.models.spec.attributes import SIMULATED
from ifonly.models.window import is_series, window_of
from ifonly.service.doors.pages.operator.subject import (
    Subject,
    is_alarm,
    model_of,
    path_of,
    subjects,
)
from ifonly.service.doors.pages.operator.verdict import PredictionVerdict, verdict_of
from ifonly.service.served.registry import Registry, ServedModel
from ifonly.service.store import recent
from ifonly.service.store.chain import Facts, Payload, Record, timestamp
from ifonly.service.store.database import Database
from ifonly.service.words.labels import label, label_or

ALARMS, OTHERS = 12, 8
"""Entries of a page: more than a screen has; each costs some of the time to the first paint."""
MOST_READINGS = 6
MOST_ROWS = 200


@dataclass(frozen=True, slots=True)
class PredictionEntry:
    """One record: one row, or several that were asked about together."""

    time: str
    path: str
    title: str
    verdict: PredictionVerdict | None
    """Of the row most likely to be an alarm; None: it was erased."""
    readings: str
    rows: int
    alarms: int
    claim: str | None
    """What an explanation says; None: none was asked for yet."""
    is_simulated: bool
    """Whether it says of itself that no machine read it."""


@dataclass(frozen=True, slots=True)
class PredictionList:
    """Some entries, and where the older ones are."""

    entries: tuple[PredictionEntry, ...]
    next: str | None
    is_first: bool
    doubtful: int
    """Left out: they are not what was recorded."""


def listed(
    database: Database,
    registry: Registry,
    which: recent.Which,
    cursor: str | None,
    tag: Language,
) -> PredictionList:
    """Raises
    ------
    InvalidCursor
        If the cursor is none that a page gave.
    StoreUnavailable, StoreDamaged
        If the store cannot be read.
    """
    limit = ALARMS if which == "alarms" else OTHERS
    page = recent.recent(database, which, cursor, limit)
    entries = tuple(_entry(registry, record, payload, tag) for record, payload in page.entries)
    return PredictionList(entries, page.next, cursor is None, page.doubtful)


def _entry(
    registry: Registry, record: Record, payload: Payload | None, tag: Language
) -> PredictionEntry:
    rows = () if payload is None else subjects(record, payload)
    model = model_of(record, registry)
    shown = [(is_alarm(row, model), row) for row in rows]
    verdicts = [verdict_of(row.prediction, alarm, model, tag) for alarm, row in shown]
    # A record may have a thousand rows: an entry shows the one to look at first.
    worst = max(range(len(rows)), key=lambda k: rank(verdicts[k]), default=None)
    facts = record.facts
    shown_row = None if worst is None else rows[worst]
    return PredictionEntry(
        timestamp(facts.time_us),
        path_of(facts.id, 0),
        str(facts.model) if model is None else entitled(shown_row, model, tag),
        None if worst is None else verdicts[worst],
        "" if worst is None else readings(rows[worst].instance, model, tag),
        len(rows),
        sum(alarm for alarm, _ in shown),
        _claim(facts),
        worst is not None and SIMULATED in rows[worst].attributes,
    )


def entitled(about: Subject | None, model: ServedModel, tag: Language) -> str:
    """The equipment, if that was said, and the model."""
    said = {} if about is None else about.attributes
    equipment = model.deployed.spec.attributes.equipment(said)
    title = title_of(model, tag)
    return title if equipment is None else f"{equipment} · {title}"


def _claim(facts: Facts) -> str | None:
    if facts.kind != "explanation":
        return None
    return "in_doubt" if (facts.detail or {}).get("doubts") else facts.status


def rank(verdict: PredictionVerdict) -> tuple[bool, float]:
    """Alarms first, the likeliest before all others."""
    return verdict.is_alarm, verdict.share or 0.0


def title_of(model: ServedModel, tag: Language) -> str:
    return label_or(model.deployed.spec.title, tag, model.name)


def last_readings(
    instance: Mapping[str, Any], model: ServedModel
) -> list[tuple[int, Feature, Any]]:
    """Each feature with what is said of it and its column; of a window each channel's last."""
    window = window_of(model.schema)
    if window is None:
        return [(j, f, instance.get(f.name)) for j, f in enumerate(model.schema.features)]
    found = []
    for c, channel in enumerate(window.channels):
        said: Any = instance.get(channel.name)
        last = said[-1] if is_series(said) and len(said) else None
        found.append((window.column(c, window.steps - 1), channel, last))
    return found


def readings(instance: Mapping[str, Any], model: ServedModel | None, tag: Language) -> str:
    """The first readings, in words."""
    if model is None:
        return ""
    parts = []
    for column, feature, said in last_readings(instance, model)[:MOST_READINGS]:
        try:
            value = feature.read(said)
        except InvalidInstance:
            continue
        parts.append(f"{label(feature, tag)} {model.wording.value(column, value, tag)}")
    return " · ".join(parts)


@dataclass(frozen=True, slots=True)
class RowLine:
    """One row of a record of several."""

    number: int
    path: str
    verdict: PredictionVerdict
    readings: str


def lines(rows: tuple[Subject, ...], model: ServedModel | None, tag: Language) -> list[RowLine]:
    """The rows of one record, alarms first; the first :data:`MOST_ROWS` of them."""
    made = [
        RowLine(
            row.number,
            f"{path_of(row.record.facts.id, 0)}?row={row.number}",
            verdict_of(row.prediction, is_alarm(row, model), model, tag),
            readings(row.instance, model, tag),
        )
        for row in rows
    ]
    # Alarms first, the likeliest at the top: what is cut off is the least urgent.
    return sorted(made, key=lambda line: rank(line.verdict), reverse=True)[:MOST_ROWS]
