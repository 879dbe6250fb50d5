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

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, uint64
from numba.extending import intrinsic

# What a call of `search` ends with.
DONE, MORE, VERDICT, FULL = 0, 1, 2, 3
"""Every box is closed; the node limit is reached; a candidate within rounding of the target
waits for the deployed model's word; the stack is full (its boxes are still open)."""

# Slots of the integer and float state of a search.
SP, NODES, PENDING, HAS_BEST = 0, 1, 2, 3
BEST, FLOOR = 0, 1

ALWAYS, NEVER, SOMETIMES = 1, 0, 2
COMPARISON, CHANGES, MEMBER, CONSTANT = 0, 1, 2, 3
LE, LT, GE, GT, EQ, NE = 0, 1, 2, 3, 4, 5

_OPTIONS: dict[str, Any] = {"cache": True, "nogil": True, "error_model": "numpy"}
_njit: Any = njit
compiled = _njit(**_OPTIONS)
inner = _njit(**_OPTIONS, no_cpython_wrapper=True, no_cfunc_wrapper=True)
"""For what only compiled code calls: without the doors to Python, which take a third of the
time to compile."""


@intrinsic
def _trailing_zeros(typing_context: Any, word: Any) -> Any:

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return uint64(uint64), generate


lowest_bit: Any = _trailing_zeros
"""Index of the lowest set bit of a word that is not 0: one machine instruction."""


@inner
def cheapest(q: Any, j: int, a: int, b: int) -> int:
    """Position of the least cost among ``a..b`` of axis ``j``."""
    if q.table[j] >= 0:
        return q.cheapest[q.table[j] + a * q.size[j] + b]
    middle = q.middle[j]
    if a >= middle:
        return a
    if b < middle:
        return b
    # The interval straddles the factual value; where that is allowed it is at `middle`.
    if q.cost[q.off[j] + middle] <= q.cost[q.off[j] + middle - 1]:
        return middle
    return middle - 1


# --- rules ----------------------------------------------------------------------------------------


@inner
def _hull(q: Any, c: int, lo: Any, hi: Any) -> tuple[float, float, float]:
    """Least and greatest total of comparison ``c`` over the box, and the margin for rounding."""
    low = high = q.fixed[c]
    size = q.fixed_size[c]
    for k in range(q.terms[c], q.terms[c + 1]):
        j, w = q.term_column[k], q.term_weight[k]
        x, y = w * q.value[q.off[j] + lo[j]], w * q.value[q.off[j] + hi[j]]
        low += min(x, y)
        high += max(x, y)
        size += max(abs(x), abs(y))
    return low, high, 2.0 * q.tolerance * max(size, 1.0)


@inner
def _missing(q: Any, c: int, lo: Any, hi: Any) -> int:
    """0: comparison ``c`` reads no missing value in the box, 1: it may, 2: it must."""
    found = 0
    for k in range(q.terms[c], q.terms[c + 1]):
        j = q.term_column[k]
        if np.isnan(q.value[q.off[j] + hi[j]]):  # a missing value is last on its axis
            found = max(found, 2 if lo[j] == hi[j] else 1)
    return found


@inner
def _truth(q: Any, c: int, lo: Any, hi: Any) -> int:
    """What is known of condition ``c`` over the whole box."""
    kind = q.kind[c]
    if kind == CONSTANT:
        return q.flag[c]
    if kind == COMPARISON:
        missing = _missing(q, c, lo, hi)
        if missing:
            return NEVER if missing == 2 else SOMETIMES
        low, high, margin = _hull(q, c, lo, hi)
        relation = q.flag[c]
        if relation == LE or relation == LT:
            return ALWAYS if high < -margin else NEVER if low > margin else SOMETIMES
        if relation == GE or relation == GT:
            return ALWAYS if low > margin else NEVER if high < -margin else SOMETIMES
        apart = low > margin or high < -margin
        if relation == EQ:
            return NEVER if apart else SOMETIMES
        return ALWAYS if apart else SOMETIMES
    j = q.column[c]
    if kind == CHANGES:
        home = q.home[j]
        inside = lo[j] <= home <= hi[j]
        if not inside:
            return ALWAYS if q.flag[c] else NEVER
        if lo[j] == hi[j]:
            return NEVER if q.flag[c] else ALWAYS
        return SOMETIMES
    members = 0
    for p in range(lo[j], hi[j] + 1):
        members += q.member[q.flag[c] + p]
    if members == 0:
        return NEVER
    return ALWAYS if members == hi[j] - lo[j] + 1 else SOMETIMES


