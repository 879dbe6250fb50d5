"""The hot loop: depth-first branch and bound over boxes of settable values.

A box is an interval of positions on every feature's axis. Three things shrink or close it:
the cost that is left below the best answer so far, the rules, and the trees. The trees are
bounded by bit sets: the leaves of each tree are sorted by value and numbered, a word of bits
says which of them the box still reaches, and the tree's least value over the box is that of its
lowest set bit. Narrowing one bound of a box is one AND with a row of a table.

No request state lives outside the arena that the caller passes in, so searches run side by side
(``nogil``), stop after any number of nodes and go on where they were. ``reference.py`` is the
same search in plain Python; the tests hold the two together.
"""

from __future__ import annotations

import numpy as np
from numba import uint64

from explainers.native.kernel import BEST, CORNER, FLOOR, FRAGILE, HAS_BEST, NODES, REFUSED, SP, WAITING, WORDS
from explainers.search.trees.arena import Arena
from explainers.search.trees.boxes import ALL, bit, shrink
from explainers.search.trees.compiled import (
    cell_at,
    cheapest,
    cost_at,
    first_in,
    inner,
    lowest_bit,
    small,
    value_at,
)
from explainers.search.trees.question import Question
from explainers.search.trees.rule_cuts import CHANGES, broken_rule
from explainers.search.trees.structs import Ints, Whole
from explainers.search.trees.tables import CellMap, Tables

# What a call of `search` ends with.
DONE, MORE, VERDICT, FULL = 0, 1, 2, 3
"""Every box is closed; the node limit is reached; a candidate within rounding of the target
waits for the deployed model's word; the stack is full (its boxes are still open)."""


FEW = 64
"""Values of a feature that are set apart one by one where a rule is broken."""


@small
def least_within(t: CellMap, q: Question, a: Arena, j: Whole, low: Whole, high: Whole) -> float:
    """What the cheapest value of the bottom box that falls into cells ``low..high`` of feature
    ``j`` costs beyond the box's own cheapest; infinity if none falls there."""
    first = max(first_in(t, q, j, low), a.lo[0, j])
    last = min(first_in(t, q, j, high + 1) - 1, a.hi[0, j])
    # No settable value of the box falls into these cells.
    if first > last:
        return np.inf
    if first <= a.corner[j] <= last:
        return 0.0
    # `corner` is the bottom box's cheapest, so the difference is never negative.
    return cost_at(q, j, cheapest(q, j, first, last)) - cost_at(q, j, a.corner[j])


@small
def _leaf_cost(t: Tables, q: Question, a: Arena, leaf: Whole) -> float:
    """Least cost of a row of the bottom box that reaches a leaf, rules aside; infinity if none
    does."""
    total = a.floats[CORNER]
    # Cost is a sum over features and a leaf is a box, so the least is exact feature by feature.
    for j in range(len(q.size)):
        total += least_within(t, q, a, j, t.leaf_lo[leaf, j], t.leaf_hi[leaf, j])
    return total


@inner
def _note_reach(t: Tables, q: Question, a: Arena, best: float) -> None:
    """Leaves that a row of the bottom box reaches that is cheaper than ``best``."""
    for w in range(len(t.full)):
        word, left = uint64(0), a.mask[0, w]
        while left != uint64(0):
            lowest = lowest_bit(left)
            left &= left - uint64(1)  # clears the lowest bit
            leaf = w * 64 + np.int64(lowest)
            a.leaf_cost[leaf] = _leaf_cost(t, q, a, leaf)
            # Strictly: a row that costs as much as the best is no better answer.
            if a.leaf_cost[leaf] < best:
                word |= uint64(1) << lowest
        a.reach[w] = word


@inner
def _lessen_reach(a: Arena, best: float) -> None:
    """Keep the bits of the leaves that a row cheaper than ``best`` reaches."""
    # The best cost only falls, so a leaf that has left `reach` never comes back.
    for w in range(len(a.reach)):
        left = a.reach[w]
        while left != uint64(0):
            lowest = lowest_bit(left)
            left &= left - uint64(1)
            if a.leaf_cost[w * 64 + np.int64(lowest)] >= best:
                # The bit is set, so this clears it.
                a.reach[w] ^= uint64(1) << lowest


