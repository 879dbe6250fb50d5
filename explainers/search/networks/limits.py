"""What an answer must keep, as sums of a network's columns and units that are limited."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ifonly.explainers.constraints import Comparison, Relation
from ifonly.explainers.constraints.forms import Implication
from ifonly.explainers.problem import Problem
from ifonly.explainers.search.goals import LinearGoal
from ifonly.explainers.search.networks.arrays import LimitArrays
from ifonly.explainers.search.networks.conjunction import conjunction, units_read
from ifonly.explainers.search.networks.network import rounded, spread
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
) -> tuple[LimitArrays, npt.NDArray[np.bool_]]:
    """The goals, each loosened by all that may blur it, and linear rules by their tolerance.

    Returns
    -------
    LimitArrays
        Of columns, and of the units that they depend on.
    ndarray of bool, shape (n_units,)
        Those units.
    """
    extra = len(values_of)
    sums = [conjunction(network, goal.weights) for goal in goals]
    read = units_read(network, np.concatenate([each.weights for each in sums]))
    kept = np.concatenate([np.ones(network.n_columns, dtype=np.bool_), read])
    known, outputs = bounds.known, bounds.outputs
    rows: list[_Limit] = []
    for goal, each in zip(goals, sums, strict=True):
        # Our own sums are rounded as well, in float64.
        own = goal.band + OWN * float(outputs.size @ np.abs(goal.weights))
        slips = rounded(network, (1.0 + OWN) * each.slips.T)
        # What is read by none that is kept is as large as it may be anywhere.
        fixed = own + slips[-1] + known.size[~kept] @ slips[:-1][~kept]
        doubt = fixed + known.size[kept] @ slips[:-1][kept]
        doubt += (1.0 + OWN) * (np.abs(each.weights) @ known.off)
        for k, row in enumerate(each.weights):
            limit = goal.limit - float(each.bias[k])
            slip = slips[:-1, k][kept]
            rows.append(_Limit(spread(network, row[kept], extra), limit, float(doubt[k]), 1.0,
                               spread(network, slip, extra), float(fixed[k])))  # fmt: skip
    width = len(rows[0].weights)
    for row, most, slack in _rows(problem, rules, values_of):
        whole = np.zeros(width)
        whole[network.n_columns : network.n_columns + extra] = row
        rows.append(_Limit(whole, most, slack, 0.0, np.zeros(width), slack))
    found = LimitArrays(
        weights=np.array([row.weights for row in rows]),
        limit=np.array([row.limit for row in rows]),
        doubt=np.array([row.doubt for row in rows]),
        begin=np.array([row.begin for row in rows]),
        slips=np.array([row.slips for row in rows]),
        slip=np.array([row.slip for row in rows]),
    )
    return found, read


@dataclass(frozen=True, eq=False)
class _Limit:
    """A line of :class:`LimitArrays`."""

    weights: Floats
    limit: float
    doubt: float
    begin: float
    slips: Floats
    slip: float


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
