"""Estimators that are handed over, as graphs that decide alike."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ifonly.models.encoding import Encoding, FeatureEncoding, Form
from ifonly.models.errors import ModelError, ParityError
from ifonly.models.graph import feature_thresholds
from ifonly.models.graph.reading import read_graph
from ifonly.models.graph.readings import Singles, split_readings
from ifonly.models.graph.refusal import UnreadableGraph
from ifonly.models.native import Native
from ifonly.models.onnx import OnnxPredictor, load_predictor
from ifonly.models.onnx.export import Columns, export_onnx, to_bytes
from ifonly.models.onnx.parity import ParityReport, check_parity
from ifonly.models.sample import Sample
from ifonly.models.schema import Decision, Feature, Schema, Task
from ifonly.models.spec import OutputBinding, Spec

PARITY_ROWS = 2_000
MOST_THRESHOLDS = 5_000
"""Split thresholds whose neighbours are tried; of more, these many, evenly spread."""


@dataclass(frozen=True, eq=False)
class Converted:
    """A graph that decides as an estimator does."""

    content: bytes
    """Of its ``model.onnx``."""
    graph: OnnxPredictor
    report: ParityReport


def convert(estimator: Any, original: Native) -> Converted:
    """The estimator's graph, which decides as it does on rows of the sample and beside every
    split threshold.

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
        _encoding(f, sample, in_columns=not isinstance(columns, int))
        for f in sample.schema.features
    )
    content = to_bytes(model)
    graph = _exported(content, sample, original.decision, encodings)
    try:
        report = check_parity(
            original.score,
            graph.score,
            sample.rows,
            _some_thresholds(graph, sample),
            original.decision,
            n_rows=PARITY_ROWS,
        )
    except ModelError:
        raise
    # An estimator refuses rows by whatever its library raises.
    except Exception as error:
        raise ParityError(f"it cannot be compared with its graph: {error}") from error
    return Converted(content, graph, report)


def _exported(
    content: bytes, sample: Sample, decision: Decision, encodings: tuple[FeatureEncoding, ...]
) -> OnnxPredictor:
    schema, output = sample.unbounded.schema, OutputBinding()
    if decision.task is Task.REGRESSION and decision.classes:
        # Of margins, some converters write both sides; the second class's is the last.
        first = load(content, schema, decision, encodings, OutputBinding(None, 0))
        output = OutputBinding(None, first.width(sample.rows[:1]) - 1)
    return load(content, schema, decision, encodings, output)


def _columns_of(estimator: Any, sample: Sample) -> Columns:
    steps = [step for _, step in getattr(estimator, "steps", ())]
    picks = any(type(step).__name__ == "ColumnTransformer" for step in (estimator, *steps))
    if sample.pandas is None or not picks:
        return len(sample.schema)
    return {
        f.name: f.kind.is_categorical and _numbers_of(f, sample) is None
        for f in sample.schema.features
    }


def _numbers_of(feature: Feature, sample: Sample) -> list[float] | None:
    """What the table holds for each category, where that is truth values or numbers."""
    values = sample.values.get(feature.name, feature.category_names)
    if all(isinstance(value, bool | int | float) for value in values):
        return [float(value) for value in values]
    return None


def _encoding(feature: Feature, sample: Sample, *, in_columns: bool) -> FeatureEncoding:
    """``in_columns``: the graph has an input for each column of the table."""
    missing = feature.may_be_missing
    if not feature.kind.is_categorical:
        # Not whole, even of whole numbers: rows beside thresholds are tried.
        return FeatureEncoding(feature.name, may_be_missing=missing)
    values: Sequence[float | str] = feature.category_names
    form = Form.STRING if in_columns else Form.CODES
    if in_columns and (numbers := _numbers_of(feature, sample)) is not None:
        # Steps of a pipeline compute with truth values as with 0 and 1.
        form, values = Form.VALUES, numbers
    return FeatureEncoding.of_categories(feature.name, form, values, may_be_missing=missing)


def _some_thresholds(graph: OnnxPredictor, sample: Sample) -> Mapping[int, Singles]:
    """Readings at which trees split, at most :data:`MOST_THRESHOLDS`, of features that are numbers:
    between codes of categories there is nothing that could be read.

    Of a feature that is computed with before a tree compares it, values that can be set on either
    side: an estimator that compares in float64 differs from its graph within a rounding of float32,
    where nothing can be set.
    """
    features = sample.schema.features
    numbers = [j for j, feature in enumerate(features) if not feature.kind.is_categorical]
    as_it_is = feature_thresholds(graph.model, graph.encoding.columns)
    found = {j: v.astype(np.float32) for j, v in as_it_is.items() if j in numbers}
    rest = [j for j in numbers if j not in found]
    # What is not read as mathematics may have trees at its inputs all the same.
    with suppress(UnreadableGraph):
        form = read_graph(graph.model, graph.encoding, graph.columns)
        for j, readings in split_readings(form, sample.rows, rest, MOST_THRESHOLDS).items():
            found[j] = _on_either_side(readings, features[j])
    total = sum(len(values) for values in found.values())
    step = max(-(-total // MOST_THRESHOLDS), 1)
    return {j: values[::step] for j, values in sorted(found.items())}


def _on_either_side(readings: Singles, feature: Feature) -> Singles:
    """The multiples of the feature's step nearest to some readings."""
    if feature.resolution is None:
        return readings
    step = feature.resolution
    below = np.floor(readings.astype(np.float64) / float(step))
    multiples = np.unique(np.concatenate([below, below + 1.0])).tolist()
    return np.array([step * int(k) for k in multiples], dtype=np.float32)


def load(
    content: bytes,
    schema: Schema,
    decision: Decision,
    encodings: tuple[FeatureEncoding, ...],
    output: OutputBinding,
    *,
    folder: Path | None = None,
) -> OnnxPredictor:
    """A graph of which nothing is known but what is given here.

    Raises
    ------
    GraphError
        As :func:`ifonly.models.onnx.load_predictor`.
    """
    spec = Spec(
        name="model", version="1", title={}, description={}, schema=schema, decision=decision,
        encoding=Encoding(encodings), output=output, policy={}, alarm={},
        sha256="",
    )  # fmt: skip
    return load_predictor(content, spec, folder=folder)
