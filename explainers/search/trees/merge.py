"""Fewer, tighter trees inside a ball of cost.

Near the best answer so far each tree keeps few leaves. Two trees whose leaves meet in at most 64
places there can be replaced by one tree of those meetings, each with the sum of the two values:
the bound over a box then takes their joint minimum instead of the sum of two minima.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from explainers.search.trees.kernel import cheapest, compiled, inner
from explainers.search.trees.question import Question
from explainers.search.trees.tables import Tables, build_tables

MOST_LEAVES = 64
CANDIDATES = 12
MOST_PAIRS = 1_024


class Forest(NamedTuple):
    """Trees as they are merged: their leaves in one growing table, a row of ``used`` each."""

    lo: Any
    """``(room, n_features)`` first cell of each leaf's box."""
    hi: Any
    value: Any
    first: Any
    """``(most_trees,)`` first leaf of each tree."""
    last: Any
    alive: Any
    used: Any
    """``(most_trees, n_features)``: whether any of the tree's leaves is bounded there."""


@inner
def _meet(q: Any, starts: Any, home: Any, f: Any, a: int, b: int, shared: Any, best: float,
          top: int) -> bool:  # fmt: skip
    """Intersection of leaves ``a`` and ``b`` into row ``top``; False if it is empty or costs
    ``best``. ``shared`` are the features on which either is bounded."""
    lo, hi = f.lo[top], f.hi[top]
    for j in shared:
        lo[j], hi[j] = max(f.lo[a, j], f.lo[b, j]), min(f.hi[a, j], f.hi[b, j])
        if lo[j] > hi[j]:
            return False
    total = 0.0
    for j in shared:
        if lo[j] <= home[j] <= hi[j]:
            continue  # holds the factual value, at no cost
        left = q.first[starts[j] + j + lo[j]]
        right = q.first[starts[j] + j + hi[j] + 1] - 1
        if left > right:
            return False
        total += q.cost[q.off[j] + cheapest(q, j, left, right)]
        if total >= best:
            return False
    return True


@inner
def _shared(f: Any, one: int, other: int) -> Any:
    return np.flatnonzero(f.used[one] | f.used[other])


@inner
def _count(q: Any, starts: Any, home: Any, f: Any, one: int, other: int, best: float,
           most: int, top: int) -> int:  # fmt: skip
    """Leaves that the two trees would have together; more than ``most`` are not counted."""
    shared = _shared(f, one, other)
    n = 0
    for a in range(f.first[one], f.last[one]):
        for b in range(f.first[other], f.last[other]):
            if _meet(q, starts, home, f, a, b, shared, best, top):
                n += 1
                if n > most:
                    return n
    return n


@inner
def _join(q: Any, starts: Any, home: Any, f: Any, one: int, other: int, new: int, best: float,
          top: int) -> int:  # fmt: skip
    """Replace two trees by tree ``new`` of their meetings, from row ``top``; the next free row."""
    shared = _shared(f, one, other)
    f.first[new] = top
    for a in range(f.first[one], f.last[one]):
        for b in range(f.first[other], f.last[other]):
            f.lo[top], f.hi[top] = f.lo[a], f.hi[a]
            if _meet(q, starts, home, f, a, b, shared, best, top):
                f.value[top] = f.value[a] + f.value[b]
                top += 1
    f.last[new] = top
    f.used[new] = f.used[one] | f.used[other]
    f.alive[one] = f.alive[other] = False
    f.alive[new] = True
    return top


@compiled
def _merge_all(q: Any, starts: Any, home: Any, f: Any, n_trees: int, top: int, best: float,
               most: int) -> int:  # fmt: skip
    """Join each tree, small ones first, with the partner among the next few that makes it grow
    least; how many trees there are then, dead ones included."""
    queue = np.empty(len(f.first), np.int64)
    queue[:n_trees] = np.argsort(f.last[:n_trees] - f.first[:n_trees])
    head, tail = 0, n_trees
    while head < tail:
        tree = queue[head]
        head += 1
        if not f.alive[tree]:
            continue
        size = f.last[tree] - f.first[tree]
        partner, growth, tried = np.int64(-1), most + 1, 0
        for k in range(head, tail):
            other = queue[k]
            other_size = f.last[other] - f.first[other]
            if not f.alive[other] or size * other_size > MOST_PAIRS:
                continue
            met = _count(q, starts, home, f, tree, other, best, most, top)
            if met <= most and met - max(size, other_size) < growth:
                growth, partner = met - max(size, other_size), other
            tried += 1
            if tried == CANDIDATES:
                break
        if partner >= 0:
            top = _join(q, starts, home, f, tree, partner, tail, best, top)
            queue[tail] = tail
            tail += 1
    return tail


