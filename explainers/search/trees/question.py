"""One problem as the flat arrays that the kernel reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from explainers.constraints import (
    Changes,
    Comparison,
    Condition,
    Constraint,
    IsIn,
    LeavesOne,
    MaxChanges,
    Relation,
    Rule,
    Single,
)
from explainers.errors import NotEligible
from explainers.problem import Problem
from explainers.search.goals import Goal
from explainers.search.trees import kernel
from explainers.search.trees.leaves import FeatureCells
from explainers.space import TOLERANCE
from models.graph.forms import Columns
from models.predictor import Row

LONGEST_AXIS = 1_000_000
SHORT_AXIS = 4_096
MOST_CATEGORIES = 64

_RELATIONS = {
    Relation.LE: kernel.LE,
    Relation.LT: kernel.LT,
    Relation.GE: kernel.GE,
    Relation.GT: kernel.GT,
    Relation.EQ: kernel.EQ,
    Relation.NE: kernel.NE,
}


class Question(NamedTuple):
    """Axes, costs, limits and rules; positions count along each axis from 0."""

    off: npt.NDArray[np.int64]
    """``(n_features + 1,)`` first entry of each axis in the next three."""
    size: npt.NDArray[np.int64]
    value: npt.NDArray[np.float64]
    cost: npt.NDArray[np.float64]
    cell: npt.NDArray[np.int32]
    first: npt.NDArray[np.int64]
    """First position whose cell is at least ``k``; feature ``j`` begins at ``cells[j] + j``."""
    middle: npt.NDArray[np.int64]
    """Positions below the factual; costs rise from there on both sides."""
    home: npt.NDArray[np.int64]
    """Position of the factual value, -1 where it is not allowed."""
    table: npt.NDArray[np.int64]
    """Where costs do not rise from the factual: its square in ``cheapest``; else -1."""
    cheapest: npt.NDArray[np.int64]
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
    reads: npt.NDArray[np.int64]
    read: npt.NDArray[np.int64]

    def positions(self, row: Row) -> npt.NDArray[np.int64]:
        """Where each value of ``row`` stands on its axis."""
        return np.array(
            [
                int(np.flatnonzero((own == value) | (np.isnan(own) & np.isnan(value)))[0])
                for own, value in zip(self._axes(), row, strict=True)
            ],
            dtype=np.int64,
        )

    def _axes(self) -> list[npt.NDArray[np.float64]]:
        return np.split(self.value, self.off[1:-1])

    def cells(self, column: int) -> npt.NDArray[np.int32]:
        """Cell of each position of one axis, counted from the feature's first."""
        return np.asarray(self.cell[self.off[column] : self.off[column + 1]])

    def row(self, positions: npt.NDArray[Any]) -> Row:
        return np.asarray(self.value[self.off[:-1] + positions])


def build_question(
    problem: Problem,
    cells: Sequence[FeatureCells],
    columns: Columns,
    goals: Sequence[Goal],
    base: npt.NDArray[np.float64],
    noise: Sequence[float],
) -> Question:
    """The problem in arrays.

    Raises
    ------
    NotEligible
        If an axis is too long, or a constraint is of a kind that the kernel does not know.
    """
    values = [_values(problem, j) for j in range(len(problem.schema))]
    own = _cells(values, cells, columns)
    axes = [_axis(problem, j, values[j], own[j]) for j in range(len(problem.schema))]
    rules, counts, levers = _sorted_constraints(problem.constraints)
    flat = _Rules(problem, [axis[0] for axis in axes])
    for rule in rules:
        flat.add(rule)
    squares = [axis[4] for axis in axes]
    starts = np.cumsum([0, *(0 if s is None else s.size for s in squares)])
    return Question(
        off=_offsets([axis[0] for axis in axes]),
        size=np.array([len(axis[0]) for axis in axes]),
        value=np.concatenate([axis[0] for axis in axes]),
        cost=np.concatenate([axis[1] for axis in axes]),
        cell=np.concatenate([axis[2] for axis in axes]),
        first=np.concatenate(
            [
                np.searchsorted(axis[2], np.arange(own.count + 1))
                for axis, own in zip(axes, cells, strict=True)
            ]
        ),
        middle=np.array([axis[3][0] for axis in axes]),
        home=np.array([axis[3][1] for axis in axes]),
        table=np.array([-1 if s is None else starts[j] for j, s in enumerate(squares)]),
        cheapest=np.concatenate(
            [np.zeros(0, np.int64), *(s.ravel() for s in squares if s is not None)]
        ),
        limit=np.array([goal.limit - goal.weights @ base for goal in goals]),
        band=np.array([goal.band + doubt for goal, doubt in zip(goals, noise, strict=True)]),
        most_changes=min([len(axes), *counts]),
        levers=_offsets(levers),
        lever=np.array([j for group in levers for j in group], dtype=np.int64),
        tolerance=TOLERANCE,
        **flat.arrays(),
    )


def _values(problem: Problem, j: int) -> npt.NDArray[np.float64]:
    if len(problem.axes[j]) > LONGEST_AXIS:
        count = len(problem.axes[j])
        raise NotEligible("trees", f"{problem.schema.names[j]} has {count} settable values")
    return problem.axes[j].values()


def _cells(
    values: Sequence[npt.NDArray[np.float64]], cells: Sequence[FeatureCells], columns: Columns
) -> list[npt.NDArray[np.int32]]:
    """Cells of all axes. Every column is made of one feature alone, so that axes of about the
    same length are encoded side by side, in one call."""
    found: dict[int, npt.NDArray[np.int32]] = {}
    for group in _of_like_length([len(v) for v in values]):
        rows = np.zeros((max(len(values[j]) for j in group), len(values)))
        for j in group:
            rows[: len(values[j]), j] = values[j]
        encoded = columns.encode(rows)
        for j in group:
            found[j] = cells[j].of(values[j], encoded[: len(values[j])])
    return [found[j] for j in range(len(values))]


