"""Whether any row is in the target: against walking every row, with trees merged or not."""

from __future__ import annotations

import numpy as np
import pytest

from ifonly.explainers.deadline import Deadline
from ifonly.explainers.search.engine import Meter
from ifonly.explainers.search.trees import any_row
from ifonly.explainers.search.trees.any_row import AnyRowSearch
from ifonly.explainers.search.trees.engine import Trees
from ifonly.models.schema import Task
from tests.support.checks import normal, optimum
from tests.support.deployed import deployed_trees
from tests.support.generated import SCHEMA
from tests.support.kinds import KINDS
from tests.support.questions import question

TASKS = tuple(Task)


@pytest.mark.parametrize("seeds", [range(36), pytest.param(range(36, 900), marks=pytest.mark.long)])
def test_what_is_said_is_what_walking_every_row_finds(
    monkeypatch: pytest.MonkeyPatch, seeds: range
) -> None:
    told = {True: 0, False: 0}
    for seed in seeds:
        draw, task = np.random.default_rng(seed), TASKS[seed % 3]
        kinds = [KINDS[int(k)] for k in draw.choice(len(KINDS), int(draw.integers(5)), False)]
        problem, _, kept = question(kinds, seed, task)
        deployed = deployed_trees(seed % 15, task)
        engine = Trees(deployed.form, SCHEMA)
        there_is_one = optimum(problem, deployed.predictor, kept, normal(task)) is not None
        for before_merging in (1, 400):
            monkeypatch.setattr(any_row, "BEFORE_MERGING", before_merging)
            meter = Meter(deployed.predictor, Deadline.never())
            asked = engine._in_arrays(problem)
            # Without moves along lines, so that boxes are cut.
            search = AnyRowSearch(problem, meter, Deadline.never(), asked)
            found = search.run(is_begun=True)
            assert found.is_infeasible is not there_is_one
            if there_is_one:
                assert problem.allowed(found.candidates).all()
                assert problem.target.met(deployed.predictor.score(found.candidates)).all()
        told[there_is_one] += 1
    assert min(told.values()) >= 3, told
