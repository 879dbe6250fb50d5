"""The engines for linear models and ReLU networks: their claim is what walking every row finds."""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Callable, Sequence
from functools import cache

import numpy as np
import pytest

from ifonly.explainers.answer import Infeasible, Recourse
from ifonly.explainers.constraints import Mask
from ifonly.explainers.deadline import Deadline
from ifonly.explainers.errors import NotEligible
from ifonly.explainers.explain import explain
from ifonly.explainers.policy import Policy
from ifonly.explainers.problem import Problem
from ifonly.explainers.search.engine import Meter, range_by_asking
from ifonly.explainers.search.linear import Linear
from ifonly.explainers.search.milp.engine import Milp
from ifonly.explainers.search.milp.program import Program, Solved
from ifonly.explainers.search.portfolio import engines_for
from ifonly.explainers.search.relu import Relu
from ifonly.explainers.target import Target
from ifonly.models.predictor import Scores
from ifonly.models.schema import Task
from tests.support.bruteforce import Predicate, settable
from tests.support.checks import ALREADY, INFEASIBLE, OPTIMAL, Tally, normal, optimum
from tests.support.deployed import Deployed, deployed_layers, deployed_trees
from tests.support.generated import SCHEMA, decision, factual
from tests.support.kinds import KINDS, ConstraintKind
from tests.support.questions import policy, question
from tests.support.thinning import thinned

CASES = [(kind,) for kind in KINDS]
PAIRS = list(itertools.combinations(KINDS, 2))
TASKS = tuple(Task)
AT_LEAST = {OPTIMAL: 60, INFEASIBLE: 40, ALREADY: 75}
NAMES = ("linear", "relu")


@cache
def model(name: str, seed: int, task: Task) -> Deployed:
    return deployed_layers(seed, task, linear=name == "linear")


@cache
def engine(name: str, seed: int, task: Task) -> Milp:
    make = Linear if name == "linear" else Relu
    return make(model(name, seed, task).form, SCHEMA)


def check_questions(
    tally: Tally, name: str, kinds: Sequence[ConstraintKind], most: int, start: int = 0
) -> None:
    """Ask until ``most`` questions were not in the target already."""
    base = zlib.crc32(" ".join(k.name for k in kinds).encode()) % 100_000 + start
    asked = 0
    for seed in range(base, base + 40):
        task, which = TASKS[seed % 3], seed % 20
        problem, _, kept = question(kinds, seed, task)
        predictor = model(name, which, task).predictor
        answer = explain(problem, predictor, engine=engine(name, which, task))
        if not tally.already(answer, problem, predictor, normal(task)):
            tally.exact(answer, optimum(problem, predictor, kept, normal(task)))
            asked += 1
            if asked == most:
                return
    assert asked


@pytest.mark.parametrize("kinds", CASES, ids=lambda kinds: kinds[0].name)
@pytest.mark.parametrize("name", NAMES)
def test_the_claim_is_what_walking_every_row_finds(
    tally: Tally, name: str, kinds: Sequence[ConstraintKind]
) -> None:
    check_questions(tally, name, kinds, 1)


@pytest.mark.slow
@pytest.mark.parametrize("kinds", CASES, ids=lambda kinds: kinds[0].name)
@pytest.mark.parametrize("name", ["linear", pytest.param("relu", marks=pytest.mark.long)])
def test_the_claim_is_what_walking_every_row_finds_of_other_questions(
    tally: Tally, name: str, kinds: Sequence[ConstraintKind]
) -> None:
    check_questions(tally, name, kinds, 2, start=1_000)


@pytest.mark.slow
@pytest.mark.parametrize("kinds", PAIRS, ids=lambda kinds: " + ".join(k.name for k in kinds))
def test_constraints_are_kept_together(tally: Tally, kinds: Sequence[ConstraintKind]) -> None:
    check_questions(tally, "linear", kinds, 1)


@pytest.mark.slow
@pytest.mark.parametrize(
    "kinds", thinned(PAIRS, 3), ids=lambda kinds: " + ".join(k.name for k in kinds)
)
def test_constraints_are_kept_together_by_networks(
    tally: Tally, kinds: Sequence[ConstraintKind]
) -> None:
    check_questions(tally, "relu", kinds, 1)


LOST_WITH_PRESOLVE = ("linear", 20, "linear of two", 674_247_235)
"""HiGHS 1.15.1 calls this program empty with its presolve; without, it solves it."""


