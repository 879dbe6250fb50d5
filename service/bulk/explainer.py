"""The function: a record batch in, what is said of each of its rows out."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ifonly.explainers.remembered import Remembered
from ifonly.models.predictor import Rows, Scores
from ifonly.models.repository import load_folder
from ifonly.service.bulk.asking import RowFailure, RowQuestion
from ifonly.service.bulk.errors import NotInBulk
from ifonly.service.bulk.lines import INVALID, Line, LineWriter, columns_said, problem
from ifonly.service.bulk.options import BulkOptions
from ifonly.service.bulk.reading import RowsRead, TableReader
from ifonly.service.bulk.recheck import LineCheck, RowFault
from ifonly.service.bulk.schema import (
    FORMAT,
    as_json,
    schema_in,
    schema_out,
    schema_problems,
)
from ifonly.service.served.registry import ServedModel, prepare
from ifonly.service.settings import ifonly_version

ALREADY: Line = {"status": "already_target", "deadline_hit": False}
"""Of a row whose decision is as wanted."""


@dataclass(frozen=True)
class Proofs:
    """What it took; which batch pays for what is shared depends on the batches."""

    alarms: int
    """Rows that were to be explained."""
    searched: int
    """Of these, those that were asked about; the others were the very same rows."""
    shared: int
    """Searches, of those that were asked, that had been made for a question that is alike."""


@dataclass(frozen=True, eq=False)
class BulkBatch:
    """What is said of one batch."""

    output: pa.RecordBatch
    """A line for each row that went in, in order."""
    problems: pa.RecordBatch
    """A line for each fault of rows that could not be answered."""
    counts: Mapping[str, int]
    """Rows by status."""
    proofs: Proofs


class BulkExplainer:
    """Explains the rows of tables about one model; made once for a process, then shared by its
    threads.

    Parameters
    ----------
    model : ServedModel
    options : BulkOptions

    Raises
    ------
    InvalidRequest
        If the options ask for what no request about this model may.
    NotInBulk
        If this model cannot be asked in bulk.

    Attributes
    ----------
    schema_in, schema_out, schema_problems : pyarrow.Schema
        What is read of a table, what comes out of a row, what of its faults.
    asking : RowQuestion
        What is asked of each row.
    identity : dict
        What was asked of which model: with it a line can be checked, or asked again.
    """

    def __init__(self, model: ServedModel, options: BulkOptions | None = None) -> None:
        options = BulkOptions() if options is None else options
        self.model = model
        self.options = options
        self._reader = TableReader(model.schema, options)
        self.asking = RowQuestion(model, options)
        self._writer = LineWriter(model, options)
        self._lines = Remembered[bytes, Line]()
        self._said = Remembered[bytes, Line]()
        self.identity = self._identity()
        self.schema_in = schema_in(model.schema, options)
        self.schema_out = schema_out(options, self.identity)
        self.schema_problems = schema_problems(options)

    @classmethod
    def load(cls, folder: Path | str, options: BulkOptions | None = None) -> BulkExplainer:
        """The explainer of a model folder, the one with ``spec.toml``.

        Raises
        ------
        ModelError
            If the folder is no model that can be served.
        InvalidRequest, NotInBulk
            As the class.
        """
        return cls(prepare(load_folder(Path(folder).resolve())), options)

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        # Sessions and tables do not travel: they are made anew where they are used.
        return loaded_again, (self.model.deployed.folder, self.options, self.identity)

    @property
    def document(self) -> dict[str, Any]:
        """The schemas as JSON."""
        return {
            "format": FORMAT,
            "input": as_json(self.schema_in),
            "output": as_json(self.schema_out),
            "problems": as_json(self.schema_problems),
        }

    def check_schema(self, table: pa.Schema) -> None:
        """Whether rows of a table with such columns can be read.

        Raises
        ------
        InvalidTable
            With every fault of every column.
        """
        self._reader.check(table)

    def __call__(self, batch: pa.RecordBatch, first_row: int = 0) -> BulkBatch:
        """What is said of each row of ``batch``, whose first is row ``first_row`` of its table.

        The same bytes of a row whatever the rows beside it, the batches and the order are, but for
        an answer that its deadline cut (``deadline_hit``).

        Raises
        ------
        InvalidTable
            If its rows cannot be read.
        GraphError
            If the model cannot be asked any more.
        """
        read = self._reader.read(batch)
        at = np.flatnonzero(read.valid)
        scores, failed = self.asking.scores(read.rows[at])
        decided = self.asking.decided(scores)
        nothing = self.asking.needs_nothing(scores)
        alarms = [k for k in np.flatnonzero(~nothing).tolist() if k not in failed]
        shared = self.asking.shared
        lines, which, searched = self._of_alarms(read.rows[at], alarms)

        # Each row has the place of its line; rows that are as wanted share the first.
        lines.insert(0, ALREADY)
        place = np.zeros(batch.num_rows, dtype=np.int64)
        place[at[alarms]] = np.array(which, dtype=np.int64) + 1
        if self.options.languages:
            self._of_others(read.rows, at, scores, decided, np.flatnonzero(nothing), lines, place)
        faults = list(self._faults(read, at, failed))
        for i, line in faults:
            if place[i] == 0:
                place[i] = len(lines)
                lines.append(line)
        answered = np.delete(np.arange(len(at)), list(failed))
        output = self._output(batch.num_rows, first_row, read, lines, place)
        output |= self._model_said(
            at[answered], scores[answered], decided[answered], batch.num_rows
        )
        problems = self._problems(first_row, read, faults)
        counts = Counter(lines[k]["status"] for k in place.tolist())
        return BulkBatch(
            pa.RecordBatch.from_arrays(
                [output[name] for name in self.schema_out.names], schema=self.schema_out
            ),
            problems,
            counts,
            Proofs(len(alarms), searched, self.asking.shared - shared),
        )

    def check(self, batch: pa.RecordBatch, output: pa.RecordBatch) -> list[RowFault]:
        """What of ``output``, the lines of ``batch``, does not hold: every answer is recomputed by
        the checker, from the model's documents and by its deployed graph; empty: all of it holds.

        Raises
        ------
        InvalidTable
            If rows of ``batch`` cannot be read.
        NotInBulk
            If ``output`` tells of another question or another model, or of other rows.
        """
        return LineCheck(self.asking, self.identity).faults(self._reader.read(batch), output)

    # --- lines ------------------------------------------------------------------------------

    def _of_alarms(self, rows: Rows, alarms: Sequence[int]) -> tuple[list[Line], list[int], int]:
        """The lines of alarms, each once; which one each alarm has; how many were searched."""
        lines, which, places = list[Line | None](), list[int](), dict[bytes, int]()
        new = list[int]()
        for k in alarms:
            key = rows[k].tobytes()
            if key not in places:
                places[key] = len(lines)
                lines.append(self._lines.get(key))
                if lines[-1] is None:
                    new.append(k)
            which.append(places[key])
        for k, answer in zip(new, self.asking.answers(rows[new]), strict=True):
            key, line = rows[k].tobytes(), self._writer.line(answer)
            lines[places[key]] = line
            # What was cut by its deadline may be better another time.
            if not line.get("deadline_hit"):
                self._lines.keep(key, line)
        return [line for line in lines if line is not None], which, len(new)

    def _of_others(
        self,
        rows: Rows,
        at: npt.NDArray[np.int64],
        scores: Scores,
        decided: npt.NDArray[np.int64],
        nothing: npt.NDArray[np.int64],
        lines: list[Line],
        place: npt.NDArray[np.int64],
    ) -> None:
        """Words for rows that are as wanted: they tell of no reading, but of the score alone."""
        places = dict[bytes, int]()
        for k in nothing.tolist():
            key = scores[k].tobytes()
            if key not in places:
                line = self._said.get(key)
                if line is None:
                    found = self.asking.nothing_to_change(
                        rows[at[k]], scores[k].tolist(), int(decided[k])
                    )
                    line = {**ALREADY, **self._writer.sentences(found)}
                    self._said.keep(key, line)
                places[key] = len(lines)
                lines.append(line)
            place[at[k]] = places[key]

    def _faults(
        self, read: RowsRead, at: npt.NDArray[np.int64], failed: Mapping[int, RowFailure]
    ) -> Iterator[tuple[int, Line]]:
        """A line for each fault, in order, with the position of its row."""
        found: list[tuple[int, Line]] = [
            (i, {"status": INVALID, "problem": problem(each)})
            for i, problems in read.problems.items()
            for each in problems
        ]
        found += [(int(at[k]), self._writer.line(failure)) for k, failure in failed.items()]
        yield from sorted(found, key=lambda fault: fault[0])

    # --- columns ----------------------------------------------------------------------------

    def _output(
        self,
        n: int,
        first_row: int,
        read: RowsRead,
        lines: Sequence[Line],
        place: npt.NDArray[np.int64],
    ) -> dict[str, pa.Array]:
        indices = pa.array(place)
        columns: dict[str, pa.Array] = {}
        for field in self.schema_out:
            if field.name in _OF_MODEL or field.name in ("row", "id"):
                continue
            # Each line is made once, and stands wherever it is told.
            own = pa.array([line.get(field.name) for line in lines], field.type)
            columns[field.name] = own.take(indices)
        columns["row"] = pa.array(np.arange(first_row, first_row + n))
        if read.ids is not None:
            columns["id"] = read.ids
        return columns

    def _model_said(
        self,
        at: npt.NDArray[np.int64],
        scores: Scores,
        decided: npt.NDArray[np.int64],
        n: int,
    ) -> dict[str, pa.Array]:
        """The model's word on the rows at ``at``; null of the others."""
        names, probabilities, own = columns_said(scores, decided, self.model.decision)
        nowhere = np.ones(n, dtype=np.bool_)
        nowhere[at] = False

        def numbers(values: Scores | None) -> pa.Array:
            if values is None:
                return pa.nulls(n, pa.float64())
            whole = np.zeros(n)
            whole[at] = values
            return pa.array(whole, pa.float64(), mask=nowhere)

        known = list(dict.fromkeys(names))
        codes = np.zeros(n, dtype=np.int64)
        codes[at] = [known.index(name) for name in names] if len(known) > 1 else 0
        words = pa.array(known or [None], pa.string()).take(pa.array(codes, mask=nowhere))
        return {"decision": words, "probability": numbers(probabilities), "score": numbers(own)}

    def _problems(
        self, first_row: int, read: RowsRead, faults: Sequence[tuple[int, Line]]
    ) -> pa.RecordBatch:
        places = np.array([i for i, _ in faults], dtype=np.int64)
        columns = [pa.array(first_row + places, pa.int64())]
        if read.ids is not None:
            columns.append(read.ids.take(pa.array(places)))
        for field in list(self.schema_problems)[len(columns) :]:
            told = [line["problem"][field.name] for _, line in faults]
            columns.append(pa.array(told, field.type))
        return pa.RecordBatch.from_arrays(columns, schema=self.schema_problems)

    def _identity(self) -> dict[str, Any]:
        deployed, asking = self.model.deployed, self.asking
        asked = {**self.options.request, "semantics": asking.question.semantics.value}
        return {
            "format": FORMAT,
            "model": deployed.name,
            "version": deployed.version,
            "model_sha256": deployed.model_sha256,
            "spec_sha256": deployed.spec_sha256,
            "causal_sha256": deployed.causal_sha256 if self.model.causal else None,
            "asked": asked,
            "ifonly_version": ifonly_version(),
        }


_OF_MODEL = ("decision", "probability", "score")
"""Columns that tell the model's word."""


def loaded_again(folder: Path, options: BulkOptions, identity: Mapping[str, Any]) -> BulkExplainer:
    """The same explainer in another process, of the folder there.

    Raises
    ------
    NotInBulk
        If the folder is not what it was.
    """
    found = BulkExplainer.load(folder, options)
    changed = [key for key, was in identity.items() if found.identity[key] != was]
    if changed:
        told = ", ".join(f"{key} was {json.dumps(identity[key])}" for key in changed)
        raise NotInBulk(f"{folder} has changed since the work began: {told}")
    return found
