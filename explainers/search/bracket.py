"""How near to the factual one number may be drawn, found on ever closer rungs: some dozens of rows,
however long its axis is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from ifonly.explainers.constraints import Mask
from ifonly.explainers.problem import Problem
from ifonly.explainers.search.ladder import spread
from ifonly.explainers.space import Axis, Positions
from ifonly.models.predictor import Row, Rows

Excess = Callable[[Rows], npt.NDArray[np.float64]]
"""By how much what each action leads to misses the target, ``(n,)``; at most 0 inside."""

RUNGS = 64


@dataclass(frozen=True)
class Bracket:
    """Positions of a number between one that leads into the target and one nearer to the factual
    that is not known to: as bisection keeps them, with more than one point looked at at once."""

    column: int
    axis: Axis
    near: int
    """The end nearer to the factual, which is not known to lead into the target."""
    far: int
    """The end that is known to."""

    @classmethod
    def out_to(cls, axis: Axis, column: int, factual: float, far: int) -> Bracket:
        """The bracket from beside ``factual``, a number, to the position ``far``."""
        # The factual may stand between two positions; the end is beyond it, so that both are rungs.
        home = axis.below(factual)
        return cls(column, axis, home if far < home else home - 1, far)

    def rungs(self) -> Positions:
        """Positions between the ends, from near to far."""
        first, last = sorted((self.near, self.far))
        between = spread(first + 1, last - 1, RUNGS)
        return between if self.far > self.near else between[::-1]

    def narrowed(self, rungs: Positions, good: Mask) -> Bracket:
        """The bracket between the first rung that leads into the target and the rung before it."""
        if not good.any():
            # Only the stretch beyond the last rung is left.
            return replace(self, near=int(rungs[-1]))
        # Nearest first, so this is the one to draw back to.
        k = int(good.argmax())
        return replace(self, near=int(rungs[k - 1]) if k else self.near, far=int(rungs[k]))


def closed_in(problem: Problem, excess: Excess, row: Row, brackets: Sequence[Bracket]) -> Rows:
    """``row`` with one number each drawn back as far as it leads into the target, where that is
    from some value on."""
    done: list[Bracket] = []
    while brackets:
        rungs = [bracket.rungs() for bracket in brackets]
        # One call of the model for all numbers.
        rows = _with_each(row, brackets, rungs)
        good = (excess(rows) <= 0.0) & problem.allowed(rows) if len(rows) else np.zeros(0, bool)
        ends = np.cumsum([len(own) for own in rungs])
        parts = np.split(good, ends[:-1])
        # No position is left between its ends.
        done += [s for s, own in zip(brackets, rungs, strict=True) if not len(own)]
        brackets = [
            bracket.narrowed(own, part)
            for bracket, own, part in zip(brackets, rungs, parts, strict=True)
            if len(own)
        ]
    return _with_each(row, done, [np.array([bracket.far]) for bracket in done])


def _with_each(row: Row, brackets: Sequence[Bracket], each: Sequence[Positions]) -> Rows:
    """``row`` with one number each at some positions."""
    rows = np.repeat(row[None, :], sum(map(len, each)), axis=0)
    start = 0
    for bracket, positions in zip(brackets, each, strict=True):
        rows[start : start + len(positions), bracket.column] = bracket.axis.values(positions)
        start += len(positions)
    return rows
