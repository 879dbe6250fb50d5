"""One slice answered: what the pure function says of it, and of rows that could not be read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from ifonly.service.bulk import BulkBatch, BulkExplainer
from ifonly.service.bulk_runs.parts import AnsweredPart
from ifonly.service.bulk_runs.reading.pieces import BrokenRow
from ifonly.service.bulk_runs.reading.source import RowSlice

ALREADY, INVALID, FAILED = "already_target", "invalid", "failed"
BAD = (INVALID, FAILED)
"""Status of rows that could not be answered: they stand among the errors as well."""


@dataclass(frozen=True)
class Answering:
    """What is done with each slice. Pickles."""

    explainer: BulkExplainer
    is_alarms_only: bool = False
    kept: tuple[str, ...] = ()
    """Columns of the input that are taken along."""

    def __call__(self, slice_: RowSlice) -> AnsweredPart:
        read = slice_.batch.drop_columns(
            [name for name in self.kept if name not in self.explainer.schema_in.names]
        )
        found = self.explainer(read, slice_.first)
        output, problems, counts = _told(found, slice_.broken, slice_.first)
        if self.kept:
            output = _beside(output, slice_.batch, self.kept)
        cut = pc.sum(output.column("deadline_hit").cast(pa.int64())).as_py() or 0
        if self.is_alarms_only:
            output = output.filter(pc.not_equal(output.column("status"), ALREADY))
        return AnsweredPart(slice_.number, slice_.batch.num_rows, counts, cut, output, problems)


def _told(
    found: BulkBatch, broken: Mapping[int, BrokenRow], first: int
) -> tuple[pa.RecordBatch, pa.RecordBatch, Mapping[str, int]]:
    output, problems, counts = found.output, found.problems, Counter(found.counts)
    if broken:
        for at in broken:
            counts[output.column("status")[at].as_py()] -= 1
        counts[INVALID] += len(broken)
        problems = _with_broken(problems, output, broken, first)
        output = _as_broken(output, broken)
    return output, problems, {status: n for status, n in sorted(counts.items()) if n}


def _as_broken(output: pa.RecordBatch, broken: Mapping[int, BrokenRow]) -> pa.RecordBatch:
    """Nothing is said of a broken row but why it is none. It came as nulls, which a model that
    takes missing readings would have answered."""
    places: list[int] = list(range(output.num_rows))
    for i, at in enumerate(broken):
        places[at] = output.num_rows + i
    columns = []
    for each in output.schema:
        own = output.column(each.name)
        instead = [_said(each.name, own[at].as_py(), why) for at, why in broken.items()]
        both = pa.concat_arrays([own, pa.array(instead, each.type)])
        columns.append(both.take(pa.array(places, pa.int64())))
    return pa.RecordBatch.from_arrays(columns, schema=output.schema)


def _said(name: str, was: object, why: BrokenRow) -> object:
    match name:
        case "row" | "id":
            return was
        case "status":
            return INVALID
        case "problem":
            return {"field": why.field, "problem": why.problem, "value": why.value}
        case _:
            return None


def _with_broken(
    problems: pa.RecordBatch, output: pa.RecordBatch, broken: Mapping[int, BrokenRow], first: int
) -> pa.RecordBatch:
    """In order of rows, with one line for each broken row and no other of it."""
    numbers = pa.array([first + at for at in broken], pa.int64())
    others = problems.filter(pc.invert(pc.is_in(problems.column("row"), numbers)))
    told = [
        {"row": first + at, "field": why.field, "problem": why.problem, "value": why.value}
        for at, why in broken.items()
    ]
    if "id" in output.schema.names:
        ids = output.column("id")
        told = [line | {"id": ids[at].as_py()} for line, at in zip(told, broken, strict=True)]
    added = pa.RecordBatch.from_pylist(told, problems.schema)
    both = pa.Table.from_batches([others, added]).combine_chunks()
    # Stable: the faults of one row stay in their order.
    order = pc.sort_indices(both.column("row"))
    return both.take(order).combine_chunks().to_batches()[0]


def _beside(output: pa.RecordBatch, read: pa.RecordBatch, kept: Sequence[str]) -> pa.RecordBatch:
    fields = [*output.schema, *(read.schema.field(name).with_metadata(None) for name in kept)]
    columns = [*output.columns, *(read.column(name) for name in kept)]
    return pa.RecordBatch.from_arrays(columns, schema=pa.schema(fields, output.schema.metadata))
