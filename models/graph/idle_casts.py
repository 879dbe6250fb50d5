"""Casts to the type that is there already, which exporters of Keras write between all layers."""

from __future__ import annotations

from onnx import AttributeProto, ModelProto, NodeProto, shape_inference

_PRODUCTS = ("MatMul", "Gemm")
_OURS = ("", "ai.onnx")


def without_idle_casts(model: ModelProto) -> ModelProto:
    """``model``, or a copy in which the layers of a network follow one another directly."""
    nodes = model.graph.node
    if not any(map(_is_cast, nodes)) or not any(node.op_type in _PRODUCTS for node in nodes):
        return model
    # Graphs within nodes name tensors of the outer one.
    within = (AttributeProto.GRAPH, AttributeProto.GRAPHS)
    if any(a.type in within for node in nodes for a in node.attribute):
        return model
    copied = shape_inference.infer_shapes(model)
    graph = copied.graph
    types = {v.name: v.type.tensor_type.elem_type for v in (*graph.input, *graph.value_info)}
    outputs = {output.name for output in graph.output}
    same: dict[str, str] = {}
    kept = []
    for node in graph.node:
        for place, name in enumerate(node.input):
            node.input[place] = same.get(name, name)
        if _is_cast(node) and node.output[0] not in outputs and _is_idle(node, types):
            same[node.output[0]] = node.input[0]
        else:
            kept.append(node)
    del graph.node[:]
    graph.node.extend(kept)
    return copied


def _is_cast(node: NodeProto) -> bool:
    return node.op_type == "Cast" and node.domain in _OURS


def _is_idle(node: NodeProto, types: dict[str, int]) -> bool:
    to = next((a.i for a in node.attribute if a.name == "to"), 0)
    return to != 0 and types.get(node.input[0]) == to
