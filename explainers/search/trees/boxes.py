"""Boxes of positions, cut by the cost that is left, by counts and by rules."""

from __future__ import annotations

import numpy as np

from explainers.search.trees.compiled import cheapest, cost_at, inner
from explainers.search.trees.question import Question
from explainers.search.trees.rule_cuts import apply_rule, broken_rule
from explainers.search.trees.structs import Flag, Ints, Whole

# 62 and not 63: -1 must stay free to say that a box is closed.
FEATURE_BITS = 62
ALL = (1 << FEATURE_BITS) - 1
"""Sets of features, as bits of a word that is never negative."""


@inner
def corner(q: Question, lo: Ints, hi: Ints, at: Ints) -> float:
    """Put the cheapest corner of a box into ``at``; its cost."""
    total = 0.0
    # In schema order, as the definition of cost adds: another order could differ in the last digit.
    for j in range(len(lo)):
        at[j] = cheapest(q, j, lo[j], hi[j])
        total += cost_at(q, j, at[j])
    return total


@inner
def bit(j: Whole) -> Whole:
    """The bit of feature ``j`` in a set of features; of wide schemas several share one."""
    # Features that share a bit cause a rule to be applied too often, never too seldom.
    return np.int64(1) << (j % FEATURE_BITS)


@inner
def _cut_by_counts(q: Question, lo: Ints, hi: Ints, at: Ints) -> Whole:
    """Hold features still where enough others must change: the features whose bounds moved, -1
    if nothing is left."""
    must, moved = np.int64(0), np.int64(0)
    # The factual value costs nothing, so the corner has it wherever the box holds it: what is
    # elsewhere in the corner must change in every row of the box.
    for j in range(len(lo)):
        must += q.counts[j] and at[j] != q.home[j]
    if must > q.most_changes:
        return -1
    # Every change that is allowed is taken, so all others stay as they are.
    if must == q.most_changes:
        for j in range(len(lo)):
            if q.counts[j] and at[j] == q.home[j] and lo[j] < hi[j]:
                lo[j] = hi[j] = at[j]
                moved |= bit(j)
    # Of each group one lever must stay; the last that still can has to.
    for s in range(len(q.levers) - 1):
        staying, last = np.int64(0), np.int64(-1)
        for k in range(q.levers[s], q.levers[s + 1]):
            if at[q.lever[k]] == q.home[q.lever[k]]:
                staying += 1
                last = q.lever[k]
        if staying == 0:
            return -1
        if staying == 1 and lo[last] < hi[last]:
            lo[last] = hi[last] = at[last]
            moved |= bit(last)
    return moved


@inner
def _within(q: Question, j: Whole, dear: int, near: int, room: float) -> Whole:
    """The position nearest to ``dear`` on the way to ``near`` that costs less than ``room``;
    ``dear`` does not, ``near`` does."""
    # A declared matrix may rise and fall along the axis, so nothing can be halved.
    if q.table[j] >= 0:
        step = 1 if near > dear else -1
        while cost_at(q, j, dear) >= room:
            dear += step
        return dear
    while abs(near - dear) > 1:  # costs fall towards the factual
        middle = (near + dear) >> 1
        if cost_at(q, j, middle) >= room:
            dear = middle
        else:
            near = middle
    # `near` always costs less than the room, so what is cut off does not.
    return near


@inner
def _cut_by_cost(q: Question, room: float, lo: Ints, hi: Ints, at: Ints) -> Whole:
    """Cut off values that cost more than ``room`` beyond the corner's: the features whose bounds
    moved."""
    moved = np.int64(0)
    for j in range(len(lo)):
        # Costs add up, so a feature may spend what is left with all others at their cheapest.
        own = room + cost_at(q, j, at[j])
        # As much as the room is too much: only cheaper rows are looked for.
        if lo[j] < at[j] and cost_at(q, j, lo[j]) >= own:
            lo[j] = _within(q, j, lo[j], at[j], own)
            moved |= bit(j)
        if hi[j] > at[j] and cost_at(q, j, hi[j]) >= own:
            hi[j] = _within(q, j, hi[j], at[j], own)
            moved |= bit(j)
    return moved


@inner
def _width(q: Question, r: Whole, lo: Ints, hi: Ints) -> Whole:
    """Positions left on the axes that rule ``r`` reads."""
    total = np.int64(0)
    for k in range(q.rules.reads[r], q.rules.reads[r + 1]):
        total += hi[q.rules.read[k]] - lo[q.rules.read[k]]
    return total


@inner
def _cut_by_rules(q: Question, moved: Whole, lo: Ints, hi: Ints) -> Whole:
    """Apply the rules that read a feature of ``moved``: the features whose bounds moved by them,
    -1 if nothing is left."""
    now = np.int64(0)
    for r in range(len(q.rules.rule) - 1):
        # `now` as well: a later rule sees at once what an earlier one cut.
        if q.rules.touched[r] & (moved | now) == 0:
            continue
        before = _width(q, r, lo, hi)
        if not apply_rule(q, r, lo, hi):
            return -1
        # Rules only cut, so the width falls if and only if something moved.
        if _width(q, r, lo, hi) < before:
            now |= q.rules.touched[r]
    return now


@inner
def shrink(q: Question, best: float, moved: Whole, lo: Ints, hi: Ints, at: Ints) -> float:
    """Cut a box by cost, counts and rules until nothing moves, and put its cheapest corner into
    ``at``; returns that corner's cost, or infinity if the box is closed.

    ``moved`` are the features whose bounds moved since the rules were last applied.
    """
    # Twelve rounds at most: a box that could be cut further is looser, never wrong.
    for _ in range(12):
        cost = corner(q, lo, hi, at)
        if cost >= best:
            return np.inf
        by_counts = _cut_by_counts(q, lo, hi, at)
        if by_counts < 0:
            return np.inf
        by_cost = _cut_by_cost(q, best - cost, lo, hi, at)
        moved = _cut_by_rules(q, moved | by_counts | by_cost, lo, hi)
        if moved < 0:
            return np.inf
        # A cut by cost leaves the corner where it is, so only the other two call for a new round.
        if by_counts | moved == 0:
            return cost
    # The last round may have moved the corner.
    cost = corner(q, lo, hi, at)
    return cost if cost < best else np.inf


@inner
def allowed(q: Question, features: Whole, at: Ints) -> Flag:
    """Whether the row at positions ``at`` keeps every count, and every rule that reads one of
    ``features``."""
    must = 0
    for j in range(len(at)):
        must += q.counts[j] and at[j] != q.home[j]
    if must > q.most_changes:
        return False
    for s in range(len(q.levers) - 1):
        stays = False
        for k in range(q.levers[s], q.levers[s + 1]):
            stays = stays or at[q.lever[k]] == q.home[q.lever[k]]
        if not stays:
            return False
    # Last, because rules cost more than counting.
    return broken_rule(q, features, at) < 0


@inner
def cost_of(q: Question, at: Ints) -> float:
    total = 0.0
    for j in range(len(at)):
        total += cost_at(q, j, at[j])
    return total
