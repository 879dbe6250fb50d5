"""Whatever the rows are, what the graph is fed means the same."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ifonly.models.encoding import Encoding, FeatureEncoding, Form, TensorInput

NUMERIC = [Form.CODES, Form.VALUES, Form.ONE_HOT, Form.THERMOMETER]


@st.composite
def encodings(draw):
    """Features in any order, numbers and categories, some of which may be missing."""
    features = []
    for j in range(draw(st.integers(1, 5))):
        missing = draw(st.booleans())
        if draw(st.booleans()):
            features.append(FeatureEncoding(f"f{j}", may_be_missing=missing))
            continue
        form, n = draw(st.sampled_from(NUMERIC)), draw(st.integers(2, 4))
        values = [float(v) for v in range(10, 10 + n)]
        features.append(
            FeatureEncoding.of_categories(f"f{j}", form, values, may_be_missing=missing)
        )
    return Encoding(tuple(features))


def cell(encoding: FeatureEncoding) -> st.SearchStrategy[float]:
    n = len(encoding.table) or (2 if encoding.form is Form.CODES else 0)
    known = st.sampled_from(range(n)).map(float) if n else st.floats(-1e6, 1e6, width=32)
    return known | st.just(np.nan) if encoding.may_be_missing else known


@st.composite
def cases(draw):
    encoding = draw(encodings())
    row = st.tuples(*(cell(e) for e in encoding.features))
    return encoding, np.array(draw(st.lists(row, min_size=1, max_size=6)))


def tensor(dtype):
    return TensorInput("x", np.dtype(dtype), (None, None))


@given(cases())
def test_every_cell_is_what_its_column_says(case):
    encoding, rows = case
    bound = encoding.bind([tensor("float64")])
    fed = bound.feeds(rows)["x"]
    assert fed.shape == (len(rows), len(bound.columns))
    for column in bound.columns:
        feature = encoding.features[column.feature]
        for row, seen in zip(rows[:, column.feature], fed[:, column.column], strict=True):
            if np.isnan(row):
                expected = feature.missing
            else:
                expected = row if column.values is None else column.values[int(row)]
            np.testing.assert_array_equal(seen, expected)


@given(cases())
def test_a_batch_is_fed_as_its_rows_are_one_by_one(case):
    encoding, rows = case
    bound = encoding.bind([tensor("float32")])
    alone = np.concatenate([bound.feeds(row[None])["x"] for row in rows])
    np.testing.assert_array_equal(bound.feeds(rows)["x"], alone)


@given(cases())
def test_different_categories_are_fed_differently(case):
    encoding, rows = case
    fed = encoding.bind([tensor("float64")]).feeds(rows)["x"]
    for i in range(len(rows)):
        for k in range(i):
            same_row = np.array_equal(rows[i], rows[k], equal_nan=True)
            assert same_row == np.array_equal(fed[i], fed[k], equal_nan=True)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_float32_input_gets_the_nearest_float32(number):
    bound = Encoding((FeatureEncoding("a"),)).bind([tensor("float32")])
    fed = bound.feeds(np.array([[number]]))["x"][0, 0]
    with np.errstate(over="ignore"):
        assert fed == np.float32(number)
