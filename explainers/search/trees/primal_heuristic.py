"""A first answer before the search: exact moves of one lever at a time.

Along a line on which one feature moves and the others stand still, only the leaves that hold
the others' values matter; adding each leaf's value over the interval that it spans gives the
score at every cell of the line. The best single move of every lever, exact, costs little more
than one scoring of the ensemble.
"""

from __future__ import annotations

import numpy as np
from numba import uint64

from explainers.search.trees.arena import HAS_BEST, Arena
from explainers.search.trees.boxes import ALL, allowed, bit, cost_of
from explainers.search.trees.compiled import cell_at, cheapest, cost_at, first_in, inner, lowest_bit
from explainers.search.trees.question import Question
from explainers.search.trees.structs import Bytes, FloatRows, Ints, Whole
from explainers.search.trees.tables import Tables

HOLDS, IN_DOUBT = 1, 2


@inner
def _line(t: Tables, q: Question, a: Arena, g: Whole, j: Whole) -> None:
    """Sum of goal ``g`` at every cell of feature ``j``, over the leaves in its ``line_mask``."""
    start, end = t.cells[j], t.cells[j + 1]
    total, mask = a.totals[g], a.line_mask[j]
    for cell in range(start, end):
        total[cell] = 0.0
    total[start] = t.constant[g]
    for w in range(t.words[t.groups[g]], t.words[t.groups[g + 1]]):
        left = mask[w]
        while left != uint64(0):
            leaf = w * 64 + np.int64(lowest_bit(left))
            left &= left - uint64(1)
            # Added where the leaf's interval begins, taken off behind its end: the running sum
            # below is then the score at each cell, in one pass.
            total[start + t.leaf_lo[leaf, j]] += t.value[leaf]
            after = start + t.leaf_hi[leaf, j] + 1
            if after < end:
                total[after] -= t.value[leaf]
    for cell in range(start + 1, end):
        total[cell] += total[cell - 1]


@inner
def _lines(t: Tables, q: Question, a: Arena, at: Ints) -> None:
    """Sum of every goal at every cell of the lines through ``at``, into ``totals``, of those that
    lead anywhere."""
    n, running = len(at), a.corner_mask
    for w in range(len(running)):
        running[w] = t.full[w]
    # Two passes: the AND over all features before `j`, then over all behind it. So each feature is
    # left out in turn at two ANDs, not one for every other feature.
    for j in range(n):
        row = t.cells[j] + cell_at(t, q, j, at[j])
        up, down, mask = t.at_most[row], t.at_least[row], a.line_mask[j]
        for w in range(len(running)):
            mask[w] = running[w]
            running[w] &= up[w] & down[w]
    for w in range(len(running)):
        running[w] = t.full[w]
    for j in range(n - 1, -1, -1):
        row = t.cells[j] + cell_at(t, q, j, at[j])
        up, down, mask = t.at_most[row], t.at_least[row], a.line_mask[j]
        for w in range(len(running)):
            mask[w] &= running[w]
            running[w] &= up[w] & down[w]
    for g in range(len(q.limit)):
        for j in range(n):
            if q.size[j] > 1:
                _line(t, q, a, g, j)


@inner
def _line_of(t: Tables, q: Question, a: Arena, at: Ints, column: Whole) -> None:
    """Sum of every goal at every cell of the line of ``column`` through ``at``."""
    mask = a.line_mask[column]
    for w in range(len(mask)):
        mask[w] = t.full[w]
    for j in range(len(at)):
        if j != column:
            row = t.cells[j] + cell_at(t, q, j, at[j])
            up, down = t.at_most[row], t.at_least[row]
            for w in range(len(mask)):
                mask[w] &= up[w] & down[w]
    for g in range(len(q.limit)):
        _line(t, q, a, g, column)


@inner
def over_limit(t: Tables, q: Question, a: Arena, at: Ints) -> float:
    """How far the sums of the row at ``at`` are above their limits, the worst of them."""
    # Any line through the row has its sum; that of feature 0 will do.
    _line_of(t, q, a, at, 0)
    worst = -np.inf
    for g in range(len(q.limit)):
        worst = max(worst, a.totals[g, cell_at(t, q, 0, at[0])] - q.limit[g])
    return worst


@inner
def _verdict(t: Tables, q: Question, a: Arena, trial: Ints, column: Whole) -> Whole:
    """What the sums of ``column``'s line say of the row at ``trial``: :data:`HOLDS`,
    :data:`IN_DOUBT` within rounding of the target's edge, or 0."""
    cell = t.cells[column] + cell_at(t, q, column, trial[column])
    found = HOLDS
    for g in range(len(q.limit)):
        over = a.totals[g, cell] - q.limit[g]
        if over > q.band[g]:
            return 0
        if over >= -q.band[g]:
            found = IN_DOUBT
    # Rules last; only those that read the moved feature can have changed.
    return found if allowed(q, bit(column), trial) else 0


@inner
def hold_around(t: Tables, q: Question, a: Arena, at: Ints, column: Whole, out: Bytes) -> None:
    """Along the line of ``column`` through ``at``, which holds: the verdict on each value, 0 from
    the first on that does not hold."""
    _line_of(t, q, a, at, column)
    trial = a.trial
    for j in range(len(at)):
        trial[j] = at[j]
    for p in range(len(out)):
        out[p] = 0
    # The answer itself was verified.
    out[at[column]] = HOLDS
    for step in (-1, 1):
        p = at[column] + step
        while 0 <= p < q.size[column]:
            trial[column] = p
            out[p] = _verdict(t, q, a, trial, column)
            if out[p] == 0:
                break
            p += step


