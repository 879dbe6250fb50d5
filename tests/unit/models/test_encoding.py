from __future__ import annotations

import numpy as np
import pytest

from ifonly.models.encoding import (
    BoundEncoding,
    Encoding,
    FeatureEncoding,
    Form,
    Place,
    TensorInput,
)
from ifonly.models.errors import GraphError


def tensor(name="x", dtype="float32", shape=(None, None)):
    return TensorInput(name, np.dtype(dtype), shape)


def number(name, **more):
    return FeatureEncoding(name, **more)


def category(form, values=("L", "M", "H"), name="quality", **more):
    return FeatureEncoding.of_categories(name, form, values, **more)


def bind(*encodings, inputs=None) -> BoundEncoding:
    return Encoding(encodings).bind(inputs or [tensor()])


def refused(*encodings, inputs=None) -> str:
    with pytest.raises(GraphError) as caught:
        bind(*encodings, inputs=inputs)
    return str(caught.value)


CODES = np.array([[0.0], [1.0], [2.0]])

# --- forms --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("form", "values", "expected"),
    [
        (Form.CODES, ("L", "M", "H"), [[0], [1], [2]]),
        (Form.VALUES, (1.0, 2.5, 10.0), [[1], [2.5], [10]]),
        (Form.ONE_HOT, ("L", "M", "H"), [[1, 0, 0], [0, 1, 0], [0, 0, 1]]),
        (Form.THERMOMETER, ("L", "M", "H"), [[0, 0], [1, 0], [1, 1]]),
    ],
)
def test_each_form_yields_its_columns(form, values, expected):
    fed = bind(category(form, values)).feeds(CODES)["x"]
    assert fed.dtype == np.float32
    assert fed.tolist() == expected


def test_a_string_input_gets_the_text_of_the_category():
    bound = bind(category(Form.STRING), inputs=[tensor(dtype="object", shape=(None, 1))])
    assert bound.feeds(CODES)["x"].tolist() == [["L"], ["M"], ["H"]]


@pytest.mark.parametrize(
    ("form", "dtype", "expected"),
    [
        (Form.CODES, "float32", [np.nan]),
        (Form.VALUES, "float32", [np.nan]),
        (Form.ONE_HOT, "float32", [0, 0, 0]),
        (Form.ONE_HOT, "int64", [0, 0, 0]),
        (Form.THERMOMETER, "float32", [np.nan, np.nan]),
        (Form.STRING, "object", [""]),
    ],
)
def test_a_missing_category_is_fed_as_documented(form, dtype, expected):
    values = (1.0, 2.0, 3.0) if form is Form.VALUES else ("L", "M", "H")
    bound = bind(category(form, values, may_be_missing=True), inputs=[tensor(dtype=dtype)])
    fed = bound.feeds(np.array([[np.nan], [0.0]]))["x"]
    if dtype == "object":
        assert fed[0].tolist() == expected
    else:
        np.testing.assert_array_equal(fed[0], np.array(expected, dtype=dtype))


@pytest.mark.parametrize("code", [-1.0, 3.0, 0.5, np.nan, np.inf])
def test_a_code_that_is_no_category_is_refused(code):
    bound = bind(category(Form.ONE_HOT))
    with pytest.raises(GraphError, match=r"quality has category code .*codes are 0 to 2"):
        bound.feeds(np.array([[0.0], [code]]))


# --- types --------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [0.1, 1 / 3, 16777217.0, 1e-50, -5e-324])
def test_a_cast_to_float32_rounds_to_nearest(value):
    fed = bind(number("a")).feeds(np.array([[value]]))["x"]
    assert fed[0, 0] == np.float32(value)


def test_beyond_float32_is_infinity_without_a_warning():
    assert bind(number("a")).feeds(np.array([[1e300]]))["x"][0, 0] == np.inf


def test_a_float64_input_gets_the_row_unchanged():
    rows = np.array([[0.1, 1e300]])
    fed = bind(number("a"), number("b"), inputs=[tensor(dtype="float64")]).feeds(rows)["x"]
    assert fed.dtype == np.float64
    np.testing.assert_array_equal(fed, rows)


@pytest.mark.parametrize("dtype", ["int64", "int32", "uint8"])
def test_whole_numbers_fill_an_integer_input(dtype):
    fed = bind(number("a", whole=True), inputs=[tensor(dtype=dtype)]).feeds(np.array([[7.0]]))["x"]
    assert (fed.dtype, fed.tolist()) == (np.dtype(dtype), [[7]])


@pytest.mark.parametrize(
    ("dtype", "value"),
    [
        ("int64", 0.5),
        ("int64", np.nan),
        ("int64", 1e19),
        ("int32", 3e9),
        ("uint8", -1.0),
        ("bool", 2.0),
    ],
)
def test_a_value_that_an_integer_input_cannot_hold_is_refused(dtype, value):
    bound = bind(number("a", whole=True), inputs=[tensor(dtype=dtype)])
    with pytest.raises(GraphError, match=r"a is .*which input 'x' .* cannot hold exactly"):
        bound.feeds(np.array([[1.0], [value]]))


def test_a_continuous_feature_is_kept_out_of_an_integer_input():
    assert "a is not always whole" in refused(number("a"), inputs=[tensor(dtype="int64")])


