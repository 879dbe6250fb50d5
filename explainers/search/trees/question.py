"""One problem as the flat arrays that the compiled search reads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from explainers.constraints import Constraint, LeavesOne, MaxChanges, Rule, Single, Survives
from explainers.errors import NotEligible
from explainers.problem import Problem
from explainers.search.engine import refuse_image
from explainers.search.trees.flat_rules import FlatRules, offsets
from explainers.search.trees.layout import NO_CELLS, Cells, Layout, Values
from explainers.space import TOLERANCE, same
from models.predictor import Row

MOST_CATEGORIES = 64


class Limits(NamedTuple):
    """What the sum over each goal's trees must not exceed, and how far that is in doubt."""

    limit: npt.NDArray[np.float64]
    band: npt.NDArray[np.float64]


class Question(NamedTuple):
    """Axes, costs, limits and rules; positions count along each axis from 0."""

    off: npt.NDArray[np.int64]
    """``(n_features + 1,)`` first entry of each axis in the next three."""
    size: npt.NDArray[np.int64]
    least: npt.NDArray[np.int64]
    """``(n_features,)`` first position of every axis, 0."""
    most: npt.NDArray[np.int64]
    """Last position of every axis."""
    value: npt.NDArray[np.float64]
    cost: npt.NDArray[np.float64]
    cell: npt.NDArray[np.int32]
    first: npt.NDArray[np.int64]
    """First position whose cell is at least ``k``; feature ``j`` begins at ``cells[j] + j``."""
    middle: npt.NDArray[np.int64]
    """Positions below the factual; costs rise from there on both sides."""
    home: npt.NDArray[np.int64]
    """Position of the factual value, -1 where it is not allowed."""
    counts: npt.NDArray[np.uint8]
    """Whether a change counts as one: what is set does, what follows does not."""
    table: npt.NDArray[np.int64]
    """Where costs do not rise from the factual: its square in ``cheapest``; else -1."""
    cheapest: npt.NDArray[np.int64]
    near: npt.NDArray[np.int32]
    """Cell of the least reading within tolerance of each value; empty if no answer must survive
    the sensors."""
    far: npt.NDArray[np.int32]
    """Cell of the greatest."""
    limit: npt.NDArray[np.float64]
    band: npt.NDArray[np.float64]
    most_changes: int
    levers: npt.NDArray[np.int64]
    lever: npt.NDArray[np.int64]
    tolerance: float
    rule: npt.NDArray[np.int64]
    """``(n_rules + 1,)`` first condition of each rule."""
    split: npt.NDArray[np.int64]
    """First condition after ``then``."""
    kind: npt.NDArray[np.int64]
    flag: npt.NDArray[np.int64]
    """Relation of a comparison, sense of a change, start of a membership, truth of a constant."""
    column: npt.NDArray[np.int64]
    fixed: npt.NDArray[np.float64]
    fixed_size: npt.NDArray[np.float64]
    terms: npt.NDArray[np.int64]
    term_column: npt.NDArray[np.int64]
    term_weight: npt.NDArray[np.float64]
    member: npt.NDArray[np.uint8]
    """Whether each category is a member, by its code."""
    reads: npt.NDArray[np.int64]
    read: npt.NDArray[np.int64]
    """Features of each rule."""
    touched: npt.NDArray[np.int64]
    """The same as a set of bits."""

    def positions(self, row: Row) -> npt.NDArray[np.int64]:
        """Where each value of ``row`` stands on its axis."""
        return np.array(
            [int(np.searchsorted(self.values(j), value)) for j, value in enumerate(row)],
            dtype=np.int64,
        )

    def values(self, column: int) -> Values:
        """All values of one axis, ascending, NaN last."""
        return self.value[self.off[column] : self.off[column + 1]]

    def cells(self, column: int) -> Cells:
        """Cell of each position of one axis, counted from the feature's first."""
        return self.cell[self.off[column] : self.off[column + 1]]

    def row(self, positions: npt.NDArray[Any]) -> Row:
        return np.asarray(self.value[self.off[:-1] + positions])


class Line(NamedTuple):
    """What one feature may be."""

    values: Values
    """Ascending, NaN last."""
    cells: Cells
    is_set: bool = True
    """Whether it is set to its value, at a cost, or follows from others."""


