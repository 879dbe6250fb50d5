"""``ifonly models add``: graphs as they are found, each with a table of rows and nothing else."""

from __future__ import annotations

import json
import os
import pickle
import pty
import signal
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pandas as pd
import pytest
from lightgbm import LGBMClassifier
from onnx import TensorProto, helper, numpy_helper
from skl2onnx import convert_sklearn, to_onnx
from skl2onnx.common.data_types import (
    DoubleTensorType,
    FloatTensorType,
    Int64TensorType,
    StringTensorType,
)
from sklearn.cluster import KMeans
from sklearn.compose import make_column_transformer
from sklearn.discriminant_analysis import (
    LinearDiscriminantAnalysis,
    QuadraticDiscriminantAnalysis,
)
from sklearn.ensemble import (
    AdaBoostClassifier,
    GradientBoostingClassifier,
    IsolationForest,
    RandomForestClassifier,
)
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler
from sklearn.svm import SVC, LinearSVC
from xgboost import XGBClassifier

from ifonly.models.onnx.export import export_onnx
from ifonly.models.quality import ModelQuality, NotMeasured
from ifonly.models.repository import Repository, load_folder
from tests.integration.shop import added, features

ROOT = Path(__file__).resolve().parents[2]
RNG = np.random.default_rng(0)
N = 200
TABLE = pd.DataFrame(
    {
        "oil_temp_c": RNG.normal(100.0, 15.0, N).round(1),
        "Torque [Nm]": RNG.uniform(0.0, 10.0, N).round(2),
        "count": RNG.integers(0, 50, N),
    }
)
HOT = ((TABLE["oil_temp_c"] > 105) & (TABLE["Torque [Nm]"] > 4)).astype(int)
FOREST = RandomForestClassifier(10, max_depth=3, random_state=0).fit(TABLE.values, HOT)
OPSET = {"": 15, "ai.onnx.ml": 3}
MATRIX = [("X", FloatTensorType([None, 3]))]


def of(estimator: Any, tensors: Any = MATRIX, **options: Any) -> onnx.ModelProto:
    model: onnx.ModelProto = convert_sklearn(
        estimator, initial_types=tensors, target_opset=OPSET, options=options or None
    )
    return model


def test_a_forest_with_a_zipmap_is_registered_explained_and_its_guesses_marked(shop):
    labelled = TABLE.assign(failure=FOREST.predict(TABLE.values))
    told = added(shop.add(of(FOREST), labelled, "--label", "failure"))
    spec = shop.spec()
    assert spec["task"] == "binary"
    assert spec["decision"]["classes"] == ["0", "1"]
    assert spec["decision"]["desired"] == "0"
    found = features(spec)
    assert found["oil_temp_c"]["unit"] == "°C"
    assert found["oil_temp_c"]["resolution"] == 0.1
    assert found["Torque [Nm]"]["unit"] == "Nm"
    assert found["Torque [Nm]"]["label"] == {"en": "Torque"}
    assert found["count"]["kind"] == "integer"
    assert 'unit = "Nm"  # guessed: the name says so' in shop.text()
    assert "# guessed: what people want" in shop.text()
    assert f"labels: {N} of {N} rows of the sample are labelled as the model decides" in told
    assert "rows beside thresholds" in told
    assert "translated whole" in told
    assert "optimal" in told
    model = load_folder(shop.models / "m" / "1")
    assert model.reference is not None
    assert len(model.reference) == N
    assert shop.left == ["m"]


def quarters(*, is_clipped: bool) -> onnx.ModelProto:
    """A label and two scores of a number of quarters, each of which is exact."""
    clip = (
        "one = Constant<value = float {1.0}>()\n  p = Min(r, one)"
        if is_clipped
        else "p = Identity(r)"
    )
    return onnx.parser.parse_model(
        '<ir_version: 8, opset_import: ["": 15]>\n'
        "g (float[n,1] x) => (int64[n] label, float[n,2] scores) {\n"
        "  quarter = Constant<value = float {0.25}>()\n  all = Constant<value = float {1.0}>()\n"
        f"  r = Mul(x, quarter)\n  {clip}\n  q = Sub(all, p)\n  scores = Concat<axis=1>(q, p)\n"
        "  label = ArgMax<axis=1, keepdims=0>(scores)\n}"
    )


QUARTERS = pd.DataFrame({"x": [0.0, 1.0, 2.0, 3.0, 4.0]})


