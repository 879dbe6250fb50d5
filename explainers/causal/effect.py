"""What happened to the real outcome where a feature was so rather than otherwise.

Augmented inverse propensity weighting with cross-fitting (Robins et al. 1994; Chernozhukov et
al. 2018, 5.1): a row's outcome as predicted under either, corrected by what was seen, weighted
by how likely the row was to be treated. Consistent if either prediction or propensity is, and
normal at root-n rate if both are fair. Whose effect it is says :class:`Estimand`; which rows are
comparable :class:`Overlap`; what speaks against the estimate :func:`refute`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import numpy.typing as npt

from ifonly.explainers.causal.errors import NotIdentified
from ifonly.explainers.causal.estimand import Z95, Estimand, Estimate, Flags, Nuisances, Scores
from ifonly.explainers.causal.function import Array
from ifonly.explainers.causal.sensitivity import Strength, strength_beside
from ifonly.models.predictor import Rows

FOLDS = 5
TRIM = 0.05
"""Rows with a propensity below it, or above 1 minus it, have hardly any like them on the other
side: they are left out, and counted."""
REPEATS = 3
"""Divisions into folds; predictions are averaged over them."""
LEAST_ROWS = 50
"""Least number of rows on either side, treated and not."""
MARKS = 2
"""By how many covariates rows that are left out are described."""


class Learner(Protocol):
    def __call__(self, rows: Rows, values: Array, fresh: Rows, /) -> Array:
        """Expected values at ``fresh``, ``(m,)``, learned from ``rows`` and ``values``."""
        ...


@dataclass(frozen=True)
class Learners:
    propensity: Learner
    outcome: Learner


@dataclass(frozen=True)
class Covariate:
    """What a column of covariates holds: a reading, or whether a reading is ``level``."""

    name: str
    level: str = ""


@dataclass(frozen=True, eq=False)
class Observed:
    """Rows that were seen, none missing."""

    covariates: Rows
    """``(n, p)``: what is held fixed; p may be 0."""
    treated: Flags
    outcome: Array
    columns: tuple[Covariate, ...] = ()
    """What the ``p`` columns hold, for who is told of them."""
    mediators: Rows | None = None
    """``(n, m)``: what lies on the way to the outcome, where the front door is used."""

    def __len__(self) -> int:
        return len(self.treated)

    def __getitem__(self, index: npt.NDArray[np.int64] | Flags) -> Observed:
        return Observed(
            self.covariates[index],
            self.treated[index],
            self.outcome[index],
            self.columns,
            None if self.mediators is None else self.mediators[index],
        )


@dataclass(frozen=True)
class Mark:
    """How rows that are left out differ from those that are kept, in one covariate."""

    covariate: Covariate
    left_out: float
    """Mean reading; of a category the share of rows."""
    kept: float


@dataclass(frozen=True)
class LeftOut:
    """Rows that hardly any row on the other side is like."""

    treated: bool
    """Whether nearly all rows like these were treated, or nearly none."""
    rows: int
    marks: tuple[Mark, ...]
    """By what they are known, the most telling first."""


@dataclass(frozen=True)
class Overlap:
    """How alike the treated and the others are in what is held fixed."""

    trimmed: float
    """Share of the rows that were left out because hardly any is like them on the other side."""
    treated: tuple[int, ...]
    """Count of treated rows by propensity, in tenths."""
    others: tuple[int, ...]
    left_out: tuple[LeftOut, ...] = ()


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


@dataclass(frozen=True, eq=False)
class EstimatedEffect:
    estimand: Estimand
    """What was estimated: not what was asked for, where rows had to be trimmed."""
    estimate: Estimate
    naive: float
    """Difference of the plain means: what is seen where nothing is held fixed."""
    overlap: Overlap
    scores: Scores
    """Of the rows that were kept."""
    fold: npt.NDArray[np.int64]
    """``(REPEATS, n)``: which learners did not see a row."""
    kept: Flags
    """``(n,)``."""
    others: dict[Estimand, Scores]
    """Of other estimands, by the same predictions; none for which too few rows are comparable."""


def estimate_effect(
    observed: Observed,
    learners: Learners,
    rng: np.random.Generator,
    estimand: Estimand = Estimand.ATE,
    trim: float = TRIM,
) -> EstimatedEffect:
    """The average effect, of whom ``estimand`` says.

    Parameters
    ----------
    observed : Observed
        ``n`` rows, none missing.
    learners : Learners
        Of the propensity and of the outcome.
    rng : numpy.random.Generator
        Draws the folds.
    estimand : Estimand
        ATE, OVERLAP or ATT.
    trim : float
        Rows whose propensity is below it, or above 1 minus it, are left out; for ATT only the
        latter, for OVERLAP none.

    Raises
    ------
    NotIdentified
        If hardly any rows are comparable: fewer than :data:`LEAST_ROWS` of either side; or if
        all outcomes are one.
    """
    enough(observed)
    # Trimming needs the propensity, so it comes after the fit and before the mean.
    fold = divisions(observed.treated, rng)
    seen = cross_fitted(observed, learners, fold)
    told, scores, kept = _scored(observed, seen, estimand, trim)
    others = {}
    for other in (Estimand.ATE, Estimand.OVERLAP, Estimand.ATT):
        if other is not estimand:
            try:
                named, other_scores, _ = _scored(observed, seen, other, trim)
            except NotIdentified:
                continue
            others[named] = other_scores
    return EstimatedEffect(
        told,
        scores.estimate,
        difference(observed),
        overlap(observed, seen.propensity, kept),
        scores,
        fold,
        kept,
        others,
    )


def strengths(
    observed: Observed, learners: Learners, found: EstimatedEffect
) -> dict[str, Strength]:
    """How strong each covariate is beside the others: what would be lost without it."""
    strength = {}
    for name in dict.fromkeys(c.name for c in observed.columns):
        others = [j for j, column in enumerate(observed.columns) if column.name != name]
        fewer = replace(observed, covariates=observed.covariates[:, others], columns=())
        # The same folds and the same rows: what differs is the covariate alone.
        seen = cross_fitted(fewer, learners, found.fold)[found.kept]
        own = fewer[found.kept]
        without = Scores.of(found.estimand, own.treated, own.outcome, seen)
        strength[name] = strength_beside(found.scores, without)
    return strength


def refute(
    observed: Observed,
    learners: Learners,
    found: EstimatedEffect,
    rng: np.random.Generator,
    estimand: Estimand = Estimand.ATE,
    draws: int = 3,
) -> tuple[Refutation, ...]:
    """As :func:`refuted`, of :func:`estimate_effect`."""

    def again(other: Observed) -> Estimate:
        seen = cross_fitted(other, learners, divisions(other.treated, rng))
        return _scored(other, seen, estimand, TRIM)[1].estimate

    return refuted(observed, found.estimate, again, rng, draws)


def refuted(
    observed: Observed,
    found: Estimate,
    again: Callable[[Observed], Estimate],
    rng: np.random.Generator,
    draws: int = 3,
) -> tuple[Refutation, ...]:
    """A placebo in place of the treatment must do nothing; a random common cause, or a part of
    the rows, must leave the estimate where it is (Sharma and Kiciman 2020)."""
    se, value = found.se, found.value
    placebos = [
        # Shuffled, the treatment can have done nothing: what is found
        # then is the method's own error.
        again(replace(observed, treated=rng.permutation(observed.treated)))
        for _ in range(draws)
    ]
    noise = rng.standard_normal((len(observed), 1))
    more = again(replace(observed, covariates=np.hstack([observed.covariates, noise]), columns=()))
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


def cross_fitted(observed: Observed, learners: Learners, fold: npt.NDArray[np.int64]) -> Nuisances:
    """What learners that did not see a row predict of it: the mean over divisions, so that the
    estimate hangs less on how rows were divided."""
    return Nuisances(*np.mean([_fitted(observed, learners, own) for own in fold], axis=0))


def _fitted(observed: Observed, learners: Learners, fold: npt.NDArray[np.int64]) -> Array:
    """``(3, n)``: propensity, outcome if treated and if not."""
    x, treated, outcome = observed.covariates, observed.treated, observed.outcome
    found = np.empty((3, len(observed)))
    for k in range(FOLDS):
        out, own = fold == k, fold != k
        found[0, out] = learners.propensity(x[own], treated[own].astype(np.float64), x[out])
        for place, side in ((1, treated), (2, ~treated)):
            # Each side's outcome is learned from that side alone, and asked of all.
            found[place, out] = learners.outcome(x[own & side], outcome[own & side], x[out])
    return found


def divisions(
    done: Flags | npt.NDArray[np.int64], rng: np.random.Generator
) -> npt.NDArray[np.int64]:
    """``(REPEATS, n)``: several divisions of rows into folds."""
    return np.stack([folds(done, rng) for _ in range(REPEATS)])


def folds(done: Flags | npt.NDArray[np.int64], rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """Each fold with its share of the rows in which each thing was done."""
    fold = np.empty(len(done), dtype=np.int64)
    # Else a fold could hold no treated row at all.
    for side in np.unique(done)[::-1]:
        own = rng.permutation(np.flatnonzero(done == side))
        fold[own] = np.arange(len(own)) % FOLDS
    return fold


def _scored(
    observed: Observed, seen: Nuisances, asked: Estimand, trim: float
) -> tuple[Estimand, Scores, Flags]:
    """What is told, by which scores, and of which rows."""
    kept = _kept(seen.propensity, asked, trim)
    # Asked again: trimming may take away a whole side.
    enough(observed[kept], "comparable rows")
    if asked is Estimand.OVERLAP:
        _enough_weight(observed.treated, seen.propensity)
    told = asked if kept.all() else asked.trimmed
    own = observed[kept]
    return told, Scores.of(told, own.treated, own.outcome, seen[kept]), kept


def _kept(propensity: Array, estimand: Estimand, trim: float) -> Flags:
    # Overlap weights vanish where rows are not comparable; of the treated only those matter that
    # nobody untreated is like.
    least = trim if estimand is Estimand.ATE else -np.inf
    most = np.inf if estimand is Estimand.OVERLAP else 1.0 - trim
    return np.asarray((propensity >= least) & (propensity <= most))


def _enough_weight(treated: Flags, propensity: Array) -> None:
    """Rows may be many and weigh nothing: counted as so many of equal weight (Kish 1965)."""
    for weights, what in ((1.0 - propensity[treated], "treated"), (propensity[~treated], "others")):
        n = float(weights.sum() ** 2 / max((weights**2).sum(), np.finfo(float).tiny))
        if n < LEAST_ROWS:
            raise NotIdentified(
                f"the overlap weights of the {what} are worth {n:.0f} rows: {LEAST_ROWS} are needed"
            )


def overlap(observed: Observed, propensity: Array, kept: Flags) -> Overlap:
    """Propensities on both sides, and who is not ``kept``."""
    out = [(always, ~kept & ((propensity > 0.5) == always)) for always in (True, False)]
    return Overlap(
        float(1.0 - kept.mean()),
        _tenths(propensity[observed.treated]),
        _tenths(propensity[~observed.treated]),
        tuple(
            LeftOut(always, int(rows.sum()), _marks(observed, rows, kept))
            for always, rows in out
            if rows.any()
        ),
    )


def _marks(observed: Observed, rows: Flags, kept: Flags) -> tuple[Mark, ...]:
    """Covariates in which ``rows`` lie farthest from ``kept``, in standard deviations."""
    x = observed.covariates
    means = x[rows].mean(axis=0), x[kept].mean(axis=0)
    spread = x.std(axis=0)
    apart = np.abs(means[0] - means[1]) / np.where(spread > 0.0, spread, 1.0)
    far = np.argsort(-apart, kind="stable")[:MARKS]
    return tuple(
        Mark(observed.columns[j], float(means[0][j]), float(means[1][j]))
        for j in far.tolist()
        if observed.columns
    )


def difference(observed: Observed) -> float:
    """Of the plain means."""
    t, y = observed.treated, observed.outcome
    return float(y[t].mean() - y[~t].mean())


def _tenths(propensity: Array) -> tuple[int, ...]:
    counts = np.histogram(propensity, bins=10, range=(0.0, 1.0))[0]
    return tuple(int(c) for c in counts)


def enough(observed: Observed, what: str = "rows") -> None:
    """Raises
    ------
    NotIdentified
        If either side has hardly any rows, or all outcomes are one.
    """
    treated = observed.treated
    n = int(treated.sum())
    if min(n, len(treated) - n) < LEAST_ROWS:
        raise NotIdentified(
            f"{n} {what} are treated and {len(treated) - n} are not: {LEAST_ROWS} of either are "
            f"needed"
        )
    if (observed.outcome == observed.outcome[0]).all():
        raise NotIdentified(
            f"the outcome is {observed.outcome[0]:g} in all {len(observed)} {what}: nothing tells "
            f"what changes it"
        )
