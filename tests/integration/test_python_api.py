"""``ifonly.explain``: whatever a notebook has as model, rows and data."""

from __future__ import annotations

import contextlib
import json
import math
import subprocess
import sys
import xml.etree.ElementTree as xml
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import onnx
import pandas as pd
import pytest
import tqdm.auto
import xgboost
from skl2onnx import to_onnx
from sklearn.cluster import KMeans
from sklearn.compose import make_column_transformer
from sklearn.ensemble import (
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    IsolationForest,
    RandomForestClassifier,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import LinearSVC

import ifonly
from ifonly.explainers.errors import InvalidPolicy, InvalidTarget
from ifonly.models.errors import DataError, GraphError, InvalidInstance, NotFinite
from ifonly.models.onnx.export import export_onnx, to_bytes
from ifonly.models.repository import load_folder
from ifonly.models.sample import read_sample
from ifonly.service.doors.cli import in_process
from ifonly.service.served.registry import prepare
from ifonly.service.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "models/artifacts/milling-machine/1"
RNG = np.random.default_rng(0)
N = 300
TABLE = pd.DataFrame(
    {
        "temp": RNG.normal(100.0, 15.0, N).round(1),
        "grade": RNG.choice(["L", "M", "H"], N),
        "pressure": RNG.uniform(0.0, 10.0, N).round(2),
        "count": RNG.integers(0, 50, N),
    }
)
NUMBERS = TABLE.drop(columns="grade")
HOT = ((NUMBERS["temp"] > 105) & (NUMBERS["pressure"] > 4)).astype(int)
BAD = (HOT.astype(bool) | (TABLE["grade"] == "L") & (TABLE["count"] > 30)).astype(int)
GAPS = NUMBERS.mask(RNG.uniform(size=NUMBERS.shape) < 0.1)
FLAGS = TABLE.assign(
    is_new=(TABLE["count"] % 2).astype(bool), shift=pd.Categorical(TABLE["count"] % 3 * 10)
)
BOOSTED: dict[str, Any] = {"n_estimators": 15, "n_jobs": 1}


def mixed(last: Any) -> Any:
    columns = make_column_transformer(
        (OneHotEncoder(), ["grade"]), (StandardScaler(), ["temp", "pressure", "count"])
    )
    return make_pipeline(columns, last).fit(TABLE, BAD)


def flagged(last: Any) -> Any:
    """A truth value that steps of a pipeline compute with, and numbers as categories."""
    columns = make_column_transformer(
        (OneHotEncoder(), ["grade", "shift"]), ("passthrough", ["is_new", "temp", "pressure"])
    )
    return make_pipeline(columns, StandardScaler(), last).fit(FLAGS, BAD)


def catboost_classifier() -> Any:
    catboost = pytest.importorskip("catboost")
    found = catboost.CatBoostClassifier(iterations=15, verbose=0, allow_writing_files=False)
    return found.fit(NUMBERS, HOT)


PROVEN: dict[str, tuple[Callable[[], Any], pd.DataFrame, str]] = {
    "logistic": (lambda: LogisticRegression().fit(NUMBERS, HOT), NUMBERS, "linear"),
    "svm": (
        lambda: make_pipeline(StandardScaler(), LinearSVC()).fit(NUMBERS, HOT),
        NUMBERS,
        "linear",
    ),
    "forest": (
        lambda: RandomForestClassifier(15, max_depth=5, random_state=0).fit(NUMBERS, HOT),
        NUMBERS,
        "trees",
    ),
    "boosting": (
        lambda: GradientBoostingClassifier(n_estimators=15, random_state=0).fit(NUMBERS, HOT),
        NUMBERS,
        "trees",
    ),
    "isolation": (
        lambda: IsolationForest(n_estimators=10, random_state=0).fit(NUMBERS),
        NUMBERS,
        "trees",
    ),
    "network": (
        lambda: make_pipeline(
            StandardScaler(), MLPClassifier((4,), max_iter=2000, random_state=0)
        ).fit(NUMBERS, HOT),
        NUMBERS,
        "networks",
    ),
    "gaps": (
        lambda: make_pipeline(SimpleImputer(), LogisticRegression()).fit(GAPS, HOT),
        GAPS,
        "linear",
    ),
    "texts, linear": (lambda: mixed(LogisticRegression()), TABLE, "linear"),
    "texts, forest": (
        lambda: mixed(RandomForestClassifier(15, max_depth=5, random_state=0)),
        TABLE,
        "trees",
    ),
    "flags, linear": (lambda: flagged(LogisticRegression()), FLAGS, "linear"),
    "flags, histogram": (
        lambda: flagged(HistGradientBoostingClassifier(max_iter=5)),
        FLAGS,
        "trees",
    ),
    "texts, xgboost": (lambda: mixed(xgboost.XGBClassifier(**BOOSTED)), TABLE, "trees"),
    "texts, lightgbm": (
        lambda: mixed(lightgbm.LGBMClassifier(verbose=-1, **BOOSTED)),
        TABLE,
        "trees",
    ),
    "xgboost": (lambda: xgboost.XGBClassifier(**BOOSTED).fit(NUMBERS, HOT), NUMBERS, "trees"),
    "xgboost's booster": (
        lambda: xgboost.train(
            {"objective": "binary:logistic", "nthread": 1}, xgboost.DMatrix(NUMBERS, HOT), 10
        ),
        NUMBERS,
        "trees",
    ),
    "lightgbm": (
        lambda: lightgbm.LGBMClassifier(verbose=-1, **BOOSTED).fit(NUMBERS, HOT),
        NUMBERS,
        "trees",
    ),
    "lightgbm's booster": (
        lambda: lightgbm.train(
            {"objective": "binary", "verbose": -1, "num_threads": 1},
            lightgbm.Dataset(NUMBERS, HOT),
            10,
        ),
        NUMBERS,
        "trees",
    ),
    "catboost": (catboost_classifier, NUMBERS, "trees"),
}


def decided_by(model: Any, rows: pd.DataFrame) -> list[Any]:
    """What the library itself says."""
    if isinstance(model, xgboost.Booster):
        rows = xgboost.DMatrix(rows)
    found = np.asarray(model.predict(rows))
    is_share = isinstance(model, xgboost.Booster | lightgbm.Booster)
    return list(found >= 0.5 if is_share else found)


@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
@pytest.mark.parametrize("name", PROVEN)
def test_of_a_fitted_estimator_the_smallest_change_is_proven_and_flips_it(name: str) -> None:
    fitted, table, engine = PROVEN[name]
    model = fitted()
    found = ifonly.explain(model, table.iloc[:3], table)
    assert [each.status for each in found] == ["optimal"] * 3
    assert {each.engine for each in found} == {engine}
    assert {each.confirmed_by for each in found} == {"estimator"}
    assert "converted to ONNX" in found.assumptions[0]
    flipped = pd.DataFrame([each.counterfactual for each in found])
    before, after = decided_by(model, table.iloc[:3]), decided_by(model, flipped)
    assert all(a != b for a, b in zip(before, after, strict=True))


def test_an_estimator_that_no_graph_stands_for_is_asked_and_that_is_said() -> None:
    typed = TABLE.astype({"grade": "category"})
    model = xgboost.XGBClassifier(booster="dart", enable_categorical=True, **BOOSTED)
    model.fit(typed, BAD)
    (found,) = asked = ifonly.explain(model, typed.iloc[0], typed)
    assert found.status in ("optimal", "feasible")
    assert (found.engine, found.confirmed_by) == ("blackbox", "estimator")
    assert "asked as it is" in asked.assumptions[0]
    flipped = pd.DataFrame([found.counterfactual]).astype({"grade": typed["grade"].dtype})
    assert model.predict(flipped)[0] != model.predict(typed.iloc[:1])[0]


def test_a_graph_that_decides_otherwise_is_not_believed() -> None:
    model = LogisticRegression().fit(NUMBERS, HOT)
    own = model.predict_proba
    model.predict_proba = lambda rows: own(rows)[:, ::-1]
    asked = ifonly.explain(model, NUMBERS.iloc[0], NUMBERS)
    assert asked[0].engine == "blackbox"
    assert "differs from the trained model" in asked.assumptions[0]


def test_the_estimator_has_the_last_word_where_no_row_of_data_shows_that_its_graph_differs() -> (
    None
):
    values = np.r_[np.linspace(0.0, 3.0, 301), np.linspace(7.0, 10.0, 301)].round(2)
    data = pd.DataFrame({"a": values})
    model = LogisticRegression(C=100.0).fit(data, values > 5)
    own = model.predict_proba

    def gap(rows: pd.DataFrame) -> Any:
        found = own(rows).copy()
        inside = ((rows["a"] > 3.5) & (rows["a"] < 6.5)).to_numpy()
        found[inside] = [0.9, 0.1]
        return found

    (plain,) = ifonly.explain(model, {"a": 1.0}, data)
    assert plain.counterfactual is not None
    assert 3.5 < float(str(plain.counterfactual["a"])) < 6.5  # what the graph says
    model.predict_proba = gap
    (found,) = ifonly.explain(model, {"a": 1.0}, data)
    assert found.counterfactual == {"a": 6.5}
    assert "estimator and graph differ" in found.notes[-1]


@pytest.mark.parametrize(
    "given",
    [
        lambda row: row.to_dict(),
        lambda row: row,
        lambda row: row.iloc[::-1],
        lambda row: pd.DataFrame([row])[["count", "temp", "pressure", "grade"]],
        lambda row: [row.to_dict()],
        lambda row: row.to_numpy(),
        lambda row: list(row),
        lambda row: pd.DataFrame([row]).to_records(index=False),
        lambda row: {**row.to_dict(), "bad": 1},  # a column of data that the model does not read
    ],
    ids=["dict", "series", "reversed", "frame", "dicts", "array", "list", "records", "label"],
)
def test_rows_are_matched_by_name_whatever_they_are(given: Callable[[Any], Any]) -> None:
    model = mixed(LogisticRegression())
    data = TABLE.assign(bad=BAD)
    (found,) = ifonly.explain(model, given(TABLE.iloc[0]), data)
    assert found.instance == TABLE.iloc[0].to_dict()
    assert found.to_dict() == ifonly.explain(model, TABLE.iloc[0], TABLE)[0].to_dict()


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ({"temp": 1.0}, "pressure is missing"),
        ({"temp": 1.0, "pressure": 1.0, "count": 1, "torque": 2.0}, "torque is not a feature"),
        ({"temp": None, "pressure": 1.0, "count": 1}, "temp is null"),
        ({"temp": "hot", "pressure": 1.0, "count": 1}, "not a number"),
        ([1.0, 2.0], "shape"),
        (np.zeros((2, 2, 2)), "shape"),
    ],
)
def test_a_row_that_is_none_is_refused_by_name_and_value(row: Any, told: str) -> None:
    with pytest.raises(InvalidInstance, match=told):
        ifonly.explain(LogisticRegression().fit(NUMBERS, HOT), row, NUMBERS)


