"""A first answer before the proof: one lever at a time, by the mathematics of the model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from explainers.constraints import Mask
from explainers.problem import Problem
from explainers.search.ladder import Ladder, spread
from explainers.space import Axis, Positions, changed
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


def _drawn_back(problem: Problem, excess: Excess, row: Row) -> Rows:
    """Cheaper actions into the target, with one change of ``row`` smaller, or taken back."""
    cost = float(problem.cost_of(row[None, :])[0])
    used = np.flatnonzero(changed(row[None, :], problem.factual)[0])
    rows = _moves(problem, [_cheaper(problem, row, int(j)) for j in used], row)
    rows = rows[problem.cost_of(rows) < cost]
    if len(rows):
        rows = rows[excess(rows) <= 0.0]
    stretches = (_Stretch.of(problem, row, int(j)) for j in used)
    long = [stretch for stretch in stretches if stretch is not None]
    return np.concatenate([rows, _closed_in(problem, excess, row, long)])


def _cheaper(problem: Problem, row: Row, column: int) -> Ladder:
    factual = float(problem.factual[column])
    held = problem.cost.of_feature(column, row[[column]], factual)
    return Ladder.spread(problem, column, 4 * RUNGS).below(float(held[0]))


@dataclass(frozen=True)
class _Stretch:
    """Positions on the way from a number's factual value to what it is set to."""

    column: int
    axis: Axis
    near: int
    """Nearer to the factual, and not known to lead into the target."""
    far: int
    """Known to."""

    @classmethod
    def of(cls, problem: Problem, row: Row, column: int) -> _Stretch | None:
        """None where all values between are few enough to be looked at anyway."""
        axis, factual = problem.axes[column], float(problem.factual[column])
        if len(axis) <= 4 * RUNGS or np.isnan(factual) or np.isnan(row[column]):
            return None
        far, home = axis.position(float(row[column])), axis.below(factual)
        return cls(column, axis, home if far < home else home - 1, far)

    def rungs(self) -> Positions:
        """From near to far, without both."""
        first, last = sorted((self.near, self.far))
        between = spread(first + 1, last - 1, RUNGS)
        return between if self.far > self.near else between[::-1]

    def narrowed(self, rungs: Positions, good: Mask) -> _Stretch:
        """To the last rung that does not lead into the target before the first that does."""
        if not good.any():
            return replace(self, near=int(rungs[-1]))
        k = int(good.argmax())
        return replace(self, near=int(rungs[k - 1]) if k else self.near, far=int(rungs[k]))


def _closed_in(problem: Problem, excess: Excess, row: Row, stretches: Sequence[_Stretch]) -> Rows:
    """``row`` with one number each drawn back as far as it leads into the target, where that is
    from some value on."""
    done: list[_Stretch] = []
    while stretches:
        rungs = [stretch.rungs() for stretch in stretches]
        rows = _with_each(row, stretches, rungs)
        good = (excess(rows) <= 0.0) & problem.allowed(rows) if len(rows) else np.zeros(0, bool)
        ends = np.cumsum([len(own) for own in rungs])
        parts = np.split(good, ends[:-1])
        done += [s for s, own in zip(stretches, rungs, strict=True) if not len(own)]
        stretches = [
            stretch.narrowed(own, part)
            for stretch, own, part in zip(stretches, rungs, parts, strict=True)
            if len(own)
        ]
    return _with_each(row, done, [np.array([stretch.far]) for stretch in done])


def _with_each(row: Row, stretches: Sequence[_Stretch], each: Sequence[Positions]) -> Rows:
    """``row`` with one number each at some positions."""
    rows = np.repeat(row[None, :], sum(map(len, each)), axis=0)
    start = 0
    for stretch, positions in zip(stretches, each, strict=True):
        rows[start : start + len(positions), stretch.column] = stretch.axis.values(positions)
        start += len(positions)
    return rows
