"""Rows taken out of the input and asked again: each has to come out as it was written, and the
checker, which shares nothing with the search, recomputes it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ifonly.service.ask.problems import pointer
from ifonly.service.audit.replay import differences
from ifonly.service.bulk_runs.answering import ALREADY, Answering
from ifonly.service.bulk_runs.asked_before import InputChanged, input_before, plan_before
from ifonly.service.bulk_runs.discrepancies import RowsToAsk, RunVerification
from ifonly.service.bulk_runs.planning import answering_of, out_schema
from ifonly.service.bulk_runs.reading.source import RowSlice, RowSource, sliced
from ifonly.service.bulk_runs.rereading import Row, WrittenAnswers
from ifonly.service.bulk_runs.targets import OutputTarget
from ifonly.service.errors import CannotBulk
from ifonly.service.served.registry import ServedModel

BATCH = 4_096


def ask_again(
    target: OutputTarget, model: ServedModel, report: RunVerification, wanted: RowsToAsk
) -> None:
    """Ask rows again of ``model``, and compare: what differs is told to ``report``.

    Raises
    ------
    InvalidRequest, NotInBulk
        If the model cannot be asked so any more.
    """
    said = report.manifest
    source = _source(said, wanted, report)
    if source is None:
        return
    plan = plan_before(said, target, model, source)
    answering, schema = answering_of(plan, source)
    if not _is_same_model(said["identity"], answering.explainer.identity, report):
        return
    columns = out_schema(plan, answering, schema)
    written = WrittenAnswers(target, said["output"]["files"], tuple(said["output"]["columns"]))
    asking = _Asking(answering, columns, written, report)
    try:
        numbers = None if wanted.everything else _numbers(written, wanted, _left_out(said))
        rows = _RowsInOrder(written.rows(numbers))
        for slice_ in sliced(source, schema, BATCH):
            asking.compare(slice_, numbers, rows.before(slice_.first + slice_.batch.num_rows))
        for row in rows.before(None):
            report.against(_named(row), "is no row of the input")
    except CannotBulk as error:
        report.against(target.given, str(error))


def _is_same_model(
    before: Mapping[str, Any], now: Mapping[str, Any], report: RunVerification
) -> bool:
    now = json.loads(json.dumps(now))  # as JSON has it: a tuple comes back as a list
    if before["ifonly_version"] != now["ifonly_version"]:
        report.notes.append(f"the rows were answered by ifonly {before['ifonly_version']}")
    # Asked again without a deadline: an answer that was not cut must come again.
    asked = {**before["asked"]}
    asked.pop("deadline_ms", None)
    others = [key for key in before if key != "ifonly_version" and before[key] != now.get(key)]
    if others == ["asked"] and asked == now["asked"]:
        return True
    for key in others:
        was, became = json.dumps(before[key]), json.dumps(now.get(key))
        report.against("the model", f"{key} was {was}, and is {became}")
    return not others


@dataclass(frozen=True)
class _Asking:
    """Asks rows of slices again, and compares."""

    answering: Answering
    columns: pa.Schema
    written: WrittenAnswers
    report: RunVerification

    def compare(
        self, slice_: RowSlice, numbers: frozenset[int] | None, written: Sequence[Row]
    ) -> None:
        """``numbers``: of the rows that are asked; None: all are. ``written``: what there is of
        them."""
        count = slice_.batch.num_rows
        at = [i for i in range(count) if numbers is None or slice_.first + i in numbers]
        if not at:
            return
        places = pa.array(at, pa.int64())
        batch = slice_.batch.take(places)
        broken = {i: slice_.broken[k] for i, k in enumerate(at) if k in slice_.broken}
        part = self.answering(RowSlice(slice_.number, 0, batch, broken))
        self.report.asked += len(at)
        real = pc.add(places, slice_.first)
        output = _numbered(part.output, real)
        again = {
            row["row"]: row for row in self.written.as_written(output.select(self.columns.names))
        }
        for row in written:
            now = again.pop(row["row"], None)
            if now is None:
                self.report.against(_named(row), "is no alarm, and stands among the alarms")
            elif not _was_cut(row):
                self._differences(row, now)
        for row in again.values():
            self.report.against(_named(row), "is missing")
        self._recomputed(batch, part.output, real)

    def _differences(self, was: Row, now: Row) -> None:
        for path, before, after in differences((), was, now):
            told = f"{pointer(path)} is {json.dumps(before)}, and asked again {json.dumps(after)}"
            self.report.against(_named(was), told)

    def _recomputed(self, batch: pa.RecordBatch, output: pa.RecordBatch, real: pa.Array) -> None:
        """The checker's word on each, which asks no engine."""
        explainer = self.answering.explainer
        told = output.column("row")
        lines = output.select(explainer.schema_out.names).cast(explainer.schema_out)
        read = batch.select([n for n in batch.schema.names if n in explainer.schema_in.names])
        for fault in explainer.check(read.take(told), lines):
            number = real[fault.row].as_py()
            self.report.against(f"row {number}", f"{fault.check}: {fault.says}")