def _merge_group(
    t: Tables, q: Question, home: Any, leaves: tuple[npt.NDArray[Any], ...], best: float
) -> tuple[npt.NDArray[Any], ...]:
    """The trees of one goal merged: leaves and tree offsets of what comes out."""
    lower, upper, value, offsets = leaves
    n_trees, n = len(offsets) - 1, lower.shape[1]
    room, trees = len(value) + n_trees * MOST_LEAVES + 1, 2 * n_trees
    f = Forest(
        lo=np.empty((room, n), np.int32),
        hi=np.empty((room, n), np.int32),
        value=np.empty(room),
        first=np.zeros(trees, np.int64),
        last=np.zeros(trees, np.int64),
        alive=np.zeros(trees, np.bool_),
        used=np.zeros((trees, n), np.bool_),
    )
    f.lo[: len(value)], f.hi[: len(value)], f.value[: len(value)] = lower, upper, value
    f.first[:n_trees], f.last[:n_trees], f.alive[:n_trees] = offsets[:-1], offsets[1:], True
    bounded = (lower > 0) | (upper < np.diff(t.cells) - 1)
    tree_of = np.repeat(np.arange(n_trees), np.diff(offsets))
    np.logical_or.at(f.used, tree_of, bounded)
    count = _merge_all(q, t.cells, home, f, n_trees, len(value), best, MOST_LEAVES)
    kept = np.flatnonzero(f.alive[:count])
    rows = np.concatenate([np.arange(f.first[k], f.last[k]) for k in kept])
    sizes = f.last[kept] - f.first[kept]
    return f.lo[rows], f.hi[rows], f.value[rows], np.concatenate([[0], np.cumsum(sizes)])


def merged(
    t: Tables, q: Question, leaf_cost: npt.NDArray[np.float64], best: float
) -> tuple[Tables, Question]:
    """Tables over the leaves that a row cheaper than ``best`` reaches, trees merged, and cells
    that those leaves do not tell apart joined; the question speaks of the new cells."""
    home = np.array(
        [q.cells(j)[at] if at >= 0 else -1 for j, at in enumerate(q.home)], dtype=np.int64
    )
    lowers, uppers, values, trees, groups = [], [], [], [np.zeros(1, np.int64)], [0]
    for g in range(len(q.limit)):
        leaves = _reached(t, leaf_cost, best, g)
        lower, upper, value, offsets = _merge_group(t, q, home, leaves, best)
        trees.append(offsets[1:] + trees[-1][-1])
        groups.append(groups[-1] + len(offsets) - 1)
        lowers.append(lower)
        uppers.append(upper)
        values.append(value)
    lower, upper = np.concatenate(lowers), np.concatenate(uppers)
    cell, first, counts = q.cell.copy(), [], []
    for j in range(len(q.size)):
        n_cells = int(t.cells[j + 1] - t.cells[j])
        begins = np.zeros(n_cells + 1, dtype=np.int32)
        begins[lower[:, j]] = 1
        begins[upper[:, j] + 1] = 1
        begins[0] = begins[n_cells] = 0
        new = np.cumsum(begins[:-1], dtype=np.int32)
        lower[:, j], upper[:, j] = new[lower[:, j]], new[upper[:, j]]
        own = slice(int(q.off[j]), int(q.off[j + 1]))
        cell[own] = new[q.cell[own]]
        counts.append(int(new[-1]) + 1)
        first.append(np.searchsorted(cell[own], np.arange(counts[-1] + 1)))
    tables = build_tables(
        lower,
        upper,
        np.concatenate(values),
        np.concatenate(trees),
        np.array(groups, dtype=np.int64),
        np.array(counts, dtype=np.int64),
    )
    return tables, q._replace(cell=cell, first=np.concatenate(first))


def _reached(
    t: Tables, leaf_cost: npt.NDArray[np.float64], best: float, g: int
) -> tuple[npt.NDArray[Any], ...]:
    trees = np.arange(t.groups[g], t.groups[g + 1])
    slots = np.arange(64 * t.words[trees[0]], 64 * t.words[trees[-1] + 1])
    slots = slots[(leaf_cost[slots] < best) & np.isfinite(t.value[slots])]
    offsets = np.searchsorted(slots, 64 * t.words[t.groups[g] : t.groups[g + 1] + 1])
    return t.leaf_lo[slots], t.leaf_hi[slots], t.value[slots], offsets.astype(np.int64)
