"""A table is read as its rows are, one by one, over HTTP: the same readings, the same faults."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from ifonly.models.errors import FieldProblem, InvalidInstance
from ifonly.models.schema import Category, Feature, Kind, Schema
from ifonly.service.bulk import BulkOptions
from ifonly.service.bulk.reading import TableReader

SCHEMA = Schema(
    (
        Feature("torque", Kind.CONTINUOUS, "Nm", -5.0, 100.0, Decimal("0.1")),
        Feature("wear", Kind.INTEGER, "min", 0.0, 300.0, Decimal(1), may_be_missing=True),
        Feature("level", Kind.CONTINUOUS, may_be_missing=True),
        Feature("grade", Kind.ORDINAL, categories=(Category("L"), Category("M"), Category("3"))),
        Feature(
            "mode", Kind.NOMINAL, categories=(Category("on"), Category("")), may_be_missing=True
        ),
    )
)
NUMBERS = st.none() | st.floats(-200, 400) | st.sampled_from([math.nan, math.inf, -0.0, 1e300, 0.1])
WHOLE = st.none() | st.integers(-400, 400) | st.sampled_from([2**53 + 1, -(2**63), 300, 301])
NAMES = st.none() | st.sampled_from(["L", "M", "3", "l", "", "on", "off", "L "])
COLUMNS: dict[str, st.SearchStrategy[Any]] = {
    "torque": NUMBERS,
    "wear": NUMBERS | WHOLE.map(lambda n: None if n is None else float(n)),
    "level": WHOLE,
    "grade": NAMES,
    "mode": NAMES,
}


@st.composite
def tables(draw: st.DrawFn) -> pa.RecordBatch:
    n = draw(st.integers(1, 5))
    columns = {}
    for name, values in COLUMNS.items():
        array = pa.array(
            draw(st.lists(values, min_size=n, max_size=n)),
            pa.string() if values is NAMES else pa.int64() if values is WHOLE else pa.float64(),
        )
        columns[name] = array.dictionary_encode() if draw(st.booleans()) else array
    # With rows before and after, as a slice of a longer one has them.
    batch = pa.RecordBatch.from_pydict(columns)
    start = draw(st.integers(0, n - 1))
    return batch.slice(start)


@settings(max_examples=150)
@given(tables())
def test_readings_and_faults_are_those_of_each_row(batch: pa.RecordBatch) -> None:
    found = TableReader(SCHEMA, BulkOptions()).read(batch)
    for i, row in enumerate(batch.to_pylist()):
        # A table says NaN where a reading is missing that may be; JSON says null.
        written = {
            name: None if value != value and SCHEMA[name].may_be_missing else value
            for name, value in row.items()
        }
        alone, problems = _read(written)
        # As text, in which NaN is like NaN.
        assert repr(found.problems.get(i, [])) == repr(problems)
        assert found.valid[i] == (alone is not None)
        if alone is not None:
            assert found.rows[i].tobytes() == alone.tobytes()


def _read(written: dict[str, Any]) -> tuple[np.ndarray | None, list[FieldProblem]]:
    """A row, or what is wrong with it."""
    try:
        return SCHEMA.read(written), []
    except InvalidInstance as error:
        return None, list(error.problems)