@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
def test_a_table_of_another_library_is_read_by_name() -> None:
    class Frame:
        columns = (*NUMBERS.columns[::-1],)

        def __getitem__(self, name: str) -> list[float]:
            return NUMBERS[name].tolist()

    model = LogisticRegression().fit(NUMBERS, HOT)
    theirs = ifonly.explain(model, Frame(), Frame())
    ours = ifonly.explain(model, NUMBERS, NUMBERS)
    assert len(theirs) == len(ours) == len(NUMBERS)
    assert [a.counterfactual for a in theirs] == [a.counterfactual for a in ours]


def test_an_estimator_that_knows_no_names_is_asked_without_any() -> None:
    unnamed = NUMBERS.set_axis(range(3), axis=1)
    (found,) = ifonly.explain(LogisticRegression().fit(unnamed, HOT), unnamed.iloc[0], unnamed)
    (named,) = ifonly.explain(LogisticRegression().fit(NUMBERS, HOT), NUMBERS.iloc[0], NUMBERS)
    assert list((found.counterfactual or {}).values()) == list(
        (named.counterfactual or {}).values()
    )


def test_a_row_beyond_data_is_answered_and_that_is_said_with_it() -> None:
    model = LogisticRegression().fit(NUMBERS, HOT)
    rows = NUMBERS.iloc[[0, 0]].assign(pressure=[1.0, 140.0])
    within, beyond = ifonly.explain(model, rows, NUMBERS)
    low, high = NUMBERS["pressure"].min(), NUMBERS["pressure"].max()
    assert within.notes == ()
    assert beyond.notes == (f"pressure is 140: data has {low:g} to {high:g}",)
    assert "pressure is 140" in beyond._repr_html_()


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (None, "is missing"),
        (NUMBERS[["temp"]], "no column pressure, count"),
        (NUMBERS.iloc[:0], "no rows"),
        (NUMBERS.assign(temp=np.inf), "infinite"),
        (NUMBERS.assign(temp=1e300), "beyond 9007199254740992"),
        (NUMBERS.assign(temp=np.nan), "missing in every row"),
        (NUMBERS.assign(temp=pd.Timestamp("2026-01-01")), "times"),
        (NUMBERS.to_numpy()[:, :2], "2 columns"),
        (NUMBERS.assign(temp=pd.Series([(1, 2)] * N, dtype=object)), "neither number nor text"),
    ],
)
def test_data_that_says_nothing_of_the_model_is_refused(data: Any, told: str) -> None:
    with pytest.raises(DataError, match=told):
        ifonly.explain(LogisticRegression().fit(NUMBERS, HOT), NUMBERS.iloc[0], data)


