"""What a model's decisions are worth on labelled rows."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ifonly.service.wire.base import Wire
from ifonly.service.wire.report import Proportion

MOST_POINTS = 200
WhyNot = Literal["no_labels", "no_alarm", "one_class", "no_copy", "not_scored"]


class LabelledSample(Wire):
    """Rows beside the model, as `validation.csv`, of which somebody says what they were."""

    rows: int
    label: str = Field(description="Header of the labels.")
    sha256: str = Field(description="Of the file.")
    held_out: bool | None = Field(
        description="Whether the model was trained on none of them; null: nobody says."
    )
    agreeing: int = Field(
        description="Rows whose label is what the model decides. All of them: the labels may be "
        "its own decisions, which say nothing of how good it is."
    )


class CurvePoint(Wire):
    """What would be, were everything an alarm that the model is as sure of as `threshold`."""

    threshold: float = Field(description="Of the model's own score.")
    precision: float
    recall: float
    alarms: int


class RecallPoint(CurvePoint):
    """The strictest threshold that finds as much as is wanted."""

    wanted: float = Field(description="Least recall.")


class CalibrationRange(Wire):
    """Rows whose probability of an alarm is within a range."""

    low: float
    high: float = Field(description="Exclusive, but for 1.")
    predicted: float = Field(description="Mean probability.")
    happened: Proportion
    is_off: bool = Field(description="Whether `predicted` is outside the interval of `happened`.")


class Calibrated(Wire):
    """Whether of those that were given p, a share of p happened."""

    brier: float = Field(description="Mean squared difference of probability and outcome.")
    expected_error: float = Field(
        description="Expected calibration error: mean difference of a range, weighted by its rows."
    )
    ranges: list[CalibrationRange] = Field(description="Tenths that have rows.")


class MeasuredQuality(Wire):
    """How good a model's alarms are, as it decides now."""

    alarm: list[str] = Field(description="Classes that are an alarm.")
    threshold: float | None = Field(description="The deployed one; null: the likeliest class wins.")
    precision: Proportion = Field(description="Of alarms, how many were right.")
    recall: Proportion = Field(description="Of what should be an alarm, how much is one.")
    alarm_share: Proportion = Field(description="Of all rows, how many are alarms.")
    average_precision: float
    curve: list[CurvePoint] = Field(
        description=f"Precision and recall, the strictest threshold first: {MOST_POINTS} points at "
        f"most, evenly spread over recall."
    )
    thresholds: int = Field(description="Points that there are in all.")
    at_recall: list[RecallPoint]
    calibration: Calibrated | None = Field(description="null: the score is no probability.")
    sample: LabelledSample


class QualityReply(Wire):
    """What a version's decisions are worth, or why nobody can say."""

    name: str
    version: str
    not_measured: WhyNot | None = Field(
        description="`no_labels`: the folder has no `validation.csv`; `no_alarm`: the spec does "
        "not say which class is wanted; `one_class`: all labels are alarms, or none; `no_copy`: "
        "only another server has the model; `not_scored`: the model gives no numbers."
    )
    measured: MeasuredQuality | None