@inner
def _true_at(q: Any, c: int, at: Any) -> bool:
    """Whether condition ``c`` is true of the row at positions ``at``; as `Condition.true`."""
    kind = q.kind[c]
    if kind == CONSTANT:
        return q.flag[c] == ALWAYS
    if kind == CHANGES:
        j = q.column[c]
        return (at[j] != q.home[j]) == (q.flag[c] == 1)
    if kind == MEMBER:
        return q.member[q.flag[c] + at[q.column[c]]] == 1
    total, size = q.fixed[c], q.fixed_size[c]
    for k in range(q.terms[c], q.terms[c + 1]):
        j = q.term_column[k]
        term = q.term_weight[k] * q.value[q.off[j] + at[j]]
        total += term
        size += abs(term)
    slack = q.tolerance * max(size, 1.0)
    relation = q.flag[c]
    if relation == LE:
        return total <= slack
    if relation == LT:
        return total < -slack
    if relation == GE:
        return total >= -slack
    if relation == GT:
        return total > slack
    if relation == EQ:
        return abs(total) <= slack
    return abs(total) > slack


@inner
def _first_at_least(q: Any, j: int, limit: float, a: int, b: int) -> int:
    """First position of ``a..b`` whose value is at least ``limit``, or ``b + 1``."""
    o = q.off[j]
    while a <= b:
        middle = (a + b) >> 1
        if q.value[o + middle] >= limit:
            b = middle - 1
        else:
            a = middle + 1
    return a


@inner
def _bound(q: Any, c: int, sign: float, lo: Any, hi: Any) -> bool:
    """Cut the box by ``sign * total <= 0``; False if nothing is left."""
    _, _, margin = _hull(q, c, lo, hi)
    least = 0.0
    for k in range(q.terms[c], q.terms[c + 1]):
        j, w = q.term_column[k], sign * q.term_weight[k]
        least += min(w * q.value[q.off[j] + lo[j]], w * q.value[q.off[j] + hi[j]])
    room = margin - sign * q.fixed[c] - least
    for k in range(q.terms[c], q.terms[c + 1]):
        j, w = q.term_column[k], sign * q.term_weight[k]
        o = q.off[j]
        limit = (room + min(w * q.value[o + lo[j]], w * q.value[o + hi[j]])) / w
        limit += q.tolerance * max(1.0, abs(limit)) * (1.0 if w > 0 else -1.0)
        if w > 0:
            if q.value[o + hi[j]] > limit:
                hi[j] = _first_at_least(q, j, np.nextafter(limit, np.inf), lo[j], hi[j]) - 1
        elif q.value[o + lo[j]] < limit:
            lo[j] = _first_at_least(q, j, limit, lo[j], hi[j])
        if lo[j] > hi[j]:
            return False
    return True