def test_kinds_steps_and_categories_are_read_from_data() -> None:
    sample = read_sample(
        pd.DataFrame(
            {
                "whole": [3, 1, 7],
                "tenths": [0.1, 2.3, 5.0],
                "single": np.array([0.1, 0.25, 0.5], dtype=np.float32),
                "free": [0.1234567, 1.3, 3.1234567],
                "gaps": [1.5, None, 2.5],
                "same": [2, 2, 2],
                "large": [1, 5, 10**12],
                "flag": [True, False, True],
                "size": pd.Categorical(["S", "L", "S"], ["S", "M", "L"], ordered=True),
            }
        )
    )
    told = dict(zip(sample.schema.names, sample.assumptions, strict=True))
    assert told == {
        "whole": "whole: whole numbers 1 to 7, steps of 1",
        "tenths": "tenths: numbers 0.1 to 5, steps of 0.1",
        "single": "single: numbers 0.10000000149011612 to 0.5, steps of 0.01",
        "free": "free: numbers 0.1234567 to 3.1234567, steps of 0.001, chosen: data has no grid",
        "gaps": "gaps: numbers 1.5 to 2.5, steps of 0.1, may be missing",
        "same": "same: 2 in every row, so it is not changed",
        "large": "large: whole numbers 1 to 1000000000000, "
        "steps of 100000000, chosen: data has no grid",
        "flag": "flag: categories False, True",
        "size": "size: ordered categories S, M, L",
    }
    again = sample.table(sample.rows)
    assert again["flag"].tolist() == [True, False, True]
    assert again["size"].tolist() == ["S", "L", "S"]
    assert sample.read({**again.iloc[0], "flag": True}).tolist() == sample.rows[:1].tolist()


