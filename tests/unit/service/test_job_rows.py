"""Rows as they are sent, in whatever form, become the questions of a job; hostile ones do not."""

from __future__ import annotations

import io
import json
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ifonly.models.repository import load_folder
from ifonly.models.schema import Schema
from ifonly.service.ask.problems import Refusal
from ifonly.service.errors import MalformedBody, MalformedTable, TooManyTableRows
from ifonly.service.jobs import reading
from ifonly.service.jobs.forms import TableForm
from ifonly.service.jobs.reading import BodyLimits, JobQuestions
from ifonly.service.jobs.row_ids import MAX_ID, row_id_in, unnamed
from ifonly.service.settings import shipped_models

LIMITS = BodyLimits(rows=100, line_bytes=1_000)
ROW = {
    "air_temperature": 303.3,
    "process_temperature": 312.8,
    "rotational_speed": 1384,
    "torque": 62.7,
    "tool_wear": 196,
    "quality": "L",
}
HEAD = ",".join(["id", *ROW, "attributes.line", "other"])
CELLS = ",".join(map(str, ROW.values()))


@pytest.fixture(scope="module")
def schema() -> Schema:
    return load_folder(shipped_models() / "milling-machine" / "1").spec.schema


def read(schema: Schema, body: bytes, form: TableForm, question: Any = None) -> JobQuestions:
    return reading.read(body, form, schema, question or {}, LIMITS)


def asked(found: JobQuestions) -> list[Any]:
    return [json.loads(line) for line in found.lines]


def arrow(table: pa.Table, **options: Any) -> bytes:
    sink = io.BytesIO()
    told = pa.ipc.IpcWriteOptions(**options)
    with pa.ipc.new_stream(sink, table.schema, options=told) as writer:
        writer.write_table(table)
    return sink.getvalue()


def parquet(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink)
    return sink.getvalue()


def table(rows: int = 2, **columns: Any) -> pa.Table:
    return pa.table({name: [value] * rows for name, value in ROW.items()} | columns)


def test_a_blank_line_asks_nothing_and_keeps_its_place(schema: Schema) -> None:
    found = read(schema, b"\xef\xbb\xbf{}\n\n \r\n[1]\r\n", TableForm.JSONL)
    assert (found.lines, found.places) == ([b"{}", b"[1]\r"], [0, 3])
    found = read(schema, f"{HEAD}\nA,{CELLS},3,x\n\nB,{CELLS},,x\n".encode(), TableForm.CSV)
    assert found.places == [0, 2]
    with pytest.raises(MalformedBody, match="has no line"):
        read(schema, b"\n \n", TableForm.JSONL)
    with pytest.raises(TooManyTableRows, match="1,001 rows"):
        read(schema, b"\n" * 1_001 + b"{}", TableForm.JSONL)
    with pytest.raises(TooManyTableRows, match="101 rows"):
        read(schema, b"{}\n" * 101, TableForm.JSONL)


def test_what_is_asked_of_every_row_is_asked_where_a_line_says_nothing_else(
    schema: Schema,
) -> None:
    question = {"languages": ["ko"], "seed": 3}
    found = read(schema, b'{"seed":5}\n{"id":1}\n[1]\nno json', TableForm.JSONL, question)
    assert asked(JobQuestions(found.lines[:3])) == [
        {"languages": ["ko"], "seed": 5},
        {"languages": ["ko"], "seed": 3, "id": 1},
        [1],
    ]
    assert found.lines[3] == b"no json"  # said when it is answered


def test_the_same_rows_ask_the_same_in_every_form(schema: Schema) -> None:
    question = {"seed": 3, "attributes": {"shift": "day"}}
    columns: dict[str, Any] = {
        "id": ["A", "B"],
        "attributes.line": ["3", None],
        "other": [1.0, 2.0],
    }
    csv = f"{HEAD}\r\nA,{CELLS},3,1\r\nB,{CELLS},,2\r\n".encode()
    sent = table(**columns)
    forms = [
        asked(read(schema, csv, TableForm.CSV, question)),
        asked(read(schema, arrow(sent, compression="zstd"), TableForm.ARROW, question)),
        asked(read(schema, parquet(sent), TableForm.PARQUET, question)),
    ]
    for found in forms:
        assert found == [
            {"id": "A", "seed": 3, "attributes": {"shift": "day", "line": "3"}, "instance": ROW},
            {"id": "B", "seed": 3, "attributes": {"shift": "day"}, "instance": ROW},
        ]


