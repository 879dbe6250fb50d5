"""Graphs served by ONNX Runtime and read as mathematics, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnxruntime
from onnx import ModelProto

from ifonly.models.encoding import Encoding, FeatureEncoding, Form
from ifonly.models.graph.forms import GraphForm, TreeEnsemble
from ifonly.models.graph.reading import read_as_one
from ifonly.models.onnx import OnnxPredictor, load_predictor
from ifonly.models.onnx.reading import tensor_inputs
from ifonly.models.predictor import Rows, Scores
from ifonly.models.schema import Category, Decision, Feature, Kind, Schema, Task
from ifonly.models.spec import OutputBinding, Spec


@dataclass(frozen=True)
class Served:
    """One graph both ways."""

    predictor: OnnxPredictor
    form: GraphForm
    schema: Schema
    decision: Decision


def number(
    name: str, lower: float = -10.0, upper: float = 10.0, *, missing: bool = False
) -> Feature:
    return Feature(name, Kind.CONTINUOUS, lower=lower, upper=upper, may_be_missing=missing)


def whole(name: str, lower: float = -10, upper: float = 10) -> Feature:
    return Feature(name, Kind.INTEGER, lower=lower, upper=upper)


def category(name: str, *names: str, missing: bool = False) -> Feature:
    categories = tuple(Category(n) for n in names)
    return Feature(name, Kind.NOMINAL, categories=categories, may_be_missing=missing)


def numbers(n: int, *, missing: bool = False) -> tuple[Feature, ...]:
    return tuple(number(f"x{k}", missing=missing) for k in range(n))


def encoding_of(feature: Feature, form: Form) -> FeatureEncoding:
    if not feature.kind.is_categorical:
        return FeatureEncoding(
            feature.name,
            whole=feature.kind is Kind.INTEGER,
            may_be_missing=feature.may_be_missing,
        )
    return FeatureEncoding.of_categories(
        feature.name, form, feature.category_names, may_be_missing=feature.may_be_missing
    )


def decision_of(task: Task, n_classes: int = 2, threshold: float = 0.5) -> Decision:
    if task is Task.REGRESSION:
        return Decision(task, threshold=threshold, classes=(Category("low"), Category("high")))
    n_classes = 2 if task is Task.BINARY else n_classes
    classes = tuple(Category(f"class {k}") for k in range(n_classes))
    return Decision(task, classes, threshold=threshold if task is Task.BINARY else None)


def serve(
    model: ModelProto,
    features: Sequence[Feature],
    decision: Decision,
    *,
    output: str | None = None,
    column: int | None = None,
    form: Form = Form.STRING,
) -> Served:
    """``model`` as the repository loads it, and as the reader reads it."""
    schema = Schema(tuple(features))
    spec = Spec(
        name="m",
        version="1",
        title={},
        description={},
        schema=schema,
        decision=decision,
        encoding=Encoding(tuple(encoding_of(f, form) for f in features)),
        output=OutputBinding(output, column),
        policy={},
        alarm={},
        sha256="",
    )
    predictor = load_predictor(model.SerializeToString(), spec)
    graph_form = read_as_one(predictor.model, predictor.encoding, predictor.columns)
    return Served(predictor, graph_form, schema, decision)


def read(
    model: ModelProto,
    features: Sequence[Feature],
    columns: Sequence[int] = (0,),
    form: Form = Form.STRING,
) -> GraphForm:
    """``model`` as it is read, whether it can be served or not."""
    encoding = Encoding(tuple(encoding_of(f, form) for f in features))
    bound = encoding.bind(tensor_inputs(model))
    return read_as_one(model, bound, np.array(columns, dtype=np.intp))


def run(model: ModelProto, feeds: dict[str, Any], output: str) -> Any:
    """What ONNX Runtime makes of ``feeds``."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    return session.run([output], feeds)[0]


# --- points ---------------------------------------------------------------------------------


def random_rows(schema: Schema, n: int, rng: np.random.Generator, missing: float = 0.1) -> Rows:
    rows = np.column_stack([_column(f, n, rng, missing) for f in schema.features])
    return rows.astype(np.float32).astype(np.float64)