@inner
def _note_undecided(t: Tables, a: Arena, n_goals: Whole) -> None:
    """Trees that reach more than one leaf, their words, and the sum of the others' leaves.

    A tree that reaches none closes every box: it counts as infinitely far from the target.
    """
    n, n_words = np.int64(0), np.int64(0)
    # Near the best answer most trees have one leaf left: they are added up once, here, and no box
    # looks at them again until `reach` shrinks.
    for g in range(n_goals):
        a.base[g] = t.constant[g]
        a.group[g] = n
        for tree in range(t.groups[g], t.groups[g + 1]):
            leaves, only = np.int64(0), np.int64(-1)
            for w in range(t.words[tree], t.words[tree + 1]):
                word = a.reach[w]
                if word != uint64(0):
                    single = word & (word - uint64(1)) == uint64(0)
                    # More than one is all that matters, so two stands for any number.
                    leaves += 1 if single else 2
                    only = w * 64 + np.int64(lowest_bit(word))
            if leaves == 1:
                a.base[g] += t.value[only]
            elif leaves == 0:
                a.base[g] = np.inf
            else:
                a.tree[n] = tree
                n += 1
                for w in range(t.words[tree], t.words[tree + 1]):
                    a.word[n_words] = w
                    n_words += 1
    a.group[n_goals] = n
    a.ints[WORDS] = n_words


@inner
def narrow_masks(t: Tables, q: Question, a: Arena, sp: Whole) -> None:
    """AND the box's word masks with the rows of every bound that moved since last time."""
    mask, lo, hi = a.mask[sp], a.lo[sp], a.hi[sp]
    # A half lies inside its box: the new bound's row holds fewer of the leaves that the old one's
    # held, so an AND with it is enough, and nothing begins again from `full`.
    for j in range(len(lo)):
        low, high = cell_at(t, q, j, lo[j]), cell_at(t, q, j, hi[j])
        if low != a.cell_lo[sp, j]:
            a.cell_lo[sp, j] = low
            row = t.at_least[t.cells[j] + low]
            for k in range(a.ints[WORDS]):
                mask[a.word[k]] &= row[a.word[k]]
        if high != a.cell_hi[sp, j]:
            a.cell_hi[sp, j] = high
            row = t.at_most[t.cells[j] + high]
            for k in range(a.ints[WORDS]):
                mask[a.word[k]] &= row[a.word[k]]


@inner
def lower_bound(t: Tables, q: Question, a: Arena, sp: Whole) -> bool:
    """Note each tree's least reachable leaf; False if a group cannot come down to its limit."""
    mask = a.mask[sp]
    for g in range(len(q.limit)):
        total = a.base[g]
        for i in range(a.group[g], a.group[g + 1]):
            tree, least = a.tree[i], np.int64(-1)
            for w in range(t.words[tree], t.words[tree + 1]):
                # `reach` may have shrunk since the mask was copied from the box around.
                word = mask[w] & a.reach[w]
                mask[w] = word
                # Leaves are sorted by value across a tree's words: the
                # first bit that is set is the least.
                if least < 0 and word != uint64(0):
                    least = w * 64 + np.int64(lowest_bit(word))
            # Each row reaches one leaf of each tree; without one, no
            # row of the box is cheap enough.
            if least < 0:
                return False
            a.least[tree] = least
            total += t.value[least]
        # Up to the band float32 sums of the deployed model may still come down to the limit.
        if total > q.limit[g] + q.band[g]:
            return False
    return True


@inner
def corner_value(t: Tables, q: Question, a: Arena, sp: Whole) -> Whole:
    """Score the corner exactly: 1 in the target, 0 not, 2 within rounding of its edge."""
    mask, at, corner = a.mask[sp], a.at, a.corner_mask
    for k in range(a.ints[WORDS]):
        corner[a.word[k]] = mask[a.word[k]]
    for j in range(len(at)):
        a.cell[j] = a.cell_lo[sp, j]
        # Where the box is one cell wide, its mask has these two rows already.
        if a.cell_lo[sp, j] != a.cell_hi[sp, j]:
            a.cell[j] = cell_at(t, q, j, at[j])
            cell = t.cells[j] + a.cell[j]
            up, down = t.at_most[cell], t.at_least[cell]
            for k in range(a.ints[WORDS]):
                w = a.word[k]
                corner[w] &= up[w] & down[w]
    verdict = 1
    for g in range(len(q.limit)):
        total = a.base[g]
        for i in range(a.group[g], a.group[g + 1]):
            tree, leaf = a.tree[i], np.int64(-1)
            for w in range(t.words[tree], t.words[tree + 1]):
                if corner[w] != uint64(0):
                    leaf = w * 64 + np.int64(lowest_bit(corner[w]))
                    break
            a.leaf[tree] = leaf
            total += t.value[leaf]
        a.over[g] = total - q.limit[g]
        # One goal that is missed decides; one in doubt must not make up for it.
        if a.over[g] > q.band[g]:
            verdict = 0
        elif a.over[g] >= -q.band[g] and verdict == 1:
            verdict = 2
    return verdict


