"""Features that may be set, as positions on their axes: what an interval of them costs at least,
and between what their columns lie."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from ifonly.explainers.errors import NotEligible
from ifonly.explainers.problem import Problem
from ifonly.explainers.search.ladder import spread
from ifonly.explainers.space import LONGEST_LISTED, Axis
from ifonly.models.graph.forms import Columns
from ifonly.models.predictor import Rows

Floats = npt.NDArray[np.float64]
Positions = npt.NDArray[np.int64]

LONGEST = 1 << 16
"""Values of an axis that are all laid out; of a longer one they are made where they are needed."""
LOOKED_AT = 2_049
"""Values of a longer axis at which it is looked whether columns rise or fall all along it."""
FEW = 64
"""Values of a lever that are all looked at for what is best at a price."""


@dataclass(frozen=True, eq=False)
class GridLever:
    """One feature of one question."""

    problem: Problem
    columns: Columns
    feature: int

    @cached_property
    def axis(self) -> Axis:
        return self.problem.axes[self.feature]

    @property
    def size(self) -> int:
        return len(self.axis)

    @cached_property
    def own(self) -> npt.NDArray[np.intp]:
        """Columns that are made of this feature."""
        return np.flatnonzero(self.columns.feature == self.feature)

    @cached_property
    def listed(self) -> Floats | None:
        """All values, of an axis that is not too long."""
        return self.axis.values() if self.size <= LONGEST else None

    def values(self, at: Positions) -> Floats:
        return self.axis.values(at) if self.listed is None else self.listed[at]

    @cached_property
    def _costs(self) -> Floats | None:
        return None if self.listed is None else self._cost_of(self.listed)

    def _cost_of(self, values: Floats) -> Floats:
        before = float(self.problem.factual[self.feature])
        return np.asarray(self.problem.cost.of_feature(self.feature, values, before))

    def costs(self, at: Positions) -> Floats:
        return self._cost_of(self.values(at)) if self._costs is None else self._costs[at]

    @cached_property
    def home(self) -> int:
        """Position of the factual value, or -1 where it may not stay."""
        before = float(self.problem.factual[self.feature])
        return self.axis.position(before) if before in self.axis else -1

    @cached_property
    def turn(self) -> int:
        """How many positions are below the factual value."""
        return self.axis.below(float(self.problem.factual[self.feature]))

    @cached_property
    def is_valley(self) -> bool:
        """Whether costs rise with the distance, on either side of the factual value."""
        if self._costs is None:
            return True
        steps = np.diff(self._costs)
        below = steps[: max(self.turn - 1, 0)]
        return bool((below <= 0.0).all() and (steps[self.turn :] >= 0.0).all())

    def check(self) -> None:
        """Raises
        ------
        NotEligible
            If a value is read as no number, or a long axis not in order.
        """
        if not np.isfinite(self._seen).all():
            raise NotEligible("composed", f"feature {self.feature} is read as no number")
        if self.size <= LONGEST_LISTED:
            return
        feature = self.problem.cost.features[self.feature]
        if self.axis.has_missing or not feature.rises or not self.is_ordered:
            raise NotEligible("composed", f"feature {self.feature} is not read in order")

    @cached_property
    def _seen(self) -> Floats:
        """Columns at all values, or at some that are spread over a long axis."""
        if self.size <= LONGEST_LISTED:
            assert self.listed is not None
            return self._encoded(self.listed)
        return self._encoded(self.values(spread(0, self.size - 1, LOOKED_AT)))

    @cached_property
    def is_ordered(self) -> bool:
        """Whether each column rises or falls all along the axis."""
        steps = np.diff(self._seen, axis=0)
        return bool(((steps >= 0.0).all(axis=0) | (steps <= 0.0).all(axis=0)).all())

    @cached_property
    def bent(self) -> Floats | None:
        """How far each column is from a straight line of the values, ``(n_own,)``; None where that
        says nothing: a value is missing, or costs are no straight lines on either side."""
        feature = self.problem.cost.features[self.feature]
        before = float(self.problem.factual[self.feature])
        plain = not (feature.nominal or feature.matrix is not None or math.isnan(before))
        if not plain or self.axis.has_missing or not self.is_valley:
            return None
        at = np.arange(self.size) if self.size <= LONGEST_LISTED else spread(
            0, self.size - 1, LOOKED_AT
        )  # fmt: skip
        values, read = self.values(at), self._seen
        span = values[-1] - values[0]
        if span <= 0.0:
            return np.zeros(len(self.own))
        slope = (read[-1] - read[0]) / span
        off = np.abs(read - (read[0] + np.outer(values - values[0], slope))).max(axis=0)
        # Of a long axis some are seen: what float32 can take between them is added.
        return np.asarray(off + 2.0**-22 * np.abs(read).max(axis=0))

    def _encoded(self, values: Floats) -> Floats:
        rows: Rows = np.repeat(self.problem.factual[None, :], len(values), axis=0)
        rows[:, self.feature] = values
        return self.columns.encode(rows)[:, self.own].astype(np.float64)

    @cached_property
    def _ranges(self) -> tuple[list[Floats], list[Floats]]:
        """Least and greatest of each column over runs of 1, 2, 4, ... values."""
        least, most = [self._seen], [self._seen]
        while (width := 1 << (len(least) - 1)) * 2 <= self.size:
            least.append(np.minimum(least[-1][:-width], least[-1][width:]))
            most.append(np.maximum(most[-1][:-width], most[-1][width:]))
        return least, most

    def between(self, low: Positions, high: Positions) -> tuple[Floats, Floats]:
        """Between what its columns lie from ``low`` to ``high``, both ``(n_boxes, n_own)``."""
        if self.is_ordered:
            ends = self.read(np.concatenate([low, high]))
            one, other = ends[: len(low)], ends[len(low) :]
            return np.minimum(one, other), np.maximum(one, other)
        least, most = self._ranges
        level = np.frexp((high - low + 1).astype(np.float64))[1] - 1
        found = np.empty((2, len(low), len(self.own)))
        for k in np.unique(level):
            here = level == k
            first, last = low[here], high[here] + 1 - (1 << int(k))
            found[0][here] = np.minimum(least[k][first], least[k][last])
            found[1][here] = np.maximum(most[k][first], most[k][last])
        return found[0], found[1]

    def read(self, at: Positions) -> Floats:
        """Its columns at positions, ``(n, n_own)``."""
        return self._seen[at] if self.size <= LONGEST_LISTED else self._encoded(self.values(at))

    def jumps(self, cuts: Sequence[Floats]) -> Positions:
        """Positions at which one of its columns passes one of its ``cuts``, ascending."""
        if not self.is_ordered or self.size <= FEW:
            return np.zeros(0, dtype=np.int64)
        at = np.arange(self.size)
        if self.size > LONGEST_LISTED:
            at = spread(0, self.size - 1, LOOKED_AT)
        found = []
        for k, own in enumerate(cuts):
            column = self._seen[:, k]
            rises = column[-1] >= column[0]
            line = column if rises else column[::-1]
            place = line.searchsorted(own, side="left")
            place = place if rises else len(line) - place
            found.append(at[place[(place > 0) & (place < len(line))]])
        return np.unique(np.concatenate(found)) if found else np.zeros(0, dtype=np.int64)

    def telling(self, low: Positions, high: Positions) -> Positions | None:
        """Positions from ``low`` to ``high``, ``(n_boxes, n)``, with the best of them at any price
        for columns and costs; None where that is not known."""
        if self.size <= FEW:
            inside = np.arange(self.size)
            return np.clip(inside[None, :], low[:, None], high[:, None])
        if self.bent is None:
            return None
        # Between them costs and columns are straight.
        turns = [self.home - 1, self.home, self.home + 1] if self.home >= 0 else []
        at = [low, high, *(np.clip(t, low, high) for t in (*turns, self.turn - 1, self.turn))]
        return np.stack(at, axis=1)

    def cheapest(self, low: Positions, high: Positions) -> tuple[Positions, Floats]:
        """The cheapest position from ``low`` to ``high``, and its cost."""
        if self.is_valley:
            # On either side of the factual value, as near as may be.
            below = np.clip(self.turn - 1, low, high)
            above = np.clip(self.turn, low, high)
            one, other = self.costs(below), self.costs(above)
            nearer = one < other
            return np.where(nearer, below, above), np.where(nearer, one, other)
        assert self._costs is not None
        inside = np.arange(self.size)
        within = (inside >= low[:, None]) & (inside <= high[:, None])
        masked = np.where(within, self._costs, math.inf)
        at = masked.argmin(axis=1)
        return at, self._costs[at]

    @cached_property
    def _below(self) -> Floats:
        """Costs of the positions below the factual value, the nearest first."""
        assert self._costs is not None
        return self._costs[: self.turn][::-1]

    @cached_property
    def _above(self) -> Floats:
        assert self._costs is not None
        return self._costs[self.turn :]

    def within(
        self, low: Positions, high: Positions, budget: Floats
    ) -> tuple[Positions, Positions]:
        """The part from ``low`` to ``high`` that costs less than ``budget`` each: its ends. The
        cheapest is within it."""
        if self.is_valley and self._costs is not None:
            start = self.turn - np.searchsorted(self._below, budget, side="left")
            end = self.turn + np.searchsorted(self._above, budget, side="left") - 1
            return np.clip(start, low, high), np.clip(end, low, high)
        if self.is_valley:
            start = _first(lambda p: self.costs(p) < budget, low, np.clip(self.turn - 1, low, high))
            end = _last(lambda p: self.costs(p) < budget, np.clip(self.turn, low, high), high)
            return np.minimum(start, high), np.maximum(end, low)
        assert self._costs is not None
        inside = np.arange(self.size)
        fits = (inside >= low[:, None]) & (inside <= high[:, None])
        fits &= self._costs < budget[:, None]
        some = fits.any(axis=1)
        first = np.where(some, fits.argmax(axis=1), low)
        last = np.where(some, self.size - 1 - fits[:, ::-1].argmax(axis=1), high)
        return first, last


def _first(holds, low: Positions, high: Positions) -> Positions:  # type: ignore[no-untyped-def]
    """The first position that ``holds``, of positions of which from one on all do; ``high`` if only
    that may."""
    low, high = low.copy(), high.copy()
    while (low < high).any():
        middle = (low + high) >> 1
        yes = holds(middle)
        high, low = np.where(yes, middle, high), np.where(yes, low, np.minimum(middle + 1, high))
    return low


def _last(holds, low: Positions, high: Positions) -> Positions:  # type: ignore[no-untyped-def]
    """The last, of positions of which up to one all do."""
    low, high = low.copy(), high.copy()
    while (low < high).any():
        middle = (low + high + 1) >> 1
        yes = holds(middle)
        low, high = np.where(yes, middle, low), np.where(yes, high, np.maximum(middle - 1, low))
    return high
