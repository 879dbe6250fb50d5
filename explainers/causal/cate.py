"""Whom a treatment helps: average effects by group, and of rows that read like one row (CATE).

The DR-learner (Kennedy 2023): given its covariates, a row's score (AIPW's, by predictions that did
not see the row) is right on average for the effect on rows like it, so groups are told by their
mean score and rows by a regression of scores on functions of the covariates. Scores are Neyman-
orthogonal, so intervals are those of a mean and of a regression (Semenova and Chernozhukov 2021):
of the best approximation of that form. Whether predicted effects are those measured is looked at
in rows that the regression has not seen (Chernozhukov, Demirer, Duflo and Fernandez-Val 2018).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import combinations

import numpy as np
import numpy.typing as npt

from ifonly.explainers.causal.effect import FOLDS, LEAST_ROWS, TRIM
from ifonly.explainers.causal.estimand import Z95, Estimate, Flags, Scores
from ifonly.explainers.causal.function import Array
from ifonly.explainers.causal.sensitivity import robustness, sensitivity
from ifonly.models.predictor import Rows

PARTS = 5
"""Groups of predicted effects, from the least to the greatest, that are held against measured
ones."""
ROWS_PER_TERM = 15
"""A form with more terms than a fifteenth of the rows is not tried."""
BENDS = (0.1, 0.3, 0.5, 0.7, 0.9)
"""Quantiles at which a bent line bends."""


class EffectForm(StrEnum):
    """How an effect may depend on the covariates, the simplest first."""

    CONSTANT = "constant"
    LINES = "lines"
    PRODUCTS = "products"
    """Lines, squares and products of two."""
    BENT = "bent lines"
    """A line for each covariate that bends at :data:`BENDS`."""
    BENT_PRODUCTS = "bent lines and products"


@dataclass(frozen=True, eq=False)
class FormTerms:
    """Functions of ``p`` covariates, scaled as ``rows`` were."""

    form: EffectForm
    centre: Array
    spread: Array
    is_flag: Flags
    """``(p,)``: of two values, so that neither its square nor a bend says anything more."""
    bends: Array
    """``(p, len(BENDS))``, in spreads."""

    @classmethod
    def of(cls, form: EffectForm, rows: Rows) -> FormTerms:
        spread = rows.std(axis=0)
        spread = np.where(spread > 0.0, spread, 1.0)
        centre = rows.mean(axis=0) if len(rows) else np.zeros(rows.shape[1])
        is_flag = np.array([len(np.unique(column)) <= 2 for column in rows.T], dtype=np.bool_)
        bends = (np.quantile(rows, BENDS, axis=0) - centre) / spread
        return cls(form, centre, spread, is_flag, bends.T.reshape(-1, len(BENDS)))

    def __call__(self, rows: Rows) -> Array:
        """``(n, k)``, the first column 1."""
        x = (rows - self.centre) / self.spread
        found = [np.ones((len(x), 1))]
        if self.form is not EffectForm.CONSTANT:
            found.append(x)
        if self.form in (EffectForm.PRODUCTS, EffectForm.BENT_PRODUCTS):
            found.append(x[:, ~self.is_flag] ** 2)
            found += [x[:, [i]] * x[:, [j]] for i, j in combinations(range(x.shape[1]), 2)]
        if self.form in (EffectForm.BENT, EffectForm.BENT_PRODUCTS):
            numbers = np.flatnonzero(~self.is_flag)
            found += [np.maximum(x[:, [j]] - self.bends[j], 0.0) for j in numbers]
        return np.hstack(found)


@dataclass(frozen=True, eq=False)
class EffectLaw:
    """Effects as a function of covariates, with its error."""

    terms: FormTerms
    weights: Array
    covariance: Array
    """Of the weights; heteroskedasticity-robust (HC3)."""

    @classmethod
    def fitted(cls, form: EffectForm, rows: Rows, scores: Array) -> EffectLaw:
        """Least squares of ``scores`` ``(n,)`` on functions of ``rows`` ``(n, p)``."""
        terms = FormTerms.of(form, rows)
        columns = terms(rows)
        # Columns may depend on one another (flags of one category): the least of all solutions.
        inverse = np.linalg.pinv(columns)
        weights = inverse @ scores
        leverage = np.minimum(np.einsum("ij,ji->i", columns, inverse), 0.99)
        left = (scores - columns @ weights) / (1.0 - leverage)
        return cls(terms, weights, (inverse * left**2) @ inverse.T)

    def __call__(self, rows: Rows) -> Array:
        return np.asarray(self.terms(rows) @ self.weights)

    def errors(self, rows: Rows) -> Array:
        """Standard error at each row."""
        columns = self.terms(rows)
        squares = np.einsum("ij,jk,ik->i", columns, self.covariance, columns)
        return np.asarray(np.sqrt(np.maximum(squares, 0.0)))


def chosen_form(rows: Rows, scores: Array, fold: npt.NDArray[np.int64]) -> EffectForm:
    """The form that predicts scores of rows that it has not seen best."""
    losses = {}
    for form in EffectForm:
        k = FormTerms.of(form, rows[:2])(rows[:1]).shape[1]
        if form is not EffectForm.CONSTANT and (not rows.shape[1] or k * ROWS_PER_TERM > len(rows)):
            continue
        held = held_out(form, rows, scores, fold)
        losses[form] = float(np.mean((scores - held) ** 2))
    return min(losses, key=lambda form: losses[form])


def held_out(
    form: EffectForm | None, rows: Rows, scores: Array, fold: npt.NDArray[np.int64]
) -> Array:
    """What a law that has not seen a row says of it; None: its form is chosen without it, too."""
    found = np.empty(len(rows))
    for k in np.unique(fold):
        out, own = fold == k, fold != k
        # Folds of what is left, so that the form is chosen without the rows it is asked of.
        inner = np.arange(int(own.sum())) % FOLDS
        named = form or chosen_form(rows[own], scores[own], inner)
        found[out] = EffectLaw.fitted(named, rows[own], scores[own])(rows[out])
    return found


# --- groups -------------------------------------------------------------------------------


@dataclass(frozen=True)
class GroupEffect:
    """The average effect of a group's comparable rows."""

    group: str
    rows: int
    treated: int
    estimate: Estimate | None
    """None: fewer than :data:`LEAST_ROWS` on either side."""
    worth: tuple[float, float] | None = None
    """Rows of equal weight that the treated and the others are worth (Kish 1965)."""
    robustness: float | None = None
    """Strength of a hidden cause that explains all of it."""
    robustness_of_interval: float | None = None


