"""The exact engine on generated ONNX ensembles: its claim is what walking every row finds."""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Sequence
from functools import cache

import numpy as np
import pytest

from ifonly.explainers.answer import Infeasible, Recourse
from ifonly.explainers.constraints import Mask
from ifonly.explainers.deadline import Deadline
from ifonly.explainers.errors import NotEligible
from ifonly.explainers.explain import explain
from ifonly.explainers.policy import Policy, read_constraints
from ifonly.explainers.search.engine import Meter
from ifonly.explainers.search.portfolio import Portfolio
from ifonly.explainers.search.trees.engine import Trees
from ifonly.explainers.search.trees.reference import least_cost
from ifonly.explainers.target import Target
from ifonly.models.predictor import Scores
from ifonly.models.schema import Task
from tests.support.bruteforce import Predicate
from tests.support.checks import ALREADY, INFEASIBLE, OPTIMAL, Tally, normal, optimum
from tests.support.deployed import Deployed, deployed_deep, deployed_trees
from tests.support.generated import SCHEMA, decision, factual
from tests.support.kinds import KINDS, ConstraintKind
from tests.support.questions import policy, question

IMPATIENT = 0
"""Boxes after which trees are merged: every question then goes that way."""
PAIRS = list(itertools.combinations(KINDS, 2))
TASKS = tuple(Task)
AT_LEAST = {OPTIMAL: 125, INFEASIBLE: 5, ALREADY: 55}


@cache
def model(seed: int, task: Task) -> Deployed:
    return deployed_trees(seed, task)


@cache
def engine(seed: int, task: Task, patience: int = 4_000) -> Trees:
    return Trees(model(seed, task).form, SCHEMA, patience=patience)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_the_claim_is_what_walking_every_row_finds(tally: Tally, kind: ConstraintKind) -> None:
    check_questions(tally, [kind])


@pytest.mark.slow
@pytest.mark.parametrize("kinds", PAIRS, ids=lambda kinds: " + ".join(k.name for k in kinds))
def test_constraints_are_kept_together(tally: Tally, kinds: Sequence[ConstraintKind]) -> None:
    check_questions(tally, kinds)


def check_questions(tally: Tally, kinds: Sequence[ConstraintKind]) -> None:
    """Ask until two were not in the target already."""
    base = zlib.crc32(" ".join(k.name for k in kinds).encode()) % 100_000
    asked = 0
    for seed in range(base, base + 40):
        task = TASKS[seed % 3]
        which = seed % 20
        problem, _, kept = question(kinds, seed, task)
        predictor = model(which, task).predictor
        answer = explain(problem, predictor, engine=engine(which, task))
        if tally.already(answer, problem, predictor, normal(task)):
            continue
        best = optimum(problem, predictor, kept, normal(task))
        tally.exact(answer, best)
        merging = explain(problem, predictor, engine=engine(which, task, IMPATIENT))
        tally.exact(merging, best)
        asked += 1
        if asked == 2:
            break
    assert asked


@pytest.mark.parametrize("seed", range(15))
@pytest.mark.parametrize("patience", [4_000, IMPATIENT])
def test_trees_of_more_leaves_than_bits_a_word_are_exact(
    tally: Tally, seed: int, patience: int
) -> None:
    task = TASKS[seed % 3]
    deployed = deployed_deep(seed % 6, task)
    trees = Trees(deployed.form, SCHEMA, patience=patience)
    problem, _, kept = question([KINDS[seed % len(KINDS)]], seed, task)
    answer = explain(problem, deployed.predictor, engine=trees)
    if not tally.already(answer, problem, deployed.predictor, normal(task)):
        tally.exact(answer, optimum(problem, deployed.predictor, kept, normal(task)))
        assert (np.diff(trees._in_arrays(problem).tables.words) > 1).any()


@pytest.mark.parametrize("seed", range(60))
def test_the_kernel_agrees_with_its_twin_in_plain_python(seed: int) -> None:
    task = TASKS[seed % 3]
    which = seed % 20
    problem, _, _ = question((KINDS[seed % len(KINDS)],), seed, task)
    predictor = model(which, task).predictor
    if not all(map(len, problem.single_axes)):
        assert isinstance(explain(problem, predictor, engine=engine(which, task)), Infeasible)
        return  # nothing to lay out
    found = engine(which, task).search(
        problem, Meter(predictor, Deadline.never()), Deadline.never()
    )
    asked = engine(which, task)._in_arrays(problem)
    cost, _ = least_cost(
        problem,
        asked.tables,
        asked.question,
        lambda row: bool(problem.target.met(predictor.score(row[None]))[0]),
    )
    assert found.lower_bound == pytest.approx(cost)


def likely_normal(scores: Scores) -> Mask:
    return (1.0 - scores[:, 0] >= 0.55) & (1.0 - scores[:, 0] <= 0.9)


def in_the_interval(scores: Scores) -> Mask:
    return (scores[:, 0] >= -0.5) & (scores[:, 0] <= 0.25)


@pytest.mark.parametrize("seed", range(40))
def test_probability_targets_are_exact(tally: Tally, seed: int) -> None:
    predictor = model(seed % 20, Task.BINARY).predictor
    desired = Target(decision(Task.BINARY), 0, lower=0.55, upper=0.9)
    problem = policy((), Task.BINARY).problem(factual(seed), desired)
    answer = explain(problem, predictor, engine=engine(seed % 20, Task.BINARY))
    if not tally.already(answer, problem, predictor, likely_normal):
        _, _, kept = question((), seed)
        tally.exact(answer, optimum(problem, predictor, kept, likely_normal))


