"""Fewer, tighter trees inside a box and a ball of cost.

Near the best answer so far each tree keeps few leaves. Two trees whose leaves meet in at most 64
places there can be replaced by one tree of those meetings, each with the sum of the two values:
the bound over a box then takes their joint minimum instead of the sum of two minima.

Which leaves of *all* trees a leaf meets is one AND of the rows of its bounds, so that the partner
that makes a tree grow least is found by counting bits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import uint64

from explainers.deadline import Deadline
from explainers.native.kernel import CORNER
from explainers.search.trees.arena import Arena, arena_at
from explainers.search.trees.compiled import (
    REAL,
    SMALL_WHOLES,
    SOURCES,
    STRUCT,
    WHOLES,
    bit_count,
    entry,
    inner,
    lowest_bit,
)
from explainers.search.trees.kernel import least_within
from explainers.search.trees.question import Question, question_at
from explainers.search.trees.structs import (
    CellBoxes,
    CellRows,
    Cells,
    Flag,
    FlagRows,
    Flags,
    FloatRows,
    Floats,
    Ints,
    Struct,
    Whole,
    WordRows,
    Words,
    pointer_to,
)
from explainers.search.trees.table_building import mark_leaf, spread_marks
from explainers.search.trees.tables import Tables, tables_at

MOST_LEAVES = 64
MOST_MEETINGS = 192
"""Leaves that may meet, at whatever cost, for it to be worth asking at what cost they do."""
TRIES = 3
"""Partners tried for a tree before it is left as it is."""
JOINS_BETWEEN_LOOKS = 32
"""Joins between two looks at the deadline: about a millisecond."""

N = 0
"""Place in ``at`` of the number of slots in use, those of joined trees included."""


@dataclass(frozen=True, eq=False)
class Forest(Struct):
    """Trees as they are merged: up to 64 leaves a slot, in the cells that they tell apart."""

    cells: Ints
    fine: Ints
    coarse: Cells
    begin: Ints
    """As in :class:`Tables`."""
    at_most: WordRows
    """``(n_cells, n_slots)``"""
    at_least: WordRows
    lo: CellBoxes
    """``(n_slots, 64, n_features)``"""
    hi: CellBoxes
    value: FloatRows
    count: Ints
    """``(n_slots,)`` leaves; 0 once the tree is a part of another."""
    tree: Ints
    """Number of the tree, goal by goal; a tree of more leaves has several slots, side by side."""
    goal: Ints
    fixed: Flags
    """Whether the tree is no longer, or never was, to be joined with a larger one."""
    wide: Flags
    used: FlagRows
    """``(n_slots, n_features)``: whether any leaf is bounded there."""
    constant: Floats
    mask: Words
    met: Ints
    new_lo: CellRows
    """``(65, n_features)`` leaves of the joined tree at hand."""
    new_hi: CellRows
    new_value: Floats
    at: Ints


_forest_at = pointer_to(Forest)


@inner
def _tell_apart(t: Tables, a: Arena, coarse: Cells, begin: Ints, cells: Ints) -> Whole:
    """Cells that the leaves within reach tell apart; how many slots those leaves fill."""
    n, slots = a.lo.shape[1], np.int64(0)
    # A tree of more than 64 leaves takes several slots.
    for tree in range(len(t.words) - 1):
        leaves = np.int64(0)
        for w in range(t.words[tree], t.words[tree + 1]):
            leaves += np.int64(bit_count(a.reach[w]))
        slots += (leaves + MOST_LEAVES - 1) // MOST_LEAVES
    # Three uses of `begin`, one after the other: flags, new numbers of old cells, the result.
    for c in range(t.cells[n]):
        begin[c] = 0
    for w in range(len(t.full)):
        left = a.reach[w]
        while left != uint64(0):
            leaf = w * 64 + np.int64(lowest_bit(left))
            left &= left - uint64(1)
            for j in range(n):
                begin[t.cells[j] + t.leaf_lo[leaf, j]] = 1
                after = t.cells[j] + t.leaf_hi[leaf, j] + 1
                if after < t.cells[j + 1]:
                    begin[after] = 1
    total = np.int64(0)
    for j in range(n):
        cells[j] = total
        k = np.int64(-1)
        for c in range(t.cells[j], t.cells[j + 1]):
            if c == t.cells[j] or begin[c] == 1:
                k += 1
            begin[c] = k  # for now: the new cell of each cell of `t`
        total += k + 1
        for c in range(t.fine[j], t.fine[j + 1]):
            coarse[c] = begin[t.cells[j] + t.coarse[c]]
    cells[n] = total
    for j in range(n):
        # From the end, so that the first cell of each stays.
        start = cells[j] + j
        for c in range(t.fine[j + 1] - 1, t.fine[j] - 1, -1):
            begin[start + coarse[c]] = c - t.fine[j]
        begin[start + cells[j + 1] - cells[j]] = t.fine[j + 1] - t.fine[j]
    return slots


@inner
def _fill(f: Forest, first: Whole, last: Whole) -> None:
    """The columns of slots ``first..last`` in the tables, anew."""
    n = f.lo.shape[2]
    # Emptied first: a joined tree has other leaves in the same bits.
    for c in range(f.cells[n]):
        for s in range(first, last + 1):
            f.at_most[c, s] = f.at_least[c, s] = uint64(0)
    for s in range(first, last + 1):
        for j in range(n):
            f.used[s, j] = False
        for i in range(f.count[s]):
            mark_leaf(f, s, uint64(1) << uint64(i), f.lo[s, i], f.hi[s, i])
            for j in range(n):
                end = f.cells[j + 1] - f.cells[j] - 1
                f.used[s, j] |= f.lo[s, i, j] > 0 or f.hi[s, i, j] < end
    spread_marks(f, first, last)


@inner
def _load(t: Tables, a: Arena, f: Forest) -> bool:
    """Leaves of ``t`` that are within reach; False if a tree has none."""
    n, n_goals = a.lo.shape[1], len(t.groups) - 1
    s, number = np.int64(0), np.int64(0)
    for g in range(n_goals):
        f.constant[g] = t.constant[g]
        for tree in range(t.groups[g], t.groups[g + 1]):
            leaves = np.int64(0)
            for w in range(t.words[tree], t.words[tree + 1]):
                leaves += np.int64(bit_count(a.reach[w]))
            if leaves == 0:
                return False
            i = np.int64(0)
            for w in range(t.words[tree], t.words[tree + 1]):
                left = a.reach[w]
                while left != uint64(0):
                    leaf = w * 64 + np.int64(lowest_bit(left))
                    left &= left - uint64(1)
                    # One leaf left is a constant, and takes no slot.
                    if leaves == 1:
                        f.constant[g] += t.value[leaf]
                        continue
                    if i == MOST_LEAVES:
                        f.count[s] = i
                        # `wide`: joining counts the bits of one word, so a tree
                        # of several slots has no partner.
                        f.tree[s], f.goal[s], f.fixed[s], f.wide[s] = number, g, True, True
                        s, i = s + 1, np.int64(0)
                    for j in range(n):
                        old = t.cells[j] + j
                        f.lo[s, i, j] = f.coarse[t.fine[j] + t.begin[old + t.leaf_lo[leaf, j]]]
                        # The last fine cell of the leaf is the one
                        # before the next coarse cell begins.
                        f.hi[s, i, j] = f.coarse[
                            t.fine[j] + t.begin[old + t.leaf_hi[leaf, j] + 1] - 1
                        ]
                    f.value[s, i] = t.value[leaf]
                    i += 1
            if leaves > 1:
                is_wide = leaves > MOST_LEAVES
                f.count[s] = i
                f.tree[s], f.goal[s], f.fixed[s], f.wide[s] = number, g, is_wide, is_wide
                s, number = s + 1, number + 1
    f.at[N] = s
    _fill(f, np.int64(0), s - 1)
    return True


@inner
def _count_meetings(f: Forest, s: Whole) -> None:
    """How many pairs of leaves of slot ``s`` and of every other meet, into ``met``."""
    n = f.lo.shape[2]
    for k in range(f.at[N]):
        f.met[k] = 0
    for i in range(f.count[s]):
        for k in range(f.at[N]):
            f.mask[k] = ~uint64(0)
        for j in range(n):
            # No leaf of this tree is bounded here, so the feature keeps none apart.
            if not f.used[s, j]:
                continue
            if f.lo[s, i, j] > 0:
                row = f.at_least[f.cells[j] + f.lo[s, i, j]]
                for k in range(f.at[N]):
                    f.mask[k] &= row[k]
            if f.hi[s, i, j] < f.cells[j + 1] - f.cells[j] - 1:
                row = f.at_most[f.cells[j] + f.hi[s, i, j]]
                for k in range(f.at[N]):
                    f.mask[k] &= row[k]
        for k in range(f.at[N]):
            if f.count[k] > 0:
                # Bits above the count are only there if no feature was used.
                word = f.mask[k]
                if f.count[k] < 64:
                    word &= (uint64(1) << uint64(f.count[k])) - uint64(1)
                f.met[k] += np.int64(bit_count(word))


@inner
def _meet(
    q: Question, a: Arena, f: Forest, one: Whole, i: Whole, other: Whole, k: Whole, into: Whole,
    best: float,
) -> bool:  # fmt: skip
    """Intersection of two leaves into row ``into`` of the new ones; False if it is empty or costs
    ``best``."""
    lo, hi = f.new_lo[into], f.new_hi[into]
    for j in range(len(lo)):
        lo[j] = max(f.lo[one, i, j], f.lo[other, k, j])
        hi[j] = min(f.hi[one, i, j], f.hi[other, k, j])
        if lo[j] > hi[j]:
            return False
    # A meeting that no row cheaper than `best` reaches can be left out: it holds no better answer.
    total = a.floats[CORNER]
    for j in range(len(lo)):
        # A feature that neither tree reads stays at its cheapest, at no extra cost.
        if f.used[one, j] or f.used[other, j]:
            total += least_within(f, q, a, j, lo[j], hi[j])
            if total >= best:
                return False
    f.new_value[into] = f.value[one, i] + f.value[other, k]
    return True


@inner
def _join(q: Question, a: Arena, f: Forest, one: Whole, other: Whole, best: float) -> bool:
    """Put the meetings of two trees in the place of the first; False if there are too many."""
    n = np.int64(0)
    for i in range(f.count[one]):
        for k in range(f.count[other]):
            if _meet(q, a, f, one, i, other, k, n, best):
                # The 65th was written to the spare row; the first tree is untouched so far.
                if n == MOST_LEAVES:
                    return False
                n += 1
    # A tree's leaves are disjoint, so their meetings are the leaves of the sum of both trees.
    for i in range(n):
        for j in range(f.lo.shape[2]):
            f.lo[one, i, j], f.hi[one, i, j] = f.new_lo[i, j], f.new_hi[i, j]
        f.value[one, i] = f.new_value[i]
    f.count[one], f.count[other] = n, 0
    _fill(f, one, one)
    return True


@inner
def _smallest(f: Forest) -> Whole:
    """Slot of the smallest tree that is not fixed; -1 if there is none."""
    found, least = np.int64(-1), np.int64(MOST_LEAVES + 1)
    # The smallest first: it has the most partners that it stays within 64 leaves with.
    for s in range(f.at[N]):
        if 0 < f.count[s] < least and not f.fixed[s]:
            found, least = np.int64(s), f.count[s]
    return found


@inner
def _partner(f: Forest, s: Whole) -> Whole:
    """Slot of the tree that ``s`` would grow least with; -1 if it would with all grow too much."""
    found, least = np.int64(-1), np.int64(MOST_MEETINGS)
    for k in range(f.at[N]):
        # Trees of different goals are in different sums, so they cannot be added.
        if k == s or f.count[k] == 0 or f.wide[k] or f.goal[k] != f.goal[s]:
            continue
        # Meetings by count alone: what they cost is asked of the chosen partner only.
        growth = f.met[k] - max(f.count[k], f.count[s])
        if f.met[k] <= MOST_MEETINGS and growth < least:
            found, least = np.int64(k), growth
    return found


@inner
def _merge_some(q: Question, a: Arena, f: Forest, best: float) -> bool:
    """Join trees, small ones first, for about a millisecond; whether that is all. A tree without
    a leaf left ends it: nothing in the box is cheap enough."""
    for _ in range(JOINS_BETWEEN_LOOKS):
        s = _smallest(f)
        if s < 0:
            return True
        _count_meetings(f, s)
        joined: Flag = np.bool_(False)
        for _ in range(TRIES):
            k = _partner(f, s)
            if k < 0:
                break
            joined = _join(q, a, f, s, k, best)
            if joined:
                break
            f.met[k] = MOST_MEETINGS + 1  # not to be tried again
        if not joined:
            f.fixed[s] = True
        elif f.count[s] == 0:
            # Tells the caller that nothing is cheap enough: see `merged`.
            f.at[N] = 0
            return True
    return False


@inner
def _write(f: Forest, t: Tables) -> None:
    """The trees that are left, each tree's leaves by value, into ``t``."""
    n = f.lo.shape[2]
    word = np.int64(0)
    for s in range(f.at[N]):
        count = f.count[s]
        if count == 0:
            continue
        # Leaves must be by value again, as the lowest bit has to be
        # the least. There are 64 at most.
        for i in range(count):  # by how many others come before it
            rank = np.int64(0)
            for k in range(count):
                before = f.value[s, k] < f.value[s, i]
                rank += before or (f.value[s, k] == f.value[s, i] and k < i)
            leaf = 64 * word + rank
            mark = uint64(1) << uint64(rank)
            t.full[word] |= mark
            t.value[leaf] = f.value[s, i]
            for j in range(n):
                t.leaf_lo[leaf, j], t.leaf_hi[leaf, j] = f.lo[s, i, j], f.hi[s, i, j]
            mark_leaf(t, word, mark, f.lo[s, i], f.hi[s, i])
        word += 1
    spread_marks(t, np.int64(0), word - 1)


