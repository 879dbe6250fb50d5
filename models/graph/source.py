"""An ONNX graph as the reader walks it: who makes a tensor, what is constant."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import copy
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import ModelProto, NodeProto, helper, numpy_helper

from ifonly.models.graph.refusal import UnreadableGraph, refuse


class GraphSource:
    """The nodes of a model that its first output needs."""

    def __init__(self, model: ModelProto) -> None:
        if len(model.graph.output) != 1:
            raise UnreadableGraph(f"the graph has {len(model.graph.output)} outputs, not one")
        self._graph = model.graph
        self._known: Mapping[str, npt.NDArray[Any]] = {}
        self.output: str = model.graph.output[0].name
        # Both names mean the same domain, and a file may list either.
        self.opset = max(
            (o.version for o in model.opset_import if o.domain in ("", "ai.onnx")), default=1
        )

    def knowing(self, constants: Mapping[str, npt.NDArray[Any]]) -> GraphSource:
        """The same where more tensors are known to be constant."""
        found = copy(self)
        found._known = constants
        return found

    @cached_property
    def _places(self) -> Mapping[str, int]:
        """Tensor to the place of the node that makes it."""
        nodes = enumerate(self._graph.node)
        return {name: place for place, node in nodes for name in node.output if name}

    @cached_property
    def _initializers(self) -> Mapping[str, Any]:
        return {tensor.name: tensor for tensor in self._graph.initializer}

    def producer(self, tensor: str) -> NodeProto | None:
        """The node that makes ``tensor``; None of an input or an initializer."""
        place = self._places.get(tensor)
        return None if place is None else self._graph.node[place]

    def place(self, tensor: str) -> int:
        """Place in the file of the node that makes ``tensor``."""
        return self._places[tensor]

    def constant(self, tensor: str) -> npt.NDArray[Any] | None:
        """The value of a tensor that is the same for every row; None of any other."""
        if tensor in self._known:
            return self._known[tensor]
        if tensor in self._initializers:
            array = numpy_helper.to_array(self._initializers[tensor])
            return _text(array)
        node = self.producer(tensor)
        if node is None:
            return None
        if node.op_type == "Constant":
            return constant_of(node)
        # Exporters pass constants on through such nodes.
        if node.op_type == "Identity":
            return self.constant(node.input[0])
        return None

    def before(self, tensors: Iterable[str], *, until: str = "") -> list[NodeProto]:
        """Nodes that ``tensors`` need, first those that others need; not those that only
        ``until`` needs.
        """
        found: set[int] = set()
        wanted = list(tensors)
        while wanted:
            name = wanted.pop()
            place = None if name == until else self._places.get(name)
            if place is not None and place not in found:
                found.add(place)
                wanted.extend(self._graph.node[place].input)
        # ONNX lists nodes after those that they read, so the file's order is a good one.
        return [self._graph.node[place] for place in sorted(found)]


def attributes(node: NodeProto) -> dict[str, Any]:
    """A node's attributes by name; numbers as arrays, texts as bytes."""
    return {attribute.name: _attribute(attribute) for attribute in node.attribute}


def _attribute(attribute: Any) -> Any:
    if attribute.ints:
        return np.array(attribute.ints, dtype=np.int64)
    if attribute.floats:
        # float32, as the file keeps them.
        return np.array(attribute.floats, dtype=np.float32)
    if attribute.type == attribute.TENSOR:
        return _text(numpy_helper.to_array(attribute.t))
    return helper.get_attribute_value(attribute)


def _text(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Texts as ``str``, whatever the file keeps them as."""
    if array.dtype.kind not in "OSU":
        return array
    texts = [t.decode() if isinstance(t, bytes) else str(t) for t in array.ravel().tolist()]
    out = np.empty(len(texts), dtype=object)
    out[:] = texts
    return out.reshape(array.shape)


def constant_of(node: NodeProto) -> npt.NDArray[Any]:
    """The value of a Constant node."""
    (attribute,) = node.attribute
    kinds = {"value_int": np.int64, "value_ints": np.int64, "value_float": np.float32}
    kinds["value_floats"] = np.float32
    value = _attribute(attribute)
    if attribute.name == "value":
        return np.asarray(value)
    if attribute.name in kinds:
        return np.asarray(value, dtype=kinds[attribute.name])
    if attribute.name in ("value_string", "value_strings"):
        return _text(np.asarray(value, dtype=object))
    raise refuse(node, f"has a value of a kind that is not read: {attribute.name}")