@pytest.mark.parametrize("as_bytes", [False, True])
def test_an_onnx_file_with_one_matrix(tmp_path: Path, as_bytes: bool) -> None:
    model = RandomForestClassifier(15, max_depth=5, random_state=0).fit(NUMBERS, HOT)
    content = to_bytes(export_onnx(model, 3, name="hot"))
    (tmp_path / "hot.onnx").write_bytes(content)
    given = content if as_bytes else tmp_path / "hot.onnx"
    (found,) = ifonly.explain(given, NUMBERS.iloc[0], NUMBERS, classes=["cool", "hot"])
    assert (found.status, found.engine, found.confirmed_by) == ("optimal", "trees", "onnx")
    assert found.prediction.decision == ["cool", "hot"][HOT[0]]
    assert found.counterfactual == ifonly.explain(model, NUMBERS.iloc[0], NUMBERS)[0].counterfactual


def test_an_onnx_file_with_an_input_a_column(tmp_path: Path) -> None:
    columns = {"temp": False, "grade": True, "pressure": False, "count": False}
    content = to_bytes(export_onnx(mixed(LogisticRegression()), columns, name="bad"))
    (tmp_path / "bad.onnx").write_bytes(content)
    # By the names of inputs, so in any order.
    (found,) = ifonly.explain(str(tmp_path / "bad.onnx"), TABLE.iloc[0], TABLE[TABLE.columns[::-1]])
    assert found.status == "optimal"
    assert found.instance == TABLE.iloc[0].to_dict()


