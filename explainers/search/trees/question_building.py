"""A problem is put into the flat arrays that the compiled search reads."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from ifonly.explainers.constraints import Constraint
from ifonly.explainers.constraints.forms import (
    Implication,
    MostSet,
    OneStays,
    OwnValues,
    Readings,
    SetTogether,
    StaysRead,
    Within,
)
from ifonly.explainers.errors import NotEligible
from ifonly.explainers.problem import Problem
from ifonly.explainers.search.engine import refusal, refuse_consequences
from ifonly.explainers.search.trees.arrays import Cells
from ifonly.explainers.search.trees.flat_rules import Flattened, offsets
from ifonly.explainers.search.trees.layout import NO_CELLS, AxisLine, Layout, Values
from ifonly.explainers.search.trees.question import Long, Question, SumLimits, none_long

MOST_CATEGORIES = 64


def build_question(
    problem: Problem,
    layout: Layout,
    limits: SumLimits,
    rules_of: Callable[[tuple[Implication, ...]], Flattened],
) -> Question:
    """A problem in which nothing follows from what is set, in arrays. ``rules_of`` flattens
    rules, or remembers having done so.

    Raises
    ------
    NotEligible
        If the graph does not read a feature in order, or a constraint has a form that the kernel
        does not know.
    """
    refuse_consequences(problem, "trees")
    tolerances = None if problem.survives is None else problem.survives.tolerances
    lines = layout.of_axes(problem.single_axes, problem.factual, tolerances=tolerances)
    return question_of(problem, layout, lines, problem.constraints, limits, rules_of)


def question_of(
    problem: Problem,
    layout: Layout | None,
    lines: Sequence[AxisLine],
    constraints: Sequence[Constraint],
    limits: SumLimits,
    rules_of: Callable[[tuple[Implication, ...]], Flattened],
) -> Question:
    """Rows on ``lines`` that keep those of ``constraints`` that relate features, in arrays;
    without a ``layout`` where nothing is said of the sensors. Raises as :func:`build_question`."""
    rules, most_changes, levers = _sorted_constraints(constraints)
    factual = problem.factual.tolist()
    costs = [_costs(problem, j, line, factual[j]) for j, line in enumerate(lines)]
    middle, home, table, squares = [], [], [], [np.zeros(0, np.int64)]
    for j, line in enumerate(lines):
        at, is_home = line.place(factual[j])
        # Of the factual, or of where it would be: costs rise on both sides of it.
        middle.append(at)
        home.append(at if is_home else -1)
        is_long = line.stretches is not None
        # Costs that rise on both sides need no table: the nearest allowed value is the cheapest.
        if is_long or line.size < 2 or problem.cost.features[j].rises or _rise(costs[j], at):
            table.append(-1)
            continue
        # The table is a square of the axis.
        if line.size > MOST_CATEGORIES:
            name = problem.schema.names[j]
            raise NotEligible("trees", f"costs of {name} do not rise with distance")
        table.append(sum(square.size for square in squares))
        squares.append(_cheapest_positions(costs[j]).ravel())
    near, far = NO_CELLS, NO_CELLS
    if layout is not None:
        near, far = readings_of(problem, layout, [line.values for line in lines])
    if len(near):
        # To survive is to stay in the target whatever float32 sums round to: no verdicts.
        limits = SumLimits(limits.limit - limits.band, np.zeros_like(limits.band))
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
        # More than there are features is no limit, and 1 << 30 is one that nobody reaches.
        most_changes=min(len(lines), most_changes),
        levers=offsets(levers),
        lever=np.array([j for group in levers for j in group], dtype=np.int64),
        rules=rules_of(rules).for_factual(problem.factual),
    )


def _long(problem: Problem, lines: Sequence[AxisLine]) -> Long:
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
        # What follows costs nothing: its weights are 0.
        weight=is_set * [cost.weight for cost in costs],
        fixed=is_set * [cost.fixed for cost in costs],
        penalty=is_set * problem.cost.change_penalty,
    )


def readings_of(problem: Problem, layout: Layout, values: Sequence[Values]) -> tuple[Cells, Cells]:
    """Cells of the least and the greatest reading within tolerance of some values of all features,
    laid end to end; nothing if no answer must survive the sensors."""
    if problem.survives is None:
        return NO_CELLS, NO_CELLS
    near, far = layout.cells_read(values, problem.survives.tolerances)
    return np.concatenate(near), np.concatenate(far)


def _costs(problem: Problem, column: int, line: AxisLine, before: float) -> Values:
    values = line.values
    # A feature that follows, or stays, costs nothing.
    if not line.is_set or (line.size == 1 and values[0] == before):
        return np.zeros(len(values))
    return problem.cost.of_feature(column, values, before)


def _rise(costs: npt.NDArray[np.float64], middle: int) -> bool:
    """Whether costs rise from the factual on both sides."""
    steps = costs[1:] - costs[:-1]
    # The step across `middle` joins the two sides, so it may go either way.
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
) -> tuple[tuple[Implication, ...], int, list[list[int]]]:
    """Rules, the most changes, and groups of levers of which one stays; axes hold the rest."""
    rules: list[Implication] = []
    most = 1 << 30
    levers: list[list[int]] = []
    for constraint in constraints:
        match constraint.form:
            case OwnValues() | Within() | StaysRead() | Readings():  # in axes; in `near` and `far`
                pass
            case Implication() as rule:
                rules.append(rule)
            case SetTogether() as form:
                rules.extend(form.rules)
            case MostSet(count=count):
                most = min(most, count)
            case OneStays(columns=columns):
                levers.append(sorted(columns))
            # A rule that the proof cannot keep must never be dropped.
            case _:
                raise refusal("trees", constraint)
    return tuple(rules), most, levers