def test_a_row_that_the_solvers_presolve_loses_is_found() -> None:
    name, which, kind, seed = LOST_WITH_PRESOLVE
    kinds = [one for one in KINDS if one.name == kind]
    problem, _, kept = question(kinds, seed, Task.REGRESSION)
    predictor = model(name, which, Task.REGRESSION).predictor
    answer = explain(problem, predictor, engine=engine(name, which, Task.REGRESSION))
    best = optimum(problem, predictor, kept, normal(Task.REGRESSION))
    assert isinstance(answer, Recourse)
    first = answer.counterfactuals[0]
    assert (first.cost, first.gap) == (best, 0.0)


@pytest.mark.parametrize("lying", [False, True], ids=["the first way", "the other"])
@pytest.mark.parametrize("name", NAMES)
def test_neither_way_of_the_solver_is_believed_alone(
    tally: Tally, monkeypatch: pytest.MonkeyPatch, name: str, lying: bool
) -> None:
    """One says "there is none" of every program: whatever the other finds is still the answer."""
    honest = Program.solve
    lies = 0

    def solve(program: Program, deadline: Deadline, *, otherwise: bool = False) -> Solved:
        nonlocal lies
        if otherwise is lying:
            lies += 1
            return Solved(None, np.inf, True, 0)
        return honest(program, deadline, otherwise=otherwise)

    monkeypatch.setattr(Program, "solve", solve)
    for kind in KINDS[::4]:
        check_questions(tally, name, (kind,), 1)
    assert lies


def likely_normal(scores: Scores) -> Mask:
    return (1.0 - scores[:, 0] >= 0.55) & (1.0 - scores[:, 0] <= 0.9)


def in_the_interval(scores: Scores) -> Mask:
    return (scores[:, 0] >= -0.5) & (scores[:, 0] <= 0.25)


BOUNDED: dict[Task, tuple[Target, Callable[[Scores], Mask]]] = {
    Task.BINARY: (Target(decision(Task.BINARY), 0, lower=0.55, upper=0.9), likely_normal),
    Task.REGRESSION: (Target(decision(Task.REGRESSION), lower=-0.5, upper=0.25), in_the_interval),
}


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("task", BOUNDED)
@pytest.mark.parametrize("name", NAMES)
def test_probabilities_and_score_intervals_are_exact(
    tally: Tally, name: str, task: Task, seed: int
) -> None:
    target, met = BOUNDED[task]
    predictor = model(name, seed, task).predictor
    problem = policy((), task).problem(factual(seed), target)
    answer = explain(problem, predictor, engine=engine(name, seed, task))
    if not tally.already(answer, problem, predictor, met):
        _, _, kept = question((), seed, task)
        tally.exact(answer, optimum(problem, predictor, kept, met))


def leaves_one(levers: frozenset[int]) -> Predicate:
    return lambda row, before: any(row[j] == before[j] for j in levers)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("name", NAMES)
def test_each_alternative_is_exact_given_the_ones_before_it(
    tally: Tally, name: str, seed: int
) -> None:
    task = TASKS[seed % 3]
    predictor = model(name, seed, task).predictor
    problem = policy((), task).problem(factual(seed), alternatives=3)
    answer = explain(problem, predictor, engine=engine(name, seed, task))
    if tally.already(answer, problem, predictor, normal(task)):
        return
    _, _, kept = question((), seed, task)
    tally.exact(answer, optimum(problem, predictor, kept, normal(task)))
    if not isinstance(answer, Recourse):
        return
    for found in answer.counterfactuals:
        assert found.gap == 0.0
        best = optimum(problem, predictor, kept, normal(task))
        assert found.cost == pytest.approx(best, abs=1e-9)
        kept.append(leaves_one(frozenset(a.column for a in found.actions)))


@pytest.mark.parametrize("seed", range(15))
@pytest.mark.parametrize("name", NAMES)
def test_a_sufficient_range_is_what_asking_finds(tally: Tally, name: str, seed: int) -> None:
    task = TASKS[seed % 3]
    predictor = model(name, seed, task).predictor
    problem, _, kept = question((KINDS[seed % len(KINDS)],), seed, task)
    answer = explain(problem, predictor, engine=engine(name, seed, task))
    if tally.already(answer, problem, predictor, normal(task)):
        return
    tally.exact(answer, optimum(problem, predictor, kept, normal(task)))
    if not isinstance(answer, Recourse):
        return
    row = np.array(answer.counterfactuals[0].row)
    for action in answer.counterfactuals[0].actions:
        if action.sufficient_range is not None:
            meter = Meter(predictor, Deadline.never())
            asked = range_by_asking(problem, meter, row, action.column)
            assert action.sufficient_range == asked


