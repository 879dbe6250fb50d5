"""All rows of an affine model that may be cheaper than the best, whatever pieces they choose.

At a price for what a row lacks to the target, each value of a lever costs something beyond the
lever's cheapest, and together a row may spend no more of that than the best costs beyond the bound
at that price (reduced costs: Dantzig 1963). On a fine grid that is little, so few values of each
lever are left, but of one lever, all of whose values are worth the same: the others are joined one
by one, and what that one may be beside them is an interval.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from explainers.search.milp.closing import AT_ONCE, ROOM, Below, TooMany, narrow
from explainers.search.milp.levers import Lever, Levers, Piece
from models.predictor import Row, Rows

Floats = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]
Bounds = tuple[Floats, Floats]
"""Least and greatest value of each column."""
BelowOf = Callable[[Floats, Floats], Sequence[Below]]
"""What is below the raw outputs where columns are between some values."""

MOST_JOINED = 1 << 12
"""Choices of all levers but one."""


@dataclass(frozen=True, eq=False)
class Ends:
    """Cost of every piece of every lever, and what it adds to what is lacking."""

    first: Floats
    """``(n_pieces, 2)``: both at the first step, and how they rise by step."""
    rise: Floats
    steps: Whole
    starts: Whole
    """``(n_levers + 1,)`` first piece of each lever."""
    constant: float
    """What is lacking besides."""

    @classmethod
    def of(cls, levers: Levers, below: Below) -> Ends:
        first, rise, steps, starts = [], [], [], [0]
        for lever in levers.each:
            weights = below.weights[lever.own]
            for piece in lever.pieces:
                first.append((piece.cost, float(piece.inputs @ weights)))
                rise.append((piece.cost_rise, float(piece.inputs_rise @ weights)))
                steps.append(piece.steps)
            starts.append(len(first))
        constant = below.constant + float(below.weights @ levers.constant)
        return cls(np.array(first), np.array(rise), np.array(steps), np.array(starts), constant)

    @cached_property
    def both(self) -> Floats:
        """``(2 * n_pieces, 2)``: cost and lack at the first and the last step of each piece."""
        last = self.first + self.steps[:, None] * self.rise
        return np.stack([self.first, last], axis=1).reshape(-1, 2)

    @cached_property
    def bound(self) -> tuple[float, float]:
        """No row that lacks nothing costs less than the first of these; the second is the price
        of what is lacking that says so, the best of those at which two ends of a lever are worth
        the same."""
        prices = np.unique(np.concatenate([[0.0], *map(self._ties, range(len(self.starts) - 1))]))
        worth = self.both[:, :1] + self.both[:, 1:] * prices
        each = np.minimum.reduceat(worth, 2 * self.starts[:-1], axis=0)
        bounds = each.sum(axis=0) + self.constant * prices
        best = int(np.argmax(bounds))
        return float(bounds[best]), float(prices[best])

    def _ties(self, lever: int) -> Floats:
        own = self.both[2 * self.starts[lever] : 2 * self.starts[lever + 1]]
        one, other = np.triu_indices(len(own), 1)
        apart = own[one] - own[other]
        with np.errstate(divide="ignore", invalid="ignore"):
            prices = -apart[:, 0] / apart[:, 1]
        return np.asarray(prices[np.isfinite(prices) & (prices > 0.0)])

    @property
    def room(self) -> float:
        """For the rounding of sums."""
        sizes = np.abs(self.both).max(axis=0) * len(self.starts) + np.array([1.0, 1.0])
        return ROOM * float(sizes[0] + self.bound[1] * sizes[1])


@dataclass(frozen=True, eq=False)
class Values:
    """Some values of one lever, the cheapest at the price first."""

    piece: Whole
    """``(n,)`` which of the lever's pieces each is of, and its step there."""
    step: Whole
    cost: Floats
    lack: Floats
    extra: Floats
    """At the price, beyond the lever's cheapest."""

    @classmethod
    def of(cls, ends: Ends, lever: int, spare: float) -> Values:
        """Those that cost no more than ``spare`` beyond the cheapest.

        Raises
        ------
        TooMany
            If they are more than can be joined.
        """
        first, price = int(ends.starts[lever]), ends.bound[1]
        runs = [_affordable(ends, lever, p, spare) for p in range(first, ends.starts[lever + 1])]
        if sum(stop - start for start, stop in runs) > MOST_JOINED:
            raise TooMany
        steps = [np.arange(start, stop) for start, stop in runs]
        piece = np.repeat(np.arange(len(runs)), [len(own) for own in steps])
        step = np.concatenate(steps)
        made = ends.first[first + piece] + step[:, None] * ends.rise[first + piece]
        worth = made[:, 0] + price * made[:, 1]
        order = np.argsort(worth, kind="stable")
        extra = worth[order] - _least(ends, lever)
        return cls(piece[order], step[order], made[order, 0], made[order, 1], extra)

    def values_in(self, lever: Lever) -> Floats:
        """The values themselves."""
        found = np.empty(len(self.piece))
        for k, piece in enumerate(lever.pieces):
            own = self.piece == k
            found[own] = values_of(piece, self.step[own])
        return found


def values_of(piece: Piece, steps: Whole) -> Floats:
    """The values of a piece at some steps."""
    if piece.grid is None:
        return np.full(len(steps), piece.value)
    return piece.grid.value(piece.multiple + steps)


