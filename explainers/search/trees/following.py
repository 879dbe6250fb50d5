"""Branch and bound where other features follow from what is set.

A box holds intervals of what is set. The causal model bounds what follows from it, for many boxes
at once; the tables bound the score of every row whose settings are in the box and whose effects
are within these bounds; the cheapest corner's own row is scored by the deployed model. The
cheapest boxes come first, in batches, since the causal model computes on whole arrays.

A candidate must moreover be trusted (:meth:`ifonly.explainers.problem.Problem.trust`). That is
asked of candidates only: one that is not trusted is an answer as little as one that is not in the
target, and its box is cut on.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ifonly.explainers.consequences import Consequences
from ifonly.explainers.constraints.forms import Implication
from ifonly.explainers.deadline import Deadline
from ifonly.explainers.errors import DeadlineReached, NotEligible
from ifonly.explainers.native.kernel import SP
from ifonly.explainers.problem import Problem
from ifonly.explainers.search.incumbents import BudgetSpent, Incumbents
from ifonly.explainers.search.trees import entry_points
from ifonly.explainers.search.trees.arena import Arena
from ifonly.explainers.search.trees.batches import Bounded, Cuts
from ifonly.explainers.search.trees.flat_rules import Flattened, offsets
from ifonly.explainers.search.trees.layout import Layout
from ifonly.explainers.search.trees.modes import (
    Mode,
    guards_of,
    in_mode,
    is_kept,
    limits_of,
    lines_of,
    modes_of,
)
from ifonly.explainers.search.trees.question import Question, SumLimits
from ifonly.explainers.search.trees.question_building import question_of
from ifonly.explainers.search.trees.tables import Tables
from ifonly.models.predictor import Row, Rows

BATCH = 96
"""Most boxes that are bounded at once."""
NEAR = 1e-9
"""How much nearer to the limits a row must be to be looked for, besides what float32 may round."""
MOST_NEAREST = 1 << 15
"""Boxes of one mode that are bounded for the nearest row: along the edge of a cell of what follows
there are as many as a fine grid has values."""
PARTS = 24
"""Parts into which the axis of one opener is cut to begin with: over a whole axis the bounds of
what follows say little."""

WIDE, MOST_PARTS = 16, 8
"""Boxes into which those that are left are cut at once, and into how many one is at most."""

Ints = npt.NDArray[np.int64]


class Boxes(NamedTuple):
    """Open boxes, cheapest first."""

    lo: Ints
    """``(m, n_features)`` positions."""
    hi: Ints
    cost: npt.NDArray[np.float64]
    """``(m,)`` least cost of an action in each, as far as it is known."""
    tried: Ints
    """``(m, n_features)`` a corner that is known not to be an answer; -1: none is."""

    def at(self, chosen: npt.NDArray[np.int64] | slice) -> Boxes:
        return Boxes(self.lo[chosen], self.hi[chosen], self.cost[chosen], self.tried[chosen])

    def joined(self, other: Boxes) -> Boxes:
        both = Boxes(
            np.concatenate([self.lo, other.lo]),
            np.concatenate([self.hi, other.hi]),
            np.concatenate([self.cost, other.cost]),
            np.concatenate([self.tried, other.tried]),
        )
        # Stable, so that the same question opens the same boxes in the same order.
        return both.at(np.argsort(both.cost, kind="stable"))


@dataclass(frozen=True, eq=False)
class ModeInstance:
    """One mode of a problem in arrays."""

    mode: Mode
    question: Question
    lower: Row
    """``(n_followers,)`` what each of the followers may read, at least."""
    upper: Row
    cuts: Cuts

    def actions(self, factual: Row, positions: Ints) -> Rows:
        """The actions at positions, ``(n, n_features)`` both."""
        rows = np.repeat(factual[None, :], len(positions), axis=0)
        # Followers keep the factual value, which says that they are not set.
        own = np.delete(np.arange(len(factual)), self.mode.followers)
        rows[:, own] = self.question.columns(own, positions)
        return rows


@dataclass(frozen=True, eq=False)
class EffectSearch:
    """The search of all modes of one problem."""

    problem: Problem
    consequences: Consequences
    tables: Tables
    arena: Arena
    deadline: Deadline

    def settle(self, asked: ModeInstance, incumbents: Incumbents) -> float:
        """Try everything in a mode that is cheaper than the best so far; the least cost that an
        untried action could have, infinity if all is tried.

        Raises
        ------
        NotEligible
            If nothing bounds what follows.
        """
        t, q = self.tables, asked.question
        entry_points.start(t, q, self.arena, incumbents.cost, q.least, q.most)
        if not self.arena.ints[SP]:
            return math.inf
        boxes = _parts(asked, self.arena.lo[0], self.arena.hi[0])
        # Small at first: the cheapest boxes often hold the answer, and a batch is bounded whole.
        size = 8
        while len(boxes.cost) and boxes.cost[0] < incumbents.cost:
            if self.deadline.expired():
                return float(boxes.cost[0])
            # Boxes that cost as much as the best need no bounds.
            size = min(size, int(np.searchsorted(boxes.cost, incumbents.cost)))
            some, boxes = boxes.at(slice(size)), boxes.at(slice(size, None))
            try:
                halves = self._halves(asked, some, incumbents)
            # These boxes came out cheapest first, so nothing untried
            # costs less than the first of them.
            except (DeadlineReached, BudgetSpent):
                return float(some.cost[0])
            boxes = boxes.joined(halves)
            size = min(2 * size, BATCH)
        return math.inf

    def nearest(self, asked: ModeInstance, over: Callable[[Rows], Row], best: float) -> Row | None:
        """The allowed action of a mode whose row is nearest to the limits, if it is nearer than
        ``best``; ``over`` says by how much rows are above them, ``(n_rows,)``.

        Raises
        ------
        DeadlineReached
            If the time is up, or it takes too many boxes to tell.
        """
        q = asked.question
        near = NEAR + float(q.band.max())
        q = replace(q, band=np.full_like(q.band, np.inf))  # so that no limit closes a box
        asked = replace(asked, question=q)
        entry_points.start(self.tables, q, self.arena, math.inf, q.least, q.most)
        if not self.arena.ints[SP]:
            return None
        nearest: Row | None = None
        boxes = _parts(asked, self.arena.lo[0], self.arena.hi[0])
        boxes = boxes._replace(cost=np.full_like(boxes.cost, -np.inf))  # nearest first, here
        bounded = 0
        # A row must be nearer by more than sums may round, or every
        # box of a cell would be looked at.
        while len(boxes.cost) and boxes.cost[0] < best - near:
            self.deadline.check()
            bounded += BATCH
            if bounded > MOST_NEAREST:
                raise DeadlineReached("it takes too many boxes to tell what is nearest")
            some, boxes = boxes.at(slice(BATCH)), boxes.at(slice(BATCH, None))
            found, _ = self._bounded(asked, some, math.inf)
            actions, rows = self._readable(asked, found.corner[found.cost < math.inf])
            kept = self.problem.allowed(actions, rows)
            if kept.any():
                missing = over(rows[kept])
                if missing.min() < best:
                    best, nearest = float(missing.min()), actions[kept][missing.argmin()]
            boxes = boxes.joined(_cut(found, found.over < best - near, found.over, q))
        return nearest

    def _halves(self, asked: ModeInstance, boxes: Boxes, incumbents: Incumbents) -> Boxes:
        """The open boxes that are left of some, their corners tried."""
        found, tried = self._bounded(asked, boxes, incumbents.cost)
        incumbents.opened(len(tried))
        is_open = (found.cost < math.inf) & self._may_open(asked, found)
        # A half has its parent's corner, or a new one; each corner is asked once.
        new = is_open & (found.corner != tried).any(axis=1)
        incumbents.consider(asked.actions(self.problem.factual, found.corner[new]))
        # A corner may just have made the best cheaper, which closes boxes of this batch.
        return _cut(found, is_open & (found.cost < incumbents.cost), None, asked.question)

    def _bounded(self, asked: ModeInstance, boxes: Boxes, best: float) -> tuple[Bounded, Ints]:
        """What the tables say of those boxes from which something possible follows, and what was
        tried in each."""
        boxes = self._with_effects(asked, boxes)
        found = Bounded.of(boxes.lo, boxes.hi)
        entry_points.bound_boxes(self.tables, asked.question, self.arena, best, asked.cuts, found)
        # What follows is no part of an action; a fixed number makes corners comparable.
        found.corner[:, asked.mode.followers] = 0
        return found, boxes.tried

    def _with_effects(self, asked: ModeInstance, boxes: Boxes) -> Boxes:
        """Boxes with what may follow from each; without those from which nothing possible does."""
        q, mode = asked.question, asked.mode
        columns, followers = list(mode.set), list(mode.followers)
        ends = [q.columns(np.array(columns), side) for side in (boxes.lo, boxes.hi)]
        low, high = self.consequences.bounds(self.problem.factual, columns, *ends)
        low, high = low[:, followers], high[:, followers]
        # Infinite in one box may be a wide box; in all boxes there are no bounds to be had.
        if not (np.isfinite(low) & np.isfinite(high)).any(axis=0).all():
            raise NotEligible("trees", "nothing bounds what follows")
        possible = ((low <= asked.upper) & (high >= asked.lower)).all(axis=1)
        boxes, low, high = boxes.at(np.flatnonzero(possible)), low[possible], high[possible]
        low, high = np.maximum(low, asked.lower), np.minimum(high, asked.upper)
        for k, j in enumerate(followers):
            # Outward: a box may be kept too long, never dropped too early.
            boxes.lo[:, j], boxes.hi[:, j] = q.around(j, low[:, k], high[:, k])
        return boxes

    def _readable(self, asked: ModeInstance, corners: Ints) -> tuple[Rows, Rows]:
        """Actions of which it can be read what they lead to, and that."""
        columns = list(asked.mode.set)
        actions = asked.actions(self.problem.factual, corners)
        rows = self.consequences.rows(self.problem.factual, columns, actions[:, columns])
        # What cannot be told, or leaves the schema's bounds, is no row to compare.
        known = self.problem.readable(actions, rows)
        return actions[known], rows[known]

    def _may_open(self, asked: ModeInstance, boxes: Bounded) -> npt.NDArray[np.bool_]:
        """Which boxes hold actions from which something follows."""
        q, openers = asked.question, list(asked.mode.openers)
        lo, hi = boxes.lo[:, openers], boxes.hi[:, openers]
        # Actions that set no opener have no effects: they were searched as the inert question.
        return np.asarray(((lo != hi) | (lo != q.home[openers])).any(axis=1))


def asked_of(
    problem: Problem,
    consequences: Consequences,
    layout: Layout,
    limits: SumLimits,
    rules_of: Callable[[tuple[Implication, ...]], Flattened],
) -> list[ModeInstance]:
    """The modes of a problem in which something may follow.

    Raises
    ------
    NotEligible
        If there are too many, or what follows is beyond the tables.
    """
    found = []
    for mode in modes_of(problem, consequences):
        lines = lines_of(problem, layout, mode)
        # Some feature has no value in this mode, so it holds no action.
        if lines is None:
            continue
        related = [in_mode(c, mode) for c in problem.constraints if not is_kept(c, mode)]
        related += guards_of(problem, mode)
        question = question_of(problem, layout, lines, related, limits, rules_of)
        n = len(problem.schema)
        instead = [
            list(consequences.via(mode.set, j)) if j in mode.followers else [] for j in range(n)
        ]
        first = offsets([mode.set, *instead])[1:]
        # A cut that a tree asks of a follower is made on what it follows from.
        columns = [*mode.set, *(j for group in instead for j in group)]
        cuts = Cuts(np.array(columns, dtype=np.int64), first)
        found.append(ModeInstance(mode, question, *limits_of(problem, mode), cuts))
    return found


def _parts(asked: ModeInstance, lo: Ints, hi: Ints) -> Boxes:
    """A box, cut along the longest axis of the openers."""
    j = max(asked.mode.openers, key=lambda k: int(hi[k] - lo[k]))
    # Fewer than PARTS where the axis is short: equal edges would make empty boxes.
    edges = np.unique(np.linspace(lo[j], hi[j] + 1, PARTS + 1).astype(np.int64))
    parts = [np.repeat(side[None, :], len(edges) - 1, axis=0) for side in (lo, hi)]
    parts[0][:, j], parts[1][:, j] = edges[:-1], edges[1:] - 1
    cost = _least(asked.question, *parts)
    boxes = Boxes(parts[0], parts[1], cost, np.full_like(parts[0], -1))
    return boxes.at(np.argsort(cost, kind="stable"))


def _cut(
    found: Bounded,
    chosen: npt.NDArray[np.bool_],
    keys: npt.NDArray[np.float64] | None,
    q: Question,
) -> Boxes:
    """The parts of those boxes that can be cut, by ``keys`` of each or else by their cost: halves,
    or more where few are left, since many are bounded in little more time than one."""
    cut = np.flatnonzero(chosen & (found.cost < math.inf) & (found.column >= 0))
    if not len(cut):
        return Boxes(found.lo[cut], found.hi[cut], found.cost[cut], found.corner[cut])
    ends = _ends(found, cut, min(max(WIDE // len(cut), 2), MOST_PARTS))
    # Parts of an axis with fewer values than parts are empty, and left out.
    source, part = np.nonzero(ends[:, :-1] < ends[:, 1:])
    lo, hi = found.lo[cut[source]], found.hi[cut[source]]
    rows, column = np.arange(len(source)), found.column[cut[source]]
    lo[rows, column] = ends[source, part]
    hi[rows, column] = ends[source, part + 1] - 1
    costs = _least(q, lo, hi) if keys is None else keys[cut[source]]
    boxes = Boxes(lo, hi, costs, found.corner[cut[source]])
    return boxes.at(np.argsort(costs, kind="stable"))


def _ends(found: Bounded, cut: Ints, parts: int) -> Ints:
    """Where the parts of each box begin, and the end of the last, ``(n_cut, parts + 1)``: equal
    parts where a box is halved, else the two beside its edge."""
    column, edge = found.column[cut], found.edge[cut]
    low, end = found.lo[cut, column], found.hi[cut, column] + 1
    share = np.arange(parts + 1) / parts
    ends = low[:, None] + ((end - low)[:, None] * share).astype(np.int64)
    # A tree has named the edge: two parts there tell more than many equal ones.
    by_edge = edge != (low + end) >> 1
    # All inner ends at the edge: every part but two is empty.
    ends[by_edge, 1:-1] = edge[by_edge, None]
    return ends


def _least(q: Question, lo: Ints, hi: Ints) -> npt.NDArray[np.float64]:
    """Least cost of an action in each box."""
    cost = np.empty(len(lo))
    entry_points.least_costs(q, lo, hi, cost)
    return cost