def test_labels_are_met_also_where_a_score_is_exactly_one_half(shop):
    # The graph gives a tie to the first class, a threshold of 0.5 to the second.
    added(shop.add(quarters(is_clipped=True), QUARTERS))
    threshold = shop.spec()["decision"]["threshold"]
    assert threshold == float(np.nextafter(np.float32(0.5), np.float32(1)))


def test_scores_that_are_probabilities_in_the_sample_alone_are_none(shop):
    added(shop.add(quarters(is_clipped=False), QUARTERS))
    assert shop.spec()["task"] == "multiclass"


def test_one_input_a_column_of_texts_whole_numbers_and_floats(shop):
    table = TABLE.rename(columns={"Torque [Nm]": "torque_nm"}).assign(
        grade=RNG.choice(["L", "M", "H"], N)
    )
    bad = HOT | ((table["grade"] == "L") & (table["count"] > 30))
    columns = make_column_transformer(
        (OneHotEncoder(), ["grade"]), (StandardScaler(), ["oil_temp_c", "torque_nm", "count"])
    )
    model = make_pipeline(columns, LogisticRegression()).fit(table, bad)
    tensors = [
        ("oil_temp_c", FloatTensorType([None, 1])),
        ("torque_nm", FloatTensorType([None, 1])),
        ("count", Int64TensorType([None, 1])),
        ("grade", StringTensorType([None, 1])),
    ]
    told = added(
        shop.add(of(model, tensors), table.assign(said=model.predict(table)), "--label", "said")
    )
    found = features(shop.spec())
    assert found["grade"]["encoding"] == "string"
    assert sorted(found["grade"]["categories"]) == ["H", "L", "M"]
    assert found["count"]["kind"] == "integer"
    assert "labelled as the model decides" in told


@pytest.mark.parametrize(
    "tensors",
    [
        [("X", DoubleTensorType([None, 3]))],
        [("X", FloatTensorType([None, None]))],
        [("X", FloatTensorType([1, 3]))],
        [("X", FloatTensorType([3, 3]))],
    ],
    ids=["float64", "open", "batch of 1", "batch of 3"],
)
def test_inputs_of_any_declared_shape(shop, tensors):
    model = LogisticRegression(max_iter=1000).fit(TABLE.values, HOT)
    told = added(shop.add(of(model, tensors), TABLE))
    assert shop.spec()["task"] == "binary"
    assert "a first row:" in told


@pytest.mark.parametrize("names", [(-1, 1), ("fine", "failure")])
def test_labels_of_any_name(shop, names):
    said = np.array(names)[HOT]
    model = GradientBoostingClassifier(n_estimators=10, random_state=0).fit(TABLE.values, said)
    added(shop.add(of(model), TABLE.assign(y=model.predict(TABLE.values)), "--label", "y"))
    decision = shop.spec()["decision"]
    assert decision["classes"] == sorted(
        map(str, names), key=lambda n: n if n[0] == "f" else int(n)
    )
    assert decision["desired"] == str(names[0])


@pytest.mark.parametrize(("said", "held_out"), [((), None), (("--held-out",), True)])
def test_labels_are_kept_to_say_how_good_it_is(shop, said, held_out):
    # Sorted by what happened: rows are kept from all of the file.
    happened = TABLE.assign(y=HOT).sort_values("y")
    added(shop.add(of(FOREST), happened, "--label", "y", *said))
    deployed = load_folder(shop.models / "m/1")
    found = deployed.quality
    assert isinstance(found, ModelQuality)
    assert (found.sample.held_out, len(found.sample.labels)) == (held_out, N)
    assert found.recall.of == int(np.sum(HOT))
    parity = json.loads((shop.models / "m/1/parity.json").read_text())
    assert parity["validation"] == {"sha256": found.sample.sha256, "held_out": held_out}


def test_without_labels_nothing_is_said_of_how_good_it_is(shop):
    added(shop.add(of(FOREST), TABLE))
    assert not (shop.models / "m/1/validation.csv").exists()
    assert load_folder(shop.models / "m/1").quality is NotMeasured.NO_LABELS


def test_a_score_that_is_no_probability_is_a_limit_that_meets_the_label(shop):
    model = LinearSVC().fit(TABLE.values, HOT)
    added(shop.add(of(model), TABLE))
    spec = shop.spec()
    assert spec["task"] == "regression"
    assert spec["decision"]["classes"] == ["0", "1"]


