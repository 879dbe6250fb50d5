"""Precision, recall and calibration as a page draws them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ifonly.explainers.wording import Language
from ifonly.explainers.wording.numerals import count, exact_percentage, figure, percentage
from ifonly.models.schema import Category, Task
from ifonly.service.served.registry import ServedModel
from ifonly.service.wire.quality import (
    Calibrated,
    CurvePoint,
    MeasuredQuality,
    QualityReply,
)
from ifonly.service.wire.report import Proportion
from ifonly.service.words.catalogue import say
from ifonly.service.words.labels import label

SIDE = 200
"""Length of both axes of a drawing."""


@dataclass(frozen=True, slots=True)
class ShownShare:
    """A share, and how sure it is."""

    name: str
    text: str
    range: str
    of: str


@dataclass(frozen=True, slots=True)
class RecallLine:
    wanted: str
    threshold: str
    precision: str
    alarms: str


@dataclass(frozen=True, slots=True)
class RangeLine:
    """One range of probabilities: as a line of the table, and as a mark of the drawing."""

    range: str
    rows: str
    predicted: str
    happened: str
    interval: str
    is_off: bool
    x: float
    y: float
    low: float
    high: float


@dataclass(frozen=True)
class QualityDrawing:
    """What the template draws of a model that was measured."""

    path: str
    """Of precision over recall: stairs, as there is nothing between two thresholds."""
    at: tuple[float, float]
    """The deployed threshold."""
    summary: str
    shares: tuple[ShownShare, ...]
    average: str
    threshold: str
    recalls: tuple[RecallLine, ...]
    ranges: tuple[RangeLine, ...]
    """None: the score is no probability."""
    calibrated: str
    """The same in words."""
    brier: str
    error: str
    sample: str
    caution: str
    """What keeps it from saying how good the model is; empty: nothing."""
    side: int = SIDE


def drawn(told: QualityReply, model: ServedModel, tag: Language) -> QualityDrawing | None:
    """None: it was not measured."""
    found = told.measured
    if found is None:
        return None
    share = percentage if model.decision.task is not Task.REGRESSION else figure
    threshold = "" if found.threshold is None else share(found.threshold)
    if found.threshold is not None and share is percentage:
        threshold = exact_percentage(found.threshold)
    ranges = () if found.calibration is None else tuple(_ranges(found.calibration, tag))
    return QualityDrawing(
        _stairs(found.curve),
        (_x(found.recall.share or 0.0), _y(found.precision.share or 0.0)),
        _summary(found, threshold, tag),
        tuple(_shares(found, tag)),
        figure(found.average_precision, 3),
        threshold,
        tuple(_recalls(found, share)),
        ranges,
        _calibrated(found.calibration, tag),
        "" if found.calibration is None else figure(found.calibration.brier, 3),
        "" if found.calibration is None else percentage(found.calibration.expected_error),
        _sample(found, model.decision.classes, tag),
        _caution(found, tag),
    )


def _x(share: float) -> float:
    return round(SIDE * share, 1)


def _y(share: float) -> float:
    return round(SIDE * (1.0 - share), 1)


def _stairs(points: Sequence[CurvePoint]) -> str:
    first, *others = points
    path = [f"M0 {_y(first.precision)}H{_x(first.recall)}"]
    path += [f"V{_y(p.precision)}H{_x(p.recall)}" for p in others]
    return "".join(path)


def _interval(found: Proportion) -> str:
    if found.low is None or found.high is None:
        return ""
    return f"{percentage(found.low)} – {percentage(found.high)}"


def _share(found: Proportion) -> str:
    return "–" if found.share is None else percentage(found.share)


def _shares(found: MeasuredQuality, tag: Language) -> Iterator[ShownShare]:
    for name, each in (
        ("precision", found.precision),
        ("recall", found.recall),
        ("alarm_share", found.alarm_share),
    ):
        of = say("quality.of", tag, count=count(each.count), of=count(each.of))
        yield ShownShare(name, _share(each), _interval(each), of)


def _summary(found: MeasuredQuality, threshold: str, tag: Language) -> str:
    told = {"precision": _share(found.precision), "recall": _share(found.recall)}
    told |= {"average": figure(found.average_precision, 3)}
    if not threshold:
        return say("quality.curve_summary_likeliest", tag, **told)
    return say("quality.curve_summary", tag, threshold=threshold, **told)


def _recalls(found: MeasuredQuality, share: object) -> Iterator[RecallLine]:
    rows = found.alarm_share.of
    for point in found.at_recall:
        threshold = figure(point.threshold, 3)
        yield RecallLine(
            exact_percentage(point.wanted),
            percentage(point.threshold) if share is percentage else threshold,
            percentage(point.precision),
            percentage(point.alarms / rows),
        )


def _ranges(found: Calibrated, tag: Language) -> Iterator[RangeLine]:
    for each in found.ranges:
        happened = each.happened
        assert happened.share is not None
        assert happened.low is not None
        assert happened.high is not None
        yield RangeLine(
            f"{exact_percentage(each.low).removesuffix(' %')} – {exact_percentage(each.high)}",
            count(happened.of),
            percentage(each.predicted),
            percentage(happened.share),
            _interval(happened),
            each.is_off,
            _x(each.predicted),
            _y(happened.share),
            _y(happened.low),
            _y(happened.high),
        )


def _calibrated(found: Calibrated | None, tag: Language) -> str:
    if found is None:
        return ""
    off = sum(each.is_off for each in found.ranges)
    key = "quality.calibration_off" if off else "quality.calibration_fits"
    return say(key, tag, off=off, ranges=len(found.ranges))


def _sample(found: MeasuredQuality, classes: Sequence[Category], tag: Language) -> str:
    alarms = [label(c, tag) for c in classes if c.name in found.alarm]
    rows, events = count(found.sample.rows), count(found.recall.of)
    held_out = {True: "held_out", False: "trained_on", None: "not_said"}[found.sample.held_out]
    told = say("quality.sample", tag, rows=rows, events=events, alarm=", ".join(alarms))
    return f"{told} {say(f'quality.{held_out}', tag)}"


def _caution(found: MeasuredQuality, tag: Language) -> str:
    if found.sample.agreeing == found.sample.rows:
        return say("quality.agreed", tag)
    return "" if found.sample.held_out is not False else say("quality.optimistic", tag)
