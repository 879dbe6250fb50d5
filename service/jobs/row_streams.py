"""Rows that are answered while others still come: the bulk function, asked piece by piece.

One stream is one question about one model. What comes out of a row is told by the columns of the
bulk function (:mod:`ifonly.service.bulk`); a row that cannot be read has a problem in its place,
and the others are answered.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections import Counter, OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ifonly.models.errors import InvalidInstance
from ifonly.models.schema import Feature, Schema
from ifonly.models.window import document_schema, window_of
from ifonly.service.bulk import BulkExplainer, BulkOptions
from ifonly.service.errors import Fault, InvalidRequest, MalformedBody, RequestPart
from ifonly.service.jobs.forms import TableForm
from ifonly.service.jobs.row_ids import ID, unnamed
from ifonly.service.served.registry import ServedModel
from ifonly.service.store.pieces import Pieces
from ifonly.service.wire.strict_json import read_json

INVALID = "invalid"
"""Status of a row that is no instance."""
GOOD = frozenset({"optimal", "feasible", "infeasible", "unknown", "abstained", "already_target"})
"""Statuses of rows that were answered."""
GROUP_ROWS = 8_192
"""Rows of one group of a Parquet file."""
MOST_MADE = 8
"""Explainers that are kept for the next stream of the same question."""
OWN_KEYS = frozenset({"instance", ID})


@dataclass(slots=True)
class RowsIn:
    """Some rows that came together."""

    batch: pa.RecordBatch | None
    """Those of them that can be asked about; None: no one can."""
    places: Sequence[int]
    """Of each of these among all that came, ascending."""
    refused: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)
    """By place: what is wrong with the others, as the bulk function tells it."""


# --- lines of JSON ------------------------------------------------------------------------


def of_lines(lines: Sequence[tuple[int, bytes]], schema: Schema) -> RowsIn:
    """Lines, each with its place: an object of the features, or one with ``instance``; perhaps
    with an ``id``."""
    found: list[tuple[int, Mapping[str, Any], str | None]] = []
    refused: dict[int, Mapping[str, Any]] = {}
    for place, line in lines:
        try:
            asked = read_json(line)
            name = _name(asked, schema)
            found.append((place, _readable(_instance(asked, schema), schema), name))
        except (MalformedBody, InvalidRequest) as error:
            refused[place] = _problem(error)
    if not found:
        return RowsIn(None, [], refused)
    columns = {ID: pa.array([name for _, _, name in found], pa.string())}
    window = window_of(schema)
    for feature in document_schema(schema).features:
        values = [row.get(feature.name) for _, row, _ in found]
        columns[feature.name] = _column(feature, values) if window is None else _lists(values)
    return RowsIn(pa.RecordBatch.from_pydict(columns), [place for place, _, _ in found], refused)


def _name(asked: Any, schema: Schema) -> str | None:
    if not isinstance(asked, dict) or ID in schema:
        return None
    unnamed(asked)
    return None if ID not in asked else str(asked[ID])


def _instance(asked: Any, schema: Schema) -> Mapping[str, Any]:
    if not isinstance(asked, dict):
        raise MalformedBody("the line is no JSON object")
    row = asked
    if "instance" in asked and "instance" not in schema:
        row = asked["instance"]
        if other := sorted(asked.keys() - OWN_KEYS):
            raise _wrong(other[0], f"{other[0]} is asked of all rows of a stream: in question")
        if not isinstance(row, dict):
            raise _wrong("instance", "instance is no JSON object")
    names = document_schema(schema).names
    known = {*names} | ({ID} if row is asked else set())
    if unknown := sorted(row.keys() - known):
        raise _wrong(unknown[0], f"{unknown[0][:60]} is no feature ({', '.join(names)})")
    return row


def _readable(row: Mapping[str, Any], schema: Schema) -> Mapping[str, Any]:
    """The row; of a window each channel is a list of numbers, or it is told now."""
    if window_of(schema) is None:
        return row
    try:
        schema.read(row)
    except InvalidInstance as error:
        first = error.problems[0]
        fault = Fault((first.field[:60],), first.problem, first.value, first.unit)
        raise InvalidRequest(RequestPart.INSTANCE, [fault]) from None
    return row


def _lists(values: Sequence[Any]) -> pa.Array:
    """Channels of windows, which can be read."""
    numbers = [[None if v is None else float(v) for v in each] for each in values]
    return pa.array(numbers, pa.list_(pa.float64()))


def _wrong(name: str, problem: str) -> InvalidRequest:
    return InvalidRequest(RequestPart.INSTANCE, [Fault((name[:60],), problem)])


def _problem(error: MalformedBody | InvalidRequest) -> Mapping[str, Any]:
    if isinstance(error, MalformedBody):
        return {"field": None, "problem": str(error).replace("the body", "the line")}
    fault = error.faults[0]
    value = None if fault.value is None else str(fault.value)[:200]
    place = "/".join(map(str, fault.path)) or None
    return {"field": place, "problem": fault.problem, "value": value, "unit": fault.unit or None}


def _column(feature: Feature, values: Sequence[Any]) -> pa.Array:
    """Numbers as numbers where all of them are; else text, whose readings are then held against
    the feature one by one."""
    if not feature.kind.is_categorical and all(map(_is_number, values)):
        return pa.array([None if v is None else float(v) for v in values], pa.float64())
    return pa.array([None if v is None else _text(v) for v in values], pa.string())


def _is_number(value: Any) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


# --- answers ------------------------------------------------------------------------------

_made: OrderedDict[str, BulkExplainer] = OrderedDict()
_making = threading.Lock()


def explainer(model: ServedModel, options: BulkOptions) -> BulkExplainer:
    """One for this question about this model, perhaps made for an earlier stream.

    Raises
    ------
    InvalidRequest, NotInBulk
        If it may not be asked, or this model not in bulk.
    """
    # By the object, too: a folder that was loaded anew has other sessions.
    key = f"{id(model)} {options!r}"
    with _making:
        found = _made.pop(key, None)
        if found is None or found.model is not model:
            found = BulkExplainer(model, options)
        _made[key] = found
        while len(_made) > MOST_MADE:
            _made.popitem(last=False)
    return found


class Answerer:
    """Answers rows of one stream, in the order in which they come; used by one at a time."""

    def __init__(self, explain: BulkExplainer) -> None:
        self._explain = explain
        self.schema: pa.Schema = explain.schema_out
        self.rows = 0
        self.next = 0
        """The place after the last row."""
        self.counts: Counter[str] = Counter()

    def answer(self, rows: RowsIn) -> pa.RecordBatch:
        """A line for each row, in order.

        Raises
        ------
        InvalidTable
            If rows of such columns cannot be read.
        GraphError
            If the model cannot be asked any more.
        """
        output = self._answered(rows)
        self.rows += output.num_rows
        self.next = max([*rows.places[-1:], *rows.refused, self.next - 1]) + 1
        return output

    def _answered(self, rows: RowsIn) -> pa.RecordBatch:
        if rows.refused:
            self.counts[INVALID] += len(rows.refused)
        refused = [self._refused(place, told) for place, told in rows.refused.items()]
        if rows.batch is None:
            return pa.RecordBatch.from_pylist(refused, self.schema)
        found = self._explain(rows.batch)
        self.counts.update(found.counts)
        numbers = pa.array(rows.places, pa.int64())
        output = found.output.set_column(0, self.schema.field(0), numbers)
        if not refused:
            return output
        merged = sorted([*output.to_pylist(), *refused], key=lambda line: int(line["row"]))
        return pa.RecordBatch.from_pylist(merged, self.schema)

    def _refused(self, place: int, told: Mapping[str, Any]) -> dict[str, Any]:
        return {"row": place, "status": INVALID, "problem": told}

    def end(self, problem: str) -> pa.RecordBatch:
        """A last line, which says why no more rows are answered."""
        self.rows += 1
        self.counts[INVALID] += 1
        last = self._refused(self.next, {"problem": problem})
        return pa.RecordBatch.from_pylist([last], self.schema)

    @property
    def is_all_good(self) -> bool:
        return GOOD.issuperset(self.counts)


def read_as(table: pa.Schema, options: BulkOptions) -> BulkOptions:
    """``options`` for a table of such columns: its ``id``, if it has one, keeps its type."""
    if ID not in table.names:
        return replace(options, id=None)
    kind = table.field(ID).type
    return replace(options, id=ID, id_type=kind if pa.types.is_integer(kind) else None)


# --- what is written ----------------------------------------------------------------------


class RowWriter:
    """Lines as a file that is sent while it is written; ``digest`` is that of all of it."""

    def __init__(self, form: TableForm, schema: pa.Schema) -> None:
        self._form = form
        self._schema = schema
        self._file = Pieces()
        self._waiting: list[pa.RecordBatch] = []
        self._digest = hashlib.sha256()
        self._writer: Any = None
        if form is TableForm.ARROW:
            self._writer = pa.ipc.new_stream(self._file, schema)
        elif form is TableForm.PARQUET:
            self._writer = pq.ParquetWriter(self._file, schema, compression="zstd")

    @property
    def digest(self) -> str:
        return self._digest.hexdigest()

    def write(self, batch: pa.RecordBatch) -> bytes:
        """What there is to send now."""
        if self._form is TableForm.JSONL:
            self._file.write(b"".join(_lines(batch)))
        elif self._form is TableForm.ARROW:
            self._writer.write_batch(batch)
        else:
            self._waiting.append(batch)
            if sum(each.num_rows for each in self._waiting) >= GROUP_ROWS:
                self._group()
        return self._taken()

    def close(self) -> bytes:
        """What is left."""
        self._group()
        if self._writer is not None:
            self._writer.close()
        return self._taken()

    def _group(self) -> None:
        if self._waiting:
            self._writer.write_table(pa.Table.from_batches(self._waiting, self._schema))
            self._waiting = []

    def _taken(self) -> bytes:
        piece = self._file.taken()
        self._digest.update(piece)
        return piece


def _lines(batch: pa.RecordBatch) -> Iterator[bytes]:
    for row in batch.to_pylist():
        yield json.dumps(_there(row), ensure_ascii=False).encode() + b"\n"


def _there(value: Any) -> Any:
    """Without what is not there."""
    if isinstance(value, dict):
        return {name: _there(each) for name, each in value.items() if each is not None}
    return [_there(each) for each in value] if isinstance(value, list) else value