KINDS = [
    SVC(), KNeighborsClassifier(), GaussianNB(), LinearDiscriminantAnalysis(),
    QuadraticDiscriminantAnalysis(), AdaBoostClassifier(n_estimators=4),
]  # fmt: skip


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("model", KINDS, ids=lambda model: type(model).__name__)
def test_classifiers_as_their_converter_writes_them_by_default(shop, model):
    # SVC's label is the smaller of its two margins, QuadraticDiscriminantAnalysis has a label of
    # shape [1, rows].
    model.fit(TABLE.values.astype(np.float32), HOT)
    graph = to_onnx(model, TABLE.values[:1].astype(np.float32), target_opset=OPSET)
    said = TABLE.assign(y=model.predict(TABLE.values.astype(np.float32)))
    told = added(shop.add(graph, said, "--label", "y"))
    assert "parity: the graph's own label is what the folder decides" in told
    assert f"labels: {N} of {N}" in told
    assert "a first row:" in told


def risk() -> onnx.ModelProto:
    """From 1 to 99, of which the graph's label says whether it is 45 or more."""
    return onnx.parser.parse_model(
        '<ir_version: 8, opset_import: ["": 15]>\n'
        "g (float[n,1] x) => (int64[n,1] label, float[n,1] risk) {\n"
        "  low = Constant<value = float {1.0}>()\n  high = Constant<value = float {99.0}>()\n"
        "  limit = Constant<value = float {45.0}>()\n  risk = Clip(x, low, high)\n"
        "  alarm = GreaterOrEqual(risk, limit)\n  label = Cast<to = 7>(alarm)\n}"
    )


def test_a_score_from_1_to_99_has_a_limit_that_is_marked(shop):
    added(shop.add(risk(), pd.DataFrame({"x": np.arange(0.0, 120.0, 4.0) + 0.5})))
    decision = shop.spec()["decision"]
    assert shop.spec()["task"] == "regression"
    assert 44.5 < decision["threshold"] <= 48.5
    assert "# guessed: between labels of the sample" in shop.text()


def test_distances_of_which_the_smallest_decides_are_refused(shop):
    model = KMeans(3, n_init=1, random_state=0).fit(TABLE.values.astype(np.float32))
    graph = to_onnx(model, TABLE.values[:1].astype(np.float32), target_opset=OPSET)
    found = shop.add(graph, TABLE)
    assert found.code == 1
    assert "the graph's label is not its largest score in" in found.err
    assert shop.left == []


def test_an_anomaly_score_is_worse_the_lower_it_is(shop):
    model = IsolationForest(n_estimators=10, random_state=0).fit(TABLE.values)
    graph = to_onnx(model, TABLE.values[:1].astype(np.float32), target_opset=OPSET)
    added(shop.add(graph, TABLE))
    decision = shop.spec()["decision"]
    assert decision["classes"] == ["-1", "1"]
    assert decision["positive"] == decision["desired"] == "1"


def test_several_classes(shop):
    grade = HOT + (TABLE["count"] > 25)
    model = RandomForestClassifier(5, max_depth=3, random_state=0).fit(TABLE.values, grade)
    added(shop.add(of(model, zipmap=False), TABLE))
    assert shop.spec()["task"] == "multiclass"
    assert shop.spec()["decision"]["classes"] == ["0", "1", "2"]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_network_without_a_label_output(shop):
    model = MLPClassifier((8,), max_iter=50, random_state=0).fit(TABLE.values / 100, HOT)
    graph = of(model, zipmap=False)
    graph.graph.output.remove(graph.graph.output[0])
    added(shop.add(graph, TABLE / 100))
    assert shop.spec()["task"] == "binary"
    assert "threshold = 0.5  # guessed" in shop.text()


def test_a_label_in_place_of_a_score_is_no_probability(shop):
    graph = of(FOREST, zipmap=False)
    graph.graph.output.remove(graph.graph.output[1])
    told = added(shop.add(graph, TABLE))
    assert "a score, which is no probability, of 1, against 0: from 0.5 on" in told
    assert shop.spec()["task"] == "regression"
    assert shop.spec()["decision"]["classes"] == ["0", "1"]
    assert "100 %" not in told


def two_values() -> onnx.ModelProto:
    model = LinearRegression().fit(TABLE.values, TABLE.values[:, :2] @ [[1, 2], [3, 4]])
    graph: onnx.ModelProto = to_onnx(model, TABLE.values[:1].astype(np.float32), target_opset=OPSET)
    return graph


