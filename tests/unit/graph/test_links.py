"""How far ONNX Runtime's logistic scores are from our own: what proofs allow for (goals.STEP)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from ifonly.explainers.search.goals import STEP
from ifonly.models.graph.operators.tree_scores import logistic

Scored = Callable[[np.ndarray], np.ndarray]


def session(nodes: list[onnx.NodeProto], shape: int, *constants: onnx.TensorProto) -> Scored:
    """Of raw values ``(n,)`` the last score of each, ``(n,)``, by one thread."""
    graph = helper.make_graph(
        nodes,
        "link",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 1])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, shape])],
        list(constants),
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    loaded = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return lambda raw: loaded.run(["y"], {"x": raw[:, None]})[0][:, -1].astype(np.float64)


def sigmoid() -> Scored:
    return session([helper.make_node("Sigmoid", ["x"], ["y"])], 1)


def softmax() -> Scored:
    """Of two raw values, the first of which is 0."""
    two = numpy_helper.from_array(np.array([[0.0, 1.0]], np.float32), "two")
    nodes = [
        helper.make_node("MatMul", ["x", "two"], ["both"]),
        helper.make_node("Softmax", ["both"], ["y"], axis=1),
    ]
    return session(nodes, 2, two)


def classifier(post_transform: str) -> Scored:
    node = helper.make_node(
        "LinearClassifier",
        ["x"],
        ["label", "y"],
        domain="ai.onnx.ml",
        coefficients=[0.0, 1.0],
        intercepts=[0.0, 0.0],
        post_transform=post_transform,
        classlabels_ints=[0, 1],
    )
    return session([node], 2)


LINKS = {
    "Sigmoid": sigmoid,
    "Softmax": softmax,
    "LinearClassifier LOGISTIC": lambda: classifier("LOGISTIC"),
    "LinearClassifier SOFTMAX": lambda: classifier("SOFTMAX"),
}


@pytest.mark.parametrize("name", LINKS)
def test_logistic_scores_are_within_what_proofs_allow_for(name: str) -> None:
    score, draw = LINKS[name](), np.random.default_rng(0)
    spread = draw.uniform(-20.0, 20.0, 400_000).astype(np.float32)
    dense = np.concatenate(
        [
            np.float32(middle) + np.arange(20_000, dtype=np.float32) * np.spacing(np.float32(1))
            for middle in (-9.0, -2.9, -0.4, 0.0, 1.1, 2.9, 7.0)
        ]
    )
    raw = np.concatenate([spread, dense])
    off = np.abs(score(raw) - logistic(raw).astype(np.float64))
    assert off.max() < STEP
    alone = np.concatenate([score(raw[i : i + 1]) for i in range(0, len(raw), 2_711)])
    assert np.abs(alone - logistic(raw[::2_711]).astype(np.float64)).max() < STEP
