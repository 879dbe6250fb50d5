"""Operators that treat every number alike."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np

from ifonly.models.graph.cells import Cell, Cells, each, mixed
from ifonly.models.graph.curves import erf
from ifonly.models.graph.operators.base import Tensor


@dataclass(frozen=True)
class Cast:
    dtype: np.dtype[Any]

    def run(self, *tensors: Tensor) -> Tensor:
        (tensor,) = tensors
        if tensor.dtype == object:
            raise ValueError("casts texts")
        return tensor.astype(self.dtype, copy=False)

    def trace(self, *cells: Cells) -> Cells:
        (tensor,) = cells
        if self.dtype.kind == "f":
            return tensor  # rounds, if anything: never changes an order, only ties
        return each(tensor, lambda cell: cell.moved(0 if self.dtype.kind == "b" else 1))


@dataclass(frozen=True)
class Unary:
    """One of :data:`FUNCTIONS`."""

    name: str

    def run(self, *tensors: Tensor) -> Tensor:
        (tensor,) = tensors
        result: Tensor = FUNCTIONS[self.name][0](tensor)
        return result

    def trace(self, *cells: Cells) -> Cells:
        (tensor,) = cells
        _, sense, unit = FUNCTIONS[self.name]
        return each(tensor, lambda cell: cell.moved(sense, unit=unit))


@dataclass(frozen=True)
class Clip:
    lower: float | None
    upper: float | None

    def run(self, *tensors: Tensor) -> Tensor:
        (tensor,) = tensors
        # The limit in the tensor's type, or numpy would widen the tensor.
        kind = tensor.dtype.type
        if self.lower is not None:
            tensor = np.maximum(tensor, kind(self.lower))
        return tensor if self.upper is None else np.minimum(tensor, kind(self.upper))

    def trace(self, *cells: Cells) -> Cells:
        (tensor,) = cells
        return each(tensor, lambda cell: cell.moved(1, unit=cell.unit))


@dataclass(frozen=True)
class Broadcast:
    """One of :data:`OPERATIONS`, on tensors that are stretched to one shape."""

    name: str

    def run(self, *tensors: Tensor) -> Tensor:
        # ONNX cuts the quotient of whole numbers towards 0, numpy makes it real.
        if self.name == "Div" and not all(t.dtype.kind == "f" for t in tensors):
            raise ValueError("divides whole numbers")
        result: Tensor = OPERATIONS[self.name](*tensors)
        return result

    def trace(self, *cells: Cells) -> Cells:
        _check_batch(cells)
        stretched: list[Any] = list(np.broadcast_arrays(*cells))
        # The same constant for every cell keeps their order.
        alike = all(_is_uniform(c) for c in cells if _is_constant(c))
        out = np.empty(stretched[0].shape, dtype=object)
        for place in np.ndindex(out.shape):
            out[place] = self._cell([c[place] for c in stretched], alike)
        return out

    def _cell(self, cells: list[Cell], alike: bool) -> Cell:
        moving = [k for k, cell in enumerate(cells) if not cell.is_constant]
        # Of two moving cells nothing is known but what they depend on.
        if len(moving) != 1 or len(cells) != 2:
            return mixed(cells)
        at = moving[0]
        cell, other = cells[at], float(cells[1 - at].value)
        sense = _sense(self.name, at, other)
        # 1 - p of a probability is one again.
        complement = self.name == "Sub" and at == 1 and other == 1.0
        return cell.moved(sense, unit=cell.unit and complement, alike=alike)


def _sense(name: str, at: int, other: float) -> int:
    """How the result of an operation moves with the operand at place ``at``."""
    match name:
        case "Add" | "Min" | "Max":
            return 1
        case "Sub":
            return 1 if at == 0 else -1
        case "Mul":
            return int(np.sign(other))
        case "Pow":
            return int(np.sign(other - 1.0)) if at == 1 and other > 0 else 0
        case "Div":
            return int(np.sign(other)) if at == 0 else 0
        case "Greater" | "GreaterOrEqual":
            return 1 if at == 0 else -1
        case "Less" | "LessOrEqual":
            return -1 if at == 0 else 1
        case _:
            return 0


def _check_batch(cells: tuple[Cells, ...]) -> None:
    """Rows meet rows of the same number, and constants are not as long as a batch."""
    ranks = {c.ndim for c in cells if not _is_constant(c)}
    if len(ranks) > 1:
        raise ValueError("stretches tensors of different rank")
    rank = ranks.pop() if ranks else 0
    for c in cells:
        if _is_constant(c) and (
            c.ndim > rank or (c.ndim == rank and c.shape[:1] not in ((), (1,)))
        ):
            raise ValueError(f"stretches a constant of shape {list(c.shape)} over rows")


def _is_constant(cells: Cells) -> bool:
    return all(cell.is_constant for cell in cells.flat)


def _is_uniform(cells: Cells) -> bool:
    return len({cell.value for cell in cells.flat}) == 1


def _sigmoid(x: Tensor) -> Tensor:
    wide = x.astype(np.float64)
    # Of the negative size alone, so that nothing overflows; in float64, rounded once.
    small = np.exp(-np.abs(wide))
    return np.asarray(np.where(wide < 0, small, 1.0) / (1.0 + small), dtype=x.dtype)


def _sum(*tensors: Tensor) -> Tensor:
    total = tensors[0]
    for tensor in tensors[1:]:
        # From left to right, as in ONNX Runtime.
        total = total + tensor
    return total


FUNCTIONS: dict[str, tuple[Callable[[Tensor], Any], int, bool]] = {
    "Neg": (np.negative, -1, False),
    "Abs": (np.abs, 0, False),
    "Exp": (np.exp, 1, False),
    "Log": (np.log, 1, False),
    "Sqrt": (np.sqrt, 1, False),
    "Relu": (lambda x: np.maximum(x, x.dtype.type(0)), 1, False),
    "Sigmoid": (_sigmoid, 1, True),
    "Tanh": (np.tanh, 1, False),
    "Erf": (erf, 1, False),
    "Softplus": (lambda x: np.logaddexp(x, x.dtype.type(0)), 1, False),
    "Softsign": (lambda x: x / (x.dtype.type(1) + np.abs(x)), 1, False),
    "Floor": (np.floor, 1, False),
    "Ceil": (np.ceil, 1, False),
    "Round": (np.rint, 1, False),
    "Sign": (np.sign, 1, False),
    "Not": (np.logical_not, -1, False),
    "IsNaN": (np.isnan, 0, False),
    "Reciprocal": (lambda x: x.dtype.type(1) / x, 0, False),
}
"""Numpy's function, how it moves, and whether it yields numbers in [0, 1]."""

OPERATIONS: dict[str, Callable[..., Any]] = {
    "Add": np.add,
    "Sub": np.subtract,
    "Mul": np.multiply,
    "Div": np.divide,
    "Pow": np.power,
    "Min": lambda *tensors: reduce(np.minimum, tensors),
    "Max": lambda *tensors: reduce(np.maximum, tensors),
    "Sum": _sum,
    "Less": np.less,
    "LessOrEqual": np.less_equal,
    "Greater": np.greater,
    "GreaterOrEqual": np.greater_equal,
    "Equal": np.equal,
    "And": np.logical_and,
    "Or": np.logical_or,
    "Where": np.where,
}