def _of_like_length(lengths: Sequence[int]) -> list[list[int]]:
    short = [j for j, length in enumerate(lengths) if length <= SHORT_AXIS]
    long = [[j] for j, length in enumerate(lengths) if length > SHORT_AXIS]
    return [short, *long] if short else long


def _axis(
    problem: Problem, j: int, values: npt.NDArray[np.float64], own: npt.NDArray[np.int32]
) -> tuple[Any, ...]:
    """Values, costs, cells, (middle, home) and table of cheapest positions of one axis."""
    factual = float(problem.factual[j])
    costs = problem.cost.of_feature(j, values, factual)
    if len(values) == 1 and values[0] == factual:
        return values, costs, own, (0, 0), None
    if np.any(np.diff(own) < 0):
        raise NotEligible("trees", f"the graph does not read {problem.schema.names[j]} in order")
    at = np.flatnonzero((values == factual) | (np.isnan(values) & np.isnan(factual)))
    home = int(at[0]) if len(at) else -1
    middle = home if home >= 0 else problem.axes[j].below(factual)
    rising = np.all(np.diff(costs[middle:]) >= 0) and np.all(np.diff(costs[:middle]) <= 0)
    if rising:
        return values, costs, own, (middle, home), None
    if len(values) > MOST_CATEGORIES:
        raise NotEligible("trees", f"costs of {problem.schema.names[j]} do not rise with distance")
    return values, costs, own, (middle, home), _cheapest_positions(costs)


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
) -> tuple[list[Rule], list[int], list[list[int]]]:
    """Rules, limits of changes, and sets of levers; single features are already in the axes."""
    rules: list[Rule] = []
    counts: list[int] = []
    levers: list[list[int]] = []
    for constraint in constraints:
        match constraint:
            case Rule():
                rules.append(constraint)
            case MaxChanges():
                counts.append(constraint.count)
            case LeavesOne():
                levers.append(sorted(constraint.levers))
            case Single():
                pass
            case _:
                name = type(constraint).__name__
                raise NotEligible("trees", f"{name} ({constraint.origin.key}) is not in the proof")
    return rules, counts, levers


class _Rules:
    """Rules, flattened as they are added."""

    def __init__(self, problem: Problem, values: Sequence[npt.NDArray[np.float64]]) -> None:
        self._problem = problem
        self._values = values
        self._rule = [0]
        self._split: list[int] = []
        self._conditions: list[tuple[int, int, int, float, float]] = []
        self._terms = [0]
        self._term: list[tuple[int, float]] = []
        self._member: list[npt.NDArray[np.uint8]] = []
        self._reads: list[list[int]] = []

    def add(self, rule: Rule) -> None:
        for condition in rule.when:
            self._add(condition)
        self._split.append(len(self._conditions))
        for condition in rule.then:
            self._add(condition)
        self._rule.append(len(self._conditions))
        self._reads.append(sorted(rule.columns))

    def _add(self, condition: Condition) -> None:
        factual = self._problem.factual
        match condition:
            case Comparison():
                total, size = condition.fixed(factual)
                flag = _RELATIONS[condition.relation]
                self._conditions.append((kernel.COMPARISON, flag, -1, total, size))
                self._term.extend(condition.now)
            case Changes():
                flag = int(condition.does)
                self._conditions.append((kernel.CHANGES, flag, condition.column, 0.0, 0.0))
            case IsIn(of_factual=True):
                true = condition.true(factual[None, :], factual)[0]
                flag = kernel.ALWAYS if true else kernel.NEVER
                self._conditions.append((kernel.CONSTANT, flag, -1, 0.0, 0.0))
            case IsIn():
                rows = np.repeat(factual[None, :], len(self._values[condition.column]), axis=0)
                rows[:, condition.column] = self._values[condition.column]
                start = sum(len(m) for m in self._member)
                self._member.append(condition.true(rows, factual).astype(np.uint8))
                self._conditions.append((kernel.MEMBER, start, condition.column, 0.0, 0.0))
            case _:
                raise NotEligible("trees", f"{type(condition).__name__} is not in the proof")
        self._terms.append(len(self._term))

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        kinds, flags, columns, fixed, sizes = (
            zip(*self._conditions, strict=True) if self._conditions else ((),) * 5
        )
        return {
            "rule": np.array(self._rule, dtype=np.int64),
            "split": np.array(self._split, dtype=np.int64),
            "kind": np.array(kinds, dtype=np.int64),
            "flag": np.array(flags, dtype=np.int64),
            "column": np.array(columns, dtype=np.int64),
            "fixed": np.array(fixed, dtype=np.float64),
            "fixed_size": np.array(sizes, dtype=np.float64),
            "terms": np.array(self._terms, dtype=np.int64),
            "term_column": np.array([j for j, _ in self._term], dtype=np.int64),
            "term_weight": np.array([w for _, w in self._term], dtype=np.float64),
            "member": np.concatenate([np.zeros(0, np.uint8), *self._member]),
            "reads": _offsets(self._reads),
            "read": np.array([j for group in self._reads for j in group], dtype=np.int64),
        }


def _offsets(groups: Sequence[Any]) -> npt.NDArray[np.int64]:
    return np.cumsum([0, *(len(group) for group in groups)], dtype=np.int64)
