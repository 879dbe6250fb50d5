"""A node of a graph with its attributes and constants at hand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import NodeProto

from ifonly.models.graph.operators.base import Operator
from ifonly.models.graph.refusal import refuse
from ifonly.models.graph.source import GraphSource, attributes

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Translated:
    """An operator, and which of the node's inputs it takes."""

    operator: Operator
    n_inputs: int | None = None
    """The first so many; None: all. The others are constants that are part of the operator."""


class NodeView:
    """A node with its attributes and constants at hand."""

    def __init__(self, proto: NodeProto, source: GraphSource) -> None:
        self.proto = proto
        self.opset = source.opset
        self.a = attributes(proto)
        self._source = source

    def has(self, place: int) -> bool:
        return len(self.proto.input) > place and self.proto.input[place] != ""

    def constant(self, place: int) -> Array:
        """The constant at an input.

        Raises
        ------
        UnreadableGraph
            If it is computed.
        """
        value = self._source.constant(self.proto.input[place])
        if value is None:
            raise refuse(self.proto, f"takes {self.proto.input[place]!r}, which is computed")
        return value

    def either(self, name: str, place: int) -> Array | None:
        """What is an attribute in old opsets and an input in new ones."""
        if name in self.a:
            return np.asarray(self.a[name])
        return self.constant(place) if self.has(place) else None


def ints(array: Array) -> tuple[int, ...]:
    """A list of whole numbers, or one, as numbers of Python."""
    return tuple(int(v) for v in np.atleast_1d(array))
