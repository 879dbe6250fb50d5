"""Which nodes of a graph are the model proper, and what they compute."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from onnx import NodeProto

from ifonly.models.graph import linear_nodes, tree_nodes, tree_v5
from ifonly.models.graph.finish import Finish
from ifonly.models.graph.forms import Core
from ifonly.models.graph.network_nodes import Network, find_network
from ifonly.models.graph.operators.base import Operator
from ifonly.models.graph.operators.shapes import Same, Squeeze
from ifonly.models.graph.program import Step
from ifonly.models.graph.refusal import UnreadableGraph
from ifonly.models.graph.source import GraphSource
from ifonly.models.graph.sums import find_sum


class ReadNode(Protocol):
    """A node read."""

    @property
    def core(self) -> Core: ...

    @property
    def operator(self) -> Operator:
        """Takes the core's outputs to the node's."""
        ...


class Reader(Protocol):
    def __call__(self, node: NodeProto, dtype: np.dtype[Any], n_columns: int) -> ReadNode: ...


_READERS: dict[str, Reader] = {
    "TreeEnsemble": tree_v5.read_ensemble,
    "TreeEnsembleClassifier": tree_nodes.read_classifier,
    "TreeEnsembleRegressor": tree_nodes.read_regressor,
    "LinearClassifier": linear_nodes.read_classifier,
    "LinearRegressor": linear_nodes.read_regressor,
}


class Found(Protocol):
    """A core, not yet read."""

    @property
    def node(self) -> NodeProto: ...

    @property
    def input(self) -> str:
        """Tensor that it reads."""
        ...

    @property
    def output(self) -> str:
        """Tensor that it makes."""
        ...

    def read(self, dtype: np.dtype[Any], n_columns: int) -> tuple[Core, Sequence[Step]]:
        """The core for an input of ``n_columns`` columns of ``dtype``, and what makes
        :attr:`output` of its outputs, which are called :attr:`Finish.INPUT`.
        """
        ...


@dataclass(frozen=True)
class OneNode:
    """A core that is one node of ai.onnx.ml."""

    node: NodeProto

    @property
    def input(self) -> str:
        return str(self.node.input[0])

    @property
    def output(self) -> str:
        # A classifier's first output is the label, its last the scores.
        return str(self.node.output[-1])

    def read(self, dtype: np.dtype[Any], n_columns: int) -> tuple[Core, Sequence[Step]]:
        found = _READERS[self.node.op_type](self.node, dtype, n_columns)
        return found.core, [Step(found.operator, (Finish.INPUT,), self.output)]


@dataclass(frozen=True)
class Layers:
    """A core that is many nodes."""

    network: Network

    @property
    def node(self) -> NodeProto:
        return self.network.node

    @property
    def input(self) -> str:
        return self.network.input

    @property
    def output(self) -> str:
        return self.network.output

    def read(self, dtype: np.dtype[Any], n_columns: int) -> tuple[Core, Sequence[Step]]:
        shape: Operator = Squeeze((1,)) if self.network.is_vector else Same()
        return self.network.core(n_columns), [Step(shape, (Finish.INPUT,), self.output)]


def has_models(source: GraphSource) -> bool:
    """Whether a node of the graph is a model of its own, as trees are."""
    return any(node.op_type in _READERS for node in source.before([source.output]))


def find_core(source: GraphSource) -> Found:
    """The one core of the graph.

    Raises
    ------
    UnreadableGraph
        If there is none, or several.
    """
    nodes = [node for node in source.before([source.output]) if node.op_type in _READERS]
    # Several models are read only where their outputs are added up.
    if len(nodes) > 1:
        return find_sum(source, nodes)
    if nodes:
        return OneNode(nodes[0])
    network = find_network(source)
    if network is None:
        raise UnreadableGraph("the graph has no trees, no linear model and no network that is read")
    return Layers(network)
