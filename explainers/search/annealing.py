"""Simulated annealing on the grid: many walkers, one call of the model a step.

A walker's energy is its cost and, at a price, what it misses the target by (Kirkpatrick et al.
1983). Hot walkers cross what a front of best rows cannot: rows that are dearer and farther for a
while. The price of missing rises while they cool, so that they end at the target's edge.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from ifonly.explainers.search.incumbents import Incumbents, Tried
from ifonly.explainers.search.ladder import Ladder
from ifonly.models.predictor import Rows

Floats = npt.NDArray[np.float64]
Positions = npt.NDArray[np.int64]

WALKERS = 512
STEPS = 96
HOT, COLD = 0.15, 0.002
"""Temperature at first and at last, in parts of the best answer's cost."""
LENIENT, STRICT = 1.0, 8.0
"""Price of the shortfall at first and at last, where that of the start itself costs as much as the
best answer."""
FAR = 0.1
"""Of a lever's values, how far one step may go at first."""
DRAWN, HOME, MATE = 0.35, 0.5, 0.65
"""Chances of the moves of one lever, added up: to a rung by chance, back to where it was, to where
another walker has it; else some values away."""


def anneal(
    incumbents: Incumbents,
    rungs: Mapping[int, Ladder],
    front: Tried,
    chance: np.random.Generator,
) -> Tried:
    """Walk from the rows of ``front`` and the best answers; where the walkers ended, of those that
    miss the target. Answers on the way are kept; raises as :meth:`Incumbents.probe`."""
    problem = incumbents.problem
    moves = _Moves(incumbents, rungs, chance)
    if not len(moves):
        return front
    rows = np.concatenate([incumbents.rows, front.rows])
    # The best answers twice as often as rows of the front.
    weight = np.r_[np.full(len(incumbents.rows), 2.0), np.ones(len(front.rows))]
    rows = rows[chance.choice(len(rows), WALKERS, p=weight / weight.sum())]
    costs, missing = problem.cost_of(rows), incumbents.probe(rows)
    worst = float(front.shortfalls.max(initial=0.0)) or 1.0
    # Without an answer, as if one cost as much as the dearest row of the front.
    best = incumbents.cost if len(incumbents.rows) else float(costs.max())
    best = best or 1.0  # where levers cost nothing
    for step in range(STEPS):
        part = step / (STEPS - 1)
        heat = best * HOT * (COLD / HOT) ** part
        price = best / worst * LENIENT * (STRICT / LENIENT) ** part
        moved = moves.of(rows, 1.0 - part)
        # What no rule allows is no place to walk to, and is not scored.
        open_ = np.flatnonzero(problem.allowed(moved))
        if not len(open_):
            continue
        there, dearer = incumbents.probe(moved[open_]), problem.cost_of(moved[open_])
        rise = dearer - costs[open_] + price * (there - missing[open_])
        taken = chance.random(len(open_)) < np.exp(-np.maximum(rise, 0.0) / heat)
        at = open_[taken]
        rows[at], costs[at], missing[at] = moved[at], dearer[taken], there[taken]
    ended = missing > 0.0
    return Tried(rows[ended], costs[ended], missing[ended])


class _Moves:
    """One or two levers of each row, moved."""

    def __init__(
        self, incumbents: Incumbents, rungs: Mapping[int, Ladder], chance: np.random.Generator
    ) -> None:
        start = self._start = incumbents.problem.start
        self._rungs = {j: ladder.values for j, ladder in rungs.items() if len(ladder)}
        # All values and not the rungs alone: beside other settings the score changes elsewhere.
        self._ordered = {j: _with_home(incumbents.ladder(j).values, start[j]) for j in self._rungs}
        self._chance = chance

    def __len__(self) -> int:
        return len(self._rungs)

    def of(self, rows: Rows, warmth: float) -> Rows:
        """The less ``warmth``, from 1 to 0, the less far."""
        moved = rows.copy()
        drawn = self._chance.choice(np.array([*self._rungs]), (2, len(rows)))
        # Half of them move one.
        alone = self._chance.random(len(rows)) < 0.5
        drawn[1, alone] = drawn[0, alone]
        for which in drawn:
            for column in np.unique(which).tolist():
                here = np.flatnonzero(which == column)
                moved[here, column] = self._values(rows, column, here, warmth)
        return moved

    def _values(self, rows: Rows, column: int, here: Positions, warmth: float) -> Floats:
        ordered, rungs, n = self._ordered[column], self._rungs[column], len(here)
        kind = self._chance.random(n)
        farthest = max(1.0, FAR * warmth * len(ordered))
        # The logarithm of the distance is even, too.
        away = np.ceil(farthest ** self._chance.random(n)) * self._chance.choice([-1, 1], n)
        at = np.searchsorted(ordered, rows[here, column]) + away
        beside = ordered[np.clip(at, 0, len(ordered) - 1).astype(np.int64)]
        # The logarithm of the place is even: cheap rungs are likelier.
        drawn = rungs[(len(rungs) ** self._chance.random(n) - 1.0).astype(np.int64)]
        mates = rows[self._chance.integers(len(rows), size=n), column]
        home = np.full(n, self._start[column])
        return np.select([kind < DRAWN, kind < HOME, kind < MATE], [drawn, home, mates], beside)


def _with_home(values: Floats, home: float) -> Floats:
    return np.union1d(values, [] if math.isnan(home) else [home])
