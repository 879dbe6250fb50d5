"""What any row of a box that reaches a goal costs at least.

The goal is bounded by a straight line of the columns. At a price for it, each lever is at its own
best, and what all of them come to together is below what any row costs (a Lagrangian bound).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ifonly.explainers.search.composed.hulls import Floats
from ifonly.explainers.search.composed.levers import FEW, GridLever, Positions
from ifonly.explainers.search.composed.lines import LineBounds
from ifonly.explainers.search.goals import LinearGoal

SHARES = (1.0, 0.7, 0.5, 0.35, 0.25, 0.15, 0.08, 0.03)
"""Prices that are tried, as parts of what the best lever gains at a cost of 1."""
HAIR = 1e-9
NOTHING = 1e200


def least_costs(
    levers: Sequence[GridLever],
    fixed: Floats,
    low: Positions,
    high: Positions,
    lines: LineBounds,
    goals: Sequence[LinearGoal],
) -> tuple[Floats, Positions]:
    """Lower bounds on the cost of rows in the target, ``(n_boxes,)``, infinity where there is none;
    and rows that are best at the prices at which the bounds are highest and by a little more,
    ``(2 n_boxes, n_levers)``.

    Parameters
    ----------
    levers : sequence of GridLever
    fixed : ndarray, shape (n_columns,)
        Columns of what is not moved.
    low, high : ndarray, shape (n_boxes, n_levers)
    lines : LineBounds
        Of the outputs, over these boxes.
    goals : sequence of LinearGoal
    """
    told = [_told(lever, low[:, k], high[:, k]) for k, lever in enumerate(levers)]
    found = np.full(len(low), -np.inf)
    hints = np.concatenate([low, low])
    for goal in goals:
        up, down = np.maximum(goal.weights, 0.0), np.minimum(goal.weights, 0.0)
        used = goal.weights != 0.0
        with np.errstate(invalid="ignore"):
            line = lines.low[..., used] @ up[used] + lines.high[..., used] @ down[used]
        # Of a box of which nothing is known, no more than its costs.
        lost = ~np.isfinite(line).all(axis=0)
        line[:, lost], line[0, lost] = 0.0, -NOTHING
        if goal.limit == -np.inf:
            return np.full(len(low), np.inf), hints
        floor, rows = _of_goal(levers, fixed, told, line, goal.limit + goal.band)
        # Of several goals the one that is the dearest to reach says where to look.
        dearest = np.tile(floor > found, 2)
        hints[dearest] = rows[dearest]
        found = np.maximum(found, floor)
    return found, hints


class _Told:
    """Positions of one lever that are looked at, in each box."""

    def __init__(self, lever: GridLever, low: Positions, high: Positions) -> None:
        at = lever.telling(low, high)
        _, self.cheapest = lever.cheapest(low, high)
        if at is None:
            self.columns = None
            self.ends = lever.between(low, high)
            self.at, _ = lever.cheapest(low, high)
            self.at = self.at[:, None]
            return
        self.at = at
        shape = at.shape
        self.costs = lever.costs(at.reshape(-1)).reshape(shape)
        self.columns = lever.read(at.reshape(-1)).reshape(*shape, -1)
        all_seen = lever.size <= FEW or lever.bent is None
        self.bent = np.zeros(len(lever.own)) if all_seen else lever.bent


def _told(lever: GridLever, low: Positions, high: Positions) -> _Told:
    return _Told(lever, low, high)


def _of_goal(
    levers: Sequence[GridLever], fixed: Floats, told: Sequence[_Told], line: Floats, limit: float
) -> tuple[Floats, Positions]:
    moved = np.zeros(len(fixed), dtype=np.bool_)
    for lever in levers:
        moved[lever.own] = True
    start = line[0] + line[1:].T @ np.where(moved, 0.0, fixed) - limit
    size = np.abs(line[0]) + np.abs(line[1:]).T @ np.abs(np.where(moved, 0.0, fixed)) + abs(limit)
    values: list[tuple[Floats, Floats]] = []
    steepest = np.zeros(line.shape[1])
    for lever, one in zip(levers, told, strict=True):
        slopes = line[1 + lever.own].T
        if one.columns is None:
            least, most = one.ends
            up, down = np.maximum(slopes, 0.0), np.minimum(slopes, 0.0)
            value = ((up * least) + (down * most)).sum(axis=1)[:, None]
            cost = one.cheapest[:, None]
        else:
            value = (one.columns * slopes[:, None, :]).sum(axis=2)
            value = value - (np.abs(slopes) @ one.bent)[:, None]
            cost = one.costs
        values.append((value, cost))
        size = size + np.abs(value).max(axis=1)
        first = cost.argmin(axis=1)[:, None]
        gain = np.take_along_axis(value, first, axis=1) - value
        paid = cost - np.take_along_axis(cost, first, axis=1)
        with np.errstate(all="ignore"):
            ratio = np.where((paid > 0.0) & (gain > 0.0), gain / paid, 0.0)
        steepest = np.maximum(steepest, ratio.max(axis=1))
    # Sums are taken in float64, in an order of our own.
    start = start - 1e-13 * size
    free = start + sum(value.min(axis=1) for value, _ in values)
    best = np.where(free > 0.0, np.inf, -np.inf)
    chosen = np.zeros((2, line.shape[1], len(levers)), dtype=np.int64)
    before = chosen[0]
    for share in SHARES:
        price = share * steepest
        total = start + sum((value + price[:, None] * cost).min(axis=1) for value, cost in values)
        with np.errstate(all="ignore"):
            floor = np.where(price > 0.0, total / price, -np.inf)
        places = [(value + price[:, None] * cost).argmin(axis=1) for value, cost in values]
        rows = np.stack(
            [
                np.take_along_axis(one.at, place[:, None], axis=1)[:, 0]
                for one, place in zip(told, places, strict=True)
            ],
            axis=1,
        )
        better = floor > best
        chosen[0][better], chosen[1][better] = rows[better], before[better]
        # A step cheaper for the goal: levers move farther.
        late = ~better & (chosen[1] == chosen[0]).all(axis=1)
        chosen[1][late] = rows[late]
        before = rows
        best = np.maximum(best, floor - HAIR * np.abs(floor))
    return best, chosen.reshape(-1, len(levers))
