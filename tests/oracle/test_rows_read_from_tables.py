"""What the tables say of rows, many at a time, against the deployed model and row by row."""

from __future__ import annotations

import numpy as np
import pytest

from ifonly.explainers.policy import Policy
from ifonly.explainers.search.portfolio import Portfolio, engines_for, met_by
from ifonly.explainers.search.trees.engine import Trees
from ifonly.models.predictor import Rows, Scores
from ifonly.models.rounding import rounding_of
from ifonly.models.schema import Task
from tests.support.deployed import as_served, deployed_trees
from tests.support.generated import factual

AROUND, ANYWHERE = 300, 60
MODELS = [(seed, task) for task in Task for seed in range(6)]


def readings(seed: int) -> Rows:
    """Readings about one row, as errors of sensors make them, some beyond all bounds; then rows
    anywhere, a third of them with a reading that is missing."""
    draw = np.random.default_rng(seed)
    one = factual(seed)
    spread = np.array([0.1, 3.0, 0.0, 0.0, 0.05]) * draw.choice([0.1, 1.0, 8.0])
    near = one + spread * draw.standard_normal((AROUND, len(one)))
    far = [factual(1_000 * seed + k, missing=k % 3 == 0) for k in range(ANYWHERE)]
    return np.concatenate([near, far])


@pytest.mark.parametrize(("seed", "task"), MODELS)
def test_rows_are_in_the_target_by_the_tables_where_they_are_by_the_model(
    seed: int, task: Task
) -> None:
    model = deployed_trees(seed, task)
    predictor = as_served(model)
    problem = Policy.read({}, model.spec.schema, model.spec.decision).problem(factual(seed))
    engine = engines_for(model.form, model.spec.schema)
    rows, asked = readings(seed), []

    def score(some: Rows) -> Scores:
        asked.append(len(some))
        return predictor.score(some)

    for one in (problem, problem.firm(rounding_of(predictor))):
        truth = one.margin(predictor.score)(rows) >= 0.0
        assert (met_by(engine, one, score)(rows) == truth).all()
        # An engine that knows of no rows leaves all of them to the model.
        assert (met_by(Portfolio(()), one, score)(rows) == truth).all()
        assert asked.pop() == len(rows)
    # A few within rounding of the edge at most.
    assert sum(asked) <= len(rows) // 10


@pytest.mark.parametrize(("seed", "task"), MODELS[::3])
def test_sums_over_boxes_are_the_same_in_company(seed: int, task: Task) -> None:
    model = deployed_trees(seed, task)
    problem = Policy.read({}, model.spec.schema, model.spec.decision).problem(factual(seed))
    reach = Trees(model.form, model.spec.schema).reach(problem.target)
    rows = readings(seed)
    rows = rows[~np.isnan(rows).any(axis=1)]
    other = rows.copy()
    other[:, :2] += np.abs(np.random.default_rng(seed).normal(0.0, 1.0, (len(rows), 2)))
    together = reach.sums(rows, other)
    alone = [reach.sums(rows[k : k + 1], other[k : k + 1]) for k in range(len(rows))]
    for end, own in zip(together, zip(*alone, strict=True), strict=True):
        assert end == pytest.approx(np.concatenate(own), abs=1e-12)
