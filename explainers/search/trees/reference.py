"""The search of ``kernel.py`` in plain Python: slow, short, and read to be believed.

Boxes of positions; a tree's least value over a box by looking at every leaf that meets it; rules
by :meth:`Problem.allowed` on whole rows. No bit sets, no merging, no propagation. Where both
finish they agree on the least cost, and the tests hold them to it.
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from ifonly.explainers.problem import Problem
from ifonly.explainers.search.trees.question import Question
from ifonly.explainers.search.trees.tables import Tables
from ifonly.models.predictor import Row

Positions = npt.NDArray[np.int64]
Cells = npt.NDArray[np.int32]


def least_cost(
    problem: Problem, t: Tables, q: Question, in_target: Callable[[Row], bool]
) -> tuple[float, Positions | None]:
    """Least cost of an allowed row in the target and its positions; infinity if there is none.

    ``in_target`` is the deployed model's word on one row, asked only within rounding of a limit.
    """
    # Breaks ties of cost, since boxes cannot be compared.
    ticket = itertools.count()
    whole = (np.zeros_like(q.size), q.size - 1)
    queue = [(_cost(q, _corner(q, *whole)), next(ticket), whole)]
    while queue:
        cost, _, (low, high) = heapq.heappop(queue)
        # Sums of least values are no more than any row's, so no row of the box is in the target.
        if not _may_reach(t, q, low, high):
            continue
        corner = _corner(q, low, high)
        row = q.row(corner)
        if problem.allowed(row[None, :])[0] and _reaches(t, q, corner, in_target):
            # Boxes come cheapest first, and a corner is the cheapest
            # of its box: nothing costs less.
            return cost, corner
        for part in _parts(low, high, corner):
            heapq.heappush(queue, (_cost(q, _corner(q, *part)), next(ticket), part))
    return math.inf, None


def _corner(q: Question, low: Positions, high: Positions) -> Positions:
    """The cheapest position of every axis within the box."""
    return np.array(
        [
            a + int(np.argmin(q.costs_at(j, np.arange(a, b + 1))))
            for j, (a, b) in enumerate(zip(low, high, strict=True))
        ]
    )


def _cost(q: Question, at: Positions) -> float:
    total = 0.0
    # One by one, as the kernel adds: numpy's own sum rounds otherwise.
    for j in range(len(at)):
        total += float(q.costs_at(j, at[j : j + 1])[0])
    return total


def _least_value(t: Tables, g: int, low: Cells, high: Cells) -> float:
    """Sum over a goal's trees of the least value of a leaf that meets the box of cells."""
    meets = ((t.leaf_lo <= high) & (t.leaf_hi >= low)).all(axis=1)
    values = np.where(meets, t.value, math.inf)
    trees = range(int(t.groups[g]), int(t.groups[g + 1]))
    return sum(float(values[64 * t.words[k] : 64 * t.words[k + 1]].min()) for k in trees)


def _cells(q: Question, at: Positions) -> Cells:
    return q.cells_at(at)


def _may_reach(t: Tables, q: Question, low: Positions, high: Positions) -> bool:
    first, last = _cells(q, low), _cells(q, high)
    return all(
        _least_value(t, g, first, last) <= limit + band
        for g, (limit, band) in enumerate(zip(q.limit, q.band, strict=True))
    )


def _reaches(t: Tables, q: Question, at: Positions, in_target: Callable[[Row], bool]) -> bool:
    cells = _cells(q, at)
    over = [_least_value(t, g, cells, cells) - limit for g, limit in enumerate(q.limit)]
    if any(o > band for o, band in zip(over, q.band, strict=True)):
        return False
    return all(o < -band for o, band in zip(over, q.band, strict=True)) or in_target(q.row(at))


def _parts(low: Positions, high: Positions, corner: Positions) -> list[tuple[Positions, Positions]]:
    """The box without its corner, as boxes that do not overlap."""
    parts = []
    low, high = low.copy(), high.copy()
    for j in range(len(low)):
        for a, b in ((low[j], corner[j] - 1), (corner[j] + 1, high[j])):
            if a <= b:
                part = low.copy(), high.copy()
                part[0][j], part[1][j] = a, b
                parts.append(part)
        # Further parts have this axis at the corner, so no two overlap.
        low[j] = high[j] = corner[j]
    return parts
