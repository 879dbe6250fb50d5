"""Hundreds of levers: pairs of all of them would be rows by the million."""

from __future__ import annotations

from decimal import Decimal
from types import SimpleNamespace

import numpy as np
import pytest

from ifonly.explainers.answer import Recourse
from ifonly.explainers.explain import explain
from ifonly.explainers.policy import Policy
from ifonly.explainers.search.blackbox import Blackbox
from ifonly.explainers.search.incumbents import Incumbents, Tried
from ifonly.explainers.target import Target
from ifonly.models.predictor import Rows, Scores
from ifonly.models.schema import Category, Decision, Feature, Kind, Schema, Task

LEVERS = 150
DECISION = Decision(Task.BINARY, (Category("good"), Category("bad")), 1, 0.5, desired=0)
FEATURES = tuple(
    Feature(f"x{j}", Kind.CONTINUOUS, lower=0.0, upper=1.0, resolution=Decimal("0.1"))
    for j in range(LEVERS)
)
PARTNERS = (3, 140)


def score(rows: Rows) -> Scores:
    """Bad unless two levers are both raised: each alone comes nearer, and never far enough."""
    first, second = (rows[:, j] for j in PARTNERS)
    found: Scores = (0.9 - 0.3 * first - 0.3 * second + 1e-6 * rows.sum(axis=1))[:, None]
    return found


def test_the_two_that_alone_come_nearest_are_tried_together_and_few_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    built: list[int] = []
    consider = Incumbents.consider

    def counted(self: Incumbents, rows: Rows) -> Tried:
        built.append(len(rows))
        return consider(self, rows)

    monkeypatch.setattr(Incumbents, "consider", counted)
    policy = Policy.read({}, Schema(FEATURES), DECISION)
    problem = policy.problem(np.zeros(LEVERS), Target(DECISION, 0))
    answer = explain(problem, SimpleNamespace(score=score), engine=Blackbox(enumerable=0))
    assert isinstance(answer, Recourse)
    assert {a.column for a in answer.counterfactuals[0].actions} == set(PARTNERS)
    # All pairs, four values each, would be 178,800 rows.
    assert max(built) < 40_000
