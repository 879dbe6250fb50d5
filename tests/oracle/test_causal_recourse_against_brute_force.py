"""The cheapest action of all sets of levers, effects included: the engine against a walk over all
actions on generated linear causal models, with every kind of constraint."""

from __future__ import annotations

import zlib
from dataclasses import replace

import numpy as np
import pytest

from ifonly.explainers.answer import Infeasible, Recourse, Unknown
from ifonly.explainers.explain import explain
from ifonly.explainers.search.blackbox import Blackbox
from ifonly.models.schema import Task
from tests.support.checks import ALREADY, OPTIMAL, Tally, normal
from tests.support.consequences import Slopes, cheapest_action, speaks_of_row
from tests.support.kinds import KINDS, ConstraintKind, missing_stays
from tests.support.questions import price, question

TASKS = (Task.BINARY, Task.MULTICLASS, Task.REGRESSION)
SEARCHED = Blackbox(enumerable=0)
AT_LEAST = {OPTIMAL: 28, ALREADY: 20}


def asked(kind: ConstraintKind, seed: int, task: Task):
    problem, model, _ = question((kind,), seed, task)
    slopes = Slopes.random(seed)
    of_row = [kind.keeps] if speaks_of_row(kind) else []
    of_action = [] if of_row else [kind.keeps]
    if kind.name != "may be filled":
        of_action.append(missing_stays)
    best = cheapest_action(slopes, problem.factual, model, normal(task), of_action, of_row, price)
    return replace(problem, consequences=slopes.consequences()), model, best


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_the_answer_is_the_cheapest_action_of_all_sets_of_levers(
    tally: Tally, kind: ConstraintKind
) -> None:
    base = zlib.crc32(kind.name.encode()) % 100_000
    found = 0
    for seed in range(base, base + 9):
        task = TASKS[seed % 3]
        problem, model, best = asked(kind, seed, task)
        answer = explain(problem, model)
        if tally.already(answer, problem, model, normal(task)):
            continue
        tally.exact(answer, best)
        searched = explain(problem, model, engine=SEARCHED)
        if isinstance(searched, Recourse):
            assert best is not None
            assert searched.counterfactuals[0].cost >= best - 1e-9
        found += 1
        if found == 2:
            break
    assert found


@pytest.mark.slow
def test_searching_finds_nearly_every_optimum_that_enumerating_does(tally: Tally) -> None:
    hits = []
    for seed in range(60):
        problem, model, best = asked(KINDS[seed % len(KINDS)], seed, Task.BINARY)
        answer = explain(problem, model, engine=SEARCHED)
        if tally.already(answer, problem, model, normal(Task.BINARY)):
            continue
        if best is None:
            assert isinstance(answer, Unknown | Infeasible)
        else:
            assert isinstance(answer, Recourse)
            hits.append(answer.counterfactuals[0].cost <= best + 1e-9)
    assert len(hits) >= 20
    assert np.mean(hits) >= 0.95
