"""One question's way to its proof: boxes of positions, the cheapest first, until none is cheaper
than the best row."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations

import numpy as np
import numpy.typing as npt

from ifonly.explainers.deadline import Deadline
from ifonly.explainers.errors import DeadlineReached
from ifonly.explainers.problem import Problem
from ifonly.explainers.search.composed.enclosures import Encloser
from ifonly.explainers.search.composed.hulls import Hull
from ifonly.explainers.search.composed.levers import GridLever, Positions
from ifonly.explainers.search.composed.pricing import least_costs
from ifonly.explainers.search.composed.rules import ValueBoxes, refuted
from ifonly.explainers.search.engine import Meter, SearchOutcome
from ifonly.explainers.search.goals import LinearGoal
from ifonly.explainers.search.incumbents import BudgetSpent, Incumbents
from ifonly.models.graph.forms import Columns
from ifonly.models.predictor import Rows

Floats = npt.NDArray[np.float64]
Masks = npt.NDArray[np.bool_]

BATCH, NUMBERS = 128, 300_000
"""Boxes that are bounded at once, at most, and numbers of a node for all of them: between two
batches the deadline is looked at."""
FEW = 48
"""Rows of a box that are all put to the model instead of being cut further."""
MOST_OPEN = 2_000_000
"""Boxes that may be open: beyond it the search ends with its bound."""
IN_PAIRS = 16
"""Values of each of two levers that are tried together, at first."""
LOOKED_INTO = 8
"""Levers of a box of which it is seen what each adds to its bound."""


class CompositionSearch:
    """Branch and bound for one question."""

    def __init__(
        self,
        problem: Problem,
        columns: Columns,
        encloser: Encloser,
        goals: Sequence[LinearGoal],
        meter: Meter,
        deadline: Deadline,
    ) -> None:
        self._problem = problem
        self._encloser = encloser
        self._goals = goals
        self._deadline = deadline
        self._incumbents = Incumbents(problem, meter)
        self._levers = [GridLever(problem, columns, int(j)) for j in problem.movable]
        for lever in self._levers:
            lever.check()
        self._batch = int(np.clip(NUMBERS // encloser.width, 4, BATCH))
        self._start = problem.start
        cuts = encloser.cuts()
        self._jumps = [lever.jumps([cuts[k] for k in lever.own]) for lever in self._levers]
        self._fixed = columns.encode(self._start[None, :])[0].astype(np.float64)
        m = len(self._levers)
        self._low = np.zeros((1, m), dtype=np.int64)
        self._high = np.array([[lever.size - 1 for lever in self._levers]], dtype=np.int64)
        self._floor = self._corner_costs(self._low, self._high)[1].sum(axis=1)
        self._seen = np.zeros(1, dtype=np.bool_)
        """Whether the cheapest corner of a box has been put to the model."""

    def run(self) -> SearchOutcome:
        proven = False
        try:
            self._first_answers()
            # Where nothing can move, the one row that there is has been put to the model.
            proven = not self._levers or self._close()
        except (DeadlineReached, BudgetSpent):
            pass
        bound = self._incumbents.cost
        if not proven and len(self._floor):
            bound = min(bound, float(self._floor.min()))
        return SearchOutcome(
            self._incumbents.rows,
            bound,
            None if proven else self._incumbents.nearest,
            self._deadline.expired(),
        )

    # --- first answers ----------------------------------------------------------------------------

    def _first_answers(self) -> None:
        """Each lever alone, then each two: most answers are of these, and all boxes that cost more
        are closed from the beginning."""
        if not self._levers:
            self._incumbents.consider(self._start[None, :])
            return
        ladders = {lever.feature: self._incumbents.ladder(lever.feature) for lever in self._levers}
        start = self._start[None, :]
        self._incumbents.consider(
            np.concatenate([start, *(ladder.on(start) for ladder in ladders.values())])
        )
        for one, other in combinations(ladders.values(), 2):
            rows = other.thinned(IN_PAIRS).on(one.thinned(IN_PAIRS).on(start))
            self._incumbents.consider(rows)

    # --- boxes ------------------------------------------------------------------------------------

    def _close(self) -> bool:
        """Whether it was proven that nothing is cheaper than the best."""
        while True:
            self._incumbents.check()
            best = self._incumbents.cost
            kept = self._floor < best
            if not kept.all():
                self._keep(kept)
            if not len(self._floor):
                return True
            if len(self._floor) > MOST_OPEN:
                return False
            n = min(self._batch, len(self._floor))
            chosen = np.argpartition(self._floor, n - 1)[:n]
            parts = self._opened(chosen)
            # Only now, so that what is open is never forgotten when the time is up.
            left = np.ones(len(self._floor), dtype=np.bool_)
            left[chosen] = False
            self._keep(left)
            self._low = np.concatenate([self._low, parts[0]])
            self._high = np.concatenate([self._high, parts[1]])
            self._floor = np.concatenate([self._floor, parts[2]])
            self._seen = np.concatenate([self._seen, parts[3]])

    def _keep(self, kept: Masks) -> None:
        self._low, self._high = self._low[kept], self._high[kept]
        self._floor, self._seen = self._floor[kept], self._seen[kept]

    def _opened(self, chosen: npt.NDArray[np.intp]) -> tuple[Positions, Positions, Floats, Masks]:
        """Parts of the chosen boxes that may hold something cheaper than the best."""
        low, high, seen = self._low[chosen], self._high[chosen], self._seen[chosen]
        self._incumbents.opened(len(chosen))
        low, high, corner, costs = self._shrunk(low, high)
        open_ = ~refuted(self._problem.constraints, self._as_values(low, high))
        floors, hints = self._told(low, high)
        told = np.maximum(floors, costs.sum(axis=1))
        open_ &= told < self._incumbents.cost
        low, high, corner = low[open_], high[open_], corner[open_]
        floor, seen = told[open_], seen[open_]
        self._incumbents.consider(self._rows(hints[np.tile(open_, 2)]))
        # The cheapest row of each; and one in the middle, which may be the first that is found.
        middle = (low + high) >> 1
        self._incumbents.consider(self._rows(corner[~seen]))
        if math.isinf(self._incumbents.cost):
            self._incumbents.consider(self._rows(middle))
        volume = (high - low + 1).astype(np.float64).prod(axis=1)
        small = volume <= FEW
        if small.any():
            self._incumbents.consider(self._all_rows(low[small], high[small]))
        open_ = ~small & (floor < self._incumbents.cost)
        low, high, corner = low[open_], high[open_], corner[open_]
        if not len(low):
            return low, high, floor[open_], seen[open_]
        return self._split(low, high, corner, floor[open_])

    def _shrunk(
        self, low: Positions, high: Positions
    ) -> tuple[Positions, Positions, Positions, Floats]:
        """The same boxes without what costs as much as the best; and their cheapest rows."""
        corner, costs = self._corner_costs(low, high)
        best = self._incumbents.cost
        if math.isfinite(best):
            low, high = low.copy(), high.copy()
            # A hair more, so that sums in another order close nothing that is cheaper.
            spare = best * (1.0 + 1e-9) - costs.sum(axis=1)
            for k, lever in enumerate(self._levers):
                low[:, k], high[:, k] = lever.within(low[:, k], high[:, k], spare + costs[:, k])
        return low, high, corner, costs

    def _corner_costs(self, low: Positions, high: Positions) -> tuple[Positions, Floats]:
        corner, costs = np.empty_like(low), np.empty(low.shape)
        for k, lever in enumerate(self._levers):
            corner[:, k], costs[:, k] = lever.cheapest(low[:, k], high[:, k])
        return corner, costs

    def _columns(self, low: Positions, high: Positions) -> tuple[Floats, Floats]:
        """Boxes of columns."""
        least = np.repeat(self._fixed[None, :], len(low), axis=0)
        most = least.copy()
        for k, lever in enumerate(self._levers):
            least[:, lever.own], most[:, lever.own] = lever.between(low[:, k], high[:, k])
        return least, most

    def _excess(self, least: Floats, most: Floats) -> Floats:
        """By how much the goal that is missed most is missed at least, ``(n_boxes,)``; below 0:
        all may be reached."""
        return self._missed(self._encloser.bounds(least, most))

    def _missed(self, hull: Hull) -> Floats:
        found = np.full(len(hull.low), -np.inf)
        for goal in self._goals:
            up, down = np.maximum(goal.weights, 0.0), np.minimum(goal.weights, 0.0)
            with np.errstate(invalid="ignore"):
                # A weight of nothing takes nothing, of infinity neither.
                value = _weighed(hull.low, up) + _weighed(hull.high, down)
            found = np.maximum(found, np.nan_to_num(value, nan=-np.inf) - goal.limit - goal.band)
        return found

    def _told(self, low: Positions, high: Positions) -> tuple[Floats, Positions]:
        """What rows in the target cost at least, of each box, infinity where there are none; and
        where to look for some."""
        hull, lines = self._encloser.lines(*self._columns(low, high))
        found, hints = least_costs(self._levers, self._fixed, low, high, lines, self._goals)
        return np.where(self._missed(hull) > 0.0, np.inf, found), hints

    def _split(
        self, low: Positions, high: Positions, corner: Positions, told: Floats
    ) -> tuple[Positions, Positions, Floats, Masks]:
        lever = self._most_telling(low, high)
        rows = np.arange(len(low))
        first, last, at = low[rows, lever], high[rows, lever], corner[rows, lever]
        homes = np.array([one.home for one in self._levers])[lever]
        middle = self._middles(lever, first, last)
        parts = []
        # Where the factual value is inside, it becomes a part of its own: a lever less.
        inside = (homes >= first) & (homes <= last)
        cuts = [
            (np.where(inside, homes, first), np.where(inside, homes, middle)),
            (np.where(inside, homes + 1, middle + 1), last),
            (first, np.where(inside, homes - 1, first - 1)),
        ]
        for start, end in cuts:
            some = start <= end
            part_low, part_high = low[some].copy(), high[some].copy()
            part_low[np.arange(some.sum()), lever[some]] = start[some]
            part_high[np.arange(some.sum()), lever[some]] = end[some]
            # The corner of the whole is that of the part that it is in.
            parts.append((part_low, part_high, told[some], ((at >= start) & (at <= end))[some]))
        lows, highs, tolds, seens = (np.concatenate(one) for one in zip(*parts, strict=True))
        floor = np.maximum(self._corner_costs(lows, highs)[1].sum(axis=1), tolds)
        return lows, highs, floor, seens

    def _middles(self, lever: Positions, first: Positions, last: Positions) -> Positions:
        """The last position of the lower half of each interval: of the places where trees part it
        the one in the middle, or else its own."""
        found = (first + last) >> 1
        for k, jumps in enumerate(self._jumps):
            here = np.flatnonzero(lever == k)
            if len(jumps) and len(here):
                start = jumps.searchsorted(first[here], side="right")
                end = jumps.searchsorted(last[here], side="right")
                some = end > start
                chosen = jumps[np.minimum((start + end) >> 1, len(jumps) - 1)] - 1
                found[here] = np.where(some, chosen, found[here])
        return found

    def _most_telling(self, low: Positions, high: Positions) -> Positions:
        """The lever of each box that adds most to what its bound does not tell."""
        wide = high > low
        least, most = self._columns(low, high)
        gain = np.full(low.shape, -np.inf)
        # Of many levers those of the widest intervals, in parts of what they might be.
        size = np.array([lever.size for lever in self._levers])
        parts = (high - low) / np.maximum(size - 1, 1)
        order = np.argsort(-parts, axis=1, kind="stable")[:, :LOOKED_INTO]
        looked = np.zeros(low.shape, dtype=np.bool_)
        np.put_along_axis(looked, order, True, axis=1)
        looked &= wide
        boxes, levers = np.nonzero(looked)
        one_low, one_high = least[boxes], most[boxes]
        middle = (low + high) >> 1
        for k, lever in enumerate(self._levers):
            here = levers == k
            if here.any():
                at = middle[boxes[here], k]
                ends = lever.between(at, at)
                one_low[np.ix_(here, lever.own)], one_high[np.ix_(here, lever.own)] = ends
        excess = np.maximum(self._excess(one_low, one_high), -1e30)
        gain[boxes, levers] = excess + 1e-9 * parts[boxes, levers] * (1.0 + np.abs(excess))
        return np.asarray(gain.argmax(axis=1), dtype=np.int64)

    # --- rows -------------------------------------------------------------------------------------

    def _as_values(self, low: Positions, high: Positions) -> ValueBoxes:
        shape = len(low), len(self._start)
        least, most = (np.broadcast_to(self._start, shape).copy() for _ in range(2))
        moved = ~(
            (self._start == self._problem.factual)
            | (np.isnan(self._start) & np.isnan(self._problem.factual))
        )
        must = np.broadcast_to(moved, shape).copy()
        may = must.copy()
        for k, lever in enumerate(self._levers):
            j = lever.feature
            least[:, j], most[:, j] = lever.values(low[:, k]), lever.values(high[:, k])
            stays = (low[:, k] <= lever.home) & (lever.home <= high[:, k])
            must[:, j], may[:, j] = ~stays, ~stays | (high[:, k] > low[:, k])
        lost = np.isnan(least) | np.isnan(most)
        return ValueBoxes(
            self._problem.factual,
            np.where(lost, -np.inf, least),
            np.where(lost, np.inf, most),
            must,
            may,
        )

    def _rows(self, at: Positions) -> Rows:
        rows = np.repeat(self._start[None, :], len(at), axis=0)
        for k, lever in enumerate(self._levers):
            rows[:, lever.feature] = lever.values(at[:, k])
        return rows

    def _all_rows(self, low: Positions, high: Positions) -> Rows:
        """Every row of each of some small boxes."""
        sizes = high - low + 1
        counts = sizes.prod(axis=1)
        box = np.repeat(np.arange(len(low)), counts)
        number = np.arange(len(box)) - np.repeat(np.cumsum(counts) - counts, counts)
        at = np.empty((len(box), low.shape[1]), dtype=np.int64)
        for k in range(low.shape[1]):
            number, at[:, k] = np.divmod(number, sizes[box, k])
        return self._rows(at + low[box])


def _weighed(ends: Floats, weights: Floats) -> Floats:
    used = weights != 0.0
    return np.asarray(ends[:, used] @ weights[used])
