"""What a row of a box must cost, seen from costs and trees together.

Every tree is charged a part of each feature's cost, whatever is left stays with the feature, and
what the limits leave over is paid for at a price. The trees then choose their leaves one by one:

    cost >= sum over trees of  min over leaves (price * value + charges of the leaf's cells)
          + sum over features of  min over cells (cost - charges)  -  price * limit

for *any* charges and prices (Lagrangian decomposition). Charges are made better feature by
feature: what each tree would pay at least for each cell is gathered, and the sum is shared out
anew (min-marginal averaging; Werner, "A linear programming approach to max-sum problem", PAMI
2007, section 6; Kolmogorov, PAMI 2006, for the order). It comes close to the linear program over
leaves, at a thousandth of its time. A box inside another begins with the other's charges.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from explainers.search.trees.arena import Arena
from explainers.search.trees.compiled import (
    BITS,
    REAL,
    REALS,
    SOURCES,
    STRUCT,
    WHOLES,
    allocating,
    allocating_entry,
    cell_at,
    cheapest,
    cost_at,
    first_in,
)
from explainers.search.trees.question import Question, question_at
from explainers.search.trees.structs import Floats, Ints, Struct, Whole, Words, pointer_to
from explainers.search.trees.tables import Tables, tables_at

SWEEPS = 4
"""Between two looks at the deadline, and at what they gained."""
WORTH_GOING_ON = 0.5
"""Part of what is missing that so many sweeps must gain for more of them to follow."""
MARGIN = 1e-10
"""Part of the sum of all sizes: more than rounding can make of the sums of a bound."""
FADING = 0.7
"""Weight that an earlier sweep's choices of the trees keep from sweep to sweep."""
LEAST_PERTURBATION = 0.01
"""Part of the prices, where trees agree."""


@dataclass(frozen=True, eq=False)
class Parts(Struct):
    """The trees as they are charged: a *part* is a tree and a feature whose cells its leaves tell
    apart, its *pieces* are the intervals of cells that they do not."""

    leaf: Ints
    """``(n_leaves,)`` bits of the leaves within reach, tree by tree."""
    first: Ints
    """``(n_trees + 1,)`` first of each tree in `leaf`."""
    parts: Ints
    """``(n_features + 1,)`` first part of each feature."""
    tree: Ints
    """``(n_parts,)``"""
    pieces: Ints
    """``(n_parts + 1,)`` first piece of each part."""
    cell: Ints
    """``(n_pieces,)`` first cell of each piece."""
    spans: Ints
    """``(n_parts,)`` where the part's leaves begin in the next two."""
    low: Ints
    """First piece of the leaf's interval, counted from the part's first."""
    high: Ints


_parts_at = pointer_to(Parts)


class Priced(NamedTuple):
    """A box, with the best charges and prices known for it."""

    lo: Ints
    hi: Ints
    bound: float
    """No row of the box in the target costs less."""
    parts: Parts
    charge: Floats
    """``(n_pieces,)``"""
    price: Floats
    """``(n_goals,)``"""
    column: int
    """Where the trees disagree most: a feature, and the first cell of the upper part; -1 if they
    do not."""
    edge: int
    wish: Ints
    """``(n_features,)`` positions that suit the trees best, taken feature by feature."""


@allocating
def _positions(
    t: Tables, q: Question, lo: Ints, hi: Ints, j: Whole, cell: Whole
) -> tuple[Whole, Whole]:
    """First and last position of a cell of feature ``j`` in a box."""
    return max(lo[j], first_in(t, q, j, cell)), min(hi[j], first_in(t, q, j, cell + 1) - 1)


@allocating
def _least_costs(t: Tables, q: Question, lo: Ints, hi: Ints) -> tuple[Floats, Ints, Ints]:
    """Least cost of every cell over the positions of a box, and each feature's first and last
    cell there; of a cell without positions, the cost of the one beside it."""
    n = len(lo)
    cost = np.full(t.cells[n], np.inf)
    low, high = np.empty(n, np.int64), np.empty(n, np.int64)
    for j in range(n):
        own = cost[t.cells[j] : t.cells[j + 1]]
        low[j], high[j] = cell_at(t, q, j, lo[j]), cell_at(t, q, j, hi[j])
        for c in range(low[j], high[j] + 1):
            first, last = _positions(t, q, lo, hi, j, c)
            if first <= last:
                own[c] = cost_at(q, j, cheapest(q, j, first, last))
            # No row is there, so any cost is safe; infinity would spoil
            # the sum of sizes in `_ascend`.
            elif c > low[j]:
                own[c] = own[c - 1]
    return cost, low, high


