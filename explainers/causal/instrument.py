"""The effect of those whom an instrument moves, where hidden causes tie treatment and outcome.

Partially linear: what is left of the outcome, of the treatment and of each instrument once the
readings held fixed have predicted them (Chernozhukov et al. 2018, 4.2). The interval holds every
effect at which instruments and what would be left of the outcome are not tied (Anderson and Rubin
1949, robust to unequal variances: Stock and Wright 2000): it is valid however weak the instruments
are, and may have no end. The estimate is where they are tied least.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from ifonly.explainers.causal.effect import FOLDS, LEAST_ROWS, Covariate, Learner, Refutation
from ifonly.explainers.causal.errors import NotIdentified
from ifonly.explainers.causal.estimand import Z95
from ifonly.explainers.causal.function import Array
from ifonly.explainers.causal.sensitivity import (
    Sensitivity,
    benchmarked,
    robustness,
    strength_of,
)
from ifonly.models.predictor import Rows

CHI2_95 = (3.8415, 5.9915, 7.8147, 9.4877, 11.0705, 12.5916, 14.0671, 15.5073, 16.9190, 18.3070)
"""95 % quantiles of chi-squared with 1, 2, ... degrees of freedom."""
WEAK = 10.0
"""First-stage F below which instruments are called weak (Staiger and Stock 1997)."""
GRID = 4001
HALVINGS = 60
Folds = npt.NDArray[np.int64]
Interval = tuple[float, float]


@dataclass(frozen=True, eq=False)
class Moved:
    """``n`` rows that were seen, none missing and none chosen by treatment."""

    instruments: Rows
    """``(n, k)``."""
    covariates: Rows
    """``(n, p)``: what is held fixed; p may be 0."""
    treatment: Array
    """``(n,)``: its reading, or 0 and 1."""
    outcome: Array
    columns: tuple[Covariate, ...] = ()
    """What the ``p`` columns hold."""

    def __len__(self) -> int:
        return len(self.outcome)

    def __getitem__(self, index: npt.NDArray[np.int64]) -> Moved:
        return Moved(
            self.instruments[index],
            self.covariates[index],
            self.treatment[index],
            self.outcome[index],
            self.columns,
        )


@dataclass(frozen=True)
class MovedLearners:
    """Of what is held fixed: one for each instrument, of the treatment, of the outcome."""

    instruments: tuple[Learner, ...]
    treatment: Learner
    outcome: Learner


@dataclass(frozen=True, eq=False)
class MovedEffect:
    """Effect of moving the treatment by ``contrast``, on a line, of those who are moved."""

    value: float
    se: float
    """By the delta method: too small where instruments are weak. The intervals do not use it."""
    intervals: tuple[Interval, ...]
    """At 95 %; ends may be infinite. More than one where instruments are weak or disagree."""
    first_stage: float
    """F, robust to unequal variances."""
    naive: float
    """Of the plain regression on the treatment, nothing held fixed."""
    left: _Left
    contrast: float
    fold: Folds

    @property
    def is_weak(self) -> bool:
        return self.first_stage < WEAK

    @property
    def interval(self) -> Interval | None:
        """From the least to the greatest effect; None if either has no end."""
        ends = self.intervals[0][0], self.intervals[-1][1]
        return ends if np.isfinite(ends).all() else None


def moved_effect(
    rows: Moved, learners: MovedLearners, rng: np.random.Generator, contrast: float = 1.0
) -> MovedEffect:
    """By all instruments together.

    Raises
    ------
    NotIdentified
        If rows are too few, the treatment, the outcome or every instrument never differs beside
        what is held fixed, or the instruments contradict each other.
    """
    _enough(rows)
    fold = rng.permutation(len(rows)) % FOLDS
    left = _left_over(rows, learners, fold)
    value, intervals = _anderson_rubin(left)
    covariance = np.cov(np.column_stack([rows.treatment, rows.outcome]).T)
    ends = [tuple(sorted((a * contrast, b * contrast))) for a, b in intervals]
    return MovedEffect(
        value * contrast,
        left.se(value) * abs(contrast),
        tuple((a, b) for a, b in sorted(ends)),
        left.first_stage,
        float(covariance[0, 1] / covariance[0, 0] * contrast),
        left,
        contrast,
        fold,
    )


def sensitivity_of(rows: Moved, learners: MovedLearners, found: MovedEffect) -> Sensitivity:
    """What would undo it: a hidden cause of instruments and outcome (Cinelli and Hazlett 2025).

    No effect at all is no tie between instruments and outcome, whatever the first stage is; so
    that tie's robustness value is told.
    """
    reduced = found.left.reduced_form()
    # An effect is the tie over that of the first stage.
    scale = reduced.scale * abs(found.contrast / reduced.first_stage)
    strengths = {}
    for name in dict.fromkeys(c.name for c in rows.columns):
        others = [j for j, column in enumerate(rows.columns) if column.name != name]
        fewer = Moved(rows.instruments, rows.covariates[:, others], rows.treatment, rows.outcome)
        without = _left_over(fewer, learners, found.fold).reduced_form()
        strengths[name] = strength_of(
            (reduced.residual_square, without.residual_square),
            (1.0 / reduced.instrument_square, 1.0 / without.instrument_square),
        )
    return Sensitivity(
        scale,
        robustness(abs(reduced.slope), reduced.scale),
        robustness(abs(reduced.slope) - Z95 * reduced.se, reduced.scale),
        None,
        benchmarked(found.value, scale, strengths),
    )


def refute_moved(
    rows: Moved,
    learners: MovedLearners,
    found: MovedEffect,
    rng: np.random.Generator,
    draws: int = 3,
) -> tuple[Refutation, ...]:
    """Shuffled instruments must not be tied to the outcome; a part of the rows must leave the
    effect where it is; several instruments must agree (Hansen's J, of the estimator whose weights
    are updated: valid for weak ones too)."""
    ties = []
    for _ in range(draws):
        order = rng.permutation(len(rows))
        shuffled = Moved(rows.instruments[order], rows.covariates, rows.treatment, rows.outcome)
        # Weighed as they were: by the first stage that the shuffled have none of.
        left = _left_over(shuffled, learners, found.fold)
        ties.append(left.reduced_form(found.left.weights))
    four_fifths = round(0.8 * len(rows))
    parts = []
    for _ in range(draws):
        part = rows[np.sort(rng.permutation(len(rows))[:four_fifths])]
        left = _left_over(part, learners, rng.permutation(four_fifths) % FOLDS)
        parts.append((left.two_stage - found.left.two_stage) * found.contrast)
    checks = [
        Refutation(
            "placebo instrument",
            float(np.mean([t.slope for t in ties])),
            Z95 * float(np.mean([t.se for t in ties])),
        ),
        Refutation(
            "four fifths of the rows",
            max(parts, key=abs),
            1.5 * found.se,
        ),
    ]
    k = rows.instruments.shape[1]
    if k > 1:
        at = np.array([found.value / found.contrast])
        disagreement = float(found.left.statistic(at)[0])
        checks.append(Refutation("instruments agree", disagreement, CHI2_95[k - 2]))
    return tuple(checks)


# --- parts --------------------------------------------------------------------------------


@dataclass(frozen=True)
class _ReducedForm:
    """The regression of the outcome on the instruments, weighed as the treatment follows."""

    slope: float
    se: float
    scale: float
    residual_square: float
    instrument_square: float
    first_stage: float
    """Slope of the treatment on the same."""


@dataclass(frozen=True, eq=False)
class _Left:
    """What the readings that are held fixed do not predict: ``(n, k)``, ``(n,)``, ``(n,)``."""

    instruments: Array
    treatment: Array
    outcome: Array

    @property
    def weights(self) -> Array:
        """Of the instruments, as the treatment follows them: ``(k,)``."""
        weights, *_ = np.linalg.lstsq(self.instruments, self.treatment, rcond=None)
        return np.asarray(weights)

    @cached_property
    def two_stage(self) -> float:
        """Two-stage least squares, a unit of treatment; 0 where the first stage is nothing."""
        one = self.instruments @ self.weights
        follows = float(one @ self.treatment)
        return float(one @ self.outcome) / follows if follows else 0.0

    @cached_property
    def first_stage(self) -> float:
        """F of the treatment on the instruments."""
        k = self.instruments.shape[1]
        return float(_wald(*_moments(self.instruments * self.treatment[:, None])) / k)

    @cached_property
    def _ties(self) -> tuple[Array, Array]:
        """Mean ``(2k,)`` and covariance ``(2k, 2k)`` of mean of what ties the instruments to
        outcome and treatment."""
        sides = np.column_stack([self.outcome, self.treatment])
        return _moments(np.hstack([self.instruments * side[:, None] for side in sides.T]))

    def statistic(self, effects: Array) -> Array:
        """Anderson and Rubin's, ``(m,)``: how strongly the instruments are tied to the outcome
        less what ``effects``, ``(m,)``, a unit of treatment would explain."""
        mean, spread = self._ties
        k = len(mean) // 2
        on = np.asarray(effects)[:, None, None]
        tied = mean[:k] - on[:, 0] * mean[k:]
        cross = spread[:k, k:] + spread[k:, :k]
        return _wald(tied, spread[:k, :k] - on * cross + on**2 * spread[k:, k:])

    def se(self, effect: float) -> float:
        one = self.instruments @ self.weights
        influence = one * (self.outcome - effect * self.treatment)
        follows = abs(float((one * self.treatment).mean()))
        error = float(influence.std(ddof=1) / np.sqrt(len(one)))
        return error / follows if follows else float("inf")

    def reduced_form(self, weights: Array | None = None) -> _ReducedForm:
        one = self.instruments @ (self.weights if weights is None else weights)
        square = float((one**2).mean())
        slope = float((one * self.outcome).mean()) / square
        residual = self.outcome - slope * one
        return _ReducedForm(
            slope,
            float((one * residual).std(ddof=1) / np.sqrt(len(one)) / square),
            float(np.sqrt((residual**2).mean() / square)),
            float((residual**2).mean()),
            square,
            float((one * self.treatment).mean()) / square,
        )


def _moments(ties: Array) -> tuple[Array, Array]:
    """Mean of ``(n, k)``, and its covariance."""
    return ties.mean(axis=0), np.atleast_2d(np.cov(ties.T)) / len(ties)


def _wald(mean: Array, spread: Array) -> Array:
    """Of means ``(..., k)`` being 0, by their covariance: chi-squared with k degrees."""
    inverse = np.linalg.pinv(spread, hermitian=True)
    return np.asarray(np.einsum("...i,...ij,...j->...", mean, inverse, mean))


def _anderson_rubin(left: _Left) -> tuple[float, tuple[Interval, ...]]:
    """The effect a unit of treatment, and every effect that is not refused at 95 %."""
    k = left.instruments.shape[1]
    limit = CHI2_95[k - 1]
    spread = left.se(left.two_stage)
    # All effects on a half circle, so that none is too large to be looked at.
    angles = np.linspace(-np.pi / 2, np.pi / 2, GRID)[1:-1]
    effects = left.two_stage + (spread if np.isfinite(spread) else 1.0) * np.tan(angles)
    found = left.statistic(effects)
    least = float(effects[int(np.argmin(found))])
    if (found > limit).all():
        raise NotIdentified(
            f"the {k} instruments contradict each other: at no effect are all of them untied from "
            f"the outcome (least statistic {found.min():.1f}, limit {limit:.1f})"
        )
    # An effect without end is refused where the first stage is surely something.
    endless = left.first_stage * k > limit
    refused = np.concatenate([[endless], found > limit, [endless]])
    effects = np.concatenate([[-np.inf], effects, [np.inf]])
    return least, _accepted(effects, refused, left, limit)


def _accepted(
    effects: Array, refused: npt.NDArray[np.bool_], left: _Left, limit: float
) -> tuple[Interval, ...]:
    """Stretches of ``effects`` that are not refused."""
    ends = [] if refused[0] else [-np.inf]
    for i in np.flatnonzero(np.diff(refused)).tolist():
        pair = (float(effects[i]), float(effects[i + 1]))
        ends.append(_edge(*(pair if refused[i] else pair[::-1]), left, limit))
    if not refused[-1]:
        ends.append(np.inf)
    return tuple(zip(ends[::2], ends[1::2], strict=True))


def _edge(refused: float, accepted: float, left: _Left, limit: float) -> float:
    """Where effects between the two begin to be refused; the stretch is never cut short."""
    if not np.isfinite([refused, accepted]).all():
        return refused
    for _ in range(HALVINGS):
        middle = 0.5 * (refused + accepted)
        if left.statistic(np.array([middle]))[0] > limit:
            refused = middle
        else:
            accepted = middle
    return refused


def _left_over(rows: Moved, learners: MovedLearners, fold: Folds) -> _Left:
    def left(learner: Learner, values: Array) -> Array:
        found = np.empty(len(values))
        for k in range(FOLDS):
            out, own = fold == k, fold != k
            found[out] = values[out] - learner(
                rows.covariates[own], values[own], rows.covariates[out]
            )
        return found

    columns: Sequence[Array] = [
        left(learner, values)
        for learner, values in zip(learners.instruments, rows.instruments.T, strict=True)
    ]
    return _Left(
        np.column_stack(columns),
        left(learners.treatment, rows.treatment),
        left(learners.outcome, rows.outcome),
    )


def _enough(rows: Moved) -> None:
    n, k = rows.instruments.shape
    if n < 2 * LEAST_ROWS:
        raise NotIdentified(f"{n} rows are whole: {2 * LEAST_ROWS} are needed")
    if not 1 <= k <= len(CHI2_95):
        raise NotIdentified(
            f"the instruments have {k} columns (a category one for each value but the first): "
            f"from 1 to {len(CHI2_95)} can be used"
        )
    named = (("the treatment", rows.treatment), ("the outcome", rows.outcome))
    instruments = (("an instrument", column) for column in rows.instruments.T)
    for what, values in (*named, *instruments):
        if (values == values[0]).all():
            raise NotIdentified(
                f"{what} is {values[0]:g} in all {n} rows: nothing tells what it does"
            )
