"""Does a deployed model still answer like the copy of it here?

Each answer that is published is confirmed row by row; but what is proven (*optimal*, *infeasible*,
bounds) speaks of all rows, and is of no worth for another model. So reference rows are compared now
and then.
"""

from __future__ import annotations

import json
import time

import numpy as np

from ifonly.models.errors import ModelError
from ifonly.models.onnx.trial import trial_rows
from ifonly.models.predictor import Rows
from ifonly.models.repository import DeployedModel
from ifonly.models.said import evened, expected, read_said
from ifonly.service.errors import PredictorUnavailable, PredictorUnclear
from ifonly.service.served.remote.drift_report import DriftReport
from ifonly.service.served.remote.remote import RemotePredictor

MOST_ROWS = 64


def rows_of(model: DeployedModel) -> Rows:
    """Rows to compare: spread over those it was trained on, or else over what it reads."""
    rows = trial_rows(model.spec.schema) if model.reference is None else model.reference
    if len(rows) <= MOST_ROWS:
        return rows
    # The same each time, so that a change of the count is one of the models.
    return np.asarray(rows[np.linspace(0, len(rows) - 1, MOST_ROWS).round().astype(int)])


def compare(model: DeployedModel, predictor: RemotePredictor) -> DriftReport:
    """Ask both about the same rows: numbers must be near, or classes the same."""
    rows, decision = rows_of(model), model.spec.decision
    try:
        ours = model.predictor.score(rows)
        words = evened(predictor.say(rows))
        read = [read_said(said, decision) for said in words]
        if None in read:
            said = json.dumps(words[read.index(None)])[:200]
            raise PredictorUnclear(f"{predictor.url} said {said} of a row", expected(decision))
    # A copy that fails, too: one model that cannot be compared must not keep the others from it.
    except (PredictorUnavailable, PredictorUnclear, ModelError) as error:
        return DriftReport(0, why=str(error), at=time.time())
    decided = decision.decide(ours)
    differing = [
        place
        for place, word in enumerate(read)
        if word is not None
        and not (
            word.decided == int(decided[place])
            if word.scores is None
            else word.is_near(tuple(ours[place].tolist()))
        )
    ]
    if not differing:
        return DriftReport(len(rows), at=time.time())
    first = differing[0]
    return DriftReport(
        len(rows),
        len(differing),
        rows[first],
        words[first],
        tuple(ours[first].tolist()),
        at=time.time(),
    )