def build_question(
    problem: Problem,
    layout: Layout,
    limits: Limits,
    rules_of: Callable[[tuple[Rule, ...]], FlatRules],
) -> Question:
    """A problem in which nothing follows from what is set, in arrays. ``rules_of`` flattens
    rules, or remembers having done so.

    Raises
    ------
    NotEligible
        If an axis is too long, or a constraint is of a kind that the kernel does not know.
    """
    refuse_image(problem, "trees")
    values, cells = layout.of_axes(problem.single_axes)
    lines = [Line(own, at) for own, at in zip(values, cells, strict=True)]
    return question_of(problem, layout, lines, problem.constraints, limits, rules_of)


def question_of(
    problem: Problem,
    layout: Layout,
    lines: Sequence[Line],
    constraints: Sequence[Constraint],
    limits: Limits,
    rules_of: Callable[[tuple[Rule, ...]], FlatRules],
) -> Question:
    """Rows on ``lines`` that keep those of ``constraints`` that relate features, in arrays.
    Raises as :func:`build_question`."""
    rules, most_changes, levers = _sorted_constraints(constraints)
    flat = rules_of(rules).for_factual(problem.factual)
    values, cells = [line.values for line in lines], [line.cells for line in lines]
    factual = problem.factual.tolist()
    costs = [_costs(problem, j, line) for j, line in enumerate(lines)]
    middle, home, table, squares = [], [], [], [np.zeros(0, np.int64)]
    for j, own in enumerate(values):
        at, is_home = _stand(factual[j], own)
        middle.append(at)
        home.append(at if is_home else -1)
        if len(own) < 2 or _rise(costs[j], at):
            table.append(-1)
            continue
        if len(own) > MOST_CATEGORIES:
            name = problem.schema.names[j]
            raise NotEligible("trees", f"costs of {name} do not rise with distance")
        table.append(sum(square.size for square in squares))
        squares.append(_cheapest_positions(costs[j]).ravel())
    near, far = _readings(problem, layout, values, cells)
    if len(near):
        # To survive is to stay in the target whatever float32 sums round to: no verdicts.
        limits = Limits(limits.limit - limits.band, np.zeros_like(limits.band))
    size = np.array([len(own) for own in values], dtype=np.int64)
    return Question(
        off=offsets(values),
        size=size,
        least=np.zeros_like(size),
        most=size - 1,
        value=np.concatenate(values),
        cost=np.concatenate(costs),
        cell=np.concatenate(cells),
        first=np.concatenate(
            [
                np.searchsorted(own, numbers)
                for own, numbers in zip(cells, layout.cell_numbers, strict=True)
            ]
        ),
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
        tolerance=TOLERANCE,
        **flat,
    )


def _readings(
    problem: Problem, layout: Layout, values: Sequence[Values], cells: Sequence[Cells]
) -> tuple[Cells, Cells]:
    """Cells of the least and the greatest reading within tolerance of each value of all axes."""
    if problem.survives is None:
        return NO_CELLS, NO_CELLS
    ends = []
    for sign, toward in ((-1.0, -np.inf), (1.0, np.inf)):
        readings = []
        for j, own in enumerate(values):
            feature, off = problem.schema.features[j], problem.survives.tolerances[j]
            if off and not feature.kind.is_categorical:
                # One step outward: the sum of two decimals may be rounded inward.
                end = np.nextafter(own + sign * off, toward)
                own = np.clip(end, np.minimum(feature.lower, own), np.maximum(feature.upper, own))
            readings.append(own)
        found = layout.cells_of(readings)
        categories = [own.cuts is None for own in layout.cells]
        ends.append([c if k else f for c, f, k in zip(cells, found, categories, strict=True)])
    return np.concatenate(ends[0]), np.concatenate(ends[1])


def _costs(problem: Problem, column: int, line: Line) -> Values:
    before = float(problem.factual[column])
    if not line.is_set or (len(line.values) == 1 and line.values[0] == before):
        return np.zeros(len(line.values))
    return problem.cost.of_feature(column, line.values, before)


def _stand(factual: float, values: Values) -> tuple[int, bool]:
    """How many values are below the factual one, and whether it is the next."""
    at = int(np.searchsorted(values, factual))
    return at, at < len(values) and same(float(values[at]), factual)


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