@inner
def best_cut(t: Tables, q: Question, a: Arena, sp: Whole) -> tuple[Whole, Whole]:
    """Feature and first position of the upper part of the cut that promises most: towards the
    least leaves of the trees, weighted by what they would gain. (-1, 0) if there is none."""
    n = a.gain.shape[0]
    for j in range(n):
        a.gain[j, 0] = a.gain[j, 1] = 0.0
    for g in range(len(q.limit)):
        # The corner meets this goal for certain, so its trees pull nowhere.
        if a.over[g] < -q.band[g]:
            continue
        for i in range(a.group[g], a.group[g + 1]):
            tree = a.tree[i]
            least = a.least[tree]
            gain = t.value[a.leaf[tree]] - t.value[least]
            # The corner is in this tree's least leaf already.
            if gain <= 0.0:
                continue
            for j in range(n):
                cell = a.cell[j]
                low, high = t.leaf_lo[least, j], t.leaf_hi[least, j]
                if cell < low:
                    # The nearest edge: beyond it are the least leaves
                    # of all trees that pull this way.
                    if a.gain[j, 1] == 0.0 or low < a.edge[j, 1]:
                        a.edge[j, 1] = low
                    a.gain[j, 1] += gain
                elif cell > high:
                    if a.gain[j, 0] == 0.0 or high > a.edge[j, 0]:
                        a.edge[j, 0] = high
                    a.gain[j, 0] += gain
    most, column, edge = 0.0, -1, 0
    for j in range(n):
        if a.gain[j, 1] > most:
            most, column, edge = a.gain[j, 1], j, a.edge[j, 1]
        if a.gain[j, 0] > most:
            most, column, edge = a.gain[j, 0], j, a.edge[j, 0] + 1  # cut above the leaf's last cell
    if column < 0:
        return -1, 0
    return column, first_in(t, q, column, edge)


@inner
def _any_cut(t: Tables, q: Question, a: Arena, sp: Whole) -> tuple[Whole, Whole]:
    """A cut between the corner's cell and a cell beside it; (-1, 0) if the box is one cell."""
    for j in range(len(a.at)):
        if a.cell_lo[sp, j] != a.cell_hi[sp, j]:
            cell = a.cell[j]
            # The corner's cell is then the last of the lower part, or else the first of the upper.
            if cell < a.cell_hi[sp, j]:
                return j, first_in(t, q, j, cell + 1)
            return j, first_in(t, q, j, cell)
    return -1, 0


@inner
def _is_refused(a: Arena) -> bool:
    """Whether the corner is the row that the deployed model last put outside the target."""
    if a.ints[REFUSED] == 0:
        return False
    for j in range(len(a.at)):
        if a.at[j] != a.refused[j]:
            return False
    return True


@inner
def _other_leaves_cut(t: Tables, q: Question, a: Arena, sp: Whole) -> tuple[Whole, Whole]:
    """A cut between the rows that share the corner's leaves, whose scores are all the same, and
    others; (-1, 0) if there are no others in the box."""
    for j in range(len(a.at)):
        first, last = a.cell_lo[sp, j], a.cell_hi[sp, j]
        if first == last:
            continue
        # Rows between these cells reach the corner's leaf in each tree: one score for all of them.
        for i in range(a.group[len(q.limit)]):
            leaf = a.leaf[a.tree[i]]
            first = max(first, t.leaf_lo[leaf, j])
            last = min(last, t.leaf_hi[leaf, j])
        if last < a.cell_hi[sp, j]:
            return j, first_in(t, q, j, last + 1)
        if first > a.cell_lo[sp, j]:
            return j, first_in(t, q, j, first)
    return -1, 0


