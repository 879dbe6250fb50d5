"""What may be set in common on the equipment of several alarms: levers, values and costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import ROUND_CEILING, Decimal
from functools import cached_property

import numpy as np
import numpy.typing as npt

from ifonly.explainers.constraints import OnlyTo
from ifonly.explainers.problem import Problem
from ifonly.explainers.remedy import CommonKind, CommonSetting, SettingKind
from ifonly.explainers.space import LONGEST_LISTED, Axis, Grid, Mask, Values
from ifonly.models.predictor import Rows
from ifonly.models.schema import Feature

Ints = npt.NDArray[np.int64]

DIGITS = 12
"""Significant digits of the mean costs that are compared: sums in another order differ beyond."""


@dataclass(frozen=True, eq=False)
class CommonLever:
    """One feature, set in common in one way."""

    column: int
    kind: SettingKind
    values: Values
    """``(n,)`` ascending: what it is set to, or what is added to it."""
    settable: Mask
    """``(n_alarms, n)``: where that is one of the alarm's own values."""
    costs: Values
    """``(n,)`` mean over all alarms of what each value costs there."""
    is_whole: bool
    """Whether these are all its values; of a long grid only some are looked at."""
    grid: Grid | None = None
    """Of numbers."""
    steps: Ints = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    """Relative: ``(n,)`` the amounts, in steps of the grid."""
    base: Ints = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    """Relative: ``(n_alarms,)`` the grid value nearest to each reading, in steps; a reading halfway
    between two counts as the lower."""
    low: Values = field(default_factory=lambda: np.zeros(0))
    """``(n_alarms,)`` least and greatest value that may be set there."""
    high: Values = field(default_factory=lambda: np.zeros(0))

    def __len__(self) -> int:
        return len(self.values)

    @property
    def is_category(self) -> bool:
        return self.grid is None

    def to(self, alarms: Ints, positions: Ints) -> Values:
        """What alarms' readings become, at positions of :attr:`values`; broadcast."""
        if self.kind is SettingKind.ABSOLUTE:
            return np.broadcast_to(self.values[positions], np.broadcast(alarms, positions).shape)
        assert self.grid is not None
        return self.grid.value(self.base[alarms] + self.steps[positions])

    @cached_property
    def _counts(self) -> Ints:
        """``(n_alarms, n + 1)``: settable values before each position."""
        counts = np.zeros((len(self.settable), len(self) + 1), dtype=np.int64)
        np.cumsum(self.settable, axis=1, out=counts[:, 1:])
        return counts

    def any_settable(self, alarms: Ints, low: Ints, high: Ints) -> Mask:
        """Whether one of the values at ``low..high`` may be set there; broadcast."""
        return np.asarray(self._counts[alarms, high + 1] > self._counts[alarms, low])

    def setting(self, position: int) -> CommonSetting:
        return CommonSetting(self.column, self.kind, float(self.values[position]))


def levers_of(
    problems: Sequence[Problem], factuals: Rows, change: CommonKind, columns: Sequence[int] | None
) -> tuple[CommonLever, ...]:
    """Every lever that at least one alarm may move, of ``columns`` (None: of all)."""
    found = []
    for j, feature in enumerate(problems[0].schema.features):
        if columns is not None and j not in columns:
            continue
        axes = [problem.axes_if_set[j] for problem in problems]
        for kind in _kinds(problems, feature, j, change):
            lever = _lever(problems, factuals, feature, j, kind, axes)
            if lever is not None:
                found.append(lever)
    return tuple(found)


def _kinds(
    problems: Sequence[Problem], feature: Feature, column: int, change: CommonKind
) -> tuple[SettingKind, ...]:
    # A category has no amounts, and "replaced" is a value: by an amount each alarm has another.
    listed = any(
        isinstance(c, OnlyTo) and c.column == column for p in problems for c in p.constraints
    )
    if feature.kind.is_categorical or listed or change is CommonKind.ABSOLUTE:
        return (SettingKind.ABSOLUTE,)
    if change is CommonKind.RELATIVE:
        return (SettingKind.RELATIVE,)
    return (SettingKind.RELATIVE, SettingKind.ABSOLUTE)


def _lever(
    problems: Sequence[Problem],
    factuals: Rows,
    feature: Feature,
    column: int,
    kind: SettingKind,
    axes: Sequence[Axis],
) -> CommonLever | None:
    before = factuals[:, column]
    # Nobody may move it: of every alarm no value but its own is left.
    if all(len(a) <= (float(x) in a) for a, x in zip(axes, before, strict=True)):
        return None
    if feature.kind.is_categorical:
        return _categories(problems, before, column, axes)
    if feature.resolution is None:
        return None
    grid = Grid.of(feature.resolution)
    if kind is SettingKind.ABSOLUTE:
        return _absolute(problems, before, column, axes, grid)
    return _relative(problems, before, column, axes, grid)


