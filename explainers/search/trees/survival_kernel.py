"""Does a row survive every reading within the sensors' tolerances?

The readings of a row are a box of cells. The greatest value of each tree over it is its highest
set bit; where the sum of these is above the limit the box is split, until the sum over some part
is certain. A part that leaves the target is then widened as far as it leaves it for certain:
every row with a reading in it is fragile.
"""

from __future__ import annotations

import numpy as np
from numba import uint64

from explainers.search.trees.arena import Arena
from explainers.search.trees.compiled import (
    entry_at,
    first_of,
    highest_bit,
    inner,
    lowest_bit,
)
from explainers.search.trees.question import Question
from explainers.search.trees.structs import Bytes, Ints, Whole
from explainers.search.trees.tables import Tables

SURVIVES, FAILS, UNDECIDED = 0, 1, 2


@inner
def _narrow(t: Tables, a: Arena, sp: Whole) -> None:
    """Leaves of the part at ``sp``."""
    mask = a.mask[sp]
    # From the whole, since parts are few and widening also lets leaves back in.
    for w in range(len(t.full)):
        mask[w] = t.full[w]
    for j in range(len(a.at)):
        up, down = (
            t.at_most[t.cells[j] + a.cell_hi[sp, j]],
            t.at_least[t.cells[j] + a.cell_lo[sp, j]],
        )
        for w in range(len(t.full)):
            mask[w] &= up[w] & down[w]


@inner
def _most(t: Tables, a: Arena, g: Whole, sp: Whole) -> float:
    """Sum of the greatest leaves of goal ``g``, noted in ``leaf``; the least in ``least``."""
    mask, total = a.mask[sp], t.constant[g]
    for tree in range(t.groups[g], t.groups[g + 1]):
        a.leaf[tree] = a.least[tree] = -1
        for w in range(t.words[tree], t.words[tree + 1]):
            if mask[w] != uint64(0):
                # Leaves are sorted by value across the words, so the
                # last word that has a bit decides.
                a.leaf[tree] = w * 64 + highest_bit(mask[w])
                if a.least[tree] < 0:
                    a.least[tree] = w * 64 + np.int64(lowest_bit(mask[w]))
        total += t.value[a.leaf[tree]]
    return total


@inner
def _least(t: Tables, a: Arena, g: Whole, sp: Whole) -> float:
    """Sum of the least leaves of goal ``g``."""
    # The part has just been widened, so its mask is out of date.
    _narrow(t, a, sp)
    mask, total = a.mask[sp], t.constant[g]
    for tree in range(t.groups[g], t.groups[g + 1]):
        for w in range(t.words[tree], t.words[tree + 1]):
            if mask[w] != uint64(0):
                total += t.value[w * 64 + np.int64(lowest_bit(mask[w]))]
                break
    return total


@inner
def _split(t: Tables, a: Arena, g: Whole, sp: Whole) -> bool:
    """Replace the part at ``sp`` by two, the one of the most telling tree's greatest leaf on top;
    False if every tree is certain."""
    worst, spread = np.int64(-1), 0.0
    # The tree with the widest spread: a cut along its greatest leaf lowers the sum most.
    for tree in range(t.groups[g], t.groups[g + 1]):
        its = t.value[a.leaf[tree]] - t.value[a.least[tree]]
        if its > spread:
            worst, spread = np.int64(tree), its
    # Every tree has one value left over the part, so the sum is exact and above the limit.
    if worst < 0:
        return False
    leaf = a.leaf[worst]
    for j in range(len(a.at)):
        low, high = a.cell_lo[sp, j], a.cell_hi[sp, j]
        first, last = t.leaf_lo[leaf, j], t.leaf_hi[leaf, j]
        if first > low or last < high:
            for k in range(len(a.at)):
                a.cell_lo[sp + 1, k], a.cell_hi[sp + 1, k] = a.cell_lo[sp, k], a.cell_hi[sp, k]
            # One side at a time: the other is cut when this part is split again.
            if first > low:
                a.cell_hi[sp, j], a.cell_lo[sp + 1, j] = first - 1, first
            else:
                a.cell_lo[sp, j], a.cell_hi[sp + 1, j] = last + 1, last
            return True
    return False