def _least(ends: Ends, lever: int) -> float:
    own = ends.both[2 * ends.starts[lever] : 2 * ends.starts[lever + 1]]
    return float((own[:, 0] + ends.bound[1] * own[:, 1]).min())


def _affordable(ends: Ends, lever: int, piece: int, spare: float) -> tuple[int, int]:
    """First step, and the one after the last, of a piece that may cost no more than ``spare``
    beyond the lever's cheapest."""
    at_price = np.array([1.0, ends.bound[1]])
    start, rise = float(ends.first[piece] @ at_price), float(ends.rise[piece] @ at_price)
    low, high = np.zeros(1, np.int64), ends.steps[piece : piece + 1].copy()
    narrow(low, high, rise, np.array([spare + _least(ends, lever) - start]))
    return max(0, int(low[0])), min(int(ends.steps[piece]), int(high[0])) + 1


def cheaper(levers: Levers, below_of: BelowOf, factual: Row, cost: float) -> Iterator[Rows]:
    """All actions that cost less than ``cost``, but for rounding, and that may be in the target,
    part after part.

    Raises
    ------
    TooMany
        If they are too many to be made.
    """
    bounds = _bounds(levers, [_whole(lever) for lever in levers.each])
    # What is in doubt depends on how large columns may be: once more, where they may be less.
    for _ in range(2):
        ends = max((Ends.of(levers, b) for b in below_of(*bounds)), key=lambda e: e.bound[0])
        spare = cost - ends.bound[0] + ends.room
        if spare < 0.0:
            return
        each = [
            [(_affordable(ends, j, p, spare)) for p in range(ends.starts[j], ends.starts[j + 1])]
            for j in range(len(levers.each))
        ]
        bounds = _bounds(levers, each)
    sizes = [sum(max(0, stop - start) for start, stop in runs) for runs in each]
    free = int(np.argmax(sizes))
    others = sorted((j for j in range(len(sizes)) if j != free), key=sizes.__getitem__)
    values = {j: Values.of(ends, j, spare) for j in others}
    picked, costs, lacks = _joined(values, spare)
    rows = np.repeat(factual[None, :], len(costs), axis=0)
    for k, j in enumerate(others):
        rows[:, levers.each[j].column] = values[j].values_in(levers.each[j])[picked[k]]
    yield from _with_free(levers.each[free], ends, free, (rows, costs, lacks), cost)


def least(levers: Levers, below_of: BelowOf) -> float:
    """No action that may be in the target costs less."""
    bounds = _bounds(levers, [_whole(lever) for lever in levers.each])
    return max(Ends.of(levers, below).bound[0] for below in below_of(*bounds))


def _whole(lever: Lever) -> list[tuple[int, int]]:
    return [(0, piece.steps + 1) for piece in lever.pieces]


def _bounds(levers: Levers, each: Sequence[Sequence[tuple[int, int]]]) -> Bounds:
    """Of columns, where levers are at some steps of their pieces."""
    low, high = levers.constant.copy(), levers.constant.copy()
    for lever, runs in zip(levers.each, each, strict=True):
        made = [
            piece.inputs + k * piece.inputs_rise
            for piece, (start, stop) in zip(lever.pieces, runs, strict=True)
            if start < stop
            for k in (start, stop - 1)
        ]
        if made:
            low[lever.own], high[lever.own] = np.min(made, axis=0), np.max(made, axis=0)
    return low, high


def _joined(values: dict[int, Values], spare: float) -> tuple[list[Whole], Floats, Floats]:
    """Of each of some levers a value, all together within ``spare``: which of its values, and what
    they cost and lack together."""
    extra, cost, lack = np.zeros(1), np.zeros(1), np.zeros(1)
    picked: list[Whole] = []
    for own in values.values():
        counts = own.extra.searchsorted(spare - extra, side="right")
        if counts.sum() > MOST_JOINED:
            raise TooMany
        source = np.repeat(np.arange(len(extra)), counts)
        rung = np.arange(len(source)) - np.repeat(np.cumsum(counts) - counts, counts)
        extra, cost = extra[source] + own.extra[rung], cost[source] + own.cost[rung]
        lack = lack[source] + own.lack[rung]
        picked = [*(some[source] for some in picked), rung]
    return picked, cost, lack


def _with_free(
    lever: Lever, ends: Ends, free: int, joined: tuple[Rows, Floats, Floats], most: float
) -> Iterator[Rows]:
    """Rows with every value of one more lever with which they cost less than ``most`` and lack
    nothing."""
    rows, costs, lacks = joined
    made, room = 0, ends.room
    for k, piece in enumerate(lever.pieces):
        p = int(ends.starts[free]) + k
        low, high = np.zeros(len(rows), np.int64), np.full(len(rows), piece.steps)
        narrow(low, high, ends.rise[p, 0], most + room - costs - ends.first[p, 0])
        narrow(low, high, ends.rise[p, 1], room - ends.constant - lacks - ends.first[p, 1])
        counts = np.maximum(np.minimum(high, piece.steps) - np.maximum(low, 0) + 1, 0)
        made += int(counts.sum())
        if made > 16 * MOST_JOINED:
            raise TooMany
        source = np.repeat(np.arange(len(rows)), counts)
        steps = np.arange(len(source)) - np.repeat(np.cumsum(counts) - counts, counts)
        steps += np.maximum(low, 0)[source]
        for start in range(0, len(source), AT_ONCE):
            part = rows[source[start : start + AT_ONCE]]
            part[:, lever.column] = values_of(piece, steps[start : start + AT_ONCE])
            yield part
