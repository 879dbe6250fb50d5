"""Graphs that are no chain of layers: their claim is what walking every row finds."""

from __future__ import annotations

import zlib

import pytest

from ifonly.explainers.answer import Infeasible
from ifonly.explainers.explain import explain
from ifonly.explainers.search.portfolio import engines_for
from ifonly.explainers.search.relu import Relu
from ifonly.models.graph.forms import UnitNetwork
from ifonly.models.schema import Task
from tests.support.checks import INFEASIBLE, OPTIMAL, Tally, normal, optimum
from tests.support.deployed import deployed_units
from tests.support.generated import SCHEMA
from tests.support.kinds import KINDS
from tests.support.onnx_units import CURVED, STRAIGHT
from tests.support.questions import question

TASKS = tuple(Task)
AT_LEAST = {OPTIMAL: 7, INFEASIBLE: 3}
QUESTIONS = 2


@pytest.mark.parametrize("shape", [*STRAIGHT, *CURVED])
def test_the_claim_is_what_walking_every_row_finds(tally: Tally, shape: str) -> None:
    base, asked = zlib.crc32(shape.encode()) % 100_000, 0
    for seed in range(base, base + 40):
        task, kinds = TASKS[seed % 3], [KINDS[seed % len(KINDS)]]
        model = deployed_units(seed % 7, task, shape)
        assert isinstance(model.form.core, UnitNetwork)
        # Of curves the engines claim what they can, by themselves and together.
        engine = Relu(model.form, SCHEMA) if shape in STRAIGHT else engines_for(model.form, SCHEMA)
        problem, _, kept = question(kinds, seed, task)
        answer = explain(problem, model.predictor, engine=engine)
        if not tally.already(answer, problem, model.predictor, normal(task)):
            tally.exact(answer, optimum(problem, model.predictor, kept, normal(task)))
            asked += 1
            if asked == QUESTIONS:
                return
    assert asked


def test_boxes_whose_curves_could_be_halved_for_ever_come_to_their_rows() -> None:
    """106 million boxes were opened, and no end was near: 16 sums of curves were halved in turn."""
    task = Task.MULTICLASS
    model = deployed_units(40, task, "softmax")
    problem, _, kept = question([], 55141740, task)
    answer = explain(problem, model.predictor, engine=engines_for(model.form, SCHEMA))
    assert isinstance(answer, Infeasible)
    assert optimum(problem, model.predictor, kept, normal(task)) is None
    assert answer.work.nodes < 100_000