class _RowsInOrder:
    """Rows in order of their numbers, taken piece by piece."""

    def __init__(self, rows: Iterator[Row]) -> None:
        self._rows = rows
        self._next: Row | None = next(rows, None)

    def before(self, end: int | None) -> list[Row]:
        """Those whose number is less; None: all that are left."""
        found = []
        while self._next is not None and (end is None or self._next["row"] < end):
            found.append(self._next)
            self._next = next(self._rows, None)
        return found


def _numbered(output: pa.RecordBatch, real: pa.Array) -> pa.RecordBatch:
    """With the numbers that rows have in their file, in place of those in the batch."""
    at = output.schema.get_field_index("row")
    return output.set_column(at, output.schema.field(at), real.take(output.column("row")))


def _left_out(said: Mapping[str, Any]) -> int | None:
    """How many rows there are, where those that are no alarm are left out; None: none is."""
    return int(said["rows"]) if said["how"]["only"] == "alarms" else None


def _numbers(written: WrittenAnswers, wanted: RowsToAsk, of: int | None) -> frozenset[int]:
    """Of the rows that are asked again; ``of`` so many, if some were left out.

    Raises
    ------
    CannotBulk
        If one that is named is not there.
    """
    if wanted.rows:
        return _named_rows(written, wanted.rows, of)
    numbers: list[Any] = []
    alarms: list[Any] = []
    for batch in written.known():
        numbers.append(batch.column("row").to_numpy())
        if "status" in batch.schema.names:
            is_alarm = pc.not_equal(batch.column("status"), ALREADY)
            alarms.append(batch.filter(is_alarm).column("row").to_numpy())
    # By chance: nobody who changes a row may know that it will not be asked.
    rng = np.random.default_rng()
    some: set[int] = set()
    if of is not None:
        # Whether what was left out is no alarm can be asked of any row.
        alarms, numbers = numbers, [np.arange(of)]
    for found in (alarms, numbers):
        every = np.concatenate(found) if found else np.empty(0, np.int64)
        left = np.setdiff1d(every, np.array(sorted(some), np.int64))
        take = min(wanted.sample // 2 if found is alarms else wanted.sample - len(some), len(left))
        some.update(rng.choice(left, take, replace=False).tolist())
    return frozenset(some)


def _named_rows(written: WrittenAnswers, names: Sequence[str], of: int | None) -> frozenset[int]:
    has_ids = "id" in written.columns
    by_id: dict[str, list[int]] = {name: [] for name in names}
    for batch in written.known():
        key = batch.column("id" if has_ids else "row").cast(pa.string())
        fits = batch.filter(pc.is_in(key, pa.array(list(names))))
        own = fits.column("id" if has_ids else "row").cast(pa.string()).to_pylist()
        for name, number in zip(own, fits.column("row").to_pylist(), strict=True):
            by_id[name].append(number)
    for name, found in by_id.items():
        # Left out: asked again by its number, to see whether it is no alarm.
        if of is not None and not has_ids and name.isdecimal() and int(name) < of:
            found[:] = [int(name)]
    missing = [name for name, found in by_id.items() if not found]
    if missing:
        what = "id" if has_ids else "number"
        raise CannotBulk(f"{written.target.given} has no row with the {what} {missing[0]!r}")
    return frozenset(number for found in by_id.values() for number in found)


def _named(row: Row) -> str:
    return f"row {row['row']}" + (f" ({row['id']})" if "id" in row else "")


def _was_cut(row: Row) -> bool:
    return row.get("deadline_hit") in (True, "true")


def _source(
    said: Mapping[str, Any], wanted: RowsToAsk, report: RunVerification
) -> RowSource | None:
    """The input, if it is what was read."""
    try:
        return input_before(said["input"], said["how"], wanted.given)
    except InputChanged as error:
        report.against(error.given, "is not what was read: its digest is another")
    except CannotBulk as error:
        report.notes.append(f"no row was asked again: {error}; --input says where it is now")
    return None
