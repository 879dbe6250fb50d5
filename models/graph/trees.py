"""Tree ensembles in ONNX graphs: where they split."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import takewhile
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import GraphProto, ModelProto, NodeProto, TensorProto

from ifonly.models.encoding import Column
from ifonly.models.graph import tree_tables, tree_v5
from ifonly.models.graph.refusal import UnreadableGraph

Thresholds = npt.NDArray[np.floating[Any]]
"""Ascending, without repeats, in the type in which the graph keeps them: float32 or float64."""

_OPEN_WIDTH = 1 << 20
"""Columns assumed of an input that does not say how many it has."""


def split_thresholds(model: ModelProto) -> dict[int, Thresholds]:
    """Values at which the tree ensembles of a graph split each column of its inputs.

    Columns are counted over all inputs in the graph's order, as in
    :attr:`ifonly.models.encoding.BoundEncoding.columns`. Only trees that read raw inputs count:
    directly, or through Identity, Cast and Concat. Empty where there are none.
    """
    found: dict[int, list[Thresholds]] = {}
    origins = _Origins(model.graph)
    for node in model.graph.node:
        columns = (
            origins.columns(node.input[0]) if node.op_type.startswith("TreeEnsemble") else None
        )
        # What a tree reads was computed: its thresholds are no readings of a feature.
        if columns is None:
            continue
        features, values = _splits(node)
        for feature in np.unique(features):
            if feature < len(columns):
                found.setdefault(columns[feature], []).append(values[features == feature])
    return {column: np.unique(np.concatenate(found[column])) for column in sorted(found)}


def feature_thresholds(model: ModelProto, columns: Sequence[Column]) -> dict[int, Thresholds]:
    """Thresholds by the position of a feature, of features that enter as they are."""
    found = split_thresholds(model)
    return {
        column.feature: found[place]
        for place, column in enumerate(columns)
        if place in found and column.values is None
    }


def _splits(node: NodeProto) -> tuple[npt.NDArray[np.int64], Thresholds]:
    """Column and value of every inner node; none where the node is not read."""
    read = tree_v5.read_tables if node.op_type == "TreeEnsemble" else tree_tables.read_tables
    try:
        tables = read(node)
    # A node that cannot be read is checked on plain rows alone.
    except UnreadableGraph:
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float32)
    inner = tables.feature >= 0
    return tables.feature[inner], tables.threshold[inner]


class _Origins:
    """Which columns of the graph's inputs a tensor holds, in its own order."""

    def __init__(self, graph: GraphProto) -> None:
        self._producers: Mapping[str, NodeProto] = {o: n for n in graph.node for o in n.output}
        self._inputs = dict(_input_columns(graph))

    def columns(self, tensor: str) -> Sequence[int] | None:
        """Columns as far as they are known: those before the first one that is computed from them
        in another way; None: there are none."""
        if tensor in self._inputs:
            return self._inputs[tensor]
        node = self._producers.get(tensor)
        if node is None:
            return None
        if node.op_type == "Identity" or _is_float_cast(node):
            return self.columns(node.input[0])
        if node.op_type == "Concat":
            parts = [self.columns(name) for name in node.input]
            # Behind what is computed, of whatever width, no place is known.
            known = [*takewhile(lambda part: part is not None, parts)]
            return [column for part in known for column in part or ()] or None
        return None


def _is_float_cast(node: NodeProto) -> bool:
    floats = (TensorProto.FLOAT, TensorProto.DOUBLE)
    return node.op_type == "Cast" and any(a.name == "to" and a.i in floats for a in node.attribute)


def _input_columns(graph: GraphProto) -> Iterator[tuple[str, Sequence[int]]]:
    """Each input with the numbers of its columns; an open width is the last one's alone."""
    defaults = {tensor.name for tensor in graph.initializer}
    start = 0
    for value in graph.input:
        if value.name in defaults:
            continue
        dims = value.type.tensor_type.shape.dim
        width = 1 if len(dims) < 2 else dims[1].dim_value
        # How many columns come after an open one cannot be known.
        if width == 0:
            yield value.name, range(start, start + _OPEN_WIDTH)
            return
        yield value.name, range(start, start + width)
        start += width