def _entry_points(sources: str) -> Any:
    """As those of :mod:`explainers.search.trees.entry_points`."""

    class MergingEntryPoints:
        @staticmethod
        @entry(STRUCT, STRUCT, SMALL_WHOLES, WHOLES, WHOLES)
        def tell_apart(t: Tables, a: Arena, coarse: Cells, begin: Ints, cells: Ints) -> Whole:
            sources  # noqa: B018
            return _tell_apart(tables_at(t), arena_at(a), coarse, begin, cells)

        @staticmethod
        @entry(STRUCT, STRUCT, STRUCT)
        def load(t: Tables, a: Arena, f: Forest) -> bool:
            sources  # noqa: B018
            return _load(tables_at(t), arena_at(a), _forest_at(f))

        @staticmethod
        @entry(STRUCT, STRUCT, STRUCT, REAL)
        def merge_some(q: Question, a: Arena, f: Forest, best: float) -> bool:
            sources  # noqa: B018
            return _merge_some(question_at(q), arena_at(a), _forest_at(f), best)

        @staticmethod
        @entry(STRUCT, STRUCT)
        def write(f: Forest, t: Tables) -> None:
            sources  # noqa: B018
            _write(_forest_at(f), tables_at(t))

    return MergingEntryPoints


entry_points = _entry_points(SOURCES)


