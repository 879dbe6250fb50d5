"""Policies: what a spec may declare, what a request may add, and how each says no."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from ifonly.explainers.constraints import (
    Immutable,
    NotMissing,
    OnlyTo,
    Plausible,
    Range,
    Settable,
    Source,
    Survives,
)
from ifonly.explainers.errors import InvalidPolicy, InvalidTarget
from ifonly.explainers.explain import explain
from ifonly.explainers.policy import Policy, read_constraints
from ifonly.explainers.target import Target
from ifonly.models.predictor import Rows, Scores
from ifonly.models.schema import Decision, Task
from tests.support.generated import SCHEMA, Stumps, decision, factual

REFERENCE = np.array([factual(seed) for seed in range(60)])


def read(table: dict, **more: Any) -> Policy:
    return Policy.read(table, SCHEMA, decision(Task.BINARY), **more)


def test_scales_are_the_median_absolute_deviation_of_the_reference() -> None:
    policy = read({}, reference=REFERENCE)
    speeds = REFERENCE[:, 1]
    assert policy.cost.features[1].scale == np.median(np.abs(speeds - np.median(speeds)))


def test_the_range_stands_in_where_the_deviation_is_zero() -> None:
    reference = REFERENCE.copy()
    reference[:, 1] = 50.0
    reference[0, 1] = 80.0
    assert read({}, reference=reference).cost.features[1].scale == 30.0
    assert read({}).cost.features[1].scale == 90.0


def test_what_is_declared_becomes_constraints_with_their_reasons() -> None:
    why = {"en": "set by the order"}
    policy = read(
        {
            "features": {
                "mode": {"actionable": False, "why": why},
                "pressure": {"range": [0.5, 1.5], "only_to": [0.5, 1.0]},
            }
        }
    )
    immutable = next(c for c in policy.constraints if isinstance(c, Immutable))
    assert immutable.origin.key == "policy.features.mode.actionable"
    assert immutable.origin.why == why
    kinds = {type(c) for c in policy.constraints}
    assert {Immutable, Settable, OnlyTo, NotMissing} == kinds


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ({"features": {"heat": {}}}, "policy.features.heat: heat is not a feature of this model"),
        (
            {"features": {"pressure": {"range": [2, 1]}}},
            "policy.features.pressure.range: is [2, 1], the lower end above the upper",
        ),
        ({"features": {"mode": {"range": [0, 1]}}}, "mode is a category, not a number"),
        ({"features": {"mode": {"direction": "up"}}}, "the categories of mode have no order"),
        ({"features": {"speed": {"direction": "left"}}}, "is 'left', neither 'up' nor 'down'"),
        (
            {"features": {"speed": {"weight": -1}}},
            "speed.weight: is -1, not a number of at least 0",
        ),
        ({"features": {"speed": {"scale": 0}}}, "speed.scale: is 0, not a positive number"),
        (
            {"features": {"pressure": {"only_to": [0.3]}}},
            "only_to.0: 0.3 bar cannot be set: pressure goes in steps of 0.25",
        ),
        (
            {"features": {"pressure": {"only_to": [9]}}},
            "only_to.0: pressure is 9 bar, outside [0, 2] bar",
        ),
        ({"features": {"mode": {"cost_matrix": [[0]]}}}, "mode.cost_matrix: is not 3 x 3"),
        ({"rules": ["pressure >"]}, "policy.rules.0: rule 'pressure >': cannot be read"),
        ({"max_changes": 0}, "policy.max_changes: is 0, not a whole number of at least 1"),
        ({"change_penalty": -1}, "policy.change_penalty: is -1"),
        ({"plausibility": {"method": "knn"}}, "is knn, but the folder has no reference rows"),
        ({"plausibility": {"method": "onnx"}}, "is onnx, but the folder has no plausibility.onnx"),
    ],
)
def test_a_broken_policy_names_key_value_and_limit(table: dict, problem: str) -> None:
    with pytest.raises(InvalidPolicy) as caught:
        read(table)
    assert problem in str(caught.value)


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ({"freeze": ["heat"]}, "constraints.freeze.0: heat is not a feature"),
        ({"ranges": {"speed": [80, 20]}}, "constraints.ranges.speed: is [80, 20]"),
        ({"ranges": {"mode": [0, 1]}}, "constraints.ranges.mode: mode is a category"),
        ({"only_to": {"mode": ["turbo"]}}, "only_to.mode.0: mode is 'turbo', not one of 'auto'"),
        ({"directions": {"mode": "up"}}, "the categories of mode have no order"),
        ({"max_change": {"speed": -3}}, "constraints.max_change.speed: is -3"),
        ({"rules": ["heat > 3"]}, "constraints.rules.0: rule 'heat > 3': heat is not a feature"),
        ({"max_changes": True}, "constraints.max_changes: is True"),
    ],
)
def test_a_broken_request_names_key_value_and_limit(table: dict, problem: str) -> None:
    with pytest.raises(InvalidPolicy) as caught:
        read_constraints(table, SCHEMA)
    assert problem in str(caught.value)


def test_open_ended_ranges_are_open() -> None:
    (only,) = read_constraints({"ranges": {"speed": [None, 40]}}, SCHEMA)
    assert isinstance(only, Range)
    assert (only.lower, only.upper) == (-math.inf, 40.0)


def test_an_answer_must_be_like_rows_that_were_seen() -> None:
    table = {"plausibility": {"method": "knn", "k": 3, "max_distance": 0.35}}
    policy = read(table, reference=REFERENCE)
    near = next(c for c in policy.constraints if isinstance(c, Plausible))
    published = 0
    for seed in range(30):
        before = factual(seed)
        answer = explain(policy.problem(before), Stumps.random(seed))
        for found in getattr(answer, "counterfactuals", ()):
            published += 1
            assert near.scorer.score(np.array([found.row]))[0, 0] <= 0.35
    assert published >= 5


@dataclass(frozen=True)
class Flow:
    def score(self, rows: Rows) -> Scores:
        return -np.abs(rows[:, [4]])


def test_any_scorer_may_judge_plausibility() -> None:
    policy = read({"plausibility": {"method": "onnx", "min_score": -0.1}}, plausibility=Flow())
    rows = np.array([factual(1)] * 2)
    rows[:, 4] = [0.1, 0.2]
    assert policy.problem(factual(1)).allowed(rows).tolist() == [True, False]


@pytest.mark.parametrize(
    ("task", "arguments", "problem"),
    [
        (Task.BINARY, {}, "names neither a class nor a score"),
        (Task.BINARY, {"wanted": 5}, "5 is not a class"),
        (Task.BINARY, {"wanted": 0, "lower": 0.8, "upper": 0.2}, "at least 0.8 and at most 0.2"),
        (Task.MULTICLASS, {"lower": 0.5}, "needs a class"),
        (Task.REGRESSION, {"wanted": 0, "lower": 0.5}, "gives no probabilities"),
    ],
)
def test_a_target_that_a_model_cannot_have_is_refused(
    task: Task, arguments: dict, problem: str
) -> None:
    with pytest.raises(InvalidTarget) as caught:
        Target(decision(task), **arguments)
    assert problem in str(caught.value)


def test_a_regression_without_a_limit_has_no_classes() -> None:
    bare = Decision(Task.REGRESSION)
    assert bare.decide(np.array([[3.0]])).tolist() == [-1]
    assert Target(bare, lower=2.0).met(np.array([[3.0], [1.0], [math.nan]])).tolist() == [
        True,
        False,
        False,
    ]


def test_a_request_may_ask_to_survive_only_declared_tolerances() -> None:
    with pytest.raises(InvalidPolicy, match="no feature of this model declares a tolerance"):
        read_constraints({"robust": True}, SCHEMA)
    policy = read({"features": {"speed": {"tolerance": 0.5}}})
    (asked,) = read_constraints({"robust": True}, SCHEMA, policy.tolerances)
    assert asked == Survives((0.0, 0.5, 0.0, 0.0, 0.0), origin=asked.origin)


def test_a_policy_may_demand_that_every_answer_survives() -> None:
    policy = read({"robust": True, "features": {"speed": {"tolerance": 0.5}}})
    assert any(isinstance(c, Survives) for c in policy.constraints)
    with pytest.raises(InvalidPolicy, match="category, not a number"):
        read({"features": {"mode": {"tolerance": 0.5}}})


def test_a_policy_may_demand_a_probability_of_the_desired_class_and_of_no_other() -> None:
    policy = read({"target": {"probability": {"min": 0.9}}})
    desired = policy.target()
    assert (desired.wanted, desired.lower) == (0, 0.9)
    assert desired.origin.source is Source.POLICY
    assert desired.origin.key == "policy.target.probability"
    assert policy.target(1).demand is None
    assert read({}).target().demand is None
    assert read({"target": {"probability": {"min": 0}}}).target().demand is None


@pytest.mark.parametrize(
    ("decided", "least", "problem"),
    [
        (Decision(Task.BINARY, decision(Task.BINARY).classes, 1, 0.5), 0.9, "no class is desired"),
        (decision(Task.REGRESSION), 0.9, "a regression gives no probabilities"),
        (decision(Task.BINARY), 1.5, "outside"),
    ],
)
def test_a_probability_that_cannot_be_demanded_is_refused(
    decided: Decision, least: float, problem: str
) -> None:
    with pytest.raises(InvalidPolicy, match=problem):
        Policy.read({"target": {"probability": {"min": least}}}, SCHEMA, decided)
