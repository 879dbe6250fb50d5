"""Estimators that are handed over, as graphs that decide alike."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ifonly.models.encoding import Encoding, FeatureEncoding, Form
from ifonly.models.errors import ModelError, ParityError
from ifonly.models.graph import feature_thresholds
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
        _encoding(f, sample, as_text=not isinstance(columns, int)) for f in sample.schema.features
    )
    content = to_bytes(model)
    graph = _exported(content, sample, original.decision, encodings)
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
