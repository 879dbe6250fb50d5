"""Estimators of scikit-learn of many kinds as deployed ONNX models over the generated schema:
fitted to random rows, and exported as people do."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from skl2onnx import to_onnx
from sklearn import (
    calibration,
    discriminant_analysis,
    ensemble,
    impute,
    mixture,
    multiclass,
    naive_bayes,
    neighbors,
    pipeline,
    preprocessing,
    svm,
    tree,
)
from sklearn import linear_model as linear

from ifonly.models.schema import Task
from tests.support.deployed import Deployed, deployed
from tests.support.onnx_trees import COLUMNS, LOWER, UPPER, spec_text

Floats = npt.NDArray[Any]
Make = Callable[[int], Any]


def _forest(seed: int) -> Any:
    return ensemble.RandomForestClassifier(3, max_depth=3, random_state=seed)


def _scaled(model: Any) -> Any:
    return pipeline.make_pipeline(preprocessing.StandardScaler(), model)


def _pair(seed: int) -> list[tuple[str, Any]]:
    return [("line", _scaled(linear.LogisticRegression())), ("forest", _forest(seed))]


CLASSIFIERS: dict[str, Make] = {
    "imputed forest": _forest,
    "AdaBoost": lambda s: ensemble.AdaBoostClassifier(
        tree.DecisionTreeClassifier(max_depth=2), n_estimators=5, random_state=s
    ),
    "bagged trees": lambda s: ensemble.BaggingClassifier(
        tree.DecisionTreeClassifier(max_depth=3), 4, random_state=s
    ),
    "bagged lines": lambda s: ensemble.BaggingClassifier(
        linear.LogisticRegression(), 3, random_state=s
    ),
    "soft vote": lambda s: ensemble.VotingClassifier(
        _pair(s), voting="soft", weights=np.array([2.0, 1.0]), flatten_transform=False
    ),
    "hard vote": lambda s: ensemble.VotingClassifier(
        [*_pair(s), ("bayes", naive_bayes.GaussianNB())], flatten_transform=False
    ),
    "stack": lambda s: ensemble.StackingClassifier(_pair(s), cv=2),
    "stack under a forest": lambda s: ensemble.StackingClassifier(
        _pair(s), _forest(s), cv=2
    ),
    "calibrated forest": lambda s: calibration.CalibratedClassifierCV(_forest(s), cv=2),
    "isotonic forest": lambda s: calibration.CalibratedClassifierCV(
        _forest(s), cv=2, method="isotonic"
    ),
    "calibrated line": lambda s: calibration.CalibratedClassifierCV(svm.LinearSVC(), cv=2),
    "one against the rest": lambda s: multiclass.OneVsRestClassifier(linear.LogisticRegression()),
    "SVC": lambda s: svm.SVC(),
    "SVC, polynomial": lambda s: svm.SVC(kernel="poly", degree=2),
    "SVC, linear": lambda s: svm.SVC(kernel="linear"),
    "SVC, sigmoid": lambda s: svm.SVC(kernel="sigmoid", gamma=0.2),
    "SVC with probabilities": lambda s: svm.SVC(probability=True, random_state=s),
    "naive Bayes": lambda s: naive_bayes.GaussianNB(),
    "Bernoulli Bayes": lambda s: naive_bayes.BernoulliNB(),
    "quadratic discriminant": lambda s: discriminant_analysis.QuadraticDiscriminantAnalysis(
        reg_param=0.1
    ),
    "neighbours": lambda s: neighbors.KNeighborsClassifier(5),
}  # fmt: skip
TREE_SUMS = {"imputed forest", "AdaBoost", "bagged trees"}
"""Kinds that are one sum over trees."""
_LINES = [("line", linear.Ridge()), ("forest", ensemble.RandomForestRegressor(3, max_depth=3))]
REGRESSORS: dict[str, Make] = {
    "AdaBoost of a value": lambda s: ensemble.AdaBoostRegressor(
        tree.DecisionTreeRegressor(max_depth=3), n_estimators=4, random_state=s
    ),
    "vote of values": lambda s: ensemble.VotingRegressor(_LINES),
    "stack of values": lambda s: ensemble.StackingRegressor(_LINES, cv=2),
    "SVR": lambda s: svm.SVR(),
    "one class": lambda s: svm.OneClassSVM(nu=0.3),
    "mixture": lambda s: mixture.GaussianMixture(2, random_state=s, reg_covar=1e-2),
    "neighbours of a value": lambda s: neighbors.KNeighborsRegressor(3),
}
OF_TWO_ALONE = {"SVC with probabilities"}
"""Kinds that are proven of two classes only."""
DECISIONS = {"SVC", "SVC, polynomial", "SVC, linear", "SVC, sigmoid"}
"""Kinds whose scores of two classes are no probabilities: there the second is a value."""
KINDS = (*CLASSIFIERS, *REGRESSORS)


def tasks_of(kind: str) -> tuple[Task, ...]:
    if kind in REGRESSORS:
        return (Task.REGRESSION,)
    if kind in DECISIONS:
        return (Task.REGRESSION, Task.MULTICLASS)
    return (Task.BINARY,) if kind in OF_TWO_ALONE else (Task.BINARY, Task.MULTICLASS)


@cache
def deployed_estimator(kind: str, seed: int, task: Task) -> Deployed:
    """One of :data:`KINDS`, fitted to random rows, as a deployed model."""
    return deployed(estimator_model(kind, seed, task), spec_text(task))


def estimator_model(kind: str, seed: int, task: Task) -> bytes:
    draw = np.random.default_rng(seed)
    rows = estimator_rows(draw, 60)
    wanted = _wanted(draw, rows, task, is_class=kind in CLASSIFIERS)
    made = (REGRESSORS if kind in REGRESSORS else CLASSIFIERS)[kind](seed)
    steps = [impute.SimpleImputer()]
    if draw.random() < 0.5 or kind.startswith(("neigh", "SV", "mix", "one class", "quad")):
        steps.append(preprocessing.StandardScaler())
    model = pipeline.make_pipeline(*steps, made)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(rows, wanted)
    options: dict[int, dict[str, Any]] = {}
    if kind in CLASSIFIERS:
        options[id(model)] = {"zipmap": False}
    if kind == "mixture":
        options[id(made)] = {"score_samples": True}
    single = rows[:1].astype(np.float32)
    opset: Any = {"": 15, "ai.onnx.ml": 3}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        opset = 15 if kind == "mixture" else opset
        graph = to_onnx(model, single, target_opset=opset, options=options)
    del graph.graph.output[:-1]
    if kind == "mixture":
        _turn(graph, 0.3 + float(np.median(model.score_samples(rows))))
    if kind in DECISIONS and task is Task.REGRESSION:
        _keep_second(graph)
    return bytes(graph.SerializeToString())


def _keep_second(model: onnx.ModelProto) -> None:
    """The second column of the scores alone, and no dictionary of both."""
    graph = model.graph
    place = onnx.numpy_helper.from_array(np.array([1], dtype=np.int64), "second")
    graph.initializer.append(place)
    scores = graph.output[0].name
    graph.node.append(onnx.helper.make_node("Gather", [scores, "second"], ["value"], axis=1))
    del graph.output[:]
    graph.output.append(onnx.helper.make_tensor_value_info("value", 1, [None, 1]))


def _turn(model: onnx.ModelProto, limit: float) -> None:
    """How far the score is below ``limit``: what is unlikely is an alarm."""
    graph = model.graph
    graph.initializer.append(onnx.numpy_helper.from_array(np.array([limit], np.float32), "limit"))
    graph.node.append(onnx.helper.make_node("Sub", ["limit", graph.output[0].name], ["value"]))
    del graph.output[:]
    graph.output.append(onnx.helper.make_tensor_value_info("value", 1, [None, 1]))


def estimator_rows(draw: np.random.Generator, n: int) -> Floats:
    """``(n, n_columns)``, as the graph reads them."""
    rows = LOWER + (UPPER - LOWER) * draw.random((n, len(COLUMNS)))
    mode = draw.integers(0, 3, n)
    rows[:, 2:5] = np.eye(3)[mode]
    rows[:, 5] = draw.integers(0, 3, n)
    rows[draw.random(n) < 0.2, 6] = np.nan
    return np.asarray(rows)


def _wanted(draw: np.random.Generator, rows: Floats, task: Task, *, is_class: bool) -> Floats:
    scaled = (np.nan_to_num(rows) - LOWER) / (UPPER - LOWER)
    weights = draw.normal(size=(2, len(COLUMNS)))
    value = np.sin(3.0 * scaled @ weights[0]) + scaled @ weights[1]
    # Most readings are alarms, so that most questions have something to look for.
    value = value - np.quantile(value, 0.3) + 0.3 + 0.2 * draw.normal(size=len(rows))
    if task is Task.REGRESSION and not is_class:
        return np.asarray(value)
    if task is not Task.MULTICLASS:
        return np.asarray(value > 0.3, dtype=np.int64)
    return np.asarray(np.digitize(value, np.quantile(value, [0.3, 0.65])))


def readings_of(rows: Floats) -> Floats:
    """The same as rows of the schema, ``(n, n_features)``."""
    mode = rows[:, 2:5].argmax(axis=1)
    return np.column_stack([rows[:, :2], mode, rows[:, 5:]])
