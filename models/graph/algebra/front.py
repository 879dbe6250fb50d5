"""What stands before the algebra: tensors whose every number is a function of one feature."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from onnx import NodeProto

from ifonly.models.graph.cells import Cells, constants
from ifonly.models.graph.operators.base import Operator
from ifonly.models.graph.operators.elementwise import Cast
from ifonly.models.graph.operators.shapes import Concat, Flatten, Same, Unsqueeze
from ifonly.models.graph.parts import Part, part
from ifonly.models.graph.program import GraphProgram, Step
from ifonly.models.graph.refusal import UnreadableGraph
from ifonly.models.graph.source import GraphSource
from ifonly.models.graph.translation import translate

COLUMNS = " columns"
"""What the program of a front calls its output; no tensor is called so."""

STRAIGHT = frozenset({
    "Add", "Sub", "Mul", "Div", "Neg", "Scaler", "Identity", "Dropout", "Reshape", "Flatten",
    "Squeeze", "Unsqueeze", "Transpose", "Gather", "ArrayFeatureExtractor", "Slice", "Concat",
})  # fmt: skip
"""Operators that make lines of lines."""


@dataclass(frozen=True)
class Front:
    """Tensors of one feature a number, by name."""

    cells: Mapping[str, Cells]
    straight: Mapping[str, bool]
    """Whether a tensor is made of those before it by operators of :data:`STRAIGHT`."""

    @classmethod
    def of(cls, source: GraphSource, inputs: Mapping[str, Cells]) -> Front:
        """All such tensors that the output needs."""
        cells, straight = dict(inputs), dict.fromkeys(inputs, False)
        for node in source.before([source.output]):
            found = _traced(node, source, cells)
            if found is not None:
                cells[node.output[0]] = found
                straight[node.output[0]] = node.op_type in STRAIGHT
        return cls(cells, straight)


def _traced(node: NodeProto, source: GraphSource, cells: Mapping[str, Cells]) -> Cells | None:
    """What each number of a node's output depends on, if each on one feature at most."""
    try:
        translated = translate(node, source)
        given = [name for name in node.input if name][: translated.n_inputs]
        known = [_known(name, source, cells) for name in given]
        if any(k is None for k in known) or not any(name in cells for name in given):
            return None
        found = translated.operator.trace(*(k for k in known if k is not None))
    except (UnreadableGraph, ValueError):
        return None  # the algebra reads it, or says why not
    return None if any(len(cell.sources) > 1 for cell in found.flat) else found


def _known(name: str, source: GraphSource, cells: Mapping[str, Cells]) -> Cells | None:
    if name in cells:
        return cells[name]
    value = source.constant(name)
    return None if value is None else constants(np.asarray(value))


def joint(source: GraphSource, front: Front, tensors: Sequence[str]) -> Part:
    """The program that makes one matrix of ``tensors``, one after the other, each made flat."""
    steps: list[Step] = []
    nodes: list[NodeProto | None] = []
    made: set[str] = set()
    flat = []
    for name in tensors:
        own = part(source, name)
        for step, node in zip(own.program.steps, own.nodes, strict=True):
            # What two of them need is computed once.
            if step.output not in made:
                made.add(step.output)
                steps.append(step)
                nodes.append(node)
        rank = front.cells[name].ndim
        shape: Operator = Unsqueeze((1,)) if rank == 1 else Flatten(1) if rank > 2 else Same()
        steps.append(Step(shape, (name,), f"{COLUMNS} of {name}"))
        nodes.append(None)
        flat.append(f"{COLUMNS} of {name}")
    steps.append(Step(Concat(1), tuple(flat), COLUMNS))
    nodes.append(None)
    return Part(GraphProgram(tuple(steps), COLUMNS), tuple(nodes))


__all__ = ["COLUMNS", "Cast", "Front", "joint"]
