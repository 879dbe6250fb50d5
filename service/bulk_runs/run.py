"""One run, whole: what is read, what is left to do, what it came to."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa

from ifonly.service.bulk_runs import durable, manifest, writing
from ifonly.service.bulk_runs.engines import BulkEngine, check, pool
from ifonly.service.bulk_runs.parts import AnsweredPart
from ifonly.service.bulk_runs.planning import Plan, answering_of, how, out_schema
from ifonly.service.bulk_runs.reading.places import place_of
from ifonly.service.bulk_runs.reading.source import RowSlice, opened, sliced
from ifonly.service.bulk_runs.records import Ledger
from ifonly.service.bulk_runs.tally import RunTally
from ifonly.service.bulk_runs.targets import ERRORS, MANIFEST, OutputFile, OutputTarget, described
from ifonly.service.bulk_runs.work_folder import WorkFolder, held
from ifonly.service.errors import CannotBulk
from ifonly.service.store.chain import new_id, now_us, timestamp
from ifonly.service.store.journal import Receipt


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
    """Processes, or actors, that died and were replaced."""
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
    check(plan.engine, plan.workers, plan.address)
    target = OutputTarget.of(plan.out, plan.work)
    began = time.monotonic()
    with held(target.work) as work:
        outcome = _Run(plan, target, work, tell, ledger).done()
    return replace(outcome, seconds=time.monotonic() - began)


class _Run:
    def __init__(
        self, plan: Plan, target: OutputTarget, work: WorkFolder, tell: Tell, ledger: Ledger | None
    ) -> None:
        self._plan = plan
        self._target = target
        self._work = work
        self._tell = tell
        self._ledger = ledger
        self._begun = None if plan.restart else work.run
        read = plan.read
        if self._begun is not None and read.table_version is None:
            # Gone on with as it was then, whatever was written to the table since.
            read = replace(read, table_version=self._begun["question"]["input"]["table_version"])
        self._source = opened(plan.given, read, lambda file: not target.has(file))
        self._answering, self._schema = answering_of(plan, self._source)

    def done(self) -> RunOutcome:
        plan, work = self._plan, self._work
        columns = out_schema(plan, self._answering, self._schema)
        if self._ledger is not None:
            self._ledger.check()  # not after hours
        question = {
            "input": manifest.input_of(self._source),
            "identity": json.loads(json.dumps(self._answering.explainer.identity)),
            "how": how(plan),
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
        """Answer what is not answered; how many workers were replaced."""
        done = self._work.done

        def left() -> Iterator[RowSlice]:
            for slice_ in sliced(self._source, self._schema, slice_rows):
                if slice_.number not in done:
                    yield slice_

        plan = self._plan
        if plan.workers == 0 and plan.engine is BulkEngine.LOCAL:
            for slice_ in left():
                self._keep(slice_, self._answering(slice_))
            return 0
        with pool(plan.engine, self._answering, plan.workers, plan.address) as workers:
            for slice_, part in workers.answered(left()):
                self._keep(slice_, part)
            return workers.replaced

    def _keep(self, slice_: RowSlice, part: AnsweredPart) -> None:
        self._work.put(part)
        self._tell.answered(part.rows, part.counts, slice_.done)

    def _written(self, run: Mapping[str, Any], schema: pa.Schema) -> bytes:
        """Write the answers beside their place, and the manifest of them."""
        tally = RunTally()
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

    def _counted(self, tally: RunTally, errors: _Errors) -> Iterator[AnsweredPart]:
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
