"""What a model's decisions are worth, as clients see it. Runs in a thread: the first time, rows are
scored."""

from __future__ import annotations

from collections.abc import Iterator

from ifonly.models.quality import Calibration, ModelQuality
from ifonly.models.schema import Decision
from ifonly.service.served.registry import ServedModel
from ifonly.service.wire import quality as wire
from ifonly.service.wire.report import Proportion

RECALLS = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0)
"""For which a threshold is looked up."""


def told(model: ServedModel) -> wire.QualityReply:
    """Measured once a version, by the session that answers."""
    found = model.deployed.quality
    return wire.QualityReply(
        name=model.name,
        version=model.version,
        not_measured=None if isinstance(found, ModelQuality) else found.value,
        measured=_measured(found, model.decision) if isinstance(found, ModelQuality) else None,
    )


def _measured(found: ModelQuality, decision: Decision) -> wire.MeasuredQuality:
    curve, names = found.curve, decision.class_names
    points = [_point(found, k) for k in curve.spread(wire.MOST_POINTS)]
    return wire.MeasuredQuality(
        alarm=[names[k] for k in found.events],
        threshold=found.threshold,
        precision=Proportion.estimated(found.precision),
        recall=Proportion.estimated(found.recall),
        alarm_share=Proportion.estimated(found.alarm_share),
        average_precision=curve.average_precision,
        curve=points,
        thresholds=len(curve.thresholds),
        at_recall=list(_at_recalls(found)),
        calibration=None if found.calibration is None else _calibrated(found.calibration),
        sample=wire.LabelledSample(
            rows=len(found.sample.labels),
            label=found.sample.column,
            sha256=found.sample.sha256,
            held_out=found.sample.held_out,
            agreeing=found.agreeing,
        ),
    )


def _point(found: ModelQuality, place: int) -> wire.CurvePoint:
    curve = found.curve
    alarms, hits = int(curve.alarms[place]), int(curve.hits[place])
    return wire.CurvePoint(
        threshold=found.own(float(curve.thresholds[place])),
        precision=hits / alarms,
        recall=hits / curve.events,
        alarms=alarms,
    )


def _at_recalls(found: ModelQuality) -> Iterator[wire.RecallPoint]:
    for wanted in RECALLS:
        point = _point(found, found.curve.reaching(wanted))
        yield wire.RecallPoint(wanted=wanted, **point.model_dump())


def _calibrated(found: Calibration) -> wire.Calibrated:
    return wire.Calibrated(
        brier=found.brier,
        expected_error=found.expected_error,
        ranges=[
            wire.CalibrationRange(
                low=each.low,
                high=each.high,
                predicted=each.predicted,
                happened=Proportion.estimated(each.happened),
                is_off=each.is_off,
            )
            for each in found.bins
        ],
    )