def test_a_graph_whose_label_its_scores_do_not_decide_is_refused() -> None:
    model = KMeans(3, n_init=1, random_state=0).fit(NUMBERS.to_numpy(np.float32))
    graph = to_onnx(model, NUMBERS.to_numpy(np.float32)[:1], target_opset={"": 15})
    with pytest.raises(GraphError, match="label is not its largest score"):
        ifonly.explain(graph.SerializeToString(), NUMBERS.iloc[0], NUMBERS)


def test_a_score_of_exactly_one_half_is_decided_as_the_graph_labels_it() -> None:
    graph = onnx.parser.parse_model(
        '<ir_version: 8, opset_import: ["": 15]>\n'
        "g (float[n,1] x) => (int64[n] label, float[n,2] scores) {\n"
        "  all = Constant<value = float {1.0}>()\n  q = Sub(all, x)\n"
        "  scores = Concat<axis=1>(q, x)\n  label = ArgMax<axis=1, keepdims=0>(scores)\n}"
    )
    data = {"x": [0.0, 0.25, 0.5, 0.75, 1.0]}
    (found,) = ifonly.explain(graph.SerializeToString(), {"x": 0.5}, data)
    assert found.prediction.decision == "0"
    assert found.counterfactual == {"x": 0.51}


def test_of_two_scores_that_are_no_probabilities_the_larger_decides() -> None:
    def margins(rows: Any) -> Any:
        return np.column_stack([rows[:, 0], 20.0 - rows[:, 0]]) - 100.0

    (found,) = ifonly.explain(margins, {"x": 15}, {"x": [0, 9, 15, 20]}, classes=["high", "low"])
    assert found.prediction.decision == "high"
    assert found.counterfactual == {"x": 9}


def shares(n: int) -> Callable[[Any], Any]:
    return lambda rows: np.full((len(rows), n), 1.0 / n)


@pytest.mark.parametrize(
    ("model", "said", "told"),
    [
        (shares(3), {"threshold": 0.4}, "is for two classes or a value; there are 3"),
        (shares(3), {"classes": ["a", "b"]}, "are a, b, but there are 3 scores"),
        (shares(2), {"classes": ["a", "b", "c"]}, "are a, b, c, but there are 2 scores"),
    ],
)
def test_what_is_said_of_scores_must_fit_them(model: Any, said: Any, told: str) -> None:
    with pytest.raises(DataError, match=told):
        ifonly.explain(model, NUMBERS.iloc[0], NUMBERS, **said)


def test_functions_get_rows_as_data_has_them_and_predictors_get_numbers() -> None:
    class Port:
        def score(self, rows: Any) -> Any:
            assert isinstance(rows, np.ndarray)
            return (rows[:, [0]] > 110.0).astype(float)

    def hot(rows: Any) -> Any:
        assert set(rows["grade"]) <= {"L", "M", "H"}
        return (rows["temp"] > 110.0).astype(float)

    row = TABLE.iloc[0].to_dict() | {"temp": 120.0}
    for model in (hot, Port()):
        (found,) = asked = ifonly.explain(model, row, TABLE, classes=["fine", "hot"])
        assert [(c.feature, c.after) for c in found.changes] == [("temp", 110.0)]
        assert (found.engine, found.confirmed_by) == ("blackbox", "predictor")
        assert found.reached is not None
        assert found.reached.decision == "fine"
        assert "it is asked" in asked.assumptions[0]


def test_scores_that_are_no_numbers_are_an_error() -> None:
    with pytest.raises(NotFinite):
        ifonly.explain(lambda rows: np.full(len(rows), np.nan), NUMBERS.iloc[0], NUMBERS)
    with pytest.raises(DataError, match="shape"):
        ifonly.explain(lambda rows: np.zeros((2, 2, 2)), NUMBERS.iloc[0], NUMBERS)
    with pytest.raises(DataError, match="no scores"):
        ifonly.explain(lambda rows: ["hot"] * len(rows), NUMBERS.iloc[0], NUMBERS)
    with pytest.raises(ifonly.NotAModel, match="int is no model"):
        ifonly.explain(3, NUMBERS.iloc[0], NUMBERS)
    with pytest.raises(FileNotFoundError, match="no model folder"):
        ifonly.explain(ROOT, NUMBERS.iloc[0])