def test_of_two_regression_outputs_one_is_chosen(shop):
    graph = two_values()
    found = shop.add(graph, TABLE, yes=False)
    assert found.code == 1
    assert "column: " in found.err
    assert shop.left == []
    added(shop.add(graph, TABLE, "--answer", "column=1", "--answer", "limit=<=200", yes=False))
    spec = shop.spec()
    assert spec["task"] == "regression"
    assert spec["output"]["column"] == 1
    assert spec["decision"]["desired"] == "below"
    assert spec["decision"]["threshold"] == np.nextafter(200.0, 300.0)


def leaves() -> onnx.ModelProto:
    """Two values and two whole numbers a row, which are no label: each an output of its own."""
    ends = [
        helper.make_tensor_value_info(name, kind, [None, width])
        for name, kind, width in (
            ("early", TensorProto.FLOAT, 1), ("late", TensorProto.FLOAT, 1),
            ("leaves", TensorProto.INT64, 2),
        )
    ]  # fmt: skip
    nodes = [
        helper.make_node("Split", ["x", "widths"], ["early", "late", "rest"], axis=1),
        helper.make_node("Concat", ["early", "rest"], ["both"], axis=1),
        helper.make_node("Cast", ["both"], ["leaves"], to=TensorProto.INT64),
    ]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 3])
    widths = numpy_helper.from_array(np.array([1, 1, 1], np.int64), "widths")
    return helper.make_model(
        helper.make_graph(nodes, "g", [x], ends, [widths]),
        opset_imports=[helper.make_opsetid("", 15)], ir_version=8,
    )  # fmt: skip


def test_of_several_outputs_the_score_is_asked(shop):
    found = shop.add(leaves(), TABLE, yes=False)
    assert found.code == 1
    assert "output: which output is the score? (early | late) Guess: early" in found.err
    added(shop.add(leaves(), TABLE, "--answer", "output=late"))
    assert shop.spec()["output"] == {"name": "late"}
    wrong = shop.add(leaves(), TABLE, "--answer", "output=leaves")
    assert wrong.code == 1
    assert "output is 'leaves', not early | late" in wrong.err


def test_who_is_there_is_asked(shop):
    (shop.path / "m.onnx").write_bytes(of(FOREST).SerializeToString())
    TABLE.to_csv(shop.path / "rows.csv", index=False)
    ours, theirs = pty.openpty()
    # What is no choice is asked again.
    os.write(ours, b"perhaps\n1\n")
    ended = subprocess.run(
        [sys.executable, "-m", "ifonly", "models", "add", str(shop.path / "m.onnx"), "--data",
         str(shop.path / "rows.csv"), "--models", str(shop.models)],
        cwd=ROOT, check=False, capture_output=True, stdin=theirs, text=True,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    assert "not one of 0, 1" in ended.stderr
    assert shop.spec()["decision"]["desired"] == "1"


def test_a_value_without_a_limit_is_explained_all_the_same(shop):
    told = added(shop.add(two_values(), TABLE, "--answer", "column=0"))
    assert "decision" not in shop.spec()
    assert "a first row:" in told


def test_columns_of_which_one_is_1_are_one_feature(shop):
    grades = RNG.choice(["L", "M", "H"], N)
    hot = pd.get_dummies(pd.Series(grades), prefix="grade").astype(int)
    table = pd.concat([TABLE, hot], axis=1)
    bad = HOT | ((grades == "L") & (table["count"] > 30))
    model = RandomForestClassifier(8, max_depth=4, random_state=0).fit(table.values, bad)
    added(
        shop.add(
            of(model, [("X", FloatTensorType([None, 6]))]),
            table.assign(y=model.predict(table.values)),
            "--label",
            "y",
        )
    )
    grade = features(shop.spec())["grade"]
    assert grade["encoding"] == "one-hot"
    assert grade["categories"] == ["H", "L", "M"]
    line = (shop.models / "m/1/reference.csv").read_text().splitlines()[1].split(",")
    assert line[-1] == grades[0]


def test_texts_that_the_graph_takes_as_codes_are_asked(shop):
    table = TABLE.assign(grade=RNG.choice(["low", "mid", "high"], N))
    coder = OrdinalEncoder(categories=[["low", "mid", "high"]])
    codes = coder.fit_transform(table[["grade"]])[:, 0]
    model = RandomForestClassifier(8, max_depth=4, random_state=0)
    coded = table.assign(grade=codes).values
    model.fit(coded, (codes == 2) & (HOT == 0))
    labelled = table.assign(y=model.predict(coded).astype(int))
    graph = of(model, [("X", FloatTensorType([None, 4]))])
    found = shop.add(graph, labelled, "--label", "y", yes=False)
    assert found.code == 1
    assert "codes:grade: " in found.err
    told = added(
        shop.add(
            graph,
            labelled,
            "--label",
            "y",
            "--answer",
            "codes:grade=low,mid,high",
            "--answer",
            "desired=0",
            yes=False,
        )
    )
    assert features(shop.spec())["grade"]["categories"] == ["low", "mid", "high"]
    assert f"labels: {N} of {N}" in told


def test_400_inputs(shop):
    wide = pd.DataFrame(RNG.normal(size=(60, 400)).round(2), columns=[f"s{j}" for j in range(400)])
    weights = RNG.normal(size=(400, 1)).astype(np.float32)
    graph = helper.make_model(
        helper.make_graph(
            [
                helper.make_node("MatMul", ["x", "w"], ["z"]),
                helper.make_node("Sigmoid", ["z"], ["probability"]),
            ],
            "g",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 400])],
            [helper.make_tensor_value_info("probability", TensorProto.FLOAT, [None, 1])],
            [numpy_helper.from_array(weights, "w")],
        ),
        opset_imports=[helper.make_opsetid("", 15)],
        ir_version=8,
    )
    told = added(shop.add(graph, wide))
    assert len(shop.spec()["features"]) == 400
    assert "a first row:" in told
    assert told.count("numbers") < 40


