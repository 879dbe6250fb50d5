"""The bench of recourse: its baseline is the posterior it says, its search finds known optima."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel

from bench.causal_recourse import RecourseSearch, cheapest
from bench.causal_scms import LINEAR
from bench.gaussian_process import fitted


@pytest.fixture(scope="module")
def process():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(120, 2)) * [2.0, 0.5] + [1.0, -3.0]
    return fitted(x, 4.0 * np.sin(x[:, 0]) + x[:, 1] + 0.3 * rng.normal(size=120)), x


def test_draws_of_a_process_have_the_mean_and_the_spread_of_its_posterior(process):
    found, x = process
    at = x[:40] + 0.3
    kernel = ConstantKernel(found.variance) * RBF(found.lengths)
    latent = GaussianProcessRegressor(kernel, optimizer=None, alpha=found.noise)
    latent.fit(found.rows, found.values)
    mean, sd = latent.predict((at - found.centre) / found.spread, return_std=True)
    drawn = found.members(np.random.default_rng(1), 2000)(at[None])
    assert found(at) == pytest.approx(found.shift + found.scale * mean, abs=1e-9)
    assert drawn.mean(axis=0) == pytest.approx(found(at), abs=0.02)
    assert drawn.std(axis=0) == pytest.approx(found.scale * sd, rel=0.15)


def test_a_version_of_a_process_is_one_function_however_it_is_asked(process):
    found, x = process
    versions = found.members(np.random.default_rng(1), 3)
    own = np.stack([x[:5], x[5:10], x[10:15]])
    together = np.stack([versions(own[[m]])[m] for m in range(3)])
    assert versions(own) == pytest.approx(together, abs=1e-9)


@pytest.mark.parametrize(("norm", "nearest"), [(1, 1 / 0.8), (2, 1 / np.hypot(0.6, 0.8))])
def test_the_search_finds_the_nearest_of_a_half_space(norm, nearest):
    lower, upper = np.array([-2.0, -2.0, 0.0]), np.array([2.0, 2.0, 1e-9])

    def belief(factual, columns, values):
        rows = np.repeat(factual[None], len(values), axis=0)
        rows[:, list(columns)] = values
        return rows[:, :2] @ [0.6, 0.8] - 1.0

    search = RecourseSearch(LINEAR, lower, upper, np.random.default_rng(0), norm)
    found = cheapest(search, np.zeros(3), belief, belief)
    assert found is not None
    # Of ranges of 4; rays are drawn, so the optimum is met but for a hundredth.
    assert found.cost == pytest.approx(nearest / 4.0, rel=0.01)
    assert found.cost >= nearest / 4.0 * (1 - 1e-9)
