"""Every row cheaper than a given cost, where there are few enough to score them all."""

from __future__ import annotations

import numpy as np

from explainers.problem import Problem
from explainers.search.ladder import Ladder
from models.predictor import Rows

LONGEST_AXIS = 262_144
"""Values of one feature beyond which a ball is not counted at all."""


def ball(problem: Problem, cost: float, most: int, changes: int | None = None) -> Rows | None:
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
        if len(axis) > LONGEST_AXIS:
            return None
        ladder = Ladder.around(problem, int(column), axis.values())
        stays = float(problem.factual[column]) in axis
        affordable = np.searchsorted(ladder.costs, cost - costs, side="left")
        if changes is not None:
            affordable[changed == changes] = 0
        counts = affordable + stays
        if counts.sum() > most:
            return None
        source = np.repeat(np.arange(len(rows)), counts)
        rung = np.arange(len(source)) - np.repeat(np.cumsum(counts) - counts, counts) - stays
        rows, costs, changed = rows[source], costs[source], changed[source]
        moves = rung >= 0
        rows[moves, column] = ladder.values[rung[moves]]
        costs[moves] += ladder.costs[rung[moves]]
        changed[moves] += 1
    return rows