def test_missing_values_are_seen_and_a_parquet_file_is_read(shop):
    gaps = TABLE.mask(RNG.uniform(size=TABLE.shape) < 0.1).astype(float)
    model = LGBMClassifier(n_estimators=10, verbose=-1).fit(gaps.values, HOT)
    (shop.path / "m.onnx").write_bytes(export_onnx(model, 3, name="m").SerializeToString())
    gaps.to_parquet(shop.path / "rows.parquet")
    added(shop.run("m.onnx", "rows.parquet", "--yes"))
    assert all(feature["missing"] for feature in shop.spec()["features"])


def boosted(kind: str, folder: Path, table: pd.DataFrame, wanted: Any) -> str:
    """The file that a library writes of a model; columns by their names."""
    if kind in ("json", "ubj"):
        made = XGBClassifier(n_estimators=8, max_depth=3, n_jobs=1).fit(table, wanted)
        made.save_model(folder / f"m.{kind}")
        return f"m.{kind}"
    plain = table.rename(columns={"Torque [Nm]": "torque"})
    LGBMClassifier(n_estimators=8, verbose=-1, n_jobs=1).fit(plain, wanted).booster_.save_model(
        folder / "m.txt"
    )
    return "m.txt"


@pytest.mark.parametrize("kind", ["json", "ubj", "txt"])
def test_a_librarys_own_file_is_converted_and_decides_alike(shop, kind):
    # XGBoost allows no brackets in names, so both read the same ones.
    table = TABLE.rename(columns={"Torque [Nm]": "torque"})
    file = boosted(kind, shop.path, table, HOT)
    # In another order, and with a column that the model does not know.
    table.assign(id=range(N))[["id", "count", "torque", "oil_temp_c"]].to_csv(
        shop.path / "rows.csv", index=False
    )
    told = added(shop.run(file, "rows.csv", "--yes"))
    assert "was converted to ONNX" in told
    assert "translated whole" in told
    assert [f["name"] for f in shop.spec()["features"]] == list(table)
    parity = json.loads((shop.models / "m/1/parity.json").read_text())
    assert parity["label_differences"] == 0
    assert parity["threshold_neighbours"] > 0


@pytest.mark.parametrize("wanted", [HOT, np.where(HOT == 1, "bad", "fine")], ids=["0", "fine"])
def test_a_file_of_catboost_is_converted(shop, wanted):
    catboost = pytest.importorskip("catboost")
    model = catboost.CatBoostClassifier(iterations=5, verbose=0, allow_writing_files=False)
    model.fit(TABLE, wanted).save_model(str(shop.path / "m.cbm"))
    TABLE[TABLE.columns[::-1]].to_csv(shop.path / "rows.csv", index=False)
    assert "translated whole" in added(shop.run("m.cbm", "rows.csv", "--yes"))
    assert shop.spec()["decision"]["desired"] in ("0", "fine")


class Theirs(LogisticRegression):  # type: ignore[misc]
    """A class that is none of scikit-learn's."""


