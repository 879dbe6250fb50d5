"""Generated models, deployed: the predictor that serves them and the mathematics read from them.

Each is made once a process: the same are asked by many modules.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from onnx import TensorProto, helper

from ifonly.models.graph.forms import GraphForm
from ifonly.models.graph.reading import read_graph
from ifonly.models.graph.rounding import bound_rounding
from ifonly.models.onnx import OnnxPredictor, load_predictor
from ifonly.models.onnx.trial import trial_rows
from ifonly.models.rounding import UNKNOWN
from ifonly.models.schema import Task
from ifonly.models.spec import Spec, parse_spec
from tests.support.onnx_layers import layered_model
from tests.support.onnx_trees import spec_text, tree_model
from tests.support.onnx_units import units_model


@dataclass(frozen=True)
class Deployed:
    spec: Spec
    predictor: OnnxPredictor
    form: GraphForm


@cache
def deployed_trees(seed: int, task: Task) -> Deployed:
    """A random ensemble of 1 to 24 trees of depth 1 to 4, as a deployed model."""
    draw = np.random.default_rng(seed)
    trees, depth = int(draw.integers(1, 25)), int(draw.integers(1, 5))
    return deployed(tree_model(seed, task, trees, depth), spec_text(task))


@cache
def deployed_deep(seed: int, task: Task) -> Deployed:
    """Two random trees of depth 10: one at least has more leaves than a word has bits."""
    return deployed(tree_model(seed, task, 2, 10), spec_text(task))


def deployed(model: bytes, spec_toml: str) -> Deployed:
    spec = _spec(spec_toml)
    predictor = load_predictor(model, spec)
    form = read_graph(predictor.model, predictor.encoding, predictor.columns)
    return Deployed(spec, predictor, form)


@cache
def _spec(text: str) -> Spec:
    return parse_spec(text.encode(), "spec.toml")


def as_served(model: Deployed) -> OnnxPredictor:
    """The predictor with what is known of its rounding, as of a model folder: rows must then be in
    the target in every session."""
    rows = trial_rows(model.spec.schema)
    return model.predictor.knowing(bound_rounding(model.form, rows, bounded=True) or UNKNOWN)


@cache
def deployed_layers(seed: int, task: Task, *, linear: bool) -> Deployed:
    """A random linear model, or a network of 1 or 2 layers of 2 to 10 units, as a deployed one."""
    draw = np.random.default_rng(seed)
    depth = 0 if linear else int(draw.integers(1, 3))
    hidden = tuple(int(draw.integers(2, 11)) for _ in range(depth))
    return deployed(layered_model(seed, task, hidden), spec_text(task))


@cache
def deployed_isolation(seed: int) -> Deployed:
    """An isolation forest of 3 to 12 trees as skl2onnx exports it, half of whose readings are odd;
    turned around, so that the odd ones have high values, as generated questions want low ones."""
    from skl2onnx import to_onnx
    from sklearn.ensemble import IsolationForest

    draw = np.random.default_rng(seed)
    rows = np.column_stack(
        [draw.normal(1.0, 0.5, 80), draw.normal(55.0, 20.0, 80),
         np.eye(3)[draw.integers(0, 3, 80)], draw.integers(0, 3, 80), draw.normal(0.0, 0.2, 80)]
    ).astype(np.float32)  # fmt: skip
    forest = IsolationForest(
        n_estimators=int(draw.integers(3, 13)), max_samples=32, contamination=0.5, random_state=seed
    ).fit(rows)
    graph = to_onnx(forest, rows[:1], target_opset={"": 18, "ai.onnx.ml": 3})
    del graph.graph.output[0]  # the label
    scores = graph.graph.output[0]
    for name, value in (("turn", -5.0), ("shift", 0.3)):
        constant = helper.make_tensor(name, TensorProto.FLOAT, [1], [value])
        graph.graph.initializer.append(constant)
    graph.graph.node.append(helper.make_node("Mul", [scores.name, "turn"], ["turned"]))
    graph.graph.node.append(helper.make_node("Add", ["turned", "shift"], ["odd"]))
    scores.name = "odd"
    return deployed(graph.SerializeToString(), spec_text(Task.REGRESSION))


@cache
def deployed_units(seed: int, task: Task, shape: str) -> Deployed:
    """A random graph of that shape (see ``onnx_units``) as a deployed model."""
    return deployed(units_model(seed, task, shape), spec_text(task))
