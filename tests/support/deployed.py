"""Generated models, deployed: the predictor that serves them and the mathematics read from them.

Each is made once a process: the same are asked by many modules.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

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
def deployed_units(seed: int, task: Task, shape: str) -> Deployed:
    """A random graph of that shape (see ``onnx_units``) as a deployed model."""
    return deployed(units_model(seed, task, shape), spec_text(task))
