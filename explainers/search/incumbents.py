"""What a search has seen so far: the best rows, and how much it may still spend."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ifonly.explainers.constraints import Mask
from ifonly.explainers.problem import Problem
from ifonly.explainers.search.engine import Meter
from ifonly.explainers.search.ladder import Ladder
from ifonly.models.predictor import Row, Rows, Scores

FIRST_CHECKED = 8
MOST_CHECKED = 2_048
"""Actions of one search that may be held against every plausible mechanism: each costs as many
model rows as there are mechanisms."""
KEPT = 8
"""Proposals kept: the next one is there if the first is not verified."""


EDGE = 1e-12
"""Least shortfall of a row that is not in the target."""
LOST = 1e12
"""Shortfall of an action from which nothing readable follows."""


class BudgetSpent(Exception):
    """The model rows of this search are used up."""


@dataclass(frozen=True, eq=False)
class Tried:
    """Allowed actions whose rows were scored and are not in the target: where to go on from."""

    rows: Rows
    costs: npt.NDArray[np.float64]
    shortfalls: npt.NDArray[np.float64]

    @classmethod
    def joined(cls, parts: list[Tried]) -> Tried:
        rows, costs, shortfalls = zip(
            *((p.rows, p.costs, p.shortfalls) for p in parts), strict=True
        )
        return cls(np.concatenate(rows), np.concatenate(costs), np.concatenate(shortfalls))

    def best(self, most: int, below: float) -> Rows:
        """At most ``most`` rows cheaper than ``below``, nearest to the target first."""
        cheap = np.flatnonzero(self.costs < below)
        # `lexsort` takes the last key first: nearest, and among equals cheapest.
        order = np.lexsort((self.costs[cheap], self.shortfalls[cheap]))
        return self.rows[cheap[order[:most]]]


class Incumbents:
    """Scores what could improve on the best so far, and remembers what it learned.

    Takes and keeps *actions*; the model is asked about the rows that they lead to.
    """

    def __init__(
        self, problem: Problem, meter: Meter, also: Callable[[Rows], Mask] | None = None
    ) -> None:
        self.problem = problem
        self._meter = meter
        self._also = also
        """What rows in the target must keep besides."""
        # From what was scored before this search: the meter runs on from engine to engine.
        self._last_row = meter.rows + problem.max_rows
        self._rows: Rows = np.empty((0, len(problem.schema)))
        self._costs = np.empty(0)
        self.nearest: Scores | None = None
        self._nearest_shortfall = math.inf
        self._checked = 0
        self._ladders: dict[int, Ladder] = {}
        self.unsure: Row | None = None
        """The surest of the actions that were not sure enough."""
        self._surest = -math.inf
        self.others_decide = False
        """Whether something was refused for another graph than that which is believed."""

    def opened(self, nodes: int) -> None:
        """So many nodes of the search were opened."""
        self._meter.opened(nodes)

    @property
    def scored(self) -> int:
        """Model rows so far."""
        return self._meter.rows

    @property
    def cost(self) -> float:
        """Cost of the best row in the target, ``inf`` while there is none."""
        return float(self._costs[0]) if len(self._costs) else math.inf

    @property
    def row(self) -> Row:
        return np.asarray(self._rows[0])

    @property
    def rows(self) -> Rows:
        """Rows in the target, cheapest first."""
        return self._rows

    def check(self) -> None:
        """For whoever makes rows one after the other.

        Raises
        ------
        DeadlineReached
            Once the time is up.
        """
        self._meter.check()

    def ladder(self, column: int) -> Ladder:
        """All values of a lever; laid out once."""
        if column not in self._ladders:
            self._ladders[column] = Ladder.of(self.problem, column)
        return self._ladders[column]

    def consider(self, rows: Rows) -> Tried:
        """Score those actions that are allowed and cheaper than the best, cheapest first.

        Raises
        ------
        BudgetSpent
            Once no more rows may be scored.
        DeadlineReached
            Once the time is up.
        """
        costs = self.problem.cost_of(rows)
        # Cost first, which is cheap; then what follows and the rules; the model last.
        hopeful = np.flatnonzero(costs < self.cost)
        led = self.problem.rows_of(rows[hopeful])
        allowed = np.flatnonzero(self.problem.allowed(rows[hopeful], led))
        order = allowed[np.argsort(costs[hopeful[allowed]], kind="stable")]
        return self._score(rows[hopeful[order]], led[order], costs[hopeful[order]])

    def keep(self, rows: Rows) -> None:
        """Take rows that are known to be answers."""
        self._keep(rows, self.problem.cost_of(rows))

    def probe(self, rows: Rows) -> npt.NDArray[np.float64]:
        """Shortfall of every row, allowed or not, ``(n_rows,)``; the allowed ones that are in
        the target are kept. Raises as :meth:`consider`."""
        if len(rows) > self._last_row - self._meter.rows:
            raise BudgetSpent
        led = self.problem.rows_of(rows)
        known = np.flatnonzero(self.problem.readable(rows, led))
        # What cannot be read is far from everywhere, so curves fall away from it.
        shortfalls = np.full(len(rows), LOST)
        if not len(known):
            return shortfalls
        rows, led = rows[known], led[known]
        scores = self._meter.score(led)
        allowed = self.problem.allowed(rows, led)
        met = self.problem.target.met(scores)
        kept = np.flatnonzero(allowed & met)
        costs = self.problem.cost_of(rows[kept])
        kept, costs = kept[(order := np.argsort(costs, kind="stable"))], costs[order]
        sure = self._sure(rows[kept])
        self._keep(rows[kept[sure]], costs[sure])
        # In the target, and yet no answer: for a search that is as if it missed.
        met[kept[~sure]] = False
        # A row on the edge of the target, yet outside it, must not look as if it were inside.
        missing = np.maximum(self.problem.target.shortfall(scores), EDGE)
        shortfalls[known] = np.where(met, 0.0, missing)
        missed = allowed & ~met
        self._note_nearest(scores[missed], shortfalls[known[missed]])
        return shortfalls

    def _score(self, rows: Rows, led: Rows, costs: npt.NDArray[np.float64]) -> Tried:
        left = self._last_row - self._meter.rows
        if left <= 0:
            raise BudgetSpent
        # The cheapest come first, so those that the budget cuts off are the dearest.
        rows, costs = rows[:left], costs[:left]
        if not len(rows):
            return Tried(rows, costs, costs)
        scores = self._meter.score(led[:left])
        met = self.problem.target.met(scores)
        shortfalls = self.problem.target.shortfall(scores)
        # Asked of rows in the target only, and before trust, which costs model rows.
        if self._also is not None:
            met[met] = self._also(led[:left][met])
        met[met] = self._sure(rows[met])
        self._keep(rows[met], costs[met])
        missed = ~met
        self._note_nearest(scores[missed], shortfalls[missed])
        return Tried(rows[missed], costs[missed], shortfalls[missed])

    def _sure(self, actions: Rows) -> Mask:
        """Which actions, cheapest first and in the target by what is believed, are sure enough.
        Blocks that double are asked about until one has some: what is dearer is not needed."""
        sure = np.zeros(len(actions), dtype=np.bool_)
        if self.problem.consequences is None:
            return ~sure  # nothing follows, so nothing is unsure
        start, block = 0, FIRST_CHECKED
        while start < len(actions) and not sure.any():
            if self._checked >= MOST_CHECKED:
                raise BudgetSpent
            before, some = self._meter.rows, actions[start : start + block]
            found = self.problem.trust(some, self._meter.score)
            self._last_row += self._meter.rows - before  # a budget of its own
            self._checked += len(some)
            sure[start : start + block] = found.holds
            if found.by_main is not None:
                self.others_decide |= bool((found.by_main & ~found.holds).any())
            self.note_unsure(some[~found.holds], found.lower[~found.holds])
            start, block = start + block, 2 * block
        return sure

    def note_unsure(self, actions: Rows, lower: npt.NDArray[np.float64]) -> None:
        if len(lower) and (self.unsure is None or lower.max() > self._surest):
            self._surest, self.unsure = float(lower.max()), actions[int(lower.argmax())]

    def _keep(self, rows: Rows, costs: npt.NDArray[np.float64]) -> None:
        rows = np.concatenate([self._rows, rows[:KEPT]])
        costs = np.concatenate([self._costs, costs[:KEPT]])
        # Equal costs are ordered by the values, so that the first does not depend on who found it.
        order = np.lexsort((*rows.T[::-1], costs))[:KEPT]
        self._rows, self._costs = rows[order], costs[order]

    def _note_nearest(self, scores: Scores, shortfalls: npt.NDArray[np.float64]) -> None:
        if not len(shortfalls):
            return
        first = int(np.argmin(shortfalls))
        if shortfalls[first] < self._nearest_shortfall:
            self._nearest_shortfall = float(shortfalls[first])
            self.nearest = scores[[first]]
