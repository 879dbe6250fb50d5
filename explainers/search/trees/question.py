"""One problem as the flat arrays that the compiled search reads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from explainers.constraints import Constraint, LeavesOne, MaxChanges, Rule, Single, Survives
from explainers.errors import NotEligible
from explainers.problem import Problem
from explainers.search.engine import refuse_consequences
from explainers.search.trees.flat_rules import FlatRules, Flattened, offsets
from explainers.search.trees.layout import NO_CELLS, Layout, Line, Values
from explainers.search.trees.structs import Bytes, Cells, Floats, Ints, Struct, pointer_to
from explainers.space import Axis, differing, same
from models.predictor import Row, Rows

Positions = npt.NDArray[np.int64]

MOST_CATEGORIES = 64


class Limits(NamedTuple):
    """What the sum over each goal's trees must not exceed, and how far that is in doubt."""

    limit: Floats
    band: Floats


@dataclass(frozen=True, eq=False)
class Long(Struct):
    """Axes of which stretches are kept, and what values and costs are made of along them; each is
    ``(n_features,)`` where nothing else is said."""

    first: Ints
    """Of a long axis its first in ``start`` and ``multiple``."""
    start: Ints
    """First position of each stretch."""
    multiple: Ints
    """Of its first value on the grid, whose step is ``numerator / scale``."""
    numerator: Ints
    scale: Floats
    factual: Floats
    spread: Floats
    weight: Floats
    fixed: Floats
    penalty: Floats


@lru_cache(maxsize=64)
def none_long(n: int) -> Long:
    """Of ``n`` axes that are all listed."""
    nothing, whole = np.zeros(0, dtype=np.int64), np.zeros(n, dtype=np.int64)
    return Long(whole, nothing, nothing, whole, *[np.ones(n)] * 6)


@dataclass(frozen=True, eq=False)
class Question(Struct):
    """Axes, costs, limits and rules; positions count along each axis from 0.

    An axis has an entry for each of its positions; a long one for each of its stretches, between
    whose positions values and costs are computed.
    """

    off: Ints
    """``(n_features + 1,)`` first entry of each axis in ``value``, ``cost``, ``cell``."""
    listed: Ints
    """``(n_features,)`` the same of each axis with an entry for each position; -1 of a long one."""
    size: Ints
    """Positions of each axis."""
    long: Long
    least: Ints
    """First position of every axis, 0."""
    most: Ints
    """Last position of every axis."""
    value: Floats
    cost: Floats
    cell: Cells
    first: Ints
    """First position whose cell is at least ``k``; feature ``j`` begins at ``cells[j] + j``."""
    middle: Ints
    """Positions below the factual; costs rise from there on both sides."""
    home: Ints
    """Position of the factual value, -1 where it is not allowed."""
    counts: Bytes
    """Whether a change counts as one: what is set does, what follows does not."""
    table: Ints
    """Where costs do not rise from the factual: its square in ``cheapest``; else -1."""
    cheapest: Ints
    near: Cells
    """Cell of the least reading within tolerance of each value; empty if no answer must survive
    the sensors."""
    far: Cells
    """Cell of the greatest."""
    limit: Floats
    band: Floats
    most_changes: int
    levers: Ints
    lever: Ints
    rules: FlatRules

    def positions(self, row: Row, factual: Row, axes: Sequence[Axis]) -> Positions | None:
        """Where each value of ``row`` stands on its axis; None if one is not on it. ``axes`` are
        what the question was made of."""
        at, values = self.home.copy(), row.tolist()
        for j in differing(values, factual.tolist()):
            own = self.values(j)
            if own is not None:
                at[j] = _home(own, int(own.searchsorted(values[j])), values[j])
            else:
                at[j] = axes[j].position(values[j]) if values[j] in axes[j] else -1
        return None if -1 in at.tolist() else at

    def values(self, column: int) -> Values | None:
        """All values of one axis, ascending, NaN last; None of a long one."""
        if self.listed[column] < 0:
            return None
        return self.value[self.off[column] : self.off[column + 1]]

    @property
    def _has_long(self) -> bool:
        return len(self.long.start) > 0

    def row(self, positions: Positions) -> Row:
        """The values at one position of every axis."""
        return self.rows(positions[None, :])[0]

    def rows(self, positions: Positions) -> Rows:
        """The same for positions ``(n, n_features)``."""
        return self.columns(slice(None), positions)

    def columns(self, some: slice | Ints, positions: Positions) -> Rows:
        """The values of some columns of rows, at positions ``(n, n_features)`` of all axes."""
        listed, at = self.listed[some], positions[:, some]
        if not len(self.long.start):
            return np.asarray(self.value[listed + at])
        rows = np.asarray(self.value[np.where(listed < 0, self.off[:-1][some], listed + at)])
        columns = np.arange(len(self.size))[some]
        for k in np.flatnonzero(listed < 0).tolist():
            rows[:, k] = self.values_at(int(columns[k]), at[:, k])
        return rows

    def values_at(self, column: int, positions: Positions) -> Values:
        """Values of one axis."""
        x, entries = self.long, self.entries(column, positions)
        values = self.value[entries]
        if self.listed[column] >= 0:
            return values
        k = entries + (x.first[column] - self.off[column])
        steps = positions - x.start[k]
        multiples = (x.multiple[k] + steps) * x.numerator[column]
        return np.where(steps > 0, multiples / x.scale[column], values)

    def costs_at(self, column: int, positions: Positions) -> Floats:
        """What they cost."""
        x, known = self.long, self.cost[self.entries(column, positions)]
        if self.listed[column] >= 0 or np.isnan(x.factual[column]):
            return known
        values = self.values_at(column, positions)
        distance = np.abs(values - x.factual[column]) / x.spread[column]
        costs = x.weight[column] * distance + x.fixed[column] + x.penalty[column]
        costs = np.where(values == x.factual[column], 0.0, costs)
        return np.where(np.isnan(values), known, costs)

    def entries(self, column: int, positions: Positions) -> Positions:
        """The entry that each position of an axis is in."""
        off, first = self.off[column], self.long.first[column]
        if self.listed[column] >= 0:
            return np.asarray(off + positions)
        starts = self.long.start[first : first + self.off[column + 1] - off]
        return np.asarray(off + starts.searchsorted(positions, side="right") - 1)

    def around(self, column: int, low: Values, high: Values) -> tuple[Positions, Positions]:
        """Positions of a long axis between whose values all numbers from ``low`` to ``high`` are,
        each ``(n,)`` and within the axis; no farther out than a step or two, and of a number that
        begins a stretch, its own."""
        x, first, last = self.long, self.long.first[column], self.most[column]
        values = self.value[self.off[column] : self.off[column + 1]]
        starts = np.append(x.start[first : first + len(values)], last + 1)
        rate = x.scale[column] / x.numerator[column]
        found = []
        for ends, beside in ((low, -1), (high, 2)):  # as what they are divided by is rounded
            k = np.maximum(values.searchsorted(ends, side="right") - 1, 0)
            steps = np.floor(ends * rate).astype(np.int64) - x.multiple[first + k] + beside
            least, most = starts[k], np.minimum(starts[k + 1] - (beside < 0), last)
            at = np.minimum(np.maximum(least + steps, least + (beside > 0)), most)
            found.append(np.where(values[k] == ends, least, at))
        return found[0], found[1]

    def cells_at(self, positions: Positions) -> Cells:
        """Cell of one position of every axis, counted from each feature's first."""
        if not len(self.long.start):
            return np.asarray(self.cell[self.off[:-1] + positions])
        each = [self.entries(j, positions[j : j + 1])[0] for j in range(len(self.size))]
        return np.asarray(self.cell[each])

    @property
    def dearest(self) -> float:
        """No less than the dearest values of all axes cost together."""
        total, off = 0.0, self.off.tolist()
        for j, listed in enumerate(self.listed.tolist()):
            total += float(self.cost[off[j] : off[j + 1]].max())
            if listed < 0:  # the last value is not the first of its stretch
                total += float(self.costs_at(j, self.most[j : j + 1])[0])
        return total