def _categories(
    problems: Sequence[Problem], before: Values, column: int, axes: Sequence[Axis]
) -> CommonLever:
    count = len(problems[0].schema.features[column].categories)
    values = np.arange(count, dtype=np.float64)
    settable = np.array([[float(v) in axis for v in values] for axis in axes])
    costs = _costs(problems, before, column, np.tile(values, (len(before), 1)))
    ends = np.zeros(len(before)), np.full(len(before), count - 1.0)
    kind = SettingKind.ABSOLUTE
    return CommonLever(column, kind, values, settable, costs, True, low=ends[0], high=ends[1])


def _absolute(
    problems: Sequence[Problem], before: Values, column: int, axes: Sequence[Axis], grid: Grid
) -> CommonLever | None:
    runs = [axis for axis in axes if axis.grid is not None and axis.count]
    # What is off the grid is a reading of one alarm, and nothing that others could be set to.
    singles = {grid.nearest(v) for axis in axes for v in axis.others if v == v and grid.holds(v)}
    multiples, is_whole = np.array(sorted(singles), dtype=np.int64), True
    if runs:
        first, last = min(a.first for a in runs), max(a.first + a.count - 1 for a in runs)
        listed, is_whole = _listed(first, last)
        multiples = np.union1d(multiples, listed)
    if not len(multiples):
        return None
    values = grid.value(multiples)
    settable = np.array([_holds(axis, values) for axis in axes])
    costs = _costs(problems, before, column, np.tile(values, (len(before), 1)))
    low, high = _ends(axes)
    kind = SettingKind.ABSOLUTE
    return CommonLever(column, kind, values, settable, costs, is_whole, grid, low=low, high=high)


def _relative(
    problems: Sequence[Problem], before: Values, column: int, axes: Sequence[Axis], grid: Grid
) -> CommonLever | None:
    known = np.isfinite(before)
    base = np.zeros(len(before), dtype=np.int64)
    # The same for readings on the grid; of others the nearest, half down.
    base[known] = [_nearest(grid, x) for x in before[known].tolist()]
    ends = [
        (grid.nearest(axis.low) - m, grid.nearest(axis.high) - m)
        for axis, m, is_known in zip(axes, base.tolist(), known, strict=True)
        if is_known and axis.low == axis.low
    ]
    if not ends:
        return None
    steps, is_whole = _listed(min(a for a, _ in ends), max(b for _, b in ends))
    steps = steps[steps != 0]
    if not len(steps):
        return None
    to = grid.value(base[:, None] + steps[None, :])
    settable = np.array([_holds(axis, own) for axis, own in zip(axes, to, strict=True)])
    settable &= known[:, None]
    costs = _costs(problems, before, column, np.where(known[:, None], to, np.nan))
    low, high = _ends(axes)
    return CommonLever(
        column, SettingKind.RELATIVE, grid.value(steps), settable, costs, is_whole, grid, steps,
        base, low, high,
    )  # fmt: skip


def _nearest(grid: Grid, value: float) -> int:
    """The multiple nearest to ``value``, of two the lower."""
    if grid.holds(value):
        return grid.nearest(value)
    # By its text: halfway in decimals is not halfway in float64.
    steps = Decimal(repr(value)).scaleb(grid.power) / grid.numerator
    return int((steps - Decimal("0.5")).to_integral_value(ROUND_CEILING))


def _listed(first: int, last: int) -> tuple[Ints, bool]:
    """All whole numbers from one to another; of very many, equally far apart ones."""
    count = last - first + 1
    if count <= LONGEST_LISTED:
        return np.arange(first, last + 1, dtype=np.int64), True
    # Steps of a power of ten, so that what is set is a round number.
    apart = 10
    while count // apart > LONGEST_LISTED:
        apart *= 10
    start = -(-first // apart) * apart
    return np.arange(start, last + 1, apart, dtype=np.int64), False


def _holds(axis: Axis, values: Values) -> Mask:
    """Which of ``values``, all of one grid, an axis has."""
    found = np.isin(values, [v for v in axis.others if v == v])
    if axis.grid is not None and axis.count:
        ends = axis.grid.at(axis.first), axis.grid.at(axis.first + axis.count - 1)
        found |= (values >= ends[0]) & (values <= ends[1])
    return np.asarray(found)


def _ends(axes: Sequence[Axis]) -> tuple[Values, Values]:
    return np.array([axis.low for axis in axes]), np.array([axis.high for axis in axes])


def _costs(problems: Sequence[Problem], before: Values, column: int, to: Values) -> Values:
    """Mean over alarms of what each of their values, ``(n_alarms, n)``, costs; what is missing
    cannot be moved by an amount, and costs nothing then."""
    total = np.zeros(to.shape[1])
    for problem, own, was in zip(problems, to, before.tolist(), strict=True):
        total += np.nan_to_num(problem.cost.of_feature(column, own, was))
    return rounded(total / len(problems))


def rounded(costs: Values) -> Values:
    """Costs to :data:`DIGITS` significant digits."""
    sizes = np.where(costs == 0.0, 1.0, np.abs(costs))
    scale = 10.0 ** (DIGITS - 1 - np.floor(np.log10(sizes)))
    return np.asarray(np.round(costs * scale) / scale)
