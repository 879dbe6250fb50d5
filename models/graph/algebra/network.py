"""Graphs that are no chain of layers, evaluated as sums of columns and units."""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import NodeProto

from ifonly.models.graph.algebra.builder import Units
from ifonly.models.graph.algebra.call import Call, ComparedForms, Value
from ifonly.models.graph.algebra.forms import Forms
from ifonly.models.graph.algebra.front import Front
from ifonly.models.graph.algebra.operators import HANDLERS
from ifonly.models.graph.algebra.regions import Regions
from ifonly.models.graph.refusal import UnreadableGraph, refuse
from ifonly.models.graph.source import GraphSource
from ifonly.models.graph.translation import translate
from ifonly.models.graph.units import UnitNetwork

_MOVES = frozenset({
    "Identity", "Dropout", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "Gather",
    "Slice", "ArrayFeatureExtractor",
})  # fmt: skip
_DOMAINS = ("", "ai.onnx", "ai.onnx.ml")


class Algebra:
    """The tensors of a graph as affine forms of columns and units.

    Parameters
    ----------
    source : GraphSource
    front : Front
    columns : list of str
        Tensors of the front whose numbers are the columns, one after the other.
    dtype : numpy dtype
        The coarsest in which the graph computes.
    is_cut : bool
        Whether columns come in another type, and are cut to it.
    """

    def __init__(
        self,
        source: GraphSource,
        front: Front,
        columns: list[str],
        dtype: np.dtype[Any],
        *,
        is_cut: bool = False,
    ) -> None:
        self._source = source
        self._dtype = dtype
        sizes = [front.cells[name].size for name in columns]
        self._units = Units(sum(sizes))
        every = self._units.columns(is_cut=is_cut)
        self._values: dict[str, Value] = {}
        for name, end, size in zip(columns, np.cumsum(sizes), sizes, strict=True):
            own = every.picked(np.arange(end - size, end))
            self._values[name] = own.reshaped(front.cells[name].shape[1:])
        nodes = source.before([source.output])
        self._regions = Regions.of(source, nodes, is_double=dtype == np.float64)

    def forms(self, tensor: str) -> Forms:
        """What ``tensor``, which :meth:`is_number`, comes to.

        Raises
        ------
        UnreadableGraph
            If a node that it needs is not read.
        """
        value = self._value(tensor)
        assert isinstance(value, Forms)
        return value

    def is_number(self, tensor: str) -> bool:
        """Whether ``tensor`` is numbers, not the same for every row, and no truth values.

        Raises
        ------
        UnreadableGraph
            As :meth:`forms`.
        """
        return isinstance(self._value(tensor), Forms)

    def network(self, outputs: Forms) -> UnitNetwork:
        """The network of what has been made so far."""
        return self._units.network(outputs.reshaped((outputs.size,)), self._dtype)

    def _value(self, tensor: str) -> Value:
        # From the first to the last, so that no graph is too deep; those that are part of a curve
        # are left until one asks for them, for a curve leaps over what is within it.
        for node in self._needed(tensor):
            name = node.output[0]
            if name not in self._values and (name == tensor or name not in self._regions.roots):
                self._evaluate(node, name)
        return self._of(tensor)

    def _needed(self, tensor: str) -> list[NodeProto]:
        """Nodes between what is known and ``tensor``, first those that others need."""
        found: dict[int, NodeProto] = {}
        wanted = [tensor]
        while wanted:
            name = wanted.pop()
            node = None if name in self._values else self._source.producer(name)
            if node is not None and self._source.place(name) not in found:
                found[self._source.place(name)] = node
                wanted.extend(name for name in node.input if name)
        return [found[place] for place in sorted(found)]

    def _of(self, tensor: str) -> Value:
        if tensor in self._values:
            return self._values[tensor]
        constant = self._source.constant(tensor)
        if constant is not None:
            return constant
        node = self._source.producer(tensor)
        if node is None:
            raise UnreadableGraph(f"{tensor!r} is no input that the features are fed to")
        self._evaluate(node, tensor)
        return self._values[tensor]

    def _evaluate(self, node: NodeProto, tensor: str) -> None:
        if node.op_type == "Constant":
            return
        told = self._regions.told(tensor)
        if told is not None:
            build, start = told
            before = self._of(start)
            if isinstance(before, Forms):
                self._values[tensor] = build(self._units, before)
                return
        if node.domain not in _DOMAINS:
            raise refuse(node, "is no operator of ONNX")
        values = [self._of(name) if name else None for name in node.input]
        try:
            made = self._made(node, values)
        except ValueError as error:  # operators do not know their node; here it is named
            raise refuse(node, str(error)) from error
        for name, value in zip(node.output, made, strict=False):
            self._values[name] = value
            if isinstance(value, Forms):
                self._units.saw(value)

    def _made(self, node: NodeProto, values: list[Value | None]) -> list[Value]:
        if not any(isinstance(value, Forms | ComparedForms) for value in values):
            return _folded(node, [v for v in values if v is not None], self._source.opset)
        call = Call(node, self._source.opset, values, self._units)
        if node.op_type == "Shape":
            # However many rows come: as Reshape and Expand say it.
            return [np.array([-1, *call.forms().shape], dtype=np.int64)]
        if node.op_type in _MOVES:
            return [self._moved(node, call.forms())]
        if node.op_type not in HANDLERS:
            raise refuse(node, "is no operator that is read")
        found = HANDLERS[node.op_type](call)
        return found if isinstance(found, list) else [found]

    def _moved(self, node: NodeProto, forms: Forms) -> Forms:
        """Operators that move numbers, run on the numbers' places."""
        places = np.arange(forms.size).reshape(1, *forms.shape)
        constants = {name: v for name, v in self._values.items() if isinstance(v, np.ndarray)}
        moved = translate(node, self._source.knowing(constants)).operator.run(places)
        # Run on a batch of one: if the first axis is lost, rows were mixed.
        if moved.shape[:1] != (1,):
            raise ValueError(f"makes {list(moved.shape)} of each row, which is not one line a row")
        return forms.picked(moved[0])


def _folded(node: NodeProto, values: list[Value], opset: int) -> list[Value]:
    """What a node makes of constants."""
    # Imported here: few graphs leave constants to be computed, and it takes its time.
    from onnx.reference import ReferenceEvaluator

    names = [name for name in node.input if name]
    feeds = dict(zip(names, values, strict=True))
    if node.op_type == "ConstantOfShape":
        # The batch, where it is one of the sizes, is stretched by whatever it meets.
        feeds = {name: np.where(value == -1, 1, value) for name, value in feeds.items()}
    run = ReferenceEvaluator(node, opsets={"": opset, "ai.onnx.ml": 3})
    found: list[Value] = [np.asarray(value) for value in run.run(None, feeds)]
    return found
