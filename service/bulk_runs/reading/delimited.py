"""CSV and TSV, plain or packed. A line with too many or too few values is a broken row."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

from ifonly.service.bulk_runs.reading.pieces import KIND, NUMBER, BrokenRow, RowPiece
from ifonly.service.bulk_runs.reading.places import InputFile, reading
from ifonly.service.bulk_runs.reading.unpacking import unpacked
from ifonly.service.errors import CannotBulk

MISSING = ("", "NA", "N/A", "NaN", "nan", "null", "NULL", "None", "<NA>")
"""Of a number: nothing was read. Of a category only an empty field says so: NA may be one."""
SHOWN = 200
HEADER_BYTES = 1 << 16


@dataclass(frozen=True)
class CsvReader:
    """With a header."""

    delimiter: str = ","
    encoding: str = "utf-8"

    def schema(self, file: InputFile) -> pa.Schema:
        with self._opened(file, []) as (reader, _):
            names = reader.schema.names
        twice = {name for name in names if names.count(name) > 1}
        if twice:
            raise CannotBulk(f"{file.name} has several columns {min(twice)!r}")
        return pa.schema([(name, pa.string()) for name in names])

    def rows(self, file: InputFile) -> int | None:
        return None

    def pieces(self, file: InputFile, schema: pa.Schema) -> Iterator[RowPiece]:
        bad: list[_BadLine] = []
        row = 0
        with self._opened(file, bad) as (reader, read), reading(file.name):
            for batch in reader:
                piece = _piece(batch, schema, bad, row, read())
                row += piece.batch.num_rows
                yield piece
            if bad:
                empty = pa.RecordBatch.from_pylist([], reader.schema)
                yield _piece(empty, schema, bad, row, read(), is_last=True)

    def _opened(self, file: InputFile, bad: list[_BadLine]) -> _Opened:
        return _Opened(self, file, bad)


@dataclass(frozen=True, slots=True)
class _BadLine:
    """A line that has not as many values as there are columns."""

    row: int
    expected: int
    found: int
    text: str


@dataclass
class _Opened:
    """Arrow's reader over a file that is open meanwhile."""

    how: CsvReader
    file: InputFile
    bad: list[_BadLine]
    _stream: Any = field(init=False, default=None)

    def __enter__(self) -> tuple[pacsv.CSVStreamingReader, Any]:
        def skipped(row: Any) -> str:
            # By number: the header is 1.
            self.bad.append(
                _BadLine(row.number - 2, row.expected_columns, row.actual_columns, row.text)
            )
            return "skip"

        with reading(self.file.name):
            self._stream = unpacked(self.file)
            stream, read = self._stream.__enter__()
            names = _header(self.file, self.how)
            reader = pacsv.open_csv(
                stream,
                # One thread: rows are numbered only so.
                pacsv.ReadOptions(use_threads=False, encoding=self.how.encoding),
                pacsv.ParseOptions(
                    delimiter=self.how.delimiter,
                    newlines_in_values=True,
                    # An empty line is a row, and not left out: rows are known by number.
                    ignore_empty_lines=len(names) == 1,
                    invalid_row_handler=skipped,
                ),
                # As text: a column's type is the model's to say, not its first block's.
                pacsv.ConvertOptions(
                    column_types=dict.fromkeys(names, pa.string()),
                    null_values=[""],
                    strings_can_be_null=True,
                ),
            )
        return reader, read

    def __exit__(self, *how: Any) -> None:
        if self._stream is not None:
            self._stream.__exit__(*how)


def _header(file: InputFile, how: CsvReader) -> list[str]:
    """Names of the columns."""
    with unpacked(file) as (stream, _):
        start = stream.read(HEADER_BYTES)
    if not start.strip():
        raise CannotBulk(f"{file.name} is empty: its first line names the columns")
    options = pacsv.ReadOptions(use_threads=False, encoding=how.encoding)
    line = start.split(b"\n")[0] + b"\n"
    found = pacsv.read_csv(
        pa.BufferReader(line), options, pacsv.ParseOptions(delimiter=how.delimiter)
    )
    return list(found.schema.names)


def _piece(
    batch: pa.RecordBatch,
    schema: pa.Schema,
    bad: list[_BadLine],
    first: int,
    read: int,
    *,
    is_last: bool = False,
) -> RowPiece:
    """The rows of ``batch``, with a broken one in the place of each bad line among them; these are
    taken from ``bad``."""
    places: list[int | None] = list(range(batch.num_rows))
    broken: dict[int, BrokenRow] = {}
    while bad and (is_last or bad[0].row - first < len(places)):
        line = bad.pop(0)
        at = line.row - first
        places.insert(at, None)
        problem = f"the line has {line.found} values, and there are {line.expected} columns"
        broken[at] = BrokenRow(problem, line.text[:SHOWN])
    taken = pa.array(places, pa.int64())
    wanted = [each for each in schema if each.name in batch.schema.names]
    columns = [_column(batch.column(each.name), each, taken) for each in wanted]
    return RowPiece(pa.RecordBatch.from_arrays(columns, schema=pa.schema(wanted)), broken, read)


def _column(texts: pa.Array, field: pa.Field, taken: pa.Array) -> pa.Array:
    if len(taken) != len(texts):
        texts = texts.take(taken)
    if (field.metadata or {}).get(KIND) != NUMBER:
        return texts
    # Whether a text is a number is told for its row, by whoever reads the columns.
    texts = pc.utf8_trim_whitespace(texts)
    return pc.if_else(pc.is_in(texts, pa.array(MISSING)), pa.scalar(None, pa.string()), texts)
