"""Parts of a graph translated to programs, with the nodes at hand to name in a refusal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from onnx import NodeProto

from ifonly.models.graph.cells import Cells
from ifonly.models.graph.operators.shapes import Constant
from ifonly.models.graph.program import GraphProgram, Step
from ifonly.models.graph.refusal import UnreadableGraph, refuse
from ifonly.models.graph.source import GraphSource
from ifonly.models.graph.translation import translate


@dataclass(frozen=True, eq=False)
class Part:
    """A program and the node behind each of its steps; None for steps that are no node's."""

    program: GraphProgram
    nodes: tuple[NodeProto | None, ...]

    @property
    def output(self) -> str:
        return self.program.output

    def trace(self, start: Mapping[str, Cells], *, single: bool = False) -> Cells:
        """What the output depends on, given what the inputs depend on.

        Raises
        ------
        UnreadableGraph
            If tensors do not fit a node, a node mixes rows or, with ``single``, sources.
        """
        cells = dict(start)
        for step, node in zip(self.program.steps, self.nodes, strict=True):
            absent = [name for name in step.inputs if name not in cells]
            # A tensor from before the model would make the score depend on more than the core.
            if absent:
                raise UnreadableGraph(f"{absent[0]!r} is used before and behind the model")
            try:
                cells[step.output] = step.operator.trace(*(cells[name] for name in step.inputs))
            # Operators do not know their node; here it is known, and named.
            except ValueError as error:
                raise _named(node, str(error)) from error
            if single and any(len(cell.sources) > 1 for cell in cells[step.output].flat):
                raise _named(node, "makes one number of several features")
        if self.output not in cells:
            raise UnreadableGraph(f"{self.output!r} does not depend on the model")
        return cells[self.output]


def part(source: GraphSource, output: str, *, start: str = "", first: Sequence[Step] = ()) -> Part:
    """The nodes that ``output`` needs, behind the tensor ``start``, that the steps ``first`` make.

    Raises
    ------
    UnreadableGraph
        If one of them is not read.
    """
    wanted = {output}
    steps: list[Step] = []
    nodes: list[NodeProto | None] = []
    # From the end, so that only what the output needs is translated, or refused.
    for node in reversed(source.before([output], until=start)):
        if node.op_type == "Constant" or not wanted & set(node.output):
            continue
        translated = translate(node, source)
        names = tuple(name for name in node.input if name)[: translated.n_inputs]
        wanted.update(names)
        steps.append(Step(translated.operator, names, node.output[0]))
        nodes.append(node)
    fixed = [*first, *_constants(source, wanted - {step.output for step in first})]
    program = GraphProgram((*fixed, *reversed(steps)), output)
    return Part(program, (*[None] * len(fixed), *reversed(nodes)))


def _constants(source: GraphSource, names: set[str]) -> Iterator[Step]:
    """A step for each of ``names`` that is the same for every row."""
    for name in sorted(names):
        value = source.constant(name)
        if value is not None:
            yield Step(Constant(value), (), name)


def _named(node: NodeProto | None, problem: str) -> UnreadableGraph:
    return UnreadableGraph(problem) if node is None else refuse(node, problem)