@allocating
def _lay_out(t: Tables, reach: Words, low: Ints, high: Ints) -> tuple[Ints, ...]:
    """The trees over the leaves in ``reach`` and the cells ``low..high``."""
    n, n_trees = len(low), len(t.words) - 1
    first = np.zeros(n_trees + 1, np.int64)
    size = 0
    # Counted first, because compiled code cannot grow an array.
    for w in range(len(reach)):
        for b in range(64):
            size += (reach[w] >> np.uint64(b)) & np.uint64(1) != 0
    leaf = np.empty(size, np.int64)
    at = 0
    for k in range(n_trees):
        for w in range(t.words[k], t.words[k + 1]):
            for b in range(64):
                if (reach[w] >> np.uint64(b)) & np.uint64(1) != 0:
                    leaf[at] = 64 * w + b
                    at += 1
        first[k + 1] = at
    parts, tree = np.zeros(n + 1, np.int64), np.empty(n_trees * n, np.int64)
    pieces, spans = np.zeros(n_trees * n + 1, np.int64), np.empty(n_trees * n, np.int64)
    # Each leaf begins at most two pieces of a feature, its own and the one after; each part one.
    cell = np.empty(2 * size * n + n_trees * n, np.int64)
    low_piece, high_piece = np.empty(size * n, np.int64), np.empty(size * n, np.int64)
    # Marked with the number of the part, so that nothing has to be cleared between two trees.
    begins = np.full(t.cells[n] + 1, -1, np.int64)
    number = np.zeros(t.cells[n] + 1, np.int64)
    n_parts = n_pieces = n_spans = 0
    for j in range(n):
        parts[j] = n_parts
        a, b = low[j], high[j]
        for k in range(n_trees):
            apart = False
            for i in range(first[k], first[k + 1]):
                here, after = t.leaf_lo[leaf[i], j], t.leaf_hi[leaf[i], j] + 1
                if a < here <= b:
                    begins[here] = n_parts
                    apart = True
                if a < after <= b:
                    begins[after] = n_parts
                    apart = True
            # The tree does not see this feature here: a charge would be the same in all its leaves.
            if not apart:
                continue
            tree[n_parts], spans[n_parts] = k, n_spans
            begins[a] = n_parts
            own = -1
            for c in range(a, b + 1):
                if begins[c] == n_parts:
                    cell[n_pieces] = c
                    n_pieces += 1
                    own += 1
                number[c] = own
            for i in range(first[k], first[k + 1]):
                low_piece[n_spans] = number[max(a, t.leaf_lo[leaf[i], j])]
                high_piece[n_spans] = number[min(b, t.leaf_hi[leaf[i], j])]
                n_spans += 1
            n_parts += 1
            pieces[n_parts] = n_pieces
        for c in range(a, b + 1):
            begins[c] = -1
    parts[n] = n_parts
    return (
        leaf, first, parts, tree[:n_parts].copy(), pieces[: n_parts + 1].copy(),
        cell[:n_pieces].copy(), spans[:n_parts].copy(), low_piece[:n_spans].copy(),
        high_piece[:n_spans].copy(),
    )  # fmt: skip


