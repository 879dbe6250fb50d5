"""Fit the alarm: gradient-boosted trees, a threshold, and how good they are on unseen parts.

Failures are rare (3 %). Nothing is re-weighted or re-sampled for it: the score stays the
probability of a failure, and the threshold, not the fit, says how dear a missed failure is.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ifonly.models.predictor import Rows, Scores
from ifonly.models.training.dataset import Dataset
from ifonly.models.training.milling import MODES, Array, Flags, failures_by_readings

PARAMETERS: dict[str, Any] = {
    "n_estimators": 200,
    "max_depth": 6,
    "learning_rate": 0.2,
    "min_child_weight": 3,
    "tree_method": "hist",
    # More bins than the sensors have steps: a split can lie at every reading.
    "max_bin": 2048,
    # air, process, speed, torque, wear, quality: wear never lowers the risk, and a better variant
    # never raises it. So a tool change is never harmful.
    "monotone_constraints": (0, 0, 0, 0, 1, -1),
    # Sums of gradients depend on how rows are shared among threads.
    "n_jobs": 1,
}


@dataclass(frozen=True)
class TrainedModel:
    """Trained trees and the probability from which they raise the alarm."""

    estimator: Any
    """``xgboost.XGBClassifier``"""
    threshold: float

    def score(self, rows: Rows) -> Scores:
        """Probability of a failure as XGBoost itself computes it, ``(n_rows, 1)``."""
        # float32, as the exported graph reads: else parity would compare two inputs.
        scores = self.estimator.predict_proba(rows.astype(np.float32))[:, 1:]
        return np.asarray(scores, dtype=np.float64)


@dataclass(frozen=True)
class FitMetrics:
    """How good the alarm is on rows it was not trained on."""

    rows: int
    failures: int
    roc_auc: float
    average_precision: float
    """Area under the precision-recall curve."""
    brier: float
    f1: float
    precision: float
    recall: float
    true_alarms: int
    false_alarms: int
    missed_failures: int
    true_silences: int
    recall_by_mode: dict[str, float]
    """Share of the failures of each mode that raise the alarm. HDF, PWF and OSF follow from the
    readings; ``other`` failures (a tool that breaks, a random one) are mostly chance."""

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def fit(train: Dataset, validation: Dataset, seed: int, **changed: Any) -> TrainedModel:
    """Fit on ``train``, choose the threshold on ``validation``; equal input, equal trees."""
    import xgboost

    estimator = xgboost.XGBClassifier(**{**PARAMETERS, "random_state": seed, **changed})
    estimator.fit(train.rows.astype(np.float32), train.failed)
    unset = TrainedModel(estimator, 0.5)
    scores = unset.score(validation.rows)[:, 0]
    return TrainedModel(estimator, choose_threshold(scores, validation.failed))


def choose_threshold(scores: Array, failed: Flags) -> float:
    """The threshold, in steps of 0.01, of the largest F1; the middle one of equals."""
    steps = np.arange(1, 100) / 100
    # All thresholds at once, one column each.
    alarms = scores[:, None] >= steps
    hits = (alarms & failed[:, None]).sum(axis=0)
    f1 = 2 * hits / np.maximum(alarms.sum(axis=0) + failed.sum(), 1)
    best = np.flatnonzero(f1 == f1.max())
    # The middle of equals is farthest from where F1 falls.
    return float(steps[best[len(best) // 2]])


def measure(scores: Array, threshold: float, data: Dataset) -> FitMetrics:
    """Metrics of ``scores``, ``(n_rows,)``, against what happened."""
    from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score

    alarm, failed = scores >= threshold, data.failed
    hits, false = int((alarm & failed).sum()), int((alarm & ~failed).sum())
    missed = int((~alarm & failed).sum())
    return FitMetrics(
        rows=len(data),
        failures=int(failed.sum()),
        roc_auc=_rounded(roc_auc_score(failed, scores)),
        average_precision=_rounded(average_precision_score(failed, scores)),
        brier=_rounded(brier_score_loss(failed, scores)),
        f1=_rounded(2 * hits / max(2 * hits + false + missed, 1)),
        precision=_rounded(hits / max(hits + false, 1)),
        recall=_rounded(hits / max(hits + missed, 1)),
        true_alarms=hits,
        false_alarms=false,
        missed_failures=missed,
        true_silences=len(data) - hits - false - missed,
        recall_by_mode=_recall_by_mode(alarm, data),
    )


def _recall_by_mode(alarm: Flags, data: Dataset) -> dict[str, float]:
    modes = failures_by_readings(data.rows) & data.failed[:, None]
    others = data.failed & ~modes.any(axis=1)
    named = {**dict(zip(MODES[1:4], modes.T, strict=True)), "other": others}
    return {name: _rounded(alarm[of].mean()) for name, of in named.items() if of.any()}


def _rounded(value: float) -> float:
    return round(float(value), 6)