question_at = pointer_to(Question)


def _home(values: Values, at: int, value: float) -> int:
    """``at``, where ``value`` would be among ``values``, or -1 if it is none of them."""
    return at if at < len(values) and same(float(values[at]), value) else -1


def build_question(
    problem: Problem,
    layout: Layout,
    limits: Limits,
    rules_of: Callable[[tuple[Rule, ...]], Flattened],
) -> Question:
    """A problem in which nothing follows from what is set, in arrays. ``rules_of`` flattens
    rules, or remembers having done so.

    Raises
    ------
    NotEligible
        If the graph does not read a feature in order, or a constraint is of a kind that the kernel
        does not know.
    """
    refuse_consequences(problem, "trees")
    tolerances = None if problem.survives is None else problem.survives.tolerances
    lines = layout.of_axes(problem.single_axes, problem.factual, tolerances=tolerances)
    return question_of(problem, layout, lines, problem.constraints, limits, rules_of)


def question_of(
    problem: Problem,
    layout: Layout,
    lines: Sequence[Line],
    constraints: Sequence[Constraint],
    limits: Limits,
    rules_of: Callable[[tuple[Rule, ...]], Flattened],
) -> Question:
    """Rows on ``lines`` that keep those of ``constraints`` that relate features, in arrays.
    Raises as :func:`build_question`."""
    rules, most_changes, levers = _sorted_constraints(constraints)
    factual = problem.factual.tolist()
    costs = [_costs(problem, j, line, factual[j]) for j, line in enumerate(lines)]
    middle, home, table, squares = [], [], [], [np.zeros(0, np.int64)]
    for j, line in enumerate(lines):
        at, is_home = line.place(factual[j])
        middle.append(at)
        home.append(at if is_home else -1)
        is_long = line.stretches is not None
        if is_long or line.size < 2 or problem.cost.features[j].rises or _rise(costs[j], at):
            table.append(-1)
            continue
        if line.size > MOST_CATEGORIES:
            name = problem.schema.names[j]
            raise NotEligible("trees", f"costs of {name} do not rise with distance")
        table.append(sum(square.size for square in squares))
        squares.append(_cheapest_positions(costs[j]).ravel())
    near, far = readings_of(problem, layout, [line.values for line in lines])
    if len(near):
        # To survive is to stay in the target whatever float32 sums round to: no verdicts.
        limits = Limits(limits.limit - limits.band, np.zeros_like(limits.band))
    size = np.array([line.size for line in lines], dtype=np.int64)
    values = [line.values for line in lines]
    off, long = offsets(values), [line.stretches is not None for line in lines]
    return Question(
        off=off,
        listed=np.where(long, -1, off[:-1]) if any(long) else off[:-1],
        size=size,
        long=_long(problem, lines) if any(long) else none_long(len(lines)),
        least=np.zeros(len(lines), dtype=np.int64),
        most=size - 1,
        value=np.concatenate(values),
        cost=np.concatenate(costs),
        cell=np.concatenate([line.cells for line in lines]),
        first=np.concatenate([line.first for line in lines]),
        middle=np.array(middle, dtype=np.int64),
        home=np.array(home, dtype=np.int64),
        counts=np.array([line.is_set for line in lines], dtype=np.uint8),
        table=np.array(table, dtype=np.int64),
        cheapest=np.concatenate(squares),
        near=near,
        far=far,
        limit=limits.limit,
        band=limits.band,
        most_changes=min(len(lines), most_changes),
        levers=offsets(levers),
        lever=np.array([j for group in levers for j in group], dtype=np.int64),
        rules=rules_of(rules).for_factual(problem.factual),
    )


