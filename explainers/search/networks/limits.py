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
from ifonly.explainers.search.networks.arrays import LimitArrays
from ifonly.explainers.search.networks.network import spread
from ifonly.explainers.space import TOLERANCE
from ifonly.models.graph.forms import UnitNetwork
from ifonly.models.graph.intervals import NetworkBounds

Floats = npt.NDArray[np.float64]

OWN = 1e-9
"""Rounding of our own arithmetic in a goal, relative to the size of what it sums up."""


def linear_rules(problem: Problem) -> list[Comparison]:
    """The comparisons that hold of every allowed row, whose readings are all there."""
    found = []
    for constraint in problem.constraints:
        form = constraint.form
        if isinstance(form, Implication) and not form.when:
            for condition in form.then:
                if isinstance(condition, Comparison) and _is_plain(problem, condition):
                    found.append(condition)
    return found


def _is_plain(problem: Problem, condition: Comparison) -> bool:
    if condition.relation is Relation.NE or not condition.now:
        return False
    read = [j for j, _ in condition.now]
    if any(problem.axes[j].has_missing or math.isnan(problem.factual[j]) for j in read):
        return False
    return math.isfinite(condition.fixed(problem.factual)[0])


def limits_of(
    network: UnitNetwork,
    goals: Sequence[LinearGoal],
    bounds: NetworkBounds,
    problem: Problem,
    rules: Sequence[Comparison],
    values_of: Sequence[int],
) -> LimitArrays:
    """The goals, each loosened by all that may blur it, and linear rules by their tolerance."""
    extra = len(values_of)
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
    for row, most, slack in _rows(problem, rules, values_of):
        whole = np.zeros(width)
        whole[network.n_columns : network.n_columns + extra] = row
        weights.append(whole)
        limit.append(most)
        doubt.append(slack)
        begin.append(0.0)
    return LimitArrays(np.array(weights), np.array(limit), np.array(doubt), np.array(begin))


def _rows(
    problem: Problem, rules: Sequence[Comparison], values_of: Sequence[int]
) -> Iterator[tuple[Floats, float, float]]:
    """Weights of values, what they come to at most, and the tolerance; scaled to a size of 1."""
    place = {j: k for k, j in enumerate(values_of)}
    for rule in rules:
        fixed, size = rule.fixed(problem.factual)
        row = np.zeros(len(values_of))
        for j, weight in rule.now:
            row[place[j]] += weight
            ends = (problem.axes[j].low, problem.axes[j].high)
            size += abs(weight) * max(map(abs, ends))
        scale = max(size, 1.0)
        # Twice, and more: the definition measures the size of each row's own terms.
        slack = 4.0 * TOLERANCE
        if rule.relation in (Relation.LE, Relation.LT, Relation.EQ):
            yield row / scale, -fixed / scale, slack
        if rule.relation in (Relation.GE, Relation.GT, Relation.EQ):
            yield -row / scale, fixed / scale, slack
