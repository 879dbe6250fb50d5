"""Columns of any type become readings, and what is none is told by row, field, value and limit."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from ifonly.models.errors import InvalidInstance
from ifonly.models.schema import Category, Feature, Kind, Schema
from ifonly.service.bulk import BulkOptions, InvalidTable
from ifonly.service.bulk.reading import RowsRead, TableReader

TORQUE = Feature("torque", Kind.CONTINUOUS, "Nm", 0.0, 100.0, Decimal("0.1"))
WEAR = Feature("wear", Kind.INTEGER, "min", 0.0, 300.0, Decimal(1), may_be_missing=True)
GRADE = Feature("grade", Kind.ORDINAL, categories=(Category("L"), Category("M"), Category("7")))
SCHEMA = Schema((TORQUE, WEAR, GRADE))


def read(batch: pa.RecordBatch, **options: Any) -> RowsRead:
    return TableReader(SCHEMA, BulkOptions(**options)).read(batch)


def column(name: str, values: pa.Array) -> RowsRead:
    """A batch of which the other columns are sound."""
    n = len(values)
    sound = {
        "torque": pa.array([50.0] * n),
        "wear": pa.array([1] * n),
        "grade": pa.array(["L"] * n),
    }
    return read(pa.RecordBatch.from_pydict({**sound, name: values}))


@pytest.mark.parametrize(
    "values",
    [
        pa.array([53.2, 7.0]),
        pa.array([53.2, 7.0], pa.float32()),
        pa.array([Decimal("53.2"), Decimal(7)], pa.decimal128(9, 1)),
        pa.array([Decimal("53.2"), Decimal(7)], pa.decimal256(40, 20)),
        pa.array([" 53.2", "7"]),
        pa.array(["5.32e1", "+7."], pa.large_string()),
        pa.array(["53.2", "7"], pa.string_view()),
        pa.array([53.2, 7.0]).dictionary_encode(),
        pa.array(["53.2", "7"]).dictionary_encode(),
        pc.run_end_encode(pa.array([53.2, 7.0])),
        pa.array([Decimal("53.2"), Decimal(7)], pa.decimal128(9, 1)).dictionary_encode(),
    ],
    ids=lambda values: str(values.type),
)
def test_a_number_is_the_reading_that_was_written_whatever_holds_it(values: pa.Array) -> None:
    found = column("torque", values)
    assert found.valid.all(), found.problems
    assert found.rows[:, 0].tolist() == [53.2, 7.0]


@pytest.mark.parametrize("kind", [pa.int8(), pa.uint64(), pa.float16(), pa.float32()])
def test_numbers_of_every_width_are_read(kind: pa.DataType) -> None:
    assert column("wear", pa.array([3, 0], kind)).rows[:, 1].tolist() == [3.0, 0.0]


@pytest.mark.parametrize(
    "values",
    [
        pa.array(["M", "7"]),
        pa.array(["M", "7"], pa.large_string()),
        pa.array(["M", "7"]).dictionary_encode(),
        pa.DictionaryArray.from_arrays(pa.array([1, 0], pa.int32()), ["7", "M"]),
    ],
    ids=lambda values: str(values.type),
)
def test_categories_are_known_by_their_names(values: pa.Array) -> None:
    assert column("grade", values).rows[:, 2].tolist() == [1.0, 2.0]


def test_a_category_may_be_named_by_a_whole_number_and_never_by_its_place() -> None:
    found = column("grade", pa.array([7, 1]))
    assert found.rows[0, 2] == 2.0
    assert found.problems[1][0].problem == "grade is 1, not one of 'L', 'M', '7'"


@pytest.mark.parametrize(
    "missing",
    [
        pa.array([None, 4]),
        pa.array([math.nan, 4.0]),
        pa.array([None, "4"]),
        pa.array(["", "4"]),
    ],
    ids=["null", "NaN", "null text", "no text"],
)
def test_what_is_missing_is_missing_where_it_may_be(missing: pa.Array) -> None:
    found = column("wear", missing)
    assert found.valid.all()
    assert np.isnan(found.rows[0, 1])
    assert found.rows[1, 1] == 4.0
    assert column("wear", pa.nulls(2)).valid.all()


def numbers(bad: Any, kind: Any = None) -> pa.Array:
    return pa.array([bad, 5, bad], kind)


def texts(bad: str | None, good: str = "5") -> pa.Array:
    return pa.array([bad, good, bad], pa.string())


@pytest.mark.parametrize(
    ("name", "values", "said"),
    [
        ("torque", numbers(100.1), 100.1),
        ("torque", numbers(-0.1, pa.float32()), -0.1),
        ("torque", numbers(None), None),
        ("torque", numbers(math.nan), math.nan),
        ("torque", numbers(math.inf), math.inf),
        ("torque", numbers(-math.inf, pa.float32()), -math.inf),
        ("torque", numbers(2**63, pa.uint64()), 2**63),
        ("torque", texts("53,2"), "53,2"),
        ("torque", texts("nan"), "nan"),
        ("torque", texts("0x10"), "0x10"),
        ("torque", texts("1 000"), "1 000"),
        ("torque", texts(""), None),  # a file of text has no other way to say so
        ("torque", texts("1e999"), math.inf),
        ("torque", texts("250.0"), 250),
        ("wear", numbers(1.5), 1.5),
        ("wear", numbers(301, pa.int64()), 301),
        ("wear", texts("NaN"), "NaN"),
        ("wear", numbers(math.inf), math.inf),
        ("grade", texts("l", "L"), "l"),
        ("grade", texts("", "L"), ""),
        ("grade", texts(None, "L"), None),
        ("grade", numbers(3).cast(pa.int64()).filter([True, False, True]), 3),
        ("grade", pa.array([True, True]), "true"),
    ],
    ids=str,
)
def test_what_is_no_reading_is_told_as_over_http(name: str, values: pa.Array, said: Any) -> None:
    found = column(name, values)
    assert sorted(found.problems) == [0, len(values) - 1]
    (told,) = found.problems[0]
    with pytest.raises(InvalidInstance) as expected:
        SCHEMA[name].read(said)
    assert told.problem == expected.value.problems[0].problem
    assert (told.unit, told.limit) == (SCHEMA[name].unit, expected.value.problems[0].limit)


def test_every_fault_of_a_row_is_told() -> None:
    batch = pa.RecordBatch.from_pydict({"torque": [-1.0], "wear": [0.5], "grade": ["X"]})
    assert [p.field for p in read(batch).problems[0]] == ["torque", "wear", "grade"]


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        ({"torque": None}, "torque is no column of the table (wear, grade)"),
        (
            {"torque": None, "Torque": pa.array([1.0])},
            "torque is no column of the table (wear, grade, Torque); is it 'Torque'? say so in "
            "columns",
        ),
        ({"torque": pa.array([True])}, "torque is of type bool, not numbers"),
        ({"torque": pa.array([[1.0]])}, "torque is of type list<item: double>, not numbers"),
        ({"torque": pa.array([b"1"])}, "torque is of type binary, not numbers"),
        ({"grade": pa.array([1.0])}, "grade is of type double, not names of categories as text"),
    ],
    ids=["missing", "misspelt", "flags", "lists", "bytes", "codes"],
)
def test_a_table_that_cannot_be_read_is_refused_by_column(
    columns: dict[str, Any], told: str
) -> None:
    sound = {"torque": pa.array([1.0]), "wear": pa.array([1]), "grade": pa.array(["L"])}
    left = {k: v for k, v in (sound | columns).items() if v is not None}
    with pytest.raises(InvalidTable) as refused:
        read(pa.RecordBatch.from_pydict(left))
    assert str(refused.value) == told


def test_a_table_in_another_unit_is_refused() -> None:
    fields = [
        pa.field("torque", pa.float64(), metadata={"unit": "kNm"}),
        pa.field("wear", pa.int64(), metadata={"unit": "min"}),
        pa.field("grade", pa.string()),
    ]
    batch = pa.RecordBatch.from_arrays(
        [pa.array([1.0]), pa.array([1]), pa.array(["L"])], schema=pa.schema(fields)
    )
    with pytest.raises(InvalidTable, match=r"^torque is in 'kNm', and this model reads Nm$"):
        read(batch)


def test_columns_may_have_other_names_other_places_and_company() -> None:
    batch = pa.RecordBatch.from_pydict({"g": ["M"], "note": ["hot"], "wear": [2], "Torque": [3.0]})
    names = {"torque": "Torque", "grade": "g"}
    assert read(batch, columns=names).rows.tolist() == [[3.0, 2.0, 1.0]]
    with pytest.raises(InvalidTable, match=r"^note is no column of this model"):
        read(batch, columns=names, extra="refuse")
    with pytest.raises(InvalidTable, match="'speed', which is no feature of this model"):
        read(batch, columns={**names, "speed": "v"})


def test_a_column_is_one_feature() -> None:
    batch = pa.RecordBatch.from_pydict({"torque": [1.0], "grade": ["M"]})
    with pytest.raises(InvalidTable, match="columns names 'torque' for several features"):
        read(batch, columns={"wear": "torque"})


def test_a_column_that_is_there_twice_is_refused() -> None:
    arrays = [pa.array([1.0]), pa.array([1]), pa.array(["L"]), pa.array([2.0])]
    batch = pa.RecordBatch.from_arrays(arrays, ["torque", "wear", "grade", "torque"])
    with pytest.raises(InvalidTable, match=r"^torque is a column 2 times$"):
        read(batch)


def test_the_callers_ids_are_kept_in_the_type_that_was_asked_for() -> None:
    batch = pa.RecordBatch.from_pydict(
        {"torque": [1.0, 2.0], "wear": [1, 1], "grade": ["L", "M"], "part": [12, None]}
    )
    as_text, as_number = read(batch, id="part").ids, read(batch, id="part", id_type=pa.int64()).ids
    assert [as_text.to_pylist(), as_number.to_pylist()] == [["12", None], [12, None]]  # type: ignore[union-attr]
    names = batch.set_column(3, "part", pa.array(["x", "y"]))
    with pytest.raises(InvalidTable, match="part, the id, is no timestamp"):
        read(names, id="part", id_type=pa.timestamp("us"))
    with pytest.raises(InvalidTable, match="number is no column of the table"):
        read(batch, id="number")
