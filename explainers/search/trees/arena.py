"""Everything that one search writes to."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ifonly.explainers.native import kernel
from ifonly.explainers.native.kernel import FLOAT_SLOTS, INT_SLOTS, UNMERGED
from ifonly.explainers.search.trees.arrays import (
    CellRows,
    FloatRows,
    Floats,
    IntRows,
    Ints,
    WordRows,
    Words,
    once,
)
from ifonly.explainers.search.trees.tables import Tables

# A full stack is told to the caller (`kernel.FULL`) and never overwritten.
STACK = 1_024
MOST_DIRECTIONS = 8
"""In which rows failed that are tried on boxes."""
IDLE = 4
"""Arenas kept for later searches."""


@dataclass(frozen=True, eq=False)
class Arena:
    """The stack of open boxes, the best row, and notes on the box at hand."""

    lo: IntRows
    """``(stack, n_features)``"""
    hi: IntRows
    cell_lo: CellRows
    cell_hi: CellRows
    moved: Ints
    """``(stack,)`` features whose bounds moved since the rules were last applied to a box."""
    mask: WordRows
    """``(stack, n_words)`` leaves that each box reaches."""
    reach: Words
    """``(n_words,)`` leaves that a row cheaper than the best reaches."""
    corner_mask: Words
    line_mask: WordRows
    """``(n_features, n_words)`` leaves that hold all values of a row but one."""
    totals: FloatRows
    """``(n_goals, n_cells)`` sums along the lines through a row."""
    leaf_cost: Floats
    """``(64 * n_words,)`` least cost of a row that reaches each leaf; of leaves in `reach` only."""
    word: Ints
    """``(n_words,)`` of it the first ``ints[WORDS]``: words of the trees that are undecided."""
    tree: Ints
    """``(n_trees,)`` trees that reach more than one leaf, goal by goal."""
    group: Ints
    """``(n_goals + 1,)`` first of each goal in `tree`."""
    base: Floats
    """``(n_goals,)`` sum over the other trees."""
    least: Ints
    leaf: Ints
    over: Floats
    gain: FloatRows
    edge: IntRows
    at: Ints
    cell: Ints
    """``(n_features,)`` cells of the corner at hand."""
    trial: Ints
    refused: Ints
    """``(n_features,)`` candidate that last turned out not to do, if ``ints[REFUSED]`` is 1."""
    fragile_lo: IntRows
    """``(most, n_features)`` boxes of positions from which some reading within tolerance is known
    to leave the target; ``ints[FRAGILE]`` of them."""
    fragile_hi: IntRows
    directions: IntRows
    """``(most, n_features)`` directions in which sensors were off, -1, 0 or 1, where rows failed;
    ``ints[DIRECTIONS]`` of them, tried in this order."""
    corner: Ints
    """``(n_features,)`` cheapest corner of the bottom box."""
    best: Ints
    ints: Ints
    """Counts and flags, by the slots of :mod:`ifonly.explainers.native.kernel`: SP open boxes,
    NODES opened ones; whether a row was REFUSED, and whether it HAS_BEST; how many WORDS,
    FRAGILE and DIRECTIONS; whether the tables are UNMERGED, which alone know readings; whether
    leaves were STRUCK off that rows reach which are no answer."""
    floats: Floats
    """Costs: of the BEST row; FLOOR, for which `reach` was last made; of the row that is WAITING
    for the deployed model's word; of the bottom box's cheapest CORNER; of the first answer, a
    GUESS."""

    @cached_property
    def native(self) -> kernel.Arena:
        """The same in compiled code, checked; it keeps the arrays alive."""
        return once(self, kernel.Arena(self))

    @classmethod
    def of(cls, t: Tables, stack: int = STACK) -> Arena:
        n, n_words, n_trees = t.leaf_lo.shape[1], len(t.full), len(t.words) - 1
        n_goals = len(t.groups) - 1
        return cls(
            lo=np.empty((stack, n), np.int64),
            hi=np.empty((stack, n), np.int64),
            cell_lo=np.empty((stack, n), np.int32),
            cell_hi=np.empty((stack, n), np.int32),
            moved=np.empty(stack, np.int64),
            mask=np.empty((stack, n_words), np.uint64),
            reach=np.empty(n_words, np.uint64),
            corner_mask=np.empty(n_words, np.uint64),
            line_mask=np.empty((n, n_words), np.uint64),
            totals=np.empty((n_goals, int(t.cells[-1]))),
            leaf_cost=np.empty(64 * n_words),
            word=np.empty(n_words, np.int64),
            tree=np.empty(n_trees, np.int64),
            group=np.zeros(n_goals + 1, np.int64),
            base=np.empty(n_goals),
            least=np.empty(n_trees, np.int64),
            leaf=np.empty(n_trees, np.int64),
            over=np.empty(n_goals),
            gain=np.empty((n, 2)),
            edge=np.empty((n, 2), np.int64),
            at=np.empty(n, np.int64),
            cell=np.empty(n, np.int64),
            trial=np.empty(n, np.int64),
            refused=np.empty(n, np.int64),
            # Empty unless rows must survive the sensors: the proof
            # then puts its own in their place.
            fragile_lo=np.empty((0, n), np.int64),
            fragile_hi=np.empty((0, n), np.int64),
            directions=np.empty((MOST_DIRECTIONS, n), np.int64),
            corner=np.empty(n, np.int64),
            best=np.empty(n, np.int64),
            ints=np.zeros(INT_SLOTS, np.int64),
            floats=np.zeros(FLOAT_SLOTS),
        )


class Arenas:
    """Arenas for the tables of one model and target, lent to one search at a time: new memory
    costs more than a short search does."""

    def __init__(self, t: Tables) -> None:
        self._tables = t
        self._idle: list[Arena] = []

    def lent(self) -> Loan:
        # A list's `pop` and `append` are one step each in Python: no
        # lock is needed between threads.
        try:
            arena = self._idle.pop()
        except IndexError:
            arena = Arena.of(self._tables)
        # Counts and flags of the search before would be taken for this one's.
        arena.ints[:] = 0
        arena.ints[UNMERGED] = 1
        return Loan(arena, self._idle)


class Loan:
    """An arena until the ``with`` block ends."""

    def __init__(self, arena: Arena, idle: list[Arena]) -> None:
        self._arena = arena
        self._idle = idle

    def __enter__(self) -> Arena:
        return self._arena

    def __exit__(self, *_: object) -> None:
        if len(self._idle) < IDLE:
            self._idle.append(self._arena)
