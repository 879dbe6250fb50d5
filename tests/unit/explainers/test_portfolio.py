"""Which engines a graph gets, and what warming them asks of the model."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ifonly.explainers.deadline import Deadline
from ifonly.explainers.search.engine import Meter
from ifonly.explainers.search.portfolio import engines_for
from ifonly.explainers.search.trees.engine import Trees
from ifonly.models.predictor import Rows, Scores
from ifonly.models.schema import Task
from tests.support.deployed import Deployed, deployed, deployed_layers, deployed_trees
from tests.support.generated import SCHEMA, factual
from tests.support.onnx_trees import spec_text, tree_model
from tests.support.questions import policy

KINDS = {
    "trees": deployed_trees(3, Task.BINARY),
    "linear": deployed_layers(3, Task.BINARY, linear=True),
    "relu": deployed_layers(3, Task.BINARY, linear=False),
}


class Counted:
    """A predictor that counts the rows it is asked about."""

    def __init__(self, model: Deployed) -> None:
        self._model = model.predictor
        self.rows = 0

    def score(self, rows: Rows) -> Scores:
        self.rows += len(rows)
        return self._model.score(rows)


@pytest.mark.parametrize("kind", KINDS)
def test_a_graph_gets_the_exact_engine_of_its_kind_and_the_one_that_asks(kind: str) -> None:
    engines = engines_for(KINDS[kind].form, SCHEMA).engines
    own = ["networks", "relu"] if kind == "relu" else [kind]
    assert [engine.name for engine in engines] == [*own, "blackbox"]


def test_what_cannot_be_read_is_asked() -> None:
    assert [engine.name for engine in engines_for(None, SCHEMA).engines] == ["blackbox"]


def test_warming_builds_tables_and_leaves_out_the_engine_that_only_asks() -> None:
    model = KINDS["trees"]
    problem = policy((), Task.BINARY).problem(factual(3))
    asked = Counted(model)
    engines_for(None, SCHEMA).warm(problem, asked)
    assert asked.rows == 0
    exact = engines_for(model.form, SCHEMA)
    assert exact.table_bytes == 0
    exact.warm(problem, asked)
    assert exact.table_bytes > 0


def test_a_search_that_has_found_a_row_may_take_more_of_the_time() -> None:
    now = Deadline(10.0, lambda: 0.0)
    share = now.sooner(0.8, once_found=0.95)
    assert share.left() == 8.0
    assert share.extended().left() == 9.5
    assert share.extended().extended() == share.extended()
    assert now.sooner(0.8).extended() == now.sooner(0.8)
    assert Deadline.never().sooner(0.8, once_found=0.95) == Deadline.never()


@pytest.mark.parametrize("seed", [5, 10])
def test_trees_go_on_once_they_have_a_row(seed: int) -> None:
    model = deployed(tree_model(seed, Task.BINARY, 30, 5), spec_text(Task.BINARY))
    problem = policy((), Task.BINARY).problem(factual(seed))
    engine = Trees(model.form, SCHEMA, patience=0)
    over = Deadline(0.0, lambda: 1.0)
    cut = engine.search(problem, Meter(model.predictor, over), over)
    assert cut.deadline_hit
    assert len(cut.candidates)
    assert not cut.is_proven(problem)
    longer = replace(over, once_found=2.0)
    went_on = engine.search(problem, Meter(model.predictor, longer), longer)
    assert went_on.is_proven(problem)
    assert not went_on.deadline_hit