def test_a_value_needs_a_target_or_a_limit() -> None:
    total = NUMBERS["temp"] + NUMBERS["pressure"]
    model = LinearRegression().fit(NUMBERS, total)
    with pytest.raises(InvalidTarget, match=r"target=\(low, high\)"):
        ifonly.explain(model, NUMBERS.iloc[0], NUMBERS)
    (found,) = ifonly.explain(model, NUMBERS.iloc[0], NUMBERS, target=(130.0, None))
    assert found.reached is not None
    assert found.status == "optimal"
    assert found.reached.scores["value"] >= 130.0
    (limited,) = ifonly.explain(model, NUMBERS.iloc[0], NUMBERS, threshold=total[0] - 1.0)
    assert limited.reached is not None
    assert limited.reached.decision == "below"


def test_of_several_classes_the_next_likely_is_wanted_unless_one_is_named() -> None:
    kinds = np.select([NUMBERS["temp"] > 110, NUMBERS["temp"] < 90], ["hot", "cold"], "mild")
    model = RandomForestClassifier(15, max_depth=5, random_state=0).fit(NUMBERS, kinds)
    row = NUMBERS.iloc[0]
    before = dict(zip(model.classes_, model.predict_proba(NUMBERS.iloc[:1])[0], strict=True))
    first, second = sorted(before, key=before.__getitem__, reverse=True)[:2]
    for target, wanted in ((None, second), (first, first)):
        (found,) = ifonly.explain(model, row, NUMBERS, target=target)
        assert found.prediction.decision == first
        assert (found.reached or found.prediction).decision == wanted
    with pytest.raises(InvalidTarget, match="cold, hot, mild"):
        ifonly.explain(model, row, NUMBERS, target="warm")


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"constraints": {"frieze": ["temp"]}}, "constraints: frieze is not a key here"),
        ({"constraints": {"max_changes": "two"}}, "max_changes is 'two'"),
        ({"constraints": {"ranges": {"temp": (90, math.nan)}}}, r"temp\[1\] is nan"),
        ({"policy": {"featurs": {}}}, "policy: has an unknown key 'featurs'"),
        ({"policy": {"features": {"temp": {"weight": -1.5}}}}, "weight: is -1.5, below 0"),
    ],
)
def test_nothing_that_is_said_is_dropped_unread(given: dict[str, Any], told: str) -> None:
    for ask in (ifonly.explain, ifonly.menu):
        with pytest.raises(InvalidPolicy, match=told):
            ask(lambda rows: rows["temp"] / 200, NUMBERS.iloc[0], NUMBERS, **given)


def test_numbers_of_numpy_are_numbers() -> None:
    found = ifonly.explain(
        lambda rows: rows["temp"] / 200,
        {"temp": 110.0, "pressure": 5.0, "count": 3},
        NUMBERS,
        constraints={"max_changes": np.int64(1), "ranges": {"temp": (np.float64(80), 99.5)}},
    )
    assert found[0].changes[0].after == 99.5


def test_what_is_not_fitted_is_told() -> None:
    for unfitted in (RandomForestClassifier(), xgboost.XGBRegressor(), lightgbm.LGBMClassifier()):
        with pytest.raises(DataError, match=f"{type(unfitted).__name__} that is not fitted"):
            ifonly.explain(unfitted, NUMBERS.iloc[0], NUMBERS)


def test_policy_and_constraints_are_kept() -> None:
    model = LogisticRegression().fit(NUMBERS, HOT)
    row = NUMBERS.iloc[0]
    policy = {"features": {"temp": {"actionable": False}}}
    (found,) = ifonly.explain(model, row, NUMBERS, policy, constraints={"freeze": ["count"]})
    assert {change.feature for change in found.changes} <= {"pressure"}
    sure = {"target": {"probability": {"min": 0.9}}}
    (surer,) = ifonly.explain(model, row, NUMBERS, sure)
    assert surer.reached is not None
    assert surer.reached.scores[str(surer.reached.decision)] >= 0.9
    with pytest.raises(InvalidPolicy, match="torque"):
        ifonly.explain(model, row, NUMBERS, {"features": {"torque": {}}})


