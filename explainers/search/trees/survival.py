"""Do rows survive the sensors? For rows that follow from what is set, which are on no grid."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ifonly.explainers.constraints import Mask
from ifonly.explainers.native.kernel import SURVIVES, UNDECIDED
from ifonly.explainers.problem import Problem
from ifonly.explainers.search.trees import entry_points
from ifonly.explainers.search.trees.layout import Layout
from ifonly.explainers.search.trees.question_building import readings_of
from ifonly.explainers.search.trees.table_search import SearchInstance
from ifonly.models.predictor import Rows


@dataclass(eq=False)
class Survival:
    """Which rows are in the target with every reading within the tolerances that ``problem``
    declares: proven by the tables, row by row."""

    problem: Problem
    layout: Layout
    asked: SearchInstance
    """The same question in arrays, whatever its axes."""
    undecided: bool = False
    """Whether a row was left undecided, and so counted as one that does not survive."""

    def __call__(self, rows: Rows) -> Mask:
        """Which of ``rows``, ``(n, n_features)``, survive, ``(n,)``."""
        if not len(rows):
            return np.zeros(0, dtype=np.bool_)
        ends = readings_of(self.problem, self.layout, list(rows.T))
        # One row a sample again, in the C order that compiled code takes.
        near, far = (np.ascontiguousarray(end.reshape(rows.T.shape).T) for end in ends)
        n = rows.shape[1]
        # A question with one position an axis, so that a row off every grid can be asked about.
        nothing, nowhere = np.zeros(n, dtype=np.int64), np.full(n, -1)
        one = replace(
            self.asked.question,
            off=np.arange(n + 1),
            size=np.ones(n, dtype=np.int64),
            listed=np.arange(n),
            most=nothing,
            middle=nothing,
            home=nowhere,
            table=nowhere,
        )
        found = np.empty(len(rows), dtype=np.int64)
        with self.asked.arenas.lent() as arena:
            for i in range(len(rows)):
                q = replace(one, near=near[i], far=far[i])
                at = np.zeros(n, dtype=np.int64)
                found[i] = entry_points.survives(self.asked.tables, q, arena, at)
        self.undecided |= bool((found == UNDECIDED).any())
        return np.asarray(found == SURVIVES)
