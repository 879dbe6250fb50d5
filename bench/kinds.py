"""Kinds of models that are registered from their file and a table alone, and how each is explained:
the table in ``docs/kinds.md``.

python -m bench.kinds [--rows N] [KIND ...]
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import pickle
import re
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pandas as pd
import xgboost
from skl2onnx import to_onnx
from sklearn import (
    calibration,
    compose,
    discriminant_analysis,
    ensemble,
    gaussian_process,
    mixture,
    model_selection,
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
from ifonly.service.served.registry import ServedModel, prepare
from ifonly.service.settings import Settings

PAGE = Path(__file__).resolve().parents[1] / "docs" / "kinds.md"
TABLE = re.compile(r"<!-- kinds -->\n.*?<!-- end -->\n", re.DOTALL)
PROVEN = ("optimal", "infeasible")
ROWS = 5
"""Decisions that nobody wants, of each kind, that are explained."""

_RNG = np.random.default_rng(0)
_N = 200
ROWS_TABLE = pd.DataFrame(
    {
        "oil_temp_c": _RNG.normal(100.0, 15.0, _N).round(1),
        "torque_nm": _RNG.uniform(0.0, 10.0, _N).round(2),
        "count": _RNG.integers(0, 50, _N),
    }
)
_SINGLE = ROWS_TABLE.to_numpy().astype(np.float32)
_HOT = ((ROWS_TABLE["oil_temp_c"] > 105) & (ROWS_TABLE["torque_nm"] > 4)).astype(int).to_numpy()
_GRADE = _HOT + (ROWS_TABLE["count"] > 25).to_numpy()
_VALUE = _SINGLE[:, 0] * 2 + _SINGLE[:, 1] ** 2


@dataclass(frozen=True)
class ModelKind:
    """A model as somebody has it."""

    name: str
    file: str
    """Its name, whose suffix says the format."""
    content: Callable[[Path], None]
    """Write it to a path."""
    options: tuple[str, ...] = ()


@dataclass(frozen=True)
class Explained:
    """What became of it."""

    exact: bool
    """The graph was translated whole: exact engines search it."""
    engines: tuple[str, ...]
    statuses: tuple[str, ...]
    """Of the rows that were explained."""
    milliseconds: float
    """Of a processor, the median of a row."""

    @property
    def reading(self) -> str:
        return "whole" if self.exact else "asked"


# --- the kinds ------------------------------------------------------------------------------------


def _as_onnx(model: Any, wanted: Any) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        model.fit(_SINGLE) if wanted is None else model.fit(_SINGLE, wanted)
        graph = to_onnx(model, _SINGLE[:1], target_opset={"": 15, "ai.onnx.ml": 3})
        path.write_bytes(graph.SerializeToString())

    return write


def _called(model: Any, wanted: Any) -> str:
    steps = dict(getattr(model, "steps", ())).values()
    names = [type(m).__name__ for m in (*steps, model)]
    n = "outliers" if wanted is None else f"of {len(set(wanted.tolist()))}"
    value = wanted is not None and wanted.dtype.kind == "f"
    made_of = " + ".join(names[:-1]) or names[0]
    return f"{made_of}, {'a value' if value else n}"


def _scaled(model: Any) -> Any:
    return pipeline.make_pipeline(preprocessing.StandardScaler(), model)


_FEW: dict[str, Any] = {"n_estimators": 8, "random_state": 0}
_OF_TWO = [
    linear.LogisticRegression(),
    _scaled(linear.SGDClassifier(loss="log_loss", random_state=0)),
    linear.RidgeClassifier(), linear.Perceptron(), svm.LinearSVC(), svm.SVC(), svm.NuSVC(),
    ensemble.RandomForestClassifier(**_FEW), ensemble.ExtraTreesClassifier(**_FEW),
    ensemble.GradientBoostingClassifier(**_FEW), ensemble.AdaBoostClassifier(**_FEW),
    ensemble.BaggingClassifier(n_estimators=4, random_state=0),
    ensemble.StackingClassifier([("a", tree.DecisionTreeClassifier(max_depth=3))]),
    ensemble.VotingClassifier(
        [("a", linear.LogisticRegression()), ("b", naive_bayes.GaussianNB())], voting="soft",
        flatten_transform=False,
    ),
    tree.DecisionTreeClassifier(max_depth=4), neighbors.KNeighborsClassifier(),
    naive_bayes.GaussianNB(), _scaled(naive_bayes.BernoulliNB()),
    neural_network.MLPClassifier((6,), random_state=0),
    discriminant_analysis.LinearDiscriminantAnalysis(),
    discriminant_analysis.QuadraticDiscriminantAnalysis(),
    calibration.CalibratedClassifierCV(svm.LinearSVC(), cv=2),
    multiclass.OneVsRestClassifier(linear.LogisticRegression()),
    model_selection.GridSearchCV(tree.DecisionTreeClassifier(), {"max_depth": [2, 3]}, cv=2),
    _scaled(neural_network.MLPClassifier((6,), random_state=0)),
    pipeline.make_pipeline(preprocessing.MinMaxScaler(), svm.SVC()),
    pipeline.make_pipeline(preprocessing.PolynomialFeatures(2), linear.LogisticRegression()),
]  # fmt: skip
_OF_THREE = [
    linear.LogisticRegression(), svm.LinearSVC(), svm.SVC(), naive_bayes.GaussianNB(),
    ensemble.RandomForestClassifier(**_FEW),
    _scaled(neural_network.MLPClassifier((6,), max_iter=500, random_state=0)),
]  # fmt: skip
_VALUES = [
    linear.LinearRegression(), linear.Ridge(), linear.Lasso(), _scaled(linear.PoissonRegressor()),
    ensemble.RandomForestRegressor(**_FEW), ensemble.GradientBoostingRegressor(**_FEW),
    svm.SVR(),
    svm.LinearSVR(), tree.DecisionTreeRegressor(max_depth=4), neighbors.KNeighborsRegressor(),
    neural_network.MLPRegressor(hidden_layer_sizes=(6,), random_state=0), cross.PLSRegression(1),
    gaussian_process.GaussianProcessRegressor(),
]  # fmt: skip
_ODD = [
    ensemble.IsolationForest(**_FEW), svm.OneClassSVM(), neighbors.LocalOutlierFactor(novelty=True),
    mixture.GaussianMixture(2, random_state=0),
]  # fmt: skip


def _xgboost(path: Path) -> None:
    xgboost.XGBClassifier(n_estimators=8).fit(ROWS_TABLE, _HOT).save_model(path)


def _lightgbm(path: Path) -> None:
    model = lightgbm.LGBMClassifier(n_estimators=8, verbose=-1, random_state=0)
    model.fit(ROWS_TABLE, _HOT).booster_.save_model(path)


def _histogram(path: Path) -> None:
    model = ensemble.HistGradientBoostingClassifier(max_iter=8)
    path.write_bytes(pickle.dumps(model.fit(ROWS_TABLE, _HOT)))


def _pickled(path: Path) -> None:
    scaled = compose.make_column_transformer(
        (preprocessing.StandardScaler(), ["oil_temp_c", "torque_nm"]), remainder="passthrough"
    )
    model = pipeline.make_pipeline(scaled, ensemble.GradientBoostingClassifier(**_FEW))
    path.write_bytes(pickle.dumps(model.fit(ROWS_TABLE, _HOT)))


_CASES = [
    *((model, _HOT) for model in _OF_TWO), *((model, _GRADE) for model in _OF_THREE),
    *((model, _VALUE) for model in _VALUES), *((model, None) for model in _ODD),
]  # fmt: skip
KINDS = (
    *(ModelKind(_called(*case), "m.onnx", _as_onnx(*case)) for case in _CASES),
    ModelKind("XGBClassifier, of 2", "m.ubj", _xgboost),
    ModelKind("LGBMClassifier, of 2", "m.txt", _lightgbm),
    ModelKind("HistGradientBoostingClassifier, of 2", "m.pkl", _histogram, ("--trust",)),
    ModelKind(
        "ColumnTransformer + GradientBoostingClassifier, of 2", "m.pkl", _pickled, ("--trust",)
    ),
)  # fmt: skip


# --- what becomes of one --------------------------------------------------------------------------


def register(kind: ModelKind, folder: Path) -> ServedModel:
    """Write its file and the table into ``folder``, and register them by the command line."""
    file, rows = folder / kind.file, folder / "rows.csv"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of training, which nothing here is about
        kind.content(file)
    ROWS_TABLE.to_csv(rows, index=False)
    command = [
        "ifonly", "models", "add", str(file), "--data", str(rows), "--models",
        str(folder / "models"), "--yes", *kind.options,
    ]  # fmt: skip
    before, sys.argv = sys.argv, command
    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            main()
    except SystemExit as end:
        if end.code != 0:
            raise RuntimeError(f"{kind.name}: {said.getvalue()}") from end
    finally:
        sys.argv = before
    return prepare(load_folder(folder / "models/m/1"))


def explain(served: ServedModel, folder: Path, most: int) -> Explained:
    """The first ``most`` rows of the sample whose decision nobody wants, each of whose answers is
    held against a session of its own.

    Raises
    ------
    AssertionError
        If an answer does not hold.
    """
    decision, rows = served.decision, served.deployed.reference
    assert rows is not None
    scores = served.deployed.predictor.score(rows)
    limit = float(np.median(scores[:, 0]))
    aimed: dict[str, Any] = {}
    if decision.desired is None:
        aimed["target"] = {"score": {"max": limit}}
        undesired = scores[:, 0] > limit
    else:
        undesired = decision.decide(scores) != decision.desired
    fresh = load_folder(folder / "models/m/1").predictor
    engines, statuses, times = Counter[str](), [], []
    for row in rows[undesired][:most]:
        started = time.process_time()
        body = {**aimed, "instance": served.schema.write(row)}
        reply = in_process.explain(served, body, Settings())
        times.append(time.process_time() - started)
        statuses.append(reply["status"])
        engines[reply["provenance"]["engine"]] += 1
        for found in reply["counterfactuals"]:
            said = fresh.score(served.schema.read(found["instance"])[None])
            if decision.desired is None:
                assert said[0, 0] <= limit, found
            else:
                assert decision.decide(said)[0] == decision.desired, found
    exact = not served.deployed.form_refusal
    named = tuple(sorted(engine.split("/")[0] for engine in engines))
    return Explained(exact, named, tuple(statuses), 1e3 * float(np.median(times or [0.0])))


# --- the table ------------------------------------------------------------------------------------


def line(kind: ModelKind, found: Explained) -> str:
    """A row of the table."""
    proven = sum(status in PROVEN for status in found.statuses)
    return (
        f"| {kind.name} | `{kind.file[1:]}` | {found.reading} | {', '.join(found.engines)} "
        f"| {proven} of {len(found.statuses)} | {found.milliseconds:.3g} |"
    )


def written() -> dict[str, list[str]]:
    """Cells of the rows of the page, by kind."""
    found = TABLE.search(PAGE.read_text(encoding="utf-8"))
    assert found is not None
    lines = [row for row in found[0].splitlines() if row.startswith("| ")][1:]
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in lines]
    return {row[0]: row for row in cells}


def table(kinds: Sequence[ModelKind], most: int) -> str:
    """All rows, measured anew."""
    rows = []
    for kind in kinds:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            os.environ["IFONLY_DATA"] = str(folder / "data")
            rows.append(line(kind, explain(register(kind, folder), folder, most)))
        print(rows[-1], file=sys.stderr, flush=True)
    head = [
        "| kind | file | graph | engine | proven | CPU ms |",
        "|---|---|---|---|---|---|",
    ]
    return "\n".join(["<!-- kinds -->", *head, *rows, "<!-- end -->\n"])


def _main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.kinds")
    parser.add_argument("--rows", type=int, default=ROWS, help="explained of each kind")
    parser.add_argument("kinds", nargs="*", help="only these, printed and not written")
    given = parser.parse_args()
    some = [kind for kind in KINDS if not given.kinds or kind.name in given.kinds]
    found = table(some, given.rows)
    if not given.kinds:
        text = PAGE.read_text(encoding="utf-8")
        PAGE.write_text(TABLE.sub(lambda _: found, text), encoding="utf-8")


if __name__ == "__main__":
    _main()
