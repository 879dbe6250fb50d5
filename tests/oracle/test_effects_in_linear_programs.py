"""Recourse with effects, proven: generated affine causal models, linear models and networks, every
kind of constraint; the claim is what a walk over all actions of all sets of levers finds."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cache

import numpy as np
import pytest

from ifonly.explainers.answer import Abstained, Answer, Infeasible
from ifonly.explainers.constraints import Immutable, Origin, Source
from ifonly.explainers.explain import explain
from ifonly.explainers.problem import Problem
from ifonly.explainers.search.linear import Linear
from ifonly.explainers.search.milp.engine import Milp
from ifonly.explainers.search.relu import Relu
from ifonly.models.schema import Schema, Task
from tests.support.affine import (
    Cheapest,
    DrawnAffine,
    all_actions,
    allowed_rows,
    cheapest_of,
)
from tests.support.bruteforce import Predicate
from tests.support.checks import ALREADY, INFEASIBLE, OPTIMAL, Tally, normal
from tests.support.consequences import speaks_of_row
from tests.support.deployed import Deployed, deployed_layers
from tests.support.generated import SCHEMA
from tests.support.kinds import KINDS, ConstraintKind, missing_stays
from tests.support.questions import question

AT_LEAST = {OPTIMAL: 45, INFEASIBLE: 40, ALREADY: 80}
TASKS = (Task.BINARY, Task.REGRESSION, Task.MULTICLASS)
MOST = {"linear": 3, "relu": 1}
NEAREST = {"linear": 4, "relu": 1}
"""Questions without an answer, of each engine."""
FIRST = 1_000
"""The seed of further questions: those are other ones."""
FURTHER = [
    pytest.param("linear", FIRST, 2, marks=pytest.mark.slow),
    pytest.param("relu", FIRST, 2, marks=[pytest.mark.slow, pytest.mark.long]),
]
ASKED = pytest.mark.parametrize(
    ("name", "start", "times"), [("linear", 0, 1), ("relu", 0, 1), *FURTHER]
)
STILL, FLOW = (1, 2, 3), 4


@dataclass(frozen=True)
class Asked:
    problem: Problem
    drawn: DrawnAffine
    kind: ConstraintKind
    deployed: Deployed
    engine: Milp

    @classmethod
    def of(cls, name: str, kind: ConstraintKind, seed: int, task: Task) -> Asked:
        problem, _, _ = question((kind,), seed, task)
        drawn = DrawnAffine.random(seed, problem.factual)
        problem = replace(problem, consequences=drawn.consequences())
        return cls(problem, drawn, kind, *model(name, seed % 20, task))

    def answer(self) -> Answer:
        return explain(self.problem, self.deployed.predictor, engine=self.engine)

    def rules(self) -> tuple[list[Predicate], list[Predicate]]:
        """Of the action, and of its row."""
        of_row = [self.kind.keeps] if speaks_of_row(self.kind) else []
        of_action = [] if of_row else [self.kind.keeps]
        if self.kind.name != "may be filled":
            of_action.append(missing_stays)
        return of_action, of_row

    def cheapest(self) -> Cheapest:
        before = self.problem.factual
        actions = all_actions(SCHEMA, before)
        score, target = self.deployed.predictor.score, self.problem.target
        return cheapest_of(self.drawn, actions, before, score, target, *self.rules())

    def least_score(self) -> float:
        before = self.problem.factual
        rows = allowed_rows(self.drawn, all_actions(SCHEMA, before), before, *self.rules())
        return float(self.deployed.predictor.score(rows)[:, 0].min())


@cache
def model(name: str, seed: int, task: Task) -> tuple[Deployed, Milp]:
    deployed = deployed_layers(seed, task, linear=name == "linear")
    return deployed, (Linear if name == "linear" else Relu)(deployed.form, SCHEMA)


def check(tally: Tally, answer: Answer, best: Cheapest) -> None:
    if best.sure is None and best.likely:
        assert isinstance(answer, Abstained)
    else:
        tally.exact(answer, best.sure)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
@ASKED
def test_the_claim_is_what_a_walk_over_all_actions_finds(
    tally: Tally, name: str, kind: ConstraintKind, start: int, times: int
) -> None:
    base = zlib.crc32(kind.name.encode()) % 100_000 + start
    found = 0
    for seed in range(base, base + 60):
        task = TASKS[seed % 3]
        asked = Asked.of(name, kind, seed, task)
        answer = asked.answer()
        if not tally.already(answer, asked.problem, asked.deployed.predictor, normal(task)):
            check(tally, answer, asked.cheapest())
            found += 1
        if found == times * MOST[name]:
            break
    assert found


@ASKED
def test_what_no_effect_can_reach_comes_with_the_nearest_prediction(
    name: str, start: int, times: int
) -> None:
    """Of one output, which should be small."""
    compared = 0
    for seed in range(start, start + 200):
        asked = Asked.of(name, KINDS[seed % len(KINDS)], seed, Task.REGRESSION)
        answer = asked.answer()
        if isinstance(answer, Infeasible) and answer.best is not None:
            least = asked.least_score()
            assert answer.best.scores[0] == pytest.approx(least, rel=1e-5, abs=1e-5)
            compared += 1
            if compared == times * NEAREST[name]:
                return
    pytest.fail(f"only {compared} questions had no answer")


def fine(seed: int) -> tuple[Schema, DrawnAffine, Problem]:
    """Grids so fine that no one could refuse one action after the other, on two levers."""
    problem, _, _ = question((), seed, Task.BINARY)
    steps = {"pressure": Decimal("0.01"), "flow": Decimal("0.005")}
    features = tuple(
        replace(f, resolution=steps.get(f.name, f.resolution)) for f in SCHEMA.features
    )
    schema = Schema(features)
    drawn = replace(DrawnAffine.random(seed, problem.factual), gamma=2.5, floor=0.9)
    still = tuple(Immutable(j, origin=Origin(Source.REQUEST, "freeze")) for j in STILL)
    problem = replace(
        problem,
        schema=schema,
        constraints=(*problem.constraints, *still),
        consequences=drawn.consequences(),
    )
    return schema, drawn, problem


def test_what_is_not_sure_enough_is_cut_off_many_actions_at_a_time(tally: Tally) -> None:
    found = 0
    for seed in range(1, 40):
        schema, drawn, problem = fine(seed)
        if np.isnan(problem.factual[FLOW]):
            continue
        deployed, _ = model("linear", seed % 20, Task.BINARY)
        engine = Linear(deployed.form, schema)
        answer = explain(problem, deployed.predictor, engine=engine)
        if tally.already(answer, problem, deployed.predictor, normal(Task.BINARY)):
            continue
        before = problem.factual
        actions = all_actions(schema, before, STILL)
        score = deployed.predictor.score
        check(tally, answer, cheapest_of(drawn, actions, before, score, problem.target))
        found += 1
    assert found >= 8