def test_a_pipeline_of_scikit_learn_is_read_from_skops(shop):
    skops = pytest.importorskip("skops.io")
    table = TABLE.rename(columns={"Torque [Nm]": "torque"}).assign(grade=RNG.choice(["L", "M"], N))
    columns = make_column_transformer(
        (OneHotEncoder(), ["grade"]), (StandardScaler(), ["oil_temp_c", "torque", "count"])
    )
    model = make_pipeline(columns, LogisticRegression()).fit(table, HOT)
    skops.dump(model, shop.path / "m.skops")
    table.to_csv(shop.path / "rows.csv", index=False)
    assert "a first row:" in added(shop.run("m.skops", "rows.csv", "--yes"))
    assert features(shop.spec())["grade"]["encoding"] == "string"
    skops.dump(Theirs().fit(TABLE.values, HOT), shop.path / "m.skops")
    found = shop.run("m.skops", "rows.csv", "--yes")
    assert found.code == 1
    assert "Theirs" in found.err


@pytest.mark.parametrize("file", ["m.json", "m.ubj", "m.txt", "m.cbm", "m.skops"])
def test_a_file_that_is_no_model_of_its_library_is_refused(shop, file):
    (shop.path / file).write_bytes(b'{"learner": 1}')
    TABLE.to_csv(shop.path / "rows.csv", index=False)
    found = shop.run(file, "rows.csv", "--yes")
    assert found.code == 1
    assert f"{file} is " in found.err
    assert "Traceback" not in found.err
    assert shop.left == []


def test_versions_are_counted_and_never_replaced(shop):
    graph = of(FOREST)
    added(shop.add(graph, TABLE))
    added(shop.add(graph, TABLE))
    assert sorted(os.listdir(shop.models / "m")) == ["1", "2"]
    found = shop.add(graph, TABLE, "--version", "2")
    assert found.code == 1
    assert "version 2 of m is there already" in found.err


def test_without_a_terminal_questions_are_listed_and_nothing_is_written(shop):
    found = shop.add(of(FOREST), TABLE, yes=False)
    assert found.code == 1
    assert "desired: which decision do people want" in found.err
    assert "(0 | 1) Guess: 0" in found.err
    assert shop.left == []
    added(shop.add(of(FOREST), TABLE, "--answer", "desired=1", yes=False))
    assert shop.spec()["decision"]["desired"] == "1"


def test_an_answer_to_no_question_is_refused(shop):
    found = shop.add(of(FOREST), TABLE, "--answer", "desird=1")
    assert found.code == 1
    assert "desird" in found.err
    assert shop.left == []


def test_labels_of_other_classes_or_columns_are_refused(shop):
    turned = TABLE.assign(y=1 - FOREST.predict(TABLE.values))
    found = shop.add(of(FOREST), turned, "--label", "y")
    assert found.code == 1
    assert "classes or columns are in another order" in found.err
    assert shop.left == []


# --- refused --------------------------------------------------------------------------------


def mapped() -> onnx.ModelProto:
    value = onnx.ValueInfoProto(name="record")
    value.type.map_type.key_type = TensorProto.STRING
    value.type.map_type.value_type.tensor_type.elem_type = TensorProto.FLOAT
    node = helper.make_node(
        "DictVectorizer", ["record"], ["y"], domain="ai.onnx.ml", string_vocabulary=["a", "b"]
    )
    out = helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 2])
    return helper.make_model(helper.make_graph([node], "g", [value], [out]))


def image() -> onnx.ModelProto:
    node = helper.make_node("GlobalAveragePool", ["x"], ["y"])
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 3, 8, 8])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 3, 1, 1])
    return helper.make_model(helper.make_graph([node], "g", [x], [y]))


def unknown() -> onnx.ModelProto:
    graph = of(FOREST)
    graph.graph.node[0].op_type = "Frobnicate"
    return graph


def outside() -> onnx.ModelProto:
    graph = of(LogisticRegression(max_iter=1000).fit(TABLE.values, HOT))
    tensor = numpy_helper.from_array(np.zeros((2, 2), np.float32), "far")
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../etc/passwd")
    graph.graph.initializer.append(tensor)
    return graph


def endless_scores() -> onnx.ModelProto:
    node = helper.make_node("Log", ["x"], ["y"])
    x, y = (helper.make_tensor_value_info(n, TensorProto.FLOAT, [None, 3]) for n in ("x", "y"))
    return helper.make_model(
        helper.make_graph([node], "g", [x], [y]), opset_imports=[helper.make_opsetid("", 15)],
        ir_version=8,
    )  # fmt: skip


