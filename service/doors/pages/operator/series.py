"""A channel of a window on a page: a small chart and a table of what was read, and of what would
have been."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ifonly.explainers.wording import Language
from ifonly.explainers.wording.catalogue import catalogue
from ifonly.explainers.wording.gauges import Gauge, When
from ifonly.models.errors import InvalidInstance
from ifonly.models.window import Window, window_of
from ifonly.service.doors.pages.scales import DrawingFrame
from ifonly.service.served.registry import ServedModel
from ifonly.service.words.catalogue import say

LEFT, TOP, ACROSS, DOWN = 112, 10, 320, 110
FRAME = DrawingFrame(LEFT, TOP, ACROSS, DOWN, right=16, below=26)


@dataclass(frozen=True, slots=True)
class SeriesMoment:
    """One step, of the table."""

    time: str
    before: str
    after: str
    is_moved: bool


@dataclass(frozen=True, slots=True)
class SeriesDrawing:
    """What the template draws of one channel."""

    label: str
    summary: str
    low: str
    high: str
    begin: str
    end: str
    before: str
    """The path of what was read."""
    after: str
    """That of what would have been; empty where nothing else is told."""
    moments: tuple[SeriesMoment, ...]
    frame: DrawingFrame = FRAME


def moved(
    model: ServedModel, factual: Mapping[str, Any], found: Mapping[str, Any], tag: Language
) -> tuple[SeriesDrawing, ...]:
    """The channels of which something would have been otherwise in the instance ``found``."""
    window = window_of(model.schema)
    if window is None:
        return ()
    names = [name for name in window.names if factual.get(name) != found.get(name)]
    return tuple(_drawn(window, name, factual, found, tag) for name in names)


def before(
    model: ServedModel, found: Mapping[str, Any], parts: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """The instance that was read, of one that would have been and of what moved to it."""
    was = {part["feature"]: part["from"] for part in parts}
    row = model.schema.restored(found, was)
    return model.schema.write(row)


def _drawn(
    window: Window,
    name: str,
    factual: Mapping[str, Any],
    found: Mapping[str, Any],
    tag: Language,
) -> SeriesDrawing:
    channel = window.names.index(name)
    gauge = Gauge.of(window.channels[channel])
    was, now = (_numbers(window, channel, row[name]) for row in (factual, found))
    known = [v for v in (*was, *now) if not math.isnan(v)]
    low, high = min(known, default=0.0), max(known, default=1.0)
    # A line that is level lies in the middle.
    bottom, top = (low, high) if low < high else (low - 1.0, high + 1.0)
    times = list(_times(window, tag))
    return SeriesDrawing(
        gauge.label(tag),
        say("series.summary", tag, of=gauge.label(tag), low=gauge.value(low, tag, computed=True),
            high=gauge.value(high, tag, computed=True)),
        gauge.value(low, tag, computed=True),
        gauge.value(high, tag, computed=True),
        times[0],
        times[-1],
        _path(was, bottom, top),
        _path(now, bottom, top),
        tuple(
            SeriesMoment(
                time, gauge.value(a, tag), gauge.value(b, tag, computed=True), a != b and b == b
            )
            for time, a, b in zip(times, was, now, strict=True)
        ),
    )  # fmt: skip


def _numbers(window: Window, channel: int, values: Any) -> list[float]:
    try:
        return window.read_series(channel, values)
    except InvalidInstance:
        # An older record may be beyond what this version of the model reads.
        return [float(v) if isinstance(v, int | float) else math.nan for v in values]


def _times(window: Window, tag: Language) -> Iterator[str]:
    spoken = catalogue(tag).when
    for t in range(window.steps):
        yield spoken(When(None, window.age(t)))


def _path(values: Sequence[float], low: float, high: float) -> str:
    """A line from reading to reading; broken where one is missing."""
    last, pen = max(len(values) - 1, 1), "M"
    found = []
    for k, value in enumerate(values):
        if math.isnan(value):
            pen = "M"
            continue
        x, y = LEFT + ACROSS * k / last, TOP + DOWN * (high - value) / (high - low)
        found.append(f"{pen}{x:.1f} {y:.1f}")
        pen = "L"
    return "".join(found)
