"""Whether any row is in the target, whatever it costs; proven where none is.

Boxes are cut where the scores of both halves rise. What a while on the tables of the whole model
does not settle is bounded by charges: those of :mod:`.lagrangian` with all costs taken as 0, so that
they say how near to the target the score of a box can come (the bound of the linear program over
leaves and cells). A search within a box goes on with its charges; what it does not settle is
halved, and the halves begin with them.
"""

from __future__ import annotations

import math
from functools import partial
from heapq import heappop, heappush
from itertools import count

from ifonly.explainers.errors import DeadlineReached
from ifonly.explainers.native import kernel
from ifonly.explainers.native.kernel import HAS_BEST, NODES, SP
from ifonly.explainers.search.engine import SearchOutcome
from ifonly.explainers.search.trees import entry_points
from ifonly.explainers.search.trees.arena import Arena
from ifonly.explainers.search.trees.lagrangian import Scored, scored
from ifonly.explainers.search.trees.question import Question
from ifonly.explainers.search.trees.table_search import Box, TableSearch, halves
from ifonly.explainers.search.trees.tables import Tables

FIRST_BOXES = 400
"""Boxes opened before any charges are sought."""
BOXES_WITH_CHARGES = 600
"""Boxes opened with the charges of one box before that is halved."""
ROWS_TRIED = 8
"""Of every so many boxes a row is sought near what suits the trees."""


class _Settled(Exception):
    """A row was found, or as many boxes were opened as may be."""


class AnyRowSearch(TableSearch):
    """The first row in the target ends it."""

    def run(self, patience: int = FIRST_BOXES, most: float = math.inf) -> SearchOutcome:
        """The row, or that there is none; ``most`` boxes are opened, or a few more."""
        self._most, self._opened = most, 0
        bound, deadline_hit = 0.0, False
        try:
            if all(self._asked.question.size):
                self._settle(patience)
            bound = math.inf
        except DeadlineReached:
            deadline_hit = True
        except _Settled:
            pass
        return self._outcome(bound, deadline_hit)

    def _settle(self, patience: int) -> None:
        """Returns once there is none."""
        t, q = self._asked.tables, self._asked.question
        with self._asked.arenas.lent() as lent:
            arena = self._with_fragile(lent)
            if not self._search(t, q, arena, (q.least, q.most), None, patience):
                self._split(t, q, arena)

    def _split(self, t: Tables, q: Question, arena: Arena) -> None:
        # The ticket orders boxes of the same bound: arrays cannot be compared.
        queue: list[tuple[float, int, Scored]] = []
        ticket, around = count(), None
        boxes: list[Box] = [(q.least, q.most)]
        while True:
            for box in boxes:
                entry_points.start(t, q, arena, math.inf, *box)
                if not arena.ints[SP]:
                    continue
                found = scored(t, q, arena, around, self._deadline.check)
                if found is not None:
                    number = next(ticket)
                    heappush(queue, (found.bound, number, found))
                    if number % ROWS_TRIED == 0:
                        self._try_near(t, q, arena, found)
            if not queue:
                return
            # Where the score comes down farthest a row is likeliest.
            _, _, around = heappop(queue)
            box = around.lo, around.hi
            boxes = []
            if not self._search(t, q, arena, box, around, BOXES_WITH_CHARGES):
                boxes = halves(t, q, around)

    def _try_near(self, t: Tables, q: Question, arena: Arena, box: Scored) -> None:
        """A row near what suits the trees of a box; any row in the target will do."""
        # Moves along lines know nothing of sensors; what they find would not do.
        if self._robust:
            return
        entry_points.start(t, q, arena, math.inf, q.least, q.most)
        entry_points.reach_from(t, q, arena, box.wish)
        self._take(arena)

    def _search(
        self, t: Tables, q: Question, arena: Arena, box: Box, around: Scored | None, patience: int
    ) -> bool:
        """Search a box for a while; whether that settled it."""
        entry_points.start(t, q, arena, math.inf, *box)
        if not arena.ints[SP]:
            return True
        if around is not None:
            # No row in the target reaches a leaf that is dearer than what is missing.
            around.box.strike_off(t.native, q.native, arena.native, 0.0)
        own = kernel.AnySearch(
            t.native, q.native, arena.native, None if around is None else around.box
        )
        go_on = partial(_go_on, own)
        try:
            return self._drive(t, q, arena, go_on(t, q, arena, 1), patience, search=go_on)
        finally:
            self._opened += int(arena.ints[NODES])
            if self._opened >= self._most:
                raise _Settled

    def _take(self, a: Arena) -> None:
        super()._take(a)
        if a.ints[HAS_BEST]:
            raise _Settled


def _go_on(search: kernel.AnySearch, t: Tables, q: Question, a: Arena, max_nodes: int) -> int:
    return search.search(t.native, q.native, a.native, max_nodes)
