"""The readings of one row: what is usual, where each stands in it, and how it came there."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

import numpy as np

from ifonly.explainers.wording import Language
from ifonly.explainers.wording.gauges import Gauge
from ifonly.models.errors import InvalidInstance
from ifonly.models.schema import Feature
from ifonly.models.window import Window, window_of
from ifonly.service.doors.pages.operator.subject import Subject, subjects
from ifonly.service.served.registry import ServedModel
from ifonly.service.store.chain import Payload, Record, timestamp
from ifonly.service.words.catalogue import say

ACROSS, DOWN, ROOM = 120, 28, 3
"""Size of the drawing of earlier readings; room above and below the line."""
FEW = 2
"""Readings, of which a line is one."""

Where = Literal["below", "within", "above", "unknown"]


@dataclass(frozen=True, slots=True)
class PastLine:
    """Earlier readings as a line, from the first to this one."""

    path: str
    end: float
    """Height of the last."""
    usual: tuple[float, float] | None
    """Top and height of what is usual."""
    summary: str


@dataclass(frozen=True, slots=True)
class ReadingTile:
    """One reading."""

    name: str
    label: str
    text: str
    where: Where
    """In what is usual."""
    usual: str
    """In words; empty: not known, or a category."""
    at: float
    """Place on a track of 0 to 120, of which 40 to 80 is usual."""
    past: PastLine | None


@dataclass(frozen=True, slots=True)
class ReadingStrip:
    """All readings of one row."""

    tiles: tuple[ReadingTile, ...]
    since: str | None
    """When the first of the earlier readings was; None: there are none, or nobody asked."""


@dataclass(frozen=True, slots=True)
class PastReadings:
    """Readings of one piece of equipment, the oldest first."""

    times: tuple[int, ...]
    rows: tuple[Mapping[str, Any], ...]


def past_of(
    found: Iterable[tuple[Record, Payload]], about: Subject, model: ServedModel
) -> PastReadings:
    """Of records that say the same of the equipment as ``about``, which is the last."""
    attributes = model.deployed.spec.attributes
    place = attributes.place(about.attributes)
    times, rows = [], []
    for record, payload in found:
        if record.facts.id == about.record.facts.id:
            continue
        # Of rows that were read together, the last of this equipment.
        read = subjects(record, payload)
        ours = [row for row in read if attributes.place(row.attributes) == place]
        if ours:
            times.append(record.facts.time_us)
            rows.append(ours[-1].instance)
    return PastReadings((*times, about.record.facts.time_us), (*rows, about.instance))


def strip_of(
    about: Subject, model: ServedModel, tag: Language, past: PastReadings | None = None
) -> ReadingStrip:
    """``past``: earlier readings, where they were asked for."""
    limits, window = model.deployed.usual, window_of(model.schema)
    if window is not None:
        return _of_window(about.instance, window, limits, tag)
    tiles = []
    for column, feature in enumerate(model.schema.features):
        value = _read(feature, about.instance)
        if value is None:
            continue
        usual = None if limits is None or feature.kind.is_categorical else limits[column]
        if usual is not None and not all(map(math.isfinite, usual)):
            usual = None
        tiles.append(_tile(feature, value, usual, past, tag))
    return ReadingStrip(
        tuple(tiles),
        timestamp(past.times[0]) if past is not None and len(past.rows) >= FEW else None,
    )


def _of_window(
    instance: Mapping[str, Any],
    window: Window,
    limits: Sequence[tuple[float, float]] | None,
    tag: Language,
) -> ReadingStrip:
    """The last reading of each channel; those before it are the line."""
    tiles = []
    for c, channel in enumerate(window.channels):
        try:
            values = window.read_series(c, instance.get(channel.name))
        except InvalidInstance:
            continue
        usual = None if limits is None else limits[window.column(c, window.steps - 1)]
        if usual is not None and not all(map(math.isfinite, usual)):
            usual = None
        rows = tuple({channel.name: None if v != v else v} for v in values)
        past = PastReadings(tuple(range(window.steps)), rows)
        tiles.append(_tile(channel, values[-1], usual, past, tag))
    return ReadingStrip(tuple(tiles), None)


def _tile(
    feature: Feature,
    value: float,
    usual: tuple[float, float] | None,
    past: PastReadings | None,
    tag: Language,
) -> ReadingTile:
    gauge = Gauge.of(feature)
    return ReadingTile(
        feature.name,
        gauge.label(tag),
        gauge.value(value, tag),
        _where(value, usual),
        ""
        if usual is None
        else say(
            "answer.between",
            tag,
            low=gauge.value(_rounded(feature, usual[0]), tag),
            high=gauge.value(_rounded(feature, usual[1]), tag),
        ),
        _place(value, usual),
        None if past is None or feature.kind.is_categorical else _line(feature, past, usual, tag),
    )


def _rounded(feature: Feature, quantile: float) -> float:
    """In the digits of a reading: between two of them a quantile has more, that say nothing."""
    if feature.resolution is None:
        return float(f"{quantile:.6g}")
    return float(Decimal(repr(quantile)).quantize(feature.resolution))


def _read(feature: Feature, instance: Mapping[str, Any]) -> float | None:
    try:
        return float(feature.read(instance.get(feature.name)))
    except InvalidInstance:
        return None


def _where(value: float, usual: tuple[float, float] | None) -> Where:
    if usual is None or math.isnan(value):
        return "unknown"
    return "below" if value < usual[0] else "above" if value > usual[1] else "within"


def _place(value: float, usual: tuple[float, float] | None) -> float:
    """What is usual takes the middle third; beyond as much on either side it stands at the end."""
    if usual is None or math.isnan(value):
        return 0.0
    low, high = usual
    share = (value - low) / (high - low) if high > low else 0.5 + float(np.sign(value - low))
    return round(min(max(40.0 + 40.0 * share, 0.0), float(ACROSS)), 1)


def _line(
    feature: Feature, past: PastReadings, usual: tuple[float, float] | None, tag: Language
) -> PastLine | None:
    read = [(t, _read(feature, row)) for t, row in zip(past.times, past.rows, strict=True)]
    points = [(t, v) for t, v in read if v is not None and not math.isnan(v)]
    if len(points) < FEW:
        return None
    values = [v for _, v in points]
    ends = (*values, *(usual or ()))
    low, high = min(ends), max(ends)

    def y(value: float) -> float:
        share = (high - value) / (high - low) if high > low else 0.5
        return round(ROOM + (DOWN - 2 * ROOM) * share, 1)

    gauge = Gauge.of(feature)
    said = say("readings.past", tag, lever=gauge.label(tag), count=len(points),
               low=gauge.value(min(values), tag), high=gauge.value(max(values), tag))  # fmt: skip
    return PastLine(
        _path(points, past.times, y),
        y(values[-1]),
        None if usual is None else (y(usual[1]), round(max(y(usual[0]) - y(usual[1]), 1.0), 1)),
        said,
    )


def _path(
    points: Sequence[tuple[int, float]], times: Sequence[int], y: Callable[[float], float]
) -> str:
    first, length = times[0], (times[-1] - times[0]) or 1
    return "M" + "L".join(f"{round(ACROSS * (t - first) / length, 1)} {y(v)}" for t, v in points)