def _column(feature: Feature, n: int, rng: np.random.Generator, missing: float) -> Rows:
    if feature.kind.is_categorical:
        values = rng.integers(len(feature.categories), size=n).astype(np.float64)
    elif feature.kind is Kind.INTEGER:
        values = rng.integers(int(feature.lower), int(feature.upper) + 1, size=n).astype(np.float64)
    else:
        values = rng.uniform(feature.lower, feature.upper, n)
    if feature.may_be_missing:
        values[rng.random(n) < missing] = np.nan
    return values


def points(
    served: Served, rng: np.random.Generator, n: int = 100_000, around: Rows | None = None
) -> Rows:
    """``n`` rows, more where it takes more: the float32 neighbours of every threshold, each in
    a random row, and random rows.
    """
    near = threshold_rows(served, rng, around)
    rest = _drawn(served, max(n - len(near), 100), rng, around)
    return np.concatenate([near, rest])


def _drawn(served: Served, n: int, rng: np.random.Generator, around: Rows | None) -> Rows:
    if around is None:
        return random_rows(served.schema, n, rng)
    return around[rng.integers(len(around), size=n)]


def threshold_rows(served: Served, rng: np.random.Generator, around: Rows | None = None) -> Rows:
    """For every (column, threshold) of a tree ensemble: rows whose feature is the last float32
    below the threshold, the first at or above it, the first above it, and the float32 beside
    each."""
    core = served.form.core
    assert isinstance(core, TreeEnsemble)
    inner = ~core.is_leaf
    pairs = np.unique(np.stack([core.column[inner], core.threshold[inner]]), axis=1)
    columns, thresholds = pairs[0].astype(int), pairs[1]
    features = served.form.columns.feature[columns]
    continuous = np.array([f.kind is Kind.CONTINUOUS for f in served.schema.features])[features]
    columns, thresholds, features = (a[continuous] for a in (columns, thresholds, features))
    if len(columns) == 0:
        return np.empty((0, len(served.schema)))
    rows = _drawn(served, len(columns), rng, around)
    found = []
    for reached in (np.greater_equal, np.greater):
        first = _first(served, rows, columns, thresholds, features, reached)
        for step in (-2, -1, 0, 1):
            tried = rows.copy()
            tried[np.arange(len(rows)), features] = _float(first + step)
            found.append(tried)
    return np.concatenate(found)


def _first(served, rows, columns, thresholds, features, reached):
    """Number of the first float32 whose column is ``reached`` beyond the threshold, by bisection;
    columns may fall as well as rise."""
    lines = np.arange(len(rows))

    def column_of(numbers):
        tried = rows.copy()
        tried[lines, features] = _float(numbers)
        return served.form.columns.encode(tried)[lines, columns]

    low, high = _number(np.full(len(rows), -1e30)), _number(np.full(len(rows), 1e30))
    falls = column_of(low) > column_of(high)
    while (high - low > 1).any():
        middle = (low + high) // 2
        beyond = reached(column_of(middle), thresholds) != falls
        low, high = np.where(beyond, low, middle), np.where(beyond, middle, high)
    return high


def _number(values: Rows) -> np.ndarray:
    """Float32 counted in order: neighbours have neighbouring numbers."""
    bits = values.astype(np.float32).view(np.int32).astype(np.int64)
    return np.where(bits < 0, -(bits & 0x7FFFFFFF), bits)


def _float(numbers: np.ndarray) -> Rows:
    bits = np.where(numbers < 0, (-numbers) | 0x80000000, numbers).astype(np.uint32)
    return bits.view(np.float32).astype(np.float64)


# --- comparison -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Agreement:
    n: int
    labels: int
    """Rows decided otherwise."""
    scores: float
    """Largest difference of a score, relative beyond 1."""
    exact: float
    """Share of scores that are the same number."""


def compare(served: Served, rows: Rows) -> Agreement:
    ours, theirs = served.form.score(rows), served.predictor.score(rows)
    assert ours.shape == theirs.shape
    decided = served.decision.decide
    return Agreement(
        n=len(rows),
        labels=int((decided(ours) != decided(theirs)).sum()),
        scores=_difference(ours, theirs),
        exact=float((ours == theirs).mean()),
    )


def _difference(ours: Scores, theirs: Scores) -> float:
    return float((np.abs(ours - theirs) / np.maximum(np.abs(theirs), 1.0)).max())
