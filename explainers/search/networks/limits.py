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
from ifonly.explainers.search.networks.following import ROUNDING, NetworkMode, ValueColumns
from ifonly.explainers.search.networks.network import spread
from ifonly.explainers.space import TOLERANCE
from ifonly.models.graph.forms import UnitNetwork
from ifonly.models.graph.intervals import NetworkBounds

Floats = npt.NDArray[np.float64]
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
) -> LimitArrays:
    """The goals, each loosened by all that may blur it, linear rules by their tolerance, and what
    ties rows to what they follow from. ``levers``: what is within reach."""
    extra = len(values)
    weights, limit, doubt, begin = [], [], [], []
    for goal in goals:
        own = network.weights @ goal.weights
        far = np.abs(goal.weights)
        weights.append(spread(network, own, extra))
        limit.append(goal.limit - float(network.bias @ goal.weights))
        outputs = bounds.outputs
        # Our own sums are rounded as well, in float64.
        doubt.append(goal.band + float((1.0 + OWN) * outputs.off @ far + OWN * outputs.size @ far))
        begin.append(1.0)
    width = network.n_columns + extra + network.n_units
    rows = [*_rows(problem, rules, mode, values), *_readings(mode, levers, values)]
    for row, most, slack in rows:
        whole = np.zeros(width)
        whole[list(row)] = list(row.values())
        weights.append(whole)
        limit.append(most)
        doubt.append(slack)
        begin.append(0.0)
    return LimitArrays(np.array(weights), np.array(limit), np.array(doubt), np.array(begin))


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
