"""Sums of trees over boxes of cells: what the leaves say, one by one."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from ifonly.explainers.native import kernel
from ifonly.explainers.search.trees.engine import Trees
from ifonly.explainers.search.trees.tables import Tables
from tests.support.deployed import deployed_deep
from tests.support.generated import SCHEMA
from tests.support.native import TASKS, instance
from tests.support.questions import question


def by_leaves(t: Tables, low: np.ndarray, high: np.ndarray) -> tuple[list[float], list[float]]:
    """Least and greatest leaf of each tree that the box reaches, added up by goal."""
    reached = ((t.leaf_lo <= high) & (t.leaf_hi >= low)).all(axis=1) & is_leaf(t)
    least, greatest = t.constant.tolist(), t.constant.tolist()
    for g in range(len(t.groups) - 1):
        for tree in range(t.groups[g], t.groups[g + 1]):
            own = slice(64 * t.words[tree], 64 * t.words[tree + 1])
            values = t.value[own][reached[own]]
            least[g] += values.min(initial=np.inf)
            greatest[g] += values.max(initial=-np.inf)
    return least, greatest


def is_leaf(t: Tables) -> np.ndarray:
    bits = (t.full[:, None] >> np.arange(64, dtype=np.uint64)) & np.uint64(1)
    return bits.ravel().astype(bool)


def deep(seed: int) -> Tables:
    """Of trees whose leaves take more than a word."""
    deployed = deployed_deep(seed, TASKS[seed])
    problem, _, _ = question((), seed, TASKS[seed])
    found = Trees(deployed.form, SCHEMA)._in_arrays(problem).tables
    assert np.diff(found.words).max() > 1
    return found


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("tables", [deep, lambda seed: instance(seed).tables], ids=["deep", "any"])
@pytest.mark.parametrize("spread", [0, 1, 1_000])
def test_a_sum_over_a_box_is_that_of_its_leaves(
    seed: int, tables: Callable[[int], Tables], spread: int
) -> None:
    """Of boxes near each other, as readings of a row are, and of any: more than are looked at
    together, so that the last is alone."""
    t = tables(seed)
    draw = np.random.default_rng([seed, spread])
    counts = np.diff(t.cells)
    ends = draw.integers(0, counts) + draw.integers(-spread, spread + 1, (2, 257, len(counts)))
    ends = np.clip(ends, 0, counts - 1).astype(np.int32)
    low, high = np.minimum(*ends), np.maximum(*ends)
    least, greatest = np.empty((2, len(low), len(t.constant)))
    kernel.sum_bounds(t.native, low, high, least, greatest)
    for k in range(len(low)):
        theirs = by_leaves(t, low[k], high[k])
        assert least[k] == pytest.approx(theirs[0], abs=1e-9)
        assert greatest[k] == pytest.approx(theirs[1], abs=1e-9)