@allocating
def _inherit(x: Parts, high: Ints, other: Parts, charge: Floats) -> Floats:
    """Charges of the parts ``x`` from those of a box around: of each piece, the least."""
    own = np.zeros(len(x.cell))
    for j in range(len(x.parts) - 1):
        k = other.parts[j]
        for p in range(x.parts[j], x.parts[j + 1]):
            # Both list a feature's parts by tree, so one pass finds the pairs.
            while k < other.parts[j + 1] and other.tree[k] < x.tree[p]:
                k += 1
            if k == other.parts[j + 1] or other.tree[k] != x.tree[p]:
                continue
            at, end = other.pieces[k], other.pieces[k + 1]
            for i in range(x.pieces[p], x.pieces[p + 1]):
                last = x.cell[i + 1] - 1 if i + 1 < x.pieces[p + 1] else high[j]
                while at + 1 < end and other.cell[at + 1] <= x.cell[i]:
                    at += 1
                # Any charges give a bound. The least of those covered is
                # what a leaf pays there already.
                own[i] = charge[at]
                beyond = at + 1
                while beyond < end and other.cell[beyond] <= last:
                    own[i] = min(own[i], charge[beyond])
                    beyond += 1
    return own


@allocating
def _least_charge(charge: Floats, start: Whole, low: Whole, high: Whole) -> float:
    least = charge[start + low]
    for i in range(start + low + 1, start + high + 1):
        least = min(least, charge[i])
    return least


@allocating
def _add(x: Parts, p: Whole, i: Whole, o: Whole, high: Whole, rest: Floats, amount: float) -> None:
    """Add to what is left of the cells of piece ``i`` of part ``p``."""
    after = x.cell[i + 1] if i + 1 < x.pieces[p + 1] else high + 1
    for c in range(o + x.cell[i], o + after):
        rest[c] += amount


@allocating
def _account(
    t: Tables, x: Parts, goal: Ints, cost: Floats, high: Ints, charge: Floats, price: Floats
) -> tuple[Floats, Floats, float]:
    """What every leaf pays, what is left of every cell's cost (infinite where a tree has no leaf
    within reach), and the sum of all sizes that enter the bound."""
    pay, rest = np.empty(len(x.leaf)), cost.copy()
    size = 0.0
    for k in range(len(x.first) - 1):
        # What rounding can be is bounded by the sizes that enter the sums.
        most = 0.0
        for i in range(x.first[k], x.first[k + 1]):
            pay[i] = price[goal[k]] * t.value[x.leaf[i]]
            most = max(most, abs(pay[i]))
        size += most
    for j in range(len(x.parts) - 1):
        o = t.cells[j]
        for p in range(x.parts[j], x.parts[j + 1]):
            start, most = x.pieces[p], 0.0
            met = np.zeros(x.pieces[p + 1] - start, np.bool_)
            at = x.spans[p]
            for i in range(x.first[x.tree[p]], x.first[x.tree[p] + 1]):
                pay[i] += _least_charge(charge, start, x.low[at], x.high[at])
                for k in range(x.low[at], x.high[at] + 1):
                    met[k] = True
                at += 1
            for i in range(start, x.pieces[p + 1]):
                most = max(most, abs(charge[i]))
                # No row is in a piece that the tree has no leaf in:
                # nothing else may choose it either.
                _add(x, p, i, o, high[j], rest, -charge[i] if met[i - start] else np.inf)
            size += most
    return pay, rest, size


