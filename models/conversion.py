"""Estimators that are handed over, as graphs that decide alike."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ifonly.models.encoding import Encoding, FeatureEncoding, Form
from ifonly.models.errors import ModelError, ParityError
from ifonly.models.graph import feature_thresholds
from ifonly.models.graph.forms import GraphForm
from ifonly.models.graph.reading import read_graph
from ifonly.models.graph.readings import Singles, jumps, split_readings
from ifonly.models.graph.refusal import UnreadableGraph
from ifonly.models.native import Native, chosen
from ifonly.models.onnx import OnnxPredictor, load_predictor
from ifonly.models.onnx.export import Columns, export_onnx, to_bytes
from ifonly.models.onnx.parity import ParityReport, check_parity
from ifonly.models.sample import Sample
from ifonly.models.schema import Decision, Feature, Kind, Schema, Task
from ifonly.models.spec import OutputBinding, Spec

PARITY_ROWS = 2_000
MOST_THRESHOLDS = 5_000
"""Split thresholds whose neighbours are tried; of more, these many, evenly spread."""

MOST_LISTED = 256
"""Whole numbers of a feature, each of which is tried, and steps that a graph makes of a reading; of
more none but those of rows are."""
MOST_SETTABLE = 1 << 14
"""Values of a feature that are looked at for steps."""
MOST_CELLS = 1 << 24
"""Of these values times the number of features."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Converted:
    """A graph that decides as an estimator does."""

    content: bytes
    """Of its ``model.onnx``."""
    graph: OnnxPredictor
    report: ParityReport


def convert(estimator: Any, original: Native) -> Converted:
    """The estimator's graph, which decides as it does on rows of the sample, of every category and
    beside every split threshold, or :data:`MOST_THRESHOLDS` of them.

    Raises
    ------
    GraphError
        If it cannot be converted.
    ParityError
        If it decides otherwise.
    """
    estimator, sample = chosen(estimator), original.sample
    columns = _columns_of(estimator, sample)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of converters, to whoever calls them
        categories = _categories_of(sample) if isinstance(columns, int) else None
        model = export_onnx(estimator, columns, name="model", categories=categories)
    encodings = tuple(
        _encoding(f, sample, in_columns=not isinstance(columns, int))
        for f in sample.schema.features
    )
    content = to_bytes(model)
    graph = _exported(content, sample, original.decision, encodings)
    form = None
    # What is not read as mathematics may have trees at its inputs all the same.
    with suppress(UnreadableGraph):
        form = read_graph(graph.model, graph.encoding, graph.columns)
    try:
        report = check_parity(
            original.score,
            graph.score,
            sample.rows,
            _some_thresholds(graph, sample, form),
            original.decision,
            listed=_listed(original, form),
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


def _categories_of(sample: Sample) -> dict[int, tuple[Any, ...]]:
    """What the table holds for each code of a category."""
    return {
        j: tuple(sample.values.get(f.name, f.category_names))
        for j, f in enumerate(sample.schema.features)
        if f.kind.is_categorical
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


def _some_thresholds(
    graph: OnnxPredictor, sample: Sample, form: GraphForm | None
) -> Mapping[int, Singles]:
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
    if form is not None:
        for j, readings in split_readings(form, sample.rows, rest, MOST_THRESHOLDS).items():
            found[j] = _on_either_side(readings, features[j])
    total = sum(len(values) for values in found.values())
    step = max(-(-total // MOST_THRESHOLDS), 1)
    return {j: values[::step] for j, values in sorted(found.items())}


def _listed(original: Native, form: GraphForm | None) -> dict[int, Floats]:
    """Every category, whether it is in a row or not; all of the whole numbers that are few, which
    may be codes of categories; and values on either side of the edges of bins."""
    sample = original.sample
    found: dict[int, Floats] = {}
    settable: dict[int, Floats] = {}
    most = min(MOST_SETTABLE, MOST_CELLS // len(sample.schema))
    for j, feature in enumerate(sample.schema.features):
        own = _settable(feature, most)
        if feature.kind.is_categorical or (feature.resolution == 1 and len(own) <= MOST_LISTED):
            found[j] = np.append(own, np.nan) if feature.may_be_missing else own
        elif len(own):
            settable[j] = own
    if form is not None:
        found |= jumps(form.columns, sample.rows[0], settable, MOST_LISTED)
    return {j: own for j, own in found.items() if _takes(original, j, own)}


def refused(original: Native) -> list[str]:
    """Whole numbers of which the estimator refuses some between the least and the greatest of
    data, as encoders do of what they were not fitted on; of few values."""
    found = []
    for j, feature in enumerate(original.sample.schema.features):
        own = _settable(feature, MOST_LISTED)
        if feature.kind is not Kind.INTEGER or not len(own) or _takes(original, j, own):
            continue
        # Unless it refuses what data has as well.
        if _takes(original, j, np.unique(original.sample.rows[:, j])):
            found.append(feature.name)
    return found


def _takes(original: Native, feature: int, values: Floats) -> bool:
    """Whether the estimator scores rows of all of some values: encoders may refuse what they were
    not fitted on."""
    rows = original.sample.rows[:1].repeat(len(values), axis=0)
    rows[:, feature] = values
    # Refused by whatever its library raises; rows of the sample are tried all the same.
    with suppress(Exception):
        original.score(rows)
        return True
    return False


def _settable(feature: Feature, most: int) -> Floats:
    """All values that a feature may be set to; none if they are more than ``most``."""
    if feature.kind.is_categorical:
        return np.arange(float(len(feature.categories)))
    if feature.resolution is None:
        return np.zeros(0)
    numerator, denominator = feature.resolution.as_integer_ratio()
    step = numerator / denominator
    if not feature.upper - feature.lower < most * step:
        return np.zeros(0)
    multiples = np.arange(round(feature.lower / step), round(feature.upper / step) + 1)
    # Of whole numbers divided once, each is the float64 that its decimal text is read as.
    return multiples * numerator / denominator


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
