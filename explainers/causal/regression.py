"""Bayesian regression on basis functions: weights, their posterior, and how much noise there is.

Weights of one group share a normal prior; its precision and that of the noise maximise the
evidence (MacKay 1992; Bishop 2006, 3.5). The scale of location-scale noise is fitted by Newton
steps on its likelihood, which is convex in the weights of the log scale, in turn with the
location (weighted least squares).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from explainers.causal.function import Array

Groups = npt.NDArray[np.int64]
"""``(m,)``: the group of each weight; -1: no prior to speak of (the intercept)."""

_FLAT = 1e-6
_PRECISIONS = 1e-8, 100.0
"""Least and greatest precision of a group's prior: no weight is believed nearer to 0 than a tenth
of the spread of what is fitted, or the evidence of a few rows rules shapes out that are there."""
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
    n, gram, moment = len(target), features.T @ features, features.T @ target
    names = np.unique(groups[groups >= 0])
    alpha, beta = np.ones(len(names)), 1.0 / max(float(target.var()), _LEAST_NOISE**2)
    # MacKay's fixed point: the precisions that make the evidence greatest.
    for _ in range(_ROUNDS):
        prior = _by_weight(groups, names, alpha)
        mean, covariance, _ = _solve(gram, moment, prior, beta)
        residual = float(((target - features @ mean) ** 2).sum())
        used, alpha_new = _renewed(groups, names, alpha, mean, np.diag(covariance))
        flat = float((groups < 0).sum())
        # Rows less the weights that they pay for; never fewer than one.
        beta_new = max(n - used - flat, 1.0) / max(residual, n * _LEAST_NOISE**2)
        settled = np.allclose(alpha_new, alpha, rtol=1e-2) and np.isclose(beta_new, beta, 1e-3)
        alpha, beta = alpha_new, beta_new
        if settled:
            break
    prior = _by_weight(groups, names, alpha)
    mean, covariance, log_determinant = _solve(gram, moment, prior, beta)
    residual = float(((target - features @ mean) ** 2).sum())
    evidence = 0.5 * (
        np.log(prior).sum()
        + n * np.log(beta / (2.0 * np.pi))
        - beta * residual
        - (prior * mean**2).sum()
        - log_determinant
    )
    if scale is not None:
        # The density of the target itself, not of the target in units of its noise.
        evidence -= float(np.log(scale).sum())
    return Posterior(mean, _root(covariance), float(beta**-0.5), float(evidence))


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
        _, alpha = _renewed(groups, names, alpha, weights, np.diag(covariance))
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
    groups: Groups, names: Groups, alpha: Array, mean: Array, variance: Array
) -> tuple[float, Array]:
    """How many weights the data decide, and the precisions that make them most likely."""
    used, renewed = 0.0, alpha.copy()
    for g, name in enumerate(names):
        here = groups == name
        decided = float(here.sum() - alpha[g] * variance[here].sum())
        decided = max(decided, 1e-6)
        size = float((mean[here] ** 2).sum())
        renewed[g] = np.clip(decided / max(size, 1e-12), *_PRECISIONS)
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
