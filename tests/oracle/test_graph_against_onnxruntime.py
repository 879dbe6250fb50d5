"""Models as their libraries export them, read as mathematics: ONNX Runtime is the oracle.

Scores are compared at the float32 neighbours of every threshold of every tree, each in an otherwise
real row, and at real rows: over 300,000 points in all.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import ModelProto

from ifonly.models.graph.forms import TreeEnsemble
from ifonly.models.onnx.export import export_onnx
from ifonly.models.predictor import Rows
from ifonly.models.repository.folder import load_folder
from ifonly.models.schema import Decision, Feature, Task
from tests.unit.graph.served import (
    Served,
    category,
    compare,
    decision_of,
    number,
    points,
    random_rows,
    serve,
    whole,
)

sklearn = pytest.importorskip("sklearn")
skl2onnx = pytest.importorskip("skl2onnx")
xgboost = pytest.importorskip("xgboost")
onnxmltools = pytest.importorskip("onnxmltools")

from onnxmltools.convert.common.data_types import FloatTensorType as FloatTensor  # noqa: E402
from skl2onnx.common.data_types import (  # noqa: E402
    DoubleTensorType,
    FloatTensorType,
    StringTensorType,
)
from sklearn import ensemble, linear_model, neural_network, tree  # noqa: E402
from sklearn.compose import ColumnTransformer  # noqa: E402
from sklearn.datasets import make_classification, make_regression  # noqa: E402
from sklearn.impute import SimpleImputer  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import (  # noqa: E402
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    RobustScaler,
    StandardScaler,
)

N_COLUMNS = 6
N_POINTS = 8_000
"""For each model, or as many as its thresholds need."""

OPSETS = {"": 15, "ai.onnx.ml": 3}

EXACT = 0.0
ROUNDED = 2e-6
"""Of probabilities: float32 sums in another order, functions rounded in another way."""
SUMMED = 1e-4
"""Of sums of numbers near 100 in float32."""
DOUBLE = 1e-12


@dataclass(frozen=True)
class Case:
    make: Callable[[Any, Any], ModelProto]
    task: Task = Task.BINARY
    tolerance: float = EXACT
    missing: bool = False


def numbers_of(missing: bool) -> tuple[Feature, ...]:
    return tuple(number(f"x{k}", -5.0, 5.0, missing=missing) for k in range(N_COLUMNS))


def data(task: Task, missing: bool) -> tuple[Rows, Any]:
    if task is Task.REGRESSION:
        rows, target = make_regression(500, N_COLUMNS, n_informative=5, noise=1.0, random_state=0)
        target = target / 10
    else:
        n_classes = 3 if task is Task.MULTICLASS else 2
        rows, target = make_classification(
            500, N_COLUMNS, n_informative=5, n_redundant=0, n_classes=n_classes, random_state=0
        )
    rows = rows.astype(np.float32)
    if missing:
        rows[np.random.default_rng(0).random(rows.shape) < 0.1] = np.nan
    return rows, target


def from_sklearn(estimator: Any, tensor: Any = FloatTensorType) -> Callable[[Any, Any], ModelProto]:
    def make(rows: Any, target: Any) -> ModelProto:
        estimator.fit(rows, target)
        is_classifier = hasattr(estimator, "predict_proba")
        model: ModelProto = skl2onnx.convert_sklearn(
            estimator,
            initial_types=[("x", tensor([None, rows.shape[1]]))],
            target_opset=OPSETS,
            options={"zipmap": False} if is_classifier else None,
        )
        return model

    return make


def from_xgboost(kind: Any, **more: Any) -> Callable[[Any, Any], ModelProto]:
    def make(rows: Any, target: Any) -> ModelProto:
        estimator = kind(n_jobs=1, **more)
        positive = np.abs(target) if "objective" in more else target
        return export_onnx(estimator.fit(rows, positive), rows.shape[1], name="m")

    return make


BINARY, MANY, VALUE = Task.BINARY, Task.MULTICLASS, Task.REGRESSION
D = DoubleTensorType


def small_network(kind: Any, **more: Any) -> Any:
    return kind(hidden_layer_sizes=(12, 8), max_iter=60, random_state=0, **more)


CASES: dict[str, Case] = {
    "XGBoost": Case(from_xgboost(xgboost.XGBClassifier, n_estimators=40, max_depth=5)),
    "XGBoost, missing values": Case(
        from_xgboost(xgboost.XGBClassifier, n_estimators=40, max_depth=5), missing=True
    ),
    "XGBoost, three classes": Case(
        from_xgboost(xgboost.XGBClassifier, n_estimators=20, max_depth=4), MANY, ROUNDED
    ),
    "XGBoost, a value": Case(
        from_xgboost(xgboost.XGBRegressor, n_estimators=40, max_depth=5), VALUE
    ),
    "XGBoost, counts": Case(
        from_xgboost(xgboost.XGBRegressor, n_estimators=20, objective="count:poisson"),
        VALUE,
        ROUNDED,
    ),
    "XGBoost, random forest": Case(
        from_xgboost(xgboost.XGBRFClassifier, n_estimators=20, max_depth=6), tolerance=ROUNDED
    ),
    "random forest": Case(from_sklearn(ensemble.RandomForestClassifier(20, max_depth=8))),
    "random forest, three classes": Case(
        from_sklearn(ensemble.RandomForestClassifier(20, max_depth=8)), MANY
    ),
    "random forest, doubles": Case(
        from_sklearn(ensemble.RandomForestClassifier(20, max_depth=8), D)
    ),
    "random forest, a value": Case(
        from_sklearn(ensemble.RandomForestRegressor(15, max_depth=7)), VALUE
    ),
    "extra trees": Case(from_sklearn(ensemble.ExtraTreesClassifier(20, max_depth=8))),
    "decision tree": Case(from_sklearn(tree.DecisionTreeClassifier())),
    "decision tree, a value": Case(from_sklearn(tree.DecisionTreeRegressor(max_depth=8)), VALUE),
    "gradient boosting": Case(
        from_sklearn(ensemble.GradientBoostingClassifier(n_estimators=30)), tolerance=ROUNDED
    ),
    "gradient boosting, three classes": Case(
        from_sklearn(ensemble.GradientBoostingClassifier(n_estimators=20)), MANY, ROUNDED
    ),
    "gradient boosting, a value": Case(
        from_sklearn(ensemble.GradientBoostingRegressor(n_estimators=30)), VALUE
    ),
    "histogram gradient boosting": Case(
        from_sklearn(ensemble.HistGradientBoostingClassifier(max_iter=20)),
        tolerance=ROUNDED,
        missing=True,
    ),
    "isolation forest": Case(
        from_sklearn(ensemble.IsolationForest(n_estimators=10, random_state=0)), VALUE, ROUNDED
    ),
    "logistic regression": Case(from_sklearn(linear_model.LogisticRegression()), tolerance=ROUNDED),
    "logistic regression, doubles": Case(
        from_sklearn(linear_model.LogisticRegression(), D), tolerance=DOUBLE
    ),
    "logistic regression, three classes": Case(
        from_sklearn(linear_model.LogisticRegression()), MANY, ROUNDED
    ),
    "logistic regression, three classes, doubles": Case(
        from_sklearn(linear_model.LogisticRegression(), D), MANY, DOUBLE
    ),
    "linear regression": Case(from_sklearn(linear_model.LinearRegression()), VALUE, SUMMED),
    "linear regression, doubles": Case(
        from_sklearn(linear_model.LinearRegression(), D), VALUE, DOUBLE
    ),
    "network": Case(from_sklearn(small_network(neural_network.MLPClassifier)), tolerance=ROUNDED),
    "network, three classes": Case(
        from_sklearn(small_network(neural_network.MLPClassifier)), MANY, ROUNDED
    ),
    "network, a value, doubles": Case(
        from_sklearn(small_network(neural_network.MLPRegressor), D), VALUE, DOUBLE
    ),
    "scaled random forest": Case(
        from_sklearn(
            make_pipeline(StandardScaler(), ensemble.RandomForestClassifier(15, max_depth=6))
        )
    ),
    "scaled random forest, doubles": Case(
        from_sklearn(
            make_pipeline(StandardScaler(), ensemble.RandomForestClassifier(15, max_depth=6)), D
        )
    ),
    "min-max scaled gradient boosting": Case(
        from_sklearn(
            make_pipeline(MinMaxScaler(), ensemble.GradientBoostingClassifier(n_estimators=20))
        ),
        tolerance=ROUNDED,
    ),
    "imputed, scaled extra trees": Case(
        from_sklearn(
            make_pipeline(
                SimpleImputer(strategy="median"),
                RobustScaler(),
                ensemble.ExtraTreesClassifier(15, max_depth=6),
            )
        ),
        missing=True,
    ),
    "scaled logistic regression, doubles": Case(
        from_sklearn(make_pipeline(StandardScaler(), linear_model.LogisticRegression()), D),
        tolerance=DOUBLE,
    ),
}


def served_case(case: Case) -> tuple[Served, Rows]:
    rows, target = data(case.task, case.missing)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # networks need not converge here, converters deprecate
        try:
            model = case.make(rows, target)
        except ValueError as error:  # what this version of a converter cannot write
            pytest.skip(f"cannot be exported: {str(error)[:80]}")
    outputs = [o.name for o in model.graph.output]
    wanted = [name for name in ("probabilities", "scores") if name in outputs]
    served = serve(
        model,
        numbers_of(case.missing),
        decision_of(case.task, 3),
        output=wanted[0] if wanted else None,
    )
    return served, rows.astype(np.float64)


@pytest.mark.parametrize("name", CASES)
def test_an_exported_model_is_read_as_it_is_served(name):
    case = CASES[name]
    served, around = served_case(case)
    rng = np.random.default_rng(1)
    if isinstance(served.form.core, TreeEnsemble):
        rows = points(served, rng, N_POINTS, around)
    else:
        rows = around[rng.integers(len(around), size=N_POINTS)] * rng.uniform(
            0.2, 2.0, (N_POINTS, 1)
        )
    found = compare(served, rows)
    assert found.labels == 0
    assert found.scores <= case.tolerance
    assert served.form.keeps_order


def test_the_shipped_model_is_read_as_it_is_served_at_100_000_points():
    artifacts = Path(__file__).parents[2] / "models" / "artifacts"
    deployed = load_folder(artifacts / "milling-machine" / "1")
    form, reference = deployed.form, deployed.reference
    assert form is not None
    assert reference is not None
    served = Served(deployed.predictor, form, deployed.spec.schema, deployed.spec.decision)  # type: ignore[arg-type]
    rows = points(served, np.random.default_rng(0), 100_000, reference)
    found = compare(served, rows)
    assert found.n >= 100_000
    assert (found.labels, found.scores) == (0, 0.0)


def test_an_early_stopped_model_is_read_up_to_its_best_iteration():
    rows, target = data(BINARY, False)
    estimator = xgboost.XGBClassifier(
        n_estimators=300, max_depth=5, early_stopping_rounds=3, n_jobs=1
    )
    estimator.fit(rows[:250], target[:250], eval_set=[(rows[250:], target[250:])], verbose=False)
    model = export_onnx(estimator, N_COLUMNS, name="m")
    served = serve(model, numbers_of(False), decision_of(BINARY))
    assert isinstance(served.form.core, TreeEnsemble)
    assert served.form.core.n_trees == estimator.best_iteration + 1
    assert served.form.core.n_trees < estimator.get_booster().num_boosted_rounds()
    found = compare(served, points(served, np.random.default_rng(0), N_POINTS, rows.astype(float)))
    assert (found.labels, found.scores) == (0, 0.0)


ESTIMATORS = {
    "random forest": lambda: ensemble.RandomForestClassifier(15, max_depth=6, random_state=0),
    "logistic regression": lambda: linear_model.LogisticRegression(),
    "network": lambda: small_network(neural_network.MLPClassifier),
}
ENCODERS = {
    "one-hot": lambda: OneHotEncoder(handle_unknown="ignore"),
    "one-hot without the first": lambda: OneHotEncoder(drop="first"),
    "ordinal": lambda: OrdinalEncoder(),
}


@pytest.mark.parametrize("encoder", ENCODERS)
@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_a_pipeline_over_columns_of_numbers_and_texts_is_read(estimator, encoder):
    pandas = pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    table = pandas.DataFrame(
        {
            "load": rng.normal(size=400).astype(np.float32),
            "speed": (rng.normal(size=400) * 50 + 100).astype(np.float32),
            "quality": rng.choice(["L", "M", "H"], 400),
            "colour": rng.choice(["red", "green", "blue", "grey"], 400),
        }
    )
    target = (table.load > 0) ^ (table.quality == "H") ^ (table.colour == "red")
    numeric = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    columns = ColumnTransformer(
        [("n", numeric, ["load", "speed"]), ("c", ENCODERS[encoder](), ["quality", "colour"])]
    )
    pipeline = make_pipeline(columns, ESTIMATORS[estimator]())
    kinds = [FloatTensorType, FloatTensorType, StringTensorType, StringTensorType]
    types = [(name, kind([None, 1])) for name, kind in zip(table.columns, kinds, strict=True)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pipeline.fit(table, target.astype(int))
        model = skl2onnx.convert_sklearn(
            pipeline, initial_types=types, target_opset=OPSETS, options={"zipmap": False}
        )
    features = (
        number("load", -4.0, 4.0, missing=True),
        number("speed", -50.0, 300.0, missing=True),
        category("quality", "L", "M", "H"),
        category("colour", "red", "green", "blue", "grey"),
    )
    served = serve(model, features, decision_of(BINARY), output="probabilities")
    behind = served.form.columns.feature.tolist()
    assert sorted(set(behind)) == [0, 1, 2, 3]
    if isinstance(served.form.core, TreeEnsemble):
        rows = points(served, np.random.default_rng(1), N_POINTS)
    else:
        rows = random_rows(served.schema, N_POINTS, np.random.default_rng(1))
    found = compare(served, rows)
    assert found.labels == 0
    assert found.scores <= ROUNDED


def lightgbm_case(kind: str, **more: Any) -> tuple[ModelProto, Rows]:
    lightgbm = pytest.importorskip("lightgbm")
    task = {"LGBMRegressor": VALUE}.get(kind, MANY if more.pop("many", False) else BINARY)
    rows, target = data(task, bool(more.pop("missing", False)))
    estimator = getattr(lightgbm, kind)(n_estimators=20, verbose=-1, n_jobs=1, **more)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        estimator.fit(rows, target)
        model = onnxmltools.convert_lightgbm(
            estimator,
            initial_types=[("x", FloatTensor([None, N_COLUMNS]))],
            target_opset=15,
        )
    return model, rows.astype(np.float64)


@pytest.mark.parametrize(
    ("kind", "more", "decision"),
    [
        ("LGBMClassifier", {}, decision_of(BINARY)),
        ("LGBMClassifier", {"missing": True}, decision_of(BINARY)),
        ("LGBMClassifier", {"many": True}, decision_of(MANY, 3)),
        ("LGBMRegressor", {}, decision_of(VALUE)),
        (
            "LGBMRegressor",
            {"boosting_type": "rf", "bagging_freq": 1, "bagging_fraction": 0.5},
            decision_of(VALUE),
        ),
    ],
    ids=["binary", "missing values", "three classes", "a value", "random forest"],
)
def test_lightgbm_is_read_as_it_is_served(kind: str, more: dict[str, Any], decision: Decision):
    model, around = lightgbm_case(kind, **more)
    output = "probabilities" if kind == "LGBMClassifier" else None
    column = 1 if decision.task is BINARY else None
    features = numbers_of("missing" in more)
    served = serve(model, features, decision, output=output, column=column)
    found = compare(served, points(served, np.random.default_rng(1), N_POINTS, around))
    assert found.labels == 0
    assert found.scores <= ROUNDED


def test_categories_of_lightgbm_are_read():
    lightgbm = pytest.importorskip("lightgbm")
    rng = np.random.default_rng(0)
    rows = np.column_stack([rng.normal(size=600), rng.integers(0, 10, 600)]).astype(np.float32)
    target = (rows[:, 0] > 0) ^ np.isin(rows[:, 1], [1, 4, 7])
    estimator = lightgbm.LGBMClassifier(n_estimators=10, verbose=-1, n_jobs=1, min_data_per_group=5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        estimator.fit(rows, target.astype(int), categorical_feature=[1])
        model = onnxmltools.convert_lightgbm(
            estimator, initial_types=[("x", FloatTensor([None, 2]))], target_opset=15
        )
    features = (number("a", -4.0, 4.0), whole("c", 0, 12))
    served = serve(model, features, decision_of(BINARY), output="probabilities", column=1)
    found = compare(served, points(served, rng, N_POINTS))
    assert found.labels == 0
    assert found.scores <= ROUNDED
