"""The exact engine where other features follow from what is set: its claim is what a walk over
all actions, of all sets of levers, finds."""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from ifonly.explainers.answer import Abstained, Answer, Infeasible
from ifonly.explainers.causal import CausalModel, Graph, draw_members
from ifonly.explainers.causal.basis import Basis, Coordinates, Expansion, linear
from ifonly.explainers.causal.consequences import CausalConsequences
from ifonly.explainers.causal.hidden import HiddenCause
from ifonly.explainers.causal.mechanism import Mechanism, Noise
from ifonly.explainers.errors import NotEligible
from ifonly.explainers.explain import explain
from ifonly.explainers.problem import Problem
from ifonly.explainers.search.trees.engine import Trees
from ifonly.explainers.target import Target
from ifonly.models.predictor import Predictor
from ifonly.models.schema import Task
from tests.support.checks import ALREADY, INFEASIBLE, OPTIMAL, Tally, normal
from tests.support.consequences import (
    FLOW,
    GRADE,
    PRESSURE,
    SPEED,
    Slopes,
    cheapest_action,
    speaks_of_row,
)
from tests.support.deployed import Deployed, deployed_trees
from tests.support.effects import cheapest_trusted
from tests.support.generated import SCHEMA, decision
from tests.support.kinds import KINDS, ConstraintKind, missing_stays
from tests.support.questions import price, question

CASES = [(kind,) for kind in KINDS] + list(itertools.combinations(KINDS, 2))[::11]
TASKS = tuple(Task)
AT_LEAST = {OPTIMAL: 75, INFEASIBLE: 4, ALREADY: 80}


@cache
def model(seed: int, task: Task) -> Deployed:
    return deployed_trees(seed, task)


@cache
def engine(seed: int, task: Task) -> Trees:
    return Trees(model(seed, task).form, SCHEMA)


def told(problem: Problem, predictor: Predictor, trees: Trees) -> Answer | None:
    """None where the engine leaves the question to others."""
    try:
        return explain(problem, predictor, engine=trees)
    except NotEligible:
        return None


@pytest.mark.parametrize("kinds", CASES, ids=lambda kinds: " + ".join(k.name for k in kinds))
def test_the_answer_is_the_cheapest_action_of_all_sets_of_levers(
    tally: Tally, kinds: Sequence[ConstraintKind]
) -> None:
    base = zlib.crc32(" ".join(k.name for k in kinds).encode()) % 100_000
    asked = 0
    for seed in range(base, base + 60):
        task, which = TASKS[seed % 3], seed % 20
        problem, _, _ = question(kinds, seed, task)
        slopes = Slopes.random(seed)
        predictor = model(which, task).predictor
        answer = told(
            replace(problem, consequences=slopes.consequences()), predictor, engine(which, task)
        )
        if answer is None or tally.already(answer, problem, predictor, normal(task)):
            continue
        of_row = [k.keeps for k in kinds if speaks_of_row(k)]
        of_action = [k.keeps for k in kinds if not speaks_of_row(k)]
        if not any(k.name == "may be filled" for k in kinds):
            of_action.append(missing_stays)
        best = cheapest_action(
            slopes, problem.factual, predictor, normal(task), of_action, of_row, price
        )
        tally.exact(answer, best)
        asked += 1
        if asked == 2:
            break
    assert asked


def unsure_consequences(seed: int, gamma: float) -> CausalConsequences:
    """Bent mechanisms of which the posterior says how sure they are."""
    draw = np.random.default_rng(seed)
    coordinates = Coordinates(
        np.array([0, 1]),
        np.array([np.nan, np.nan]),
        np.array([2.0, 1.0]),
        np.array([1.0, 1.0]),
        2,
    )
    expansion = Expansion(
        coordinates,
        np.array([[1, 0], [2, 0], [0, 1], [1, 1]]),
        draw.normal(size=(2, 2)),
        np.array([[1.0, 0.0], [0.5, 0.5]]),
    )
    weights, root = draw.normal(size=6), 0.2 * draw.normal(size=(6, 6))
    graph = Graph.of(5, [(PRESSURE, SPEED), (GRADE, SPEED), (PRESSURE, FLOW), (SPEED, FLOW)])
    mechanisms = {
        SPEED: Mechanism(Basis(expansion, weights, root, scale=8.0)),
        FLOW: Mechanism(linear(-0.1, 0.1 * draw.normal(size=2) * np.array([1.0, 0.03]))),
    }
    causal = CausalModel(SCHEMA.names, graph, tuple(mechanisms.get(j) for j in range(5)))
    members = draw_members(causal, np.random.default_rng(seed), 16)
    return CausalConsequences(causal, members, gamma, 0.8, np.zeros(5), whole=(SPEED,))


