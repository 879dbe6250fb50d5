"""Of a long grid, the values that can matter: where a cell or what a rule says begins and ends.

Between two of them the model and every rule treat all values alike, and the one nearest to the
factual is the cheapest; so the search over them is the search over all. It is not where a rule
relates the feature to another that can move: then any value may be the one that fits.
"""

from __future__ import annotations

import math

import numpy as np

from explainers.constraints import Comparison, IsIn, Plausible, Rule
from explainers.problem import Problem
from explainers.search.breaks import breaks_of_rules
from explainers.search.trees.layout import LONGEST_KEPT, Layout
from explainers.space import Axis

BESIDE = 2
"""Multiples on either side of a place that are kept too: rules compare within rounding."""


def thinned(problem: Problem, layout: Layout) -> tuple[Axis, ...]:
    """The axes of ``problem``, in which nothing follows, long ones with the values that matter."""
    axes = problem.single_axes
    if problem.survives is not None:
        return axes
    return tuple(
        _thinned(problem, layout, j, axis) if axis.count > LONGEST_KEPT else axis
        for j, axis in enumerate(axes)
    )


def _thinned(problem: Problem, layout: Layout, j: int, axis: Axis) -> Axis:
    grid, edges = axis.grid, layout.edges(j)
    if grid is None or edges is None or not _stands_alone(problem, j):
        return axis
    last = axis.first + axis.count - 1
    breaks = breaks_of_rules(problem, problem.factual, j)
    places = [grid.nearest(v) for v in breaks if math.isfinite(v / grid.at(1))]
    near = [p + k for p in places for k in range(-BESIDE, BESIDE + 1)]
    found = np.unique(np.array([axis.first, last, *near, *edges, *(e - 1 for e in edges)]))
    found = found[(found >= axis.first) & (found <= last)].astype(np.int64)
    short = Axis(others=tuple(grid.value(found).tolist()))
    for other in axis.others:
        short = short.adding(other)
    return short


def _stands_alone(problem: Problem, j: int) -> bool:
    """Whether no rule relates the feature to another that can move."""
    movable = {int(k) for k in problem.movable} - {j}
    for constraint in problem.constraints:
        if isinstance(constraint, Plausible):
            return False
        if isinstance(constraint, Rule):
            for condition in (*constraint.when, *constraint.then):
                read = {k for k, _ in condition.now} if isinstance(condition, Comparison) else set()
                if j in read and read & movable:
                    return False
                if isinstance(condition, IsIn) and condition.column == j:
                    return False
    return True
