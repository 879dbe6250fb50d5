"""Answers as a file: Parquet, Arrow IPC, CSV, JSON lines. The same bytes for the same answers,
however these came: row groups are cut by number of rows, and nothing says when."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from pathlib import Path, PurePosixPath
from typing import IO, Any, Protocol

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from ifonly.service.bulk_runs.endings import FILE_ENDS
from ifonly.service.bulk_runs.misasked import misasked
from ifonly.service.bulk_runs.reading.unpacking import PACKED

GROUP = 32_768
"""Rows of a row group, and of a batch: so few that a file of a million takes no more memory than
one of two groups."""
PART_ROWS = 1_048_576
"""Rows of one file of a folder."""


class OutputFormat(StrEnum):
    """How answers are kept."""

    PARQUET = "parquet"
    ARROW = "arrow"
    CSV = "csv"
    JSONL = "jsonl"
    FOLDER = "folder"
    """Of Parquet files."""


ENDS: Mapping[str, OutputFormat] = {end: OutputFormat(kind) for end, kind in FILE_ENDS.items()}
"""By the end of a name; CSV and JSON lines may be packed (``.gz``, ``.zst``)."""
_TEXT = (OutputFormat.CSV, OutputFormat.JSONL)


def format_of(name: str) -> tuple[OutputFormat, str | None]:
    """Its format, and how it is packed.

    Raises
    ------
    InvalidRequest
        If it cannot be written so.
    """
    path = PurePosixPath(name)
    if name.endswith("/") or not path.suffix:
        return OutputFormat.FOLDER, None
    codec = PACKED.get(path.suffix)
    end = (PurePosixPath(path.stem).suffix if codec else path.suffix).lower()
    if end not in ENDS or (codec is not None and ENDS[end] not in _TEXT):
        known = ", ".join(ENDS)
        raise misasked(
            name,
            f"answers are written as {known}, CSV and JSON lines also .gz or .zst; "
            "a name without an end is a folder of Parquet files",
        )
    return ENDS[end], codec


class _Writer(Protocol):
    def write(self, table: pa.Table) -> None: ...
    def close(self) -> None: ...


def write(
    file: IO[bytes],
    form: OutputFormat,
    codec: str | None,
    schema: pa.Schema,
    batches: Iterable[pa.RecordBatch],
) -> int:
    """All of ``batches``, which have ``schema``; how many rows they were.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    sink: Any = pa.PythonFile(file, mode="w")
    packed = sink if codec is None else pa.CompressedOutputStream(sink, codec)
    writer = _opened(packed, form, schema)
    rows = 0
    for table in grouped(batches, schema, GROUP):
        writer.write(table)
        rows += table.num_rows
        _release()
    writer.close()
    if codec is not None:
        packed.close()
    return rows


def write_folder(
    folder: Path, schema: pa.Schema, batches: Iterable[pa.RecordBatch]
) -> list[tuple[Path, int]]:
    """As Parquet files in ``folder``: each with its number of rows."""
    found: list[tuple[Path, int]] = []
    groups = grouped(batches, schema, GROUP)
    table = next(groups, schema.empty_table())
    while table is not None:
        path = folder / f"part-{len(found):05d}.parquet"
        rows = 0
        with path.open("wb") as file:
            writer = _opened(file, OutputFormat.PARQUET, schema)
            while table is not None and rows + table.num_rows <= PART_ROWS:
                writer.write(table)
                rows += table.num_rows
                _release()
                table = next(groups, None)
            writer.close()
        found.append((path, rows))
    return found


def grouped(batches: Iterable[pa.RecordBatch], schema: pa.Schema, rows: int) -> Iterator[pa.Table]:
    """The same rows in tables of ``rows`` each, but the last."""
    waiting: list[pa.RecordBatch] = []
    count = 0
    for batch in batches:
        waiting.append(batch)
        count += batch.num_rows
        while count >= rows:
            whole = pa.Table.from_batches(waiting, schema)
            yield whole.slice(0, rows).combine_chunks()
            waiting = whole.slice(rows).to_batches()
            count -= rows
    if count:
        yield pa.Table.from_batches(waiting, schema).combine_chunks()


def _release() -> None:
    """Give back what the last group took: else each group's pieces are kept for the next, which are
    of other sizes, and memory grows with the file."""
    pa.default_memory_pool().release_unused()


def _opened(sink: Any, form: OutputFormat, schema: pa.Schema) -> _Writer:
    match form:
        case OutputFormat.PARQUET:
            return _Parquet(sink, schema)
        case OutputFormat.ARROW:
            packed = pa.ipc.IpcWriteOptions(compression="zstd")
            writer: _Writer = pa.ipc.new_file(sink, schema, options=packed)
            return writer
        case OutputFormat.CSV:
            return _Csv(sink, schema)
        case _:
            return _JsonLines(sink)


class _Parquet:
    def __init__(self, sink: Any, schema: pa.Schema) -> None:
        # Texts repeat; numbers do not, but row numbers, which differ by one.
        texts = [path for path in _leaves(schema) if path != "row"]
        self._writer = pq.ParquetWriter(
            sink,
            schema,
            compression="zstd",
            compression_level=6,
            use_dictionary=texts,
            column_encoding={"row": "DELTA_BINARY_PACKED"} if "row" in schema.names else None,
        )

    def write(self, table: pa.Table) -> None:
        self._writer.write_table(table, row_group_size=GROUP)

    def close(self) -> None:
        self._writer.close()


def _leaves(schema: pa.Schema) -> list[str]:
    """Columns of a Parquet file, as it calls them."""
    sink = pa.BufferOutputStream()
    pq.write_table(schema.empty_table(), sink)
    found = pq.ParquetFile(pa.BufferReader(sink.getvalue())).schema
    return [found.column(i).path for i in range(len(found))]


class _Csv:
    """What is no single value is JSON text."""

    def __init__(self, sink: Any, schema: pa.Schema) -> None:
        flat = [f.with_type(pa.string()) if _is_nested(f.type) else f for f in schema]
        self._schema = pa.schema(flat)
        self._writer = pacsv.CSVWriter(sink, self._schema)

    def write(self, table: pa.Table) -> None:
        columns = [_as_text(c) if _is_nested(c.type) else c for c in table.columns]
        self._writer.write_table(pa.Table.from_arrays(columns, schema=self._schema))

    def close(self) -> None:
        self._writer.close()


def _is_nested(kind: pa.DataType) -> bool:
    return bool(pa.types.is_nested(kind))


def _as_text(column: pa.ChunkedArray) -> pa.Array:
    values = column.to_pylist()
    return pa.array([None if v is None else as_json(v) for v in values], pa.string())


class _JsonLines:
    """Members that are null are left out."""

    def __init__(self, sink: Any) -> None:
        self._sink = sink

    def write(self, table: pa.Table) -> None:
        for row in table.to_pylist():
            self._sink.write(as_json(row).encode() + b"\n")

    def close(self) -> None: ...


def as_json(value: Any) -> str:
    """Without what is null; what JSON has no type for (times, decimals) as text."""
    return json.dumps(_told(value), ensure_ascii=False, separators=(",", ":"), default=str)


def _told(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _told(v) for k, v in value.items() if v is not None}
    return [_told(v) for v in value] if isinstance(value, list) else value
