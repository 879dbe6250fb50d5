"""A graph and a sample, put together as the files of a model folder."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ifonly.models.adding.inputs import Inputs, read_inputs
from ifonly.models.adding.outputs import Outputs, Runs, differing, read_outputs
from ifonly.models.adding.questions import Asker, Question
from ifonly.models.adding.spec_text import spec_text
from ifonly.models.adding.table import Columns, number_of
from ifonly.models.errors import DataError
from ifonly.models.onnx.export import to_bytes
from ifonly.models.onnx.reading import read_graph, tensor_inputs
from ifonly.models.onnx.trial import trial_rows
from ifonly.models.predictor import Rows
from ifonly.models.quality import labelled_csv
from ifonly.models.quality.labelled import MOST_ROWS as MOST_LABELLED
from ifonly.models.repository.folder import MODEL, PARITY, REFERENCE, SPEC, VALIDATION
from ifonly.models.sample import name_of
from ifonly.models.schema import Schema

MOST_ROWS = 2_000
"""Rows of the sample that are kept and tried."""


@dataclass(frozen=True, eq=False)
class SpecDraft:
    """The files of a folder, and what was found on the way."""

    inputs: Inputs
    outputs: Outputs
    graph: bytes
    rows: Rows
    """Of the sample, ``(n, n_features)``."""
    told: tuple[str, ...]
    report: Mapping[str, int] = field(default_factory=dict)
    """Rows that were tried, and how many are labelled otherwise than they are decided."""
    validation: bytes | None = None
    """``validation.csv``: rows with their labels; None: none were given."""

    def files(
        self,
        name: str,
        version: str,
        origin: str,
        parity: Mapping[str, Any] | None = None,
        held_out: bool | None = None,
    ) -> dict[str, bytes]:
        """By their names in a version's folder. ``parity``: of the graph with the model that it
        was made of; ``held_out``: whether that was trained on none of the labelled rows, None:
        nobody says."""
        text = spec_text(name, version, self.inputs, self.outputs, origin)
        said = dict(parity or {})
        found = {
            MODEL: self.graph,
            SPEC: text.encode(),
            REFERENCE: _csv(self.inputs.sample.schema, self.rows),
        }
        if self.validation is not None:
            found[VALIDATION] = self.validation
            digest = hashlib.sha256(self.validation).hexdigest()
            said["validation"] = {"sha256": digest, "held_out": held_out}
        return found | ({PARITY: json.dumps(said, indent=1).encode()} if said else {})


def draft_of(
    content: bytes,
    folder: Path,
    columns: Columns,
    ask: Asker,
    *,
    label: str | None = None,
    read: Sequence[str] | None = None,
) -> SpecDraft:
    """Parameters
    ----------
    content : bytes
        Of an ONNX file.
    folder : Path
        Where tensors lie that the file keeps beside itself.
    columns : mapping of str to list
        The sample.
    ask : callable
        Answers what is unclear.
    label : str, optional
        Column that says what was decided of each row.
    read : sequence of str, optional
        Columns that the model reads, in its order; by default all others.

    Raises
    ------
    GraphError
        If the graph cannot be served, or its label is not what its score decides.
    DataError
        If the sample does not fit it.
    """
    file = read_graph(content, folder)
    model = file.model
    tensors = tensor_inputs(model)
    labels = None if label is None else _label(columns, label)
    inputs = read_inputs(tensors, _read(columns, label, read), ask)
    if labels is not None and inputs.windows is not None:
        # What was decided of a window is said beside its last reading.
        labels = [labels[k] for k in inputs.windows.last.tolist()]
    kept = slice(None, None, max(len(inputs.sample.rows) // MOST_ROWS, 1))
    rows = inputs.sample.rows[kept][:MOST_ROWS]
    runs = Runs(model, inputs.encoding)
    given = None if labels is None else _said(labels[kept][:MOST_ROWS], runs)
    beside = runs.beside_thresholds(rows)
    outputs = read_outputs(runs, rows, given, beside, trial_rows(inputs.wide), ask)
    report = _report(runs, outputs, rows, given, beside)
    _check_labels(report, outputs, ask)
    told = (_graph_told(model, tensors), *outputs.told, *inputs.sample.assumptions)
    # The file's own bytes, unless tensors lie beside it: then the graph with them.
    is_whole = file.sha256 == hashlib.sha256(content).hexdigest()
    graph = content if is_whole else to_bytes(model)
    validation = None if labels is None else _validation(inputs, outputs, labels, runs)
    return SpecDraft(inputs, outputs, graph, rows, told, report, validation)


def _validation(
    inputs: Inputs, outputs: Outputs, labels: Sequence[Any], runs: Runs
) -> bytes | None:
    """Rows from all of the sample, as a file may be sorted by what became of them."""
    sample = inputs.sample
    count = min(MOST_LABELLED, len(sample.rows))
    chosen = np.linspace(0, len(sample.rows) - 1, count).astype(np.int64)
    said = _said([labels[k] for k in chosen.tolist()], runs)
    if not set(said) <= set(outputs.decision.class_names):
        return None
    return labelled_csv(sample.schema, sample.rows[chosen], said)


def _label(columns: Columns, label: str) -> list[Any]:
    if label not in columns:
        raise DataError("label", f"{label!r} is no column of the sample: {', '.join(columns)}")
    found = columns[label]
    if any(value is None for value in found):
        raise DataError("label", f"{label!r} is missing in some rows")
    return found


def _said(cells: Sequence[Any], runs: Runs) -> list[str]:
    """Labels as the graph calls its classes: ``1`` of ``1.0`` and of ``True``, if it does."""
    written = [name_of(cell) for cell in cells]
    declared = runs.classes(len(set(written))) or ()
    if set(written) <= set(declared):
        return written
    return [name_of(number_of(cell)) for cell in cells]


def _read(columns: Columns, label: str | None, read: Sequence[str] | None) -> Columns:
    if read is None:
        return {name: cells for name, cells in columns.items() if name != label}
    absent = [name for name in read if name not in columns]
    if absent:
        raise DataError("columns", f"{', '.join(absent)}: the sample has {', '.join(columns)}")
    return {name: columns[name] for name in read}


def _report(
    runs: Runs, outputs: Outputs, rows: Rows, given: Sequence[str] | None, beside: Rows
) -> dict[str, int]:
    decision, found = outputs.decision, {"rows": len(rows), "beside": len(beside)}
    if not decision.classes:
        return found
    name = outputs.binding.name or runs.model.graph.output[0].name

    def scores(of: Rows) -> Any:
        matrix = runs.scores(name, of)
        if decision.n_outputs > 1:
            return matrix
        return matrix[:, [outputs.binding.column or 0]]

    if outputs.label is not None:
        tried = np.concatenate([rows, beside])
        own = runs.labels(outputs.label, tried)
        found["own_label_differs"] = len(differing(decision, scores(tried), own))
    if given is not None:
        found["label_differs"] = len(differing(decision, scores(rows), given))
    return found


def _check_labels(report: Mapping[str, int], outputs: Outputs, ask: Asker) -> None:
    wrong, n = report.get("label_differs", 0), report["rows"]
    if not wrong:
        return
    chance = n / len(outputs.decision.classes)
    if n - wrong < chance:
        raise DataError(
            "label",
            f"is what the model decides in {n - wrong} of {n} rows: classes or columns are in "
            f"another order than the model's",
        )
    answer = ask(
        Question(
            "labels",
            f"{wrong} of {n} rows are labelled otherwise than the model decides: are labels what "
            f"happened, or what the deployed model said?",
            "outcomes",
            ("outcomes", "decisions"),
        )
    )
    if answer == "decisions":
        raise DataError("label", f"differs in {wrong} of {n} rows from what the model decides")


def _graph_told(model: Any, tensors: Sequence[Any]) -> str:
    opsets = ", ".join(f"{o.domain or 'ai.onnx'} {o.version}" for o in model.opset_import)
    operators = Counter(node.op_type for node in model.graph.node)
    shown = ", ".join(f"{n} × {name}" if n > 1 else name for name, n in operators.most_common(8))
    more = f", {len(operators) - 8} others" if len(operators) > 8 else ""
    listed = "; ".join(str(t) for t in tensors[:4]) + (
        f"; {len(tensors) - 4} more inputs" if len(tensors) > 4 else ""
    )
    return f"{listed}; opset {opsets}; operators {shown}{more}"


def _csv(schema: Schema, rows: Rows) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(schema.names)
    for row in rows:
        cells = schema.by_column(schema.write(row))
        writer.writerow(["" if value is None else value for value in cells.values()])
    return text.getvalue().encode()