def test_columns_of_other_types_are_read_as_they_are_written(schema: Schema) -> None:
    sent = table(
        torque=pa.array([53.2, float("nan")], pa.float32()),
        quality=pa.array(["L", "M"]).dictionary_encode(),
        tool_wear=pa.array([196, None], pa.int16()),
        id=pa.array([7, 8], pa.int64()),
    )
    for form, body in ((TableForm.ARROW, arrow(sent)), (TableForm.PARQUET, parquet(sent))):
        one, two = asked(read(schema, body, form))
        assert (one["id"], one["instance"]["torque"], one["instance"]["quality"]) == (7, 53.2, "L")
        assert (two["instance"]["torque"], two["instance"]["tool_wear"]) == (None, None)
    # What no instance can be is the row's to be refused for, by its own limit.
    odd = table(torque=[float("inf")] * 2, tool_wear=["much", "196"])
    one, two = (json.loads(line) for line in read(schema, arrow(odd), TableForm.ARROW).lines)
    assert (one["instance"]["tool_wear"], two["instance"]["tool_wear"]) == ("much", 196)


def test_columns_that_are_missing_or_twice_are_named(schema: Schema) -> None:
    lacks = table().drop_columns(["torque", "quality"])
    with pytest.raises(Refusal, match=r"torque is no column .*; quality is no column"):
        read(schema, arrow(lacks), TableForm.ARROW)
    with pytest.raises(Refusal, match="torque is a column 2 times"):
        read(schema, f"{HEAD},torque\nA,{CELLS},,,1\n".encode(), TableForm.CSV)
    twice = pa.table([*table().columns, pa.array([1.0, 2.0])], names=[*ROW, "torque"])
    with pytest.raises(MalformedTable, match="the column torque is given twice"):
        read(schema, arrow(twice), TableForm.ARROW)
    # Lists are series of a window; of another model each row is refused that has one.
    nested = table(torque=[{"of": 1.0}] * 2)
    with pytest.raises(MalformedTable, match="torque is struct"):
        read(schema, parquet(nested), TableForm.PARQUET)
    # Too many cells are refused with their row, which says so.
    (line,) = asked(read(schema, f"{HEAD}\nA,{CELLS},3,x,y\n".encode(), TableForm.CSV))
    assert line["instance"]["column 10"] == "y"


STREAM, FILE = arrow(table(50)), parquet(table(50))
OTHER = arrow(pa.table({"torque": ["x"]}))


@pytest.mark.parametrize(
    ("form", "body", "says"),
    [
        (TableForm.PARQUET, FILE[: len(FILE) // 2], "as parquet"),
        (TableForm.PARQUET, b"", "as parquet"),
        (TableForm.PARQUET, FILE[:-8] + b"\xff\xff\xff\x7fPAR1", "as parquet"),
        (TableForm.ARROW, STREAM[: len(STREAM) // 2], "as arrow"),
        (TableForm.ARROW, b"PAR1" * 100, "as arrow"),
        (TableForm.ARROW, STREAM[:-8] + OTHER, "as arrow"),
        (TableForm.ARROW, arrow(table(1, quality=["L" * 5_000])), "quality has 5,000 bytes"),
        (TableForm.CSV, b"\xff\xfe\x00", "not UTF-8"),
        (TableForm.CSV, f'{HEAD}\n"x'.encode(), "as csv"),
        (TableForm.CSV, b"", "the names of the columns"),
        (TableForm.CSV, f"{HEAD}\n".encode(), "no row"),
    ],
)
def test_what_is_no_table_is_refused_by_name(
    schema: Schema, form: TableForm, body: bytes, says: str
) -> None:
    with pytest.raises(MalformedTable, match=says):
        read(schema, body, form)


def test_a_table_of_too_many_rows_is_not_read_to_its_end(schema: Schema) -> None:
    for form, body in (
        (TableForm.ARROW, arrow(table(101))),
        (TableForm.PARQUET, parquet(table(101))),
    ):
        with pytest.raises(TooManyTableRows, match="101 rows or more; the limit is 100"):
            read(schema, body, form)


@pytest.mark.parametrize("name", ["A-17", 0, -5, "x" * MAX_ID, "=1+1"])
def test_a_row_may_have_an_id(name: str | int) -> None:
    line = json.dumps({"id": name, "instance": {}}).encode()
    assert row_id_in(line) == name
    assert unnamed(json.loads(line)) == {"instance": {}}


@pytest.mark.parametrize(
    "name", ["", "x" * (MAX_ID + 1), "x" * 1_000_000, 1.5, True, None, [1], 2**60, 10**300]
)
def test_what_is_no_id_is_refused_with_its_row(name: object) -> None:
    line = json.dumps({"id": name, "instance": {}}).encode()
    assert row_id_in(line) is None
    with pytest.raises(Exception, match="id "):
        unnamed(json.loads(line))
