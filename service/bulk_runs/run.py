"""One run, whole: what is read, what is left to do, what it came to."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa

from ifonly.models.schema import Feature
from ifonly.service.bulk import BulkExplainer, BulkOptions
from ifonly.service.bulk_runs import durable, manifest, writing
from ifonly.service.bulk_runs.answering import Answering
from ifonly.service.bulk_runs.parts import Part
from ifonly.service.bulk_runs.reading.pieces import CATEGORY, KEPT, KIND, NUMBER
from ifonly.service.bulk_runs.reading.places import place_of
from ifonly.service.bulk_runs.reading.source import (
    InputFormat,
    ReadOptions,
    Slice,
    Source,
    opened,
    sliced,
    unified,
)
from ifonly.service.bulk_runs.records import Ledger
from ifonly.service.bulk_runs.tally import Tally
from ifonly.service.bulk_runs.targets import ERRORS, MANIFEST, OutputFile, Target, described
from ifonly.service.bulk_runs.work_folder import WorkFolder, held
from ifonly.service.bulk_runs.workers import Workers
from ifonly.service.errors import CannotBulk
from ifonly.service.served.registry import ServedModel
from ifonly.service.store.chain import new_id, now_us, timestamp
from ifonly.service.store.journal import Receipt

SLICE = 4_096
"""Rows that are answered, and kept, as one: what a kill may cost a process."""


@dataclass(frozen=True)
class Plan:
    """What is to be done."""

    given: str
    """Path, glob or URL of the rows."""
    out: str
    model: ServedModel
    options: BulkOptions = field(default_factory=BulkOptions)
    read: ReadOptions = field(default_factory=ReadOptions)
    is_alarms_only: bool = False
    columns: tuple[str, ...] = ()
    """Of the answers; none: all."""
    kept: tuple[str, ...] = ()
    """Columns of the rows that are taken along."""
    workers: int = 1
    slice_rows: int = SLICE
    overwrite: bool = False
    restart: bool = False
    """Throw away what was done before."""
    work: Path | None = None


class Tell(Protocol):
    """Is told how far a run is."""

    def begun(self, total: int | None, resumed: int, counts: Mapping[str, int]) -> None:
        """Of ``total`` rows, if that is known, ``resumed`` were answered before."""
        ...

    def answered(self, rows: int, counts: Mapping[str, int], share: float) -> None:
        """``rows`` more; ``share`` of the input has been read by now."""
        ...

    def writing(self) -> None:
        """All are answered, and are being written."""
        ...


@dataclass(frozen=True)
class RunOutcome:
    """What a run came to."""

    manifest: Mapping[str, Any]
    receipt: Receipt | None = None
    """Where its record stands."""
    was_there: bool = False
    """Whether the same answers were in their place already."""
    resumed: int = 0
    """Rows that had been answered before."""
    replaced: int = 0
    """Processes that died and were replaced."""
    seconds: float = 0.0
    """From its beginning to its end, here."""


def run(plan: Plan, tell: Tell, ledger: Ledger | None) -> RunOutcome:
    """Answer every row of an input; ``ledger`` None: nothing is recorded.

    Raises
    ------
    CannotBulk
        If the input cannot be read or the output not be written; what is done stays.
    InvalidTable
        If the columns are none of the model's.
    InvalidRequest, NotInBulk
        If the model cannot be asked so.
    """
    target = Target.of(plan.out, plan.work)
    began = time.monotonic()
    with held(target.work) as work:
        outcome = _Run(plan, target, work, tell, ledger).done()
    return replace(outcome, seconds=time.monotonic() - began)


class _Run:
    def __init__(
        self, plan: Plan, target: Target, work: WorkFolder, tell: Tell, ledger: Ledger | None
    ) -> None:
        self._plan = plan
        self._target = target
        self._work = work
        self._tell = tell
        self._ledger = ledger
        self._begun = None if plan.restart else work.run
        how = plan.read
        if self._begun is not None and how.table_version is None:
            # Gone on with as it was then, whatever was written to the table since.
            how = replace(how, table_version=self._begun["question"]["input"]["table_version"])
        self._source = opened(plan.given, how)
        self._answering, self._schema = answering_of(plan, self._source)

    def done(self) -> RunOutcome:
        plan, work = self._plan, self._work
        columns = out_schema(plan, self._answering, self._schema)
        if self._ledger is not None:
            self._ledger.check()  # not after hours
        question = {
            "input": manifest.input_of(self._source),
            "identity": json.loads(json.dumps(self._answering.explainer.identity)),
            "how": _how(plan),
        }
        if self._target.is_there and not plan.overwrite:
            return self._was_there(question)
        run = self._run(question)
        counts = work.look()
        resumed = sum(counts.values())
        rows = self._source.rows()
        self._tell.begun(rows, resumed, counts)
        replaced = self._answer(run["slice_rows"])
        self._tell.writing()
        said = self._written(run, columns)
        receipt = None if self._ledger is None else self._ledger.seal(said)
        read = manifest.read(said, "the manifest")
        has_errors = read["errors"] is not None
        self._target.publish(said, has_errors=has_errors, overwrite=plan.overwrite)
        work.remove()
        return RunOutcome(read, receipt, resumed=resumed, replaced=replaced)

    def _was_there(self, question: Mapping[str, Any]) -> RunOutcome:
        """Asked for the same once more: a scheduler may."""
        where = self._target.beside(MANIFEST)
        found = self._target.content(where)
        hint = "--overwrite replaces it"
        if found is None:
            raise CannotBulk(f"{self._target.given} is there already, of no run; {hint}")
        before = manifest.read(found, where)
        told = manifest.differences(before, question)
        told += [
            f"{name} is not what was written"
            for name, holds in described(self._target, before["output"]["files"])
            if not holds
        ]
        if told:
            raise CannotBulk(
                f"{self._target.given} is there already, of another run: {'; '.join(told)}; {hint}"
            )
        return RunOutcome(before, was_there=True)

    def _run(self, question: Mapping[str, Any]) -> Mapping[str, Any]:
        """What was begun before, if it is the same; else begun now."""
        if self._begun is not None:
            told = manifest.differences(self._begun["question"], question)
            if not told:
                return self._begun
            raise CannotBulk(
                f"{self._target.work} has the beginning of another run: {'; '.join(told)}; "
                "--restart throws it away"
            )
        run = {
            "format": manifest.FORMAT,
            "id": new_id(),
            "begun": timestamp(now_us()),
            "given": place_of(self._plan.given),
            "slice_rows": self._plan.slice_rows,
            "question": question,
        }
        self._work.begin(run)
        return run

    def _answer(self, slice_rows: int) -> int:
        """Answer what is not answered; how many processes were replaced."""
        done = self._work.done

        def left() -> Iterator[Slice]:
            for slice_ in sliced(self._source, self._schema, slice_rows):
                if slice_.number not in done:
                    yield slice_

        with Workers(self._answering, self._plan.workers) as workers:
            for slice_, part in workers.answered(left()):
                self._work.put(part)
                self._tell.answered(part.rows, part.counts, slice_.done)
            return workers.replaced

    def _written(self, run: Mapping[str, Any], schema: pa.Schema) -> bytes:
        """Write the answers beside their place, and the manifest of them."""
        tally = Tally()
        errors = _Errors(self._target.errors)
        batches = (part.output.select(schema.names) for part in self._counted(tally, errors))
        files = self._target.write(schema, batches)
        told = errors.closed()
        kept = self._work.manifest
        if kept is not None:
            # Of a process that ended here before: its record, if it has one, is of this manifest.
            before = manifest.read(kept, "the manifest that was kept")
            if [f["sha256"] for f in before["output"]["files"]] == [f.sha256 for f in files]:
                return kept
        said = manifest.written(
            run, tally, files, told, schema, is_recorded=self._ledger is not None
        )
        self._work.keep_manifest(said)
        return said

    def _counted(self, tally: Tally, errors: _Errors) -> Iterator[Part]:
        for part in self._work.parts():
            tally.add(part)
            errors.add(part.problems)
            yield part


class _Errors:
    """Rows that could not be answered, a line for each thing wrong with one."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = durable.written(path)
        self._sink = self._file.__enter__()
        self._rows: set[int] = set()

    def add(self, problems: pa.RecordBatch) -> None:
        for line in problems.to_pylist():
            self._rows.add(line["row"])
            self._sink.write(writing.as_json(line).encode() + b"\n")

    def closed(self) -> OutputFile | None:
        """None: there was none."""
        self._file.__exit__(None, None, None)
        if not self._rows:
            self._path.unlink()
            return None
        return OutputFile.of(self._path, ERRORS, len(self._rows))


