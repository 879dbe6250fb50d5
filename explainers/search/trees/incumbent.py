"""A first answer before the search: exact moves of one lever at a time.

Along a line on which one feature moves and the others stand still, only the leaves that hold
the others' values matter; adding each leaf's value over the interval that it spans gives the
score at every cell of the line. The best single move of every lever, exact, costs little more
than one scoring of the ensemble.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import uint64

from explainers.search.trees.kernel import broken_rule, cheapest, compiled, inner, lowest_bit


@inner
def _lines(t: Any, q: Any, at: Any, totals: Any) -> None:
    """Score of every goal at every cell of every line through ``at``: ``totals[goal, cell]``."""
    n, n_words = len(at), len(t.full)
    others = np.empty((n, n_words), np.uint64)
    running = t.full.copy()
    for j in range(n):
        others[j] = running
        row = t.cells[j] + q.cell[q.off[j] + at[j]]
        for w in range(n_words):
            running[w] &= t.at_most[row, w] & t.at_least[row, w]
    running = t.full.copy()
    for j in range(n - 1, -1, -1):
        row = t.cells[j] + q.cell[q.off[j] + at[j]]
        for w in range(n_words):
            others[j, w] &= running[w]
            running[w] &= t.at_most[row, w] & t.at_least[row, w]
    totals[:] = 0.0
    for g in range(len(q.limit)):
        for j in range(n):
            if q.size[j] < 2:
                continue
            start, end = t.cells[j], t.cells[j + 1]
            for w in range(t.words[t.groups[g]], t.words[t.groups[g + 1]]):
                left = others[j, w]
                while left != uint64(0):
                    leaf = w * 64 + np.int64(lowest_bit(left))
                    left &= left - uint64(1)
                    totals[g, start + t.leaf_lo[leaf, j]] += t.value[leaf]
                    after = start + t.leaf_hi[leaf, j] + 1
                    if after < end:
                        totals[g, after] -= t.value[leaf]
            for cell in range(start + 1, end):
                totals[g, cell] += totals[g, cell - 1]


@compiled
def line_totals(t: Any, q: Any, at: Any) -> Any:
    """Score of every goal at every cell of every line through ``at``: ``(n_goals, n_cells)``;
    0 for a feature that has one value."""
    totals = np.empty((len(q.limit), t.cells[len(q.size)]))
    _lines(t, q, at, totals)
    return totals


@inner
def _missing_by(q: Any, totals: Any, cell: int) -> float:
    """How far a cell of a line is from the target; 0 inside, rounding aside."""
    over = 0.0
    for g in range(len(q.limit)):
        over = max(over, totals[g, cell] - (q.limit[g] - q.band[g]))
    return over


@inner
def _allowed(q: Any, at: Any) -> bool:
    must = 0
    for j in range(len(at)):
        must += at[j] != q.home[j]
    if must > q.most_changes:
        return False
    for s in range(len(q.levers) - 1):
        stays = False
        for k in range(q.levers[s], q.levers[s + 1]):
            stays = stays or at[q.lever[k]] == q.home[q.lever[k]]
        if not stays:
            return False
    return broken_rule(q, at) < 0


@inner
def _cost(q: Any, at: Any) -> float:
    total = 0.0
    for j in range(len(at)):
        total += q.cost[q.off[j] + at[j]]
    return total


@inner
def _best_move(t: Any, q: Any, at: Any, totals: Any, best: float, out: Any) -> float:
    """The cheapest allowed row in the target that differs from ``at`` on one feature; its cost
    if that is below ``best``, else ``best``."""
    trial = at.copy()
    here = _cost(q, at)
    for j in range(len(at)):
        others = here - q.cost[q.off[j] + at[j]]
        for cell in range(t.cells[j], t.cells[j + 1]):
            k = t.cells[j] + j + (cell - t.cells[j])
            a, b = q.first[k], q.first[k + 1] - 1
            if q.size[j] < 2 or a > b or _missing_by(q, totals, cell) > 0.0:
                continue
            p = cheapest(q, j, a, b)
            cost = others + q.cost[q.off[j] + p]
            if cost >= best:
                continue
            trial[j] = p
            if _allowed(q, trial):
                exact = _cost(q, trial)
                if exact < best:
                    best = exact
                    out[:] = trial
            trial[j] = at[j]
    return best


@inner
def _step(t: Any, q: Any, at: Any, totals: Any) -> bool:
    """Move ``at`` on the one feature that gains most for its cost; False if none gains."""
    now = np.inf
    for j in range(len(at)):
        if q.size[j] > 1:
            now = min(now, _missing_by(q, totals, t.cells[j] + q.cell[q.off[j] + at[j]]))
    rate, column, position = 0.0, -1, 0
    for j in range(len(at)):
        for cell in range(t.cells[j], t.cells[j + 1]):
            k = t.cells[j] + j + (cell - t.cells[j])
            a, b = q.first[k], q.first[k + 1] - 1
            if q.size[j] < 2 or a > b:
                continue
            gain = now - _missing_by(q, totals, cell)
            if gain <= 0.0:
                continue
            p = cheapest(q, j, a, b)
            extra = max(q.cost[q.off[j] + p] - q.cost[q.off[j] + at[j]], 0.0)
            if gain / (extra + 1e-3) > rate:
                rate, column, position = gain / (extra + 1e-3), j, p
    if column < 0:
        return False
    at[column] = position
    return True


@compiled
def find_incumbent(t: Any, q: Any, out: Any) -> float:
    """Positions of a good row into ``out``, and its cost; infinity if none was found.

    The best single move from the factual; else greedy moves until the target is reached, then
    single moves that make the row cheaper.
    """
    n = len(q.size)
    totals = np.empty((len(q.limit), t.cells[n]))
    at = np.empty(n, np.int64)
    for j in range(n):
        at[j] = cheapest(q, j, np.int64(0), q.size[j] - 1)
    best = np.inf
    for _ in range(2 * n + 4):
        _lines(t, q, at, totals)
        best = _best_move(t, q, at, totals, np.inf, out)
        if best < np.inf or not _step(t, q, at, totals):
            break
    while best < np.inf:
        before = best
        at[:] = out
        _lines(t, q, at, totals)
        best = _best_move(t, q, at, totals, best, out)
        if best >= before:
            break
    return best
