"""What an answer must keep, as sums of a network's columns and units that are limited."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from ifonly.explainers.constraints import Comparison, Relation
from ifonly.explainers.constraints.forms import Implication
from ifonly.explainers.problem import Problem
from ifonly.explainers.search.goals import LinearGoal
from ifonly.explainers.search.milp.levers import Levers
from ifonly.explainers.search.networks.arrays import LimitArrays
from ifonly.explainers.search.networks.conjunction import conjunction, units_read
from ifonly.explainers.search.networks.following import ROUNDING, NetworkMode, ValueColumns
from ifonly.explainers.search.networks.network import rounded, spread
from ifonly.explainers.space import TOLERANCE
from ifonly.models.graph.forms import UnitNetwork
from ifonly.models.graph.intervals import NetworkBounds

Floats = npt.NDArray[np.float64]
Read = npt.NDArray[np.bool_]
Row = dict[int, float]
"""Weights of columns."""

OWN = 1e-9
"""Rounding of our own arithmetic in a goal, relative to the size of what it sums up."""


def linear_rules(problem: Problem, mode: NetworkMode) -> list[Comparison]:
    """The comparisons that hold of every allowed row, whose readings are all there."""
    found = []
    for constraint in problem.constraints:
        form = constraint.form
        if isinstance(form, Implication) and not form.when:
            for condition in form.then:
                if isinstance(condition, Comparison) and _is_plain(problem, mode, condition):
                    found.append(condition)
    return found


def _is_plain(problem: Problem, mode: NetworkMode, condition: Comparison) -> bool:
    if condition.relation is Relation.NE or not condition.now:
        return False
    read = [j for j, _ in condition.now]
    if any(mode.axes[j].has_missing or math.isnan(problem.factual[j]) for j in read):
        return False
    return math.isfinite(condition.fixed(problem.factual)[0])


def limits_of(
    network: UnitNetwork,
    goals: Sequence[LinearGoal],
    bounds: NetworkBounds,
    problem: Problem,
    rules: Sequence[Comparison],
    mode: NetworkMode,
    levers: Levers,
    values: ValueColumns,
) -> tuple[LimitArrays, Read]:
    """The goals, each loosened by all that may blur it, linear rules by their tolerance, and what
    ties rows to what they follow from. ``levers``: what is within reach.

    Returns
    -------
    LimitArrays
        Of columns, and of the units that they depend on.
    ndarray of bool, shape (n_units,)
        Those units.
    """
    kept, read = limits_of_goals(network, goals, bounds, len(values))
    width = kept.weights.shape[1]
    rows = [*_rows(problem, rules, mode, values), *_readings(mode, levers, values)]
    if not rows:
        return kept, read
    weights = np.zeros((len(rows), width))
    for k, (row, _, _) in enumerate(rows):
        weights[k, list(row)] = list(row.values())
    slack = np.array([slack for _, _, slack in rows])
    more = LimitArrays(
        weights=weights,
        limit=np.array([most for _, most, _ in rows]),
        doubt=slack,
        begin=np.zeros(len(rows)),
        slips=np.zeros((len(rows), width)),
        slip=slack,
    )
    return kept.and_(more), read


def limits_of_goals(
    network: UnitNetwork, goals: Sequence[LinearGoal], bounds: NetworkBounds, extra: int
) -> tuple[LimitArrays, Read]:
    """What :func:`limits_of` gives of the goals alone, with ``extra`` columns behind the network's.

    A goal that is a largest of several sums is a limit for each of them.
    """
    sums = [conjunction(network, goal.weights) for goal in goals]
    read = units_read(network, np.concatenate([each.weights for each in sums]))
    kept = np.concatenate([np.ones(network.n_columns, dtype=np.bool_), read])
    known, outputs = bounds.known, bounds.outputs
    found: LimitArrays | None = None
    for goal, each in zip(goals, sums, strict=True):
        n = len(each.weights)
        # Our own sums are rounded as well, in float64.
        own = goal.band + OWN * float(outputs.size @ np.abs(goal.weights))
        slips = rounded(network, (1.0 + OWN) * each.slips)
        # What is read by none that is kept is as large as it may be anywhere.
        slip = own + slips[:, -1] + slips[:, :-1][:, ~kept] @ known.size[~kept]
        slips = slips[:, :-1][:, kept]
        off = (1.0 + OWN) * (np.abs(each.weights) @ known.off)
        limits = LimitArrays(
            weights=np.ascontiguousarray(spread(network, each.weights[:, kept].T, extra).T),
            limit=goal.limit - each.bias,
            doubt=slip + slips @ known.size[kept] + off,
            begin=np.ones(n),
            slips=np.ascontiguousarray(spread(network, slips.T, extra).T),
            slip=slip,
        )
        found = limits if found is None else found.and_(limits)
    assert found is not None
    return found, read


def _rows(
    problem: Problem, rules: Sequence[Comparison], mode: NetworkMode, values: ValueColumns
) -> Iterator[tuple[Row, float, float]]:
    """Weights of values, what they come to at most, and the tolerance; scaled to a size of 1."""
    followers = {each.column: each for each in mode.followers}
    for rule in rules:
        fixed, size = rule.fixed(problem.factual)
        row: Row = {}
        follows = False
        for j, weight in rule.now:
            row[values.read[j]] = row.get(values.read[j], 0.0) + weight
            ends = (mode.axes[j].low, mode.axes[j].high)
            if j in followers:
                ends, follows = (followers[j].lower, followers[j].upper), True
            size += abs(weight) * max(map(abs, ends))
        scale = max(size, 1.0)
        # Twice, and more: the definition measures the size of each row's own terms.
        slack = 4.0 * TOLERANCE + (ROUNDING if follows else 0.0)
        up = {column: weight / scale for column, weight in row.items()}
        if rule.relation in (Relation.LE, Relation.LT, Relation.EQ):
            yield up, -fixed / scale, slack
        if rule.relation in (Relation.GE, Relation.GT, Relation.EQ):
            yield _turned(up), fixed / scale, slack


def _readings(
    mode: NetworkMode, levers: Levers, values: ValueColumns
) -> Iterator[tuple[Row, float, float]]:
    """That what follows reads within its bounds; in whole numbers, what is nearest."""
    for each in mode.followers:
        room = each.room(levers)
        size = max(abs(each.factual), abs(each.lower), abs(each.upper), room.size, 1.0)
        own = {values.read[each.column]: 1.0 / size}
        if each.is_whole:
            apart = {**own, values.pulled[each.column]: -1.0 / size}
            yield apart, 0.5 / size, ROUNDING
            yield _turned(apart), 0.5 / size, ROUNDING
            continue
        # Most often a limit is out of reach, and not worth a row.
        if each.factual + room.high > each.upper:
            yield own, each.upper / size, ROUNDING
        if each.factual + room.low < each.lower:
            yield _turned(own), -each.lower / size, ROUNDING


def _turned(row: Row) -> Row:
    return {column: -weight for column, weight in row.items()}
