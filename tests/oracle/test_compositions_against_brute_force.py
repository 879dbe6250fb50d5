"""Graphs of several models: what is known of boxes holds for every row in them, and claims are what
walking every row finds."""

from __future__ import annotations

import zlib
from dataclasses import replace

import numpy as np
import pytest

from ifonly.explainers.constraints import Immutable
from ifonly.explainers.deadline import Deadline
from ifonly.explainers.explain import explain
from ifonly.explainers.search.composed import search
from ifonly.explainers.search.composed.enclosures import Encloser
from ifonly.explainers.search.engine import Meter
from ifonly.explainers.search.portfolio import Portfolio, engines_for
from ifonly.models.graph.forms import Composition, TreeEnsemble
from ifonly.models.graph.reading import read_as_composition
from ifonly.models.rounding import Known, Rounding
from ifonly.models.schema import Task
from tests.support.checks import OPTIMAL, Tally, normal, optimum
from tests.support.generated import SCHEMA
from tests.support.kinds import KINDS as RULES
from tests.support.onnx_estimators import (
    KINDS,
    TREE_SUMS,
    deployed_estimator,
    estimator_rows,
    readings_of,
    tasks_of,
)
from tests.support.questions import question

AT_LEAST = {OPTIMAL: 15}
CASES = [(kind, task) for kind in KINDS for task in tasks_of(kind)]
ONE_EACH = [(kind, tasks_of(kind)[k % len(tasks_of(kind))]) for k, kind in enumerate(KINDS)]


@pytest.mark.parametrize(
    ("kind", "task"), [*ONE_EACH, *(pytest.param(*c, marks=pytest.mark.slow) for c in CASES)]
)
def test_every_row_of_a_box_lies_between_its_bounds(kind: str, task: Task) -> None:
    deployed = deployed_estimator(kind, 0, task)
    predictor = deployed.predictor
    form = read_as_composition(predictor.model, predictor.encoding, predictor.columns)
    core = form.core
    assert isinstance(core, Composition)
    draw = np.random.default_rng(1)
    rows = readings_of(estimator_rows(draw, 400))
    columns = form.columns.encode(rows)
    scores = predictor.score(rows)
    encloser = Encloser(core)
    picked = draw.integers(len(rows), size=(60, 4))
    # Boxes around four rows at first, then ever smaller ones around one.
    some = columns[picked]
    share = 10.0 ** -draw.integers(0, 5, size=(60, 1))
    middle = some[:, 0]
    low = middle - share * (middle - some.min(axis=1))
    high = middle + share * (some.max(axis=1) - middle)
    found = encloser.bounds(low.astype(np.float64), high.astype(np.float64))
    told, lines = encloser.lines(low.astype(np.float64), high.astype(np.float64))
    ones = np.column_stack([np.ones(len(columns)), columns.astype(np.float64)])
    inside = (columns >= low[:, None]) & (columns <= high[:, None])
    for k, box in enumerate(inside.all(axis=2)):
        assert box.any()
        assert (scores[box] >= found.low[k]).all()
        assert (scores[box] <= found.high[k]).all()
        assert (scores[box] >= told.low[k]).all()
        assert (scores[box] <= told.high[k]).all()
        assert (scores[box] >= ones[box] @ lines.low[:, k] - 1e-12).all()
        assert (scores[box] <= ones[box] @ lines.high[:, k] + 1e-12).all()
    # And they close in on it where the box does.
    points = encloser.bounds(*(columns.astype(np.float64),) * 2)
    assert np.median(points.high - points.low) < 5e-3


@pytest.mark.parametrize(
    ("kind", "task"), [*ONE_EACH, *(pytest.param(*c, marks=pytest.mark.slow) for c in CASES)]
)
def test_a_claim_is_what_walking_every_row_finds(
    monkeypatch: pytest.MonkeyPatch, tally: Tally, kind: str, task: Task
) -> None:
    # So that boxes are closed by what is known of them, and not by asking.
    monkeypatch.setattr(search, "FEW", 1)
    monkeypatch.setattr(search, "IN_PAIRS", 2)
    base = zlib.crc32(kind.encode()) % 100_000
    asked = 0
    for seed in range(base, base + 40):
        deployed = deployed_estimator(kind, seed % 2, task)
        rules = [RULES[seed % len(RULES)], RULES[seed // 7 % len(RULES)]][: seed % 3]
        problem, _, kept = question(rules, seed, task)
        if problem.survives is not None:
            continue
        *exact, _ = engines_for(deployed.form, SCHEMA).engines
        answer = explain(problem, deployed.predictor, engine=Portfolio(exact))
        if not tally.already(answer, problem, deployed.predictor, normal(task)):
            tally.exact(answer, optimum(problem, deployed.predictor, kept, normal(task)))
            asked += 1
        if asked == 2:
            return
    assert asked


@pytest.mark.parametrize("kind", sorted(TREE_SUMS))
def test_models_that_come_to_one_sum_of_trees_are_read_as_one(kind: str) -> None:
    for task in tasks_of(kind):
        assert isinstance(deployed_estimator(kind, 0, task).form.core, TreeEnsemble)


def test_where_nothing_can_move_the_factual_itself_is_judged() -> None:
    """By the target, and by the looser one of what stands against a box: a class that is ahead in
    one session that rounding allows."""
    kind = next(k for k in KINDS if Task.MULTICLASS in tasks_of(k) and k not in TREE_SUMS)
    deployed = deployed_estimator(kind, 0, Task.MULTICLASS)
    problem, _, _ = question((), 0, Task.MULTICLASS)
    engine = next(e for e in engines_for(deployed.form, SCHEMA).engines if e.name == "composed")
    (scores,) = deployed.predictor.score(problem.factual[None, :])
    second, first = np.argsort(scores)[-2:]
    behind_by, none = float(scores[first] - scores[second]), (0.0,) * len(scores)
    rounding = Rounding((behind_by,) * len(scores), none, Known.BOUNDED)
    behind = replace(problem.target, wanted=int(second), rounding=rounding)
    frozen = tuple(Immutable(j, origin=problem.target.origin) for j in range(len(SCHEMA)))
    found = []
    for target in (behind, replace(behind, is_loose=True)):
        asked = replace(problem, target=target, constraints=frozen)
        meter = Meter(deployed.predictor, Deadline.never())
        found.append(len(engine.search(asked, meter, Deadline.never()).candidates))
    assert found == [0, 1]