@inner
def _widen(t: Tables, q: Question, a: Arena, g: Whole, sp: Whole) -> None:
    """Widen the part at ``sp``, every reading of which is above goal ``g``'s limit, while it is."""
    for j in range(len(a.at)):
        last = t.cells[j + 1] - t.cells[j] - 1
        for side in range(2):
            is_low = side == 0
            here = np.int64(a.cell_lo[sp, j]) if is_low else np.int64(a.cell_hi[sp, j])
            # Tries the whole way first, then halves: a reading that fails often fails to the end.
            step = here if is_low else last - here
            while step > 0:
                if is_low:
                    a.cell_lo[sp, j] = here - step
                else:
                    a.cell_hi[sp, j] = here + step
                # Every reading in it is above the limit, even where all trees are at their least.
                if _least(t, a, g, sp) > q.limit[g]:
                    here = here - step if is_low else here + step
                    step = min(step, here if is_low else last - here)
                else:
                    step >>= 1
            if is_low:
                a.cell_lo[sp, j] = here
            else:
                a.cell_hi[sp, j] = here


@inner
def _note_fragile(t: Tables, q: Question, a: Arena, sp: Whole) -> None:
    """Rows with a reading in the part at ``sp``, as a box of positions in ``lo[0]``, ``hi[0]``."""
    for j in range(len(a.at)):
        first, end = q.off[j], q.off[j + 1]
        # `near` and `far` rise along an axis, so rows that can read the part are an interval.
        while first < end and q.far[first] < a.cell_lo[sp, j]:
            first += 1
        last = end - 1
        while last >= q.off[j] and q.near[last] > a.cell_hi[sp, j]:
            last -= 1
        a.lo[0, j], a.hi[0, j] = first_of(q, j, first), first_of(q, j, last + 1) - 1


@inner
def survives(t: Tables, q: Question, a: Arena, at: Ints, max_parts: Whole) -> Whole:
    """Whether the row at positions ``at`` survives; if not, fragile rows like it are in ``lo[0]``
    and ``hi[0]`` of the arena."""
    parts = np.int64(0)
    for g in range(len(q.limit)):
        for j in range(len(at)):
            i = entry_at(q, j, at[j])
            a.cell_lo[0, j], a.cell_hi[0, j] = q.near[i], q.far[i]
        sp = np.int64(0)
        while sp >= 0:
            parts += 1
            # The second: a part needs the place above it to be split.
            if parts > max_parts or sp + 2 > a.mask.shape[0]:
                return UNDECIDED
            _narrow(t, a, sp)
            # Limits have the band taken off already (`question_of`): no doubt is left here.
            if _most(t, a, g, sp) <= q.limit[g]:
                sp -= 1
            elif _split(t, a, g, sp):
                sp += 1
            else:
                _widen(t, q, a, g, sp)
                _note_fragile(t, q, a, sp)
                return FAILS
    return SURVIVES


@inner
def keep_surviving(
    t: Tables, q: Question, a: Arena, at: Ints, column: Whole, max_parts: Whole, holds: Bytes
) -> None:
    """Of the values of ``column`` around ``at[column]`` that hold, keep those that survive, up to
    the first on each side that does not."""
    trial = a.trial
    for j in range(len(at)):
        trial[j] = at[j]
    for step in (-1, 1):
        p = at[column] + step
        while 0 <= p < q.size[column] and holds[p] > 0:
            trial[column] = p
            if survives(t, q, a, trial, max_parts) != SURVIVES:
                holds[p] = 0
            p += step


@inner
def keep_those_surviving(
    t: Tables,
    q: Question,
    a: Arena,
    at: Ints,
    column: Whole,
    max_parts: Whole,
    positions: Ints,
    holds: Bytes,
) -> None:
    """Keep those that survive among the values of ``column`` at ``positions``, where they hold."""
    trial = a.trial
    for j in range(len(at)):
        trial[j] = at[j]
    for i in range(len(positions)):
        trial[column] = positions[i]
        if holds[i] > 0 and survives(t, q, a, trial, max_parts) != SURVIVES:
            holds[i] = 0