@inner
def _rule_cut(q: Question, a: Arena, sp: Whole, r: Whole) -> tuple[Whole, Whole]:
    """A cut that sets the corner's value of a feature of rule ``r`` apart: a missing value first,
    beside which nothing is known of a comparison, then one that was not changed. Or one that halves
    the feature along which costs differ most: one by one, its values would be as many boxes."""
    lo, hi = a.lo[sp], a.hi[sp]
    for k in range(q.rules.reads[r], q.rules.reads[r + 1]):
        j = q.rules.read[k]
        # A missing value is last on its axis, so the upper part is this value alone.
        if lo[j] < a.at[j] and np.isnan(value_at(q, j, a.at[j])):
            return j, a.at[j]
    for c in range(q.rules.rule[r], q.rules.rule[r + 1]):
        j = q.rules.column[c]
        if q.rules.kind[c] == CHANGES and lo[j] < hi[j] and a.at[j] == q.home[j]:
            # The corner's value becomes the first or the last of a part,
            # and stands alone the next time.
            return j, (a.at[j] if a.at[j] > lo[j] else a.at[j] + 1)
    column, most = np.int64(-1), -np.inf
    for k in range(q.rules.reads[r], q.rules.reads[r + 1]):
        j = q.rules.read[k]
        if hi[j] - lo[j] > FEW:
            extent = max(cost_at(q, j, lo[j]), cost_at(q, j, hi[j])) - cost_at(q, j, a.at[j])
            if extent > most:
                column, most = np.int64(j), extent
    if column >= 0:
        return column, (lo[column] + hi[column] + 1) >> 1
    for k in range(q.rules.reads[r], q.rules.reads[r + 1]):
        j = q.rules.read[k]
        if lo[j] < hi[j]:
            return j, (a.at[j] if a.at[j] > lo[j] else a.at[j] + 1)
    return -1, 0


@inner
def _is_fragile(a: Arena, lo: Ints, hi: Ints) -> Whole:
    """A box of `fragile` that holds all of ``lo..hi``, the newest first; -1 if there is none."""
    # Neighbours on the stack fail alike, so the newest box is the likeliest to hold this one.
    for i in range(a.ints[FRAGILE] - 1, -1, -1):
        inside = True
        for j in range(len(lo)):
            if lo[j] < a.fragile_lo[i, j] or hi[j] > a.fragile_hi[i, j]:
                inside = False
                break
        if inside:
            return i
    return -1


@inner
def _fragile_cut(q: Question, a: Arena, sp: Whole, i: Whole) -> tuple[Whole, Whole]:
    """The cut along the side of box ``i`` of `fragile` beyond which the cheapest value lies."""
    column, edge, least = np.int64(-1), np.int64(0), np.inf
    for j in range(len(a.at)):
        here = cost_at(q, j, a.at[j])
        low, high = a.fragile_lo[i, j], a.fragile_hi[i, j]
        # Only what is beyond a side can survive; the least extra cost
        # is where the next answer may be.
        if high < a.hi[sp, j]:
            extra = cost_at(q, j, cheapest(q, j, high + 1, a.hi[sp, j])) - here
            if extra < least:
                column, edge, least = np.int64(j), high + 1, extra
        if low > a.lo[sp, j]:
            extra = cost_at(q, j, cheapest(q, j, a.lo[sp, j], low - 1)) - here
            if extra < least:
                column, edge, least = np.int64(j), low, extra
    return column, edge


@inner
def _push_halves(t: Tables, q: Question, a: Arena, sp: Whole, column: Whole, edge: Whole) -> None:
    """Replace box ``sp`` by its parts below and from ``edge``, the corner's part on top."""
    n = len(a.at)
    for j in range(n):
        a.lo[sp + 1, j], a.hi[sp + 1, j] = a.lo[sp, j], a.hi[sp, j]
        a.cell_lo[sp + 1, j], a.cell_hi[sp + 1, j] = a.cell_lo[sp, j], a.cell_hi[sp, j]
    for k in range(a.ints[WORDS]):
        a.mask[sp + 1, a.word[k]] = a.mask[sp, a.word[k]]
    # Depth first into the cheaper half: the first answers are cheap, and what they exclude is much.
    near_is_low = a.at[column] < edge
    low, high = (sp + 1, sp) if near_is_low else (sp, sp + 1)
    a.hi[low, column] = edge - 1
    a.lo[high, column] = edge
    # Rules that do not read this column have been applied to the whole box already.
    a.moved[low] = a.moved[high] = bit(column)
    a.ints[SP] = sp + 2


