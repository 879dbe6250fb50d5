"""What predicts treatment and outcome in the estimate of an effect: scikit-learn (extra `effect`).

Three ways to predict: products of two on a line, the same with a bent line for each reading, and
boosted trees. The one that predicts rows that it has not seen better is used, and the simpler one
where that is not sure.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import numpy.typing as npt

from ifonly.explainers.causal.effect import FOLDS, Learner, Learners, Observed
from ifonly.explainers.causal.front_door import FrontDoorLearners, beside
from ifonly.explainers.causal.instrument import Moved, MovedLearners
from ifonly.models.predictor import Rows

Array = npt.NDArray[np.float64]
Make = Callable[[int], Any]
"""A model of so many columns, not yet fitted."""
KNOTS = np.linspace(-2.5, 2.5, 8)
"""Where a bent line bends, in standard deviations of a normal."""


def one_thread() -> AbstractContextManager[object]:
    """Hundreds of small models: their threads would only wait for one another, on a busy machine
    for most of the time.

    Raises
    ------
    ModuleNotFoundError
        If scikit-learn, which brings it, is not installed.
    """
    from threadpoolctl import threadpool_limits

    found: AbstractContextManager[object] = threadpool_limits(limits=1)
    return found


def learners_for(observed: Observed, seed: int) -> Learners:
    """Chosen on ``observed``.

    Raises
    ------
    ModuleNotFoundError
        If scikit-learn is not installed.
    """
    # The outcome is predicted with the treatment among its causes, the treatment without itself.
    x, treated = observed.covariates, observed.treated.astype(np.float64)
    by_side = np.column_stack([x, treated])
    return Learners(_chosen(x, treated, seed), _chosen(by_side, observed.outcome, seed))


def front_door_learners(observed: Observed, seed: int) -> FrontDoorLearners:
    """As :func:`learners_for`, for the front door."""
    w, treated, known = observed.covariates, observed.treated.astype(np.float64), beside(observed)
    return FrontDoorLearners(
        _chosen(w, treated, seed),
        _chosen(known, treated, seed),
        _chosen(np.column_stack([known, treated]), observed.outcome, seed),
        # Of what was predicted, not of the outcome: numbers even where the outcome is a flag.
        _chosen(w, observed.outcome, seed, is_flag=False),
    )


def moved_learners(rows: Moved, seed: int) -> MovedLearners:
    """As :func:`learners_for`, for instruments."""
    x = rows.covariates
    return MovedLearners(
        tuple(_chosen(x, instrument, seed) for instrument in rows.instruments.T),
        _chosen(x, rows.treatment, seed),
        _chosen(x, rows.outcome, seed),
    )


def _chosen(rows: Rows, values: Array, seed: int, *, is_flag: bool | None = None) -> Learner:
    """The better way to predict ``values``; where nothing is held fixed, their mean."""
    # A chance is wanted of a flag: a line through 0 and 1 leaves the interval.
    if is_flag is None:
        is_flag = bool(np.isin(values, (0.0, 1.0)).all())
    ways = [_learner(make, is_flag) for make in _ways(is_flag, seed)]
    # One division for all ways: they are compared on the same rows.
    fold = np.random.default_rng(seed).permutation(len(rows)) % FOLDS
    losses = np.array([_losses(way, rows, values, fold) for way in ways])
    best = ways[_simplest(losses)]

    def learn(own: Rows, seen: Array, fresh: Rows) -> Array:
        # Learners refuse tables without columns, and flags of one class.
        if not own.shape[1] or (seen == seen[0]).all():
            return np.full(len(fresh), seen.mean())
        return best(own, seen, fresh)

    return learn


def _simplest(losses: Array) -> int:
    """The first of those that are not surely worse than the best: by one standard error of the
    difference (Breiman et al. 1984). ``losses`` is ``(ways, n)``, the simplest way first."""
    best = losses[int(np.argmin(losses.mean(axis=1)))]
    worse = losses - best
    error = worse.std(axis=1) / np.sqrt(losses.shape[1])
    return int(np.argmax(worse.mean(axis=1) <= error))


def _ways(is_flag: bool, seed: int) -> Sequence[Make]:
    # Imported here: scikit-learn is an extra.
    from sklearn import ensemble, linear_model, pipeline, preprocessing

    def products() -> Any:
        return preprocessing.PolynomialFeatures(2, include_bias=False)

    def on_line(*parts: Any) -> Any:
        model = linear_model.LogisticRegression(max_iter=2000) if is_flag else linear_model.Ridge()
        return pipeline.make_pipeline(*parts, preprocessing.StandardScaler(), model)

    def line(_: int) -> Any:
        return on_line(preprocessing.StandardScaler(), products())

    def bent(n_columns: int) -> Any:
        # By rank, onto a normal's values: knots then fit any reading, tails and ties included.
        ranks = preprocessing.QuantileTransformer(n_quantiles=100, output_distribution="normal")
        knots = np.tile(KNOTS[:, None], (1, n_columns))
        splines = preprocessing.SplineTransformer(knots=knots, extrapolation="linear")
        own = pipeline.make_pipeline(preprocessing.StandardScaler(), products())
        return on_line(pipeline.make_union(own, pipeline.make_pipeline(ranks, splines)))

    def trees(_: int) -> Any:
        kind = ensemble.HistGradientBoostingRegressor
        if is_flag:
            kind = ensemble.HistGradientBoostingClassifier
        # Small, seeded trees without early stopping: the same rows give the same estimate.
        return kind(max_iter=60, max_leaf_nodes=8, early_stopping=False, random_state=seed)

    return line, bent, trees


def _learner(make: Make, is_flag: bool) -> Learner:
    def learn(rows: Rows, values: Array, fresh: Rows) -> Array:
        model = make(rows.shape[1]).fit(rows, values)
        found = model.predict_proba(fresh)[:, 1] if is_flag else model.predict(fresh)
        return np.asarray(found, dtype=np.float64)

    return learn


def _losses(learner: Learner, rows: Rows, values: Array, fold: npt.NDArray[np.int64]) -> Array:
    """Squared error (of a chance: Brier's score) of each row, by a learner that has not seen it."""
    missed = np.zeros(len(values))
    if not rows.shape[1] or (values == values[0]).all():
        return missed
    # On rows that it has not seen: trees fit their own rows almost exactly.
    for k in range(FOLDS):
        own = fold != k
        found = learner(rows[own], values[own], rows[~own])
        missed[~own] = (found - values[~own]) ** 2
    return missed
