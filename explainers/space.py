"""The values that a feature may take: exact decimal grids, cut by constraints."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cached_property, lru_cache
from typing import overload

import numpy as np
import numpy.typing as npt

from ifonly.models.predictor import Row
from ifonly.models.schema import Feature

Positions = npt.NDArray[np.int64]
Values = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

TOLERANCE = 1e-12
"""Slack of every comparison between sums of decimals, relative to the size of what is
compared: 308.2 - 300.3 is 7.899999999999977 in float64, and must count as 7.9."""


LONGEST_LISTED = 4_096
"""Values of a run that may be listed one by one."""


def slack(size: float) -> float:
    """Absolute tolerance for comparing numbers of this size."""
    return TOLERANCE * max(1.0, abs(size))


@dataclass(frozen=True)
class Grid:
    """The multiples of a decimal step, each as the float64 nearest to its decimal text.

    ``step = numerator / 10**power``; dividing two exact integers rounds once, so
    ``value(532)`` of a 0.1 grid is the same double that JSON's ``53.2`` parses to.
    """

    numerator: int
    power: int

    @staticmethod
    @lru_cache(maxsize=1024)
    def of(resolution: Decimal) -> Grid:
        _, digits, exponent = resolution.as_tuple()
        if not isinstance(exponent, int) or resolution <= 0:
            raise ValueError(f"resolution {resolution} is not a positive decimal")
        # From the decimal's digits, never from a float: 0.1 is 1 / 10 here.
        numerator = int("".join(map(str, digits)))
        if exponent > 0:
            return Grid(numerator * 10**exponent, 0)
        return Grid(numerator, -exponent)

    def value(self, multiples: Positions) -> Values:
        # A whole product, divided once: `0.1 * 532` would be rounded twice.
        return np.asarray(multiples * self.numerator, dtype=np.float64) / self.scale

    def at(self, multiple: int) -> float:
        """One value; the same double as :meth:`value` gives."""
        return multiple * self.numerator / self.scale

    @cached_property
    def scale(self) -> float:
        return 10.0**self.power

    def ceil(self, value: float) -> int:
        """Least multiple whose value is at least ``value``, within tolerance."""
        # Within tolerance, so that rounding does not push a bound off its own grid value.
        return math.ceil(self._multiples(value))

    def floor(self, value: float) -> int:
        """Greatest multiple whose value is at most ``value``, within tolerance."""
        return math.floor(self._multiples(value))

    def _multiples(self, value: float) -> float:
        """``value`` in steps; whole where only rounding keeps it from being so."""
        steps = value * self.scale / self.numerator
        whole = round(steps)
        return whole if abs(steps - whole) <= slack(steps) else steps

    def at_least(self, value: float) -> int:
        """Least multiple whose value is at least ``value``, exactly."""
        # One below the guess, then up: division may be off by one, comparing floats is exact.
        multiple = self.floor(value) - 1
        while self.at(multiple) < value:
            multiple += 1
        return multiple

    def holds(self, value: float) -> bool:
        """Whether ``value`` is exactly the double of one of the multiples."""
        return self.at(self.nearest(value)) == value

    def nearest(self, value: float) -> int:
        """The multiple nearest to ``value``."""
        return round(value * self.scale / self.numerator)


@dataclass(frozen=True)
class Axis:
    """The values that one feature may take, ascending, NaN last: a run of grid multiples and
    a few values besides (categories, a factual off the grid, "only to these")."""

    grid: Grid | None = None
    first: int = 0
    """First multiple of the run."""
    count: int = 0
    """Length of the run."""
    others: tuple[float, ...] = ()
    """Ascending, none of them on the run."""

    @classmethod
    def of(cls, feature: Feature, factual: float) -> Axis:
        """Everything the feature could be set to, and its factual value."""
        if feature.kind.is_categorical:
            return _codes(len(feature.categories)).adding(factual)
        if feature.resolution is None:
            return cls(others=(factual,))
        return _multiples(feature.resolution, feature.lower, feature.upper).adding(factual)

    def __len__(self) -> int:
        return self.count + len(self.others)

    def __contains__(self, value: float) -> bool:
        if self._on_run(value) or value in self.others:
            return True
        return self.has_missing and math.isnan(value)

    def _on_run(self, value: float) -> bool:
        if self.grid is None or self.count == 0 or math.isnan(value):
            return False
        multiple = self.grid.nearest(value)
        return 0 <= multiple - self.first < self.count and self.grid.at(multiple) == value

    def adding(self, value: float) -> Axis:
        if value in self:
            return self
        return replace(self, others=ascending((*self.others, value)))

    @cached_property
    def _slots(self) -> Positions:
        """Position of each of ``others`` in the merged order."""
        slots = []
        for i, other in enumerate(self.others):
            below = 0
            if self.grid is not None and self.count:
                # NaN is last, so it stands behind the whole run.
                ceiling = (
                    self.count if math.isnan(other) else self.grid.at_least(other) - self.first
                )
                below = min(max(ceiling, 0), self.count)
            slots.append(below + i)
        return np.array(slots, dtype=np.int64)

    def values(self, positions: Positions | None = None) -> Values:
        """The values at ``positions`` (all, if None), float64, same shape."""
        if positions is None:
            if not self.count:
                return np.array(self.others, dtype=np.float64)
            positions = np.arange(len(self), dtype=np.int64)
        # How many of the others stand before each position: the rest of it counts along the run.
        before = np.searchsorted(self._slots, positions, side="left")
        if not self.others:
            assert self.grid is not None or not positions.size
            return self._run_values(positions)
        at = np.minimum(before, len(self.others) - 1)
        is_other = self._slots[at] == positions
        listed = np.array(self.others)[at]
        if self.grid is None or not self.count:
            return listed
        return np.where(is_other, listed, self._run_values(positions - before))

    def _run_values(self, offsets: Positions) -> Values:
        if self.grid is None:
            return np.empty(0)
        return self.grid.value(self.first + offsets)

    @cached_property
    def low(self) -> float:
        """Smallest number; NaN if there is none."""
        return min(self._ends, default=math.nan)

    @cached_property
    def high(self) -> float:
        """Largest number; NaN if there is none."""
        return max(self._ends, default=math.nan)

    @property
    def _ends(self) -> list[float]:
        """Some of the numbers of the axis, the least and the greatest among them."""
        # NaN is no end of an interval.
        present = [v for v in self.others if not math.isnan(v)]
        ends = [present[0], present[-1]] if present else []
        if self.grid is not None and self.count:
            ends += [self.grid.at(self.first), self.grid.at(self.first + self.count - 1)]
        return ends

    @property
    def has_missing(self) -> bool:
        return bool(self.others) and math.isnan(self.others[-1])

    def below(self, value: float) -> int:
        """How many of the values are below ``value``; all numbers are below a missing one."""
        if math.isnan(value):
            return len(self) - self.has_missing
        run = 0
        if self.grid is not None and self.count:
            run = min(max(self.grid.at_least(value) - self.first, 0), self.count)
        return run + sum(other < value for other in self.others)

    def position(self, value: float) -> int:
        """Index of ``value``, which is one of the axis's values."""
        return self.below(value)

    def nearest(self, values: Values) -> Values:
        """The value of the axis nearest to each of ``values``; the axis has numbers."""
        ends = len(self) - self.has_missing - 1
        guess = self._guess(values)
        # The guess may be off by one where a value stands off the grid between two multiples.
        around = np.stack([np.clip(guess + step, 0, ends) for step in (-1, 0, 1)])
        candidates = self.values(around)
        best = np.argmin(np.abs(candidates - values), axis=0)
        return np.asarray(np.take_along_axis(candidates, best[None, :], axis=0)[0])

    def _guess(self, values: Values) -> Positions:
        """Position within one of the nearest, for the run as for the others."""
        others = np.array([v for v in self.others if not math.isnan(v)])
        below = np.searchsorted(others, values)
        if self.grid is None or not self.count:
            return np.asarray(below, dtype=np.int64)
        multiples = np.rint(values * self.grid.scale / self.grid.numerator)
        offsets = np.clip(multiples - self.first, 0, self.count - 1)
        return np.asarray(offsets + below, dtype=np.int64)

    def clip(self, lower: float, upper: float) -> Axis:
        """The part within ``[lower, upper]``, within tolerance; NaN stays."""
        # Values besides the run differ from question to question; plain
        # runs recur and are remembered.
        if not self.others:
            return _clipped(self, lower, upper)
        return self._clip(lower, upper)

    def _clip(self, lower: float, upper: float) -> Axis:
        low, high = lower - slack(lower), upper + slack(upper)
        others = tuple(v for v in self.others if math.isnan(v) or low <= v <= high)
        if self.grid is None or not self.count:
            return self if others == self.others else Axis(others=others)
        first = max(self.first, self.grid.ceil(lower) if math.isfinite(lower) else self.first)
        last = self.first + self.count - 1
        last = min(last, self.grid.floor(upper) if math.isfinite(upper) else last)
        # Ends that crossed leave nothing.
        count = max(0, last - first + 1)
        if count == self.count and len(others) == len(self.others):
            return self
        return Axis(self.grid, first, count, others)

    def only(self, values: Sequence[float]) -> Axis:
        """The part that is also among ``values``."""
        if (
            not self.count
            and len(self.others) == 1
            and any(same(self.others[0], v) for v in values)
        ):
            return self
        return Axis(others=ascending({v for v in values if v in self}))

    def without(self, value: float) -> Axis:
        """The part other than ``value``; lists the values where that is in the middle of a run, so
        not for axes that are longer than what may be listed."""
        if value not in self:
            return self
        if not self._on_run(value):
            return replace(self, others=tuple(v for v in self.others if not same(v, value)))
        assert self.grid is not None
        multiple = self.grid.nearest(value)
        # At an end the run stays a run; only in its middle it has to be listed.
        if multiple == self.first:
            return replace(self, first=self.first + 1, count=self.count - 1)
        if multiple == self.first + self.count - 1:
            return replace(self, count=self.count - 1)
        return Axis(others=tuple(float(v) for v in self.values() if v != value))

    def where(self, predicate: Callable[[float], bool]) -> Axis:
        """The part for which ``predicate`` holds; for short axes (categories)."""
        return Axis(others=tuple(float(v) for v in self.values() if predicate(float(v))))


