"""Trees in many nodes whose outputs are added up, each through a function of its own.

So isolation forests are exported: every tree yields the number of a leaf, a table makes a depth of
that, and the depths are added up. What stands between a tree and the sum goes into its leaves.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import NodeProto

from ifonly.models.graph import tree_nodes, tree_v5
from ifonly.models.graph.cells import sources
from ifonly.models.graph.ensemble import TreeEnsemble
from ifonly.models.graph.finish import Finish
from ifonly.models.graph.operators.elementwise import Cast
from ifonly.models.graph.operators.shapes import Reshape, Same
from ifonly.models.graph.operators.tree_scores import PostTransform, Transform
from ifonly.models.graph.parts import Part, part
from ifonly.models.graph.program import Step
from ifonly.models.graph.refusal import refuse
from ifonly.models.graph.source import GraphSource, attributes
from ifonly.models.graph.tree_nodes import TreeNode

_READERS = {
    "TreeEnsemble": tree_v5.read_ensemble,
    "TreeEnsembleRegressor": tree_nodes.read_regressor,
}


@dataclass(frozen=True)
class TreeTerm:
    """One of the numbers that are added up."""

    tensor: str
    tree: int | None
    """Position of the node on which it depends; None of a constant."""


@dataclass(frozen=True)
class Sum:
    """The nodes of trees of a graph and the sum in which they meet."""

    source: GraphSource
    nodes: tuple[NodeProto, ...]
    output: str
    """Tensor of the sum."""
    terms: tuple[TreeTerm, ...]

    @property
    def node(self) -> NodeProto:
        return self.nodes[0]

    @property
    def input(self) -> str:
        """Tensor of which every tree reads columns."""
        # Each tree may read columns of its own, but of one tensor.
        bases = {_columns_of(self.source, node.input[0])[0] for node in self.nodes}
        if len(bases) > 1:
            raise refuse(self.nodes[1], "reads another tensor than the trees before it")
        return bases.pop()

    def read(self, dtype: np.dtype[Any], n_columns: int) -> tuple[TreeEnsemble, Sequence[Step]]:
        """As :meth:`ifonly.models.graph.cores.Found.read`."""
        parts = [self._tree(k, dtype, n_columns) for k in range(len(self.nodes))]
        constants = [self.source.constant(t.tensor) for t in self.terms if t.tree is None]
        total = sum((float(np.asarray(c).item()) for c in constants), 0.0)
        whole = merged(parts)
        ensemble = replace(whole, base=whole.base + total)
        return ensemble, [Step(Same(), (Finish.INPUT,), self.output)]

    def _tree(self, place: int, dtype: np.dtype[Any], n_columns: int) -> TreeEnsemble:
        """The trees of one node, with what its terms make of its leaves."""
        node = self.nodes[place]
        _, columns = _columns_of(self.source, node.input[0])
        chosen = np.arange(n_columns) if columns is None else columns
        read = _READERS[node.op_type](node, dtype, len(chosen))
        if read.core.n_outputs != 1:
            raise refuse(node, f"yields {read.core.n_outputs} numbers, one of several models")
        made = [
            _through(read, part(self.source, term.tensor, start=node.output[0]), node)
            for term in self.terms
            if term.tree == place
        ]
        values = np.sum([m.values for m in made], axis=0)
        base = np.sum([m.base for m in made], axis=0)
        # From the tree's own columns to those of the tensor that all read.
        column = np.where(read.core.is_leaf, -1, chosen[read.core.column]).astype(np.int32)
        return replace(made[0], n_columns=n_columns, column=column, values=values, base=base)


def find_sum(source: GraphSource, nodes: Sequence[NodeProto]) -> Sum:
    """The sum in which all of ``nodes`` meet.

    Raises
    ------
    UnreadableGraph
        If they are not all trees without classes, or do not meet in a sum.
    """
    for node in nodes:
        if node.op_type not in _READERS:
            raise refuse(node, "is one of several models in one graph")
    trees = {node.output[0]: place for place, node in enumerate(nodes)}
    needs = _needs(source, trees)
    joints = [
        node
        for node in source.before([source.output])
        if len({needs[name] for name in node.input if needs.get(name)}) > 1
    ]
    # The last that joins several trees: what stands before it are parts of the sum.
    joint = joints[-1]
    if joint.op_type not in ("Add", "Sum"):
        raise refuse(joint, "joins several models, and is no sum")
    terms = tuple(_terms(source, joint.output[0], needs))
    return Sum(source, tuple(nodes), joint.output[0], terms)


def _needs(source: GraphSource, trees: Mapping[str, int]) -> dict[str, frozenset[int]]:
    """Positions of the trees on which each tensor depends."""
    # What a tree yields counts as that tree alone, so its own entry is never replaced.
    needs = {tensor: frozenset({place}) for tensor, place in trees.items()}
    for node in source.before([source.output]):
        found = frozenset().union(*(needs.get(name, frozenset()) for name in node.input))
        for name in node.output:
            needs.setdefault(name, found)
    return needs


def _terms(
    source: GraphSource, tensor: str, needs: Mapping[str, frozenset[int]]
) -> Iterator[TreeTerm]:
    """What is added up to ``tensor``."""
    trees = needs.get(tensor, frozenset())
    node = source.producer(tensor)
    if len(trees) == 1:
        yield TreeTerm(tensor, next(iter(trees)))
    elif not trees and source.constant(tensor) is not None:
        yield TreeTerm(tensor, None)
    elif node is not None and trees and node.op_type in ("Add", "Sum"):
        for name in node.input:
            yield from _terms(source, name, needs)
    else:
        raise refuse(source.producer(tensor) or NodeProto(), "is no sum of trees and constants")


def _columns_of(source: GraphSource, tensor: str) -> tuple[str, npt.NDArray[np.int64] | None]:
    """The tensor of whose columns ``tensor`` consists, and which; None: all, in order."""
    columns: npt.NDArray[np.int64] | None = None
    while (node := source.producer(tensor)) is not None:
        if node.op_type in ("Gather", "ArrayFeatureExtractor"):
            places = source.constant(node.input[1])
            # Gather picks lines unless it is told otherwise, the other columns and nothing else.
            axis = int(attributes(node).get("axis", 0 if node.op_type == "Gather" else 1))
            if places is None or places.size == 0 or axis != 1:
                break
            flat = places.ravel().astype(np.int64)
            # Walking back, an earlier choice is picked from by the later one.
            columns = flat if columns is None else flat[columns]
        elif node.op_type != "Identity":
            break
        tensor = node.input[0]
    return tensor, columns


def _through(read: TreeNode, between: Part, node: NodeProto) -> TreeEnsemble:
    """Trees whose leaves hold what ``between`` makes of the node's output."""
    cells = between.trace({node.output[0]: sources([0])})
    if cells.size != 1:
        raise refuse(node, f"is made {cells.size} numbers of, before it is added to others")
    plain = (Same, Cast, Reshape)
    if read.core.n_trees > 1:
        steps = [step for step in between.program.steps if step.inputs]
        is_plain = read.operator == PostTransform(Transform.NONE, np.dtype(np.float32))
        if is_plain and all(isinstance(step.operator, plain) for step in steps):
            return read.core
        raise refuse(node, "has several trees, of whose sum a function is taken")
    # One tree: each leaf is an output of its own, so the function is taken leaf by leaf.
    raw = (read.core.values + read.core.base).astype(read.core.sums)
    with np.errstate(all="ignore"):
        made = between.program.run({node.output[0]: read.operator.run(raw)})
    values = np.where(read.core.is_leaf, made.reshape(-1), 0)[:, None].astype(np.float64)
    # The base and the divisor are in the leaves now.
    return replace(read.core, values=values, base=np.zeros(1), sums=made.dtype, divisor=1.0)


def merged(parts: Sequence[TreeEnsemble]) -> TreeEnsemble:
    """One ensemble of the trees of all."""
    # Children are positions, so they move by the number of nodes before.
    starts = np.cumsum([0, *(p.n_nodes for p in parts)])

    def shifted(name: str) -> npt.NDArray[np.int32]:
        # There is one start more than parts: the end of the last.
        arrays = [getattr(p, name) + start for p, start in zip(parts, starts, strict=False)]
        return np.concatenate(arrays).astype(np.int32)

    def joined(name: str) -> npt.NDArray[Any]:
        return np.concatenate([getattr(p, name) for p in parts])

    return replace(
        parts[0],
        roots=shifted("roots"),
        true_child=shifted("true_child"),
        false_child=shifted("false_child"),
        column=joined("column"),
        threshold=joined("threshold"),
        mode=joined("mode"),
        missing_true=joined("missing_true"),
        values=joined("values"),
        base=np.sum([p.base for p in parts], axis=0),
    )
