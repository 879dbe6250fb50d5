"""The effect by what lies on the way to the outcome, whatever hides behind the treatment.

Doubly robust and cross-fitted (Fulcher, Shpitser, Marealle and Tchetgen Tchetgen 2020): how the
treatment moves the mediators, times what the mediators do to the outcome among rows of one
treatment, averaged over treatments. Densities of mediators are told by two chances of being
treated, with the mediators known and without, so that mediators may be of any kind and number.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ifonly.explainers.causal.effect import (
    FOLDS,
    TRIM,
    EstimatedEffect,
    Learner,
    Observed,
    difference,
    enough,
    folds,
    overlap,
)
from ifonly.explainers.causal.errors import NotIdentified
from ifonly.explainers.causal.estimand import Estimand, Flags, Scores
from ifonly.explainers.causal.function import Array
from ifonly.models.predictor import Rows

TOLD = 0.01
"""A row whose mediators leave a treatment less chance than this shows nothing of it."""
MOST_TOLD = 0.05
"""Share of such rows beyond which nothing is told."""


@dataclass(frozen=True)
class FrontDoorLearners:
    propensity: Learner
    """Of what is held fixed."""
    by_mediators: Learner
    """The propensity, of what is held fixed and of the mediators."""
    outcome: Learner
    """Of what is held fixed, the mediators and the treatment."""
    over_mediators: Learner
    """Of what is held fixed: a predicted outcome, averaged over the mediators of a treatment."""


def front_door_effect(
    observed: Observed,
    learners: FrontDoorLearners,
    rng: np.random.Generator,
    trim: float = TRIM,
) -> EstimatedEffect:
    """The average effect of all rows, or of the comparable ones.

    Parameters
    ----------
    observed : Observed
        ``n`` rows, none missing, of two treatments that are one value each; every way to the
        outcome leads through their mediators.
    learners : FrontDoorLearners
        Of propensities and outcomes.
    rng : numpy.random.Generator
        Draws the folds.
    trim : float
        Rows whose propensity is below it, or above 1 minus it, are left out.

    Raises
    ------
    NotIdentified
        If rows are too few, the outcome never differs, or the mediators tell the treatment.
    """
    enough(observed)
    fold = folds(observed.treated, rng)
    seen = _seen(observed, learners, fold)
    untold = (seen.by_mediators < TOLD) | (seen.by_mediators > 1.0 - TOLD)
    if untold.mean() > MOST_TOLD:
        raise NotIdentified(
            f"in {untold.mean():.0%} of the rows the mediators tell the treatment almost surely: "
            f"what they do on their own shows in the others alone ({MOST_TOLD:.0%} are allowed)"
        )
    kept = np.asarray((seen.propensity >= trim) & (seen.propensity <= 1.0 - trim))
    enough(observed[kept], "comparable rows")
    estimand = Estimand.ATE if kept.all() else Estimand.ATE_COMPARABLE
    scores = _scores(observed, seen, kept)
    return EstimatedEffect(
        estimand,
        scores.estimate,
        difference(observed),
        overlap(observed, seen.propensity, kept),
        scores,
        fold[None],
        kept,
        {},
    )


def beside(observed: Observed) -> Rows:
    """``(n, p + m)``: what is held fixed, and the mediators."""
    assert observed.mediators is not None
    return np.hstack([observed.covariates, observed.mediators])


# --- parts --------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Seen:
    """Predictions for each of ``n`` rows by learners that did not see it."""

    propensity: Array
    by_mediators: Array
    outcome: Array
    """``(2, n)``: with the row's mediators, untreated and treated."""
    averaged: Array
    """``(2, 2, n)``: over the mediators of either treatment (first axis), as ``outcome``."""


def _seen(
    observed: Observed,
    learners: FrontDoorLearners,
    fold: npt.NDArray[np.int64],
) -> _Seen:
    w, t, n = observed.covariates, observed.treated.astype(np.float64), len(observed)
    known = beside(observed)
    found = _Seen(np.empty(n), np.empty(n), np.empty((2, n)), np.empty((2, 2, n)))
    for k in range(FOLDS):
        out, own = fold == k, fold != k
        found.propensity[out] = learners.propensity(w[own], t[own], w[out])
        found.by_mediators[out] = learners.by_mediators(known[own], t[own], known[out])
        for treatment in (0, 1):
            # Asked of the row's own mediators, the treatment held at one value.
            of_all = np.column_stack([known, np.full(n, float(treatment))])
            by_row = np.column_stack([known, t])
            asked = learners.outcome(by_row[own], observed.outcome[own], of_all)
            found.outcome[treatment, out] = asked[out]
            for moved_by in (0, 1):
                side = own & (t == moved_by)
                found.averaged[moved_by, treatment, out] = learners.over_mediators(
                    w[side], asked[side], w[out]
                )
    return found


def _scores(observed: Observed, seen: _Seen, kept: Flags) -> Scores:
    t = observed.treated[kept]
    rows = np.arange(int(kept.sum())), t.astype(int)
    y, e = observed.outcome[kept], seen.propensity[kept]
    q = np.clip(seen.by_mediators[kept], TOLD, 1.0 - TOLD)
    outcome, averaged = seen.outcome[:, kept], seen.averaged[:, :, kept]
    chance, by_mediators = np.stack([1.0 - e, e]), np.stack([1.0 - q, q])
    residual = y - outcome[rows[1], rows[0]]
    # Over the treatments as they were, the mediators as they are.
    natural = (outcome * chance).sum(axis=0)
    sums, weights = [], []
    for a in (0, 1):
        # How much likelier the row's mediators are under a than under its own treatment.
        likelier = by_mediators[a] / chance[a]
        likelier = likelier * chance[rows[1], rows[0]] / by_mediators[rows[1], rows[0]]
        moved = (t == a) / chance[a] * (natural - (averaged[a] * chance).sum(axis=0))
        sums.append(likelier * residual + moved + averaged[a, rows[1], rows[0]])
        weights.append(likelier)
    return Scores(sums[1], sums[0], np.ones(len(t)), residual, weights[1] - weights[0], t)