@lru_cache(maxsize=1024)
def _codes(count: int) -> Axis:
    return Axis(others=tuple(float(k) for k in range(count)))


@lru_cache(maxsize=1024)
def _multiples(resolution: Decimal, lower: float, upper: float) -> Axis:
    grid = Grid.of(resolution)
    first, last = grid.ceil(lower), grid.floor(upper)
    return Axis(grid, first, max(0, last - first + 1))


@lru_cache(maxsize=4096)
def _clipped(axis: Axis, lower: float, upper: float) -> Axis:
    """A policy clips the same grids to the same bounds in every question."""
    return axis._clip(lower, upper)


def same(a: float, b: float) -> bool:
    """Equality in which a missing value equals a missing value."""
    # NaN is not equal to itself.
    return a == b or (math.isnan(a) and math.isnan(b))


def differing(after: Iterable[float], before: Iterable[float]) -> list[int]:
    """Columns in which two rows of plain numbers differ; a missing value differs from a number."""
    pairs = enumerate(zip(after, before, strict=True))
    # `a == a` fails for NaN alone; plain comparisons, since this runs for every answer.
    return [j for j, (a, b) in pairs if a != b and (a == a or b == b)]


def ascending(values: Iterable[float]) -> tuple[float, ...]:
    return tuple(sorted(values, key=lambda v: (math.isnan(v), v)))


