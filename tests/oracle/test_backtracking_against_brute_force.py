"""The smallest other past of all: the engine against a walk over all backgrounds on generated
linear causal models, with every kind of constraint. What follows is computed by hand."""

from __future__ import annotations

import itertools
import math
import zlib
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from explainers.causal.backtracking import BacktrackingImage
from explainers.explain import explain
from models.schema import Task
from tests.support.bruteforce import moved, settable
from tests.support.checks import ALREADY, OPTIMAL, Tally, normal
from tests.support.generated import SCHEMA
from tests.support.images import FLOW, GRADE, PRESSURE, SPEED, Slopes, readable, speaks_of_row
from tests.support.kinds import KINDS, ConstraintKind, missing_stays
from tests.support.questions import price, question

TASKS = (Task.BINARY, Task.MULTICLASS, Task.REGRESSION)
AT_LEAST = {OPTIMAL: 15, ALREADY: 10}


def past(slopes: Slopes, action: Sequence[float], before: Sequence[float]) -> list[float]:
    """Each feature by its own part, and by what its causes are otherwise."""
    row, own = list(action), moved(action, before)
    squeeze, better = action[PRESSURE] - before[PRESSURE], action[GRADE] - before[GRADE]
    speed = action[SPEED]
    if own[PRESSURE] or own[GRADE]:
        speed += slopes.speed[0] * squeeze + slopes.speed[1] * better
        row[SPEED] = float(round(speed))
    if own[PRESSURE] or own[GRADE] or own[SPEED]:
        faster = speed - before[SPEED]
        part = action[FLOW] - before[FLOW] if own[FLOW] else 0.0
        row[FLOW] = before[FLOW] + slopes.flow[0] * squeeze + slopes.flow[1] * faster + part
    return row


def smallest(slopes: Slopes, problem, model, met, of_action, of_row) -> float | None:
    factual = problem.factual
    axes = [settable(f, float(v)) for f, v in zip(SCHEMA.features, factual, strict=True)]
    best: float | None = None
    before = factual.tolist()
    actions = list(itertools.product(*axes))
    rows = [past(slopes, a, before) for a in actions]
    for i in np.flatnonzero(met(model.score(np.array(rows)))):
        action, row = actions[i], rows[i]
        cost = price(action, before)
        lost = math.isnan(row[FLOW]) and not math.isnan(action[FLOW])
        if (
            (best is None or cost < best)
            and not lost
            and readable(row)
            and all(keeps(action, before) for keeps in of_action)
            and all(keeps(row, before) for keeps in of_row)
        ):
            best = cost
    return best


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_the_answer_is_the_smallest_other_past(tally: Tally, kind: ConstraintKind) -> None:
    base = zlib.crc32(kind.name.encode()) % 100_000
    for seed in range(base, base + 9):
        problem, model, _ = question((kind,), seed, TASKS[seed % 3])
        slopes = Slopes.random(seed)
        image = BacktrackingImage(slopes.image())
        answer = explain(replace(problem, image=image), model)
        task = TASKS[seed % 3]
        if tally.already(answer, problem, model, normal(task)):
            continue
        of_row = [kind.keeps] if speaks_of_row(kind) else []
        of_action = [] if of_row else [kind.keeps]
        if kind.name != "may be filled":
            of_action.append(missing_stays)
        tally.exact(answer, smallest(slopes, problem, model, normal(task), of_action, of_row))
        return
    pytest.fail("every question was answered already")
