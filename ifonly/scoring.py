"""What a person hands over as a model, as something that scores rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ifonly.models.adding.draft import MOST_ROWS
from ifonly.models.adding.inputs import encoding_of
from ifonly.models.adding.outputs import Runs, read_outputs, read_scores
from ifonly.models.adding.questions import Asker, Question
from ifonly.models.conversion import convert, load, refused
from ifonly.models.encoding import Encoding
from ifonly.models.errors import DataError, ModelError
from ifonly.models.graph.forms import GraphForm
from ifonly.models.native import (
    Native,
    is_estimator,
    matrix,
    names_read_by,
    native,
)
from ifonly.models.onnx.parity import ParityReport
from ifonly.models.onnx.reading import read_graph, tensor_inputs
from ifonly.models.onnx.trial import trial_rows
from ifonly.models.predictor import Predictor, finite
from ifonly.models.repository.folder import understood
from ifonly.models.sample import Sample, read_sample
from ifonly.models.schema import Category, Decision

PROBED = 256
"""Rows by which the scores of a function are looked at."""


class NotAModel(TypeError):
    """What was given as the model is none that can be asked."""


@dataclass(frozen=True, eq=False)
class Scored:
    """A model with what is known of it."""

    predictor: Predictor
    decision: Decision
    sample: Sample
    form: GraphForm | None = None
    """The graph as mathematics; None: there is no graph, or it could not be read."""
    original: Native | None = None
    """What ``predictor`` is a copy of: it has the last word on every answer."""
    parity: ParityReport | None = None
    told: tuple[str, ...] = ()


def scored(
    model: Any, data: Any, threshold: float | None = None, classes: Sequence[str] | None = None
) -> Scored:
    """A fitted estimator, an ONNX file or its bytes, a function of rows, or a predictor.

    Raises
    ------
    NotAModel
        If it is none of these.
    DataError
        If ``data`` does not fit it.
    GraphError
        If an ONNX graph cannot be served.
    """
    if isinstance(model, bytes | str | Path):
        return _of_file(model, data, threshold, classes)
    if is_estimator(model):
        return _of_estimator(model, data, threshold)
    ask = getattr(model, "score", None)
    if callable(ask):
        sample = read_sample(data)
        # The port's own form: numbers, whatever the table is.
        plain = Sample(sample.schema, sample.rows)
        return _of_function(ask, sample, plain, threshold, classes)
    if callable(model):
        sample = read_sample(data)
        return _of_function(model, sample, sample, threshold, classes)
    raise NotAModel(
        f"a {type(model).__name__} is no model: give a fitted estimator, an ONNX file, a model "
        f"folder, a function of rows, or an object with score(rows)"
    )


# --- estimators -----------------------------------------------------------------------------------


def _of_estimator(estimator: Any, data: Any, threshold: float | None) -> Scored:
    names, width = names_read_by(estimator)
    sample = read_sample(data, names, width)
    if names is None and not sample.values:
        # Fitted on columns without names, so it is asked as it was fitted.
        sample = replace(sample, pandas=None)
    original = native(estimator, sample, threshold)
    if unknown := refused(original):
        sample = sample.listing(unknown)
        original = native(estimator, sample, threshold)
    name = type(estimator).__name__
    try:
        converted = convert(estimator, original)
    except (ModelError, ImportError) as error:
        reason = str(error).splitlines()[0]
        told = f"{name} is asked as it is, and little is proven (blackbox): {reason}"
        return Scored(original, original.decision, sample, original=original, told=(told,))
    graph, report = converted.graph, converted.report
    told = (
        f"{name} was converted to ONNX: {report.rows:,} rows, {report.threshold_neighbours:,} of "
        f"them beside split thresholds, are decided alike, and scored within "
        f"{report.max_difference:.1g}"
    )
    predictor, form, refusal = understood(graph, sample.schema, sample.rows)
    return Scored(
        predictor, original.decision, sample, form, original, report, (told, *_unread(refusal))
    )


# --- graphs ---------------------------------------------------------------------------------------


def _of_file(
    file: bytes | str | Path, data: Any, threshold: float | None, classes: Sequence[str] | None
) -> Scored:
    content = file if isinstance(file, bytes) else Path(file).read_bytes()
    folder = None if isinstance(file, bytes) else Path(file).parent
    graph = read_graph(content, folder).model
    inputs = tensor_inputs(graph)
    several = len(inputs) > 1
    sample = read_sample(
        data, [i.name for i in inputs] if several else None, None if several else inputs[0].width
    )
    texts = {i.name for i in inputs if i.dtype == object}
    encodings = tuple(
        encoding_of(f, as_text=f.name in texts or (not several and bool(texts)))
        for f in sample.schema.features
    )
    schema = sample.schema
    runs, rows = Runs(graph, Encoding(encodings)), sample.rows[:MOST_ROWS]
    beside, beyond = runs.beside_thresholds(rows), trial_rows(schema)
    found = read_outputs(runs, rows, None, beside, beyond, _asker(threshold, classes))
    decision = _as_said(found.decision, threshold, classes)
    loaded = load(content, schema, decision, encodings, found.binding, folder=folder)
    predictor, form, refusal = understood(loaded, schema, sample.rows)
    return Scored(predictor, decision, sample, form, told=(*found.told, *_unread(refusal)))


def _asker(threshold: float | None, classes: Sequence[str] | None) -> Asker:
    """What whoever calls has said of a model's scores; else the guess."""

    def ask(question: Question) -> str:
        match question.key:
            case "score" if classes:
                return "probability"
            case "column":
                return "classes"
            case "limit" if threshold is not None or classes:
                return f">={threshold or 0.0!r}"
        return question.guess

    return ask


def _as_said(
    decision: Decision, threshold: float | None, classes: Sequence[str] | None
) -> Decision:
    """The decision, with the threshold and the names of classes that were given."""
    if threshold is not None:
        if decision.threshold is None:
            n = len(decision.classes)
            raise DataError("threshold", f"is for two classes or a value; there are {n}")
        decision = replace(decision, threshold=threshold)
    if classes:
        names = tuple(map(str, classes))
        if len(names) != len(decision.classes):
            n = len(decision.classes) or 1
            raise DataError("classes", f"are {', '.join(names)}, but there are {n} scores")
        decision = replace(decision, classes=tuple(map(Category, names)))
    return decision


def _unread(refusal: str) -> tuple[str, ...]:
    if not refusal:
        return ()
    return (f"its graph is asked, not read, and little is proven (blackbox): {refusal}",)


# --- functions ------------------------------------------------------------------------------------


def _of_function(
    ask: Callable[[Any], Any],
    sample: Sample,
    taken: Sample,
    threshold: float | None,
    classes: Sequence[str] | None,
) -> Scored:
    """``taken`` says in which form rows are handed to ``ask``."""
    rows = sample.rows[:PROBED]
    # Before anything is guessed of them: a score that is none would pass for a value.
    scores = finite(matrix(ask(taken.table(rows)), len(rows)), rows)
    names = None if classes is None else tuple(map(str, classes))
    decision, column, told = read_scores(scores, names, _asker(threshold, names))
    decision = _as_said(decision, threshold, names)
    predictor = Native(ask, taken, decision, None if column is None else (column,))
    asked = "the model is a function: it is asked, and little is proven (blackbox)"
    return Scored(predictor, decision, sample, told=(asked, told))