@pytest.mark.parametrize("gamma", [0.0, 2.5])
@pytest.mark.parametrize("kind", KINDS[::3], ids=lambda kind: kind.name)
def test_bent_and_uncertain_mechanisms_are_inside_the_proof(
    tally: Tally, kind: ConstraintKind, gamma: float
) -> None:
    base = zlib.crc32(kind.name.encode()) % 100_000
    asked = 0
    for seed in range(base, base + 40):
        task, which = TASKS[seed % 3], seed % 20
        problem, _, _ = question((kind,), seed, task)
        problem = replace(problem, consequences=unsure_consequences(seed, gamma))
        predictor = model(which, task).predictor
        answer = told(problem, predictor, engine(which, task))
        if answer is None or tally.already(answer, problem, predictor, normal(task)):
            continue
        best, doubted, shortfall = cheapest_trusted(problem, predictor)
        if best is None and doubted:
            assert isinstance(answer, Abstained)
        else:
            tally.exact(answer, best)
        if isinstance(answer, Infeasible) and answer.best is not None:
            found = problem.target.shortfall(np.array([answer.best.scores]))
            assert found[0] == pytest.approx(shortfall, abs=1e-3)
        asked += 1
        if asked == 2:
            break
    assert asked


TIES = {
    "a root and what follows": ((PRESSURE, SPEED),),
    "what follows and what follows from it": ((SPEED, FLOW),),
    "both": ((PRESSURE, SPEED), (SPEED, FLOW)),
    "two causes of one": ((PRESSURE, FLOW), (SPEED, FLOW)),
}


@pytest.mark.parametrize("ties", TIES.values(), ids=TIES)
@pytest.mark.parametrize("held", [(-0.4, 0.4), (0.1, 0.6)], ids=str)
def test_the_answer_is_the_cheapest_that_holds_whatever_the_hidden_causes_are(
    tally: Tally, ties: Sequence[tuple[int, int]], held: tuple[float, float]
) -> None:
    hidden = tuple(HiddenCause(*edge, *held) for edge in ties)
    asked, moved = 0, 0
    for seed in range(60):
        task, which = TASKS[seed % 3], seed % 20
        problem, _, _ = question((), seed, task)
        alone = with_noises(unsure_consequences(seed, 1.5))
        consequences = replace(alone, hidden=hidden)
        # One hidden cause is inside compiled code; of more, numpy is asked.
        assert (consequences.compiled is not None) == (len(ties) == 1)
        problem = replace(problem, consequences=consequences)
        predictor = model(which, task).predictor
        answer = told(problem, predictor, engine(which, task))
        if answer is None or tally.already(answer, problem, predictor, normal(task)):
            continue
        best, doubted, _ = cheapest_trusted(problem, predictor)
        if best is None and doubted:
            assert isinstance(answer, Abstained)
        else:
            tally.exact(answer, best)
        without, _, _ = cheapest_trusted(replace(problem, consequences=alone), predictor)
        moved += best != without
        asked += 1
        if asked == 12:
            break
    assert asked == 12
    assert moved >= 1


def with_noises(consequences: CausalConsequences) -> CausalConsequences:
    """Noises of which the spread is known; that of the bent mechanism is large."""
    causal, spread = consequences.model, {SPEED: 12.0, FLOW: 0.3}
    mechanisms = tuple(
        None if m is None else replace(m, noise=Noise(spread[j]))
        for j, m in enumerate(causal.mechanisms)
    )
    known = replace(causal, mechanisms=mechanisms, roots=(Noise(0.4),) * 5)
    return replace(consequences, model=known, members=replace(consequences.members, model=known))


@pytest.mark.parametrize("seed", range(4))
def test_where_nothing_reaches_the_target_the_nearest_that_anything_comes_is_said(
    seed: int,
) -> None:
    problem, _, _ = question((), 3 * seed + 1)
    wanted = Target(decision(Task.BINARY), 0, lower=1.0)
    problem = replace(problem, consequences=unsure_consequences(seed, 0.0), target=wanted)
    predictor = model(seed, Task.BINARY).predictor
    answer = told(problem, predictor, engine(seed, Task.BINARY))
    best, _, shortfall = cheapest_trusted(problem, predictor)
    assert best is None
    assert isinstance(answer, Infeasible)
    assert answer.best is not None
    found = wanted.shortfall(np.array([answer.best.scores]))
    assert found[0] == pytest.approx(shortfall, abs=1e-3)
