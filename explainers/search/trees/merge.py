"""Fewer, tighter trees inside a ball of cost.

Near the best answer so far each tree keeps few leaves. Two trees whose leaves meet in at most 64
places there can be replaced by one tree of those meetings, each with the sum of the two values:
the bound over a box then takes their joint minimum instead of the sum of two minima.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from explainers.deadline import Deadline
from explainers.search.trees.arena import Arena
from explainers.search.trees.compiled import SOURCES, cheapest, entry, inner
from explainers.search.trees.question import Question
from explainers.search.trees.tables import Tables, build_tables

MOST_LEAVES = 64
CANDIDATES = 12
MOST_PAIRS = 1_024
PAIRS_BETWEEN_LOOKS = 50_000
"""Pairs of leaves to try between two looks at the deadline: a few milliseconds."""


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
    home: Any
    """``(n_features,)`` cell of the factual value, -1 where it is not allowed."""
    queue: Any
    """``(most_trees,)`` trees in the order in which partners are looked for."""
    shared: Any
    """``(n_features,)`` features on which either of the two trees at hand is bounded."""
    at: Any
    """Next of the queue, end of the queue, free row of the leaves."""


HEAD, TAIL, TOP = 0, 1, 2


@inner
def _meet(q: Any, starts: Any, f: Any, a: int, b: int, n_shared: int, best: float) -> bool:
    """Intersection of leaves ``a`` and ``b`` into the free row; False if it is empty or costs
    ``best``."""
    lo, hi = f.lo[f.at[TOP]], f.hi[f.at[TOP]]
    for k in range(n_shared):
        j = f.shared[k]
        lo[j], hi[j] = max(f.lo[a, j], f.lo[b, j]), min(f.hi[a, j], f.hi[b, j])
        if lo[j] > hi[j]:
            return False
    total = 0.0
    for k in range(n_shared):
        j = f.shared[k]
        if lo[j] <= f.home[j] <= hi[j]:
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
def _share(f: Any, one: int, other: int) -> int:
    """Note the features on which either tree is bounded; how many they are."""
    n = np.int64(0)
    for j in range(len(f.shared)):
        if f.used[one, j] or f.used[other, j]:
            f.shared[n] = j
            n += 1
    return n


@inner
def _count(q: Any, starts: Any, f: Any, one: int, other: int, best: float, most: int) -> int:
    """Leaves that the two trees would have together; more than ``most`` are not counted."""
    n_shared, n = _share(f, one, other), np.int64(0)
    for a in range(f.first[one], f.last[one]):
        for b in range(f.first[other], f.last[other]):
            if _meet(q, starts, f, a, b, n_shared, best):
                n += 1
                if n > most:
                    return n
    return n


@inner
def _join(q: Any, starts: Any, f: Any, one: int, other: int, new: int, best: float) -> None:
    """Replace two trees by tree ``new`` of their meetings, in the free rows."""
    n_shared = _share(f, one, other)
    f.first[new] = f.at[TOP]
    for a in range(f.first[one], f.last[one]):
        for b in range(f.first[other], f.last[other]):
            top = f.at[TOP]
            for j in range(len(f.shared)):
                f.lo[top, j], f.hi[top, j] = f.lo[a, j], f.hi[a, j]
            if _meet(q, starts, f, a, b, n_shared, best):
                f.value[top] = f.value[a] + f.value[b]
                f.at[TOP] = top + 1
    f.last[new] = f.at[TOP]
    for j in range(len(f.shared)):
        f.used[new, j] = f.used[one, j] or f.used[other, j]
    f.alive[one] = f.alive[other] = False
    f.alive[new] = True


@inner
def _merge_some(q: Any, starts: Any, f: Any, best: float, most: int, most_pairs: int) -> bool:
    """Join each tree, small ones first, with the partner among the next few that makes it grow
    least, until about ``most_pairs`` pairs of leaves were tried; whether that is all."""
    tried_pairs = np.int64(0)
    while f.at[HEAD] < f.at[TAIL]:
        if tried_pairs > most_pairs:
            return False
        tree = f.queue[f.at[HEAD]]
        f.at[HEAD] += 1
        if not f.alive[tree]:
            continue
        size = f.last[tree] - f.first[tree]
        partner, growth, tried = np.int64(-1), most + 1, np.int64(0)
        for k in range(f.at[HEAD], f.at[TAIL]):
            other = f.queue[k]
            other_size = f.last[other] - f.first[other]
            if not f.alive[other] or size * other_size > MOST_PAIRS:
                continue
            tried_pairs += size * other_size
            met = _count(q, starts, f, tree, other, best, most)
            if met <= most and met - max(size, other_size) < growth:
                growth, partner = met - max(size, other_size), other
            tried += 1
            if tried == CANDIDATES:
                break
        if partner >= 0:
            tail = f.at[TAIL]
            _join(q, starts, f, tree, partner, tail, best)
            f.queue[tail] = tail
            f.at[TAIL] = tail + 1
    return True


def _entry(sources: str) -> Any:
    @entry
    def merge_some(q: Any, starts: Any, f: Any, best: float, most: int, most_pairs: int) -> bool:
        sources  # noqa: B018
        return _merge_some(q, starts, f, best, most, most_pairs)

    return merge_some


merge_some = _entry(SOURCES)


def _merge_group(
    t: Tables,
    q: Question,
    home: npt.NDArray[np.int64],
    leaves: tuple[npt.NDArray[Any], ...],
    best: float,
    deadline: Deadline,
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
        home=home,
        queue=np.zeros(trees, np.int64),
        shared=np.zeros(n, np.int64),
        at=np.array([0, n_trees, len(value)]),
    )
    f.lo[: len(value)], f.hi[: len(value)], f.value[: len(value)] = lower, upper, value
    f.first[:n_trees], f.last[:n_trees], f.alive[:n_trees] = offsets[:-1], offsets[1:], True
    f.queue[:n_trees] = np.argsort(np.diff(offsets), kind="stable")
    bounded = (lower > 0) | (upper < np.diff(t.cells) - 1)
    f.used[:n_trees] = np.logical_or.reduceat(bounded, offsets[:-1], axis=0)
    while not merge_some(q, t.cells, f, best, MOST_LEAVES, PAIRS_BETWEEN_LOOKS):
        deadline.check()
    kept = np.flatnonzero(f.alive[: f.at[TAIL]])
    rows = np.concatenate([np.arange(f.first[k], f.last[k]) for k in kept])
    sizes = f.last[kept] - f.first[kept]
    return f.lo[rows], f.hi[rows], f.value[rows], np.concatenate([[0], np.cumsum(sizes)])


def merged(
    t: Tables, q: Question, arena: Arena, best: float, deadline: Deadline
) -> tuple[Tables, Question]:
    """Tables over the leaves that a row cheaper than ``best`` reaches, trees merged, and cells
    that those leaves do not tell apart joined; the question speaks of the new cells. ``arena``
    holds the leaves within reach of a search that began on ``t``.

    Raises
    ------
    DeadlineReached
        Between two trees.
    """
    home = np.array(
        [q.cells(j)[at] if at >= 0 else -1 for j, at in enumerate(q.home)], dtype=np.int64
    )
    lowers, uppers, values, trees, groups = [], [], [], [np.zeros(1, np.int64)], [0]
    for g in range(len(q.limit)):
        leaves = _reached(t, arena, best, g)
        if (np.diff(leaves[3]) == 0).any():
            return _nothing(t, q)  # a tree without a leaf within reach
        lower, upper, value, offsets = _merge_group(t, q, home, leaves, best, deadline)
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


def _reached(t: Tables, arena: Arena, best: float, g: int) -> tuple[npt.NDArray[Any], ...]:
    trees = np.arange(t.groups[g], t.groups[g + 1])
    first, last = int(t.words[trees[0]]), int(t.words[trees[-1] + 1])
    bits = np.unpackbits(arena.reach[first:last].view(np.uint8), bitorder="little")
    slots = 64 * first + np.flatnonzero(bits)
    slots = slots[arena.leaf_cost[slots] < best]
    offsets = np.searchsorted(slots, 64 * t.words[t.groups[g] : t.groups[g + 1] + 1])
    return t.leaf_lo[slots], t.leaf_hi[slots], t.value[slots], offsets.astype(np.int64)


def _nothing(t: Tables, q: Question) -> tuple[Tables, Question]:
    """Tables without a leaf."""
    return t._replace(full=t.full[:0]), q