@pytest.mark.parametrize("seed", range(40))
def test_score_intervals_are_exact(tally: Tally, seed: int) -> None:
    predictor = model(seed % 20, Task.REGRESSION).predictor
    wanted = Target(decision(Task.REGRESSION), lower=-0.5, upper=0.25)
    problem = policy((), Task.REGRESSION).problem(factual(seed), wanted)
    answer = explain(problem, predictor, engine=engine(seed % 20, Task.REGRESSION))
    if not tally.already(answer, problem, predictor, in_the_interval):
        _, _, kept = question((), seed)
        tally.exact(answer, optimum(problem, predictor, kept, in_the_interval))


@pytest.mark.parametrize("seed", range(20))
def test_rows_that_share_all_their_leaves_are_asked_of_the_deployed_model_once(seed: int) -> None:
    """A limit just below the score of the factual: the model refuses all that has this score."""
    deployed = model(seed, Task.REGRESSION)
    before = factual(seed)
    score = deployed.predictor.score(before[None, :])[0, 0]
    below = Target(decision(Task.REGRESSION), upper=float(np.nextafter(score, np.float32(-np.inf))))
    problem = policy((), Task.REGRESSION).problem(before, below)
    meter = Meter(deployed.predictor, Deadline.never())
    outcome = engine(seed, Task.REGRESSION).search(problem, meter, Deadline.never())
    asked = engine(seed, Task.REGRESSION)._in_arrays(problem)
    t, q = asked.tables, asked.question
    axes = [range(int(n)) for n in q.size]
    cells = q.cell[q.off[:-1] + np.array(list(itertools.product(*axes)))]
    holds = ((t.leaf_lo <= cells[:, None]) & (cells[:, None] <= t.leaf_hi)).all(axis=2)
    sums = holds @ np.where(np.isfinite(t.value), t.value, 0.0) + t.constant[0] - q.limit[0]
    in_doubt = np.unique(np.packbits(holds[np.abs(sums) <= q.band[0]], axis=1), axis=0)
    assert len(in_doubt)
    assert meter.rows <= len(in_doubt) + len(outcome.candidates)


def leaves_one(levers: frozenset[int]) -> Predicate:
    return lambda row, before: any(row[j] == before[j] for j in levers)


@pytest.mark.parametrize("seed", range(30))
def test_each_alternative_is_exact_given_the_ones_before_it(tally: Tally, seed: int) -> None:
    task = TASKS[seed % 3]
    predictor = model(seed % 20, task).predictor
    problem = policy((), task).problem(factual(seed), alternatives=3)
    answer = explain(problem, predictor, engine=engine(seed % 20, task))
    if tally.already(answer, problem, predictor, normal(task)):
        return
    _, _, kept = question((), seed, task)
    tally.exact(answer, optimum(problem, predictor, kept, normal(task)))
    if not isinstance(answer, Recourse):
        return
    for found in answer.counterfactuals:
        assert found.gap == 0.0
        assert found.cost == pytest.approx(optimum(problem, predictor, kept, normal(task)))
        levers = frozenset(a.column for a in found.actions)
        kept.append(leaves_one(levers))


@pytest.mark.parametrize("seed", range(20))
def test_what_must_change_is_proven_also_where_little_reaches_no_leaf(
    tally: Tally, seed: int
) -> None:
    """All that is cheaper than the forced change lies outside every tree."""
    task = Task.BINARY
    predictor = model(seed, task).predictor
    before = factual(seed)
    far = [60.0, 100.0] if before[1] < 45 else [10.0, 30.0]
    forced = read_constraints({"ranges": {"speed": far}}, SCHEMA)
    problem = policy((), task).problem(before, constraints=forced)
    answer = explain(problem, predictor, engine=engine(seed, task, IMPATIENT))
    if not tally.already(answer, problem, predictor, normal(task)):
        _, _, kept = question((), seed)
        kept.append(lambda row, _: far[0] <= row[1] <= far[1])
        tally.exact(answer, optimum(problem, predictor, kept, normal(task)))


def test_warming_up_on_a_row_that_is_in_the_target_already_does_no_harm() -> None:
    for seed in range(20):
        predictor = model(seed, Task.BINARY).predictor
        problem = policy((), Task.BINARY).problem(factual(seed))
        trees = Trees(model(seed, Task.BINARY).form, SCHEMA)
        Portfolio([trees]).warm(problem, predictor)


def test_a_plausibility_rule_makes_the_engine_ineligible_rather_than_being_dropped() -> None:
    reference = np.array([factual(seed) for seed in range(30)])
    table = {"plausibility": {"method": "knn", "k": 3, "max_distance": 0.3}}
    plausible = Policy.read(table, SCHEMA, decision(Task.BINARY), reference=reference)
    deployed = model(0, Task.BINARY)
    problem = plausible.problem(reference[0])
    with pytest.raises(NotEligible, match="Plausible"):
        engine(0, Task.BINARY).search(
            problem, Meter(deployed.predictor, Deadline.never()), Deadline.never()
        )


def test_a_deadline_leaves_a_bound_that_holds() -> None:
    """The clock passes the deadline at every possible look, one after the other."""
    task, which = Task.BINARY, 3
    predictor = model(which, task).predictor
    for seed in range(6):
        problem, _, kept = question((), seed, task)
        best = optimum(problem, predictor, kept, normal(task))
        for looks in range(4):
            ticks = itertools.count()
            deadline = Deadline(looks, ticks.__next__)
            answer = explain(problem, predictor, engine=engine(which, task, 1), deadline=deadline)
            if isinstance(answer, Recourse):
                first = answer.counterfactuals[0]
                assert best is not None
                assert first.cost >= best - 1e-9
                assert first.lower_bound is None or first.lower_bound <= best + 1e-9
            elif isinstance(answer, Infeasible):
                assert best is None
