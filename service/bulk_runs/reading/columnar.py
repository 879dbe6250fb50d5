"""Parquet and Arrow IPC (files and streams)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq

from ifonly.service.bulk_runs.reading.pieces import RowPiece
from ifonly.service.bulk_runs.reading.places import InputFile, reading

ROWS = 16_384
"""Read at once."""
_MAGIC = b"ARROW1"


@dataclass(frozen=True)
class ParquetReader:
    """Row group by row group: as much is in memory as one has of the columns that are read."""

    def schema(self, file: InputFile) -> pa.Schema:
        with reading(file.name), file.at() as opened:
            return pq.read_schema(opened)

    def rows(self, file: InputFile) -> int | None:
        with reading(file.name), file.at() as opened:
            return int(pq.read_metadata(opened).num_rows)

    def pieces(self, file: InputFile, schema: pa.Schema) -> Iterator[RowPiece]:
        with reading(file.name), file.at() as opened:
            parquet = pq.ParquetFile(opened)
            there = set(parquet.schema_arrow.names)
            columns = [name for name in schema.names if name in there]
            for batch in parquet.iter_batches(ROWS, columns=columns):
                yield RowPiece(batch)


@dataclass(frozen=True)
class IpcReader:
    """Batch by batch."""

    def schema(self, file: InputFile) -> pa.Schema:
        with reading(file.name), file.at() as opened:
            return _reader(opened).schema

    def rows(self, file: InputFile) -> int | None:
        return None

    def pieces(self, file: InputFile, schema: pa.Schema) -> Iterator[RowPiece]:
        with reading(file.name), file.at() as opened:
            there = set(_reader(opened).schema.names)
            columns = [name for name in schema.names if name in there]
            opened.seek(0)
            for batch in _batches(opened):
                yield RowPiece(batch.select(columns), read=opened.tell())


def _reader(opened: pa.NativeFile) -> pa.RecordBatchFileReader | pa.RecordBatchStreamReader:
    is_file = opened.read(len(_MAGIC)) == _MAGIC
    opened.seek(0)
    return pa.ipc.open_file(opened) if is_file else pa.ipc.open_stream(opened)


def _batches(opened: pa.NativeFile) -> Iterator[pa.RecordBatch]:
    reader = _reader(opened)
    if isinstance(reader, pa.RecordBatchFileReader):
        yield from map(reader.get_batch, range(reader.num_record_batches))
    else:
        yield from reader
