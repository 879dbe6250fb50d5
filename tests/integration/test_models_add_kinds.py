"""Estimators of scikit-learn as skl2onnx writes them by default, each registered from its file and
a table alone; its first answer is held against a session of its own."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from skl2onnx import to_onnx
from sklearn import (
    calibration,
    discriminant_analysis,
    ensemble,
    gaussian_process,
    mixture,
    multiclass,
    naive_bayes,
    neighbors,
    neural_network,
    pipeline,
    preprocessing,
    svm,
    tree,
)
from sklearn import cross_decomposition as cross
from sklearn import linear_model as linear

from ifonly.models.repository import load_folder
from ifonly.service.doors.cli import in_process, main
from ifonly.service.served.registry import prepare
from ifonly.service.settings import Settings

RNG = np.random.default_rng(0)
N = 200
TABLE = pd.DataFrame(
    {
        "oil_temp_c": RNG.normal(100.0, 15.0, N).round(1),
        "torque_nm": RNG.uniform(0.0, 10.0, N).round(2),
        "count": RNG.integers(0, 50, N),
    }
)
ROWS = TABLE.to_numpy().astype(np.float32)
HOT = ((TABLE["oil_temp_c"] > 105) & (TABLE["torque_nm"] > 4)).astype(int).to_numpy()
GRADE = HOT + (TABLE["count"] > 25).to_numpy()
VALUE = ROWS[:, 0] * 2 + ROWS[:, 1] ** 2
FEW = {"n_estimators": 8, "random_state": 0}
OF_TWO = [
    linear.LogisticRegression(), linear.SGDClassifier(loss="log_loss", random_state=0),
    linear.RidgeClassifier(), linear.Perceptron(), svm.LinearSVC(), svm.SVC(), svm.NuSVC(),
    ensemble.RandomForestClassifier(**FEW), ensemble.ExtraTreesClassifier(**FEW),
    ensemble.GradientBoostingClassifier(**FEW), ensemble.AdaBoostClassifier(**FEW),
    ensemble.BaggingClassifier(n_estimators=4, random_state=0),
    ensemble.StackingClassifier([("a", tree.DecisionTreeClassifier(max_depth=3))]),
    tree.DecisionTreeClassifier(max_depth=4), neighbors.KNeighborsClassifier(),
    naive_bayes.GaussianNB(), naive_bayes.BernoulliNB(),
    neural_network.MLPClassifier((6,), random_state=0),
    discriminant_analysis.LinearDiscriminantAnalysis(),
    discriminant_analysis.QuadraticDiscriminantAnalysis(),
    calibration.CalibratedClassifierCV(svm.LinearSVC(), cv=2),
    multiclass.OneVsRestClassifier(linear.LogisticRegression()),
    pipeline.make_pipeline(preprocessing.StandardScaler(), neural_network.MLPClassifier((6,))),
    pipeline.make_pipeline(preprocessing.MinMaxScaler(), svm.SVC()),
    pipeline.make_pipeline(preprocessing.PolynomialFeatures(2), linear.LogisticRegression()),
]  # fmt: skip
OF_THREE = [
    linear.LogisticRegression(), svm.LinearSVC(), svm.SVC(), naive_bayes.GaussianNB(),
    ensemble.RandomForestClassifier(**FEW), neural_network.MLPClassifier((6,), random_state=0),
]  # fmt: skip
VALUES = [
    linear.LinearRegression(), linear.Ridge(), linear.Lasso(), linear.PoissonRegressor(),
    ensemble.RandomForestRegressor(**FEW), ensemble.GradientBoostingRegressor(**FEW), svm.SVR(),
    svm.LinearSVR(), tree.DecisionTreeRegressor(max_depth=4), neighbors.KNeighborsRegressor(),
    neural_network.MLPRegressor(hidden_layer_sizes=(6,), random_state=0), cross.PLSRegression(1),
    gaussian_process.GaussianProcessRegressor(),
]  # fmt: skip
ODD = [
    ensemble.IsolationForest(**FEW), svm.OneClassSVM(), neighbors.LocalOutlierFactor(novelty=True),
    mixture.GaussianMixture(2, random_state=0),
]  # fmt: skip
CASES = [
    *((model, HOT) for model in OF_TWO), *((model, GRADE) for model in OF_THREE),
    *((model, VALUE) for model in VALUES), *((model, None) for model in ODD),
]  # fmt: skip


def called(case: tuple[Any, Any]) -> str:
    model, wanted = case
    names = [type(m).__name__ for m in (*dict(getattr(model, "steps", ())).values(), model)]
    n = "outliers" if wanted is None else f"of {min(len(set(wanted.tolist())), 4)}"
    return f"{names[-2] if len(names) > 1 else names[-1]} {n}"


def test_there_are_forty() -> None:
    assert len(CASES) >= 40


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("case", CASES, ids=called)
def test_a_kind_of_model_from_its_file_and_a_table_alone(
    case: tuple[Any, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, wanted = case
    model.fit(ROWS) if wanted is None else model.fit(ROWS, wanted)
    graph = to_onnx(model, ROWS[:1], target_opset={"": 15, "ai.onnx.ml": 3})
    (tmp_path / "m.onnx").write_bytes(graph.SerializeToString())
    TABLE.to_csv(tmp_path / "rows.csv", index=False)
    options = ["--data", str(tmp_path / "rows.csv"), "--models", str(tmp_path / "models"), "--yes"]
    monkeypatch.setattr(
        sys, "argv", ["ifonly", "models", "add", str(tmp_path / "m.onnx"), *options]
    )
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 0

    served = prepare(load_folder(tmp_path / "models/m/1"))
    decision, rows = served.decision, served.deployed.reference
    assert rows is not None
    scores = served.deployed.predictor.score(rows)
    body: dict[str, Any] = {}
    limit = float(np.median(scores[:, 0]))
    if decision.desired is None:
        body["target"] = {"score": {"max": limit}}
        undesired = scores[:, 0] > limit
    else:
        undesired = decision.decide(scores) != decision.desired
    if not undesired.any():
        return  # a model that decides alike of all rows has nothing to be explained
    body["instance"] = served.schema.write(rows[undesired][0])
    reply = in_process.explain(served, body, Settings())
    assert reply["status"] in ("optimal", "feasible", "infeasible", "unknown")
    fresh = load_folder(tmp_path / "models/m/1").predictor
    for found in reply["counterfactuals"]:
        said = fresh.score(served.schema.read(found["instance"])[None])
        met = said[0, 0] <= limit if decision.desired is None else decision.decide(said)[0]
        assert met == (True if decision.desired is None else decision.desired)
