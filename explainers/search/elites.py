"""Rows that come near the target, the best of each cost, improved all at once.

A front over cost and shortfall: of every part of the costs below the best answer it keeps the rows
that miss the target by least, as MAP-Elites does (Mouret and Clune 2015, *Illuminating search
spaces by mapping elites*). Each round takes small steps from all of them in one batch; what comes
nearer at its cost takes a place. A row that reaches the target is an answer, and the costs that are
looked at shrink below it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import numpy as np
import numpy.typing as npt

from ifonly.explainers.search.incumbents import Incumbents, Tried
from ifonly.explainers.search.ladder import Ladder
from ifonly.models.predictor import Rows

PARTS = 48
"""Of the costs below the best answer."""
EACH = 2
"""Rows that a part keeps."""
ROUND_ROWS, LEVER_ROWS = 12_288, 512
"""Of half a round at the most, and for each lever."""
DRAWN = 3
"""Rungs of a lever that a row is moved to in a round, besides those beside its own."""
PATIENCE = 8
"""Rounds without a cheaper answer, after which there is none to be expected."""


class Elites:
    """The front, and the steps from it."""

    def __init__(
        self, incumbents: Incumbents, rungs: Mapping[int, Ladder], chance: np.random.Generator
    ) -> None:
        self._incumbents = incumbents
        self._chance = chance
        self.climb(rungs)
        # The start itself costs nothing, and is where cheap answers begin.
        start = incumbents.problem.start[None, :]
        shortfall = incumbents.probe(start)
        self._front = Tried(start, incumbents.problem.cost_of(start), shortfall)

    @property
    def front(self) -> Tried:
        """What has a place."""
        return self._front

    def nearest(self, most: int) -> Tried:
        """At most so many of the front that cost less than the best answer, those first that miss
        the target by least."""
        cheap = np.flatnonzero(self._front.costs < self._incumbents.cost)
        chosen = cheap[np.argsort(self._front.shortfalls[cheap], kind="stable")[:most]]
        front = self._front
        return Tried(front.rows[chosen], front.costs[chosen], front.shortfalls[chosen])

    def climb(self, rungs: Mapping[int, Ladder]) -> None:
        """Steps go by these from now on."""
        self._rungs = {j: ladder for j, ladder in rungs.items() if len(ladder)}
        self._most = min(ROUND_ROWS, LEVER_ROWS * len(self._rungs))

    def add(self, tried: Tried) -> None:
        """Let these have places."""
        both = Tried.joined([self._front, tried])
        below = self._incumbents.cost
        kept = np.flatnonzero(both.costs < below)
        costs, shortfalls = both.costs[kept], both.shortfalls[kept]
        highest = below if math.isfinite(below) else float(costs.max(initial=0.0)) + 1.0
        part = np.floor(costs / highest * PARTS)
        # In each part the nearest first, and among equals the cheapest.
        order = np.lexsort((costs, shortfalls, part))
        part, kept = part[order], kept[order]
        # Rows that cost and miss the same are one row, or as good as one.
        new = np.ones(len(kept), dtype=np.bool_)
        new[1:] = (np.diff(both.costs[kept]) != 0) | (np.diff(both.shortfalls[kept]) != 0)
        part, kept = part[new], kept[new]
        first = np.searchsorted(part, part)
        kept = kept[np.arange(len(part)) - first < EACH]
        self._front = Tried(both.rows[kept], both.costs[kept], both.shortfalls[kept])

    def improve(self) -> bool:
        """Take steps until none has led to a cheaper answer for a while; whether one did."""
        before, stale = self._incumbents.cost, 0
        while stale < PATIENCE and self._rungs:
            cost = self._incumbents.cost
            self.add(self._incumbents.consider(self._steps()))
            self.add(self._incumbents.consider(self._all_moves()))
            stale = 0 if self._incumbents.cost < cost else stale + 1
        return self._incumbents.cost < before

    def _all_moves(self) -> Rows:
        """Of a few rows by chance, every lever at every rung that what is left can pay."""
        cost = self._incumbents.cost
        ladders = [ladder.below(cost) for ladder in self._rungs.values()]
        size = sum(map(len, ladders))
        most = max(1, self._most // max(size, 1))
        rows = self._from()
        some = self._chance.permutation(len(rows))[:most]
        return np.concatenate([ladder.on(rows[[k]]) for k in some for ladder in ladders])

    def _steps(self) -> Rows:
        """Every row of the front with a lever moved, and with two."""
        rows = self._from()
        levers = self._levers(len(rows))
        parts = [*(self._moved(rows, j) for j in levers)]
        parts += [self._moved_twice(rows) for _ in range(2)]
        parts += [self._mixed(rows) for _ in range(8)]
        return np.concatenate(parts)

    def _mixed(self, rows: Rows) -> Rows:
        """Each row with some levers as another has them."""
        mates = rows[self._chance.integers(len(rows), size=len(rows))]
        share = self._chance.random((len(rows), 1))
        return np.where(self._chance.random(rows.shape) < share, mates, rows)

    def _from(self) -> Rows:
        """The front; and the best answers, which are there to be made cheaper."""
        return np.concatenate([self._front.rows, self._incumbents.rows])

    def _levers(self, rows: int) -> Iterator[int]:
        """All of them, or so many by chance that a round stays within its rows."""
        levers = [*self._rungs]
        most = max(1, self._most // (rows * (DRAWN + 3)))
        if len(levers) <= most:
            return iter(levers)
        return iter(self._chance.choice(levers, most, replace=False).tolist())

    def _moved(self, rows: Rows, column: int) -> Rows:
        """Each row with the lever at some rungs: those beside its own, some by chance, the cheap
        ones likelier, and back where it was."""
        ladder = self._rungs[column]
        values = self._drawn(ladder, (len(rows), DRAWN))
        ordered = np.sort(ladder.values)
        at = np.searchsorted(ordered, rows[:, column])
        last = len(ordered) - 1
        beside = (ordered[np.clip(at - 1, 0, last)], ordered[np.clip(at + 1, 0, last)])
        home = np.full(len(rows), self._incumbents.problem.start[column])
        values = np.column_stack([values, *beside, home])
        moved = np.repeat(rows, values.shape[1], axis=0)
        moved[:, column] = values.ravel()
        return moved

    def _moved_twice(self, rows: Rows) -> Rows:
        """Each row with two levers drawn, each at a rung drawn."""
        moved = rows.copy()
        levers = np.array([*self._rungs])
        for drawn in self._chance.choice(levers, (2, len(rows))):
            for column in np.unique(drawn):
                here = np.flatnonzero(drawn == column)
                moved[here, column] = self._drawn(self._rungs[int(column)], (len(here),))
        return moved

    def _drawn(self, ladder: Ladder, shape: tuple[int, ...]) -> npt.NDArray[np.float64]:
        # The logarithm of the place is even: as many steps among the first ten as up to the
        # hundredth.
        places = len(ladder) ** self._chance.random(shape) - 1.0
        return ladder.values[places.astype(np.intp)]
