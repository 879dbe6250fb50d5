"""What a person hands over as a model, as something that scores rows."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ifonly.models.encoding import Encoding, FeatureEncoding, Form
from ifonly.models.errors import DataError, ModelError, ParityError
from ifonly.models.graph import feature_thresholds
from ifonly.models.graph.forms import GraphForm
from ifonly.models.onnx import OnnxPredictor, load_predictor
from ifonly.models.onnx.export import Columns, export_onnx, to_bytes
from ifonly.models.onnx.parity import ParityReport, check_parity
from ifonly.models.onnx.reading import read_graph, tensor_inputs
from ifonly.models.onnx.surgery import class_names
from ifonly.models.predictor import Predictor, Rows, Scores, finite
from ifonly.models.repository.folder import understood
from ifonly.models.sample import Sample, read_sample
from ifonly.models.schema import Decision, Feature, Schema, Task
from ifonly.models.spec import OutputBinding, Spec
from ifonly.native import (
    Native,
    is_estimator,
    matrix,
    names_read_by,
    native,
    probabilities,
    value,
)

PARITY_ROWS = 2_000
MOST_THRESHOLDS = 5_000
"""Split thresholds whose neighbours are tried; of more, these many, evenly spread."""
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
        graph, report = _converted(estimator, original)
    except (ModelError, ImportError) as error:
        reason = str(error).splitlines()[0]
        told = f"{name} is asked as it is, and little is proven (blackbox): {reason}"
        return Scored(original, original.decision, sample, original=original, told=(told,))
    told = (
        f"{name} was converted to ONNX: {report.rows:,} rows, {report.threshold_neighbours:,} of "
        f"them beside split thresholds, are decided alike, and scored within "
        f"{report.max_difference:.1g}"
    )
    predictor, form, refusal = understood(graph, sample.schema, sample.rows)
    return Scored(
        predictor, original.decision, sample, form, original, report, (told, *_unread(refusal))
    )


def _converted(estimator: Any, original: Native) -> tuple[OnnxPredictor, ParityReport]:
    """The estimator's graph, which decides as it does.

    Raises
    ------
    GraphError
        If it cannot be converted.
    ParityError
        If it decides otherwise.
    """
    sample = original.sample
    columns = _columns_of(estimator, sample)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of converters, to whoever calls them
        model = export_onnx(estimator, columns, name="model")
    encodings = tuple(
        _encoding(f, sample, as_text=not isinstance(columns, int)) for f in sample.schema.features
    )
    graph = _exported(to_bytes(model), sample, original.decision, encodings)
    try:
        report = check_parity(
            original.score,
            graph.score,
            sample.rows,
            _some_thresholds(graph),
            original.decision,
            n_rows=PARITY_ROWS,
        )
    except ModelError:
        raise
    # An estimator refuses rows by whatever its library raises.
    except Exception as error:
        raise ParityError(f"it cannot be compared with its graph: {error}") from error
    return graph, report


def _exported(
    content: bytes, sample: Sample, decision: Decision, encodings: tuple[FeatureEncoding, ...]
) -> OnnxPredictor:
    schema, column = sample.unbounded.schema, None
    if decision.task is Task.REGRESSION and decision.classes:
        # Of margins, some converters write both sides; the second class's is the last.
        first = _load(content, schema, decision, encodings, column=0)
        column = first.width(sample.rows[:1]) - 1
    return _load(content, schema, decision, encodings, column=column)


def _columns_of(estimator: Any, sample: Sample) -> Columns:
    steps = [step for _, step in getattr(estimator, "steps", ())]
    picks = any(type(step).__name__ == "ColumnTransformer" for step in (estimator, *steps))
    if sample.pandas is None or not picks:
        return len(sample.schema)
    return {f.name: f.kind.is_categorical for f in sample.schema.features}


def _encoding(feature: Feature, sample: Sample, *, as_text: bool) -> FeatureEncoding:
    missing = feature.may_be_missing
    if not feature.kind.is_categorical:
        # Not whole, even of whole numbers: rows beside thresholds are tried.
        return FeatureEncoding(feature.name, may_be_missing=missing)
    form = Form.STRING if as_text else Form.CODES
    names = feature.category_names
    return FeatureEncoding.of_categories(feature.name, form, names, may_be_missing=missing)


def _some_thresholds(graph: OnnxPredictor) -> dict[int, npt.NDArray[np.float32]]:
    features = feature_thresholds(graph.model, graph.encoding.columns)
    # Between codes of categories there is nothing that could be read.
    found = {
        j: v
        for j, v in features.items()
        if graph.encoding.inputs[0].encodings[j].form == Form.NUMBER
    }
    total = sum(len(values) for values in found.values())
    step = max(-(-total // MOST_THRESHOLDS), 1)
    return {j: np.asarray(values[::step], dtype=np.float32) for j, values in found.items()}


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
        _input_encoding(f, as_text=f.name in texts or (not several and bool(texts)), whole=several)
        for f in sample.schema.features
    )
    schema = sample.schema
    first = _load(content, schema, value(None), encodings, column=0, folder=folder)
    width = first.width(sample.rows[:1])
    names = class_names(graph)(width)
    decision, column, told = _decided(
        first, sample.rows, width, classes or names, threshold, labelled=len(graph.graph.output) > 1
    )
    loaded = _load(content, schema, decision, encodings, column=column, folder=folder)
    predictor, form, refusal = understood(loaded, schema, sample.rows)
    return Scored(predictor, decision, sample, form, told=(told, *_unread(refusal)))


def _input_encoding(feature: Feature, *, as_text: bool, whole: bool) -> FeatureEncoding:
    if not feature.kind.is_categorical:
        is_whole = whole and feature.kind == "integer"
        return FeatureEncoding(feature.name, whole=is_whole, may_be_missing=feature.may_be_missing)
    return FeatureEncoding.of_categories(
        feature.name,
        Form.STRING if as_text else Form.CODES,
        feature.category_names,
        may_be_missing=feature.may_be_missing,
    )


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


def _load(
    content: bytes,
    schema: Schema,
    decision: Decision,
    encodings: tuple[FeatureEncoding, ...],
    *,
    column: int | None = None,
    folder: Path | None = None,
) -> OnnxPredictor:
    spec = Spec(
        name="model", version="1", title={}, description={}, schema=schema, decision=decision,
        encoding=Encoding(encodings), output=OutputBinding(None, column), policy={}, alarm={},
        sha256="",
    )  # fmt: skip
    return load_predictor(content, spec, folder=folder)


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