def by_group(scores: Scores, groups: Sequence[tuple[str, Flags]]) -> tuple[GroupEffect, ...]:
    """Of each group, given which of the rows of ``scores`` it has."""
    found = []
    for name, inside in groups:
        n, treated = int(inside.sum()), int((inside & scores.flags).sum())
        if min(treated, n - treated) < LEAST_ROWS:
            found.append(GroupEffect(name, n, treated, None))
            continue
        own = scores[inside]
        doubt = sensitivity(own)
        found.append(
            GroupEffect(
                name,
                n,
                treated,
                own.estimate,
                own.worth,
                doubt.robustness,
                doubt.robustness_of_interval,
            )
        )
    return tuple(found)


# --- calibration --------------------------------------------------------------------------


@dataclass(frozen=True)
class CalibrationPart:
    """Rows of like predicted effects."""

    rows: int
    predicted: float
    """Mean prediction, by laws that have not seen them."""
    measured: Estimate
    """Their mean score."""


@dataclass(frozen=True)
class EffectCalibration:
    """Predicted effects against measured ones, in rows that the law has not seen."""

    parts: tuple[CalibrationPart, ...]
    """From the least to the greatest predicted effect; one where all are predicted alike."""
    slope: float | None
    """By how much measured effects rise where predicted ones rise by 1: 1 is right, 0 says that
    predicted differences mean nothing. None: all rows are predicted alike."""
    slope_se: float | None
    gap: float
    """Mean distance of predicted and measured effects of parts, weighed by their rows."""

    @property
    def slope_interval(self) -> tuple[float, float] | None:
        if self.slope is None or self.slope_se is None:
            return None
        return self.slope - Z95 * self.slope_se, self.slope + Z95 * self.slope_se

    @property
    def tells_apart(self) -> bool:
        """Whether predicted differences are found again in rows that were not seen."""
        interval = self.slope_interval
        return interval is not None and interval[0] > 0.0

    @property
    def is_calibrated(self) -> bool | None:
        """Whether nothing speaks against the size of predicted differences; None: there are
        none."""
        interval = self.slope_interval
        return None if interval is None else interval[0] <= 1.0 <= interval[1]