@inner
def _require(q: Any, c: int, negated: bool, lo: Any, hi: Any) -> bool:
    """Cut the box to where condition ``c`` is (not) true; False if nothing is left."""
    truth = _truth(q, c, lo, hi)
    if truth != SOMETIMES:
        return (truth == ALWAYS) != negated
    kind = q.kind[c]
    if kind == COMPARISON:
        if _missing(q, c, lo, hi):
            return True
        relation = q.flag[c]
        if negated:
            relation = (GT, GE, LT, LE, NE, EQ)[relation]
        if (relation == LE or relation == LT or relation == EQ) and not _bound(q, c, 1.0, lo, hi):
            return False
        if relation == GE or relation == GT or relation == EQ:
            return _bound(q, c, -1.0, lo, hi)
        return True
    j = q.column[c]
    if kind == CHANGES:
        home = q.home[j]
        if (q.flag[c] == 1) == negated:
            lo[j] = hi[j] = home
        elif lo[j] == home:
            lo[j] += 1
        elif hi[j] == home:
            hi[j] -= 1
        return lo[j] <= hi[j]
    wanted = 0 if negated else 1
    while lo[j] <= hi[j] and q.member[q.flag[c] + lo[j]] != wanted:
        lo[j] += 1
    while lo[j] <= hi[j] and q.member[q.flag[c] + hi[j]] != wanted:
        hi[j] -= 1
    return lo[j] <= hi[j]


@inner
def _apply_rule(q: Any, r: int, lo: Any, hi: Any) -> bool:
    """Cut the box by one rule; False if nothing is left."""
    # A typed -1 and typed truth values: a literal would compile every callee once more.
    open_ones, last = np.int64(0), np.int64(-1)
    for c in range(q.rule[r], q.split[r]):
        truth = _truth(q, c, lo, hi)
        if truth == NEVER:
            return True
        if truth == SOMETIMES:
            open_ones += 1
            last = np.int64(c)
    if open_ones == 0:
        for c in range(q.split[r], q.rule[r + 1]):
            if not _require(q, c, np.bool_(False), lo, hi):
                return False
        return True
    if open_ones == 1 and (q.kind[last] != COMPARISON or not _missing(q, last, lo, hi)):
        for c in range(q.split[r], q.rule[r + 1]):
            if _truth(q, c, lo, hi) == NEVER:
                return _require(q, last, np.bool_(True), lo, hi)
    return True


@inner
def broken_rule(q: Any, at: Any) -> int:
    """A rule that the row at positions ``at`` breaks, or -1."""
    for r in range(len(q.rule) - 1):
        applies = True
        for c in range(q.rule[r], q.split[r]):
            if not _true_at(q, c, at):
                applies = False
                break
        if applies:
            for c in range(q.split[r], q.rule[r + 1]):
                if not _true_at(q, c, at):
                    return r
    return -1


# --- boxes ----------------------------------------------------------------------------------------


@inner
def _corner(q: Any, lo: Any, hi: Any, at: Any) -> float:
    """Put the cheapest corner of a box into ``at``; its cost."""
    total = 0.0
    for j in range(len(lo)):
        at[j] = cheapest(q, j, lo[j], hi[j])
        total += q.cost[q.off[j] + at[j]]
    return total


@inner
def _cut_by_counts(q: Any, lo: Any, hi: Any, at: Any) -> int:
    """Hold features still where enough others must change: 1 if a bound moved, 0 if none did,
    -1 if nothing is left."""
    must, moved = np.int64(0), np.int64(0)
    for j in range(len(lo)):
        must += at[j] != q.home[j]
    if must > q.most_changes:
        return -1
    if must == q.most_changes:
        for j in range(len(lo)):
            if at[j] == q.home[j] and lo[j] < hi[j]:
                lo[j] = hi[j] = at[j]
                moved = 1
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
            moved = 1
    return moved


@inner
def _within(q: Any, j: int, dear: int, near: int, room: float) -> int:
    """The position nearest to ``dear`` on the way to ``near`` that costs less than ``room``;
    ``dear`` does not, ``near`` does."""
    o = q.off[j]
    if q.table[j] >= 0:
        step = 1 if near > dear else -1
        while q.cost[o + dear] >= room:
            dear += step
        return dear
    while abs(near - dear) > 1:  # costs fall towards the factual
        middle = (near + dear) >> 1
        if q.cost[o + middle] >= room:
            dear = middle
        else:
            near = middle
    return near


