"""A first answer before the proof: one lever at a time, by the mathematics of the model."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from explainers.constraints import Mask
from explainers.problem import Problem
from explainers.search.ladder import Ladder
from explainers.space import changed
from models.predictor import Row, Rows

Floats = npt.NDArray[np.float64]
Excess = Callable[[Rows], Floats]
"""By how much what each action leads to misses the target, ``(n,)``; at most 0 inside."""
Sure = Callable[[Rows], Mask]
"""Which of actions that lead into the target may be answered with."""

RUNGS = 64
NEARLY = 0.8
"""Of the best gain for its cost: what is nearly as good and goes farther is taken instead."""
POLISHES = 12
FIRST_CHECKED = 8
MOST_CHECKED = 512


def find_incumbent(problem: Problem, excess: Excess, sure: Sure) -> Row | None:
    """An allowed action into the target that is sure and cheap, if one is easily found.

    The best single move; else moves that gain most for their cost until the target is reached,
    and then single moves that make the action cheaper.
    """
    ladders = [Ladder.of(problem, int(j)).thinned(RUNGS) for j in problem.movable]
    row = problem.start
    for _ in range(2 * len(ladders) + 2):
        rows = _moves(problem, ladders, row)
        over = excess(rows)
        reached = _cheapest(problem, rows[over <= 0.0], sure)
        if reached is not None:
            return _polished(problem, ladders, excess, sure, reached)
        step = _step(problem, rows, over)
        if step is None:
            return None
        row = step
    return None


def _moves(problem: Problem, ladders: Sequence[Ladder], row: Row) -> Rows:
    """``row`` first, and then with each of its levers at each of its rungs, or left alone."""
    parts = [row[None, :]]
    for ladder in ladders:
        factual = float(problem.factual[ladder.column])
        values = ladder.values
        if factual in problem.axes[ladder.column]:
            values = np.append(values, factual)
        moved = np.repeat(row[None, :], len(values), axis=0)
        moved[:, ladder.column] = values
        parts.append(moved)
    return np.concatenate(parts)


def _cheapest(problem: Problem, rows: Rows, sure: Sure) -> Row | None:
    """Of the cheapest allowed ones, in blocks that double, the first that is sure."""
    rows = rows[problem.allowed(rows)]
    rows = rows[np.argsort(problem.cost_of(rows), kind="stable")]
    start, block = 0, FIRST_CHECKED
    while start < min(len(rows), MOST_CHECKED):
        holds = np.flatnonzero(sure(rows[start : start + block]))
        if len(holds):
            return np.asarray(rows[start + holds[0]])
        start, block = start + block, 2 * block
    return None


def _step(problem: Problem, rows: Rows, over: Floats) -> Row | None:
    """Of ``rows``, all one move from the first, the one to go on from."""
    costs = problem.cost_of(rows)
    with np.errstate(invalid="ignore"):  # a target that nothing reaches is infinitely far
        gains = np.nan_to_num(over[0] - over, nan=-np.inf)
    rates = gains / (np.maximum(costs - costs[0], 0.0) + 1e-3)
    if not rates.max() > 0.0:
        return None
    good = np.flatnonzero(rates >= NEARLY * rates.max())
    return np.asarray(rows[good[np.argmax(gains[good])]])


def _polished(
    problem: Problem, ladders: Sequence[Ladder], excess: Excess, sure: Sure, row: Row
) -> Row:
    for _ in range(POLISHES):
        cost = float(problem.cost_of(row[None, :])[0])
        used = changed(row[None, :], problem.factual)[0]
        near = [_between(problem, ladder, row) for ladder in ladders if used[ladder.column]]
        rows = _moves(problem, near, row)
        rows = rows[problem.cost_of(rows) < cost]
        cheaper = _cheapest(problem, rows[excess(rows) <= 0.0], sure) if len(rows) else None
        if cheaper is None:
            break
        row = cheaper
    return row


def _between(problem: Problem, ladder: Ladder, row: Row) -> Ladder:
    """Values that are cheaper than the row's own: steps back, as small as can be."""
    held = problem.cost.of_feature(
        ladder.column, row[[ladder.column]], float(problem.factual[ladder.column])
    )
    return Ladder.of(problem, ladder.column).below(float(held[0])).thinned(4 * RUNGS)
