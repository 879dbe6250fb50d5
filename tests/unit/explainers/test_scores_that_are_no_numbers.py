"""NaN and infinity end a question with an error that names row and output, never with a claim."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from ifonly.explainers.answer import Recourse
from ifonly.explainers.causal.regressor import Regressor
from ifonly.explainers.constraints import Origin, Plausible, Source
from ifonly.explainers.errors import NotEligible
from ifonly.explainers.explain import explain
from ifonly.explainers.policy import Policy
from ifonly.explainers.problem import Problem
from ifonly.explainers.search.blackbox import Blackbox
from ifonly.explainers.search.engine import Engine
from ifonly.explainers.search.linear import Linear
from ifonly.explainers.search.portfolio import engines_for
from ifonly.explainers.search.relu import Relu
from ifonly.explainers.search.trees.engine import Trees
from ifonly.explainers.target import Target
from ifonly.models.errors import NotFinite
from ifonly.models.graph.forms import GraphForm, TreeEnsemble
from ifonly.models.graph.reading import read_graph
from ifonly.models.graph.refusal import UnreadableGraph
from ifonly.models.onnx import OnnxPredictor, load_predictor
from ifonly.models.onnx.trial import trial_rows
from ifonly.models.predictor import Predictor, Row, Rows, Scores
from ifonly.models.schema import Task
from ifonly.models.spec import Spec, parse_spec
from tests.support.bruteforce import settable
from tests.support.deployed import Deployed, deployed, deployed_layers, deployed_trees
from tests.support.generated import SCHEMA, decision, factual
from tests.support.odd_graphs import ODD, ONE_OF_MANY, PEAK, PLAIN, spec_of
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


def spoiled(bad: float) -> tuple[bytes, Rows]:
    """A tree with one bad leaf, which no row of the trial at loading reaches, and rows that
    do."""
    good = tree_model(4, Task.REGRESSION, 1, 3)
    whole = deployed(good, spec_text(Task.REGRESSION))
    core = whole.form.core
    assert isinstance(core, TreeEnsemble)
    rows = np.array([factual(k) for k in range(500)])
    reached, tried = (
        core.leaves_of(whole.form.columns.encode(some))[:, 0] for some in (rows, trial_rows(SCHEMA))
    )
    hit = rows[reached == reached[~np.isin(reached, tried)][0]]
    value = whole.form.raw(hit[:1])[0, 0] - core.base[0]
    model = onnx.load_from_string(good)
    (node,) = [n for n in model.graph.node if n.op_type == "TreeEnsembleRegressor"]
    (weights,) = [a for a in node.attribute if a.name == "target_weights"]
    weights.floats[:] = [bad if math.isclose(w, value, rel_tol=1e-5) else w for w in weights.floats]
    return model.SerializeToString(), hit


@pytest.mark.parametrize("bad", BAD)
def test_trees_with_a_leaf_that_is_no_number_are_not_searched_by_their_tables(bad: float) -> None:
    model, hit = spoiled(bad)
    found = deployed(model, spec_text(Task.REGRESSION))
    with pytest.raises(NotEligible, match="no finite numbers"):
        Trees(found.form, SCHEMA)
    with pytest.raises(NotFinite, match="output 'value', column 0, is"):
        found.predictor.score(hit)


def reaches(before: Row, predictor: Predictor) -> bool:
    """Whether some row that can be set from ``before`` has no score."""
    axes = [settable(f, float(v)) for f, v in zip(SCHEMA.features, before, strict=True)]
    try:
        predictor.score(np.array(list(itertools.product(*axes))))
    except NotFinite:
        return True
    return False


@pytest.mark.parametrize("bad", BAD)
def test_a_leaf_that_is_no_number_is_no_proof_that_nothing_flips(bad: float) -> None:
    model, _ = spoiled(bad)
    found = deployed(model, spec_text(Task.REGRESSION))
    before = next(row for row in trial_rows(SCHEMA) if reaches(row, found.predictor))
    unreachable = Target(decision(Task.REGRESSION), lower=1e9)
    problem = policy((), Task.REGRESSION).problem(before, unreachable)
    with pytest.raises(NotFinite):
        explain(problem, found.predictor, engine=engines_for(found.form, SCHEMA))


def overflowing() -> bytes:
    """Speed and grade against pressure, in float32: too large where pressure is low."""
    matrix = np.zeros((7, 1), dtype=np.float32)
    matrix[[0, 1, 5], 0] = -1e38, 1.6e36, 1e38
    nodes = [
        helper.make_node(
            "Imputer",
            ["x"],
            ["filled"],
            domain="ai.onnx.ml",
            imputed_value_floats=[0.0] * 7,
            replaced_value_float=math.nan,
        ),
        helper.make_node("MatMul", ["filled", "w"], ["product"]),
        helper.make_node("Add", ["product", "b"], ["value"]),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 7])],
        [helper.make_tensor_value_info("value", TensorProto.FLOAT, [None, 1])],
        [
            numpy_helper.from_array(matrix, "w"),
            numpy_helper.from_array(np.zeros(1, dtype=np.float32), "b"),
        ],
    )
    opsets = [helper.make_opsetid("", 15), helper.make_opsetid("ai.onnx.ml", 3)]
    model = helper.make_model(graph, opset_imports=opsets)
    model.ir_version = 8
    return bytes(model.SerializeToString())


def test_a_sum_that_overflows_is_an_error_of_the_engine_for_linear_models() -> None:
    found = deployed(overflowing(), spec_text(Task.REGRESSION))
    before = np.array([2.0, 10.0, 0.0, 0.0, 0.0])
    target = Target(decision(Task.REGRESSION), lower=3.401e38)
    problem = policy((), Task.REGRESSION).problem(before, target)
    with pytest.raises(NotFinite) as refused:
        explain(problem, found.predictor, engine=Linear(found.form, SCHEMA))
    assert refused.value.value == math.inf


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
    class Odd:
        def score(self, rows: Rows) -> Scores:
            return np.where(np.isnan(rows).any(axis=1), np.nan, 1.0)[:, None]

    values = Regressor(Odd(), 2)(np.array([[1.0, np.nan], [1.0, 2.0]]))
    np.testing.assert_array_equal(values, [np.nan, 1.0])


# --- graphs that have no number for a corner of what is asked --------------------------------


@dataclass(frozen=True)
class Odd:
    """A deployed graph, read or not."""

    spec: Spec
    predictor: OnnxPredictor
    form: GraphForm | None


def odd(model: bytes, task: Task = Task.REGRESSION, *, missing: bool = False) -> Odd:
    spec = parse_spec(spec_of(task, missing=missing).encode(), "spec.toml")
    predictor = load_predictor(model, spec)
    try:
        form = read_graph(predictor.model, predictor.encoding, predictor.columns)
    except UnreadableGraph:
        form = None
    return Odd(spec, predictor, form)


def ask_odd(found: Odd, target: Target, row: tuple[float, float] = (1.0, 1.0)) -> object:
    schema = found.spec.schema
    problem = Policy.read({}, schema, found.spec.decision).problem(np.array(row), target)
    return explain(problem, found.predictor, engine=engines_for(found.form, schema))


def rows_of_odd(found: Odd) -> tuple[Rows, Rows]:
    """All rows that can be set, and those that the graph has no number for."""
    grid = np.arange(0.0, 10.5, 0.5)
    rows = np.array(list(itertools.product(grid, grid)))
    bad = []
    for row in rows:
        try:
            found.predictor.score(row[None, :])
        except NotFinite:
            bad.append(row)
    return rows, np.array(bad)


@pytest.mark.parametrize("name", ODD)
@pytest.mark.parametrize("ends", [(3.3e38, math.inf), (-math.inf, -3.3e38), (-2e-3, -1e-3)])
def test_a_proof_by_mathematics_is_none_of_a_graph_without_a_number(
    name: str, ends: tuple[float, float]
) -> None:
    """ "infeasible … proven" was said of powers and logarithms that leave float32, and of PROBIT:
    the mathematics had an infinity there, or a number."""
    found = odd(ODD[name])
    rows, bad = rows_of_odd(found)
    assert 0 < len(bad) < len(rows) / 20
    with pytest.raises(NotFinite) as refused:
        ask_odd(found, Target(found.spec.decision, lower=ends[0], upper=ends[1]))
    assert any((np.array(refused.value.row) == row).all() for row in bad)
    assert refused.value.output == "'value', column 0,"


@pytest.mark.parametrize("whole", [True, False])
def test_no_range_of_values_that_would_do_runs_across_one_without_a_number(whole: bool) -> None:
    """4 to 6 mm was told of a network that has none at 5."""
    found = odd(PEAK)
    assert found.form is not None
    schema, decided = found.spec.schema, found.spec.decision
    target = Target(decided, lower=2.4e17)
    problem = Policy.read({}, schema, decided).problem(np.array([3.0, 1.0]), target)
    engine = engines_for(found.form, schema) if whole else Relu(found.form, schema)
    with pytest.raises(NotFinite) as refused:
        explain(problem, found.predictor, engine=engine)
    assert refused.value.row[0] == 5.0


def test_one_output_of_several_that_is_no_number_is_named() -> None:
    found = odd(ONE_OF_MANY, Task.MULTICLASS)
    rows, bad = rows_of_odd(found)
    assert 0 < len(bad) < len(rows) / 10
    # z is decided wherever a is above b: x nowhere surely enough.
    target = Target(found.spec.decision, 1, 1e6)
    with pytest.raises(NotFinite) as refused:
        ask_odd(found, target, (3.0, 1.0))
    assert refused.value.output == "'value', column 1,"
    assert math.isnan(refused.value.value)


def test_a_network_that_turns_a_gap_into_nan_is_refused_or_an_error() -> None:
    with pytest.raises(NotFinite, match="nan"):
        odd(ODD["power of a network"], missing=True)
    found = odd(ODD["power of a network"])
    with pytest.raises(NotFinite):
        found.predictor.score(np.array([[math.nan, 1.0]]))


class ButFactual:
    """``score``, but no number for any row but one."""

    def __init__(self, score: Callable[[Rows], Scores], row: Row) -> None:
        self._score, self._row = score, row

    def score(self, rows: Rows) -> Scores:
        scores = self._score(rows).copy()
        alike = (rows == self._row) | (np.isnan(rows) & np.isnan(self._row))
        scores[~alike.all(axis=1)] = math.nan
        return scores


@pytest.mark.parametrize("name", ["blackbox", "trees", "linear", "relu"])
def test_a_proof_that_asked_about_no_row_looks_around_before_it_is_published(name: str) -> None:
    found, engine = engines(name, Task.REGRESSION)
    before = question(found, Task.REGRESSION).factual
    target = Target(decision(Task.REGRESSION), lower=1e9)
    problem = policy((), Task.REGRESSION).problem(before, target)
    with pytest.raises(NotFinite) as refused:
        explain(problem, ButFactual(found.predictor.score, before), engine=engine)
    assert refused.value.row != tuple(before)


def test_every_reading_within_the_tolerances_has_a_number() -> None:
    """The tables know that the box is in the target; the deployed model has no number in it."""
    found = odd(PLAIN)
    assert found.form is not None
    schema, decided = found.spec.schema, found.spec.decision
    robust = {"robust": True, "features": {"b": {"tolerance": 0.25}}}
    problem = Policy.read(robust, schema, decided).problem(
        np.array([1.0, 1.0]), Target(decided, lower=4.0)
    )

    class BetweenSteps:
        def score(self, rows: Rows) -> Scores:
            between = rows[:, 1] * 2.0 != np.rint(rows[:, 1] * 2.0)
            return np.where(between[:, None], math.nan, found.predictor.score(rows))

    answer = explain(problem, found.predictor, engine=Trees(found.form, schema))
    assert isinstance(answer, Recourse)
    with pytest.raises(NotFinite) as refused:
        explain(problem, BetweenSteps(), engine=Trees(found.form, schema))
    assert refused.value.row[1] * 2.0 % 1.0 != 0.0