@inner
def _cut_by_cost(q: Any, room: float, lo: Any, hi: Any, at: Any) -> int:
    """Cut off values that cost more than ``room`` beyond the corner's: 1 if a bound moved."""
    moved = np.int64(0)
    for j in range(len(lo)):
        o = q.off[j]
        own = room + q.cost[o + at[j]]
        if lo[j] < at[j] and q.cost[o + lo[j]] >= own:
            lo[j] = _within(q, j, lo[j], at[j], own)
            moved = 1
        if hi[j] > at[j] and q.cost[o + hi[j]] >= own:
            hi[j] = _within(q, j, hi[j], at[j], own)
            moved = 1
    return moved


@inner
def _cut_by_rules(q: Any, lo: Any, hi: Any) -> int:
    """1 if a bound moved, 0 if none did, -1 if nothing is left."""
    before, after = np.int64(0), np.int64(0)
    for j in range(len(lo)):
        before += hi[j] - lo[j]
    for r in range(len(q.rule) - 1):
        if not _apply_rule(q, r, lo, hi):
            return -1
    for j in range(len(lo)):
        after += hi[j] - lo[j]
    return 1 if after < before else 0


@inner
def _shrink(q: Any, best: float, lo: Any, hi: Any, at: Any) -> float:
    """Cut a box by cost, counts and rules until nothing moves, and put its cheapest corner into
    ``at``; returns that corner's cost, or infinity if the box is closed."""
    for _ in range(12):
        cost = _corner(q, lo, hi, at)
        if cost >= best:
            return np.inf
        by_counts = _cut_by_counts(q, lo, hi, at)
        if by_counts < 0:
            return np.inf
        moved = by_counts + _cut_by_cost(q, best - cost, lo, hi, at)
        by_rules = _cut_by_rules(q, lo, hi)
        if by_rules < 0:
            return np.inf
        if moved + by_rules == 0:
            return cost
    cost = _corner(q, lo, hi, at)
    return cost if cost < best else np.inf


@inner
def _leaf_costs(t: Any, q: Any, out: Any) -> None:
    """Least cost of a row that reaches each leaf, rules aside; infinity where none does."""
    n = len(q.off) - 1
    home = np.empty(n, np.int64)
    for j in range(n):
        home[j] = q.cell[q.off[j] + q.home[j]] if q.home[j] >= 0 else -1
    for i in range(len(out)):
        total = 0.0
        for j in range(n):
            if t.leaf_lo[i, j] <= home[j] <= t.leaf_hi[i, j]:
                continue  # holds the factual value, at no cost
            a = q.first[t.cells[j] + j + t.leaf_lo[i, j]]
            b = q.first[t.cells[j] + j + t.leaf_hi[i, j] + 1] - 1
            if a > b:
                total = np.inf
                break
            total += q.cost[q.off[j] + cheapest(q, j, a, b)]
        out[i] = total


@inner
def _within_reach(t: Any, leaf_cost: Any, best: float, out: Any) -> None:
    """Bits of the leaves that a row cheaper than ``best`` can reach."""
    for w in range(len(t.full)):
        word, left = uint64(0), t.full[w]
        while left != uint64(0):
            b = lowest_bit(left)
            left &= left - uint64(1)
            if leaf_cost[w * 64 + np.int64(b)] < best:
                word |= uint64(1) << b
        out[w] = word


@inner
def _narrow_masks(t: Any, q: Any, a: Any, sp: int) -> None:
    """AND the box's word masks with the rows of every bound that moved since last time."""
    mask, lo, hi = a.mask[sp], a.lo[sp], a.hi[sp]
    for j in range(len(lo)):
        low, high = q.cell[q.off[j] + lo[j]], q.cell[q.off[j] + hi[j]]
        if low != a.cell_lo[sp, j]:
            a.cell_lo[sp, j] = low
            row = t.at_least[t.cells[j] + low]
            for w in range(len(mask)):
                mask[w] &= row[w]
        if high != a.cell_hi[sp, j]:
            a.cell_hi[sp, j] = high
            row = t.at_most[t.cells[j] + high]
            for w in range(len(mask)):
                mask[w] &= row[w]


