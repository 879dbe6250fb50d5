"""Boxes in the order of their priced bounds: no bound is above the optimum, no box is lost."""

from __future__ import annotations

import itertools
import zlib

import numpy as np
import pytest

from ifonly.explainers.answer import Infeasible, Recourse
from ifonly.explainers.deadline import Deadline
from ifonly.explainers.explain import explain
from ifonly.explainers.native.kernel import SP
from ifonly.explainers.search.trees import entry_points, proof
from ifonly.explainers.search.trees.arena import Arena
from ifonly.explainers.search.trees.engine import Trees
from ifonly.explainers.search.trees.lagrangian import priced
from ifonly.explainers.search.trees.table_search import halves
from ifonly.models.schema import Task
from tests.support.bruteforce import Predicate
from tests.support.checks import ALREADY, INFEASIBLE, OPTIMAL, Tally, normal, optimum
from tests.support.deployed import deployed_trees
from tests.support.generated import SCHEMA
from tests.support.kinds import KINDS, ConstraintKind
from tests.support.questions import question

TASKS = tuple(Task)
AT_LEAST = {OPTIMAL: 55, INFEASIBLE: 2, ALREADY: 35}


def prepare(patch: pytest.MonkeyPatch) -> None:
    """Boxes are split at once."""
    for patience in (
        "PATIENCE_IN_BALL",
        "PATIENCE_IN_BOX",
        "MOST_IN_BOX",
        "PATIENCE_WITHOUT_ANSWER",
    ):
        patch.setattr(proof, patience, 1)


@pytest.fixture(autouse=True)
def boxes_are_split_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    prepare(monkeypatch)


def engine(seed: int, task: Task) -> Trees:
    return Trees(deployed_trees(seed, task).form, SCHEMA, patience=0)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_the_claim_is_what_walking_every_row_finds(tally: Tally, kind: ConstraintKind) -> None:
    base = zlib.crc32(kind.name.encode()) % 100_000
    for seed in range(base, base + 6):
        task = TASKS[seed % 3]
        problem, _, kept = question((kind,), seed, task)
        predictor = deployed_trees(seed % 20, task).predictor
        answer = explain(problem, predictor, engine=engine(seed % 20, task))
        if not tally.already(answer, problem, predictor, normal(task)):
            tally.exact(answer, optimum(problem, predictor, kept, normal(task)))


@pytest.mark.parametrize("seed", range(12))
def test_no_bound_is_above_the_least_cost_in_its_box(seed: int) -> None:
    task = TASKS[seed % 3]
    problem, _, kept = question((), seed, task)
    deployed = deployed_trees(seed, task)
    asked = Trees(deployed.form, SCHEMA)._in_arrays(problem)
    t, q, arena = asked.tables, asked.question, Arena.of(asked.tables)
    for column in range(len(q.size)):
        for side in (0, 1):
            lo, hi = q.least.copy(), q.most.copy()
            middle = int(q.size[column]) // 2
            if side == 0:
                hi[column] = max(middle - 1, 0)
            else:
                lo[column] = middle
            values = q.values_at(column, np.arange(q.size[column]))
            within = _within(column, float(values[lo[column]]), float(values[hi[column]]))
            best = optimum(problem, deployed.predictor, [*kept, within], normal(task))
            entry_points.start(t, q, arena, 1e3, lo, hi)
            if arena.ints[SP] == 0:
                assert best is None
                continue
            box = priced(t, q, arena, 1e3, None, lambda: None)
            if box is None:
                assert best is None
                continue
            if best is not None:
                assert box.bound <= best
            assert (lo <= box.wish).all()
            assert (box.wish <= hi).all()
            for low, high in halves(t, q, box):
                assert (low <= high).all()


def test_a_deadline_leaves_a_bound_that_holds() -> None:
    """The clock passes the deadline at every possible look, one after the other."""
    task, which = Task.BINARY, 3
    predictor = deployed_trees(which, task).predictor
    for seed in range(3):
        problem, _, kept = question((), seed, task)
        best = optimum(problem, predictor, kept, normal(task))
        for looks in range(0, 24, 2):
            deadline = Deadline(looks, itertools.count().__next__)
            answer = explain(problem, predictor, engine=engine(which, task), deadline=deadline)
            if isinstance(answer, Recourse):
                first = answer.counterfactuals[0]
                assert best is not None
                assert first.cost >= best - 1e-9
                assert first.lower_bound is None or first.lower_bound <= best + 1e-9
            elif isinstance(answer, Infeasible):
                assert best is None


def _within(column: int, low: float, high: float) -> Predicate:
    def holds(row: np.ndarray, _: object) -> bool:
        value = float(row[column])
        if np.isnan(high):
            return value >= low or np.isnan(value)
        return low <= value <= high

    return holds
