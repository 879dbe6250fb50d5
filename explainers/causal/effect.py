"""What happened to the real outcome where a feature was so rather than otherwise.

Augmented inverse propensity weighting with cross-fitting (Robins et al. 1994; Chernozhukov et
al. 2018, 5.1): a row's outcome as predicted under either, corrected by what was seen, weighted
by how likely the row was to be treated. Consistent if either prediction or propensity is, and
normal at root-n rate if both are fair. Which rows are comparable is said by :class:`Overlap`;
what speaks against the estimate by :func:`refute`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import numpy.typing as npt

from explainers.causal.errors import NotIdentified
from explainers.causal.function import Array
from models.predictor import Rows

Flags = npt.NDArray[np.bool_]
FOLDS = 5
TRIM = 0.05
"""Rows with a propensity below it, or above 1 minus it, have hardly any like them on the other
side: they are left out, and counted."""
LEAST_ROWS = 50
"""Least number of rows on either side, treated and not."""
Z95 = 1.959964


class Learner(Protocol):
    def __call__(self, rows: Rows, values: Array, fresh: Rows, /) -> Array:
        """Expected values at ``fresh``, ``(m,)``, learned from ``rows`` and ``values``."""
        ...


@dataclass(frozen=True)
class Learners:
    propensity: Learner
    outcome: Learner


@dataclass(frozen=True, eq=False)
class Observed:
    """Rows that were seen, none missing."""

    covariates: Rows
    """``(n, p)``: what is held fixed; p may be 0."""
    treated: Flags
    outcome: Array

    def __len__(self) -> int:
        return len(self.treated)

    def __getitem__(self, index: npt.NDArray[np.int64] | Flags) -> Observed:
        return Observed(self.covariates[index], self.treated[index], self.outcome[index])


@dataclass(frozen=True)
class Estimate:
    """Mean outcome were all rows treated, less the mean were none; over comparable rows."""

    value: float
    se: float
    rows: int
    treated: int

    @property
    def interval(self) -> tuple[float, float]:
        """Bounds of the effect, at 95 %."""
        return self.value - Z95 * self.se, self.value + Z95 * self.se


@dataclass(frozen=True)
class Overlap:
    """How alike the treated and the others are in what is held fixed."""

    trimmed: float
    """Share of the rows that were left out because hardly any is like them on the other side."""
    treated: tuple[int, ...]
    """Count of treated rows by propensity, in tenths."""
    others: tuple[int, ...]


@dataclass(frozen=True)
class Refutation:
    """Something that should, or should not, change the estimate, done."""

    name: str
    value: float
    limit: float
    """Largest size of ``value`` at which it does not speak against the estimate."""

    @property
    def passed(self) -> bool:
        return abs(self.value) <= self.limit


@dataclass(frozen=True)
class EstimatedEffect:
    estimate: Estimate
    naive: float
    """Difference of the plain means: what is seen where nothing is held fixed."""
    overlap: Overlap


def estimate_effect(
    observed: Observed, learners: Learners, rng: np.random.Generator, trim: float = TRIM
) -> EstimatedEffect:
    """The average effect among comparable rows.

    Parameters
    ----------
    observed : Observed
        ``n`` rows, none missing.
    learners : Learners
        Of the propensity and of the outcome.
    rng : numpy.random.Generator
        Draws the folds.
    trim : float
        Rows whose propensity is below it, or above 1 minus it, are left out.

    Raises
    ------
    NotIdentified
        If hardly any rows are comparable: fewer than :data:`LEAST_ROWS` of either side.
    """
    _enough(observed.treated, "rows")
    # Trimming needs the propensity, so it comes after the fit and before the mean.
    seen = _cross_fitted(observed, learners, rng)
    kept = (seen.propensity >= trim) & (seen.propensity <= 1.0 - trim)
    # Asked again: trimming may take away a whole side.
    _enough(observed.treated[kept], "comparable rows")
    return EstimatedEffect(
        _augmented(observed[kept], seen[kept]),
        _difference(observed),
        Overlap(
            float(1.0 - kept.mean()),
            *(_tenths(seen.propensity[side]) for side in (observed.treated, ~observed.treated)),
        ),
    )


def refute(
    observed: Observed,
    learners: Learners,
    found: EstimatedEffect,
    rng: np.random.Generator,
    draws: int = 3,
) -> tuple[Refutation, ...]:
    """A placebo in place of the treatment must do nothing; a random common cause, or a part of
    the rows, must leave the estimate where it is (Sharma and Kiciman 2020)."""
    se, value = found.estimate.se, found.estimate.value

    def again(other: Observed) -> Estimate:
        return estimate_effect(other, learners, rng).estimate

    placebos = [
        # Shuffled, the treatment can have done nothing: what is found
        # then is the method's own error.
        again(replace(observed, treated=rng.permutation(observed.treated)))
        for _ in range(draws)
    ]
    noise = rng.standard_normal((len(observed), 1))
    more = again(replace(observed, covariates=np.hstack([observed.covariates, noise])))
    four_fifths = round(0.8 * len(observed))
    parts = [
        again(observed[np.sort(rng.permutation(len(observed))[:four_fifths])]).value
        for _ in range(draws)
    ]
    return (
        Refutation(
            "placebo treatment",
            float(np.mean([p.value for p in placebos])),
            Z95 * float(np.mean([p.se for p in placebos])),
        ),
        Refutation("random common cause", more.value - value, se),
        # A part of 4/5 differs from the whole with half the standard error: three of those.
        Refutation("four fifths of the rows", max((p - value for p in parts), key=abs), 1.5 * se),
    )


# --- parts --------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Seen:
    """Predictions for each row by learners that did not see it."""

    propensity: Array
    if_treated: Array
    if_not: Array

    def __getitem__(self, index: Flags) -> _Seen:
        return _Seen(self.propensity[index], self.if_treated[index], self.if_not[index])


def _cross_fitted(observed: Observed, learners: Learners, rng: np.random.Generator) -> _Seen:
    x, treated, outcome = observed.covariates, observed.treated, observed.outcome
    found = np.empty((3, len(observed)))
    fold = _folds(treated, rng)
    for k in range(FOLDS):
        out, own = fold == k, fold != k
        found[0, out] = learners.propensity(x[own], treated[own].astype(np.float64), x[out])
        for place, side in ((1, treated), (2, ~treated)):
            # Each side's outcome is learned from that side alone, and asked of all.
            found[place, out] = learners.outcome(x[own & side], outcome[own & side], x[out])
    return _Seen(*found)


def _folds(treated: Flags, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """Each fold with its share of the treated."""
    fold = np.empty(len(treated), dtype=np.int64)
    # Else a fold could hold no treated row at all.
    for side in (treated, ~treated):
        own = rng.permutation(np.flatnonzero(side))
        fold[own] = np.arange(len(own)) % FOLDS
    return fold


def _augmented(observed: Observed, seen: _Seen) -> Estimate:
    t, y, e = observed.treated, observed.outcome, seen.propensity
    # What the outcome model missed, weighted by how rare such a row is on its side.
    left = np.where(t, (y - seen.if_treated) / e, -(y - seen.if_not) / (1.0 - e))
    scores = seen.if_treated - seen.if_not + left
    # Cross-fitting makes the scores as good as independent, so their spread is the error.
    se = float(scores.std(ddof=1) / np.sqrt(len(scores)))
    return Estimate(float(scores.mean()), se, len(scores), int(t.sum()))


def _difference(observed: Observed) -> float:
    t, y = observed.treated, observed.outcome
    return float(y[t].mean() - y[~t].mean())


def _tenths(propensity: Array) -> tuple[int, ...]:
    counts = np.histogram(propensity, bins=10, range=(0.0, 1.0))[0]
    return tuple(int(c) for c in counts)


def _enough(treated: Flags, what: str) -> None:
    n = int(treated.sum())
    if min(n, len(treated) - n) < LEAST_ROWS:
        raise NotIdentified(
            f"{n} {what} are treated and {len(treated) - n} are not: {LEAST_ROWS} of either are "
            f"needed"
        )
