"""What a person hands over as a model, as something that scores rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ifonly.models.adding.inputs import encoding_of
from ifonly.models.conversion import convert, load
from ifonly.models.errors import DataError, ModelError
from ifonly.models.graph.forms import GraphForm
from ifonly.models.native import (
    Native,
    is_estimator,
    matrix,
    names_read_by,
    native,
    probabilities,
    value,
)
from ifonly.models.onnx import OnnxPredictor
from ifonly.models.onnx.parity import ParityReport
from ifonly.models.onnx.reading import read_graph, tensor_inputs
from ifonly.models.onnx.surgery import class_names
from ifonly.models.predictor import Predictor, Rows, Scores, finite
from ifonly.models.repository.folder import understood
from ifonly.models.sample import Sample, read_sample
from ifonly.models.schema import Decision

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
    first = load(content, schema, value(None), encodings, column=0, folder=folder)
    width = first.width(sample.rows[:1])
    names = class_names(graph)(width)
    decision, column, told = _decided(
        first, sample.rows, width, classes or names, threshold, labelled=len(graph.graph.output) > 1
    )
    loaded = load(content, schema, decision, encodings, column=column, folder=folder)
    predictor, form, refusal = understood(loaded, schema, sample.rows)
    return Scored(predictor, decision, sample, form, told=(told, *_unread(refusal)))


def _decided(
    first: OnnxPredictor,
    rows: Rows,
    width: int,
    classes: Sequence[str] | None,
    threshold: float | None,
    *,
    labelled: bool,
) -> tuple[Decision, int | None, str]:
    """What a graph's scores decide, and which column of them, as far as they can tell."""
    column = first.score(rows[:PROBED])[:, 0]
    are_shares = bool((column >= 0).all() and (column <= 1 + 1e-4).all())
    if width == 1 and not (classes or labelled):
        return value(threshold), None, _value_told(threshold)
    names = _names(classes, max(width, 2))
    if width > 2 or are_shares:
        return probabilities(names, threshold), None, _classes_told(names, width, threshold)
    # A margin: not between 0 and 1.
    decision = value(threshold or 0.0, names)
    return (
        decision,
        width - 1,
        f"its score is no probability: {names[1]} from {threshold or 0.0:g} on",
    )


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
    decision, columns, told = _decided_by(scores, classes, threshold)
    predictor = Native(ask, taken, decision, columns)
    asked = "the model is a function: it is asked, and little is proven (blackbox)"
    return Scored(predictor, decision, sample, told=(asked, told))


def _decided_by(
    scores: Scores, classes: Sequence[str] | None, threshold: float | None
) -> tuple[Decision, tuple[int, ...] | None, str]:
    width = scores.shape[1]
    are_shares = bool(((scores >= 0.0) & (scores <= 1.0)).all())
    if width == 1 and not (are_shares or classes):
        return value(threshold), None, _value_told(threshold)
    names = _names(classes, max(width, 2))
    if width == 1 and not are_shares:
        return value(threshold or 0.0, names), None, _classes_told(names, width, threshold or 0.0)
    columns = (1,) if width == 2 else None
    return probabilities(names, threshold), columns, _classes_told(names, width, threshold)


def _names(classes: Sequence[str] | None, width: int) -> tuple[str, ...]:
    names = tuple(map(str, classes)) if classes else tuple(str(k) for k in range(width))
    if len(names) != width:
        raise DataError("classes", f"are {', '.join(names)}, but there are {width} scores")
    return names


def _value_told(threshold: float | None) -> str:
    limit = "nothing decides but the target" if threshold is None else f"limit {threshold:g}"
    return f"its score is a value; {limit}"


def _classes_told(names: Sequence[str], width: int, threshold: float | None) -> str:
    if width > 2:
        return f"its scores are of the classes {', '.join(names)}; the largest decides"
    limit = 0.5 if threshold is None else threshold
    return (
        f"its score is that of class {names[1]}, against {names[0]}; from {limit:g} on it decides"
    )
