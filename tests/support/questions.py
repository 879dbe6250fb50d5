"""Random questions over the generated models, with the oracle's cost written apart."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ifonly.explainers.policy import Policy, read_constraints
from ifonly.explainers.problem import Problem
from ifonly.models.schema import Schema, Task
from tests.support.bruteforce import Predicate, Values, moved
from tests.support.generated import SCHEMA, Stumps, decision, factual
from tests.support.kinds import ConstraintKind, missing_stays

RANGES = (2.0, 90.0, math.nan, math.nan, 0.7)
"""Of the numbers; a category has none."""
MODE_COSTS = ((0.0, 0.4, 1.5), (0.6, 0.0, 0.2), (1.0, 1.0, 0.0))
PENALTY = 0.125


def policy_table(kinds: Sequence[ConstraintKind]) -> dict[str, Any]:
    """The ``[policy]`` table, as a document says it."""
    features: dict[str, dict[str, Any]] = {
        "speed": {"weight": 2.0},
        "mode": {"cost_matrix": MODE_COSTS},
        "flow": {"fixed_cost": 0.25},
    }
    for kind in kinds:
        for name, table in kind.feature.items():
            features.setdefault(name, {}).update(table)
    whole = {key: value for kind in kinds for key, value in kind.policy.items()}
    return {
        **whole,
        "features": features,
        "rules": [k.rule for k in kinds if k.rule],
        "change_penalty": PENALTY,
    }


def request_table(kinds: Sequence[ConstraintKind]) -> dict[str, Any]:
    """A request's ``constraints``."""
    request: dict[str, Any] = {}
    for kind in kinds:
        request |= kind.request
    return request


def policy(kinds: Sequence[ConstraintKind], task: Task, schema: Schema = SCHEMA) -> Policy:
    return Policy.read(policy_table(kinds), schema, decision(task))


def price(row: Values, before: Values) -> float:
    """The design's formula, written out for this policy."""
    total = 0.0
    for j, moves in enumerate(moved(row, before)):
        if not moves:
            continue
        total += PENALTY
        if j == 2:
            total += MODE_COSTS[int(before[j])][int(row[j])]
        elif j == 3:
            total += abs(row[j] - before[j])
        elif math.isnan(before[j]):
            total += 1.0
        else:
            total += (2.0 if j == 1 else 1.0) * abs(row[j] - before[j]) / RANGES[j]
        total += 0.25 if j == 4 else 0.0
    return total


def question(
    kinds: Sequence[ConstraintKind],
    seed: int,
    task: Task = Task.BINARY,
    schema: Schema = SCHEMA,
) -> tuple[Problem, Stumps, list[Predicate]]:
    before = factual(seed, missing=seed % 3 == 0)
    problem = policy(kinds, task, schema).problem(
        before, constraints=read_constraints(request_table(kinds), schema), seed=seed
    )
    kept = [k.keeps for k in kinds]
    if not any(k.name == "may be filled" for k in kinds):
        kept.append(missing_stays)
    return problem, Stumps.random(seed, task), kept