def merged(t: Tables, q: Question, arena: Arena, best: float, deadline: Deadline) -> Tables | None:
    """Tables of merged trees, over the leaves that a row cheaper than ``best`` reaches.

    Cells that those leaves do not tell apart are joined.

    Parameters
    ----------
    t : Tables
        Of the whole model.
    q : Question
    arena : Arena
        In which a search of the box in question has begun.
    best : float
        Cost, in the policy's units.
    deadline : Deadline

    Returns
    -------
    Tables or None
        None if there is no such row.

    Raises
    ------
    DeadlineReached
        Between two joins.
    """
    forest = _forest(t, arena)
    if not entry_points.load(t, arena, forest):
        return None
    while not entry_points.merge_some(q, arena, forest, best):
        deadline.check()
    kept = np.flatnonzero(forest.count[: forest.at[N]])
    # No trees are left either because all were decided, or because nothing was cheap enough.
    if not len(kept) and forest.at[N] == 0 and _has_trees(t, arena):
        return None
    return _tables(t, forest, kept)


def _has_trees(t: Tables, arena: Arena) -> bool:
    """Whether any tree of ``t`` was undecided in the arena's box."""
    return bool(arena.group[-1] > 0)


def _forest(t: Tables, arena: Arena) -> Forest:
    """Room for the trees of ``t`` that are undecided, in the cells that they tell apart."""
    n, n_goals = arena.lo.shape[1], len(t.groups) - 1
    coarse, cells = np.empty_like(t.coarse), np.empty(n + 1, np.int64)
    begin = np.empty(int(t.fine[-1]) + n, np.int64)
    slots = max(1, int(entry_points.tell_apart(t, arena, coarse, begin, cells)))
    n_cells = int(cells[-1])
    return Forest(
        cells=cells,
        fine=t.fine,
        coarse=coarse,
        begin=begin[: n_cells + n].copy(),
        at_most=np.empty((n_cells, slots), np.uint64),
        at_least=np.empty((n_cells, slots), np.uint64),
        lo=np.empty((slots, MOST_LEAVES, n), np.int32),
        hi=np.empty((slots, MOST_LEAVES, n), np.int32),
        value=np.empty((slots, MOST_LEAVES)),
        count=np.zeros(slots, np.int64),
        tree=np.empty(slots, np.int64),
        goal=np.empty(slots, np.int64),
        fixed=np.empty(slots, np.bool_),
        wide=np.empty(slots, np.bool_),
        used=np.empty((slots, n), np.bool_),
        constant=np.empty(n_goals),
        mask=np.empty(slots, np.uint64),
        met=np.empty(slots, np.int64),
        new_lo=np.empty((MOST_LEAVES + 1, n), np.int32),
        new_hi=np.empty((MOST_LEAVES + 1, n), np.int32),
        new_value=np.empty(MOST_LEAVES + 1),
        at=np.zeros(1, np.int64),
    )


def _tables(t: Tables, f: Forest, kept: npt.NDArray[np.int64]) -> Tables:
    n_words, n_cells, n = len(kept), int(f.cells[-1]), f.lo.shape[2]
    starts = np.flatnonzero(np.diff(f.tree[kept], prepend=-1))
    goals = f.goal[kept[starts]]
    near = Tables(
        cells=f.cells,
        at_most=np.zeros((n_cells, n_words), np.uint64),
        at_least=np.zeros((n_cells, n_words), np.uint64),
        leaf_lo=np.zeros((64 * n_words, n), np.int32),
        leaf_hi=np.full((64 * n_words, n), -1, np.int32),
        # Bits without a leaf are in no mask; infinity would show at once if one were read.
        value=np.full(64 * n_words, np.inf),
        full=np.zeros(n_words, np.uint64),
        words=np.append(starts, n_words).astype(np.int64),
        groups=np.searchsorted(goals, np.arange(len(t.groups))).astype(np.int64),
        constant=f.constant,
        fine=f.fine,
        coarse=f.coarse,
        begin=f.begin,
    )
    entry_points.write(f, near)
    return near