# --- columns --------------------------------------------------------------------------------------


def answering_of(plan: Plan, source: Source) -> tuple[Answering, pa.Schema]:
    """What is done with each slice, and the columns that are read for it."""
    explainer = BulkExplainer(plan.model, plan.options)
    features = [f for f in explainer.schema_in.names if f != plan.options.id]
    own = [plan.options.id] if plan.options.id is not None else []
    wanted = list(dict.fromkeys([*own, *features, *plan.kept]))
    texts = _texts(plan, source.format, wanted)
    try:
        schema = unified(source, wanted, texts, explainer.check_schema)
    except pa.ArrowException as error:
        raise CannotBulk(f"{plan.given} cannot be read: {error}") from None
    missing = [name for name in plan.kept if name not in schema.names]
    if missing:
        raise CannotBulk(f"{plan.given} has no column {missing[0]!r}, which is to be kept")
    if plan.options.id is not None:
        kind = schema.field(plan.options.id).type
        explainer = BulkExplainer(plan.model, replace(plan.options, id_type=kind))
    return Answering(explainer, plan.is_alarms_only, plan.kept), schema


def _texts(plan: Plan, form: InputFormat, wanted: Sequence[str]) -> pa.Schema:
    """As what columns are read from files of text."""
    called = plan.options.columns
    features = {called.get(f.name, f.name): f for f in plan.model.schema.features}

    def field_of(name: str) -> pa.Field:
        feature: Feature | None = features.get(name)
        if feature is None:
            return pa.field(name, pa.string(), metadata={KIND: KEPT})
        if feature.kind.is_categorical:
            return pa.field(name, pa.string(), metadata={KIND: CATEGORY})
        # CSV has texts: whether one is a number is told for its row.
        kind = pa.string() if form is InputFormat.CSV else pa.float64()
        return pa.field(name, kind, metadata={KIND: NUMBER})

    return pa.schema([field_of(name) for name in wanted])


