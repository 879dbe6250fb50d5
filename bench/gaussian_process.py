"""Karimi et al.'s Gaussian processes as mechanisms: what our own are compared with.

A zero-mean process over the standardised causes, squared exponential with a length a cause, and
normal additive noise, all by marginal likelihood (scikit-learn); the counterfactual keeps the
noise that was abducted (Karimi et al. 2020, section 4, propositions 5 and 6). They add the
individual to the rows of the fit; here the rows alone decide.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel

from bench.causal_scms import Array, ScmTruth
from ifonly.explainers.causal import CausalModel, Graph
from ifonly.explainers.causal.function import Members
from ifonly.explainers.causal.mechanism import Mechanism, Noise

WAVES = 200
"""Random Fourier features (Rahimi and Recht 2007) of a draw of the prior."""


@dataclass(frozen=True, eq=False)
class GaussianProcess:
    """A posterior of functions; all but ``centre``, ``spread``, ``shift`` and ``scale`` speak of
    standardised causes and values."""

    centre: Array
    spread: Array
    shift: float
    scale: float
    variance: float
    lengths: Array
    noise: float
    """Variance."""
    rows: Array
    """``(n, p)``"""
    values: Array
    """``(n,)``"""

    @property
    def n_parents(self) -> int:
        return int(self.rows.shape[1])

    def __call__(self, parents: Array) -> Array:
        return self._in_unit(self._near(parents) @ self._solved(self.values))

    def bounds(self, lower: Array, upper: Array) -> tuple[Array, Array]:
        everything = np.full(len(lower), np.inf)
        return -everything, everything

    def members(self, rng: np.random.Generator, k: int) -> Members:
        """Draws by pathwise conditioning (Wilson et al. 2020): of the prior, and what the rows
        make of it."""
        frequencies = rng.normal(size=(self.n_parents, WAVES)) / self.lengths[:, None]
        phases = rng.uniform(0.0, 2.0 * np.pi, WAVES)
        weights = rng.normal(size=(WAVES, k)) * np.sqrt(2.0 * self.variance / WAVES)
        seen = np.cos(self.rows @ frequencies + phases) @ weights
        seen += rng.normal(size=seen.shape) * np.sqrt(self.noise)
        updates = self._solved(self.values[:, None] - seen)

        def of(parents: Array, own: Array, update: Array) -> Array:
            waves = np.cos(self._standard(parents) @ frequencies + phases)
            return np.asarray(waves @ own + self._near(parents) @ update)

        def drawn(parents: Array) -> Array:
            # Where all members are asked of the same causes, kernels are worked out once.
            if len(parents) == 1:
                return self._in_unit(of(parents[0], weights, updates).T)
            each = zip(parents, weights.T, updates.T, strict=True)
            return self._in_unit(np.stack([of(*one) for one in each]))

        return drawn

    def _standard(self, parents: Array) -> Array:
        return (parents - self.centre) / self.spread

    def _in_unit(self, values: Array) -> Array:
        return np.asarray(self.shift + self.scale * values)

    def _near(self, parents: Array) -> Array:
        return self._kernel(self._standard(parents))

    def _kernel(self, z: Array) -> Array:
        a, b = z / self.lengths, self.rows / self.lengths
        squares = (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1) - 2.0 * a @ b.T
        return np.asarray(self.variance * np.exp(-0.5 * np.maximum(squares, 0.0)))

    def _solved(self, values: Array) -> Array:
        noisy = self._kernel(self.rows) + self.noise * np.eye(len(self.rows))
        return np.asarray(np.linalg.solve(noisy, values))


def fitted(parents: Array, values: Array) -> GaussianProcess:
    """Parents ``(n, p)`` and values ``(n,)`` in the features' units."""
    centre, spread = parents.mean(axis=0), parents.std(axis=0)
    shift, scale = float(values.mean()), float(values.std())
    rows, target = (parents - centre) / spread, (values - shift) / scale
    signal = ConstantKernel(1.0, (1e-3, 1e3)) * RBF(np.ones(parents.shape[1]), (0.05, 100.0))
    kernel = signal + WhiteKernel(0.5, (1e-4, 2.0))
    with warnings.catch_warnings():
        # A length at its limit is a cause that does not matter.
        warnings.simplefilter("ignore", ConvergenceWarning)
        found = GaussianProcessRegressor(kernel).fit(rows, target).kernel_.get_params()
    return GaussianProcess(
        centre,
        spread,
        shift,
        scale,
        float(found["k1__k1__constant_value"]),
        np.broadcast_to(found["k1__k2__length_scale"], rows.shape[1:]).astype(float),
        float(found["k2__noise_level"]),
        rows,
        target,
    )


def learned_as_processes(truth: ScmTruth, rows: Array) -> CausalModel:
    """Every node with causes as a Gaussian process of them."""

    def mechanism(j: int) -> Mechanism | None:
        causes = list(truth.parents[j])
        if not causes:
            return None
        process = fitted(rows[:, causes], rows[:, j])
        return Mechanism(process, None, Noise(process.scale * process.noise**0.5))

    each = tuple(mechanism(j) for j in range(len(truth.names)))
    return CausalModel(truth.names, Graph(truth.parents), each)