def written(body: str, out: str = "float[n,1] y") -> onnx.ModelProto:
    return onnx.parser.parse_model(
        f'<ir_version: 8, opset_import: ["": 15]>\ng (float[n,3] x) => ({out}) {{\n'
        f"  one = Constant<value = float[1] {{1.0}}>()\n  z = ReduceSum<keepdims=1>(x, axes)\n"
        f"  {body}\n}}".replace("z =", "axes = Constant<value = int64[1] {1}>()\n  z =", 1)
    )


EAGER = """shape = Constant<value = int64[3] {8000, 100000, 2}>()
  wide = Expand(one, shape)
  all = ReduceSum<keepdims=0>(wide)
  y = Add(z, all)"""
BESIDE = """mean = ReduceMean<axes=[0], keepdims=1>(z)
  y = Sub(z, mean)"""
BY_CHANCE = """noise = RandomNormalLike(z)
  y = Add(z, noise)"""
REFUSED: dict[str, tuple[Callable[[], onnx.ModelProto | bytes], str]] = {
    "map": (mapped, "input 'record' is a map_type"),
    "image": (image, "has rank 4: images"),
    "unknown operator": (unknown, "knows no operator 'Frobnicate'"),
    "truncated": (lambda: of(FOREST).SerializeToString()[:-100], "is cut short"),
    "outside": (outside, "which is no file in the model's folder"),
    "empty": (lambda: b"", "is not an ONNX model"),
    "pickled": (lambda: pickle.dumps({"model": 1}), "runs code of the file"),
    "no number": (endless_scores, "a score is a finite number"),
    "memory": (lambda: written(EAGER), "Failed to allocate memory"),
    "rows beside": (lambda: written(BESIDE), "depends on the rows beside it"),
    "chance": (lambda: written(BY_CHANCE), "depends on the rows beside it"),
    "texts": (lambda: written("y = Cast<to=8>(z)", "string[n,1] y"), "holds scores"),
    "sequence": (lambda: written("y = SequenceConstruct(z)", "seq(float[n,1]) y"), "holds scores"),
    "one for all": (lambda: written("y = ReduceMean<keepdims=1>(z)"), "is not one line a row"),
    "archive": (lambda: b"PK\3\4" + b"\0" * 99, "m.onnx is an archive"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_served_is_refused_by_name_and_leaves_nothing(shop, case):
    graph, reason = REFUSED[case]
    table = TABLE.assign(count=0 if case == "no number" else TABLE["count"])
    found = shop.add(graph(), table)
    assert found.code == 1
    assert reason in found.err
    assert "Traceback" not in found.err
    assert shop.left == []


@pytest.mark.parametrize("suffix", [".pkl", ".joblib", ".pt"])
def test_what_would_have_to_be_unpickled_is_refused_unread(shop, suffix):
    (shop.path / f"m{suffix}").write_bytes(pickle.dumps({"model": 1}))
    TABLE.to_csv(shop.path / "rows.csv", index=False)
    found = shop.run(f"m{suffix}", "rows.csv", "--yes")
    assert found.code == 1
    assert "runs code of the file" in found.err


@pytest.mark.parametrize("file", ["m.onnx", "m.ubj", "m.joblib"])
def test_a_file_of_2_gb_is_refused_unread(shop, file):
    with (shop.path / file).open("wb") as sparse:
        sparse.truncate(2 << 30)
    TABLE.to_csv(shop.path / "rows.csv", index=False)
    found = shop.run(file, "rows.csv", "--yes")
    assert found.code == 1
    assert f"{file} is longer than 1,073,741,824 bytes" in found.err


def test_weights_beside_the_file_that_are_far_too_long_are_not_read(shop):
    graph = of(LogisticRegression(max_iter=1000).fit(TABLE.values, HOT))
    tensor = TensorProto(name="far", dims=[2], data_type=TensorProto.FLOAT)
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="w.bin")
    graph.graph.initializer.append(tensor)
    with (shop.path / "w.bin").open("wb") as sparse:
        sparse.truncate(40 << 30)
    found = shop.add(graph, TABLE)
    assert found.code == 1
    assert "'w.bin', which is longer than" in found.err


@pytest.mark.parametrize("suffix", [".onnx", ".ubj", ".txt", ".cbm", ".skops", ".joblib"])
def test_a_pointer_of_git_lfs_is_no_model_of_any_library(shop, suffix):
    (shop.path / f"m{suffix}").write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    TABLE.to_csv(shop.path / "rows.csv", index=False)
    found = shop.run(f"m{suffix}", "rows.csv", "--yes", "--trust")
    assert found.code == 1
    assert f"m{suffix} is a Git LFS pointer" in found.err


def test_an_archive_that_is_far_longer_than_it_looks_or_leads_out_of_its_folder(shop):
    pytest.importorskip("skops.io")
    TABLE.to_csv(shop.path / "rows.csv", index=False)
    deflated = zipfile.ZipFile(shop.path / "m.skops", "w", zipfile.ZIP_DEFLATED, compresslevel=1)
    with deflated as bomb, bomb.open("schema.json", "w", force_zip64=True) as file:
        for _ in range(5 << 10):
            file.write(b" " * (1 << 20))
    assert "m.skops needs more memory" in shop.run("m.skops", "rows.csv", "--yes").err
    with zipfile.ZipFile(shop.path / "m.skops", "w") as outside:
        outside.writestr("../left", "x")
        outside.writestr("schema.json", "{}")
    assert "m.skops is no model of" in shop.run("m.skops", "rows.csv", "--yes").err
    assert sorted(os.listdir(shop.path)) == ["m.skops", "models", "rows.csv"]
    assert not (shop.path.parent / "left").exists()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty"),
        (b"a,b,c\n", "has no rows"),
        (b"a,b,c\n1,2\n", "rows.csv, line 2: has 2 cells, the header 3"),
        (b"a,b,a\n1,2,3\n", "of the same name"),
        (b"a,b,c\n1,2,inf\n3,4,5\n", "c holds an infinite number"),
        (b"a,b,c\n1,2,\n3,4,\n", "c is missing in every row"),
        (b"\xff\xfe\x00\x01", "is not CSV text in UTF-8"),
    ],
)
def test_a_sample_that_is_none_is_refused(shop, content, reason):
    (shop.path / "m.onnx").write_bytes(of(FOREST).SerializeToString())
    (shop.path / "rows.csv").write_bytes(content)
    found = shop.run("m.onnx", "rows.csv", "--yes")
    assert found.code == 1
    assert reason in found.err
    assert shop.left == []


