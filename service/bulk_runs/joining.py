"""What stands in the input of a run beside its answers, by number of the row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from ifonly.models.window import document_schema
from ifonly.service.bulk.reading import TableReader
from ifonly.service.bulk_runs.misasked import misasked
from ifonly.service.bulk_runs.planning import Plan, texts_of
from ifonly.service.bulk_runs.reading.source import RowSource, sliced, unified

BATCH = 4_096


def column(plan: Plan, source: RowSource, name: str) -> dict[int, Any]:
    """The values of one column, where there are some.

    Raises
    ------
    CannotBulk
        If the input cannot be read.
    InvalidRequest
        If it has no such column.
    """
    schema = unified(source, [name], texts_of(plan, source.format, [name]), lambda _: None)
    found: dict[int, Any] = {}
    if name in schema.names:
        for slice_ in sliced(source, schema, BATCH):
            values = slice_.batch.column(name).to_pylist()
            found |= {slice_.first + i: v for i, v in enumerate(values) if v is not None}
    if not found:  # JSON lines do not say which columns they have
        raise misasked(f"--by {name}", f"neither the answers nor {source.given} has such a column")
    return found


def instances(
    plan: Plan, source: RowSource, numbers: frozenset[int] | None
) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """The rows of these numbers, or all, as requests have them; without those that are none.

    Raises
    ------
    CannotBulk
        If the input cannot be read.
    InvalidTable
        If it is no table of the model's.
    """
    schema = plan.model.schema
    reader = TableReader(schema, plan.options)
    wanted = [plan.options.columns.get(name, name) for name in document_schema(schema).names]
    if plan.options.id is not None:
        wanted = list(dict.fromkeys([*wanted, plan.options.id]))
    texts = texts_of(plan, source.format, wanted)
    for slice_ in sliced(source, unified(source, wanted, texts, reader.check), BATCH):
        read = reader.read(slice_.batch)
        for i in np.flatnonzero(read.valid).tolist():
            number = slice_.first + i
            if i not in slice_.broken and (numbers is None or number in numbers):
                yield number, schema.write(read.rows[i])