@inner
def _lower_bound(t: Any, q: Any, a: Any, sp: int) -> bool:
    """Note each tree's least reachable leaf; False if a group cannot come down to its limit."""
    mask = a.mask[sp]
    for g in range(len(q.limit)):
        total = 0.0
        for tree in range(t.groups[g], t.groups[g + 1]):
            least = np.int64(-1)
            for w in range(t.words[tree], t.words[tree + 1]):
                word = mask[w] & a.reach[w]
                mask[w] = word
                if least < 0 and word != uint64(0):
                    least = w * 64 + np.int64(lowest_bit(word))
            if least < 0:
                return False
            a.least[tree] = least
            total += t.value[least]
        if total > q.limit[g] + q.band[g]:
            return False
    return True


@inner
def _corner_value(t: Any, q: Any, a: Any, sp: int) -> int:
    """Score the corner exactly: 1 in the target, 0 not, 2 within rounding of its edge."""
    mask, at, corner = a.mask[sp], a.at, a.corner_mask
    for w in range(len(mask)):
        corner[w] = mask[w]
    for j in range(len(at)):
        if a.cell_lo[sp, j] != a.cell_hi[sp, j]:
            cell = t.cells[j] + q.cell[q.off[j] + at[j]]
            up, down = t.at_most[cell], t.at_least[cell]
            for w in range(len(mask)):
                corner[w] &= up[w] & down[w]
    verdict = 1
    for g in range(len(q.limit)):
        total = 0.0
        for tree in range(t.groups[g], t.groups[g + 1]):
            leaf = np.int64(-1)
            for w in range(t.words[tree], t.words[tree + 1]):
                if corner[w] != uint64(0):
                    leaf = w * 64 + np.int64(lowest_bit(corner[w]))
                    break
            a.leaf[tree] = leaf
            total += t.value[leaf]
        a.over[g] = total - q.limit[g]
        if a.over[g] > q.band[g]:
            verdict = 0
        elif a.over[g] >= -q.band[g] and verdict == 1:
            verdict = 2
    return verdict


@inner
def _best_cut(t: Any, q: Any, a: Any, sp: int) -> tuple[int, int]:
    """Feature and first position of the upper part of the cut that promises most: towards the
    least leaves of the trees, weighted by what they would gain. (-1, 0) if there is none."""
    n = a.gain.shape[0]
    for j in range(n):
        a.gain[j, 0] = a.gain[j, 1] = 0.0
    for g in range(len(q.limit)):
        if a.over[g] < -q.band[g]:
            continue
        for tree in range(t.groups[g], t.groups[g + 1]):
            least = a.least[tree]
            gain = t.value[a.leaf[tree]] - t.value[least]
            if gain <= 0.0:
                continue
            for j in range(n):
                cell = q.cell[q.off[j] + a.at[j]]
                low, high = t.leaf_lo[least, j], t.leaf_hi[least, j]
                if cell < low:
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
            most, column, edge = a.gain[j, 0], j, a.edge[j, 0] + 1
    if column < 0:
        return -1, 0
    return column, q.first[t.cells[column] + column + edge]


@inner
def _any_cut(t: Any, q: Any, a: Any, sp: int) -> tuple[int, int]:
    """A cut between the corner's cell and a cell beside it; (-1, 0) if the box is one cell."""
    for j in range(len(a.at)):
        if a.cell_lo[sp, j] != a.cell_hi[sp, j]:
            cell = q.cell[q.off[j] + a.at[j]]
            if cell < a.cell_hi[sp, j]:
                return j, q.first[t.cells[j] + j + cell + 1]
            return j, q.first[t.cells[j] + j + cell]
    return -1, 0


@inner
def _rule_cut(q: Any, a: Any, sp: int, r: int) -> tuple[int, int]:
    """A cut that sets the corner's value of a feature of rule ``r`` apart."""
    lo, hi = a.lo[sp], a.hi[sp]
    for k in range(q.reads[r], q.reads[r + 1]):
        j = q.read[k]
        if lo[j] < hi[j]:
            return j, (a.at[j] if a.at[j] > lo[j] else a.at[j] + 1)
    return -1, 0


