"""Nodes of which nothing depends on the row, as the constants that they are."""

from __future__ import annotations

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from ifonly.models.graph.refusal import UnreadableGraph
from ifonly.models.graph.source import constant_of

_MOST = 1 << 20
"""Numbers that such a constant may have."""


def with_constants_folded(model: ModelProto) -> ModelProto:
    """``model``, or a copy in which what is computed of constants alone is one."""
    known = {tensor.name: tensor for tensor in model.graph.initializer}
    folded: list[TensorProto] = []
    kept: list[NodeProto] = []
    for node in model.graph.node:
        made = _value(node, known, model)
        if made is None:
            kept.append(node)
            continue
        known[made.name] = made
        if node.op_type != "Constant":
            folded.append(made)
        else:
            kept.append(node)
    if not folded:
        return model
    copied = ModelProto()
    copied.CopyFrom(model)
    del copied.graph.node[:]
    copied.graph.node.extend(kept)
    copied.graph.initializer.extend(folded)
    return copied


def _value(node: NodeProto, known: dict[str, TensorProto], model: ModelProto) -> TensorProto | None:
    """What a node yields for every row, or None."""
    if node.op_type == "Constant":
        try:
            return numpy_helper.from_array(np.asarray(constant_of(node)), node.output[0])
        except (UnreadableGraph, TypeError, ValueError):
            return None
    names = [name for name in node.input if name]
    plain = node.domain in ("", "ai.onnx") and len(node.output) == 1 and names
    if not plain or not all(name in known for name in names) or _is_random(node):
        return None
    from onnx.reference import ReferenceEvaluator  # slow to import, and seldom needed

    graph = helper.make_graph(
        [node], "constant", [], [helper.make_empty_tensor_value_info(node.output[0])],
        [known[name] for name in dict.fromkeys(names)],
    )  # fmt: skip
    alone = helper.make_model(graph, opset_imports=model.opset_import)
    try:
        (value,) = ReferenceEvaluator(alone).run(None, {})
    # What the reference cannot compute is left to whoever reads the node.
    except Exception:
        return None
    array = np.asarray(value)
    if array.size > _MOST or array.dtype.kind not in "fiub":
        return None
    return numpy_helper.from_array(array, node.output[0])


def _is_random(node: NodeProto) -> bool:
    return node.op_type.startswith("Random") or node.op_type in ("Bernoulli", "Multinomial")
