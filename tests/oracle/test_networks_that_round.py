"""Networks that round as coarsely as their rows differ: claims are what walking every row finds.

Layers stand twice, the second a millionth beside the first, and outputs read the difference: which
rows are in the target is a matter of rounding. Bounds of it a thousand times too small are seen.
"""

from __future__ import annotations

from functools import cache
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from onnx import NodeProto, TensorProto, helper, numpy_helper

from ifonly.explainers.deadline import Deadline
from ifonly.explainers.policy import Policy
from ifonly.explainers.search.engine import Meter
from ifonly.explainers.search.networks.engine import Networks
from ifonly.models.graph.reading import read_graph
from ifonly.models.onnx import load_predictor
from ifonly.models.rounding import rounding_of
from ifonly.models.spec import parse_spec

Floats = npt.NDArray[np.float64]

FEATURES, VALUES, UNITS, OUTPUTS = 4, 8, 6, 5
APART = 1e-6
SHAPES = ("sum", "max", "square", "abs", "tanh")


@cache
def every_row() -> Floats:
    return np.array(list(product(range(VALUES), repeat=FEATURES)), dtype=np.float64)


def cancelling(seed: int, shape: str) -> bytes:
    draw = np.random.default_rng(seed)
    scale = 10.0 ** draw.uniform(2.0, 6.0)
    nodes: list[NodeProto] = []
    tables: list[TensorProto] = []

    def table(values: object, kind: type = np.float32) -> str:
        tables.append(numpy_helper.from_array(np.asarray(values, kind), f"c{len(tables)}"))
        return f"c{len(tables) - 1}"

    def add(operator: str, *inputs: str, **attributes: Any) -> str:
        out = f"t{len(nodes)}"
        nodes.append(helper.make_node(operator, list(inputs), [out], **attributes))
        return out

    def hidden(weights: Floats, bias: Floats) -> str:
        return add("Relu", add("Add", add("MatMul", "x", table(weights)), table(bias)))

    weights, bias = scale * draw.normal(size=(FEATURES, UNITS)), scale * draw.normal(size=UNITS)
    other = weights * (1.0 + APART * draw.normal(size=weights.shape))
    out = table(draw.normal(size=(UNITS, OUTPUTS)))
    one = add("MatMul", hidden(weights, bias), out)
    two = add("MatMul", hidden(other, bias + APART * scale * draw.normal(size=UNITS)), out)
    straight = APART * scale * draw.choice([0.0, 1.0, 3.0]) * draw.normal(size=(FEATURES, OUTPUTS))
    off = add("Add", add("Sub", one, two), add("MatMul", "x", table(straight)))
    mixed, axis = table(draw.normal(size=(OUTPUTS, 1))), table([1], np.int64)
    match shape:
        case "sum":
            y = add("MatMul", off, mixed)
        case "max":
            y = add("ReduceMax", add("Abs", off), axis, keepdims=1)
        case "square":
            y = add("ReduceMean", add("Mul", off, off), axis, keepdims=1)
        case "abs":
            y = add("ReduceMean", add("Abs", off), axis, keepdims=1)
        case _:
            y = add("MatMul", add("Tanh", add("Mul", off, table(1e5 / scale))), mixed)
    kind = TensorProto.FLOAT
    told = helper.make_tensor_value_info("x", kind, [None, FEATURES])
    score = helper.make_tensor_value_info(y, kind, [None, 1])
    graph = helper.make_graph(nodes, "cancels", [told], [score], tables)
    opset = [helper.make_opsetid("", 18)]
    return bytes(helper.make_model(graph, opset_imports=opset, ir_version=9).SerializeToString())


def spec(threshold: float) -> bytes:
    text = 'format = 1\nname = "cancels"\nversion = "1"\ntask = "regression"\n[decision]\n'
    text += 'classes = ["normal", "anomaly"]\npositive = "anomaly"\ndesired = "normal"\n'
    text += f"threshold = {threshold!r}\n"
    for k in range(FEATURES):
        text += f'[[features]]\nname = "r{k}"\nkind = "continuous"\nbounds = [0, {VALUES - 1}]\n'
        text += "resolution = 1\n"
    return text.encode()


def check(seed: int, shape: str) -> None:
    rows, model = every_row(), cancelling(seed, shape)
    draw = np.random.default_rng([seed, 1])
    scores = load_predictor(model, parse_spec(spec(0.0), "spec.toml")).score(rows)[:, 0]
    # A score that some row has: others are beside it by rounding alone.
    threshold = float(np.quantile(scores, draw.choice([0.02, 0.1, 0.4]), method="lower"))
    known = parse_spec(spec(threshold), "spec.toml")
    predictor = load_predictor(model, known)
    form = read_graph(predictor.model, predictor.encoding, predictor.columns)
    engine, never = Networks(form, known.schema), Deadline.never()
    policy = Policy.read(known.policy, known.schema, known.decision)
    for is_firm in (False, True):
        problem = policy.problem(rows[int(draw.integers(len(rows)))])
        problem = problem.firm(rounding_of(predictor)) if is_firm else problem
        met = problem.target.met(predictor.score(rows))
        best = problem.cost_of(rows)[met].min(initial=np.inf)
        found = engine.search(problem, Meter(predictor, never), never)
        assert found.is_proven(problem)
        cost = problem.cost_of(found.candidates[:1]).min(initial=np.inf)
        assert cost == pytest.approx(best, abs=1e-9)


@pytest.mark.parametrize("shape", SHAPES)
def test_rows_that_rounding_alone_decides_are_asked(shape: str) -> None:
    for seed in (23, 38):
        check(seed, shape)


@pytest.mark.long
@pytest.mark.parametrize("shape", SHAPES)
def test_rows_that_rounding_alone_decides_are_asked_of_many_networks(shape: str) -> None:
    for seed in range(100, 130):
        check(seed, shape)