def test_names_of_any_letters_and_columns_that_never_change(shop):
    odd = 'a"b\\c # \U0001d54f'
    table = TABLE.rename(columns={"oil_temp_c": odd, "Torque [Nm]": "토크 [Nm]"}).assign(count=7)
    added(shop.add(of(FOREST), table))
    found = features(shop.spec())
    assert list(found) == [odd, "토크 [Nm]", "count"]
    assert "bounds" not in found["count"]
    assert shop.spec()["policy"]["features"]["count"] == {"actionable": False}


def test_a_sample_of_other_columns_is_refused(shop):
    found = shop.add(of(FOREST), TABLE.assign(id=range(N)))
    assert found.code == 1
    assert "--columns" in found.err
    read = ",".join(map(str, TABLE))
    added(shop.add(of(FOREST), TABLE.assign(id=range(N)), "--columns", read))


@pytest.mark.parametrize("step", ["load_folder", "uploads.os.rename"])
def test_what_fails_on_the_way_leaves_nothing(shop, monkeypatch, step):
    def ended(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(f"ifonly.service.doors.cli.models_add.{step}", ended)
    found = shop.add(of(FOREST), TABLE)
    assert found.code != 0
    assert shop.left == []


KILLED = """
import os, signal, sys
from ifonly.service.doors.cli import main, models_add

models_add.load_folder = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
main()
"""


def test_who_is_killed_on_the_way_leaves_nothing_that_is_served(shop):
    (shop.path / "m.onnx").write_bytes(of(FOREST).SerializeToString())
    TABLE.to_csv(shop.path / "rows.csv", index=False)
    ended = subprocess.run(
        [sys.executable, "-c", KILLED, "models", "add", str(shop.path / "m.onnx"), "--data",
         str(shop.path / "rows.csv"), "--models", str(shop.models), "--yes"],
        cwd=ROOT, check=False, capture_output=True,
    )  # fmt: skip
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    assert all(name.startswith(".") for name in shop.left)
    added(shop.add(of(FOREST), TABLE))
    assert list(Repository(shop.models).load().loaded) == ["m/1"]


def test_what_was_added_is_served_as_any_other_folder(shop, capfd):
    added(shop.add(of(FOREST), TABLE))
    listed = shop.command("models", "--models", str(shop.models), "--json")
    assert json.loads(listed.out)["models"][0]["name"] == "m"
