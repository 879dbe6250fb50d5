"""One search on tables: what it has found, what the deployed model is asked, what is still open."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from ifonly.explainers.deadline import Deadline
from ifonly.explainers.errors import DeadlineReached
from ifonly.explainers.native import kernel
from ifonly.explainers.native.kernel import (
    BEST,
    FAILS,
    FRAGILE,
    HAS_BEST,
    NODES,
    REFUSED,
    SURVIVES,
    UNDECIDED,
    WAITING,
)
from ifonly.explainers.problem import Problem
from ifonly.explainers.search.engine import Meter, SearchOutcome
from ifonly.explainers.search.trees import entry_points
from ifonly.explainers.search.trees.arena import Arena, Arenas
from ifonly.explainers.search.trees.lagrangian import Priced
from ifonly.explainers.search.trees.question import Question
from ifonly.explainers.search.trees.tables import Tables

WORDS_BETWEEN_LOOKS = 400_000
"""Work between two looks at the deadline: a few milliseconds."""
MOST_FRAGILE = 512

Positions = npt.NDArray[np.int64]
Box = tuple[Positions, Positions]
"""First and last position of every axis."""
Search = Callable[[Tables, Question, Arena, int], int]
"""Opens so many boxes of a stack at most, as :func:`entry_points.search`."""


@dataclass(frozen=True, eq=False)
class SearchInstance:
    """A problem in arrays, and the place to search for its answer."""

    tables: Tables
    arenas: Arenas
    question: Question


class TableSearch:
    """The best row so far, and what its boxes are asked."""

    def __init__(
        self, problem: Problem, meter: Meter, deadline: Deadline, asked: SearchInstance
    ) -> None:
        self._problem = problem
        self._meter = meter
        self._deadline = deadline
        self._asked = asked
        self._positions: Positions | None = None
        self._best = problem.below
        """Cost of the best row, or what rows must be cheaper than to be of use."""
        self._open = math.inf
        """Least cost that a box could have that the deadline left open."""
        n = len(asked.question.size)
        self._robust = len(asked.question.near) > 0
        self._fragile = (
            np.empty((MOST_FRAGILE, n), np.int64),
            np.empty((MOST_FRAGILE, n), np.int64),
        )
        self._n_fragile = 0

    @property
    def found(self) -> tuple[Positions, float] | None:
        """The best row and its cost."""
        return None if self._positions is None else (self._positions, self._best)

    def _outcome(self, bound: float, deadline_hit: bool) -> SearchOutcome:
        """The best row, and that nothing costs less than ``bound``."""
        rows = np.empty((0, len(self._problem.schema)))
        if self._positions is not None:
            rows = self._asked.question.row(self._positions)[None, :]
        # The bound may have passed the best cost; a bound above a known answer says nothing.
        return SearchOutcome(rows, min(bound, self._best), None, deadline_hit)

    def _drive(
        self,
        t: Tables,
        q: Question,
        a: Arena,
        status: int,
        most_nodes: int,
        least: float = 0.0,
        search: Search = entry_points.search,
    ) -> bool:
        """Search on; whether all boxes were closed before ``most_nodes`` were opened. No open box
        has a row that costs less than ``least``."""
        try:
            while True:
                # Before anything may raise, so that a row found at the deadline is not lost.
                self._take(a)
                if status == kernel.DONE:
                    return True
                if status == kernel.VERDICT:
                    self._ask(q, a)
                elif status == kernel.FULL or a.ints[NODES] >= most_nodes:
                    return False
                if self._deadline.expired():
                    self._open = min(self._open, max(least, entry_points.open_bound(q, a)))
                    raise DeadlineReached("the deadline has passed")
                status = search(t, q, a, min(chunk(t), most_nodes))
        # Counted also when the deadline cuts in.
        finally:
            self._meter.opened(int(a.ints[NODES]))
            self._n_fragile = int(a.ints[FRAGILE])

    def _take(self, a: Arena) -> None:
        if a.ints[HAS_BEST] and a.floats[BEST] < self._best:
            self._best = float(a.floats[BEST])
            self._positions = a.best.copy()
            self._go_on()

    def _go_on(self) -> None:
        """A row is known: nobody else has to find one in what is left of the time."""
        if self._deadline.once_found is not None:
            self._deadline = self._deadline.extended()
            self._meter = self._meter.until(self._deadline)

    def _ask(self, q: Question, a: Arena) -> None:
        """A candidate that the tables cannot decide upon."""
        if self._survives(q, a) if self._robust else self._is_met(q, a):
            # As the kernel would have done, had the tables been sure.
            a.floats[BEST] = a.floats[WAITING]
            a.best[:] = a.at
            a.ints[HAS_BEST] = 1
            self._take(a)
        else:
            # The kernel opens the box again, and cuts it beside this row.
            a.refused[:] = a.at
            a.ints[REFUSED] = 1

    def _is_met(self, q: Question, a: Arena) -> bool:
        """Within rounding of the target, the deployed model decides."""
        scores = self._meter.score(q.row(a.at)[None, :])
        return bool(self._problem.target.met(scores)[0])

    def _survives(self, q: Question, a: Arena) -> bool:
        """Whether the candidate survives the sensors; if not, fragile rows like it are noted."""
        # An arena of its own: the search's holds open boxes in the same arrays.
        with self._asked.arenas.lent() as own:
            found = entry_points.survives(self._asked.tables, q, own, a.at.copy())
            # The row counts as no answer, so nothing dearer than it may be called optimal.
            if found == UNDECIDED:
                self._open = min(self._open, float(a.floats[WAITING]))
            if found == FAILS:
                entry_points.note_failed(a, own.lo[0], own.hi[0])
                self._n_fragile = int(a.ints[FRAGILE])
        return bool(found == SURVIVES)

    def _with_fragile(self, a: Arena) -> Arena:
        """The arena, with what is known of fragile rows."""
        if not self._robust:
            return a
        a.ints[FRAGILE] = self._n_fragile
        return replace(a, fragile_lo=self._fragile[0], fragile_hi=self._fragile[1])


def halves(t: Tables, q: Question, box: Priced) -> list[Box]:
    """The box in two, between the cells that its trees disagree about, or through its widest
    side; as one, where its ends were cut off there."""
    lo, hi, column = box.box.lo, box.box.hi, box.column
    if column < 0:
        column = int(np.argmax(hi - lo))
        edge = int(lo[column] + hi[column] + 1) // 2
    else:
        # From a cell of the merged tables to one of the model, and to its first position.
        cell = t.begin[t.cells[column] + column + box.edge]
        edge = int(q.first[t.fine[column] + column + cell])
    below, above = hi.copy(), lo.copy()
    below[column], above[column] = min(edge - 1, hi[column]), max(edge, lo[column])
    return [(first, last) for first, last in ((lo, below), (above, hi)) if (first <= last).all()]


def chunk(t: Tables) -> int:
    """Boxes to open between two looks at the deadline."""
    # A box costs about as many steps as there are words; 16 keep calls from Python rare.
    return max(16, WORDS_BETWEEN_LOOKS // (len(t.full) + 1))