def calibration(scores: Scores, predicted: Array, fold: npt.NDArray[np.int64]) -> EffectCalibration:
    """Of ``predicted`` effects ``(n,)``, each by a law that has not seen the row's fold."""
    effect = scores.if_treated - scores.if_not
    # Within folds: where a fold's rows have great scores, the law that lacks them is lower, which
    # has nothing to do with differences between rows.
    own = np.zeros(len(effect))
    for k in np.unique(fold):
        own[fold == k] = predicted[fold == k] - predicted[fold == k].mean()
    order = np.argsort(own, kind="stable")
    if np.ptp(own) <= 1e-9 * max(1.0, float(np.abs(predicted).max())):
        pieces = [order]
        slope = slope_se = None
    else:
        pieces = list(np.array_split(order, PARTS))
        columns = np.column_stack([np.ones(len(effect)), own])
        inverse = np.linalg.pinv(columns)
        _, slope = (float(w) for w in inverse @ effect)
        left = effect - columns @ (inverse @ effect)
        slope_se = float(np.sqrt((inverse[1] ** 2 * left**2).sum()))
    parts = tuple(_part(scores, predicted, np.isin(np.arange(len(effect)), p)) for p in pieces)
    apart = sum(p.rows * abs(p.predicted - p.measured.value) for p in parts) / len(effect)
    return EffectCalibration(parts, slope, slope_se, apart)


def _part(scores: Scores, predicted: Array, inside: Flags) -> CalibrationPart:
    return CalibrationPart(
        int(inside.sum()), float(predicted[inside].mean()), scores[inside].estimate
    )


# --- whole --------------------------------------------------------------------------------


@dataclass(frozen=True)
class LikeRow:
    """The average effect of rows that read like one row."""

    estimate: Estimate | None
    """``rows`` and ``treated`` are those that the law was learned from. None: hardly any row like
    it was on the other side, or it lies beyond all that were compared."""
    propensity: float
    """How likely rows like it were to be treated."""
    outside: tuple[str, ...]
    """Covariates in which it lies beyond all rows that were compared."""
    robustness: float | None
    """Strength of a hidden cause that explains all of it, were it as strong here as on average."""


@dataclass(frozen=True, eq=False)
class EffectsByKind:
    """How an effect differs between kinds of rows."""

    law: EffectLaw
    groups: tuple[tuple[str, tuple[GroupEffect, ...]], ...]
    """By what rows are grouped."""
    calibration: EffectCalibration


def effects_by_kind(
    covariates: Rows,
    scores: Scores,
    fold: npt.NDArray[np.int64],
    groups: Sequence[tuple[str, Sequence[tuple[str, Flags]]]],
) -> EffectsByKind:
    """Of ``n`` comparable rows.

    Parameters
    ----------
    covariates : ndarray, shape (n, p)
    scores : Scores
        Of :data:`~ifonly.explainers.causal.estimand.Estimand.ATE`, trimmed or not.
    fold : ndarray, shape (n,)
        A division of the rows.
    groups : sequence
        By what, and the rows of each group, ``(n,)``.
    """
    effect = scores.if_treated - scores.if_not
    form = chosen_form(covariates, effect, fold)
    predicted = held_out(None, covariates, effect, fold)
    return EffectsByKind(
        EffectLaw.fitted(form, covariates, effect),
        tuple((name, by_group(scores, parts)) for name, parts in groups),
        calibration(scores, predicted, fold),
    )


def like_row(
    law: EffectLaw,
    row: Array,
    propensity: float,
    names: Sequence[str],
    covariates: Rows,
    scores: Scores,
) -> LikeRow:
    """Of ``row`` ``(p,)``, beside the rows ``(n, p)`` that ``law`` was learned from."""
    outside = (row < covariates.min(axis=0)) | (row > covariates.max(axis=0))
    beyond = tuple(dict.fromkeys(n for n, is_out in zip(names, outside, strict=True) if is_out))
    if beyond or not TRIM <= propensity <= 1.0 - TRIM:
        return LikeRow(None, propensity, beyond, None)
    value, se = float(law(row[None, :])[0]), float(law.errors(row[None, :])[0])
    found = Estimate(value, se, len(scores.flags), int(scores.flags.sum()))
    return LikeRow(found, propensity, (), robustness(abs(value), sensitivity(scores).scale))