@inner
def hold_at(
    t: Tables, q: Question, a: Arena, at: Ints, column: Whole, positions: Ints, out: Bytes
) -> None:
    """The verdicts on some values of ``column`` in the place of that at ``at[column]``."""
    _line_of(t, q, a, at, column)
    trial = a.trial
    for j in range(len(at)):
        trial[j] = at[j]
    for i in range(len(positions)):
        trial[column] = positions[i]
        out[i] = _verdict(t, q, a, trial, column)


@inner
def _missing_by(q: Question, totals: FloatRows, cell: Whole) -> float:
    """How far a cell of a line is from the target; 0 inside, rounding aside."""
    over = 0.0
    for g in range(len(q.limit)):
        # Beyond the band, so that what is found holds whatever the rounding.
        over = max(over, totals[g, cell] - (q.limit[g] - q.band[g]))
    return over


@inner
def _best_move(t: Tables, q: Question, a: Arena, at: Ints, best: float) -> float:
    """Put the cheapest allowed row in the target that differs from ``at`` on one feature into the
    arena's ``best``, if it is cheaper than ``best``; return the lesser of the two costs."""
    trial = a.trial
    for j in range(len(at)):
        trial[j] = at[j]
    here = cost_of(q, at)
    for j in range(len(at)):
        if q.size[j] < 2:
            continue
        others = here - cost_at(q, j, at[j])
        for cell in range(t.cells[j], t.cells[j + 1]):
            own = cell - t.cells[j]
            first, last = first_in(t, q, j, own), first_in(t, q, j, own + 1) - 1
            if first > last:
                continue
            p = cheapest(q, j, first, last)
            # The cheap tests first: rules are asked of few cells.
            if others + cost_at(q, j, p) >= best or _missing_by(q, a.totals, cell) > 0.0:
                continue
            trial[j] = p
            if allowed(q, np.int64(ALL), trial):
                # Added up again in order: the difference above may be off in its last digit.
                exact = cost_of(q, trial)
                if exact < best:
                    best = exact
                    for k in range(len(at)):
                        a.best[k] = trial[k]
            trial[j] = at[j]
    return best


@inner
def _step(t: Tables, q: Question, a: Arena, at: Ints) -> bool:
    """Move ``at`` on the one feature that gains most for its cost; False if none gains."""
    now = np.inf
    for j in range(len(at)):
        if q.size[j] > 1:
            cell = t.cells[j] + cell_at(t, q, j, at[j])
            # The sum is the same on each line through `at`; lines are known of levers only.
            now = min(now, _missing_by(q, a.totals, cell))
    position: Whole
    rate, column, position = 0.0, -1, 0
    for j in range(len(at)):
        if q.size[j] < 2:
            continue
        for cell in range(t.cells[j], t.cells[j + 1]):
            own = cell - t.cells[j]
            first, last = first_in(t, q, j, own), first_in(t, q, j, own + 1) - 1
            if first > last:
                continue
            gain = now - _missing_by(q, a.totals, cell)
            if gain <= 0.0:
                continue
            p = cheapest(q, j, first, last)
            # Cheaper and nearer at once has no price; the small term keeps the rate finite.
            extra = max(cost_at(q, j, p) - cost_at(q, j, at[j]), 0.0)
            if gain / (extra + 1e-3) > rate:
                rate, column, position = gain / (extra + 1e-3), j, p
    if column < 0:
        return False
    at[column] = position
    return True


@inner
def _descend(t: Tables, q: Question, a: Arena, best: float) -> float:
    """Positions of a good row cheaper than ``best`` into ``best`` of the arena, if one was found;
    the least of the two costs.

    The best single move from the row in ``at``; else greedy moves until the target is reached,
    then single moves that make the row cheaper.
    """
    n, at = len(q.size), a.at
    before, steps = best, np.int64(0)
    # Every move costs a line for each lever, and this is only a first answer: so many will do.
    while steps < 2 * n + 4:
        _lines(t, q, a, at)
        best = _best_move(t, q, a, at, before)
        if best < before or not _step(t, q, a, at):
            break
        steps += 1
    # After greedy moves some lever may have gone too far: single moves take it back.
    while steps > 0 and best < before:
        before = best
        for j in range(n):
            at[j] = a.best[j]
        _lines(t, q, a, at)
        best = _best_move(t, q, a, at, best)
    return best


@inner
def find_incumbent(t: Tables, q: Question, a: Arena) -> float:
    """Positions of a good row into ``best`` of the arena; its cost, infinity if none was found.
    The best single move from the factual is often the optimum."""
    for j in range(len(q.size)):
        # The factual, or where that is not allowed the cheapest value that is.
        a.at[j] = cheapest(q, j, np.int64(0), q.size[j] - 1)
    return _descend(t, q, a, np.inf)


@inner
def _exchange(t: Tables, q: Question, a: Arena, best: float) -> float:
    """Single moves from the best row, and from it with one lever put back, until none helps."""
    n, at = len(q.size), a.at
    while True:
        before = best
        # -1: nothing is put back.
        for back in range(-1, n):
            if back >= 0 and a.best[back] == a.corner[back]:
                continue
            for j in range(n):
                at[j] = a.corner[j] if j == back else a.best[j]
            _lines(t, q, a, at)
            best = _best_move(t, q, a, at, best)
        if best >= before:
            return best


@inner
def reach_from(t: Tables, q: Question, a: Arena, at: Ints, best: float) -> float:
    """A row cheaper than ``best`` that lies near ``at``, if moves of single levers lead to one,
    into ``best`` of the arena; its cost. A search of the whole space has begun in the arena."""
    for j in range(len(q.size)):
        a.at[j] = at[j]
    found = _descend(t, q, a, best)
    if found < best:
        a.ints[HAS_BEST] = 1
        found = _exchange(t, q, a, found)
    return found
