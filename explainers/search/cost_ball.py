"""Every row cheaper than a given cost, where there are few enough to score them all."""

from __future__ import annotations

from bisect import bisect_left

import numpy as np

from ifonly.explainers.problem import Problem
from ifonly.explainers.search.ladder import Ladder
from ifonly.explainers.space import LONGEST_LISTED
from ifonly.models.predictor import Rows


def cost_ball(problem: Problem, cost: float, most: int, changes: int | None = None) -> Rows | None:
    """All rows on the problem's axes that cost less than ``cost``, of those that change at most
    ``changes`` features if that is given; None if there are more than ``most``.

    Rows are not checked against the constraints. The features are joined one by one; each
    partial row goes on with exactly the rungs that its remaining cost affords, so that nothing
    is made that is not kept.
    """
    costs, changed = np.zeros(1), np.zeros(1, dtype=np.int64)
    rows = np.array([problem.factual])
    for column in problem.movable:
        axis = problem.axes[column]
        ladder = _affordable(problem, int(column), cost, most)
        if ladder is None:
            return None
        stays = float(problem.factual[column]) in axis
        # Ladders are sorted by cost, so this is how many rungs each partial row can pay for.
        affordable = np.searchsorted(ladder.costs, cost - costs, side="left")
        if changes is not None:
            affordable[changed == changes] = 0
        # One more where the feature may be left alone.
        counts = affordable + stays
        # Counted before rows are made, so that memory is bounded.
        if counts.sum() > most:
            return None
        source = np.repeat(np.arange(len(rows)), counts)
        # Place of each new row among those from its source; -1: the feature is left alone.
        rung = np.arange(len(source)) - np.repeat(np.cumsum(counts) - counts, counts) - stays
        rows, costs, changed = rows[source], costs[source], changed[source]
        moves = rung >= 0
        rows[moves, column] = ladder.values[rung[moves]]
        costs[moves] += ladder.costs[rung[moves]]
        changed[moves] += 1
    return rows


def _affordable(problem: Problem, column: int, cost: float, most: int) -> Ladder | None:
    """All values of a lever that cost less than ``cost``; None if they are more than ``most``."""
    axis, before = problem.axes[column], float(problem.factual[column])
    if len(axis) <= LONGEST_LISTED:
        return Ladder.around(problem, column, axis.values())
    ends = len(axis) - axis.has_missing
    middle = min(axis.below(before), ends)

    def spent(position: int) -> float:
        value = axis.values(np.array([position], dtype=np.int64))
        return float(problem.cost.of_feature(column, value, before)[0])

    # Costs of numbers rise with the distance, on either side.
    first = bisect_left(range(middle), True, key=lambda p: spent(p) < cost)
    last = middle + bisect_left(range(middle, ends), True, key=lambda p: spent(p) >= cost)
    # One more than `most`: the factual is among them, and is no rung.
    if last - first > most + 1:
        return None
    positions = [*range(first, last), *range(ends, len(axis))]
    return Ladder.around(problem, column, axis.values(np.array(positions, dtype=np.int64)))
