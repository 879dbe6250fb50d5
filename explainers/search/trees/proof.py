"""The proof of one question: the cheapest row in the target, and that nothing is cheaper.

First a search on the tables of the whole model, which settles most questions. What is left open is
settled inside balls of cost that grow: with the trees merged within each, and where that is not
enough in boxes that are bounded by prices.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property
from heapq import heapify, heappop, heappush
from itertools import count

import numpy as np

from ifonly.explainers.deadline import Deadline
from ifonly.explainers.errors import DeadlineReached
from ifonly.explainers.native import kernel
from ifonly.explainers.native.kernel import BEST, CORNER, GUESS, HAS_BEST, NODES, SP
from ifonly.explainers.problem import Problem
from ifonly.explainers.search.engine import Meter, SearchOutcome
from ifonly.explainers.search.trees import entry_points
from ifonly.explainers.search.trees.any_row import AnyRowSearch
from ifonly.explainers.search.trees.arena import Arena
from ifonly.explainers.search.trees.lagrangian import Priced, priced
from ifonly.explainers.search.trees.question import Question
from ifonly.explainers.search.trees.table_search import (
    Box,
    SearchInstance,
    TableSearch,
    chunk,
    halves,
)
from ifonly.explainers.search.trees.tables import Tables
from ifonly.explainers.search.trees.tree_merging import merged
from ifonly.models.predictor import Row

NEAREST_STEPS = 16
NEAREST_BOXES, NEAREST_IN_ALL = 200, 1_000
"""Boxes opened in each of those steps, and in all of them."""
PATIENCE = 60_000
"""Boxes opened on the tables of the whole model before trees are merged, times levers: with few
of them boxes are small soon, and a box costs less than merging."""
PATIENCE_IN_BALL = 300
"""Boxes opened on merged tables before the ball is split."""
PATIENCE_IN_BOX, MOST_IN_BOX = 60, 1_800
"""Boxes opened inside one of its boxes before that is split: the second over levers, and the first
at least."""
PATIENCE_WITHOUT_ANSWER = 100_000
"""The same over levers squared while no row in the target is known: prices need a cost to be
measured against, and say less."""
BEFORE_ANY = ((400, 0), (2_000, 5_000))
"""Boxes opened before it is asked whether there is any row at all, where none is known; and boxes
opened on merged tables in the search for one."""
MOST_MISSES = 4
"""Boxes in a row near whose wishes no better row was found; from then on only of every so many."""
WORTH_MERGING_AGAIN = 0.7
"""A better row is, below this part of the cost within which the trees were merged: the boxes that
are priced are lost with it."""
PLUNGE = 0.3
"""A half of the last box is next, if its bound is within this part of the way from the least bound
to the best cost."""
FIRST_CAP, LAST_CAP = 0.4, 0.8
"""Parts of the best cost: within the first it is proven that nothing is, before any other; from
the last on the whole is proven at once."""
GROWTH = 1.4
"""How many times larger the next cap is."""

Waiting = tuple[float, int, Priced]
"""A box with its bound, and its number, by which boxes of the same bound are ordered."""


class BoxSearch(TableSearch):
    """One question's progress: the best row so far, and the cost below which there is none."""

    def __init__(
        self,
        problem: Problem,
        meter: Meter,
        deadline: Deadline,
        asked: SearchInstance,
        patience: int | None = None,
    ) -> None:
        """``patience``: boxes opened on the tables of the whole model before trees are merged;
        by default the fewer, the more levers there are. With 0 nobody asks first whether there is
        any row."""
        super().__init__(problem, meter, deadline, asked)
        # A feature with one position is no lever.
        levers = max(1, int(np.count_nonzero(asked.question.size > 1)))
        self._patience = PATIENCE // levers if patience is None else patience
        self._patience_in_box = max(PATIENCE_IN_BOX, min(MOST_IN_BOX // levers, PATIENCE_IN_BALL))
        self._patience_without = max(self._patience_in_box, PATIENCE_WITHOUT_ANSWER // levers**2)
        self._bound = 0.0
        self._guess = math.inf
        """Cost of a row that is in the target, whatever the sensors may read."""
        self._near: Tables | None = None
        self._tried: set[bytes] = set()
        """What suited the trees of boxes near which a row was looked for."""
        self._misses = 0
        """Boxes since that found a better one."""
        self._within = math.nan
        """Cost within which the trees of `_near` were merged."""

    @cached_property
    def _dearest(self) -> float:
        """More than any row costs."""
        return 1.0 + self._asked.question.dearest

    def run(self) -> SearchOutcome:
        deadline_hit = False
        try:
            # A feature without any allowed value: no row is allowed, whatever the model says.
            if not all(self._asked.question.size):
                self._bound = math.inf
            else:
                self._prove()
        except DeadlineReached:
            deadline_hit = True
        return self._outcome(self._bound, deadline_hit)

    def nearest(self) -> Row | None:
        """The allowed row that comes nearest to the target, by halving what all limits
        must be loosened by; None if no row is allowed or the time is up."""
        t, q = self._asked.tables, self._asked.question
        if not all(q.size):
            return None
        # How near a row comes is asked of its score, not of what sensors may make of it.
        q = replace(q, near=q.near[:0], far=q.far[:0])
        nearest, short, missing = None, 0.0, math.inf
        with self._asked.arenas.lent() as arena:
            # Halving between what is too little and what a row that is known misses the limits by.
            left = NEAREST_IN_ALL
            for _ in range(NEAREST_STEPS):
                # Infinity cannot be halved; a step this large loosens everything.
                loosened = replace(q, limit=q.limit + 0.5 * (short + min(missing, 1e300)))
                entry_points.start(t, loosened, arena, math.inf, q.least, q.most)
                # The first row that is found will do: how much is missing is then known exactly.
                while entry_points.search_any(t, loosened, arena, 20) == kernel.MORE:
                    if arena.ints[HAS_BEST] or arena.ints[NODES] >= NEAREST_BOXES:
                        break
                left -= int(arena.ints[NODES])
                if self._deadline.expired():
                    return None
                if arena.ints[HAS_BEST]:
                    nearest = q.row(arena.best)
                    missing = entry_points.over_limit(t, q, arena, arena.best.copy())
                elif nearest is None:
                    return None
                else:
                    short = 0.5 * (short + missing)
                if left <= 0:
                    break
        return nearest

    def _prove(self) -> None:
        t, q = self._asked.tables, self._asked.question
        with self._asked.arenas.lent() as lent:
            arena = self._with_fragile(lent)
            # No longer than the patience at once: easy questions end
            # here, hard ones go to merged trees.
            status = entry_points.begin(t, q, arena, min(chunk(t), self._patience))
            self._guess = float(arena.floats[GUESS])
            if self._best < arena.floats[BEST]:
                # Not of use: the search goes on within what would be.
                arena.floats[BEST], arena.ints[HAS_BEST] = self._best, 0
            is_settled = False
            # Seldom, and little at first: most questions have an answer, which is found soon.
            for boxes, most in BEFORE_ANY:
                if self._knows_any or boxes >= self._patience:
                    break
                is_settled = self._drive(t, q, arena, status, boxes)
                if is_settled or self._knows_any:
                    break
                if self._is_there_none(most):
                    self._bound = math.inf
                    return
                if self._best < arena.floats[BEST]:
                    arena.floats[BEST], arena.ints[HAS_BEST] = self._best, 0
                status = entry_points.search(t, q, arena, 1)
            is_settled = is_settled or self._drive(t, q, arena, status, self._patience)
            if is_settled:
                self._bound = min(self._best, self._open)
                return
            for cap in self._caps():
                # Each cap is searched anew, so what the search before left open counts no more.
                self._open = math.inf
                try:
                    cap = self._settle(t, q, arena, cap)
                # Also at the deadline: what was settled below the cap stays proven.
                finally:
                    self._bound = max(self._bound, min(cap, self._best, self._open))
                if self._best <= cap:
                    return  # everything cheaper than it was looked at

    @property
    def _knows_any(self) -> bool:
        return self._best < math.inf

    def _is_there_none(self, most: int) -> bool:
        """Whether it is proven that no row is in the target; a row that is found on the way is
        taken."""
        search = AnyRowSearch(self._problem, self._meter, self._deadline, self._asked)
        found = search.run(most, is_begun=True)
        if search.found is not None:
            self._positions, self._best = search.found
            self._go_on()
        return found.is_infeasible

    def _merged(self, t: Tables, q: Question, arena: Arena, cap: float) -> Tables | None:
        """The trees merged within ``cap`` over the whole space, where a search has begun; the
        same as the last time if the cap is."""
        if cap != self._within:
            self._near = merged(t, q, arena, cap, self._deadline)
            self._within = cap
        return self._near

    def _caps(self) -> Iterator[float]:
        """Costs within which the trees are merged, one after the other, until the best cost is
        settled."""
        if self._best == math.inf:
            yield from self._caps_without_answer()
            return
        # From below: a small ball of cost merges well, and is often
        # empty of answers (decision 0033).
        cap = FIRST_CAP * self._best
        while True:
            yield cap
            cap *= GROWTH

    def _caps_without_answer(self) -> list[float]:
        most = self._dearest
        if self._guess == math.inf:
            # Nothing is known of what an answer costs; the last cap settles everything.
            return [most / 64, math.inf]
        caps = [self._guess]
        while caps[-1] < most:
            # The small term moves a guess of 0 on.
            caps.append(GROWTH * caps[-1] + 1e-9)
        return [*caps, math.inf]

    def _settle(self, t: Tables, q: Question, arena: Arena, cap: float) -> float:
        """Settle what is cheaper than ``cap``, with the trees merged within that cost; ``arena``
        is free to be used. Begins again where a better row shows another cap to be worth more;
        returns the cap that is settled."""
        whole = q.least, q.most
        settled = False
        while not settled:
            cap = self._cap_for(cap)
            entry_points.start(t, q, arena, cap, *whole)
            # The whole space is closed by cost and rules alone.
            if not arena.ints[SP]:
                return cap
            try:
                near = self._merged(t, q, arena, cap)
            # Nothing inside the cap was looked at: the cheapest corner is all that is known.
            except DeadlineReached:
                self._open = min(self._open, float(arena.floats[CORNER]))
                raise
            # A tree without a leaf cheap enough: nothing below the cap is in the target.
            if near is None:
                return cap
            own = self._with_fragile(Arena.of(near))
            entry_points.start(near, q, own, cap, *whole)
            # One box, only to learn how the search stands; `_drive` goes on from there.
            status = entry_points.search(near, q, own, 1)
            settled = self._drive(near, q, own, status, PATIENCE_IN_BALL) or self._split(
                near, q, own, cap
            )
        return cap

    def _cap_for(self, cap: float) -> float:
        """``cap``, or the best cost if that is less, or but little more."""
        # Two balls of nearly the same size are dearer than the larger one.
        return self._best if LAST_CAP * self._best <= cap else cap

    def _split(self, t: Tables, q: Question, arena: Arena, cap: float) -> bool:
        """Settle what is cheaper than ``cap``: the box of the least bound is searched for a while,
        then halved, until the least bound is ``cap``."""
        # The ticket orders boxes of the same bound: arrays cannot be compared.
        least, ticket = 0.0, count()
        queue: list[Waiting] = []
        boxes: list[Box] = [(q.least, q.most)]
        around: Priced | None = None
        try:
            while True:
                inside: list[Waiting] = []
                for box in boxes:
                    found = self._priced(t, q, arena, cap, box, around)
                    if found is not None:
                        inside.append((found.bound, next(ticket), found))
                        heappush(queue, inside[-1])
                        self._round(found)
                most = min(cap, self._best)
                # The heap gives the least bound first, so all others are at least as high.
                if not queue or queue[0][0] >= most:
                    return True
                least = queue[0][0]
                # A better row was found meanwhile: trees merged within
                # less cost are fewer and tighter.
                if not WORTH_MERGING_AGAIN * cap <= self._cap_for(cap) <= cap:
                    return False
                around = _next(queue, inside, least + PLUNGE * (most - least))
                settled = self._search_box(t, q, arena, cap, around)
                boxes = [] if settled else halves(t, q, around)
        except DeadlineReached:
            # All boxes in the queue have at least this bound.
            self._open = min(self._open, least)
            raise

    def _search_box(self, t: Tables, q: Question, arena: Arena, cap: float, box: Priced) -> bool:
        """Search a priced box for a while; whether that settled it."""
        best = min(cap, self._best, self._dearest)
        entry_points.start(t, q, arena, best, box.lo, box.hi)
        if not arena.ints[SP]:
            return True
        # What its charges say of single leaves is more than their costs alone do.
        box.box.strike_off(t.native, q.native, arena.native, best)
        status = entry_points.search(t, q, arena, 1)
        patience = self._patience_without if self._best == math.inf else self._patience_in_box
        return self._drive(t, q, arena, status, patience, box.bound)

    def _round(self, box: Priced) -> None:
        """A row near what suits the trees of a box, if it is better than the best."""
        # Moves along lines know nothing of sensors; what they find would not do.
        if self._robust:
            return
        wish = box.wish.tobytes()
        # A row costs as much time as a box: where none is found, fewer are looked for.
        self._misses += 1
        if wish in self._tried or (self._misses > MOST_MISSES and self._misses % MOST_MISSES):
            return
        self._tried.add(wish)
        before = self._best
        t, q = self._asked.tables, self._asked.question
        with self._asked.arenas.lent() as arena:
            entry_points.start(t, q, arena, self._best, q.least, q.most)
            if arena.ints[SP]:
                entry_points.reach_from(t, q, arena, box.wish)
                self._take(arena)
        if self._best < before:
            self._misses = 0

    def _priced(
        self, t: Tables, q: Question, arena: Arena, cap: float, box: Box, around: Priced | None
    ) -> Priced | None:
        """A box with a bound; None if nothing in it costs less than ``cap``."""
        # Charges need a finite cost to be measured against.
        best = min(cap, self._best, self._dearest)
        entry_points.start(t, q, arena, best, *box)
        if not arena.ints[SP]:
            return None
        return priced(t, q, arena, best, around, self._deadline.check)


def _next(queue: list[Waiting], inside: list[Waiting], most: float) -> Priced:
    """The box to open, taken out of the heap: one of ``inside`` if its bound is ``most`` at most,
    as good rows are found near deep boxes; else that of the least bound."""
    deeper = min(inside, default=None, key=lambda box: box[:2])
    if deeper is None or deeper[0] > most:
        return heappop(queue)[2]
    queue.remove(deeper)
    heapify(queue)
    return deeper[2]
