"""Many boxes at once: what is left of each, its cheapest corner, and where to cut it.

For searches that must ask Python between two cuts, because what follows from a box of settings is
a matter of the causal model. A box holds settings and what may follow from them alike; only
settings are cut.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from explainers.search.trees.arena import WORDS, Arena
from explainers.search.trees.boxes import ALL, shrink
from explainers.search.trees.compiled import inner
from explainers.search.trees.kernel import (
    best_cut,
    corner_value,
    least_cost,
    lower_bound,
    narrow_masks,
)
from explainers.search.trees.question import Question
from explainers.search.trees.structs import Floats, IntRows, Ints, Struct, Whole, pointer_to
from explainers.search.trees.tables import Tables


@dataclass(frozen=True, eq=False)
class Cuts(Struct):
    """Where boxes may be cut."""

    column: Ints
    first: Ints
    """``column[: first[0]]`` is all that can be cut, ``column[first[j] : first[j + 1]]`` what is
    to be cut instead of ``j``."""


@dataclass(frozen=True, eq=False)
class Bounded(Struct):
    """Boxes, and what the tables say of them."""

    lo: IntRows
    """``(m, n_features)`` positions."""
    hi: IntRows
    cost: Floats
    """Cost of each box's cheapest corner; infinity: nothing in the box is both cheaper than the
    best and in the target."""
    corner: IntRows
    """``(m, n_features)``"""
    column: Ints
    """Where to cut, -1 for nowhere, and the first position of the upper part."""
    edge: Ints
    over: Floats
    """Nothing in the box is nearer to the limits."""

    @classmethod
    def of(cls, lo: npt.NDArray[np.int64], hi: npt.NDArray[np.int64]) -> Bounded:
        """Room for what will be known of these boxes, which are shrunk in place."""
        m = len(lo)
        floats, ints = np.empty((2, m)), np.empty((2, m), np.int64)
        return cls(lo, hi, floats[0], np.empty_like(lo), ints[0], ints[1], floats[1])


cuts_at, bounded_at = pointer_to(Cuts), pointer_to(Bounded)


@inner
def _reaches(t: Tables, q: Question, a: Arena) -> bool:
    """Whether the trees can come down to their limits in the box at ``lo[0]``, ``hi[0]``."""
    # From the whole each time: boxes of a batch come from anywhere and share no parent.
    for k in range(a.ints[WORDS]):
        a.mask[0, a.word[k]] = t.full[a.word[k]]
    for j in range(len(q.size)):
        a.cell_lo[0, j], a.cell_hi[0, j] = 0, t.cells[j + 1] - t.cells[j] - 1
    bottom = np.int64(0)
    narrow_masks(t, q, a, bottom)
    return lower_bound(t, q, a, bottom)


@inner
def _least_over(t: Tables, q: Question, a: Arena) -> float:
    """How far the least sums of the box at hand are above their limits, the worst of them."""
    worst = -np.inf
    for g in range(len(q.limit)):
        total = a.base[g]
        for i in range(a.group[g], a.group[g + 1]):
            total += t.value[a.least[a.tree[i]]]
        worst = max(worst, total - q.limit[g])
    return worst


@inner
def _widest(q: Question, columns: Ints, lo: Ints, hi: Ints) -> Whole:
    """The one of ``columns`` of whose axis the box holds the greatest part; -1 if it holds one
    position of each."""
    widest, most = np.int64(-1), 0.0
    for k in range(len(columns)):
        j = columns[k]
        part = (hi[j] - lo[j]) / q.size[j]
        if part > most:
            widest, most = j, part
    return widest


@inner
def bound(t: Tables, q: Question, a: Arena, best: float, cuts: Cuts, boxes: Bounded) -> None:
    """Shrink each of ``boxes``, and say of each what is known of it. A search of the whole space
    has begun in the arena."""
    j: Whole
    lo, hi, cost = boxes.lo, boxes.hi, boxes.cost
    bottom, all_moved = np.int64(0), np.int64(ALL)  # else compiled anew for these very numbers
    for i in range(len(cost)):
        cost[i] = shrink(q, best, all_moved, lo[i], hi[i], a.at)
        if cost[i] == np.inf:
            continue
        for j in range(len(q.size)):
            a.lo[0, j], a.hi[0, j] = lo[i, j], hi[i, j]
            boxes.corner[i, j] = a.at[j]
        if not _reaches(t, q, a):
            cost[i] = np.inf
            continue
        boxes.over[i] = _least_over(t, q, a)
        for j in range(len(q.size)):
            # What follows costs nothing, so any position would do for a
            # corner: the middle is a fair guess.
            if q.counts[j] == 0:
                a.at[j] = (lo[i, j] + hi[i, j]) >> 1
        corner_value(t, q, a, bottom)
        j, at = best_cut(t, q, a, bottom)
        # What follows cannot be cut itself; what it follows from can.
        if j >= 0 and (q.counts[j] == 0 or at <= lo[i, j] or at > hi[i, j]):
            j = _widest(q, cuts.column[cuts.first[j] : cuts.first[j + 1]], lo[i], hi[i])
            at = np.int64(-1)
        # No tree gains: cut the widest, as bounds of what follows tighten with the box.
        if j < 0:
            j = _widest(q, cuts.column[: cuts.first[0]], lo[i], hi[i])
            at = np.int64(-1)
        if j >= 0 and at < 0:
            at = (lo[i, j] + hi[i, j] + 1) >> 1
        boxes.column[i], boxes.edge[i] = j, at


@inner
def least_costs(q: Question, lo: IntRows, hi: IntRows, cost: Floats) -> None:
    """Cost of the cheapest corner of each box."""
    for i in range(len(cost)):
        cost[i] = least_cost(q, lo[i], hi[i])
