"""The values of one lever in order of cost, as searches climb them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ifonly.explainers.problem import Problem
from ifonly.models.predictor import Rows

Floats = npt.NDArray[np.float64]

LONGEST = 4_096
"""Values kept of one lever. Longer axes keep all near the factual and a spread of the rest;
what lies between is looked at again when a search closes in on it."""


@dataclass(frozen=True, eq=False)
class Ladder:
    """Values that one lever could be set to, other than its factual one, cheapest first."""

    column: int
    values: Floats
    costs: Floats

    def __len__(self) -> int:
        return len(self.values)

    @classmethod
    def of(cls, problem: Problem, column: int) -> Ladder:
        axis, factual = problem.axes[column], float(problem.factual[column])
        values = axis.values(_positions(len(axis), axis.below(factual)))
        return cls.around(problem, column, values)

    @classmethod
    def spread(cls, problem: Problem, column: int, most: int) -> Ladder:
        """At most ``most`` values all over the axis and those beside the factual."""
        axis = problem.axes[column]
        at = axis.below(float(problem.factual[column]))
        positions = spread(0, len(axis) - 1, most)
        # The factual may be off the axis, so there is a neighbour on either side.
        beside = np.arange(max(0, at - 1), min(len(axis), at + 2), dtype=np.int64)
        return cls.around(problem, column, axis.values(np.union1d(positions, beside)))

    @classmethod
    def outward(cls, problem: Problem, column: int, most: int) -> Ladder:
        """At most ``most`` values all over a long axis, and ever wider steps from the factual."""
        axis = problem.axes[column]
        at, ends = axis.below(float(problem.factual[column])), len(axis) - 1
        # Four steps to a doubling: dense near the factual, where answers are cheap.
        away = np.unique(np.rint(2.0 ** np.arange(0.0, np.log2(len(axis)), 0.25)).astype(np.int64))
        near = np.concatenate([at - away, [at], at + away])
        positions = np.union1d(near[(near >= 0) & (near <= ends)], spread(0, ends, most))
        return cls.around(problem, column, axis.values(positions))

    @classmethod
    def around(cls, problem: Problem, column: int, values: Floats) -> Ladder:
        """``values`` as a ladder; ties of cost: the smaller value first."""
        factual = float(problem.factual[column])
        values = np.unique(values)
        values = values[values != factual]
        # NaN differs from itself, so the line above has not dropped it.
        if np.isnan(factual):
            values = values[~np.isnan(values)]
        costs = problem.cost.of_feature(column, values, factual)
        # `lexsort` takes its last key first.
        order = np.lexsort((values, costs))
        return cls(column, values[order], costs[order])

    def below(self, cost: float) -> Ladder:
        """The part that costs less than ``cost``."""
        return self.at(np.flatnonzero(self.costs < cost))

    def thinned(self, most: int) -> Ladder:
        """At most ``most`` rungs, evenly spread, the cheapest and the dearest among them."""
        if len(self) <= most:
            return self
        return self.at(np.unique(np.linspace(0, len(self) - 1, most).astype(np.int64)))

    def at(self, rungs: npt.NDArray[np.int64]) -> Ladder:
        return Ladder(self.column, self.values[rungs], self.costs[rungs])

    def on(self, rows: Rows) -> Rows:
        """Every row with every rung, ``(n_rows * n_rungs, n_features)``."""
        climbed = np.repeat(rows, len(self), axis=0)
        climbed[:, self.column] = np.tile(self.values, len(rows))
        return climbed


def spread(first: int, last: int, most: int) -> npt.NDArray[np.int64]:
    """At most ``most`` whole numbers from ``first`` to ``last``, evenly, both among them."""
    if last - first < most:
        return np.arange(first, last + 1, dtype=np.int64)
    return np.linspace(first, last, most).astype(np.int64)


def _positions(size: int, middle: int) -> npt.NDArray[np.int64]:
    if size <= LONGEST:
        return np.arange(size, dtype=np.int64)
    # Half of them beside the factual, half over the whole axis.
    half = LONGEST // 2
    near = np.arange(max(0, middle - half // 2), min(size, middle + half // 2), dtype=np.int64)
    far = np.linspace(0, size - 1, half).astype(np.int64)
    return np.union1d(near, far)
