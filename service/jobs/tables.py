"""Answers as tables: CSV, an Arrow stream, a Parquet file, made piece by piece."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from ifonly.explainers.languages import LANGUAGES
from ifonly.service.audit.recourse_by_group.table import harmless
from ifonly.service.errors import FormatUnavailable
from ifonly.service.jobs.answers import JobAnswer, flat, line, whole
from ifonly.service.jobs.forms import INSTALL, TableForm, can
from ifonly.service.store.pieces import Pieces

PIECE = 1_000
"""Rows of one record batch, or of one row group."""
COLUMNS = (
    *("row", "id", "status", "decision", "probability", "score", "verified", "cost"),
    *("lower_bound", "gap", "actions", "effects", "decision_after", "probability_after"),
    *("score_after", "chance", "survives", "survival", "rests_on_rounding", "deadline_hit"),
    *("blocked_by", *(f"sentence_{tag}" for tag in LANGUAGES), "problem", "record"),
)
"""Of CSV, in which what is a list or has parts is JSON."""


def written(rows: Iterable[JobAnswer], form: TableForm, *, is_flat: bool) -> Iterator[bytes]:
    """``rows`` in ``form``; ``is_flat`` of JSON lines: few columns in place of all of it.

    Raises
    ------
    FormatUnavailable
        At once, if this installation cannot write the form.
    """
    if not can(form):
        needs = "needs pyarrow, which is not installed"
        raise FormatUnavailable(f"{form} {needs}: {INSTALL}")
    if form is TableForm.JSONL:
        return (line(flat(row) if is_flat else whole(row)) for row in rows)
    if form is TableForm.CSV:
        return _csv(rows)
    return _arrow(rows) if form is TableForm.ARROW else _parquet(rows)


def _csv(rows: Iterable[JobAnswer]) -> Iterator[bytes]:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for row in rows:
        told = flat(row)
        writer.writerow([_cell(told.get(name)) for name in COLUMNS])
        yield text.getvalue().encode()
        text.seek(0)
        text.truncate()
    yield text.getvalue().encode()  # of no row: the names alone


def _cell(value: Any) -> Any:
    if isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, bool):
        return "true" if value else "false"
    # What clients call their rows might be read as a formula.
    return harmless(value)


def schema() -> Any:
    """Of Arrow and Parquet: the bulk function's columns, and ``record``."""
    import pyarrow as pa

    from ifonly.service.bulk import BulkOptions
    from ifonly.service.bulk.schema import schema_out

    options = BulkOptions(id="id", languages=LANGUAGES)
    told = schema_out(options, {}).remove_metadata()
    kept = [field for field in told if field.name in COLUMNS]
    return pa.schema([*kept, pa.field("record", pa.string(), nullable=False)])


def _batches(rows: Iterable[JobAnswer]) -> Iterator[Any]:
    import pyarrow as pa

    kind, each = schema(), iter(rows)
    while some := [flat(row) for row in islice(each, PIECE)]:
        yield pa.RecordBatch.from_pylist(some, kind)


def _arrow(rows: Iterable[JobAnswer]) -> Iterator[bytes]:
    import pyarrow as pa

    sink = Pieces()
    with pa.ipc.new_stream(sink, schema()) as writer:
        for batch in _batches(rows):
            writer.write_batch(batch)
            yield sink.taken()
    yield sink.taken()


def _parquet(rows: Iterable[JobAnswer]) -> Iterator[bytes]:
    import pyarrow.parquet as pq

    sink = Pieces()
    with pq.ParquetWriter(sink, schema(), compression="zstd") as writer:
        for batch in _batches(rows):
            writer.write_batch(batch)
            yield sink.taken()
    yield sink.taken()
