"""Graphs of several models, or of one that is no sum: every node an operator of its own.

Votes, stacks, calibrated models, support vector machines, neighbours. Nothing is simplified: what
is known of such a graph is known node by node, over boxes of rows.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from onnx import NodeProto

from ifonly.models.encoding import BoundEncoding
from ifonly.models.graph.cells import Cells, sources
from ifonly.models.graph.columns import Columns
from ifonly.models.graph.composition_nodes import MODELS, steps_of
from ifonly.models.graph.operators.base import Tensor
from ifonly.models.graph.operators.elementwise import Broadcast, Cast, Unary
from ifonly.models.graph.operators.reductions import Product, Reduce
from ifonly.models.graph.operators.shapes import Concat, Constant, Flatten, Reshape, Take
from ifonly.models.graph.program import GraphProgram, Step
from ifonly.models.graph.refusal import UnreadableGraph, refuse
from ifonly.models.graph.source import GraphSource

_SAMPLE = 3
"""Rows by which types and widths of tensors are found."""


@dataclass(frozen=True, eq=False)
class Composition:
    """``program(columns)``: its outputs are the scores themselves."""

    n_columns: int
    dtype: np.dtype[Any]
    """Of the columns."""
    program: GraphProgram
    pick: npt.NDArray[np.intp]
    """Column of the program's output behind each output."""
    coarse: bool
    """Whether some of it is computed in float32."""

    COLUMNS: ClassVar[str] = "columns"
    """What :attr:`program` calls its input."""

    @property
    def n_outputs(self) -> int:
        return len(self.pick)

    def sample(self) -> dict[str, Tensor]:
        """Every tensor, of two rows of zeros: for its type and its shape."""
        tensors: dict[str, Tensor] = {self.COLUMNS: np.zeros((2, self.n_columns), self.dtype)}
        with np.errstate(all="ignore"):
            for step in self.program.steps:
                tensors[step.output] = step.operator.run(*(tensors[n] for n in step.inputs))
        return tensors

    def combined(self, combine: npt.NDArray[np.float64]) -> Composition:
        """With outputs that are ``(n_outputs, k)`` combinations of its own, in float64."""
        steps = (
            *self.program.steps,
            Step(Flatten(1), (self.program.output,), "outputs/flat"),
            Step(Take(self.pick, 1), ("outputs/flat",), "outputs/picked"),
            Step(Cast(np.dtype(np.float64)), ("outputs/picked",), "outputs/wide"),
            Step(Product(combine, np.zeros(combine.shape[1])), ("outputs/wide",), "outputs"),
        )
        program = GraphProgram(steps, "outputs")
        return replace(self, program=program, pick=np.arange(combine.shape[1]))

    def raw(self, matrix: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.float64]:
        """``(n, n_outputs)`` for the rows of ``matrix``, ``(n, n_columns)``."""
        plain = np.asarray(matrix, dtype=self.dtype)
        made = self.program.run({self.COLUMNS: plain})
        lines = made[:, None] if made.ndim == 1 else made
        return np.asarray(lines[:, self.pick], dtype=np.float64)


def compose(
    source: GraphSource, encoding: BoundEncoding, pick: npt.NDArray[np.intp]
) -> tuple[Columns, Composition]:
    """The columns of a graph, and what it makes of them.

    Raises
    ------
    UnreadableGraph
        If one of its nodes is not read; the message names it.
    """
    return _Walk(source, encoding).composed(pick)


def holds_models(source: GraphSource) -> bool:
    """Whether one of its nodes is a model of ai.onnx.ml."""
    return any(node.op_type in MODELS for node in source.before([source.output]))


