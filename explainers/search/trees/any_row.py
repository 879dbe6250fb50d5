"""Whether any row is in the target, whatever it costs; proven where none is.

A search of its own, as costs say nothing of it: boxes are cut where the scores of both halves rise
(``explainers/native/score_search.hpp``). First a while on the tables of the whole model, then with
the trees merged over the whole space.
"""

from __future__ import annotations

import math

from ifonly.explainers.errors import DeadlineReached
from ifonly.explainers.native.kernel import HAS_BEST, SP
from ifonly.explainers.search.engine import SearchOutcome
from ifonly.explainers.search.trees import entry_points
from ifonly.explainers.search.trees.arena import Arena
from ifonly.explainers.search.trees.question import Question
from ifonly.explainers.search.trees.table_search import TableSearch
from ifonly.explainers.search.trees.tables import Tables
from ifonly.explainers.search.trees.tree_merging import merged

BEFORE_MERGING = 400
"""Boxes opened before trees are merged."""
MOST_BOXES = 1 << 40
"""On merged tables: as many as the deadline allows."""


class _RowFound(Exception):
    """Any will do."""


class AnyRowSearch(TableSearch):
    """The first row in the target ends it."""

    def run(self, most: int = MOST_BOXES, *, is_begun: bool = False) -> SearchOutcome:
        """The row, or that there is none; ``most`` boxes are opened on merged tables, none if 0.
        ``is_begun``: moves along lines from the factual have found none."""
        bound, deadline_hit = 0.0, False
        try:
            # A feature without any allowed value: no row is allowed, whatever the model says.
            if not all(self._asked.question.size) or self._is_none(most, is_begun):
                bound = math.inf
        except DeadlineReached:
            deadline_hit = True
        except _RowFound:
            pass
        return self._outcome(bound, deadline_hit)

    def _is_none(self, most: int, is_begun: bool) -> bool:
        t, q = self._asked.tables, self._asked.question
        with self._asked.arenas.lent() as lent:
            arena = self._with_fragile(lent)
            if not is_begun:
                entry_points.begin(t, q, arena, 1)
                self._take(arena)
            if self._settles(t, q, arena, BEFORE_MERGING):
                return True
            if not most:
                return False
            entry_points.start(t, q, arena, math.inf, q.least, q.most)
            if not arena.ints[SP]:
                return True
            near = merged(t, q, arena, math.inf, self._deadline)
            # A tree without a leaf: nothing is in the target.
            return near is None or self._settles(near, q, self._with_fragile(Arena.of(near)), most)

    def _settles(self, t: Tables, q: Question, arena: Arena, most: int) -> bool:
        """Whether the whole space is searched before ``most`` boxes are opened."""
        entry_points.start(t, q, arena, math.inf, q.least, q.most)
        status = entry_points.search_any(t, q, arena, 1)
        return self._drive(t, q, arena, status, most, search=entry_points.search_any)

    def _take(self, a: Arena) -> None:
        super()._take(a)
        if a.ints[HAS_BEST]:
            raise _RowFound