@allocating
def _share_out(
    t: Tables, x: Parts, j: Whole, high: Ints, back: bool, charge: Floats, pay: Floats,
    rest: Floats, asked: Floats, dear: float,
) -> None:  # fmt: skip
    """Gather what each tree would pay at least for each piece of feature ``j``, and share the sums
    out anew. Pieces out of reach are charged ``dear``."""
    o = t.cells[j]
    for p in range(x.parts[j], x.parts[j + 1]):
        start, at, end = x.pieces[p], x.spans[p], x.pieces[p + 1] - x.pieces[p] - 1
        for i in range(start, x.pieces[p + 1]):
            asked[i] = np.inf
        # A leaf that spans all pieces asks the same of each: noted once, not piece by piece.
        whole, anywhere = _least_charge(charge, start, np.int64(0), end), np.inf
        for i in range(x.first[x.tree[p]], x.first[x.tree[p] + 1]):
            if x.low[at] == 0 and x.high[at] == end:
                pay[i] -= whole
                anywhere = min(anywhere, pay[i])
            else:
                pay[i] -= _least_charge(charge, start, x.low[at], x.high[at])
                for k in range(start + x.low[at], start + x.high[at] + 1):
                    asked[k] = min(asked[k], pay[i])
            at += 1
        for i in range(start, x.pieces[p + 1]):
            asked[i] = min(asked[i], anywhere)
            # The old charge is given back, and what the tree would pay
            # is thrown in: shared out below.
            _add(x, p, i, o, high[j], rest, charge[i] + asked[i])
    left = x.parts[j + 1] - x.parts[j]
    # Forth and back in turn: charges travel both ways through the trees (Kolmogorov 2006).
    for turn in range(left):
        p = x.parts[j + 1] - 1 - turn if back else x.parts[j] + turn
        start, at = x.pieces[p], x.spans[p]
        for i in range(start, x.pieces[p + 1]):
            after = x.cell[i + 1] if i + 1 < x.pieces[p + 1] else high[j] + 1
            least = np.inf
            for c in range(o + x.cell[i], o + after):
                least = min(least, rest[c])
            # No row is there. `dear` closes such a leaf as infinity
            # would, and can be taken away again.
            if least == np.inf:
                charge[i] = dear
                continue
            # In equal parts among the trees still to come; the last takes what is left.
            share = least / (left - turn)
            charge[i] = share - asked[i]
            for c in range(o + x.cell[i], o + after):
                rest[c] -= share
        end = x.pieces[p + 1] - start - 1
        whole = _least_charge(charge, start, np.int64(0), end)
        for i in range(x.first[x.tree[p]], x.first[x.tree[p] + 1]):
            if x.low[at] == 0 and x.high[at] == end:
                pay[i] += whole
            else:
                pay[i] += _least_charge(charge, start, x.low[at], x.high[at])
            at += 1


@allocating
def _chosen(
    t: Tables, x: Parts, goal: Ints, g: Whole, more: float, pay: Floats
) -> tuple[float, float]:
    """What the trees of goal ``g`` pay if its price were higher by ``more``, and their value."""
    total = value = 0.0
    for k in range(len(goal)):
        if goal[k] == g:
            least, best = np.inf, x.first[k]
            for i in range(x.first[k], x.first[k + 1]):
                # `pay` holds the price times the value already; only the difference is added.
                own = pay[i] + more * t.value[x.leaf[i]]
                if own < least:
                    least, best = own, i
            total += least
            value += t.value[x.leaf[best]]
    return total, value


@allocating
def _left(t: Tables, low: Ints, high: Ints, rest: Floats) -> float:
    """Sum over features of the least that is left."""
    total = 0.0
    for j in range(len(low)):
        least = np.inf
        for c in range(t.cells[j] + low[j], t.cells[j] + high[j] + 1):
            least = min(least, rest[c])
        total += least
    return total


@allocating
def _reprice(t: Tables, x: Parts, goal: Ints, limit: Floats, price: Floats, pay: Floats) -> float:
    """The best price of each goal between half and double of what it is; what the trees then pay
    beyond the limits."""
    result = 0.0
    for g in range(len(limit)):
        total, value = _chosen(t, x, goal, g, 0.0, pay)
        # The bound is concave in a price, and its slope is the chosen value less the limit: its
        # sign says on which side the best price is.
        now = total - price[g] * limit[g]
        low, high = -0.5 * price[g], price[g]
        if value > limit[g]:
            low = 0.0
        else:
            high = 0.0
        # Six halvings: prices are refined again after each sweep, so no more is needed here.
        for _ in range(6):
            middle = 0.5 * (low + high)
            if _chosen(t, x, goal, g, middle, pay)[1] > limit[g]:
                low = middle
            else:
                high = middle
        more = 0.5 * (low + high)
        then = _chosen(t, x, goal, g, more, pay)[0] - (price[g] + more) * limit[g]
        # The search ends beside a kink and not on it, so the old price may be the better one.
        if then > now:
            now = then
            price[g] += more
            for k in range(len(goal)):
                if goal[k] == g:
                    for i in range(x.first[k], x.first[k + 1]):
                        pay[i] += more * t.value[x.leaf[i]]
        result += now
    return result