def test_a_folder_answers_as_the_service_does() -> None:
    model = prepare(load_folder(FOLDER))
    example = model.deployed.examples[0]
    reply = in_process.explain(model, {"instance": example.instance}, Settings())
    found = ifonly.explain(FOLDER, pd.Series(example.instance).iloc[::-1], language="ko")[0]
    best = reply["counterfactuals"][0]
    set_ = [c for c in found.changes if not c.follows]
    assert [(c.feature, c.after) for c in set_] == [
        (a["feature"], a["to"]) for a in best["actions"]
    ]
    follows = {c.feature for c in found.changes if c.follows}
    assert follows == {effect["feature"] for effect in best["effects"]}
    assert follows
    assert found.status == reply["status"]
    assert found.sentence in reply["text"]["ko"] or found.sentence == reply["text"]["ko"]
    with pytest.raises(InvalidInstance, match="outside"):
        ifonly.explain(FOLDER, {**example.instance, "torque": 6270.0})
    with pytest.raises(TypeError, match="constraints"):
        ifonly.explain(FOLDER, example.instance, NUMBERS)
    met = ifonly.explain(FOLDER, example.instance, target=found.prediction.decision)[0]
    assert met.status == "already_target"


def test_answers_are_shown_and_taken_apart() -> None:
    forged = "<script>alert('x')</script>"
    data = NUMBERS.rename(columns={"temp": forged})
    answers = ifonly.explain(LogisticRegression().fit(data, HOT), data.iloc[:25], data)
    for shown in (answers._repr_html_(), answers[0]._repr_html_()):
        assert "<script" not in shown
        xml.fromstring(shown)  # well formed, drawings and all
        assert "<svg" in shown
        assert "<table" in shown
        assert "proven to be the smallest" in shown
    assert "… 25" in answers._repr_html_()
    table = answers.to_pandas()
    assert len(table) == 25
    assert table["status"].tolist() == [each.status for each in answers]
    assert table["count"].tolist() == [(each.counterfactual or {})["count"] for each in answers]
    changes = answers[0].to_pandas()
    assert changes["after"].tolist() == [c.after for c in answers[0].changes]
    assert json.loads(json.dumps(answers.to_dict()))["explanations"][0] == answers[0].to_dict()
    assert len(answers[1:3]) == 2
    assert len(ifonly.explain(lambda rows: rows["count"] > 3.0, NUMBERS.iloc[:0], NUMBERS)) == 0


def test_progress_is_shown_where_tqdm_is(monkeypatch: pytest.MonkeyPatch) -> None:
    counted: list[int] = []

    class Bar(contextlib.nullcontext[Any]):
        def __init__(self, total: int, unit: str) -> None:
            super().__init__(self)
            assert (total, unit) == (3, "row")

        def update(self, done: int) -> None:
            counted.append(len(counted) * done)

    monkeypatch.setattr(tqdm.auto, "tqdm", Bar)
    model = LogisticRegression().fit(NUMBERS, HOT)
    ifonly.explain(model, NUMBERS.iloc[:3], NUMBERS, progress=True)
    assert counted == [0, 1, 2]
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    assert len(ifonly.explain(model, NUMBERS.iloc[:3], NUMBERS, progress=True)) == 3


def test_importing_it_imports_next_to_nothing() -> None:
    code = "import __future__, sys, importlib, typing; before = set(sys.modules); import ifonly; "
    code += "print(sorted(set(sys.modules) - before), dir(ifonly))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.startswith("['ifonly'] "), done
    assert "'explain'" in done.stdout
    assert (ROOT / "ifonly/py.typed").exists()
    for name in ifonly.__all__:
        assert getattr(ifonly, name).__module__.startswith("ifonly.")
    with pytest.raises(AttributeError, match="nosuch"):
        getattr(ifonly, "nosuch")  # noqa: B009
