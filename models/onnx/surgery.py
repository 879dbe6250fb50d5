"""Graphs cut down to the score: no dictionaries, no nodes that only lead elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator

from onnx import (
    AttributeProto,
    GraphProto,
    ModelProto,
    NodeProto,
    TensorProto,
    helper,
)


def remove_zipmaps(model: ModelProto) -> None:
    """Make each ZipMap pass its tensor on, so that no dictionary per row is ever built."""
    for node in model.graph.node:
        if node.op_type == "ZipMap":
            _to_identity(node)
            _declare_tensor(model, node.output[0])


def _to_identity(node: NodeProto) -> None:
    node.op_type, node.domain = "Identity", ""
    del node.attribute[:]


def _declare_tensor(model: ModelProto, name: str) -> None:
    """Let the output called ``name``, if there is one, be the matrix it now is.

    Its type is left open: that of the tensor, float32 or float64, which ONNX Runtime infers.
    """
    if not any(o.domain in ("", "ai.onnx") for o in model.opset_import):
        model.opset_import.append(helper.make_opsetid("", 1))  # where Identity lives
    for output in model.graph.output:
        if output.name == name:
            output.ClearField("type")


def keep_output(model: ModelProto, name: str) -> None:
    """Leave only the output called ``name`` and the nodes and tensors that it needs.

    Inputs stay as they are.
    """
    graph = model.graph
    kept = [output for output in graph.output if output.name == name]
    del graph.output[:]
    graph.output.extend(kept)
    # Nodes that only lead to a label would cost time in every run.
    wanted = {name}
    nodes: list[NodeProto] = []
    for node in reversed(graph.node):  # nodes stand after those they read
        if wanted & set(node.output):
            wanted |= set(_reads(node))
            nodes.append(node)
    nodes.reverse()
    del graph.node[:]
    graph.node.extend(nodes)
    initializers = [tensor for tensor in graph.initializer if tensor.name in wanted]
    del graph.initializer[:]
    graph.initializer.extend(initializers)


def _reads(node: NodeProto) -> Iterator[str]:
    """Names that a node reads, those that its subgraphs take from outside included."""
    yield from node.input
    for attribute in node.attribute:
        graphs = [attribute.g] if attribute.type == AttributeProto.GRAPH else []
        for graph in (*graphs, *attribute.graphs):
            yield from _reads_of(graph)


def _reads_of(graph: GraphProto) -> Iterator[str]:
    yield from (output.name for output in graph.output)
    for node in graph.node:
        yield from _reads(node)


def class_names(model: ModelProto) -> Callable[[int], tuple[str, ...] | None]:
    """Number of score columns to the names that the graph itself gives them, in their order.

    None where it names them by numbers or not at all. Read before ZipMaps are removed, for it
    is often they that know.
    """
    return _only_of_width(set(_name_lists(model.graph)))


def class_labels(model: ModelProto) -> Callable[[int], tuple[str, ...] | None]:
    """As :func:`class_names`, numbers as text where the graph names its classes by them."""
    return _only_of_width({*_name_lists(model.graph), *_number_lists(model.graph)})


def _only_of_width(
    lists: Collection[tuple[str, ...]],
) -> Callable[[int], tuple[str, ...] | None]:
    def of_width(n_columns: int) -> tuple[str, ...] | None:
        found = [names for names in lists if len(names) == n_columns]
        return found[0] if len(found) == 1 else None

    return of_width


def _number_lists(graph: GraphProto) -> Iterator[tuple[str, ...]]:
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.name in ("classlabels_int64s", "classlabels_ints") and attribute.ints:
                yield tuple(str(k) for k in attribute.ints)


def _name_lists(graph: GraphProto) -> Iterator[tuple[str, ...]]:
    tables = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.name == "classlabels_strings" and attribute.strings:
                yield tuple(s.decode() for s in attribute.strings)
        # scikit-learn's labels are picked from a table by the position of the best score
        if node.op_type == "ArrayFeatureExtractor" and node.input[0] in tables:
            table = tables[node.input[0]]
            if table.data_type == TensorProto.STRING:
                yield tuple(s.decode() for s in table.string_data)
