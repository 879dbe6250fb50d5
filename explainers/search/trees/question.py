"""One problem as the flat arrays that the compiled search reads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from explainers.constraints import Constraint, LeavesOne, MaxChanges, Rule, Single, Survives
from explainers.errors import NotEligible
from explainers.problem import Problem
from explainers.search.engine import refuse_image
from explainers.search.trees.flat_rules import FlatRules, Flattened, offsets
from explainers.search.trees.layout import NO_CELLS, Layout, Line, Values
from explainers.search.trees.structs import Bytes, Cells, Floats, Ints, Struct, pointer_to
from explainers.search.trees.thinning import thinned
from explainers.space import differing, same
from models.predictor import Row

MOST_CATEGORIES = 64


class Limits(NamedTuple):
    """What the sum over each goal's trees must not exceed, and how far that is in doubt."""

    limit: Floats
    band: Floats


@dataclass(frozen=True, eq=False)
class Question(Struct):
    """Axes, costs, limits and rules; positions count along each axis from 0."""

    off: Ints
    """``(n_features + 1,)`` first entry of each axis in the next three."""
    size: Ints
    least: Ints
    """``(n_features,)`` first position of every axis, 0."""
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

    def positions(self, row: Row, factual: Row) -> npt.NDArray[np.int64] | None:
        """Where each value of ``row`` stands on its axis; None if one is not on it, as of a long
        one only some values are kept."""
        at, values = self.home.copy(), row.tolist()
        for j in differing(values, factual.tolist()):
            own = self.values(j)
            at[j] = _home(own, int(own.searchsorted(values[j])), values[j])
        return None if -1 in at.tolist() else at

    def values(self, column: int) -> Values:
        """All values of one axis, ascending, NaN last."""
        return self.value[self.off[column] : self.off[column + 1]]

    def cells(self, column: int) -> Cells:
        """Cell of each position of one axis, counted from the feature's first."""
        return self.cell[self.off[column] : self.off[column + 1]]

    def row(self, positions: npt.NDArray[Any]) -> Row:
        return np.asarray(self.value[self.off[:-1] + positions])


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
        If an axis is too long, or a constraint is of a kind that the kernel does not know.
    """
    refuse_image(problem, "trees")
    lines = layout.of_axes(thinned(problem, layout))
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
    for j, (values, *_) in enumerate(lines):
        at = int(values.searchsorted(factual[j]))
        middle.append(at)
        home.append(_home(values, at, factual[j]))
        if len(values) < 2 or problem.cost.features[j].rises or _rise(costs[j], at):
            table.append(-1)
            continue
        if len(values) > MOST_CATEGORIES:
            name = problem.schema.names[j]
            raise NotEligible("trees", f"costs of {name} do not rise with distance")
        table.append(sum(square.size for square in squares))
        squares.append(_cheapest_positions(costs[j]).ravel())
    near, far = readings_of(problem, layout, [line.values for line in lines])
    if len(near):
        # To survive is to stay in the target whatever float32 sums round to: no verdicts.
        limits = Limits(limits.limit - limits.band, np.zeros_like(limits.band))
    size = np.array([len(line.values) for line in lines], dtype=np.int64)
    return Question(
        off=offsets([line.values for line in lines]),
        size=size,
        least=np.zeros(len(lines), dtype=np.int64),
        most=size - 1,
        value=np.concatenate([line.values for line in lines]),
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


def readings_of(problem: Problem, layout: Layout, values: Sequence[Values]) -> tuple[Cells, Cells]:
    """Cells of the least and the greatest reading within tolerance of some values of all features,
    laid end to end; nothing if no answer must survive the sensors."""
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
        ends.append(np.concatenate(layout.cells_of(readings)))
    return ends[0], ends[1]


def _costs(problem: Problem, column: int, line: Line, before: float) -> Values:
    values = line.values
    if not line.is_set or (len(values) == 1 and values[0] == before):
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
