"""A prediction as people look at it: alarm or not, how likely, and where the line is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ifonly.explainers.wording import Language
from ifonly.explainers.wording.numerals import exact_percentage, figure, percentage
from ifonly.models.schema import Decision, Task
from ifonly.service.served.registry import ServedModel
from ifonly.service.words.labels import label as label_of
from ifonly.service.words.labels import label_or


@dataclass(frozen=True, slots=True)
class PredictionVerdict:
    """What is shown of a prediction."""

    is_alarm: bool
    label: str
    of: str
    """The class whose probability it is; empty for a score."""
    share: float | None
    """Its probability; None for a score."""
    threshold: float | None
    """From where on it is decided."""
    score: str
    """For a regression: the score with its unit."""
    limit: Literal["alarm_from", "alarm_below", "decided_from"] = "decided_from"
    """What the threshold decides."""

    @property
    def percent(self) -> str:
        """Rounded to a tenth, but never onto the threshold or an end that it has not reached."""
        return "" if self.share is None else percentage(self.share, self.threshold)

    @property
    def threshold_percent(self) -> str:
        return "" if self.threshold is None else exact_percentage(self.threshold)


def verdict_of(
    prediction: Mapping[str, Any], is_alarm: bool, model: ServedModel | None, tag: Language
) -> PredictionVerdict:
    """``prediction``: as replies write it."""
    labels = prediction.get("label") or {}
    name = str(prediction.get("class", ""))
    label = label_or(labels, tag, next(iter(labels.values()), name))
    probability, score = prediction.get("probability"), prediction.get("score")
    if score is not None:
        unit = prediction.get("unit") or ""
        return PredictionVerdict(
            is_alarm, label, "", None, None, f"{figure(score, 6)} {unit}".strip()
        )
    # Only two classes have one threshold to draw.
    if model is None or model.decision.task is not Task.BINARY:
        return PredictionVerdict(is_alarm, label, label, probability, None, "")
    decision = model.decision
    positive = decision.classes[decision.positive]
    # The reply gives the predicted class's probability; the gauge shows the alarm's.
    share = probability if name == positive.name else 1.0 - (probability or 0.0)
    of = label_of(positive, tag)
    return PredictionVerdict(is_alarm, label, of, share, decision.threshold, "", _limit(decision))


def _limit(decision: Decision) -> Literal["alarm_from", "alarm_below", "decided_from"]:
    if decision.desired is None:
        return "decided_from"
    return "alarm_below" if decision.desired == decision.positive else "alarm_from"
