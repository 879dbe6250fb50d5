"""What may not be left to follow is set as well, or another lever is: proven, against a walk over
all actions of all sets of levers, in each exact engine; and nothing is dropped on the way."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ifonly.explainers.answer import Recourse
from ifonly.explainers.constraints import Immutable, Origin, Severed, Source
from ifonly.explainers.constraints.forms import Pairs
from ifonly.explainers.explain import explain
from ifonly.explainers.problem import Problem
from ifonly.explainers.search.blackbox import Blackbox
from ifonly.models.schema import Task
from tests.oracle.test_causal_trees_against_brute_force import engine as trees_of
from tests.oracle.test_causal_trees_against_brute_force import model as ensemble
from tests.oracle.test_causal_trees_against_brute_force import told
from tests.oracle.test_effects_in_linear_programs import check, model
from tests.support.affine import DrawnAffine, all_actions, cheapest_of
from tests.support.bruteforce import Predicate, Values, moved
from tests.support.checks import ALREADY, INFEASIBLE, OPTIMAL, Tally, normal
from tests.support.consequences import Slopes, cheapest_action
from tests.support.generated import SCHEMA
from tests.support.kinds import missing_stays
from tests.support.questions import price, question

AT_LEAST = {OPTIMAL: 80, INFEASIBLE: 6, ALREADY: 80}
ORIGIN = Origin(Source.POLICY, "causal.doubts.0")
N = len(SCHEMA)


def drawn_pairs(seed: int) -> Pairs:
    """One or two: some features, and one that is set with any of them."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(int(rng.integers(1, 3))):
        effect = int(rng.integers(N))
        causes = frozenset(int(j) for j in range(N) if j != effect and rng.random() < 0.5)
        found.append((causes, effect))
    return tuple(found)


def keeps(pairs: Pairs) -> Predicate:
    def holds(row: Values, before: Values) -> bool:
        does = moved(row, before)
        return all(does[e] or not any(does[j] for j in causes) for causes, e in pairs)

    return holds


def severed(problem: Problem, pairs: Pairs) -> Problem:
    return replace(problem, constraints=(*problem.constraints, Severed(pairs, origin=ORIGIN)))


@pytest.mark.parametrize("part", range(4))
def test_trees_prove_it_where_other_features_follow(tally: Tally, part: int) -> None:
    for seed in range(500 * part, 500 * part + 60):
        task, which = (Task.BINARY, Task.REGRESSION)[seed % 2], seed % 20
        problem, _, _ = question((), seed, task)
        slopes, pairs = Slopes.random(seed), drawn_pairs(seed)
        problem = replace(severed(problem, pairs), consequences=slopes.consequences())
        predictor = ensemble(which, task).predictor
        answer = told(problem, predictor, trees_of(which, task))
        if answer is None or tally.already(answer, problem, predictor, normal(task)):
            continue
        rules = [keeps(pairs), missing_stays]
        best = cheapest_action(slopes, problem.factual, predictor, normal(task), rules, [], price)
        tally.exact(answer, best)


@pytest.mark.parametrize(("name", "count"), [("linear", 70), ("relu", 20)])
def test_linear_programs_prove_it_where_other_features_follow(
    tally: Tally, name: str, count: int
) -> None:
    for seed in range(900, 900 + count):
        task, pairs = (Task.BINARY, Task.REGRESSION)[seed % 2], drawn_pairs(seed)
        problem, _, _ = question((), seed, task)
        drawn = DrawnAffine.random(seed, problem.factual)
        problem = replace(severed(problem, pairs), consequences=drawn.consequences())
        deployed, exact = model(name, seed % 20, task)
        answer = explain(problem, deployed.predictor, engine=exact)
        if tally.already(answer, problem, deployed.predictor, normal(task)):
            continue
        actions = all_actions(SCHEMA, problem.factual)
        score, rules = deployed.predictor.score, [keeps(pairs), missing_stays]
        check(
            tally,
            answer,
            cheapest_of(drawn, actions, problem.factual, score, problem.target, rules, []),
        )


@pytest.mark.parametrize("alone", [False, True], ids=["with effects", "features alone"])
def test_the_last_engine_keeps_it_too(alone: bool) -> None:
    answered = 0
    for seed in range(40, 70):
        pairs = drawn_pairs(seed)
        problem, _, _ = question((), seed)
        problem = severed(problem, pairs)
        if not alone:
            problem = replace(problem, consequences=Slopes.random(seed).consequences())
        answer = explain(problem, ensemble(seed % 20, Task.BINARY).predictor, engine=Blackbox())
        if isinstance(answer, Recourse):
            action = answer.counterfactuals[0].action_on(problem.factual)
            assert keeps(pairs)(action.tolist(), problem.factual.tolist())
            answered += 1
    assert answered > 5


def test_what_moves_a_feature_that_cannot_be_set_is_not_set_either() -> None:
    """The axes tell it before any search."""
    problem, _, _ = question((), 4)
    assert not np.isnan(problem.factual[4])
    stuck = severed(problem, ((frozenset({0, 1, 2, 3}), 4), (frozenset({4}), 0)))
    assert {len(axis) for axis in stuck.axes} != {1}
    frozen = replace(stuck, constraints=(*stuck.constraints, Immutable(4, origin=ORIGIN)))
    assert [len(axis) for axis in frozen.axes] == [1] * N
    answer = explain(frozen, ensemble(4, Task.BINARY).predictor, engine=trees_of(4, Task.BINARY))
    assert not isinstance(answer, Recourse)


def test_columns_and_single_rows_say_the_same() -> None:
    rng = np.random.default_rng(0)
    factual = rng.integers(0, 2, N).astype(float)
    rows = rng.integers(0, 2, (64, N)).astype(float)
    for seed in range(20):
        kept = Severed(drawn_pairs(seed), origin=ORIGIN)
        one_by_one = [bool(kept.kept(row, factual.tolist())) for row in rows.tolist()]
        assert kept.holds(rows, factual).tolist() == one_by_one
        assert one_by_one == [keeps(kept.pairs)(r, factual.tolist()) for r in rows.tolist()]
