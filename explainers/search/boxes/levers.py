"""Features that may be set, as positions on their axes: what an interval of them costs at least,
and between what their columns lie."""

from __future__ import annotations

import math
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

LOOKED_AT = 2_049
"""Values of a longer axis at which it is looked whether columns rise or fall all along it."""


@dataclass(frozen=True, eq=False)
class Lever:
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
        return self.axis.values() if self.size <= LONGEST_LISTED else None

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
        if self.listed is not None:
            if not np.isfinite(self._table).all():
                raise NotEligible("boxes", f"feature {self.feature} is read as no number")
            return
        feature = self.problem.cost.features[self.feature]
        if self.axis.has_missing or not feature.rises:
            raise NotEligible("boxes", f"feature {self.feature} has too many values")
        read = self._encoded(self.values(spread(0, self.size - 1, LOOKED_AT)))
        steps = np.diff(read, axis=0)
        ordered = (steps >= 0.0).all(axis=0) | (steps <= 0.0).all(axis=0)
        if not ordered.all() or not np.isfinite(read).all():
            raise NotEligible("boxes", f"feature {self.feature} is not read in order")

    def _encoded(self, values: Floats) -> Floats:
        rows: Rows = np.repeat(self.problem.factual[None, :], len(values), axis=0)
        rows[:, self.feature] = values
        return self.columns.encode(rows)[:, self.own].astype(np.float64)

    @cached_property
    def _table(self) -> Floats:
        assert self.listed is not None
        return self._encoded(self.listed)

    @cached_property
    def _ranges(self) -> tuple[list[Floats], list[Floats]]:
        """Least and greatest of each column over runs of 1, 2, 4, ... values."""
        least, most = [self._table], [self._table]
        while (width := 1 << (len(least) - 1)) * 2 <= self.size:
            least.append(np.minimum(least[-1][:-width], least[-1][width:]))
            most.append(np.maximum(most[-1][:-width], most[-1][width:]))
        return least, most

    def between(self, low: Positions, high: Positions) -> tuple[Floats, Floats]:
        """Between what its columns lie from ``low`` to ``high``, both ``(n_boxes, n_own)``."""
        if self.listed is None:
            ends = self._encoded(self.values(np.concatenate([low, high])))
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

    def within(
        self, low: Positions, high: Positions, budget: Floats
    ) -> tuple[Positions, Positions]:
        """The part from ``low`` to ``high`` that costs less than ``budget`` each: its ends. The
        cheapest is within it."""
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