@inner
def search(t: Tables, q: Question, a: Arena, max_nodes: Whole) -> Whole:
    """Open up to ``max_nodes`` boxes of the stack in ``a``; see the codes at the top."""
    for _ in range(max_nodes):
        if a.ints[SP] == 0:
            return DONE
        sp = a.ints[SP] - 1
        a.ints[SP] = sp
        a.ints[NODES] += 1
        best = a.floats[BEST]
        # A better row narrows what every box on the stack may reach: noted once, not box by box.
        if best < a.floats[FLOOR]:
            a.floats[FLOOR] = best
            _lessen_reach(a, best)
            _note_undecided(t, a, len(q.limit))
        # Cost and rules before trees: they are cheap, and every cell that they cut saves an AND.
        cost = shrink(q, best, a.moved[sp], a.lo[sp], a.hi[sp], a.at)
        # A box inside one of `fragile` has no row that survives.
        if cost == np.inf or _is_fragile(a, a.lo[sp], a.hi[sp]) >= 0:
            continue
        narrow_masks(t, q, a, sp)
        if not lower_bound(t, q, a, sp):
            continue
        verdict = corner_value(t, q, a, sp)
        # Rules are asked of the corner only once the trees let it through: few corners get so far.
        if verdict != 0:
            broken = broken_rule(q, np.int64(ALL), a.at)
            fragile = _is_fragile(a, a.at, a.at)
            if verdict == 1 and len(q.near) > 0:
                verdict = 2  # whether it survives every reading is proven elsewhere
            if broken >= 0:
                column, edge = _rule_cut(q, a, sp, broken)
            elif fragile >= 0:
                column, edge = _fragile_cut(q, a, sp, fragile)
            # The caller has said no to this very row, and the box came back: cut beside it.
            elif verdict == 2 and _is_refused(a):
                if len(q.near) > 0:
                    # Refused and in no fragile box: survival was left undecided,
                    # and the proof's bound knows it.
                    column, edge = _any_cut(t, q, a, sp)
                else:
                    column, edge = _other_leaves_cut(t, q, a, sp)
            elif verdict == 2:
                # The box stays open: if the row is taken its cost
                # closes the box, else the box is cut.
                a.ints[SP] = sp + 1
                a.floats[WAITING] = cost
                return VERDICT
            else:
                # The corner is the cheapest row of the box, so nothing else in it is worth a look.
                a.floats[BEST] = cost
                a.ints[HAS_BEST] = 1
                for j in range(len(a.at)):
                    a.best[j] = a.at[j]
                continue
        else:
            # The corner misses the target: go where the trees gain most.
            column, edge = best_cut(t, q, a, sp)
            # In exact numbers some tree always gains here; no box may be dropped for rounding.
            if column < 0:
                column, edge = _any_cut(t, q, a, sp)
        # What cannot be cut is one row, or rows that all fail by what the corner fails by.
        if column < 0:
            continue
        # Nothing may be dropped: the caller goes on with the open boxes by another way.
        if sp + 2 > a.lo.shape[0]:
            a.ints[SP] = sp + 1
            return FULL
        _push_halves(t, q, a, sp, column, edge)
    return DONE if a.ints[SP] == 0 else MORE


@inner
def start(t: Tables, q: Question, a: Arena, best: float, lo: Ints, hi: Ints) -> None:
    """Put one box on the stack; only what is cheaper than ``best`` is looked for in it."""
    a.floats[BEST] = a.floats[FLOOR] = best
    # What is known of fragile rows holds for the question, not for one box, so it stays.
    a.ints[:FRAGILE] = 0
    a.ints[WORDS] = len(t.full)
    for j in range(len(a.at)):
        a.lo[0, j] = lo[j]
        a.hi[0, j] = hi[j]
        # As if the masks were of the whole axes: `narrow_masks` then sees every bound that moved.
        a.cell_lo[0, j] = 0
        a.cell_hi[0, j] = t.cells[j + 1] - t.cells[j] - 1
    for w in range(len(t.full)):
        a.word[w] = w
        a.mask[0, w] = t.full[w]
    a.moved[0] = ALL
    a.floats[CORNER] = shrink(q, best, a.moved[0], a.lo[0], a.hi[0], a.corner)
    if a.floats[CORNER] < np.inf:
        # The rules have just been applied.
        a.moved[0] = 0
        # The masks first: the leaves that they leave are those whose costs are noted.
        narrow_masks(t, q, a, np.int64(0))
        _note_reach(t, q, a, best)
        _note_undecided(t, a, len(q.limit))
        a.ints[SP] = 1


@inner
def least_cost(q: Question, lo: Ints, hi: Ints) -> float:
    """Cost of the cheapest corner of a box."""
    total = 0.0
    for j in range(len(lo)):
        total += cost_at(q, j, cheapest(q, j, lo[j], hi[j]))
    return total


@inner
def open_bound(q: Question, a: Arena) -> float:
    """Least cost that an unopened box could still have, infinity if there is none."""
    least = np.inf
    # Boxes on the stack may not be cut yet; their cheapest corner is a bound all the same.
    for sp in range(a.ints[SP]):
        least = min(least, least_cost(q, a.lo[sp], a.hi[sp]))
    return least
