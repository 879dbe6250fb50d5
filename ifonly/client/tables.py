"""Tables of Arrow's, sent in parts and put together again. Needs pyarrow."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ifonly.client.errors import NotAnAnswer, NotSent

if TYPE_CHECKING:
    import pyarrow as pa

STREAM = "application/vnd.apache.arrow.stream"
PART_ROWS = 4_096
PART_BYTES = 1 << 18
"""Of one request: it is sent whole before its reply is read, so both must find room on the way."""
ID = "id"


def table_of(rows: Any, id: str | None) -> pa.Table:
    """``rows`` (of pyarrow, pandas or polars) as a table of Arrow's, its column ``id`` called so.

    Raises
    ------
    NotSent
        If they are no table, or have no such column.
    """
    try:
        import pyarrow as pa
    except ImportError:
        raise NotSent("explain_table needs pyarrow: pip install 'ifonly[bulk]'") from None
    if isinstance(rows, pa.RecordBatch):
        rows = pa.Table.from_batches([rows])
    elif hasattr(rows, "to_arrow"):  # polars
        rows = rows.to_arrow()
    elif type(rows).__module__.partition(".")[0] == "pandas":
        try:
            rows = pa.Table.from_pandas(rows, preserve_index=False)
        except pa.ArrowException as error:
            raise NotSent(f"the table cannot be written: {error}") from error
    if not isinstance(rows, pa.Table):
        raise NotSent(f"a {type(rows).__name__} came where a table of Arrow's is taken")
    if id is None or id == ID:
        return rows
    if id not in rows.column_names:
        raise NotSent(f"the table has no column {id!r}: {', '.join(rows.column_names)}")
    if ID in rows.column_names:
        rows = rows.drop_columns([ID])
    return rows.rename_columns([ID if name == id else name for name in rows.column_names])


def parts(table: pa.Table) -> Iterator[tuple[int, bytes]]:
    """Arrow streams of its rows, each with the number of its first row; one of no row if it has
    none."""
    import pyarrow as pa

    bytes_each = max(1, table.nbytes // max(1, table.num_rows))
    size = max(1, min(PART_ROWS, PART_BYTES // bytes_each))
    for start in range(0, max(1, table.num_rows), size):
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table.slice(start, size))
        yield start, sink.getvalue().to_pybytes()


def answered(body: bytes, start: int) -> pa.Table:
    """The answers to a part, its rows numbered from ``start``.

    Raises
    ------
    NotAnAnswer
        If it is none.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        found = pa.ipc.open_stream(body).read_all()
        numbers = pc.add(found.column("row"), start)
        return found.set_column(0, found.schema.field("row"), numbers)
    except (pa.ArrowException, KeyError) as error:
        raise NotAnAnswer(f"the reply is no Arrow stream of answers: {error}") from error


def joined(found: Sequence[pa.Table]) -> pa.Table:
    import pyarrow as pa

    return pa.concat_tables(found)


def question_in_query(said: dict[str, Any]) -> dict[str, str]:
    return {"question": json.dumps(said, ensure_ascii=False)} if said else {}
