"""Linear models and ReLU networks that are written as separate nodes."""

from __future__ import annotations

from dataclasses import dataclass

from onnx import NodeProto

from ifonly.models.graph.dense import Dense, dense
from ifonly.models.graph.layers import Affine, ReluNetwork
from ifonly.models.graph.refusal import refuse
from ifonly.models.graph.source import GraphSource


@dataclass(frozen=True, eq=False)
class Network:
    """The layers between two tensors."""

    node: NodeProto
    """The node of its last layer."""
    output: str
    """Tensor that the last layer makes."""
    layers: tuple[Dense, ...]

    @property
    def input(self) -> str:
        return self.layers[0].input

    @property
    def is_vector(self) -> bool:
        """Whether the output has rank 1."""
        return self.layers[-1].is_vector

    def core(self, n_columns: int) -> Affine | ReluNetwork:
        """The layers as mathematics.

        Raises
        ------
        UnreadableGraph
            If they do not fit one another, or an input of ``n_columns`` columns.
        """
        width = n_columns
        for layer in self.layers:
            if len(layer.weights) != width:
                raise refuse(
                    self.node, f"needs {len(layer.weights)} numbers where there are {width}"
                )
            width = len(layer.bias)
        pairs = tuple((layer.weights, layer.bias) for layer in self.layers)
        return Affine(*pairs[0]) if len(pairs) == 1 else ReluNetwork(pairs)


def find_network(source: GraphSource) -> Network | None:
    """The layers of the graph that end in its last matrix product; None where there is none.

    Raises
    ------
    UnreadableGraph
        If a layer's weights are computed.
    """
    nodes = source.before([source.output])
    products = [node for node in nodes if node.op_type in ("MatMul", "Gemm")]
    if not products:
        return None
    # The last product: what stands behind it is the link.
    output = _end(source, nodes, products[-1].output[0])
    layers = _layers(source, output)
    return Network(products[-1], output, layers) if layers else None


def _end(source: GraphSource, nodes: list[NodeProto], tensor: str) -> str:
    """The tensor at which the layer of ``tensor`` ends, behind its constants."""
    while True:
        readers = [node for node in nodes if tensor in node.input]
        # Read by two nodes, it is no part of one layer.
        if len(readers) != 1 or tensor == source.output:
            return tensor
        # What comes next is part of no layer, as adding a bias would be.
        if dense(source, readers[0].output[0]) is None:
            return tensor
        tensor = readers[0].output[0]


def _layers(source: GraphSource, output: str) -> tuple[Dense, ...]:
    """Layers with a ReLU between them, the last one makes ``output``."""
    last = dense(source, output)
    if last is None:
        return ()
    found = [last]
    while (before := _through_relu(source, found[0].input)) is not None:
        found.insert(0, before)
    return tuple(found)


def _through_relu(source: GraphSource, tensor: str) -> Dense | None:
    """The layer before the ReLU that makes ``tensor``."""
    node = source.producer(tensor)
    # Both pass on what they get once a model is trained.
    while node is not None and node.op_type in ("Identity", "Dropout"):
        node = source.producer(node.input[0])
    if node is None or node.op_type != "Relu":
        return None
    return dense(source, node.input[0])