@allocating
def _tell(
    t: Tables, x: Parts, goal: Ints, price: Floats, more: float, low: Ints, high: Ints, pay: Floats,
    above: Floats, below: Floats,
) -> None:  # fmt: skip
    """Count, for every cell, the trees whose cheapest leaf begins there or later, and those whose
    leaf ends before it; at prices higher by the part ``more``."""
    for c in range(len(above)):
        # Earlier sweeps still count a little: near the best charges, choices jump between leaves.
        above[c] *= FADING
        below[c] *= FADING
    for k in range(len(x.first) - 1):
        extra, least, best = more * price[goal[k]], np.inf, x.first[k]
        for i in range(x.first[k], x.first[k + 1]):
            own = pay[i] + extra * t.value[x.leaf[i]]
            if own < least:
                least, best = own, i
        leaf = x.leaf[best]
        for j in range(len(low)):
            o = t.cells[j]
            for c in range(low[j] + 1, min(t.leaf_lo[leaf, j], high[j]) + 1):
                above[o + c] += 1.0
            for c in range(max(t.leaf_hi[leaf, j], low[j]) + 1, high[j] + 1):
                below[o + c] += 1.0


@allocating
def _disputed(
    t: Tables, low: Ints, high: Ints, above: Floats, below: Floats
) -> tuple[Whole, Whole]:
    """The cell about which the trees disagree most; (-1, 0) if they agree."""
    most, column, edge = 0.0, -1, 0
    for j in range(len(low)):
        for c in range(low[j] + 1, high[j] + 1):
            # A cut helps by the smaller side: in both halves some trees lose their cheapest leaf.
            votes = min(above[t.cells[j] + c], below[t.cells[j] + c])
            if votes > most:
                most, column, edge = votes, j, c
    return column, edge


@allocating
def _disagreed(
    t: Tables, low: Ints, high: Ints, rest: Floats, above: Floats, below: Floats, least: float
) -> tuple[Whole, Whole]:
    """Where to halve so that the dearest cells are parted from cheaper ones, though the trees
    agree.

    The difference is at least ``least``; (-1, 0) if there is no such place.
    """
    column, edge = -1, 0
    for j in range(len(low)):
        o = t.cells[j]
        first, last = low[j], high[j]
        for c in range(low[j] + 1, high[j] + 1):
            # Without disputes, all leaves of all trees hold the cells `first..last`.
            if above[o + c] > 0.0:
                first = c
            if below[o + c] > 0.0:
                last = min(last, c - 1)
        inside = outside = np.inf
        at = first
        for c in range(low[j], high[j] + 1):
            if first <= c <= last:
                inside = min(inside, rest[o + c])
            elif rest[o + c] < outside:
                outside, at = rest[o + c], c
        # Cut between the agreed cells and the cheapest elsewhere, so that both must give way.
        if inside - outside > least:
            least, column, edge = inside - outside, j, (first if at < first else last + 1)
    return column, edge


@allocating
def _cut(
    t: Tables, x: Parts, goal: Ints, price: Floats, low: Ints, high: Ints, pay: Floats,
    rest: Floats, above: Floats, below: Floats, least: float,
) -> tuple[Whole, Whole]:  # fmt: skip
    """Where to halve: between cells that the trees disagree about; that the features would rather
    have; or that the trees would choose at other prices."""
    column, edge = _disputed(t, low, high, above, below)
    if column < 0:
        column, edge = _disagreed(t, low, high, rest, above, below, least)
    if column >= 0:
        return column, edge
    more = LEAST_PERTURBATION
    ups, downs = np.zeros(len(above)), np.zeros(len(above))
    while column < 0 and more <= 1.0:
        _tell(t, x, goal, price, more, low, high, pay, ups, downs)
        _tell(t, x, goal, price, -more, low, high, pay, ups, downs)
        column, edge = _disputed(t, low, high, ups, downs)
        # Small changes first: the first price at which trees disagree
        # shows the nearest other choice.
        more *= 4.0
    return column, edge


