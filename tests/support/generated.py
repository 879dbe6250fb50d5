"""Small random models and questions whose whole space can be walked."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from ifonly.models.predictor import Rows, Scores
from ifonly.models.schema import Category, Decision, Feature, Kind, Schema, Task

SCHEMA = Schema(
    (
        Feature("pressure", Kind.CONTINUOUS, "bar", 0.0, 2.0, Decimal("0.25")),
        Feature("speed", Kind.INTEGER, "rpm", 10, 100, Decimal(15)),
        Feature("mode", Kind.NOMINAL, categories=tuple(map(Category, ("auto", "eco", "boost")))),
        Feature("grade", Kind.ORDINAL, categories=tuple(map(Category, ("L", "M", "H")))),
        Feature("flow", Kind.CONTINUOUS, "l/s", -0.3, 0.4, Decimal("0.1"), may_be_missing=True),
    )
)
"""Every kind of feature; grids that the bounds cut off-step; at most 3,000 rows in all."""


@dataclass(frozen=True, eq=False)
class Stumps:
    """A sum of random depth-two trees, squashed by a logistic where it is a probability."""

    columns: np.ndarray
    cuts: np.ndarray
    leaves: np.ndarray
    """``(n_trees, 4, n_outputs)``"""
    task: Task

    @classmethod
    def random(cls, seed: int, task: Task = Task.BINARY, trees: int = 12) -> Stumps:
        draw = np.random.default_rng(seed)
        columns = draw.integers(0, len(SCHEMA), (trees, 3))
        lower = np.array([0.0, 10.0, 0.0, 0.0, -0.3])
        upper = np.array([2.0, 100.0, 2.0, 2.0, 0.4])
        cuts = lower[columns] + draw.random((trees, 3)) * (upper - lower)[columns]
        outputs = 3 if task is Task.MULTICLASS else 1
        return cls(columns, cuts, draw.normal(size=(trees, 4, outputs)), task)

    def score(self, rows: Rows) -> Scores:
        rows32 = rows.astype(np.float32)  # as a deployed graph would read them
        total = np.zeros((len(rows), self.leaves.shape[2]))
        for columns, cuts, leaves in zip(self.columns, self.cuts, self.leaves, strict=True):
            # A missing value goes left, as NaN < cut is made to be true.
            first = ~(rows32[:, columns[0]] >= np.float32(cuts[0]))
            second = np.where(
                first,
                ~(rows32[:, columns[1]] >= np.float32(cuts[1])),
                ~(rows32[:, columns[2]] >= np.float32(cuts[2])),
            )
            total += leaves[2 * first + second]
        if self.task is Task.BINARY:
            return np.asarray(1.0 / (1.0 + np.exp(-total)))
        if self.task is Task.MULTICLASS:
            powers = np.exp(total - total.max(axis=1, keepdims=True))
            return np.asarray(powers / powers.sum(axis=1, keepdims=True))
        return total


def decision(task: Task) -> Decision:
    if task is Task.MULTICLASS:
        return Decision(task, tuple(map(Category, ("good", "worn", "broken"))), desired=0)
    threshold = 0.5 if task is Task.BINARY else 0.3
    return Decision(task, tuple(map(Category, ("normal", "alarm"))), 1, threshold, desired=0)


def factual(seed: int, *, missing: bool = False) -> np.ndarray:
    """A random reading; sensors need not be on the grid of what can be set."""
    draw = np.random.default_rng(seed)
    on_grid = draw.random() < 0.5
    pressure = draw.integers(0, 9) * 0.25 if on_grid else round(draw.random() * 2.0, 3)
    speed = float(draw.integers(10, 101))
    flow = np.nan if missing else round(-0.3 + 0.7 * draw.random(), 1 if on_grid else 3)
    return np.array([pressure, speed, draw.integers(0, 3), draw.integers(0, 3), flow])
