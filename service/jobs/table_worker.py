"""The child of :class:`ifonly.service.jobs.table_process.TableProcess`.

``python -m ifonly.service.jobs.table_worker WANTED``: a file on standard input, a plain Arrow
stream on standard output; the last line of standard error says, as JSON, why it ended early.
"""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Iterator
from typing import Any, BinaryIO, NoReturn

import pyarrow as pa
import pyarrow.parquet as pq

from ifonly.models.onnx.walls import more_processor, wall_in
from ifonly.service.jobs.forms import TableForm
from ifonly.service.jobs.table_process import (
    BATCH_BYTES,
    BATCH_ROWS,
    CELL_BYTES,
    CPU_SECONDS,
    MEMORY_BYTES,
    TableWanted,
)

REFUSED = 3
"""Exit code of a process that has said why."""


class Refused(Exception):
    """The file is not read, or no further."""


def main() -> None:
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what libraries print must not come into the stream
    said = json.loads(sys.argv[1])
    wanted = TableWanted(TableForm(said["form"]), said["columns"], said["prefix"], said["max_rows"])
    # Threads have stacks, which are address space.
    pa.set_cpu_count(1)
    pa.set_io_thread_count(1)
    wall_in(MEMORY_BYTES)
    more_processor(CPU_SECONDS)
    try:
        _copy(_of_arrow, wanted, out) if wanted.form is TableForm.ARROW else _copy(
            _of_file, wanted, out
        )
    except Refused as error:
        _told(str(error))
    except MemoryError:
        _told(f"it unpacks to more than {MEMORY_BYTES >> 20} MiB")
    except (pa.ArrowException, OSError, ValueError) as error:
        text = str(error).strip().splitlines()
        first = text[0][:300] if text else type(error).__name__
        if isinstance(error, pa.ArrowMemoryError) or "malloc" in first or "alloc" in first:
            first = f"it unpacks to more than {MEMORY_BYTES >> 20} MiB"
        _told(first)


def _told(problem: str, rows: int | None = None) -> NoReturn:
    said = {"problem": problem} | ({} if rows is None else {"rows": rows})
    sys.stderr.write("\n" + json.dumps(said) + "\n")
    sys.stderr.flush()
    os._exit(REFUSED)


def _copy(read: Any, wanted: TableWanted, out: BinaryIO) -> None:
    writer, count = None, 0
    for batch in read(sys.stdin.buffer, wanted):
        count += batch.num_rows
        if count > wanted.max_rows:
            _told("too many rows", count)
        plain = _plain(batch)
        if writer is None:
            writer = pa.ipc.new_stream(out, plain.schema)
        for piece in _small(plain):
            writer.write_batch(piece)
            out.flush()
    if writer is not None:
        writer.close()
    out.close()


def _of_arrow(source: BinaryIO, wanted: TableWanted) -> Iterator[pa.RecordBatch]:
    with pa.ipc.open_stream(source) as reader:
        names = _chosen(reader.schema, wanted)
        yield _nothing(reader.schema, names)
        for batch in reader:
            # Offsets of strangers lead anywhere until somebody has looked.
            batch.validate(full=True)
            yield batch.select(names)


def _of_file(source: BinaryIO, wanted: TableWanted) -> Iterator[pa.RecordBatch]:
    file = pq.ParquetFile(io.BytesIO(source.read()))
    if (rows := file.metadata.num_rows) > wanted.max_rows:
        _told("too many rows", rows)
    names = _chosen(file.schema_arrow, wanted)
    yield _nothing(file.schema_arrow, names)
    # By name, so that a column that is not wanted is not even unpacked.
    for batch in file.iter_batches(BATCH_ROWS, columns=names, use_threads=False):
        batch.validate(full=True)
        yield batch.select(names)


def _chosen(schema: pa.Schema, wanted: TableWanted) -> list[str]:
    known = {*wanted.columns}
    names = [n for n in schema.names if n in known or n.startswith(wanted.prefix)]
    again = sorted({name for name in names if names.count(name) > 1})
    if again:
        raise Refused(f"the column {again[0]} is given twice")
    for name in names:
        kind = schema.field(name).type
        if pa.types.is_nested(kind) and not (pa.types.is_dictionary(kind) or _is_series(kind)):
            raise Refused(f"the column {name} is {kind}, no column of numbers or text")
    return names


def _is_series(kind: pa.DataType) -> bool:
    """Whether it is of lists of numbers, as the channels of a window are."""
    is_list = pa.types.is_list(kind) or pa.types.is_large_list(kind)
    if not (is_list or pa.types.is_fixed_size_list(kind)):
        return False
    own = kind.value_type
    return bool(pa.types.is_floating(own) or pa.types.is_integer(own) or pa.types.is_null(own))


def _nothing(schema: pa.Schema, names: list[str]) -> pa.RecordBatch:
    """No row, so that a file without rows has columns all the same."""
    fields = [schema.field(name) for name in names]
    return pa.RecordBatch.from_arrays(
        [pa.nulls(0, pa.null()).cast(f.type) for f in fields], schema=pa.schema(fields)
    )


def _plain(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Dictionaries written out, text of one type, and no value too long for what it may be."""
    columns, fields = [], []
    for field, column in zip(batch.schema, batch.columns, strict=True):
        kind = column.type
        if pa.types.is_dictionary(kind):
            _check_cells(field.name, column.dictionary)
            column = column.dictionary_decode()
            kind = column.type
        _check_cells(field.name, column)
        if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
            column = column.cast(pa.string())
        if pa.types.is_decimal(kind):
            column = column.cast(pa.float64())
        if _is_series(kind):  # of one type, however they are laid out
            column = column.cast(pa.list_(kind.value_type))
        columns.append(column)
        fields.append(pa.field(field.name, column.type, metadata=field.metadata))
    # Metadata of the whole table is not ours to read.
    return pa.RecordBatch.from_arrays(columns, schema=pa.schema(fields))


def _check_cells(name: str, column: pa.Array) -> None:
    kind = column.type
    is_long = pa.types.is_binary(kind) or pa.types.is_string(kind) or pa.types.is_string_view(kind)
    if not (is_long or pa.types.is_large_string(kind) or pa.types.is_large_binary(kind)):
        return
    import pyarrow.compute as pc

    if pa.types.is_string_view(kind):
        column = column.cast(pa.string())
    longest = pc.max(pc.binary_length(column)).as_py() or 0
    if longest > CELL_BYTES:
        raise Refused(f"a value of {name} has {longest:,} bytes; it may have {CELL_BYTES:,}")


def _small(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    rows = max(1, min(BATCH_ROWS, batch.num_rows))
    while rows > 1 and batch.nbytes / max(1, batch.num_rows) * rows > BATCH_BYTES:
        rows //= 2
    if not batch.num_rows:
        yield batch
    for start in range(0, batch.num_rows, rows):
        yield batch.slice(start, rows)


if __name__ == "__main__":
    main()