def _long(problem: Problem, lines: Sequence[Line]) -> Long:
    first, begin, nothing = [], 0, np.zeros(0, dtype=np.int64)
    starts, multiples = [nothing], [nothing]
    numerator, scale = np.zeros(len(lines), dtype=np.int64), np.ones(len(lines))
    for j, line in enumerate(lines):
        first.append(begin)
        if line.stretches is not None:
            starts.append(line.stretches.start)
            multiples.append(line.stretches.multiple)
            numerator[j], scale[j] = line.stretches.grid.numerator, line.stretches.grid.scale
            begin += len(line.stretches.start)
    costs, is_set = problem.cost.features, np.array([float(line.is_set) for line in lines])
    return Long(
        first=np.array(first, dtype=np.int64),
        start=np.concatenate(starts),
        multiple=np.concatenate(multiples),
        numerator=numerator,
        scale=scale,
        factual=problem.factual.copy(),
        spread=np.array([cost.scale for cost in costs]),
        weight=is_set * [cost.weight for cost in costs],
        fixed=is_set * [cost.fixed for cost in costs],
        penalty=is_set * problem.cost.change_penalty,
    )


def readings_of(problem: Problem, layout: Layout, values: Sequence[Values]) -> tuple[Cells, Cells]:
    """Cells of the least and the greatest reading within tolerance of some values of all features,
    laid end to end; nothing if no answer must survive the sensors."""
    if problem.survives is None:
        return NO_CELLS, NO_CELLS
    ends = []
    for toward in (-np.inf, np.inf):
        offs = enumerate(zip(values, problem.survives.tolerances, strict=True))
        read = [layout.readings(j, own, off, toward) for j, (own, off) in offs]
        ends.append(np.concatenate(layout.cells_of(read)))
    return ends[0], ends[1]


def _costs(problem: Problem, column: int, line: Line, before: float) -> Values:
    values = line.values
    if not line.is_set or (line.size == 1 and values[0] == before):
        return np.zeros(len(values))
    return problem.cost.of_feature(column, values, before)


def _rise(costs: npt.NDArray[np.float64], middle: int) -> bool:
    """Whether costs rise from the factual on both sides."""
    steps = costs[1:] - costs[:-1]
    return bool((steps[middle:] >= 0).all() and (steps[: max(middle - 1, 0)] <= 0).all())


def _cheapest_positions(costs: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """Position of the least cost in ``a..b``, for every ``a <= b``."""
    n = len(costs)
    square = np.zeros((n, n), dtype=np.int64)
    for a in range(n):
        for b in range(a, n):
            square[a, b] = a + int(np.argmin(costs[a : b + 1]))
    return square


def _sorted_constraints(
    constraints: Sequence[Constraint],
) -> tuple[tuple[Rule, ...], int, list[list[int]]]:
    """Rules, the most changes, and groups of levers of which one stays; axes hold the rest."""
    rules: list[Rule] = []
    most = 1 << 30
    levers: list[list[int]] = []
    for constraint in constraints:
        match constraint:
            case Single() | Survives():  # in the axes; in `near` and `far`
                pass
            case Rule():
                rules.append(constraint)
            case MaxChanges():
                most = min(most, constraint.count)
            case LeavesOne():
                levers.append(sorted(constraint.levers))
            case _:
                name = type(constraint).__name__
                raise NotEligible("trees", f"{name} ({constraint.origin.key}) is not in the proof")
    return tuple(rules), most, levers
