"""Why a graph is not read as mathematics."""

from __future__ import annotations

from onnx import NodeProto

from ifonly.models.errors import GraphError


class UnreadableGraph(GraphError):
    """The graph can be served, but not read as mathematics; the message names node and operator.

    Whoever gets it falls back to methods that only need scores.
    """


def refuse(node: NodeProto, problem: str) -> UnreadableGraph:
    """The refusal of ``node``; ``problem`` is the rest of a sentence about it."""
    return UnreadableGraph(f"{node_name(node)} {problem}")


def node_name(node: NodeProto) -> str:
    """How refusals call a node: its name, or what it yields, and its operator."""
    domain = f"{node.domain}:" if node.domain else ""
    name = repr(node.name) if node.name else f"that yields {', '.join(map(repr, node.output))}"
    return f"node {name} ({domain}{node.op_type})"