@pytest.mark.parametrize("name", NAMES)
def test_what_cannot_be_reached_comes_with_the_nearest_prediction(name: str) -> None:
    """Scores of one output: the nearest raw value is that of the nearest score."""
    compared = 0
    for seed in range(60):
        predictor = model(name, seed % 20, Task.REGRESSION).predictor
        problem, _, kept = question((KINDS[seed % len(KINDS)],), seed, Task.REGRESSION)
        answer = explain(problem, predictor, engine=engine(name, seed % 20, Task.REGRESSION))
        if not isinstance(answer, Infeasible) or answer.best is None:
            continue
        nearest = least_score(problem, predictor.score, kept)
        assert answer.best.scores[0] == pytest.approx(nearest, rel=1e-5, abs=1e-5)
        compared += 1
        if compared == 2:
            return
    assert compared


def least_score(
    problem: Problem, score: Callable[[np.ndarray], Scores], kept: Sequence[Predicate]
) -> float:
    axes = [settable(f, float(v)) for f, v in zip(SCHEMA.features, problem.factual, strict=True)]
    rows = np.array(list(itertools.product(*axes)))
    rows = np.array([row for row in rows if all(keeps(row, problem.factual) for keeps in kept)])
    return float(score(rows)[:, 0].min())


@pytest.mark.parametrize("name", NAMES)
def test_a_deadline_leaves_a_bound_that_holds(name: str) -> None:
    """The clock passes the deadline at every possible look, one after the other."""
    for seed in range(4):
        task = TASKS[seed % 3]
        predictor = model(name, seed, task).predictor
        problem, _, kept = question((), seed, task)
        best = optimum(problem, predictor, kept, normal(task))
        for looks in range(0, 24, 2):
            ticks = itertools.count()
            answer = explain(
                problem,
                predictor,
                engine=engine(name, seed, task),
                deadline=Deadline(looks, ticks.__next__),
            )
            if isinstance(answer, Recourse):
                first = answer.counterfactuals[0]
                assert best is not None
                assert first.cost >= best - 1e-9
                assert first.lower_bound is None or first.lower_bound <= best + 1e-9
            elif isinstance(answer, Infeasible):
                assert best is None


@pytest.mark.parametrize("name", NAMES)
def test_a_plausibility_rule_makes_the_engine_ineligible_rather_than_being_dropped(
    name: str,
) -> None:
    reference = np.array([factual(seed) for seed in range(30)])
    table = {"plausibility": {"method": "knn", "k": 3, "max_distance": 0.3}}
    plausible = Policy.read(table, SCHEMA, decision(Task.BINARY), reference=reference)
    meter = Meter(model(name, 0, Task.BINARY).predictor, Deadline.never())
    with pytest.raises(NotEligible, match="Plausible"):
        engine(name, 0, Task.BINARY).search(
            plausible.problem(reference[0]), meter, Deadline.never()
        )


@pytest.mark.parametrize("name", NAMES)
def test_a_probability_after_a_softmax_is_left_to_others(name: str) -> None:
    target = Target(decision(Task.MULTICLASS), 0, lower=0.6)
    problem = policy((), Task.MULTICLASS).problem(factual(0), target)
    meter = Meter(model(name, 0, Task.MULTICLASS).predictor, Deadline.never())
    with pytest.raises(NotEligible, match="softmax"):
        engine(name, 0, Task.MULTICLASS).search(problem, meter, Deadline.never())


def test_every_engine_refuses_the_cores_of_the_others() -> None:
    forms = {
        "trees": deployed_trees(0, Task.BINARY).form,
        **{name: model(name, 0, Task.BINARY).form for name in NAMES},
    }
    for make, own in ((Linear, "linear"), (Relu, "relu")):
        for name, form in forms.items():
            if name != own:
                with pytest.raises(NotEligible, match=own):
                    make(form, SCHEMA)
    for name, form in forms.items():
        exact = ["networks", name] if name == "relu" else [name]
        assert [e.name for e in engines_for(form, SCHEMA).engines] == [*exact, "blackbox"]
