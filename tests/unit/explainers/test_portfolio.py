"""Which engines a graph gets, and what warming them asks of the model."""

from __future__ import annotations

import pytest

from ifonly.explainers.search.portfolio import engines_for
from ifonly.models.predictor import Rows, Scores
from ifonly.models.schema import Task
from tests.support.deployed import Deployed, deployed_layers, deployed_trees
from tests.support.generated import SCHEMA, factual
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