def test_what_may_be_missing_is_kept_out_of_an_integer_input():
    problem = refused(number("a", whole=True, may_be_missing=True), inputs=[tensor(dtype="int64")])
    assert "a may be missing (NaN)" in problem


def test_text_goes_only_to_string_inputs_and_numbers_only_to_others():
    assert "takes numbers" in refused(category(Form.STRING))
    assert "takes strings" in refused(number("a"), inputs=[tensor(dtype="object")])


# --- places -------------------------------------------------------------------------------

ROW = np.array([[1.0, 2.0, 3.0]])


def test_features_fill_the_one_matrix_in_their_order():
    assert bind(number("a"), number("b"), number("c")).feeds(ROW)["x"].tolist() == [[1, 2, 3]]


def test_named_columns_may_be_in_any_order():
    features = [number(n, place=Place(column=c)) for n, c in (("a", 2), ("b", 0), ("c", 1))]
    assert bind(*features).feeds(ROW)["x"].tolist() == [[2, 3, 1]]


@pytest.mark.parametrize("shape", [(None,), (None, 1), (None, None)])
def test_features_go_to_the_inputs_of_their_names(shape):
    inputs = [tensor("b", shape=shape), tensor("c", shape=shape), tensor("a", shape=shape)]
    fed = bind(number("a"), number("b"), number("c"), inputs=inputs).feeds(ROW)
    assert {name: t.tolist() for name, t in fed.items()} == (
        {"a": [1], "b": [2], "c": [3]} if len(shape) == 1 else {"a": [[1]], "b": [[2]], "c": [[3]]}
    )


def test_what_has_no_input_of_its_name_goes_to_the_remaining_one():
    inputs = [tensor("numbers", shape=(None, 2)), tensor("c", shape=(None, 1))]
    fed = bind(number("a"), number("b"), number("c"), inputs=inputs).feeds(ROW)
    assert {name: t.tolist() for name, t in fed.items()} == {"numbers": [[1, 2]], "c": [[3]]}


def test_one_hot_columns_stand_between_others():
    fed = bind(number("a"), category(Form.ONE_HOT), number("b")).feeds(np.array([[7.0, 1, 8]]))
    assert fed["x"].tolist() == [[7, 0, 1, 0, 8]]


def test_one_hot_columns_may_be_inputs_of_their_own():
    place = Place(names=("l", "m", "h"))
    inputs = [tensor(name, "bool", (None, 1)) for name in "lmh"]
    fed = bind(category(Form.ONE_HOT, place=place), inputs=inputs).feeds(CODES)
    assert [fed[name].ravel().tolist() for name in "lmh"] == np.eye(3, dtype=bool).tolist()


def test_columns_tell_what_they_hold():
    bound = bind(category(Form.THERMOMETER), number("a"))
    assert [(c.column, c.feature, c.values) for c in bound.columns] == [
        (0, 0, (0.0, 1.0, 1.0)),
        (1, 0, (0.0, 0.0, 1.0)),
        (2, 1, None),
    ]


@pytest.mark.parametrize(
    ("features", "inputs", "problem"),
    [
        (["a"], [tensor(shape=(None, 10, 3))], "input 'x' (float32 [?, 10, 3]) has rank 3"),
        (["a"], [tensor(shape=())], "has rank 0"),
        (["a"], [tensor(shape=(None, 2))], "has 2 columns, the features take 1: no feature for"),
        (["a", "b"], [tensor(shape=(None, 1))], "column 1 (b) is not there"),
        (["a", "b"], [tensor(shape=(None,))], "column 1 (b) is not there"),
        (["a"], [tensor("a"), tensor("y")], "input 'y' (float32 [?, ?]) gets no feature"),
        (["a"], [tensor("y"), tensor("z")], "a has no place in the graph, which has inputs 'y'"),
    ],
)
def test_a_graph_that_features_do_not_fit_is_refused_with_its_shape(features, inputs, problem):
    assert problem in refused(*(number(f) for f in features), inputs=inputs)


def test_two_features_in_one_column_are_refused():
    features = [number(n, place=Place(column=0)) for n in "ab"]
    assert "column 0 is both a and b" in refused(*features)


def test_columns_named_for_some_features_only_are_refused():
    assert "but b does not" in refused(number("a", place=Place(column=0)), number("b"))


def test_an_input_that_is_not_there_is_named():
    problem = refused(number("a", place=Place(name="y")))
    assert "a goes to input 'y', but the graph has inputs 'x'" in problem


@pytest.mark.parametrize("rows", [np.zeros((2, 3)), np.zeros(2), np.zeros((1, 2, 1))])
def test_rows_of_another_width_are_refused(rows):
    with pytest.raises(GraphError, match=r"this model takes \(n, 2\)"):
        bind(number("a"), number("b")).feeds(rows)


def test_no_rows_give_empty_tensors():
    fed = bind(number("a"), category(Form.ONE_HOT)).feeds(np.empty((0, 2)))["x"]
    assert fed.shape == (0, 4)


def test_what_is_fed_lies_in_memory_row_by_row():
    rows = np.asfortranarray(np.arange(12.0).reshape(4, 3))
    features = [number(n, place=Place(column=c)) for n, c in (("a", 2), ("b", 0), ("c", 1))]
    assert bind(*features).feeds(rows)["x"].flags.c_contiguous
