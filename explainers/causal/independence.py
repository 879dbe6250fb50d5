"""Tests of independence, each with an effect size: with enough rows everything is significant."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ifonly.explainers.causal.candidates import quick_candidate, standardised
from ifonly.explainers.causal.function import Array
from ifonly.explainers.causal.regression import fit_location

_MOST_ROWS = 1000
"""Rows of a distance matrix; of more, some are drawn."""
ONE_SIDED = 1.6449
"""Quantile of the normal distribution at 95 %: of a test against a margin, on one side."""


@dataclass(frozen=True)
class Dependence:
    """How strongly two things hang together, 0 to 1, and how likely chance does as much."""

    effect: float
    p: float
    upper: float = 1.0
    """Greatest effect that the rows leave possible, at 95 %: below a margin, equivalence with
    independence is shown (two one-sided tests, Schuirmann 1987); 1 where nothing is."""


def distance_correlation(a: Array, b: Array, rng: np.random.Generator) -> Dependence:
    """Distance correlation: 0 where two things are independent, whatever shape dependence has.

    Bias-corrected (Székely and Rizzo 2013); p by the chi-square test of Shen, Panda and Vogelstein
    2022, which never rejects more often than it says.

    Parameters
    ----------
    a : ndarray, shape (n, p)
    b : ndarray, shape (n, q)
    rng : numpy.random.Generator
        Draws rows where they are too many for a matrix of distances.
    """
    if len(a) > _MOST_ROWS:
        drawn = rng.choice(len(a), size=_MOST_ROWS, replace=False)
        a, b = a[drawn], b[drawn]
    x, y = _centred(a), _centred(b)
    size = math.sqrt(float((x * x).sum()) * float((y * y).sum()))
    if size == 0.0:
        # A constant depends on nothing; on what never varies, nothing was tried.
        return Dependence(0.0, 1.0, 0.0 if y.any() else 1.0)
    found = float((x * y).sum()) / size
    # The tail of a chi-square with one degree of freedom, at n * correlation + 1.
    p = math.erfc(math.sqrt(max(len(a) * found + 1.0, 0.0) / 2.0))
    # Its root is about normal around the true effect, with a deviation of 1 / sqrt(n).
    upper = (math.sqrt(max(len(a) * found + 1.0, 0.0)) + ONE_SIDED) / math.sqrt(len(a))
    return Dependence(math.sqrt(max(found, 0.0)), p, min(upper, 1.0))


def noise_dependence(noise: Array, causes: Array, rng: np.random.Generator) -> Dependence:
    """How far noise ``(n,)`` depends on causes ``(n, p)``.

    The noise and its size are both tested, since a spread that changes with the causes hardly
    shows in the noise alone; p is corrected for the two tests.
    """
    # From the median, which a few outliers do not move.
    size = np.abs(noise - np.median(noise))
    both = [distance_correlation(u[:, None], causes, rng) for u in (noise, size)]
    strongest = max(both, key=lambda d: d.effect)
    # Every bound must be below a margin, so the largest stands for both.
    upper = max(d.upper for d in both)
    return Dependence(strongest.effect, min(1.0, 2.0 * min(d.p for d in both)), upper)


def _centred(a: Array) -> Array:
    """Distances between rows of standardised columns, U-centred."""
    spread = a.std(axis=0)
    z = (a - a.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    squares = (z * z).sum(axis=1)
    # Multiplied out, a distance of 0 may come out slightly negative.
    d = np.sqrt(np.maximum(squares[:, None] + squares - 2.0 * z @ z.T, 0.0))
    n = len(d)
    rows = d.sum(axis=1) / (n - 2)
    centred = d - rows[:, None] - rows + d.sum() / ((n - 1) * (n - 2))
    # U-centring leaves out the diagonal: that is what takes the bias away.
    np.fill_diagonal(centred, 0.0)
    return np.asarray(centred)


class Residuals:
    """What each column leaves unexplained by sets of others, kept once computed."""

    def __init__(self, rows: Array, nominal: Sequence[bool]) -> None:
        self._rows = rows
        self._nominal = nominal
        self._known: dict[tuple[int, frozenset[int]], Array] = {}

    def of(self, column: int, given: frozenset[int]) -> Array:
        """``(n, c)``: standardised residuals, one for a number, one a category but the commonest
        for a nominal column."""
        key = column, given
        if key not in self._known:
            self._known[key] = self._regressed(column, sorted(given))
        return self._known[key]

    def _regressed(self, column: int, given: list[int]) -> Array:
        coded = standardised(self._rows[:, [column]], [self._nominal[column]])
        targets = coded(self._rows[:, [column]])
        if given:
            causes = self._rows[:, given]
            coordinates = standardised(causes, [self._nominal[i] for i in given])
            candidate = quick_candidate(coordinates, coordinates(causes))
            features = candidate.expansion(causes)
            fitted = [fit_location(features, t - t.mean(), candidate.groups) for t in targets.T]
            means = [t.mean() + features @ f.mean for t, f in zip(targets.T, fitted, strict=True)]
            targets = targets - np.stack(means, axis=1)
        centred = targets - targets.mean(axis=0)
        spread = centred.std(axis=0)
        # What is explained wholly leaves rounding, which must not be blown up to a spread of 1.
        return np.asarray(centred / np.where(spread > 1e-9, spread, np.inf))


def conditional(residuals: Residuals, a: int, b: int, given: frozenset[int]) -> Dependence:
    """Whether columns ``a`` and ``b`` still hang together once ``given`` is known.

    The generalised covariance measure (Shah and Peters 2020) of the residuals, and of each with
    the other's square, so that a bend is seen too; p corrected for the number of those tests.
    """
    found: list[Dependence] = []
    for x in residuals.of(a, given).T:
        for y in residuals.of(b, given).T:
            for u, v in ((x, y), (x**2 - 1.0, y), (x, y**2 - 1.0)):
                found.append(_covariance(u, v))
    strongest = max(found, key=lambda d: d.effect * (d.p < 0.05))
    p = min(1.0, len(found) * min(d.p for d in found))
    return Dependence(strongest.effect, p, max(d.upper for d in found))


def _covariance(u: Array, v: Array) -> Dependence:
    products = u * v
    sd = float(products.std())
    size = math.sqrt(float((u * u).mean()) * float((v * v).mean()))
    if sd == 0.0 or size == 0.0:
        return Dependence(0.0, 1.0)
    error, mean = sd / math.sqrt(len(products)), abs(float(products.mean()))
    return Dependence(
        min(mean / size, 1.0),
        math.erfc(mean / error / math.sqrt(2.0)),
        min((mean + ONE_SIDED * error) / size, 1.0),
    )


def holm(p: Sequence[float]) -> list[float]:
    """p-values corrected for their number (Holm 1979)."""
    order = sorted(range(len(p)), key=p.__getitem__)
    corrected, largest = [0.0] * len(p), 0.0
    for rank, i in enumerate(order):
        # Never smaller than one before it, or a weaker result could pass where a stronger failed.
        largest = max(largest, min(1.0, (len(p) - rank) * p[i]))
        corrected[i] = largest
    return corrected
