"""Exported graphs decide as the trained models do; what cannot be exported is refused."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import pytest
import xgboost
from sklearn.ensemble import (
    GradientBoostingClassifier,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from ifonly.models.errors import GraphError, ParityError
from ifonly.models.graph import split_thresholds
from ifonly.models.onnx.export import INPUT, SCORES, export_onnx, to_bytes
from ifonly.models.onnx.parity import ParityReport, check_parity
from ifonly.models.predictor import Rows, Scores
from ifonly.models.schema import Category, Decision, Task
from ifonly.models.training.milling import simulate

PARTS = simulate(4000, seed=0)
ROWS, LABEL = PARTS.rows, PARTS.failed.astype(int)
WHICH = PARTS.modes[:, 2] + 2 * PARTS.modes[:, 3]
CLASSES = tuple(Category(name) for name in ("none", "power", "strain", "both"))
BINARY = Decision(Task.BINARY, CLASSES[:2], threshold=0.3)
MULTICLASS = Decision(Task.MULTICLASS, CLASSES)
VALUE = Decision(Task.REGRESSION, threshold=1500.0)


def graph_scores(model: onnx.ModelProto, decision: Decision) -> Callable[[Rows], Scores]:
    session = onnxruntime.InferenceSession(to_bytes(model), providers=["CPUExecutionProvider"])
    double = session.get_inputs()[0].type == "tensor(double)"

    def score(rows: Rows) -> Scores:
        tensor: npt.NDArray[Any] = rows.astype(np.float64 if double else np.float32)
        (scores,) = session.run(None, {INPUT: tensor})
        columns = slice(1, 2) if decision.task is Task.BINARY else slice(None)
        return np.asarray(scores, dtype=np.float64)[:, columns]

    return score


def native_scores(
    estimator: Any, decision: Decision, dtype: type = np.float32
) -> Callable[[Rows], Scores]:
    def score(rows: Rows) -> Scores:
        tensor: npt.NDArray[Any] = rows.astype(dtype)
        if decision.task is Task.REGRESSION:
            return np.asarray(estimator.predict(tensor), dtype=np.float64)[:, None]
        scores = np.asarray(estimator.predict_proba(tensor), dtype=np.float64)
        return scores[:, 1:2] if decision.task is Task.BINARY else scores

    return score


def parity(
    estimator: Any, model: onnx.ModelProto, decision: Decision, n_rows: int = 5000
) -> ParityReport:
    thresholds: dict[int, npt.NDArray[np.float32]] = {
        column: values.astype(np.float32) for column, values in split_thresholds(model).items()
    }
    return check_parity(
        native_scores(estimator, decision),
        graph_scores(model, decision),
        ROWS,
        thresholds,
        decision,
        n_rows=n_rows,
    )


def boosted(**parameters: Any) -> Any:
    defaults: dict[str, Any] = {"n_estimators": 30, "max_depth": 5, "n_jobs": 1}
    return xgboost.XGBClassifier(**{**defaults, **parameters})


@pytest.fixture(scope="module")
def dart() -> Any:
    return boosted(booster="dart", rate_drop=0.3).fit(ROWS, LABEL)


TREES: dict[str, tuple[Callable[[], Any], Decision]] = {
    "boosting": (lambda: boosted().fit(ROWS, LABEL), BINARY),
    "boosting from an uneven start": (lambda: boosted(base_score=0.1).fit(ROWS, LABEL), BINARY),
    "boosting of four classes": (lambda: boosted(n_estimators=8).fit(ROWS, WHICH), MULTICLASS),
    "boosted regression": (
        lambda: xgboost.XGBRegressor(n_estimators=20, n_jobs=1).fit(ROWS[:, :5], ROWS[:, 2]),
        VALUE,
    ),
    "random forest": (
        lambda: RandomForestClassifier(20, max_depth=8, random_state=0).fit(ROWS, LABEL),
        BINARY,
    ),
    "forest regression": (
        lambda: RandomForestRegressor(5, max_depth=6, random_state=0).fit(ROWS, ROWS[:, 2]),
        VALUE,
    ),
    "gradient boosting": (
        lambda: GradientBoostingClassifier(n_estimators=20, random_state=0).fit(ROWS, LABEL),
        BINARY,
    ),
}


@pytest.mark.parametrize("kind", TREES)
def test_trees_take_float32_and_decide_alike_beside_every_threshold(kind: str) -> None:
    build, decision = TREES[kind]
    estimator = build()
    width = estimator.n_features_in_
    model = export_onnx(estimator, width, name="alarm")
    assert model.graph.input[0].type.tensor_type.elem_type == onnx.TensorProto.FLOAT
    thresholds = {c: v.astype(np.float32) for c, v in split_thresholds(model).items()}
    report = check_parity(
        native_scores(estimator, decision),
        graph_scores(model, decision),
        ROWS[:, :width],
        thresholds,
        decision,
        n_rows=5000,
    )
    assert report.label_differences == 0
    assert report.threshold_neighbours == 3 * report.thresholds > 100
    assert report.rows >= 5000


NUMBERS: dict[str, Callable[[], Any]] = {
    "logistic": lambda: make_pipeline(StandardScaler(), LogisticRegression()),
    "network": lambda: make_pipeline(
        StandardScaler(), MLPClassifier((8,), max_iter=2000, random_state=0)
    ),
}


@pytest.mark.parametrize("kind", NUMBERS)
def test_linear_models_and_networks_take_float64(kind: str) -> None:
    estimator = NUMBERS[kind]().fit(ROWS, LABEL)
    model = export_onnx(estimator, 6, name="alarm")
    assert model.graph.input[0].type.tensor_type.elem_type == onnx.TensorProto.DOUBLE
    native = native_scores(estimator, BINARY, np.float64)
    exported = graph_scores(model, BINARY)
    report = check_parity(native, exported, ROWS, {}, BINARY, n_rows=5000, tolerance=1e-12)
    assert report.label_differences == 0


def early_stopped() -> Any:
    estimator = boosted(
        n_estimators=200, learning_rate=0.5, early_stopping_rounds=5, eval_metric="logloss"
    )
    held_out = simulate(2000, seed=1)
    watched = [(held_out.rows, held_out.failed.astype(int))]
    return estimator.fit(ROWS, LABEL, eval_set=watched, verbose=False)


def n_trees(model: onnx.ModelProto) -> int:
    (node,) = (n for n in model.graph.node if n.op_type.startswith("TreeEnsemble"))
    ids = {tuple(a.ints) for a in node.attribute if a.name == "nodes_treeids"}.pop()
    return len(set(ids))


@pytest.mark.parametrize("bare", [False, True], ids=["estimator", "booster"])
def test_an_early_stopped_model_is_exported_up_to_its_best_iteration(bare: bool) -> None:
    estimator = early_stopped()
    booster = estimator.get_booster()
    assert estimator.best_iteration + 1 < booster.num_boosted_rounds()
    model = export_onnx(booster if bare else estimator, 6, name="alarm")
    assert n_trees(model) == estimator.best_iteration + 1
    assert parity(estimator, model, BINARY).label_differences == 0


def test_all_trees_of_an_early_stopped_model_would_not_pass() -> None:
    estimator = early_stopped()
    whole = estimator.get_booster().copy()
    whole.set_attr(best_iteration=None, best_score=None)
    with pytest.raises(ParityError):
        parity(estimator, export_onnx(whole, 6, name="alarm"), BINARY)


def test_dart_is_refused_by_name(dart: Any) -> None:
    with pytest.raises(GraphError, match=r"XGBClassifier cannot be converted.*'dart'"):
        export_onnx(dart, 6, name="alarm")


def test_dart_read_as_plain_boosting_does_not_pass_parity(dart: Any) -> None:
    document = json.loads(dart.get_booster().save_raw("json"))
    learner = document["learner"]
    learner["gradient_booster"] = {"name": "gbtree", **learner["gradient_booster"]["gbtree"]}
    plain = xgboost.Booster()
    plain.load_model(bytearray(json.dumps(document).encode()))
    with pytest.raises(ParityError, match="differs from the trained model"):
        parity(dart, export_onnx(plain, 6, name="alarm"), BINARY)


def test_columns_may_have_had_names_in_training() -> None:
    named = xgboost.DMatrix(ROWS, LABEL, feature_names=[f"reading {j}" for j in range(6)])
    parameters = {"objective": "binary:logistic", "nthread": 1}
    booster = xgboost.train(parameters, named, num_boost_round=10)
    names = booster.feature_names
    model = export_onnx(booster, 6, name="alarm")
    rows = ROWS[:200]
    ours = booster.predict(xgboost.DMatrix(rows, feature_names=names))
    np.testing.assert_allclose(graph_scores(model, BINARY)(rows)[:, 0], ours, atol=1e-6)
    assert booster.feature_names == names  # the caller's model is left alone


def test_scores_are_the_only_output_and_no_map() -> None:
    for estimator in (boosted(), RandomForestClassifier(5, random_state=0)):
        model = export_onnx(estimator.fit(ROWS, LABEL), 6, name="alarm")
        assert [o.name for o in model.graph.output] == [SCORES]
        assert all(node.op_type != "ZipMap" for node in model.graph.node)


def test_equal_models_give_equal_bytes_that_name_no_tool_version() -> None:
    first, second = (
        to_bytes(export_onnx(boosted().fit(ROWS, LABEL), 6, name="alarm")) for _ in range(2)
    )
    assert first == second
    model = onnx.load_from_string(first)
    assert (model.producer_name, model.producer_version) == ("ifonly", "")
    assert model.graph.name == "alarm"
    opsets = [o.domain for o in model.opset_import]
    assert len(opsets) == len(set(opsets))


def test_what_has_no_converter_is_refused_by_name() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(GraphError, match=r"builtins\.object cannot be converted to ONNX"):
            export_onnx(object(), 6, name="alarm")
