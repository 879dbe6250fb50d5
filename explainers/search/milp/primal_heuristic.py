"""A first answer before the proof: one lever at a time, by the mathematics of the model."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from ifonly.explainers.constraints import Mask
from ifonly.explainers.problem import Problem
from ifonly.explainers.search.bracket import RUNGS, Bracket, Excess, closed_in
from ifonly.explainers.search.ladder import Ladder
from ifonly.explainers.space import changed
from ifonly.models.predictor import Row, Rows

Floats = npt.NDArray[np.float64]
Sure = Callable[[Rows], Mask]
"""Which of actions that lead into the target may be answered with."""

NEARLY = 0.8
"""Part of the best gain for its cost: what is nearly as good and goes farther is taken instead."""
POLISHES = 12
LITTLE = 1e-4
"""A saving, relative to the cost, that is left to whoever looks at every row."""
FIRST_CHECKED = 8
MOST_CHECKED = 512


def find_incumbent(problem: Problem, excess: Excess, sure: Sure) -> Row | None:
    """An allowed action into the target that is sure and cheap, if one is easily found.

    The best single move; else moves that gain most for their cost until the target is reached,
    and then single moves that make the action cheaper.
    """
    ladders = [Ladder.spread(problem, int(j), RUNGS) for j in problem.movable]
    row = problem.start
    # So many moves and no more: this is a first answer, from which the proof goes on.
    for _ in range(2 * len(ladders) + 2):
        rows = _moves(problem, ladders, row)
        over = excess(rows)
        reached = cheapest(problem, rows[over <= 0.0], sure)
        if reached is not None:
            return polished(problem, excess, sure, reached)
        step = _step(problem, rows, over)
        if step is None:
            return None
        row = step
    return None


def polished(problem: Problem, excess: Excess, sure: Sure, row: Row) -> Row:
    """``row``, which leads into the target, drawn back until no single lever makes it cheaper."""
    cost = float(problem.cost_of(row[None, :])[0])
    for _ in range(POLISHES):
        cheaper = cheapest(problem, _drawn_back(problem, excess, row), sure)
        if cheaper is None:
            break
        before, row, cost = cost, cheaper, float(problem.cost_of(cheaper[None, :])[0])
        # The proof looks at all that is cheaper anyway.
        if before - cost <= LITTLE * cost:
            break
    return row


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


def cheapest(problem: Problem, rows: Rows, sure: Sure) -> Row | None:
    """The first sure one of the allowed ``rows``, cheapest first, asked in blocks that double."""
    rows = rows[problem.allowed(rows)]
    rows = rows[np.argsort(problem.cost_of(rows), kind="stable")]
    # Being sure costs a score a mechanism, so few are asked first.
    start, block = 0, FIRST_CHECKED
    while start < min(len(rows), MOST_CHECKED):
        holds = np.flatnonzero(sure(rows[start : start + block]))
        if len(holds):
            return np.asarray(rows[start + holds[0]])
        start, block = start + block, 2 * block
    return None


def _step(problem: Problem, rows: Rows, over: Floats) -> Row | None:
    """The one of ``rows`` to go on from; all are one move away from the first."""
    costs = problem.cost_of(rows)
    with np.errstate(invalid="ignore"):  # a target that nothing reaches is infinitely far
        gains = np.nan_to_num(over[0] - over, nan=-np.inf)
    # The small term: a move that costs nothing has no rate.
    rates = gains / (np.maximum(costs - costs[0], 0.0) + 1e-3)
    if not rates.max() > 0.0:
        return None
    # Of moves about as good for their cost the one that goes farthest: fewer steps to the target.
    good = np.flatnonzero(rates >= NEARLY * rates.max())
    return np.asarray(rows[good[np.argmax(gains[good])]])


def _drawn_back(problem: Problem, excess: Excess, row: Row) -> Rows:
    """Cheaper actions into the target, with one change of ``row`` smaller, or taken back."""
    cost = float(problem.cost_of(row[None, :])[0])
    used = np.flatnonzero(changed(row[None, :], problem.factual)[0])
    rows = _moves(problem, [_cheaper(problem, row, int(j)) for j in used], row)
    rows = rows[problem.cost_of(rows) < cost]
    if len(rows):
        rows = rows[excess(rows) <= 0.0]
    stretches = (_bracket(problem, row, int(j)) for j in used)
    long = [stretch for stretch in stretches if stretch is not None]
    return np.concatenate([rows, closed_in(problem, excess, row, long)])


def _cheaper(problem: Problem, row: Row, column: int) -> Ladder:
    factual = float(problem.factual[column])
    held = problem.cost.of_feature(column, row[[column]], factual)
    return Ladder.spread(problem, column, 4 * RUNGS).below(float(held[0]))


def _bracket(problem: Problem, row: Row, column: int) -> Bracket | None:
    """None where all values between are few enough to be looked at anyway."""
    axis, factual = problem.axes[column], float(problem.factual[column])
    if len(axis) <= 4 * RUNGS or np.isnan(factual) or np.isnan(row[column]):
        return None
    return Bracket.out_to(axis, column, factual, axis.position(float(row[column])))
