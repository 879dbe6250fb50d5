"""What does the model say?"""

from __future__ import annotations

from ifonly.explainers.answer import Prediction
from ifonly.models.predictor import Rows
from ifonly.service.served.registry import ServedModel


def predict(model: ServedModel, rows: Rows) -> tuple[Prediction, ...]:
    """The deployed model's word on each of ``rows``, ``(n, n_features)``, in one call.

    Raises
    ------
    GraphError
        If the model cannot score them.
    """
    scores = model.deployed.predictor.score(rows)
    decided = model.decision.decide(scores)
    return tuple(
        Prediction(tuple(float(s) for s in row), int(k))
        for row, k in zip(scores, decided, strict=True)
    )
