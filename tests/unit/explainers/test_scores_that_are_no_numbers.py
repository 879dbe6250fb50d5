"""NaN and infinity end a question with an error that names row and output, never with a claim."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from explainers.causal.regressor import Regressor
from explainers.causal.regressor import Trees as TreeMechanism
from explainers.constraints import Origin, Plausible, Source
from explainers.errors import NotEligible
from explainers.explain import explain
from explainers.policy import Policy
from explainers.problem import Problem
from explainers.search.blackbox import Blackbox
from explainers.search.engine import Engine
from explainers.search.linear import Linear
from explainers.search.portfolio import engines_for
from explainers.search.relu import Relu
from explainers.search.trees.engine import Trees
from explainers.target import Target
from models.errors import NotFinite
from models.predictor import Rows, Scores
from models.schema import Task
from tests.support.deployed import Deployed, deployed, deployed_layers, deployed_trees
from tests.support.generated import SCHEMA, decision, factual
from tests.support.onnx_trees import spec_text, tree_model
from tests.support.questions import policy

BAD = (math.nan, math.inf, -math.inf)


class Breaking:
    """``score``, but for rows that have another value than the factual in a feature."""

    def __init__(self, score: Callable[[Rows], Scores], before: float, bad: float) -> None:
        self._score, self._before, self._bad = score, before, bad

    def score(self, rows: Rows) -> Scores:
        scores = self._score(rows).copy()
        scores[rows[:, 0] != self._before] = self._bad
        return scores


def question(deployed: Deployed, task: Task) -> Problem:
    rows = np.array([factual(k) for k in range(100)])
    decided = decision(task).decide(deployed.predictor.score(rows))
    wanted = 0 if (decided != 0).any() else 1
    return policy((), task).problem(rows[decided != wanted][0], Target(decision(task), wanted))


def engines(name: str, task: Task) -> tuple[Deployed, Engine]:
    if name == "trees":
        found = deployed_trees(3, task)
        return found, Trees(found.form, SCHEMA)
    found = deployed_layers(3, task, linear=name != "relu")
    made = {"linear": Linear, "relu": Relu}
    return found, made[name](found.form, SCHEMA) if name in made else Blackbox()


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("task", Task)
@pytest.mark.parametrize("name", ["blackbox", "trees", "linear", "relu"])
def test_no_engine_claims_anything_of_a_model_that_gives_no_number(
    name: str, task: Task, bad: float
) -> None:
    found, engine = engines(name, task)
    problem = question(found, task)
    constraints = tuple(c for c in problem.constraints)
    problem = policy((), task).problem(problem.factual, problem.target, constraints=constraints)
    broken = Breaking(found.predictor.score, float(problem.factual[0]) + 1e6, bad)
    with pytest.raises(NotFinite) as refused:  # the factual itself
        explain(problem, broken, engine=engine)
    assert refused.value.row == pytest.approx(tuple(problem.factual), nan_ok=True)
    assert (refused.value.scorer, refused.value.output) == ("model", "0")


@pytest.mark.parametrize("bad", BAD)
def test_a_search_of_every_row_is_no_proof_if_one_has_no_score(bad: float) -> None:
    """The finding: "infeasible, this is proven" of a scorer that returned NaN."""
    before = factual(0)

    def always_alarm(rows: Rows) -> Scores:
        return np.full((len(rows), 1), 0.9)

    broken = Breaking(always_alarm, float(before[0]), bad)
    problem = policy((), Task.BINARY).problem(before, Target(decision(Task.BINARY), 0))
    with pytest.raises(NotFinite, match="output 0 is") as refused:
        explain(problem, broken, engine=Blackbox())
    assert refused.value.row[0] != before[0]
    assert refused.value.value == bad or math.isnan(bad)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_trees_with_a_leaf_that_is_no_number_are_not_searched_by_their_tables(bad: float) -> None:
    model = onnx.load_from_string(tree_model(4, Task.REGRESSION, 1, 3))
    (node,) = [n for n in model.graph.node if n.op_type == "TreeEnsembleRegressor"]
    (weights,) = [a for a in node.attribute if a.name == "target_weights"]
    rows = np.array([factual(k) for k in range(200)])
    whole = deployed(tree_model(4, Task.REGRESSION, 1, 3), spec_text(Task.REGRESSION))
    reached = whole.form.core.leaves_of(whole.form.columns.encode(rows))  # type: ignore[union-attr]
    rare = min(set(reached[:, 0].tolist()), key=reached[:, 0].tolist().count)
    value = float(whole.form.core.values[rare, 0])  # type: ignore[union-attr]
    weights.floats[:] = [bad if math.isclose(w, value) else w for w in weights.floats]
    try:
        found = deployed(model.SerializeToString(), spec_text(Task.REGRESSION))
    except Exception as refusal:
        assert "no finite number" in str(refusal) or "is nan" in str(refusal) or "is inf" in str(refusal)
        return
    with pytest.raises(NotEligible, match="no finite numbers"):
        Trees(found.form, SCHEMA)
    hit = rows[reached[:, 0] == rare][:1]
    with pytest.raises(NotFinite):
        found.predictor.score(hit)


def overflowing(weights: list[float]) -> bytes:
    """A sum in float32 that has no room for the largest readings."""
    width = 7
    matrix = np.zeros((width, 1), dtype=np.float32)
    matrix[: len(weights), 0] = weights
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["product"]),
        helper.make_node("Add", ["product", "b"], ["value"]),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, width])],
        [helper.make_tensor_value_info("value", TensorProto.FLOAT, [None, 1])],
        [
            numpy_helper.from_array(matrix, "w"),
            numpy_helper.from_array(np.zeros(1, dtype=np.float32), "b"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)])
    model.ir_version = 8
    return bytes(model.SerializeToString())


class Overflowing:
    """Speed times 10^37 in float32: infinite from 35 rpm on."""

    def score(self, rows: Rows) -> Scores:
        with np.errstate(over="ignore"):
            return (rows[:, [1]].astype(np.float32) * np.float32(1e37)).astype(np.float64)


def test_a_sum_that_overflows_is_an_error_of_the_engine_for_linear_models() -> None:
    small = deployed(overflowing([0.0, 1e30]), spec_text(Task.REGRESSION))
    engine = Linear(small.form, SCHEMA)
    before = factual(1)
    before[1] = 25.0
    target = Target(decision(Task.REGRESSION), lower=8e37)
    problem = policy((), Task.REGRESSION).problem(before, target)
    with pytest.raises(NotFinite) as refused:
        explain(problem, Overflowing(), engine=engines_for(None, SCHEMA))
    assert refused.value.value == math.inf
    assert engine.name == "linear"


# --- other scorers ---------------------------------------------------------------------------


@pytest.mark.parametrize("bad", BAD)
def test_a_plausibility_that_is_no_number_is_an_error(bad: float) -> None:
    class Odd:
        def score(self, rows: Rows) -> Scores:
            return np.full((len(rows), 1), bad)

    origin = Origin(Source.POLICY, "policy.plausibility")
    rule = Plausible(Odd(), lower=-1.0, origin=origin)
    found = deployed_trees(3, Task.BINARY)
    problem = question(found, Task.BINARY)
    asked = policy((), Task.BINARY).problem(problem.factual, problem.target, constraints=[rule])
    with pytest.raises(NotFinite, match="plausibility: output 0 is"):
        explain(asked, found.predictor, engine=engines_for(found.form, SCHEMA))


@pytest.mark.parametrize("bad", BAD)
def test_a_mechanism_that_yields_no_number_is_an_error(bad: float) -> None:
    class Odd:
        def score(self, rows: Rows) -> Scores:
            return np.full((len(rows), 1), bad)

    with pytest.raises(NotFinite, match="mechanism: output 0 is") as refused:
        Regressor(Odd(), 2)(np.array([[1.0, 2.0]]))
    assert refused.value.row == (1.0, 2.0)


def test_a_mechanism_whose_cause_cannot_be_told_is_no_error() -> None:
    form = deployed_trees(6, Task.REGRESSION).form

    class Odd:
        def score(self, rows: Rows) -> Scores:
            return np.where(np.isnan(rows).any(axis=1), np.nan, 1.0)[:, None]

    values = Regressor(Odd(), 2)(np.array([[1.0, np.nan], [1.0, 2.0]]))
    np.testing.assert_array_equal(values, [np.nan, 1.0])
    assert TreeMechanism is not None
    assert form is not None


assert Policy
