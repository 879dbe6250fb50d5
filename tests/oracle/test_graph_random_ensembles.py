"""Small tree ensembles in every mode that ONNX has, made up at random: ONNX Runtime is the oracle.

Nobody exports most of these. What is read must score as it is served, at every threshold and beside
it; what is not must be refused, not misread.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import HealthCheck, assume, event, given, settings
from hypothesis import strategies as st
from onnx import ModelProto, TensorProto, numpy_helper

from ifonly.models.errors import GraphError
from ifonly.models.graph.refusal import UnreadableGraph
from ifonly.models.schema import Decision, Feature, Task
from tests.unit.graph.ensembles import Leaf, Split, Tree, classifier, ensemble, regressor
from tests.unit.graph.served import (
    compare,
    decision_of,
    numbers,
    random_rows,
    serve,
    threshold_rows,
    whole,
)

MODES = ("LT", "LEQ", "GT", "GTE", "EQ", "NEQ")
TRANSFORMS = ("NONE", "LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO", "PROBIT")

small = st.integers(-3, 35).map(float)
single = st.floats(-8, 8, width=32)
weights = st.integers(-200, 200).map(lambda k: float(np.float32(k / 100)))


@st.composite
def trees(draw: Any, modes: list[str], targets: Any, *, may_miss: bool) -> Tree:
    """A tree over two columns; ``targets``: strategy of the outputs that a leaf names."""

    def tree(depth: int) -> Tree:
        if depth == 0 or draw(st.integers(0, 4)) == 0:
            return Leaf({t: draw(weights) for t in draw(targets)})
        mode = draw(st.sampled_from(modes))
        if mode == "MEMBER":
            value: Any = tuple(draw(st.lists(small, min_size=1, max_size=4, unique=True)))
        else:
            value = draw(small | single)
        missing = may_miss and draw(st.booleans())
        column = draw(st.integers(0, 1))
        return Split(column, mode, value, tree(depth - 1), tree(depth - 1), missing)

    return tree(3)


@st.composite
def graphs(draw: Any) -> tuple[ModelProto, int, tuple[Feature, ...]]:
    """A graph, the number of its outputs, and what it reads."""
    kind = draw(st.sampled_from(["classifier", "regressor", "ensemble"]))
    n = draw(st.integers(2 if kind == "classifier" else 1, 3))
    modes = draw(st.lists(st.sampled_from(MODES), min_size=1, max_size=4, unique=True))
    if kind == "ensemble":
        modes += draw(st.sampled_from([[], ["MEMBER"]]))
    one = st.integers(0, n - 1).map(lambda t: [t])
    options = [st.just([0]), one]
    if kind != "ensemble":
        several = st.lists(st.integers(0, n - 1), min_size=1, max_size=n, unique=True)
        options += [st.just(list(range(n))), several]
    targets = draw(st.sampled_from(options))
    may_miss = draw(st.booleans())
    found = draw(st.lists(trees(modes, targets, may_miss=may_miss), min_size=1, max_size=5))
    tensors = [TensorProto.FLOAT, TensorProto.DOUBLE]
    tensor = draw(
        st.sampled_from([*tensors, TensorProto.INT64][: 3 if kind == "classifier" else 2])
    )
    if kind == "ensemble":
        assume(all(isinstance(t, Split) for t in found))
        dtype = np.float64 if tensor == TensorProto.DOUBLE else np.float32
        model = ensemble(
            [t for t in found if isinstance(t, Split)],
            2,
            n,
            dtype=dtype,
            post_transform=draw(st.integers(0, 4)),
            aggregate_function=draw(st.integers(0, 1)),
        )
        return model, n, numbers(2, missing=True)
    more = draw(_more(kind, n, tensor))
    make = classifier if kind == "classifier" else regressor
    features = numbers(2, missing=True)
    if tensor == TensorProto.INT64:
        features = (whole("x0", -4, 36), whole("x1", -4, 36))
    return make(found, 2, n, kind=tensor, **more), n, features


@st.composite
def _more(draw: Any, kind: str, n: int, tensor: int) -> dict[str, Any]:
    """Attributes beside the trees."""
    more: dict[str, Any] = {"post_transform": draw(st.sampled_from(TRANSFORMS))}
    more["double"] = tensor == TensorProto.DOUBLE and draw(st.booleans())
    lengths = st.sampled_from([0, n] + ([1] if n == 2 and kind == "classifier" else []))
    n_base = draw(lengths)
    base = draw(st.lists(weights, min_size=n_base, max_size=n_base))
    if base and more["double"]:
        more["base_values_as_tensor"] = numpy_helper.from_array(np.array(base), "base")
    elif base:
        more["base_values"] = base
    if kind == "regressor":
        more["aggregate_function"] = draw(st.sampled_from(["SUM", "AVERAGE"]))
    return more


@st.composite
def decisions(draw: Any, n: int) -> tuple[Decision, int | None]:
    if n > 1 and draw(st.booleans()):
        return decision_of(Task.MULTICLASS, n), None
    return decision_of(Task.REGRESSION), None if n == 1 else draw(st.integers(0, n - 1))


@given(st.data())
@settings(max_examples=250, suppress_health_check=list(HealthCheck))
def test_a_made_up_ensemble_is_read_as_it_is_served_or_refused(data: st.DataObject) -> None:
    model, n, features = data.draw(graphs())
    decision, column = data.draw(decisions(n))
    try:
        served = serve(model, features, decision, column=column)
    except UnreadableGraph:
        event("not read")
        return
    except GraphError:
        event("not served")
        return
    rng = np.random.default_rng(0)
    rows = random_rows(served.schema, 100, rng, 0.2)
    rows = np.concatenate([rows, np.round(rows), threshold_rows(served, rng)])
    try:
        found = compare(served, rows)
    except GraphError:
        event("not finite")
        return
    event("read")
    assert found.scores <= 2e-6
    if found.scores > 0:  # rounded in another way; a label may then turn on the last digit
        scores = served.form.score(rows)
        assert found.labels <= _ties(scores, decision)
    else:
        assert found.labels == 0


def _ties(scores: np.ndarray, decision: Decision) -> int:
    """Rows whose decision turns on less than rounding."""
    if decision.task is Task.MULTICLASS:
        ordered = np.sort(scores, axis=1)
        return int((ordered[:, -1] - ordered[:, -2] < 1e-5).sum())
    assert decision.threshold is not None
    return int((np.abs(scores[:, 0] - decision.threshold) < 1e-5).sum())
