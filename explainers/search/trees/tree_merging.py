"""Fewer, tighter trees inside a box and a ball of cost.

Near the best answer so far each tree keeps few leaves. Two trees whose leaves meet in at most 64
places there can be replaced by one tree of those meetings, each with the sum of the two values:
the bound over a box then takes their joint minimum instead of the sum of two minima. Compiled:
``explainers/native/merging.hpp``.
"""

from __future__ import annotations

import numpy as np

from ifonly.explainers.deadline import Deadline
from ifonly.explainers.native import kernel
from ifonly.explainers.search.trees.arena import Arena
from ifonly.explainers.search.trees.question import Question
from ifonly.explainers.search.trees.tables import Tables


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
    forest = kernel.Forest(t.native, q.native, arena.native)
    while not forest.merge_some(q.native, arena.native, best):
        deadline.check()
    return None if forest.closed else _tables(t, forest)


def _tables(t: Tables, forest: kernel.Forest) -> Tables:
    kept = np.flatnonzero(forest.count)
    cells, n = forest.cells, len(t.cells) - 1
    n_words, n_cells = len(kept), int(cells[-1])
    # A tree of several words has its number in each of them.
    starts = np.flatnonzero(np.diff(forest.tree[kept], prepend=-1))
    goals = forest.goal[kept[starts]]
    near = Tables(
        cells=cells,
        at_most=np.zeros((n_cells, n_words), np.uint64),
        at_least=np.zeros((n_cells, n_words), np.uint64),
        leaf_lo=np.zeros((64 * n_words, n), np.int32),
        leaf_hi=np.full((64 * n_words, n), -1, np.int32),
        # Bits without a leaf are in no mask; infinity would show at once if one were read.
        value=np.full(64 * n_words, np.inf),
        full=np.zeros(n_words, np.uint64),
        words=np.append(starts, n_words).astype(np.int64),
        groups=np.searchsorted(goals, np.arange(len(t.groups))).astype(np.int64),
        constant=forest.constant,
        fine=t.fine,
        coarse=forest.coarse,
        begin=forest.begin,
    )
    forest.write(near.native)
    return near