@allocating
def _wish(
    t: Tables, q: Question, low: Ints, high: Ints, lo: Ints, hi: Ints, above: Floats, below: Floats
) -> Ints:
    """The position of each feature that is cheapest among the cells that the fewest trees object
    to."""
    wish = np.empty(len(low), np.int64)
    for j in range(len(low)):
        o = t.cells[j]
        fewest, least = np.inf, np.inf
        for c in range(low[j], high[j] + 1):
            first, last = _positions(t, q, lo, hi, j, c)
            if first > last:
                continue
            # Trees whose leaf ends before this cell, and those whose leaf begins after it.
            against = below[o + c]
            if c < high[j]:
                against += above[o + c + 1]
            p = cheapest(q, j, first, last)
            cost = cost_at(q, j, p)
            if against < fewest or (against == fewest and cost < least):
                fewest, least, wish[j] = against, cost, p
    return wish


@allocating
def _copy(some: Floats, into: Floats) -> None:
    for i in range(len(some)):
        into[i] = some[i]


@allocating
def _ascend(
    t: Tables, x: Parts, goal: Ints, limit: Floats, cost: Floats, low: Ints, high: Ints,
    charge: Floats, price: Floats, above: Floats, below: Floats, enough: float,
) -> tuple[float, Whole, Whole]:  # fmt: skip
    """Better charges and prices, in place; the bound, rounding taken off, and below ``enough``
    where to halve."""
    pay, rest, _ = _account(t, x, goal, cost, high, charge, price)
    asked, best = np.empty(len(charge)), -np.inf
    kept, kept_price = charge.copy(), price.copy()
    # A sweep may lose where a price moved, so the best charges are kept.
    for s in range(SWEEPS):
        for turn in range(len(low)):
            j = len(low) - 1 - turn if s % 2 else turn
            if x.parts[j] < x.parts[j + 1]:
                _share_out(t, x, j, high, s % 2 == 1, charge, pay, rest, asked, enough)
        bound = _reprice(t, x, goal, limit, price, pay) + _left(t, low, high, rest)
        _tell(t, x, goal, price, 0.0, low, high, pay, above, below)
        if bound > best:
            best = bound
            _copy(charge, kept)
            _copy(price, kept_price)
            # The box is closed: more would prove nothing.
            if best >= enough:
                break
    _copy(kept, charge)
    _copy(kept_price, price)
    # Anew from the charges: what is claimed does not rest on what sweeps have added up.
    pay, rest, size = _account(t, x, goal, cost, high, charge, price)
    bound = _left(t, low, high, rest)
    for j in range(len(low)):
        most = 0.0
        for c in range(t.cells[j] + low[j], t.cells[j] + high[j] + 1):
            most = max(most, cost[c])
        size += most
    for g in range(len(limit)):
        size += abs(price[g] * limit[g])
        bound += _chosen(t, x, goal, g, 0.0, pay)[0] - price[g] * limit[g]
    # Rounding must never close a box: it is taken off the bound.
    bound -= MARGIN * size
    if bound >= enough:
        return bound, -1, 0
    column, edge = _cut(t, x, goal, price, low, high, pay, rest, above, below, 1e-6 * enough)
    return bound, column, edge


