"""Is there a row in the target that has given readings? One problem in arrays, asked often."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from ifonly.explainers.deadline import Deadline
from ifonly.explainers.errors import NotEligible
from ifonly.explainers.native import kernel
from ifonly.explainers.native.kernel import HAS_BEST, NODES, REFUSED
from ifonly.explainers.problem import Problem
from ifonly.explainers.search.engine import NOBODY, Meter
from ifonly.explainers.search.trees import entry_points
from ifonly.explainers.search.trees.table_search import SearchInstance, chunk
from ifonly.models.predictor import Row

FIRST_BOXES = 8
"""Boxes opened before the search is looked at: where there is a row, it is mostly found by then."""
PATIENCE = 6_000
"""Boxes opened for one question: some ten milliseconds. What is harder is guessed at, then left to
a search that moves greedily and merges trees."""


class TreeContradictions:
    """Rows in the target of one problem, in which nothing follows, with some features held."""

    def __init__(
        self, problem: Problem, meter: Meter, deadline: Deadline, asked: SearchInstance
    ) -> None:
        q = asked.question
        if len(q.near):
            raise NotEligible("trees", "readings that must survive the sensors are no single row")
        self._problem = problem
        self._meter = meter
        self._deadline = deadline
        self._asked = asked
        self.told_by = NOBODY

    def find(self, held: Iterable[int]) -> Row | None:
        """A row in the target that has the factual's readings of ``held``; None: proven that there
        is none.

        Raises
        ------
        NotEligible
            If that takes longer than this search is good for.
        DeadlineReached
        """
        t, q = self._asked.tables, self._asked.question
        self.told_by = "trees"
        lo, hi = q.least.copy(), q.most.copy()
        columns = np.fromiter(held, np.int64)
        lo[columns] = hi[columns] = q.home[columns]
        # A factual that is on no axis, or an axis without a value.
        if (lo < 0).any() or (hi < lo).any():
            raise NotEligible("trees", "the instance itself is none of the rows")
        with self._asked.arenas.lent() as a:
            try:
                entry_points.start(t, q, a, math.inf, lo, hi)
                boxes = FIRST_BOXES
                while True:
                    status = entry_points.search(t, q, a, boxes)
                    # Any row will do: which is cheapest nobody asks.
                    if a.ints[HAS_BEST]:
                        return q.row(a.best)
                    if status == kernel.DONE:
                        return None
                    if status == kernel.VERDICT:
                        row = q.row(a.at)
                        # Within rounding of the limit the deployed model decides.
                        if self._problem.target.met(self._meter.score(row[None, :]))[0]:
                            return row
                        a.refused[:] = a.at
                        a.ints[REFUSED] = 1
                    elif status == kernel.FULL or a.ints[NODES] >= PATIENCE:
                        raise NotEligible("trees", "more boxes are open than this search looks at")
                    self._deadline.check()
                    boxes = min(2 * boxes, chunk(t))
            finally:
                self._meter.opened(int(a.ints[NODES]))
