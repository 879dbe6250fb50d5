"""A first answer before the proof: one lever at a time, by the mathematics of the model."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from explainers.problem import Problem
from explainers.search.ladder import Ladder
from explainers.space import changed
from models.predictor import Row, Rows

Floats = npt.NDArray[np.float64]
Excess = Callable[[Rows], Floats]
"""By how much each row misses the target, ``(n_rows,)``; at most 0 inside."""

RUNGS = 64
NEARLY = 0.8
"""Of the best gain for its cost: what is nearly as good and goes farther is taken instead."""
POLISHES = 12


def find_incumbent(problem: Problem, excess: Excess) -> Row | None:
    """An allowed row in the target that is cheap, if one is easily found.

    The best single move; else moves that gain most for their cost until the target is reached,
    and then single moves that make the row cheaper.
    """
    ladders = [Ladder.of(problem, int(j)).thinned(RUNGS) for j in problem.movable]
    row = problem.start
    for _ in range(2 * len(ladders) + 2):
        rows = _moves(problem, ladders, row)
        over = excess(rows)
        reached = _cheapest(problem, rows[over <= 0.0])
        if reached is not None:
            return _polished(problem, ladders, excess, reached)
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


def _cheapest(problem: Problem, rows: Rows) -> Row | None:
    rows = rows[problem.allowed(rows)]
    return np.asarray(rows[np.argmin(problem.cost_of(rows))]) if len(rows) else None


def _step(problem: Problem, rows: Rows, over: Floats) -> Row | None:
    """Of ``rows``, all one move from the first, the one to go on from."""
    costs = problem.cost_of(rows)
    gains = np.nan_to_num(over[0] - over, nan=-np.inf)
    rates = gains / (np.maximum(costs - costs[0], 0.0) + 1e-3)
    if not rates.max() > 0.0:
        return None
    good = np.flatnonzero(rates >= NEARLY * rates.max())
    return np.asarray(rows[good[np.argmax(gains[good])]])


def _polished(problem: Problem, ladders: Sequence[Ladder], excess: Excess, row: Row) -> Row:
    for _ in range(POLISHES):
        cost = float(problem.cost_of(row[None, :])[0])
        used = changed(row[None, :], problem.factual)[0]
        near = [_between(problem, ladder, row) for ladder in ladders if used[ladder.column]]
        rows = _moves(problem, near, row)
        rows = rows[problem.cost_of(rows) < cost]
        cheaper = _cheapest(problem, rows[excess(rows) <= 0.0]) if len(rows) else None
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
