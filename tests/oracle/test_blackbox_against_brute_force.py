"""Every constraint kind, alone and in pairs, on generated models: the engine against a walk over
all rows. Where the space is enumerated the claim must be exact; where it is searched the answer
must be valid and never cheaper than the optimum."""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Sequence

import numpy as np
import pytest

from ifonly.explainers.answer import Answer, Infeasible, Recourse, Unknown
from ifonly.explainers.constraints import Mask
from ifonly.explainers.deadline import Deadline
from ifonly.explainers.explain import explain
from ifonly.explainers.search import blackbox
from ifonly.explainers.search.blackbox import Blackbox
from ifonly.explainers.search.engine import Meter
from ifonly.explainers.space import changed
from ifonly.explainers.target import Target
from ifonly.models.predictor import Scores
from ifonly.models.schema import Task
from tests.support.bruteforce import settable
from tests.support.checks import ALREADY, INFEASIBLE, OPTIMAL, Tally, normal, optimum
from tests.support.generated import SCHEMA
from tests.support.kinds import KINDS, ConstraintKind
from tests.support.questions import policy, question
from tests.support.thinning import thinned

SEARCHED = Blackbox(enumerable=0)
AT_LEAST = {OPTIMAL: 150, INFEASIBLE: 25, ALREADY: 150}


def check_searched(answer: Answer, best: float | None) -> bool:
    """Whether the optimum was found; anything published must be no better than it."""
    if best is None:
        assert isinstance(answer, Unknown | Infeasible)
        return True
    assert isinstance(answer, Recourse | Unknown)
    if isinstance(answer, Unknown):
        return False
    cost = answer.counterfactuals[0].cost
    assert cost >= best - 1e-9
    return cost <= best + 1e-9


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_the_answer_is_the_optimum_of_the_whole_space(tally: Tally, kind: ConstraintKind) -> None:
    check_questions(tally, [kind])


@pytest.mark.slow
@pytest.mark.parametrize(
    "kinds",
    thinned(list(itertools.combinations(KINDS, 2)), 2),
    ids=lambda kinds: " + ".join(k.name for k in kinds),
)
def test_constraints_are_kept_together(tally: Tally, kinds: Sequence[ConstraintKind]) -> None:
    check_questions(tally, kinds)


def check_questions(tally: Tally, kinds: Sequence[ConstraintKind]) -> None:
    """Ask until two were not in the target already."""
    base = zlib.crc32(" ".join(k.name for k in kinds).encode()) % 100_000
    asked = 0
    for seed in range(base, base + 12):
        problem, model, kept = question(kinds, seed)
        answer = explain(problem, model)
        if tally.already(answer, problem, model, normal(Task.BINARY)):
            continue
        asked += 1
        best = optimum(problem, model, kept, normal(Task.BINARY))
        tally.exact(answer, best)
        check_searched(explain(problem, model, engine=SEARCHED), best)
        if asked == 2:
            break
    assert asked


@pytest.mark.parametrize("task", [Task.MULTICLASS, Task.REGRESSION])
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_other_tasks_reach_their_optimum_too(
    tally: Tally, kind: ConstraintKind, task: Task
) -> None:
    for seed in range(4):
        problem, model, kept = question((kind,), seed, task)
        answer = explain(problem, model)
        if not tally.already(answer, problem, model, normal(task)):
            tally.exact(answer, optimum(problem, model, kept, normal(task)))


def surely_normal(scores: Scores) -> Mask:
    return scores[:, 0] <= 0.3


def test_a_probability_target_is_met_and_optimal(tally: Tally) -> None:
    for seed in range(40):
        problem, model, kept = question((), seed)
        target = Target(problem.target.decision, 0, lower=0.7)
        problem = policy((), Task.BINARY).problem(problem.factual, target, seed=seed)
        answer = explain(problem, model)
        if not tally.already(answer, problem, model, surely_normal):
            tally.exact(answer, optimum(problem, model, kept, surely_normal))


def in_the_interval(scores: Scores) -> Mask:
    return (scores[:, 0] >= -1.0) & (scores[:, 0] <= -0.5)


def test_a_score_interval_is_met_and_optimal(tally: Tally) -> None:
    for seed in range(40):
        problem, model, kept = question((), seed, Task.REGRESSION)
        target = Target(problem.target.decision, lower=-1.0, upper=-0.5)
        problem = policy((), Task.REGRESSION).problem(problem.factual, target, seed=seed)
        answer = explain(problem, model)
        if not tally.already(answer, problem, model, in_the_interval):
            tally.exact(answer, optimum(problem, model, kept, in_the_interval))


def test_what_was_enumerated_holds_nothing_cheaper() -> None:
    """Where the ball is too large to be walked, its rows of one, two or three changes may not be:
    the claim is held to all rows, also where the search before it found no more than a dear one."""
    claims = []
    for seed in range(120):
        problem, model, _ = question((KINDS[seed % len(KINDS)],), seed)
        engine = Blackbox(enumerable=2 * seed)
        answer = explain(problem, model, engine=engine)
        if not isinstance(answer, Recourse) or answer.counterfactuals[0].gap == 0.0:
            continue
        best = answer.counterfactuals[0]
        axes = [
            settable(f, float(v)) for f, v in zip(SCHEMA.features, problem.factual, strict=True)
        ]
        rows = np.array(list(itertools.product(*axes)))
        few = changed(rows, problem.factual).sum(axis=1) <= best.enumerated
        cheaper = rows[few & (problem.cost_of(rows) < best.cost - 1e-9)]
        cheaper = cheaper[problem.allowed(cheaper)]
        assert not problem.target.met(model.score(cheaper)).any()
        claims.append(best.enumerated)
    assert {0, 1, 2} <= set(claims)


def test_searching_finds_nearly_every_optimum_that_enumerating_does(tally: Tally) -> None:
    found = []
    for seed in range(200):
        problem, model, kept = question((KINDS[seed % len(KINDS)],), seed)
        answer = explain(problem, model, engine=SEARCHED)
        if not tally.already(answer, problem, model, normal(Task.BINARY)):
            found.append(check_searched(answer, optimum(problem, model, kept, normal(Task.BINARY))))
    assert len(found) >= 80
    assert np.mean(found) >= 0.95


def test_no_trade_is_made_once_the_time_is_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """With thirty levers all trades take a second to lay out: the deadline is looked at between."""
    made: list[int] = []
    trades = blackbox._trades

    def counted(*given: object) -> object:
        made.append(1)
        return trades(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(blackbox, "_trades", counted)
    hits = 0
    for seed in range(12):
        made.clear()
        problem, model, _ = question((), seed)
        deadline = Deadline(1.0, lambda: 2.0 * len(made))
        outcome = SEARCHED.search(problem, Meter(model, deadline), deadline)
        assert len(made) <= 1
        assert outcome.deadline_hit == bool(made)
        hits += outcome.deadline_hit
    assert hits
