"""Fewer, tighter trees inside a ball of cost.

Near the best answer so far each tree keeps few leaves. Two trees whose leaves meet in at most 64
places there can be replaced by one tree of those meetings, each with the sum of the two values:
the bound over a box then takes their joint minimum instead of the sum of two minima.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from explainers.search.trees.kernel import compiled, inner
from explainers.search.trees.question import Question
from explainers.search.trees.tables import Tables, build_tables

MOST_LEAVES = 64
CANDIDATES = 24


@inner
def _least_cost(first: Any, off: Any, cost: Any, middle: Any, table: Any, cheapest: Any, size: Any,
                j: int, start: int, lo: int, hi: int) -> float:  # fmt: skip
    a, b = first[start + lo], first[start + hi + 1] - 1
    if a > b:
        return np.inf
    o = off[j]
    if table[j] >= 0:
        return cost[o + cheapest[table[j] + a * size[j] + b]]
    if a >= middle[j]:
        return cost[o + a]
    if b < middle[j]:
        return cost[o + b]
    return min(cost[o + middle[j]], cost[o + middle[j] - 1])


@inner
def _meet(q: Any, starts: Any, lo_a: Any, hi_a: Any, lo_b: Any, hi_b: Any, best: float,
          lo: Any, hi: Any) -> bool:  # fmt: skip
    """Intersection of two boxes into ``lo, hi``; False if it is empty or costs ``best``."""
    total = 0.0
    for j in range(len(lo_a)):
        a, b = max(lo_a[j], lo_b[j]), min(hi_a[j], hi_b[j])
        if a > b:
            return False
        lo[j], hi[j] = a, b
        total += _least_cost(q.first, q.off, q.cost, q.middle, q.table, q.cheapest, q.size,
                             j, starts[j] + j, a, b)  # fmt: skip
        if total >= best:
            return False
    return True


@inner
def _count(q: Any, starts: Any, lower: Any, upper: Any, a0: int, a1: int, b0: int, b1: int,
           best: float, most: int) -> int:  # fmt: skip
    lo, hi = np.empty(lower.shape[1], np.int32), np.empty(lower.shape[1], np.int32)
    n = 0
    for a in range(a0, a1):
        for b in range(b0, b1):
            if _meet(q, starts, lower[a], upper[a], lower[b], upper[b], best, lo, hi):
                n += 1
                if n > most:
                    return n
    return n


@compiled
def _merge_group(q: Any, starts: Any, lower: Any, upper: Any, values: Any, trees: Any,
                 best: float, most: int, candidates: int) -> Any:  # fmt: skip
    """Greedy merging of the trees of one goal; leaves and tree offsets of what comes out."""
    n_trees, n = len(trees) - 1, lower.shape[1]
    room = len(values) + 2 * n_trees * most + most + 1
    lo, hi = np.empty((room, n), np.int32), np.empty((room, n), np.int32)
    value = np.empty(room)
    lo[: len(values)], hi[: len(values)], value[: len(values)] = lower, upper, values
    top = len(values)
    first, last = np.empty(3 * n_trees + 1, np.int64), np.empty(3 * n_trees + 1, np.int64)
    alive = np.zeros(3 * n_trees + 1, np.bool_)
    for tree in range(n_trees):
        first[tree], last[tree], alive[tree] = trees[tree], trees[tree + 1], True
    queue = np.empty(3 * n_trees + 1, np.int64)
    queue[:n_trees] = np.argsort(last[:n_trees] - first[:n_trees])
    head, tail, count = 0, n_trees, n_trees
    while head < tail:
        tree = queue[head]
        head += 1
        if not alive[tree]:
            continue
        size = last[tree] - first[tree]
        partner, growth, tried = -1, most + 1, 0
        for k in range(head, tail):
            other = queue[k]
            if not alive[other] or tried >= candidates:
                continue
            other_size = last[other] - first[other]
            if size * other_size > 8 * most * most:
                continue
            tried += 1
            met = _count(q, starts, lo, hi, first[tree], last[tree], first[other], last[other],
                         best, most)  # fmt: skip
            if met <= most and met - max(size, other_size) < growth:
                growth, partner = met - max(size, other_size), other
        if partner < 0:
            continue
        begin = top
        for a in range(first[tree], last[tree]):
            for b in range(first[partner], last[partner]):
                if _meet(q, starts, lo[a], hi[a], lo[b], hi[b], best, lo[top], hi[top]):
                    value[top] = value[a] + value[b]
                    top += 1
        alive[tree] = alive[partner] = False
        first[count], last[count], alive[count] = begin, top, True
        queue[tail] = count
        tail += 1
        count += 1
    left = 0
    for tree in range(count):
        left += alive[tree]
    offsets = np.zeros(left + 1, np.int64)
    size = 0
    for tree in range(count):
        if alive[tree]:
            size += last[tree] - first[tree]
    out_lo, out_hi = np.empty((size, n), np.int32), np.empty((size, n), np.int32)
    out_value = np.empty(size)
    i, k = 0, 0
    for tree in range(count):
        if alive[tree]:
            for leaf in range(first[tree], last[tree]):
                out_lo[i], out_hi[i], out_value[i] = lo[leaf], hi[leaf], value[leaf]
                i += 1
            k += 1
            offsets[k] = i
    return out_lo, out_hi, out_value, offsets


def merged(
    t: Tables, q: Question, leaf_cost: npt.NDArray[np.float64], best: float
) -> tuple[Tables, Question]:
    """Tables over the leaves that a row cheaper than ``best`` reaches, trees merged, and cells
    that those leaves do not tell apart joined; the question speaks of the new cells."""
    lowers, uppers, values, trees, groups = [], [], [], [np.zeros(1, np.int64)], [0]
    for g in range(len(q.limit)):
        lower, upper, value, offsets = _reached(t, leaf_cost, best, g)
        lower, upper, value, offsets = _merge_group(
            q, t.cells, lower, upper, value, offsets, best, MOST_LEAVES, CANDIDATES
        )
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