def _entry_points(sources: str) -> Any:
    """As those of :mod:`explainers.search.trees.entry_points`."""

    class LagrangianEntryPoints:
        @staticmethod
        @allocating_entry(STRUCT, STRUCT, WHOLES, WHOLES)
        def least_costs(t: Tables, q: Question, lo: Ints, hi: Ints) -> tuple[Floats, Ints, Ints]:
            sources  # noqa: B018
            return _least_costs(tables_at(t), question_at(q), lo, hi)

        @staticmethod
        @allocating_entry(STRUCT, BITS, WHOLES, WHOLES)
        def lay_out(t: Tables, reach: Words, low: Ints, high: Ints) -> tuple[Ints, ...]:
            sources  # noqa: B018
            return _lay_out(tables_at(t), reach, low, high)

        @staticmethod
        @allocating_entry(STRUCT, WHOLES, STRUCT, REALS)
        def inherit(x: Parts, high: Ints, other: Parts, charge: Floats) -> Floats:
            sources  # noqa: B018
            return _inherit(_parts_at(x), high, _parts_at(other), charge)

        @staticmethod
        @allocating_entry(
            STRUCT, STRUCT, WHOLES, REALS, REALS, WHOLES, WHOLES, REALS, REALS, REALS, REALS, REAL
        )
        def ascend(
            t: Tables, x: Parts, goal: Ints, limit: Floats, cost: Floats, low: Ints, high: Ints,
            charge: Floats, price: Floats, above: Floats, below: Floats, enough: float,
        ) -> tuple[float, Whole, Whole]:  # fmt: skip
            sources  # noqa: B018
            return _ascend(
                tables_at(t), _parts_at(x), goal, limit, cost, low, high, charge, price, above,
                below, enough,
            )  # fmt: skip

        @staticmethod
        @allocating_entry(STRUCT, STRUCT, WHOLES, WHOLES, WHOLES, WHOLES, REALS, REALS)
        def wish(
            t: Tables,
            q: Question,
            low: Ints,
            high: Ints,
            lo: Ints,
            hi: Ints,
            above: Floats,
            below: Floats,
        ) -> Ints:
            sources  # noqa: B018
            return _wish(tables_at(t), question_at(q), low, high, lo, hi, above, below)

    return LagrangianEntryPoints


entry_points = _entry_points(SOURCES)


def priced(
    t: Tables, q: Question, a: Arena, best: float, around: Priced | None, look: Callable[[], None]
) -> Priced | None:
    """A box with a bound and the charges that gave it.

    Parameters
    ----------
    t : Tables
    q : Question
    a : Arena
        A search for less than ``best`` has begun in it; its bottom box is priced.
    best : float
        A finite cost.
    around : Priced, optional
        A box around it, priced on the same tables.
    look : callable
        Called every few milliseconds; may raise.

    Returns
    -------
    Priced or None
        None if no row of the box in the target costs less than ``best``.
    """
    lo, hi = a.lo[0].copy(), a.hi[0].copy()
    cost, low, high = entry_points.least_costs(t, q, lo, hi)
    x = Parts(*entry_points.lay_out(t, a.reach, low, high))
    if (x.first[1:] == x.first[:-1]).any():
        return None  # a tree without a leaf in the box
    goal = np.repeat(np.arange(len(t.groups) - 1), np.diff(t.groups))
    limit = q.limit + q.band - t.constant
    charge = (
        np.zeros(len(x.cell)) if around is None else entry_points.inherit(x, high, *around[3:5])
    )
    price = np.zeros(len(limit)) if around is None else around.price.copy()
    above, below = np.zeros(len(cost)), np.zeros(len(cost))
    _first_prices(t, q, x, goal, limit, best, a.corner, price)
    bound = -np.inf
    while True:
        look()
        now, column, edge = entry_points.ascend(
            t, x, goal, limit, cost, low, high, charge, price, above, below, best
        )
        if now >= best:
            return None
        if now - bound <= WORTH_GOING_ON * (best - now):
            break
        bound = now
    bound = max(bound, now, 0.0 if around is None else around.bound)
    wish = entry_points.wish(t, q, low, high, lo, hi, above, below)
    return Priced(lo, hi, bound, x, charge, price, column, edge, wish)


def _first_prices(
    t: Tables, q: Question, x: Parts, goal: Ints, limit: Floats, best: float, corner: Ints,
    price: Floats,
) -> None:  # fmt: skip
    """A price for each goal that has none and that the cheapest corner misses: what there is to
    spend, over how far the corner is from the limit."""
    new = np.flatnonzero(price == 0.0)
    if not len(new):
        return
    cell = t.coarse[t.fine[:-1] + q.cells_at(corner)]
    holds = (t.leaf_lo[x.leaf] <= cell) & (cell <= t.leaf_hi[x.leaf])
    values = np.where(holds.all(axis=1), t.value[x.leaf], 0.0)
    for g in new:
        missing = float(values[goal[_trees_of(x)] == g].sum() - limit[g])
        if missing > 0.0:
            price[g] = best / missing


def _trees_of(x: Parts) -> Ints:
    """Tree of every leaf."""
    return np.repeat(np.arange(len(x.first) - 1), np.diff(x.first))
