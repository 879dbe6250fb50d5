"""Alarms of a deployed model, held against labels."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from ifonly.models.errors import ModelError
from ifonly.models.predictor import Predictor
from ifonly.models.quality.curves import (
    Calibration,
    Floats,
    PrecisionRecall,
    calibration,
    precision_recall,
)
from ifonly.models.quality.labelled import LabelledRows
from ifonly.models.schema import Decision, Task
from ifonly.models.shares import ShareEstimate, share


class NotMeasured(StrEnum):
    """Why there is nothing to say."""

    NO_LABELS = "no_labels"
    """The folder has no ``validation.csv``."""
    NO_ALARM = "no_alarm"
    """Nobody says which of several classes is wanted."""
    ONE_CLASS = "one_class"
    """All rows are labelled as alarms, or none is."""
    NO_COPY = "no_copy"
    """Only the server that has the model could score them."""
    NOT_SCORED = "not_scored"
    """The model gives no numbers for them."""


class ScoreTurn(StrEnum):
    """How a score becomes a measure that grows with the alarm."""

    NONE = "none"
    COMPLEMENT = "complement"
    """1 less the probability of what is wanted."""
    NEGATIVE = "negative"
    """Low values are alarms."""


@dataclass(frozen=True, eq=False)
class ModelQuality:
    """What a deployed model's decisions are worth, on labelled rows."""

    events: tuple[int, ...]
    """Classes that are an alarm."""
    precision: ShareEstimate
    """Of alarms, those that were rightly raised, as the model decides now."""
    recall: ShareEstimate
    """Of what should be an alarm, what is one."""
    alarm_share: ShareEstimate
    """Of all rows."""
    agreeing: int
    """Rows whose label is the decision."""
    turn: ScoreTurn
    threshold: float | None
    """The deployed one, of the model's own score; None: none decides."""
    curve: PrecisionRecall
    """Of the measure that grows with the alarm; :meth:`own` has it as the model says it."""
    calibration: Calibration | None
    """None: the score is no probability."""
    sample: LabelledRows

    def own(self, measure: float) -> float:
        """What the model's own score is where the curve's measure is ``measure``."""
        match self.turn:
            case ScoreTurn.NONE:
                return measure
            case ScoreTurn.COMPLEMENT:
                return 1.0 - measure
            case ScoreTurn.NEGATIVE:
                return -measure


def quality_of(
    sample: LabelledRows | None, predictor: Predictor | None, decision: Decision
) -> ModelQuality | NotMeasured:
    """``predictor``: the deployed session; None: there is none here."""
    if sample is None:
        return NotMeasured.NO_LABELS
    if predictor is None:
        return NotMeasured.NO_COPY
    if decision.desired is None and decision.task is Task.MULTICLASS:
        return NotMeasured.NO_ALARM
    try:
        scores = predictor.score(sample.rows)
    except ModelError:
        return NotMeasured.NOT_SCORED
    return _measured(sample, np.asarray(scores, dtype=np.float64), decision)


def _measured(
    sample: LabelledRows, scores: Floats, decision: Decision
) -> ModelQuality | NotMeasured:
    decided = decision.decide(scores)
    events = _events(decision)
    happened, alarms = (np.isin(each, events) for each in (sample.labels, decided))
    if happened.all() or not happened.any():
        return NotMeasured.ONE_CLASS
    measure, turn = _alarm_measure(decision, scores)
    hits, n = int((happened & alarms).sum()), len(happened)
    is_probability = decision.task is not Task.REGRESSION and bool(
        ((measure >= 0.0) & (measure <= 1.0)).all()
    )
    return ModelQuality(
        events,
        share(hits, int(alarms.sum())),
        share(hits, int(happened.sum())),
        share(int(alarms.sum()), n),
        int((decided == sample.labels).sum()),
        turn,
        decision.threshold,
        precision_recall(measure, happened),
        calibration(measure, happened) if is_probability else None,
        sample,
    )


def _events(decision: Decision) -> tuple[int, ...]:
    """Classes but the wanted one; where nobody wants any, the positive one."""
    if decision.desired is None:
        return (decision.positive,)
    return tuple(k for k in range(len(decision.classes)) if k != decision.desired)


def _alarm_measure(decision: Decision, scores: Floats) -> tuple[Floats, ScoreTurn]:
    if decision.task is Task.MULTICLASS:
        assert decision.desired is not None
        # As many classes as there are: none decides by a limit.
        return 1.0 - scores[:, decision.desired], ScoreTurn.COMPLEMENT
    if decision.desired != decision.positive:
        return scores[:, 0], ScoreTurn.NONE
    if decision.task is Task.REGRESSION:
        return -scores[:, 0], ScoreTurn.NEGATIVE
    return 1.0 - scores[:, 0], ScoreTurn.COMPLEMENT
