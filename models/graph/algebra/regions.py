"""Functions of one number that a graph writes as several operators.

``x * sigmoid(x)`` is one curve, and far better bounded than a product of two. They are told by what
they compute, not by their nodes, for exporters write them in many ways.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import NodeProto

from ifonly.models.graph.algebra.builder import Units
from ifonly.models.graph.algebra.forms import Forms
from ifonly.models.graph.algebra.functions import hard_swish, smooth_absolute, softsign
from ifonly.models.graph.curves import Curve
from ifonly.models.graph.operators.elementwise import FUNCTIONS, OPERATIONS
from ifonly.models.graph.operators.shapes import Constant
from ifonly.models.graph.program import GraphProgram, Step
from ifonly.models.graph.refusal import UnreadableGraph
from ifonly.models.graph.source import GraphSource
from ifonly.models.graph.translation import translate

Floats = npt.NDArray[np.float64]
Build = Callable[[Units, Forms], Forms]
"""Makes units of what a region reads."""


def _of(curve: Curve) -> Build:
    return lambda units, x: units.of(curve, x, composed=True)


def _soft(x: Floats) -> Floats:
    return np.asarray(x / (1.0 + np.abs(x)))


def _hard_swish(x: Floats) -> Floats:
    return np.asarray(x * np.clip(x + 3.0, 0.0, 6.0) / 6.0)


def _smooth(x: Floats) -> Floats:
    size = np.abs(x)
    return np.where(size < 1.0, 0.5 * x * x, size - 0.5)


_TOLD: tuple[tuple[Callable[[Floats], Floats], Build], ...] = (
    *((lambda x, curve=curve: np.asarray(curve(x)), _of(curve)) for curve in (
        Curve.SILU, Curve.GELU, Curve.GELU_TANH, Curve.MISH, Curve.SOFTPLUS, Curve.SIGMOID,
        Curve.TANH)),
    (_soft, softsign),
    (_hard_swish, hard_swish),
    (_smooth, smooth_absolute),
)  # fmt: skip
_PROBES = np.concatenate([np.linspace(-9.0, 9.0, 145), [-60.0, -25.0, 25.0, 60.0]])[:, None]
_FAR = np.outer([-1.0, 1.0], [1e2, 1e3, 1e6, 1e15, 1e30]).reshape(-1, 1)
_NEAR = 1e-6
_NEAR_DOUBLE = 1e-12


@dataclass(frozen=True)
class Regions:
    """Tensors that are functions of one other tensor, number by number."""

    roots: Mapping[str, str]
    """Tensor to the one that it is a function of."""
    source: GraphSource
    is_double: bool

    @classmethod
    def of(cls, source: GraphSource, nodes: list[NodeProto], *, is_double: bool) -> Regions:
        roots: dict[str, str] = {}
        for node in nodes:
            found = _root(node, source, roots)
            if found is not None:
                roots[node.output[0]] = found
        return cls(roots, source, is_double)

    def told(self, tensor: str) -> tuple[Build, str] | None:
        """What leads to ``tensor`` from another, and from which, if several nodes write it and it
        is known."""
        root = self.roots.get(tensor)
        if root is None:
            return None
        between = self.source.before([tensor], until=root)
        for start in (root, *(node.output[0] for node in between)):
            nodes = [
                node
                for node in self.source.before([tensor], until=start)
                if node.op_type != "Constant"
            ]
            # One node is read as it stands.
            if len(nodes) > 1 and self._reads(nodes) == {start}:
                found = self._told(nodes, start, tensor)
                if found is not None:
                    return found, start
        return None

    def _reads(self, nodes: list[NodeProto]) -> set[str]:
        made = {node.output[0] for node in nodes}
        read = {name for node in nodes for name in node.input if name}
        return {name for name in read - made if self.source.constant(name) is None}

    def _told(self, nodes: list[NodeProto], start: str, tensor: str) -> Build | None:
        try:
            made = self._run(nodes, start, tensor, _PROBES)
            own = np.dtype(np.float64 if self.is_double else np.float32)
            far = self._run(nodes, start, tensor, _FAR.astype(own))
        except (UnreadableGraph, ValueError):
            return None
        # As the graph writes it, far out it may be no number where the curve is one.
        if not np.isfinite(made).all() or not np.isfinite(far).all():
            return None
        near = _NEAR_DOUBLE if self.is_double else _NEAR
        for function, build in _TOLD:
            if np.allclose(made, function(_PROBES), rtol=near, atol=near):
                return build
        return None

    def _run(self, nodes: list[NodeProto], start: str, tensor: str, probes: Floats) -> Floats:
        steps = tuple(self._steps(nodes, probes.dtype))
        with np.errstate(all="ignore"):
            return np.asarray(GraphProgram(steps, tensor).run({start: probes}))

    def _steps(self, nodes: list[NodeProto], dtype: np.dtype[Any]) -> list[Step]:
        steps: list[Step] = []
        for node in nodes:
            translated = translate(node, self.source)
            names = tuple(name for name in node.input if name)[: translated.n_inputs]
            for name in names:
                value = self.source.constant(name)
                if value is not None:
                    steps.append(Step(Constant(np.asarray(value, dtype=dtype)), (), name))
            steps.append(Step(translated.operator, names, node.output[0]))
        return steps


def _root(node: NodeProto, source: GraphSource, roots: Mapping[str, str]) -> str | None:
    """The tensor that a node's output is a function of, number by number."""
    if node.op_type not in FUNCTIONS and node.op_type not in OPERATIONS:
        return None
    found = set()
    for name in node.input:
        value = source.constant(name)
        if value is None:
            found.add(roots.get(name, name))
        elif value.size != 1:
            return None
    return found.pop() if len(found) == 1 else None