def out_schema(plan: Plan, answering: Answering, read: pa.Schema) -> pa.Schema:
    """Columns of the output.

    Raises
    ------
    CannotBulk
        If one is wanted that there is not, or two have one name.
    """
    own = answering.explainer.schema_out
    for name in plan.kept:
        if name in own.names:
            raise CannotBulk(f"--keep {name}: answers have a column of that name")
    kept = [read.field(name).with_metadata(None) for name in plan.kept]
    whole = pa.schema([*own, *kept], own.metadata)
    for name in plan.columns:
        if name not in whole.names:
            raise CannotBulk(f"--columns {name}: there are {', '.join(whole.names)}")
    if not plan.columns:
        return whole
    # Its number always: by it a row is joined, and found again.
    names = dict.fromkeys(["row", *plan.columns, *plan.kept])
    return pa.schema([whole.field(name) for name in names], whole.metadata)


def _how(plan: Plan) -> dict[str, Any]:
    """What else decides what comes out."""
    read = plan.read
    return {
        "id": plan.options.id,
        "names": dict(plan.options.columns),
        "extra": plan.options.extra,
        "only": "alarms" if plan.is_alarms_only else "all",
        "columns": list(plan.columns),
        "keep": list(plan.kept),
        "delimiter": read.delimiter,
        "encoding": read.encoding,
        "output": writing.format_of(plan.out)[0].value,
    }
