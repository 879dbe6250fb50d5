"""A what-if over time as a small chart, as a sentence and as a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ifonly.explainers.wording import Language
from ifonly.explainers.wording.numerals import figure, percentage
from ifonly.models.schema import Task
from ifonly.service.doors.pages.operator.plane_drawing import Tick
from ifonly.service.doors.pages.operator.verdict import PredictionVerdict, verdict_of
from ifonly.service.doors.pages.scales import DrawingFrame
from ifonly.service.served.registry import ServedModel
from ifonly.service.words.catalogue import say
from ifonly.service.words.labels import label as label_of
from ifonly.service.words.time import length

LEFT, TOP, ACROSS, DOWN = 62, 14, 320, 120
"""Where the plot begins, and how large it is; the picture has margins for its axes."""
FRAME = DrawingFrame(LEFT, TOP, ACROSS, DOWN, right=22, below=44)
X_TICKS, Y_TICKS = 5, 3
MOST_LINES = 8
"""Of the table: the first moment, the last, and those between at which something is otherwise."""


@dataclass(frozen=True, slots=True)
class MomentLine:
    """A moment, of the table."""

    time: str
    said: str
    is_alarm: bool
    arrived: str


@dataclass(frozen=True, slots=True)
class CourseDrawing:
    """What the template draws."""

    of: str
    """What the curve is of."""
    unit: str
    text: str
    low: str
    high: str
    curve: str
    limit: float | None
    """Where the verdict flips, if there is one such place."""
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    marks: tuple[Tick, ...]
    """When each feature is where it stays."""
    cleared: float | None
    """From when on the verdict is as desired."""
    lines: tuple[MomentLine, ...]
    frame: DrawingFrame = FRAME


def drawn(said: Mapping[str, Any], model: ServedModel, tag: Language) -> CourseDrawing:
    """``said``: the trajectory, as the API replies it."""
    moments, unit = said["moments"], said["unit"]
    verdicts = [_verdict(m["prediction"], model, tag) for m in moments]
    values = np.array(
        [_value(m["prediction"], v, model) for m, v in zip(moments, verdicts, strict=True)]
    )
    is_score = model.decision.task is Task.REGRESSION
    low, high = (float(values.min()), float(values.max())) if is_score else (0.0, 1.0)
    if low == high:  # a curve that is level lies in the middle
        low, high = low - 1.0, high + 1.0
    last = len(moments) - 1

    def x(steps: float) -> float:
        return round(LEFT + ACROSS * steps / last, 1)

    def y(value: float) -> float:
        return round(TOP + DOWN * (high - value) / (high - low), 1)

    def number(value: float) -> str:
        return figure(value, 3) if is_score else percentage(value)

    def steps(at: float) -> float:
        return at / float(said["step"])

    limit = verdicts[0].threshold
    places = sorted({*np.linspace(0, last, min(X_TICKS, last + 1)).round().astype(int).tolist()})
    ends = [a["arrives"] for a in said["arrivals"] if a["arrives"] is not None]
    return CourseDrawing(
        _of(verdicts[0], model, tag),
        unit,
        said["text"][tag],
        number(float(values.min())),
        number(float(values.max())),
        _curve([x(k) for k in range(last + 1)], [y(v) for v in values.tolist()]),
        None if limit is None else y(limit),
        tuple(Tick(x(k), figure(moments[k]["at"], 6)) for k in places),
        tuple(
            Tick(y(v), figure(v, 3) if is_score else f"{100 * v:.0f} %")
            for v in np.linspace(low, high, Y_TICKS).tolist()
        ),
        tuple(
            Tick(x(steps(at)), length(at, unit, tag)) for at in sorted({*ends}) if steps(at) <= last
        ),
        None if said["desired_from"] is None else x(steps(said["desired_from"])),
        tuple(
            MomentLine(
                length(moments[k]["at"], unit, tag),
                number(float(values[k])),
                verdicts[k].is_alarm,
                ", ".join(label_of(model.schema[n], tag) for n in moments[k]["arrived"]),
            )
            for k in _told(moments, verdicts)
        ),
    )


def _verdict(said: Mapping[str, Any], model: ServedModel, tag: Language) -> PredictionVerdict:
    decision = model.decision
    wanted = None if decision.desired is None else decision.class_names[decision.desired]
    return verdict_of(said, wanted is not None and said.get("class") != wanted, model, tag)


def _value(said: Mapping[str, Any], verdict: PredictionVerdict, model: ServedModel) -> float:
    decision = model.decision
    if decision.task is Task.REGRESSION:
        return float(said["score"])
    if decision.task is Task.MULTICLASS and decision.desired is not None:
        return float(said["probabilities"][decision.class_names[decision.desired]])
    return float(verdict.share or 0.0)


def _of(verdict: PredictionVerdict, model: ServedModel, tag: Language) -> str:
    decision = model.decision
    if decision.task is Task.REGRESSION:
        return say("course.score", tag)
    if decision.task is Task.MULTICLASS and decision.desired is not None:
        return say("course.probability", tag, of=label_of(decision.classes[decision.desired], tag))
    return say("course.probability", tag, of=verdict.of)


def _curve(xs: Sequence[float], ys: Sequence[float]) -> str:
    """What is read holds until the next step, so the curve is a stair."""
    stairs = (f"H{x}V{y}" for x, y in zip(xs[1:], ys[1:], strict=True))
    return f"M{xs[0]} {ys[0]}{''.join(stairs)}"


def _told(moments: Sequence[Mapping[str, Any]], verdicts: Sequence[PredictionVerdict]) -> list[int]:
    last = len(moments) - 1
    news = [
        k
        for k in range(1, last)
        if verdicts[k].is_alarm != verdicts[k - 1].is_alarm
        or moments[k]["arrived"] != moments[k - 1]["arrived"]
    ]
    return sorted({0, *news[: MOST_LINES - 2], last})
