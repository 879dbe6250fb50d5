"""Real models, exported by the tools people use, score as the models they came from."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import cache

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper

from ifonly.models.errors import GraphError
from ifonly.models.onnx import load_plausibility, load_predictor
from ifonly.models.onnx.predictor import CHUNK, in_sessions
from tests.unit.models.graphs import (
    BINARY,
    REGRESSION,
    THREE,
    data,
    echo_graph,
    graph_of,
    number,
    quality,
    spec_of,
    sum_graph,
    three_numbers,
    value,
    whole,
)

pd = pytest.importorskip("pandas")
pytest.importorskip("skl2onnx")
onnxmltools = pytest.importorskip("onnxmltools")
xgboost = pytest.importorskip("xgboost")

from onnxmltools.convert.common.data_types import FloatTensorType as Floats  # noqa: E402
from skl2onnx import convert_sklearn, to_onnx  # noqa: E402
from skl2onnx.common.data_types import FloatTensorType, StringTensorType  # noqa: E402
from sklearn.compose import ColumnTransformer  # noqa: E402
from sklearn.ensemble import IsolationForest, RandomForestClassifier  # noqa: E402
from sklearn.linear_model import LinearRegression, LogisticRegression  # noqa: E402
from sklearn.neural_network import MLPClassifier  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import OneHotEncoder, StandardScaler  # noqa: E402

ROWS = data()
FLIPS = (ROWS[:, 0] + ROWS[:, 1] * ROWS[:, 2] > 0).astype(int)
LEVEL = np.digitize(ROWS[:, 0], [-1.5, 1.5])
NAMES = np.array(["low", "middle", "high"])
OPSET = {"": 17, "ai.onnx.ml": 3}


def load(model, spec, **more):
    return load_predictor(model.SerializeToString(), spec, **more)


@cache
def xgb(n_trees: int = 40):
    model = xgboost.XGBClassifier(n_estimators=n_trees, max_depth=4, random_state=0)
    model.fit(ROWS, FLIPS)
    return model, onnxmltools.convert_xgboost(model, initial_types=[("x", Floats([None, 3]))])


@cache
def forest():
    model = RandomForestClassifier(n_estimators=20, max_depth=5, random_state=0).fit(
        ROWS, NAMES[LEVEL]
    )
    return model, to_onnx(model, ROWS[:1].astype(np.float32), target_opset=OPSET)


# --- parity with the model it came from -----------------------------------------------------


def test_an_xgboost_classifier_scores_as_the_booster():
    native, graph = xgb()
    scores = load(graph, three_numbers()).score(ROWS)
    assert scores.shape == (len(ROWS), 1)
    assert scores.dtype == np.float64
    np.testing.assert_allclose(scores[:, 0], native.predict_proba(ROWS)[:, 1], atol=1e-6)
    decided = three_numbers().decision.decide(scores)
    np.testing.assert_array_equal(decided, native.predict(ROWS))


def test_a_positive_class_named_first_is_column_0():
    native, graph = xgb()
    spec = three_numbers(BINARY + 'positive = "normal"\n')
    scores = load(graph, spec).score(ROWS)
    np.testing.assert_allclose(scores[:, 0], native.predict_proba(ROWS)[:, 0], atol=1e-6)


def test_the_spec_may_name_the_column():
    native, graph = xgb()
    spec = three_numbers("output = {column = 0}\n" + BINARY)
    scores = load(graph, spec).score(ROWS)
    np.testing.assert_allclose(scores[:, 0], native.predict_proba(ROWS)[:, 0], atol=1e-6)


def test_an_xgboost_regressor_scores_as_the_booster():
    native = xgboost.XGBRegressor(n_estimators=20, max_depth=3).fit(ROWS, ROWS @ [1.0, 2.0, 3.0])
    graph = onnxmltools.convert_xgboost(native, initial_types=[("x", Floats([None, 3]))])
    scores = load(graph, three_numbers(REGRESSION)).score(ROWS)
    np.testing.assert_allclose(scores[:, 0], native.predict(ROWS), rtol=1e-5, atol=1e-5)


def test_an_xgboost_multiclass_model_scores_every_class():
    native = xgboost.XGBClassifier(n_estimators=10, max_depth=3).fit(ROWS, LEVEL)
    graph = onnxmltools.convert_xgboost(native, initial_types=[("x", Floats([None, 3]))])
    spec = three_numbers(THREE)
    scores = load(graph, spec).score(ROWS)
    np.testing.assert_allclose(scores, native.predict_proba(ROWS), atol=1e-6)
    np.testing.assert_array_equal(spec.decision.decide(scores), native.predict(ROWS))


def test_missing_readings_reach_the_trees_as_nan():
    rows = ROWS.copy()
    rows[::3, 1] = np.nan
    native = xgboost.XGBClassifier(n_estimators=20, max_depth=4).fit(rows, FLIPS)
    graph = onnxmltools.convert_xgboost(native, initial_types=[("x", Floats([None, 3]))])
    spec = spec_of(BINARY, number("a"), number("b", "missing = true"), number("c"))
    scores = load(graph, spec).score(rows)
    np.testing.assert_allclose(scores[:, 0], native.predict_proba(rows)[:, 1], atol=1e-6)


def test_float64_inputs_keep_every_digit():
    native = LogisticRegression().fit(ROWS, FLIPS)
    graph = to_onnx(native, ROWS[:1], options={"zipmap": False}, target_opset=OPSET)
    assert graph.graph.input[0].type.tensor_type.elem_type == TensorProto.DOUBLE
    scores = load(graph, three_numbers()).score(ROWS)
    np.testing.assert_allclose(scores[:, 0], native.predict_proba(ROWS)[:, 1], rtol=1e-12)


def test_int64_inputs_score_as_the_model():
    rows = np.rint(ROWS)
    native = LogisticRegression().fit(rows, FLIPS)
    graph = to_onnx(
        native, rows[:1].astype(np.int64), options={"zipmap": False}, target_opset=OPSET
    )
    spec = spec_of(BINARY, whole("a"), whole("b"), whole("c"))
    scores = load(graph, spec).score(rows)
    np.testing.assert_allclose(scores[:, 0], native.predict_proba(rows)[:, 1], atol=1e-6)


def test_a_linear_regression_scores_as_the_model():
    native = LinearRegression().fit(ROWS, ROWS @ [1.0, -2.0, 0.5] + 3)
    scores = load(to_onnx(native, ROWS[:1]), three_numbers(REGRESSION)).score(ROWS)
    np.testing.assert_allclose(scores[:, 0], native.predict(ROWS), rtol=1e-12)


def test_a_neural_network_scores_as_the_model():
    native = MLPClassifier((8, 8), max_iter=300, random_state=0, tol=1e-2).fit(ROWS, FLIPS)
    graph = to_onnx(native, ROWS[:1], options={"zipmap": False}, target_opset=OPSET)
    scores = load(graph, three_numbers()).score(ROWS)
    np.testing.assert_allclose(scores[:, 0], native.predict_proba(ROWS)[:, 1], atol=1e-9)


@cache
def pipeline():
    names = np.array(["L", "M", "H"])[LEVEL]
    frame = pd.DataFrame({"torque": ROWS[:, 0], "wear": ROWS[:, 1], "quality": names})
    columns = ColumnTransformer(
        [("n", StandardScaler(), ["torque", "wear"]), ("c", OneHotEncoder(), ["quality"])]
    )
    native = make_pipeline(columns, LogisticRegression()).fit(frame, FLIPS)
    types = [
        ("torque", FloatTensorType([None, 1])),
        ("wear", FloatTensorType([None, 1])),
        ("quality", StringTensorType([None, 1])),
    ]
    return native, frame, convert_sklearn(native, initial_types=types, target_opset=17)


def test_a_pipeline_with_an_input_a_column_and_texts_scores_as_the_model():
    native, frame, graph = pipeline()
    spec = spec_of(BINARY, number("torque"), number("wear"), quality('encoding = "string"'))
    rows = np.column_stack([ROWS[:, :2], LEVEL])
    scores = load(graph, spec).score(rows)
    np.testing.assert_allclose(scores[:, 0], native.predict_proba(frame)[:, 1], atol=1e-6)


def test_a_category_that_the_graph_does_not_know_is_found_when_it_is_loaded():
    graph = pipeline()[2]
    texts = 'encoding = "string"\nvalues = ["L", "M", "X"]'
    spec = spec_of(BINARY, number("torque"), number("wear"), quality(texts))
    with pytest.raises(GraphError, match="ONNX Runtime cannot run the graph"):
        load(graph, spec)


def test_one_hot_columns_score_as_the_model():
    columns = np.column_stack([ROWS[:, 0], np.eye(3)[LEVEL]])
    native = LogisticRegression().fit(columns, FLIPS)
    graph = to_onnx(native, columns[:1], options={"zipmap": False}, target_opset=OPSET)
    spec = spec_of(BINARY, number("torque"), quality('encoding = "one-hot"'))
    scores = load(graph, spec).score(np.column_stack([ROWS[:, 0], LEVEL]))
    np.testing.assert_allclose(scores[:, 0], native.predict_proba(columns)[:, 1], rtol=1e-12)


def test_an_isolation_forest_yields_one_plausibility_a_row():
    rows = ROWS.astype(np.float32)
    native = IsolationForest(n_estimators=20, random_state=0).fit(rows)
    graph = to_onnx(native, rows[:1], target_opset=OPSET)
    predictor = load_plausibility(graph.SerializeToString(), three_numbers(THREE))
    scores = predictor.score(rows.astype(np.float64))
    assert scores.shape == (len(rows), 1)
    np.testing.assert_allclose(scores[:, 0], native.decision_function(rows), atol=1e-5)


# --- ZipMap, pruning, class names -----------------------------------------------------------


def test_no_dictionary_arises_from_a_zipmap():
    graph = forest()[1]
    assert any(node.op_type == "ZipMap" for node in graph.graph.node)
    predictor = load(graph, three_numbers(THREE))
    assert not any(node.op_type == "ZipMap" for node in predictor.model.graph.node)
    assert isinstance(predictor.score(ROWS), np.ndarray)


def test_a_zipmap_in_a_graph_of_ml_operators_only_is_removed():
    graph = xgb()[1]
    zipped = type(graph)()
    zipped.CopyFrom(graph)
    node = helper.make_node(
        "ZipMap", ["probabilities"], ["dicts"], domain="ai.onnx.ml", classlabels_int64s=[0, 1]
    )
    zipped.graph.node.append(node)
    zipped.graph.output[1].CopyFrom(helper.make_tensor_sequence_value_info("dicts", 1, None))
    assert {o.domain for o in zipped.opset_import} == {"ai.onnx.ml"}
    scores = load(zipped, three_numbers()).score(ROWS)
    np.testing.assert_array_equal(scores, load(graph, three_numbers()).score(ROWS))


def test_only_what_the_score_needs_is_run():
    names = np.array(["normal", "failure"])[FLIPS]
    native = LogisticRegression().fit(ROWS, names)
    graph = to_onnx(native, ROWS[:1], options={"zipmap": False}, target_opset=OPSET)
    predictor = load(graph, three_numbers())
    assert [o.name for o in predictor.model.graph.output] == ["probabilities"]
    kept = [node.op_type for node in predictor.model.graph.node]
    assert "ArrayFeatureExtractor" not in kept
    assert "ArgMax" not in kept


@pytest.mark.parametrize("order", [("low", "middle", "high"), ("high", "low", "middle")])
def test_classes_that_the_graph_names_are_put_in_the_specs_order(order):
    native, graph = forest()
    assert list(native.classes_) == ["high", "low", "middle"]
    listed = ", ".join(f'"{name}"' for name in order)
    spec = three_numbers(f'task = "multiclass"\n[decision]\nclasses = [{listed}]\n')
    scores = load(graph, spec).score(ROWS)
    columns = [list(native.classes_).index(name) for name in order]
    expected = native.predict_proba(ROWS.astype(np.float32))[:, columns]
    np.testing.assert_allclose(scores, expected, atol=1e-6)


@pytest.mark.parametrize("zipmap", [False, True])
def test_a_positive_class_that_the_graph_names_is_found_wherever_it_stands(zipmap):
    """scikit-learn sorts its classes: "failure" comes before "normal"."""
    native = LogisticRegression().fit(ROWS, np.array(["normal", "failure"])[FLIPS])
    graph = to_onnx(native, ROWS[:1], options={"zipmap": zipmap}, target_opset=OPSET)
    scores = load(graph, three_numbers()).score(ROWS)
    np.testing.assert_allclose(scores[:, 0], native.predict_proba(ROWS)[:, 0], atol=1e-6)


def test_classes_that_only_half_agree_are_refused():
    graph = forest()[1]
    spec = three_numbers('task = "multiclass"\n[decision]\nclasses = ["low", "mid", "high"]\n')
    with pytest.raises(GraphError, match="calls its classes high, low, middle, the spec low, mid"):
        load(graph, spec)


def test_classes_by_quite_other_names_are_taken_in_order():
    native, graph = forest()
    spec = three_numbers('task = "multiclass"\n[decision]\nclasses = ["x", "y", "z"]\n')
    scores = load(graph, spec).score(ROWS)
    expected = native.predict_proba(ROWS.astype(np.float32))
    np.testing.assert_allclose(scores, expected, atol=1e-6)


# --- batches --------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [0, 1, 3, 4, 5, 8, 11])
def test_a_fixed_batch_of_4_scores_any_number_of_rows(n):
    predictor = load(sum_graph(rows=4), three_numbers(REGRESSION))
    rows = ROWS[:n]
    np.testing.assert_allclose(predictor.score(rows)[:, 0], rows.sum(axis=1), atol=1e-5)


def test_a_fixed_batch_of_1_scores_row_by_row():
    predictor = load(sum_graph(rows=1), three_numbers(REGRESSION))
    np.testing.assert_allclose(predictor.score(ROWS[:9])[:, 0], ROWS[:9].sum(axis=1), atol=1e-5)


@pytest.mark.parametrize("n", [CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK + 17])
def test_a_long_batch_is_split_and_joined_in_order(n):
    rows = np.column_stack([np.arange(n) / 8.0, np.zeros(n), np.zeros(n)])
    scores = load(sum_graph(), three_numbers(REGRESSION)).score(rows)
    np.testing.assert_array_equal(scores[:, 0], rows[:, 0])


def test_no_run_takes_more_than_a_chunk_of_rows(monkeypatch):
    predictor = load(sum_graph(), three_numbers(REGRESSION))
    sizes = []
    run = predictor._run

    def counting(feeds):
        sizes.append(len(feeds["x"]))
        return run(feeds)

    monkeypatch.setattr(predictor, "_run", counting)
    predictor.score(np.zeros((2 * CHUNK + 1, 3)))
    assert sizes == [CHUNK, CHUNK, 1]


@pytest.mark.parametrize("size", [1, 7, 64, 399])
def test_a_rows_score_does_not_depend_on_its_batch_to_the_last_bit(size):
    """A large ensemble, which ONNX Runtime would split by trees or by rows on two threads."""
    predictor = load(xgb(200)[1], three_numbers())
    whole_batch = predictor.score(ROWS)
    parts = [predictor.score(ROWS[at : at + size]) for at in range(0, len(ROWS), size)]
    np.testing.assert_array_equal(np.concatenate(parts), whole_batch)


@pytest.mark.parametrize("n", [1, 64, 65, 200, 400])
def test_threads_that_share_a_call_do_not_change_a_bit(n):
    predictor = load(xgb(200)[1], three_numbers(), threads=3)
    expected = load(xgb(200)[1], three_numbers()).score(ROWS)
    np.testing.assert_array_equal(predictor.score(ROWS[:n]), expected[:n])


def test_threads_share_the_runs_of_a_fixed_batch():
    predictor = load(sum_graph(rows=4), three_numbers(REGRESSION), threads=3)
    np.testing.assert_allclose(predictor.score(ROWS)[:, 0], ROWS.sum(axis=1), atol=1e-5)


def test_many_threads_may_score_at_once():
    predictor = load(xgb()[1], three_numbers())
    expected = predictor.score(ROWS)
    rng = np.random.default_rng(1)
    picks = [rng.integers(len(ROWS), size=int(n)) for n in rng.integers(1, 300, size=64)]
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda pick: predictor.score(ROWS[pick]), picks))
    for pick, scores in zip(picks, results, strict=True):
        np.testing.assert_array_equal(scores, expected[pick])


def test_threads_of_a_session_sleep_while_they_wait(monkeypatch):
    opened: list[tuple[int, str]] = []

    def watched(model, options, *, plain=onnxruntime.InferenceSession, **more):
        spins = options.get_session_config_entry("session.intra_op.allow_spinning")
        opened.append((options.intra_op_num_threads, spins))
        return plain(model, options, **more)

    monkeypatch.setattr(onnxruntime, "InferenceSession", watched)
    in_sessions(load(sum_graph(), three_numbers(REGRESSION)), (2, 8))
    assert opened == [(1, "0"), (2, "0"), (8, "0")]


def test_no_rows_have_no_scores():
    scores = load(forest()[1], three_numbers(THREE)).score(np.empty((0, 3)))
    assert scores.shape == (0, 3)


@pytest.mark.parametrize("rows", [np.zeros((2, 4)), np.zeros(3), np.zeros((0, 4))])
def test_rows_of_another_width_are_refused(rows):
    predictor = load(sum_graph(), three_numbers(REGRESSION))
    with pytest.raises(GraphError, match=r"this model takes \(n, 3\)"):
        predictor.score(rows)


def test_rows_in_columns_order_score_the_same():
    predictor = load(xgb()[1], three_numbers())
    np.testing.assert_array_equal(predictor.score(np.asfortranarray(ROWS)), predictor.score(ROWS))


# --- scores ---------------------------------------------------------------------------------


def test_a_score_that_is_no_number_names_the_row():
    graph = graph_of(
        [helper.make_node("Sqrt", ["x"], ["y"])], [value("x", [None, 1])], [value("y", [None, 1])]
    )
    spec = spec_of(REGRESSION, number("a").replace("[-10.0", "[0.0"))
    with pytest.raises(GraphError, match=r"is nan for row 1, \[-1.0\]"):
        load(graph, spec).score(np.array([[4.0], [-1.0]]))


def test_scores_of_rank_1_become_one_column():
    nodes = [helper.make_node("ReduceSum", ["x", "axes"], ["y"], keepdims=0)]
    graph = graph_of(nodes, [value("x", [None, 3])], [value("y", [None])], {"axes": np.array([1])})
    scores = load(graph, three_numbers(REGRESSION)).score(ROWS)
    assert scores.shape == (len(ROWS), 1)


def test_a_lone_probability_is_that_of_the_positive_class():
    graph = graph_of(
        [helper.make_node("Sigmoid", ["x"], ["y"])],
        [value("x", [None, 1])],
        [value("y", [None, 1])],
    )
    scores = load(graph, spec_of(BINARY, number("a"))).score(np.array([[0.0], [10.0]]))
    assert scores[0, 0] == 0.5
    assert scores[1, 0] > 0.99


@pytest.mark.parametrize(
    ("kind", "dtype"),
    [
        (TensorProto.FLOAT16, np.float16),
        (TensorProto.FLOAT, np.float32),
        (TensorProto.DOUBLE, np.float64),
    ],
)
def test_every_float_input_gets_the_plain_cast(kind, dtype):
    rows = np.array([[0.1], [1 / 3], [9.99]])
    scores = load(echo_graph(1, kind), spec_of(REGRESSION, number("a"))).score(rows)
    expected = rows.astype(dtype).astype(np.float32).astype(np.float64)
    np.testing.assert_array_equal(scores, expected)


@pytest.mark.parametrize("kind", [TensorProto.INT64, TensorProto.INT32, TensorProto.INT8])
def test_every_integer_input_gets_whole_numbers(kind):
    rows = np.array([[-10.0], [0.0], [7.0]])
    scores = load(echo_graph(1, kind), spec_of(REGRESSION, whole("a"))).score(rows)
    np.testing.assert_array_equal(scores, rows)


def test_a_boolean_input_gets_the_position_of_one_of_two_categories():
    feature = '[[features]]\nname = "on"\nkind = "nominal"\ncategories = ["off", "on"]\n'
    graph = echo_graph(1, TensorProto.BOOL)
    # codes are declared whole: 0 and 1 are what a boolean holds
    scores = load(graph, spec_of(REGRESSION, feature)).score(np.array([[0.0], [1.0]]))
    assert scores.tolist() == [[0.0], [1.0]]
