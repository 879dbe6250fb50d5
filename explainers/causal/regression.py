"""Bayesian regression on basis functions: weights, their posterior, and how much noise there is.

Weights of one group share a normal prior; its precision and that of the noise maximise the
evidence (MacKay 1992; Bishop 2006, 3.5) under a limit to how narrow a prior may be. Several limits
are taken together, each by its evidence: from few rows the one best precision is too sure that a
bend is not there, and a prior that is never narrow pays for bends that are not. The scale of
location-scale noise is fitted by Newton steps on its likelihood, which is convex in the weights of
the log scale, in turn with the location (weighted least squares).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from ifonly.explainers.causal.function import Array

Groups = npt.NDArray[np.int64]
"""``(m,)``: the group of each weight; -1: no prior to speak of (the intercept)."""

_FLAT = 1e-6
_LEAST_PRECISION = 1e-8
_LIMITS = (1.0, 10.0, 100.0, 1e3, 1e4)
"""Greatest precisions of a group's prior. In units of the spread of what is fitted no weight is
believed nearer to 0 than 1, 0.3, 0.1, 0.03 or 0.01."""
_SCALE_LIMIT = 100.0
"""The same of the log of a scale, of which a few rows say less still."""
_ROUNDS = 40
_NEWTON = 30
_ALTERNATIONS = 3
_LEAST_NOISE = 1e-9
"""Part of the standard deviation of what is fitted: with less noise than that, a fit is exact."""


@dataclass(frozen=True, eq=False)
class Posterior:
    """Normal distribution of weights, ``(m,)``."""

    mean: Array
    root: Array
    """``(m, m)``: ``root @ root.T`` is the covariance."""
    noise: float
    """Standard deviation of the noise."""
    evidence: float
    """Logarithm of the density of what was fitted, given the design and the best priors."""

    def variance(self, features: Array) -> Array:
        """Variance of the fitted function at each row, ``(n,)``."""
        return np.asarray(((features @ self.root) ** 2).sum(axis=1))


def fit_location(
    features: Array, target: Array, groups: Groups, scale: Array | None = None
) -> Posterior:
    """Weights of ``target ~ features @ w + scale * noise``.

    Parameters
    ----------
    features : ndarray, shape (n, m)
    target : ndarray, shape (n,)
        Of a spread near 1.
    groups : ndarray of int, shape (m,)
        The group of each weight, which share a prior; -1: no prior to speak of.
    scale : ndarray, shape (n,), optional
        1 where it is left out.
    """
    if scale is not None:
        # Weighted least squares: in units of its own noise each row counts alike.
        features, target = features / scale[:, None], target / scale
    evidence = _Evidence(features, target, groups)
    fits = [evidence.least_informative()]
    for limit in _LIMITS:
        fits.append(evidence.greatest(fits[-1], limit))
        # No group wants a narrower prior: higher limits give the same fit, which counts once.
        if (fits[-1].alpha < limit).all():
            break
    posterior = _mixed(fits[1:])
    if scale is not None:
        # The density of the target itself, not of the target in units of its noise.
        return replace(posterior, evidence=posterior.evidence - float(np.log(scale).sum()))
    return posterior


@dataclass(frozen=True, eq=False)
class _Fit:
    """The posterior of weights given the precisions of the priors, ``alpha``, and of the noise."""

    alpha: Array
    beta: float
    mean: Array
    covariance: Array
    evidence: float


class _Evidence:
    """The precisions that make what was fitted most likely (MacKay's fixed point)."""

    def __init__(self, features: Array, target: Array, groups: Groups) -> None:
        self._features, self._target, self._groups = features, target, groups
        self._gram, self._moment = features.T @ features, features.T @ target
        self._names = np.unique(groups[groups >= 0])

    def least_informative(self) -> _Fit:
        """Where to start from."""
        beta = 1.0 / max(float(self._target.var()), _LEAST_NOISE**2)
        return self._at(np.ones(len(self._names)), beta)

    def greatest(self, fit: _Fit, limit: float) -> _Fit:
        """From ``fit`` on, with no precision of a prior above ``limit``."""
        n, flat = len(self._target), float((self._groups < 0).sum())
        for _ in range(_ROUNDS):
            used, alpha = _renewed(
                self._groups, self._names, fit.alpha, fit.mean, np.diag(fit.covariance), limit
            )
            # Rows less the weights that they pay for; never fewer than one.
            beta = max(n - used - flat, 1.0) / max(self._residual(fit.mean), n * _LEAST_NOISE**2)
            settled = np.allclose(alpha, fit.alpha, rtol=1e-2) and np.isclose(beta, fit.beta, 1e-3)
            fit = self._at(alpha, beta)
            if settled:
                break
        return fit

    def _at(self, alpha: Array, beta: float) -> _Fit:
        n, prior = len(self._target), _by_weight(self._groups, self._names, alpha)
        mean, covariance, log_determinant = _solve(self._gram, self._moment, prior, beta)
        evidence = 0.5 * (
            np.log(prior).sum()
            + n * np.log(beta / (2.0 * np.pi))
            - beta * self._residual(mean)
            - (prior * mean**2).sum()
            - log_determinant
        )
        return _Fit(alpha, beta, mean, covariance, float(evidence))

    def _residual(self, mean: Array) -> float:
        return float(((self._target - self._features @ mean) ** 2).sum())


def _mixed(fits: Sequence[_Fit]) -> Posterior:
    """The normal with the mean and the covariance of the mixture of ``fits``, each by its
    evidence; the noise has the mean of their variances."""
    evidence = np.array([fit.evidence for fit in fits])
    total = float(np.logaddexp.reduce(evidence))
    shares = np.exp(evidence - total)
    means = np.stack([fit.mean for fit in fits])
    mean = shares @ means
    apart = np.sqrt(shares)[:, None] * (means - mean)
    covariance = sum(
        (w * fit.covariance for w, fit in zip(shares, fits, strict=True)), apart.T @ apart
    )
    noise = float(np.sqrt(shares @ [1.0 / fit.beta for fit in fits]))
    return Posterior(mean, _root(covariance), noise, total - float(np.log(len(fits))))


def fit_log_scale(features: Array, squares: Array, groups: Groups) -> Posterior:
    """Weights of the log scale ``h = features @ v`` of noise.

    Maximises ``sum(-h - squares * exp(-2 h) / 2)`` with a normal prior (Laplace posterior).

    Parameters
    ----------
    features : ndarray, shape (n, m)
    squares : ndarray, shape (n,)
        Squares of the noise, all above 0.
    groups : ndarray of int, shape (m,)
        As for :func:`fit_location`.
    """
    names = np.unique(groups[groups >= 0])
    alpha = np.full(len(names), 4.0)
    weights = np.zeros(features.shape[1])
    # From the overall spread: Newton starts near enough to converge.
    weights[groups < 0] = 0.5 * np.log(squares.mean())
    for _ in range(6):
        prior = _by_weight(groups, names, alpha)
        weights, covariance = _newton(features, squares, prior, weights)
        _, alpha = _renewed(groups, names, alpha, weights, np.diag(covariance), _SCALE_LIMIT)
    return Posterior(weights, _root(covariance), 1.0, 0.0)


def fit_both(
    features: Array,
    target: Array,
    groups: Groups,
    scale_features: Array,
    scale_groups: Groups,
) -> tuple[Posterior, Posterior]:
    """Location and log scale of ``target ~ features @ w + exp(scale_features @ v) * noise``.

    Parameters
    ----------
    features : ndarray, shape (n, m)
    target : ndarray, shape (n,)
        Of a spread near 1.
    groups : ndarray of int, shape (m,)
        As for :func:`fit_location`.
    scale_features : ndarray, shape (n, s)
    scale_groups : ndarray of int, shape (s,)

    Returns
    -------
    tuple of Posterior
        The location, whose noise then is 1 up to what the scale does not explain; the log scale.
    """
    location, scale = fit_location(features, target, groups), None
    log_scale: Posterior
    for _ in range(_ALTERNATIONS):
        # What the weights are unsure of is part of the expected square.
        squares = (target - features @ location.mean) ** 2 + location.variance(features)
        log_scale = fit_log_scale(scale_features, squares + _LEAST_NOISE**2, scale_groups)
        scale = np.exp(scale_features @ log_scale.mean)
        location = fit_location(features, target, groups, scale)
    return location, log_scale


def _by_weight(groups: Groups, names: Groups, alpha: Array) -> Array:
    prior = np.full(len(groups), _FLAT)
    for name, precision in zip(names, alpha, strict=True):
        prior[groups == name] = precision
    return prior


def _solve(gram: Array, moment: Array, prior: Array, beta: float) -> tuple[Array, Array, float]:
    """Posterior mean, covariance, and the log determinant of the posterior's precision."""
    precision = beta * gram + np.diag(prior)
    # By Cholesky: the matrix is positive definite, and its determinant comes with the root.
    root = np.linalg.cholesky(_safe(precision))
    inverse = np.linalg.solve(root, np.eye(len(prior)))
    covariance = inverse.T @ inverse
    return beta * covariance @ moment, covariance, float(2.0 * np.log(np.diag(root)).sum())


def _safe(matrix: Array) -> Array:
    """``matrix`` with that added to its diagonal which rounding may have taken from it."""
    return matrix + np.diag(np.full(len(matrix), 1e-12 * float(np.trace(matrix)) / len(matrix)))


def _renewed(
    groups: Groups, names: Groups, alpha: Array, mean: Array, variance: Array, limit: float
) -> tuple[float, Array]:
    """How many weights the data decide, and the precisions that make them most likely, none above
    ``limit``."""
    used, renewed = 0.0, alpha.copy()
    for g, name in enumerate(names):
        here = groups == name
        decided = float(here.sum() - alpha[g] * variance[here].sum())
        decided = max(decided, 1e-6)
        size = float((mean[here] ** 2).sum())
        renewed[g] = np.clip(decided / max(size, 1e-12), _LEAST_PRECISION, limit)
        used += decided
    return used, renewed


def _newton(features: Array, squares: Array, prior: Array, start: Array) -> tuple[Array, Array]:
    weights = start

    def loss(v: Array) -> float:
        h = features @ v
        with np.errstate(over="ignore"):
            return float((h + 0.5 * squares * np.exp(-2 * h)).sum() + 0.5 * (prior * v**2).sum())

    now = loss(weights)
    for _ in range(_NEWTON):
        share = squares * np.exp(-2.0 * (features @ weights))
        gradient = features.T @ (1.0 - share) + prior * weights
        hessian = _safe(features.T @ (2.0 * share[:, None] * features) + np.diag(prior))
        step = np.linalg.solve(hessian, gradient)
        size, trial = 1.0, loss(weights - step)
        # Halved until it gains; `not <=` is true of NaN as well.
        while not trial <= now and size > 1e-6:
            size /= 2.0
            trial = loss(weights - size * step)
        gained = now - trial
        if not trial <= now:
            break
        weights, now = weights - size * step, trial
        # A gain below that is rounding.
        if gained < 1e-9 * len(squares):
            break
    # The expected information, 2 for each row, is what an unlucky sample cannot shrink.
    information = _safe(2.0 * features.T @ features + np.diag(prior))
    return weights, np.asarray(np.linalg.inv(information), dtype=np.float64)


def _root(covariance: Array) -> Array:
    return np.asarray(np.linalg.cholesky(_safe(covariance)))