@overload
def is_missing(value: float) -> bool: ...
@overload
def is_missing(value: Values) -> Mask: ...
def is_missing(value: float | Values) -> bool | Mask:
    """Whether a number, or each of a column, is NaN."""
    return value != value


@overload
def moved(after: float, before: float) -> bool: ...
@overload
def moved(after: float | Values, before: float | Values) -> bool | Mask: ...
def moved(after: float | Values, before: float | Values) -> bool | Mask:
    """Whether a number, or each of a column, differs from the factual's number."""
    return negation(is_missing(after)) if is_missing(before) else after != before


@overload
def negation(truth: bool) -> bool: ...
@overload
def negation(truth: Mask) -> Mask: ...
def negation(truth: bool | Mask) -> bool | Mask:
    """The opposite of one truth, or of each of a column."""
    return not truth if isinstance(truth, bool) else ~truth


def changed(rows: npt.NDArray[np.float64], factual: Row) -> npt.NDArray[np.bool_]:
    """Which cells of ``rows`` differ from the factual, ``(n_rows, n_features)``."""
    differ: npt.NDArray[np.bool_] = rows != factual
    missing = is_missing(factual)
    # NaN differs from NaN by `!=`, and a value that was and is missing did not change.
    return differ & ~(is_missing(rows) & missing) if missing.any() else differ
