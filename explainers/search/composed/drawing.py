"""Between which lines each node's numbers lie; of nodes that are no function of lines, nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ifonly.explainers.search.composed.hulls import Floats, Hull
from ifonly.explainers.search.composed.lines import Bend, LineBounds, bent
from ifonly.explainers.search.composed.machines import machine_lines
from ifonly.explainers.search.composed.members import Members
from ifonly.models.graph.forms import Affine
from ifonly.models.graph.operators.base import Operator
from ifonly.models.graph.operators.couplings import Softmax
from ifonly.models.graph.operators.elementwise import Broadcast, Cast, Unary
from ifonly.models.graph.operators.reductions import Mean, Product, Reduce
from ifonly.models.graph.operators.scorers import KernelMachine, ModelNode
from ifonly.models.graph.operators.shapes import (
    Concat,
    Flatten,
    Reshape,
    Same,
    Slice,
    Squeeze,
    Take,
    Transpose,
    Unsqueeze,
)
from ifonly.models.graph.operators.tables import Scaler
from ifonly.models.graph.operators.tree_scores import BinaryScores, PostTransform, Transform

_MOVES = (Same, Reshape, Flatten, Squeeze, Unsqueeze, Transpose, Take, Slice)
_LOOSE = 16.0
_BENDS = {
    "Sigmoid": Bend.SIGMOID,
    "Tanh": Bend.TANH,
    "Exp": Bend.EXP,
    "Log": Bend.LOG,
    "Sqrt": Bend.SQRT,
    "Reciprocal": Bend.RECIPROCAL,
    "Abs": Bend.ABS,
    "Relu": Bend.RELU,
}


@dataclass(frozen=True, eq=False)
class LineDrawing:
    """The lines of one batch of boxes."""

    box: Hull
    """Of the columns."""
    eps: float

    def of(
        self,
        operator: Operator,
        known: Sequence[Hull | Members],
        lines: Sequence[LineBounds | None],
    ) -> LineBounds | None:
        """LineBounds of what an operator makes of ``known``; None: by intervals alone."""
        hulls = [one for one in known if isinstance(one, Hull)]
        if len(hulls) < len(known) or all(one is None for one in lines):
            return None
        first = lines[0]
        if len(hulls) == 1 and first is not None:
            return self._of_one(operator, hulls[0], first)
        if isinstance(operator, Concat):
            both = [self._given(hull, line) for hull, line in zip(hulls, lines, strict=True)]
            axis = operator.axis % hulls[0].low.ndim + 1
            return LineBounds(
                np.concatenate([one.low for one in both], axis=axis),
                np.concatenate([one.high for one in both], axis=axis),
            )
        if isinstance(operator, Mean):
            return self._sum(hulls, lines).times(np.asarray(1.0 / len(hulls)))
        return self._of_two(operator, hulls, lines) if isinstance(operator, Broadcast) else None

    def _given(self, hull: Hull, lines: LineBounds | None) -> LineBounds:
        n, d = self.box.shape
        return LineBounds.flat(hull, n, d) if lines is None else lines

    def _of_one(self, operator: Operator, hull: Hull, lines: LineBounds) -> LineBounds | None:
        eps = self.eps
        match operator:
            case Reduce(name="ReduceSum" | "ReduceMean"):
                size = operator.run(hull.size)
                n = hull.size.size // max(size.size, 1)
                return lines.moved(operator.run).widened((n + 2) * eps * n * size)
            case Reduce(name="ReduceSumSquare"):
                squares = bent(Bend.SQUARE, lines, hull, 4.0 * eps)
                total = Reduce("ReduceSum", operator.axes, operator.keep)
                n = hull.size.size // max(total.run(hull.size).size, 1)
                if squares is None:
                    return None
                return squares.moved(total.run).widened((n + 2) * eps * total.run(hull.size**2))
            case Product():
                weights = operator.weights.astype(np.float64)
                return self._product(hull, lines, weights, operator.bias.astype(np.float64))
            case Cast():
                is_real = operator.dtype.kind == "f"
                return lines.widened(2.0**-23 * hull.size) if is_real else None
            case Unary(name="Neg"):
                return lines.times(np.asarray(-1.0))
            case Unary():
                bend = _BENDS.get(operator.name)
                return None if bend is None else bent(bend, lines, hull, _LOOSE * eps)
            case Softmax(logarithm=False) if hull.shape[-1] == 2:
                return self._shares_of_two(lines, hull)
            case Scaler():
                offset, scale = (a.astype(np.float64) for a in (operator.offset, operator.scale))
                size = (hull.size + np.abs(offset)) * np.abs(scale)
                return lines.shifted(-offset).times(scale).widened(3.0 * eps * size)
            case KernelMachine():
                single = lines.widened(2.0**-23 * hull.size)
                return machine_lines(operator, hull, single, eps)
            case ModelNode():
                return self._model(operator, hull, lines)
            case PostTransform() | BinaryScores():
                return self._after(operator, hull, lines)
        return lines.moved(operator.run) if isinstance(operator, _MOVES) else None

    def _product(self, hull: Hull, lines: LineBounds, weights: Floats, bias: Floats) -> LineBounds:
        off = (len(weights) + 2) * self.eps * (hull.size @ np.abs(weights) + np.abs(bias))
        return lines.product(weights).shifted(bias).widened(off)

    def _model(self, operator: ModelNode, hull: Hull, lines: LineBounds) -> LineBounds | None:
        core = operator.core
        if not isinstance(core, Affine):
            return None
        weights, bias = core.weights.astype(np.float64), core.bias.astype(np.float64)
        single = lines.widened(2.0**-23 * hull.size)
        return self._product(hull, single, weights, bias)

    def _after(self, operator: Operator, hull: Hull, lines: LineBounds) -> LineBounds | None:
        """Of the sums of a linear model."""
        eps = self.eps
        match operator:
            case PostTransform(transform=Transform.NONE):
                return lines.widened(eps * hull.size)
            case PostTransform(transform=Transform.LOGISTIC):
                return bent(Bend.SIGMOID, lines, hull, _LOOSE * eps)
            case PostTransform(transform=Transform.SOFTMAX) if hull.shape[-1] == 2:
                return self._shares_of_two(lines, hull)
            case BinaryScores():
                minus = lines.times(np.asarray(-1.0))
                both = LineBounds(
                    np.concatenate([minus.low, lines.low], axis=-1),
                    np.concatenate([minus.high, lines.high], axis=-1),
                )
                ends = Hull(
                    np.concatenate([-hull.high, hull.low], axis=-1),
                    np.concatenate([-hull.low, hull.high], axis=-1),
                )
                if operator.transform is Transform.LOGISTIC:
                    return bent(Bend.SIGMOID, both, ends, _LOOSE * eps)
                if operator.all_positive:
                    both = both.shifted(np.array([1.0, 0.0]))
                return both.widened(2.0 * eps * (1.0 + ends.size))
        return None

    def _shares_of_two(self, lines: LineBounds, hull: Hull) -> LineBounds | None:
        """A softmax of two is the logistic function of their difference."""
        turned = LineBounds(lines.high[..., ::-1], lines.low[..., ::-1])
        apart = LineBounds(lines.low - turned.low, lines.high - turned.high)
        between = apart.hull(self.box.low, self.box.high)
        off = 2.0 * self.eps * (2.0 + hull.size.max(axis=-1, keepdims=True))
        return bent(Bend.SIGMOID, apart.widened(off), between.widened(off), _LOOSE * self.eps)

    def _sum(self, hulls: Sequence[Hull], lines: Sequence[LineBounds | None]) -> LineBounds:
        total = self._given(hulls[0], lines[0])
        size = hulls[0].size
        for hull, line in zip(hulls[1:], lines[1:], strict=True):
            # A constant may have fewer axes than what it is added to.
            total = (
                LineBounds(total.low, total.high).shifted(hull.low)
                if line is None and _is_fixed(hull)
                else total.plus(self._given(hull, line))
            )
            size = size + hull.size
        return total.widened(len(hulls) * self.eps * size)

    def _of_two(
        self, operator: Broadcast, hulls: Sequence[Hull], lines: Sequence[LineBounds | None]
    ) -> LineBounds | None:
        one, other = hulls[0], hulls[-1]
        match operator.name:
            case "Add" | "Sum":
                if lines[0] is None and len(hulls) == 2:
                    return self._sum(hulls[::-1], lines[::-1])
                return self._sum(hulls, lines) if lines[0] is not None else None
            case "Sub":
                turned = None if lines[1] is None else lines[1].times(np.asarray(-1.0))
                minus = Hull.at(-other.low) if _is_fixed(other) else Hull(-other.high, -other.low)
                if lines[0] is None:
                    return self._sum([minus, one], [turned, None])
                return self._sum([one, minus], [lines[0], turned])
            case "Mul":
                for hull, line, fixed in ((one, lines[0], other), (other, lines[1], one)):
                    if line is not None and _is_fixed(fixed):
                        size = np.abs(fixed.low) * hull.size
                        return line.times(fixed.low).widened(self.eps * size)
            case "Div":
                if lines[0] is not None and _is_fixed(other) and (other.low != 0.0).all():
                    factor = 1.0 / other.low
                    return (
                        lines[0].times(factor).widened(2.0 * self.eps * np.abs(factor) * one.size)
                    )
            case "Pow":
                is_square = other.low.size == 1 and float(other.low.reshape(-1)[0]) == 2.0
                if lines[0] is not None and _is_fixed(other) and is_square:
                    return bent(Bend.SQUARE, lines[0], one, 4.0 * self.eps)
        return None


def _is_fixed(hull: Hull) -> bool:
    """Whether it is a constant, both of whose ends are one array."""
    return hull.low is hull.high
