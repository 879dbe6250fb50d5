"""What the model says along each slider, as a curve above it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ifonly.explainers.target import Target
from ifonly.explainers.wording import Language
from ifonly.explainers.wording.gauges import Gauge
from ifonly.explainers.wording.numerals import figure, percentage
from ifonly.models.predictor import Scores
from ifonly.models.schema import Task
from ifonly.service.ask.curves import LeverCurve
from ifonly.service.ask.trials import Bools, Floats, stretches
from ifonly.service.doors.pages.operator.levers import LeverControl
from ifonly.service.served.registry import ServedModel
from ifonly.service.words.catalogue import say
from ifonly.service.words.labels import label as label_of

ACROSS, DOWN, ROOM, STRIP = 300, 40, 2, 5
"""Size of a drawing, which is stretched to the slider's width; room above and below the curve; the
strip below it, of what is not allowed."""


@dataclass(frozen=True, slots=True)
class SliderStretch:
    """Part of a slider."""

    x: float
    width: float


@dataclass(frozen=True, slots=True)
class CurveDrawing:
    """What the template draws above one slider."""

    name: str
    summary: str
    """The same in words."""
    path: str
    works: tuple[SliderStretch, ...]
    """Where all that is demanded of an answer is met, and every rule kept."""
    forbidden: tuple[SliderStretch, ...]


@dataclass(frozen=True, slots=True)
class CurvesDrawing:
    """All curves of one page; heights are those of each."""

    of: str
    """What they are of."""
    each: tuple[CurveDrawing, ...]
    thresholds: tuple[float, ...]
    """Heights at which the verdict flips."""
    demanded: tuple[float, ...]
    """Heights from which on it is as probable as is demanded."""
    across: int = ACROSS
    down: int = DOWN
    strip: int = STRIP


def drawn(
    curves: Sequence[LeverCurve],
    levers: Sequence[LeverControl],
    model: ServedModel,
    target: Target,
    tag: Language,
) -> CurvesDrawing:
    """``levers``: the slider of each curve; ``target``: what an answer has to meet."""
    decision, of = model.decision, _of(model, target, tag)
    is_score = decision.task is Task.REGRESSION
    lines = [_measured(curve.said.scores, target) for curve in curves]
    limits = [x for x in _thresholds(target) if math.isfinite(x)]
    low, high = 0.0, 1.0
    if is_score:  # a score has no ends of its own: those of the curves and of the limits
        every = [*limits, *(float(end(line)) for line in lines for end in (np.min, np.max))]
        low, high = min(every, default=0.0), max(every, default=1.0)

    def y(value: float) -> float:
        # A level curve lies in the middle.
        share = (high - value) / (high - low) if high > low else 0.5
        return round(ROOM + (DOWN - 2 * ROOM) * share, 1)

    def number(value: float) -> str:
        return figure(value, 3) if is_score else percentage(value, decision.threshold)

    each = []
    for curve, lever, line in zip(curves, levers, lines, strict=True):
        gauge, places = Gauge.of(model.schema.features[curve.lever]), _places(curve.values, lever)
        works = curve.said.suffices & curve.said.allowed
        points = [f"{x} {y(v)}" for x, v in zip(places.tolist(), line.tolist(), strict=True)]
        ranges = [
            say("answer.between", tag, low=gauge.value(float(curve.values[i]), tag),
                high=gauge.value(float(curve.values[k]), tag))
            for i, k in stretches(works)
        ]  # fmt: skip
        said = say("curve.summary", tag, of=of, lever=lever.label,
                   low=number(float(line.min())), high=number(float(line.max())))  # fmt: skip
        where = say("curve.where", tag, ranges=", ".join(ranges)) if ranges else ""
        each.append(
            CurveDrawing(
                lever.name,
                f"{said} {where or say('curve.nowhere', tag)}",
                "M" + "L".join(points),
                tuple(_drawn_stretches(works, places)),
                tuple(_drawn_stretches(~curve.said.allowed, places)),
            )
        )
    return CurvesDrawing(
        of,
        tuple(each),
        tuple(y(limit) for limit in limits),
        tuple(y(limit) for limit in _demanded(target) if math.isfinite(limit)),
    )


def _of(model: ServedModel, target: Target, tag: Language) -> str:
    decision = model.decision
    if decision.task is Task.REGRESSION:
        return say("course.score", tag)
    # Of two classes the one that the page's verdict speaks of.
    shown = decision.positive if decision.task is Task.BINARY else target.wanted
    assert shown is not None
    return say("course.probability", tag, of=label_of(decision.classes[shown], tag))


def _measured(scores: Scores, target: Target) -> Floats:
    if target.decision.task is Task.MULTICLASS:
        return target.measure(scores)
    return np.asarray(scores[:, 0])


def _thresholds(target: Target) -> tuple[float, ...]:
    """Where the decision flips, if that is at some value of what is drawn."""
    if target.wanted is None:
        return target.lower, target.upper
    threshold = target.decision.threshold
    return () if threshold is None or target.decision.task is Task.MULTICLASS else (threshold,)


def _demanded(target: Target) -> tuple[float, ...]:
    demand = target.demand
    if demand is None:
        return ()
    ends = demand.lower, demand.upper
    is_other = target.decision.task is Task.BINARY and demand.wanted != target.decision.positive
    return tuple(1.0 - end for end in ends) if is_other else ends


def _places(values: Floats, lever: LeverControl) -> Floats:
    low, high = float(lever.lowest), float(lever.highest)
    return np.round(ACROSS * (values - low) / ((high - low) or 1.0), 1)


def _drawn_stretches(mask: Bools, places: Floats) -> Iterator[SliderStretch]:
    """Each run of values, to halfway to those beside it."""
    edges = np.concatenate((places[:1], (places[1:] + places[:-1]) / 2, places[-1:]))
    for i, k in stretches(mask):
        left, right = float(edges[i]), float(edges[k + 1])
        yield SliderStretch(round(left, 1), round(max(right - left, 1.0), 1))
