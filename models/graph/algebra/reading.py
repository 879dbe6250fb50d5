"""Where in a graph the algebra begins, and where it ends."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from onnx import TensorProto

from ifonly.models.graph.algebra.front import Front, joint
from ifonly.models.graph.algebra.network import Algebra
from ifonly.models.graph.cells import Cells
from ifonly.models.graph.finish import Finish
from ifonly.models.graph.operators.shapes import Reshape
from ifonly.models.graph.parts import Part, part
from ifonly.models.graph.program import Step
from ifonly.models.graph.refusal import UnreadableGraph
from ifonly.models.graph.source import GraphSource, attributes
from ifonly.models.graph.units import UnitNetwork

_AFFINE = frozenset({
    "Add", "Sub", "Mul", "Div", "Neg", "Identity", "Dropout", "Reshape", "Flatten", "Squeeze",
    "Unsqueeze", "Cast", "Slice", "Gather", "Transpose",
})  # fmt: skip
"""Operators with constants that are left to the network, so that a link is one that has a name."""


@dataclass(frozen=True, eq=False)
class ReadAlgebra:
    """A graph as columns, a network of units and what is left behind it."""

    before: Part
    core: UnitNetwork
    behind: Part


def read_algebra(
    source: GraphSource,
    inputs: Mapping[str, Cells],
    run: Callable[[Part], np.dtype[Any]],
    follows: Callable[[UnitNetwork, Part], object],
) -> ReadAlgebra:
    """The graph as a network of units, with as much behind it as scores follow.

    Parameters
    ----------
    source : GraphSource
    inputs : mapping of str to cells
        The features behind each number of the graph's inputs.
    run : callable
        The type of what a program makes.
    follows : callable
        Takes a network and the part behind it; raises UnreadableGraph where scores do not follow
        its outputs.

    Raises
    ------
    UnreadableGraph
        If a node is not read, or scores follow nothing.
    """
    front = Front.of(source, inputs)
    columns = _columns(source, front)
    before = joint(source, front, columns)
    made = run(before)
    if made.kind != "f" or made.itemsize < 4:
        raise UnreadableGraph(f"the network reads {made.name}, not numbers")
    dtype = _type_of(source, made)
    algebra = Algebra(source, front, columns, dtype, is_cut=dtype != made)

    def ended(tensor: str) -> ReadAlgebra:
        forms = algebra.forms(tensor)
        line = Step(Reshape((-1, *forms.shape)), (Finish.INPUT,), tensor)
        behind = part(source, source.output, start=tensor, first=[line])
        return ReadAlgebra(before, algebra.network(forms), behind)

    # The first from which scores follow: what stands behind it is a link, as far as it can be.
    cuts = _cuts(source, front)
    last = UnreadableGraph("the score is made of no numbers that the model adds up")
    for place, tensor in enumerate(cuts):
        if not algebra.is_number(tensor):
            continue
        try:
            found = ended(tensor)
            follows(found.core, found.behind)
        except UnreadableGraph as refused:
            last = refused
            continue
        return ended(_shifted(source, cuts[place:]))
    raise last


def _shifted(source: GraphSource, cuts: Sequence[str]) -> str:
    """The last of ``cuts`` that is no more than the first, shifted and scaled."""
    tensor = cuts[0]
    for later in cuts[1:]:
        node = source.producer(later)
        if node is None or node.op_type not in _AFFINE or tensor not in node.input:
            break
        tensor = later
    return tensor


def _columns(source: GraphSource, front: Front) -> list[str]:
    """The tensors of the front at which the algebra begins."""
    found = _frontier(source, front, lambda tensor: True)
    features = [source for name in found for source in _features(front.cells[name])]
    # The same feature, scaled and as it is: as two columns they would be two numbers to any bound.
    if len(found) > 1 and len(set(features)) < len(features):
        return _frontier(source, front, lambda tensor: not front.straight[tensor])
    return found


def _features(cells: Cells) -> set[int]:
    return {source for cell in cells.flat for source in cell.sources}


def _frontier(source: GraphSource, front: Front, stops: Callable[[str], bool]) -> list[str]:
    found: dict[str, None] = {}
    wanted, seen = [source.output], set[str]()
    while wanted:
        name = wanted.pop()
        if name in seen:
            continue
        seen.add(name)
        if name in front.cells and stops(name):
            found[name] = None
            continue
        node = source.producer(name)
        if node is not None:
            wanted.extend(reversed([name for name in node.input if name]))
    return list(found)


def _type_of(source: GraphSource, made: np.dtype[Any]) -> np.dtype[Any]:
    """The coarsest type that numbers go through."""
    casts = (n for n in source.before([source.output]) if n.op_type == "Cast")
    is_single = any(attributes(node)["to"] == TensorProto.FLOAT for node in casts)
    return np.dtype(np.float32) if is_single else made


def _cuts(source: GraphSource, front: Front) -> list[str]:
    """Tensors behind the front through which all goes that the output is made of, in order."""
    nodes = source.before([source.output])
    made = set(front.cells)
    for node in nodes:
        if any(name in made for name in node.input):
            made.update(node.output)
    last = {name: place for place, node in enumerate(nodes) for name in node.input if name in made}
    last[source.output] = len(nodes)
    found, open_ = [], max((last[name] for name in front.cells if name in last), default=-1)
    for place, node in enumerate(nodes):
        uses = [last.get(name, -1) for name in node.output]
        name = node.output[0]
        is_front = name in front.cells
        others = max([open_, *uses[1:]])
        if name in made and not is_front and others <= place and uses[0] >= 0:
            found.append(name)
        open_ = max([open_, *(uses if name in made else ())])
    return found