@inner
def _push_halves(t: Any, q: Any, a: Any, sp: int, column: int, edge: int) -> None:
    """Replace box ``sp`` by its parts below and from ``edge``, the corner's part on top."""
    n = len(a.at)
    for j in range(n):
        a.lo[sp + 1, j], a.hi[sp + 1, j] = a.lo[sp, j], a.hi[sp, j]
        a.cell_lo[sp + 1, j], a.cell_hi[sp + 1, j] = a.cell_lo[sp, j], a.cell_hi[sp, j]
    for w in range(a.mask.shape[1]):
        a.mask[sp + 1, w] = a.mask[sp, w]
    near_is_low = a.at[column] < edge
    low, high = (sp + 1, sp) if near_is_low else (sp, sp + 1)
    a.hi[low, column] = edge - 1
    a.lo[high, column] = edge
    a.ints[SP] = sp + 2


@compiled
def search(t: Any, q: Any, a: Any, max_nodes: int) -> int:
    """Open up to ``max_nodes`` boxes of the stack in ``a``; see the codes at the top."""
    for _ in range(max_nodes):
        if a.ints[SP] == 0:
            return DONE
        sp = a.ints[SP] - 1
        a.ints[SP] = sp
        a.ints[NODES] += 1
        best = a.floats[BEST]
        if best < a.floats[FLOOR]:
            a.floats[FLOOR] = best
            _within_reach(t, a.leaf_cost, best, a.reach)
        rejected = a.ints[PENDING] == 1
        a.ints[PENDING] = 0
        cost = _shrink(q, best, a.lo[sp], a.hi[sp], a.at)
        if cost == np.inf:
            continue
        _narrow_masks(t, q, a, sp)
        if not _lower_bound(t, q, a, sp):
            continue
        verdict = _corner_value(t, q, a, sp)
        if verdict != 0:
            broken = broken_rule(q, a.at)
            if broken >= 0:
                column, edge = _rule_cut(q, a, sp, broken)
            elif verdict == 2 and rejected:
                column, edge = _any_cut(t, q, a, sp)
            elif verdict == 2:
                a.ints[SP] = sp + 1
                a.floats[2] = cost
                return VERDICT
            else:
                a.floats[BEST] = cost
                a.ints[HAS_BEST] = 1
                for j in range(len(a.at)):
                    a.best[j] = a.at[j]
                continue
        else:
            column, edge = _best_cut(t, q, a, sp)
            if column < 0:
                column, edge = _any_cut(t, q, a, sp)
        if column < 0:
            continue
        if sp + 2 > a.lo.shape[0]:
            a.ints[SP] = sp + 1
            return FULL
        _push_halves(t, q, a, sp, column, edge)
    return DONE if a.ints[SP] == 0 else MORE


@compiled
def start(t: Any, q: Any, a: Any, best: float) -> None:
    """Put the whole space on the stack; only what is cheaper than ``best`` is looked for."""
    _leaf_costs(t, q, a.leaf_cost)
    _within_reach(t, a.leaf_cost, best, a.reach)
    a.floats[BEST] = a.floats[FLOOR] = best
    a.ints[:] = 0
    a.ints[SP] = 1
    for j in range(len(a.at)):
        a.lo[0, j] = 0
        a.hi[0, j] = q.size[j] - 1
        a.cell_lo[0, j] = 0
        a.cell_hi[0, j] = t.cells[j + 1] - t.cells[j] - 1
    for w in range(len(t.full)):
        a.mask[0, w] = t.full[w]


@compiled
def open_bound(q: Any, a: Any) -> float:
    """Least cost that an unopened box could still have, infinity if there is none."""
    least = np.inf
    for sp in range(a.ints[SP]):
        total = 0.0
        for j in range(a.lo.shape[1]):
            total += q.cost[q.off[j] + cheapest(q, j, a.lo[sp, j], a.hi[sp, j])]
        least = min(least, total)
    return least
