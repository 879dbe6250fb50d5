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

from ifonly.explainers.answer import Abstained, Recourse
from ifonly.explainers.causal.backtracking import BacktrackingConsequences
from ifonly.explainers.causal.members import CausalMembers, MemberMechanism
from ifonly.explainers.constraints import Immutable, Origin, Source
from ifonly.explainers.explain import explain
from ifonly.models.predictor import Predictor, Row, Scores
from ifonly.models.schema import Task
from tests.support.affine import lines
from tests.support.bruteforce import moved, settable
from tests.support.checks import ALREADY, OPTIMAL, Tally, normal
from tests.support.consequences import (
    FLOW,
    GRADE,
    MODE,
    PRESSURE,
    SPEED,
    Slopes,
    readable,
    speaks_of_row,
)
from tests.support.generated import SCHEMA
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


def every_action(factual: Row) -> list[tuple[float, ...]]:
    axes = [settable(f, float(v)) for f, v in zip(SCHEMA.features, factual, strict=True)]
    return list(itertools.product(*axes))


def smallest(slopes: Slopes, problem, model, met, of_action, of_row) -> float | None:
    best: float | None = None
    before = problem.factual.tolist()
    actions = every_action(problem.factual)
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
        consequences = BacktrackingConsequences(slopes.consequences())
        answer = explain(replace(problem, consequences=consequences), model)
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


# --- as sure as is demanded ---------------------------------------------------------------------

VERSIONS = 12
GAMMA, FLOOR = 1.0, 0.7
STILL = (MODE, FLOW)
"""Left alone by every other question: of what they lead to nothing is in doubt."""


def plausible(seed: int, believed: Slopes) -> list[Slopes]:
    """The same machine by laws that are a little other."""
    draw = np.random.default_rng([seed, 3])
    spread = 1.0 + 0.5 * draw.normal(size=(VERSIONS, 4))
    return [
        Slopes(
            (believed.speed[0] * a, believed.speed[1] * b),
            (believed.flow[0] * c, believed.flow[1] * d),
        )
        for a, b, c, d in spread.tolist()
    ]


def consequences_of(believed: Slopes, versions: Sequence[Slopes]) -> BacktrackingConsequences:
    own = believed.consequences(GAMMA)
    speed, flow = (
        lines(np.array([getattr(v, name) for v in versions])) for name in ("speed", "flow")
    )
    mechanisms = (None, MemberMechanism(speed, None, 2), None, None, MemberMechanism(flow, None, 2))
    members = CausalMembers(own.model, VERSIONS, mechanisms)
    return BacktrackingConsequences(replace(own, members=members, floor=FLOOR))


def margin(task: Task, scores: Scores) -> np.ndarray:
    """How far the desired class is ahead."""
    if task is Task.MULTICLASS:
        return np.asarray(scores[:, 0] - scores[:, 1:].max(axis=1))
    return np.asarray((0.5 if task is Task.BINARY else 0.3) - scores[:, 0])


def chance_of(
    action: Sequence[float], before: Sequence[float], task: Task, versions: Sequence[Slopes],
    model: Predictor,
) -> tuple[float, bool]:  # fmt: skip
    """Share of versions by which the past leads into the target, and whether that is enough."""
    own = moved(action, before)
    if not (own[PRESSURE] or own[GRADE] or own[SPEED]):  # nothing follows
        return 1.0, True
    margins = margin(task, model.score(np.array([past(v, action, before) for v in versions])))
    chance = float((margins >= 0.0).mean())
    lower = margins.mean() - GAMMA * margins.std(ddof=1)
    return chance, bool(lower >= 0.0 and chance >= FLOOR)


def test_the_answer_is_the_smallest_past_that_plausible_laws_agree_on(tally: Tally) -> None:
    abstained, unsure = 0, 0
    for seed in range(60):
        task = TASKS[seed % 3]
        problem, model, _ = question((), seed, task)
        if math.isnan(problem.factual[FLOW]):
            continue
        believed, still = Slopes.random(seed), STILL if seed % 2 else ()
        versions = plausible(seed, believed)
        frozen = (Immutable(j, origin=Origin(Source.REQUEST, f"freeze.{j}")) for j in still)
        constraints = (*problem.constraints, *frozen)
        consequences = consequences_of(believed, versions)
        answer = explain(
            replace(problem, consequences=consequences, constraints=constraints), model
        )
        if tally.already(answer, problem, model, normal(task)):
            continue
        assert not answer.work.rejected
        before = problem.factual.tolist()
        every = (a for a in every_action(problem.factual) if all(a[j] == before[j] for j in still))
        actions = sorted(every, key=lambda a: price(a, before))
        rows = [past(believed, a, before) for a in actions]
        likely = [
            actions[i]
            for i in np.flatnonzero(normal(task)(model.score(np.array(rows))))
            if readable(rows[i])
        ]
        told = ((a, *chance_of(a, before, task, versions, model)) for a in likely)
        best = next(((a, chance) for a, chance, is_sure in told if is_sure), None)
        if best is None and likely:
            assert isinstance(answer, Abstained)
            abstained += 1
            continue
        tally.exact(answer, None if best is None else price(best[0], before))
        if isinstance(answer, Recourse):
            (found,) = answer.counterfactuals
            action = tuple(found.action_on(problem.factual).tolist())
            assert found.chance == chance_of(action, before, task, versions, model)[0]
            unsure += found.chance < 1.0
    assert abstained >= 2
    assert unsure >= 3