class _Walk:
    """A graph from its inputs on: first what reads one feature a number, then all else."""

    def __init__(self, source: GraphSource, encoding: BoundEncoding) -> None:
        self._source = source
        self._encoding = encoding
        zeros = np.zeros((_SAMPLE, encoding.n_features))
        self._tensors: dict[str, Tensor] = dict(encoding.feeds(zeros))
        self._cells: dict[str, Cells] = {}
        self._single: set[str] = set()
        for bound in encoding.inputs:
            cells = sources([c.feature for c in bound.columns])
            name = bound.tensor.name
            self._cells[name] = cells[:, 0] if len(bound.tensor.shape) == 1 else cells
            self._single.add(name)
        self._before: list[Step] = []
        self._core: list[Step] = []
        self._constants: dict[str, Step] = {}

    def composed(self, pick: npt.NDArray[np.intp]) -> tuple[Columns, Composition]:
        first: UnreadableGraph | None = None
        for node in self._source.before([self._source.output]):
            if node.op_type == "Constant":
                continue
            # A node that is not read may be part of one that is read whole, further on.
            try:
                for step in steps_of(node, self._source, self._tensors):
                    self._add(step, node)
            except UnreadableGraph as refusal:
                first = first or refusal
            except KeyError:
                continue  # it reads what was not read, and that has been said
        output = self._source.output
        if output not in self._tensors:
            raise first or UnreadableGraph(f"{output!r} is made in a way that is not read")
        return self._cut(output, pick)

    def _add(self, step: Step, node: NodeProto) -> None:
        for name in step.inputs:
            value = self._source.constant(name)
            if name not in self._tensors and value is not None:
                own = Step(Constant(np.asarray(value)), (), name)
                self._constants[name] = own
                self._tensors[name], self._cells[name] = value, own.operator.trace()
        absent = [name for name in step.inputs if name not in self._tensors]
        if absent:
            raise refuse(node, f"reads {absent[0]!r}, which is made in a way that is not read")
        try:
            cells = step.operator.trace(*(self._cells[name] for name in step.inputs))
            with np.errstate(all="ignore"):
                made = step.operator.run(*(self._tensors[name] for name in step.inputs))
        # Operators do not know their node; here it is known, and named.
        except ValueError as error:
            raise refuse(node, str(error)) from error
        self._tensors[step.output], self._cells[step.output] = made, cells
        varying = [name for name in step.inputs if name not in self._constants]
        is_single = all(name in self._single for name in varying) and node.op_type not in MODELS
        # A column's values over an interval are between those at its ends, or are listed: what
        # bends is left to the core, where it is known how.
        bends = isinstance(step.operator, Unary | Broadcast | Reduce) and not all(
            cell.is_constant or cell.sense for cell in cells.flat
        )
        if is_single and not bends and all(len(cell.sources) <= 1 for cell in cells.flat):
            self._single.add(step.output)
            self._before.append(step)
        else:
            self._core.append(step)

    def _cut(self, output: str, pick: npt.NDArray[np.intp]) -> tuple[Columns, Composition]:
        """The columns are those tensors of one feature a number that the rest reads."""
        read = [name for step in self._core for name in step.inputs]
        edges = [name for name in dict.fromkeys([*read, output]) if name in self._single]
        kinds = {name: self._tensors[name].dtype for name in edges}
        for name, kind in kinds.items():
            if kind.kind not in "fiub":
                raise UnreadableGraph(f"{name!r} is read as texts")
        single = all(kind == np.float32 for kind in kinds.values())
        dtype = np.dtype(np.float32 if single else np.float64)
        first: list[Step] = []
        start = 0
        front: list[Step] = []
        features: list[int] = []
        for name in edges:
            cells, shape = self._cells[name], self._tensors[name].shape
            width = int(np.prod(shape[1:]))
            front += [
                Step(Reshape((-1, width)), (name,), f"{name}/line"),
                Step(Cast(dtype), (f"{name}/line",), f"{name}/column"),
            ]
            # A number of no source is constant; feature 0 stands for it, which it never moves with.
            features += [min(cell.sources, default=0) for cell in cells.reshape(-1)]
            places = np.arange(start, start + width)
            first += [
                Step(Take(places, 1), (Composition.COLUMNS,), f"{name}/line"),
                Step(Reshape((-1, *shape[1:])), (f"{name}/line",), f"{name}/shaped"),
                Step(Cast(kinds[name]), (f"{name}/shaped",), name),
            ]
            start += width
        joined = Step(Concat(1), tuple(f"{name}/column" for name in edges), Composition.COLUMNS)
        own = list(self._constants.values())
        prefix = GraphProgram((*own, *self._before, *front, joined), Composition.COLUMNS)
        program = GraphProgram((*own, *first, *self._core), output)
        columns = Columns(np.array(features, dtype=np.int32), dtype, self._encoding, prefix)
        coarse = any(self._tensors[s.output].dtype == np.float32 for s in self._core)
        return columns, Composition(len(features), dtype, program, pick, coarse)
