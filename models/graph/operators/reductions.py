"""Operators that make fewer numbers of each row: sums, means, largest and least, norms."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ifonly.models.graph.cells import Cell, Cells, each, mixed
from ifonly.models.graph.operators.base import Tensor


def mixtures(cells: Cells, shape: tuple[int, ...]) -> Cells:
    """A tensor of ``shape`` each of whose numbers is any function of all ``cells``."""
    out = np.empty(shape, dtype=object)
    out[...] = [mixed(cells.flat)] if out.size else []
    return out


@dataclass(frozen=True)
class Reduce:
    """One of :data:`REDUCTIONS`, along some axes."""

    name: str
    axes: tuple[int, ...]
    """None of them is the batch."""
    keep: bool

    def run(self, *tensors: Tensor) -> Tensor:
        (tensor,) = tensors
        axes = self.axes_of(tensor.ndim)
        return np.asarray(REDUCTIONS[self.name](tensor, axes, self.keep))

    def axes_of(self, rank: int) -> tuple[int, ...]:
        """The axes, counted from the front."""
        found = tuple(axis % rank for axis in self.axes)
        if 0 in found or not found:
            raise ValueError("works along the batch: rows would be mixed")
        return found

    def trace(self, *cells: Cells) -> Cells:
        (tensor,) = cells
        axes = self.axes_of(tensor.ndim)
        kept = [axis for axis in range(tensor.ndim) if axis not in axes]
        lines = tensor.transpose(*kept, *axes).reshape(*(tensor.shape[a] for a in kept), -1)
        out = np.empty(lines.shape[:-1], dtype=object)
        for place in np.ndindex(out.shape):
            out[place] = mixed(lines[place])
        return np.expand_dims(out, axes) if self.keep else out


def _log_sum_exp(x: Tensor, axes: tuple[int, ...], keep: bool) -> Tensor:
    largest = x.max(axis=axes, keepdims=True)
    total = np.log(np.exp(x - largest).sum(axis=axes, keepdims=True)) + largest
    return np.asarray(total if keep else np.squeeze(total, axis=axes))


REDUCTIONS: dict[str, Callable[[Tensor, tuple[int, ...], bool], Any]] = {
    "ReduceSum": lambda x, a, k: x.sum(axis=a, keepdims=k),
    "ReduceMean": lambda x, a, k: x.mean(axis=a, keepdims=k),
    "ReduceMax": lambda x, a, k: x.max(axis=a, keepdims=k),
    "ReduceMin": lambda x, a, k: x.min(axis=a, keepdims=k),
    "ReduceProd": lambda x, a, k: x.prod(axis=a, keepdims=k),
    "ReduceL1": lambda x, a, k: np.abs(x).sum(axis=a, keepdims=k),
    "ReduceL2": lambda x, a, k: np.sqrt((x * x).sum(axis=a, keepdims=k)),
    "ReduceSumSquare": lambda x, a, k: (x * x).sum(axis=a, keepdims=k),
    "ReduceLogSumExp": _log_sum_exp,
}


@dataclass(frozen=True, eq=False)
class Product:
    """``x @ weights + bias``, along the last axis."""

    weights: npt.NDArray[Any]
    """``(n_in, n_out)``"""
    bias: npt.NDArray[Any]
    """``(n_out,)``"""

    def run(self, *tensors: Tensor) -> Tensor:
        (tensor,) = tensors
        return np.asarray(tensor @ self.weights + self.bias)

    def trace(self, *cells: Cells) -> Cells:
        (tensor,) = cells
        if tensor.ndim < 2 or tensor.shape[-1] != len(self.weights):
            raise ValueError(f"needs {len(self.weights)} numbers, and gets {list(tensor.shape)}")
        out = np.empty((*tensor.shape[:-1], len(self.bias)), dtype=object)
        for place in np.ndindex(out.shape):
            line: list[Cell] = tensor[place[:-1]].tolist()
            weights = self.weights[:, place[-1]].tolist()
            out[place] = mixed([c for c, w in zip(line, weights, strict=True) if w])
        return out


@dataclass(frozen=True)
class Mean:
    """Of several tensors of one shape."""

    def run(self, *tensors: Tensor) -> Tensor:
        return np.asarray(np.stack(tensors).mean(axis=0))

    def trace(self, *cells: Cells) -> Cells:
        out = np.empty(cells[0].shape, dtype=object)
        stacked = np.stack(cells, axis=-1)
        for place in np.ndindex(out.shape):
            out[place] = mixed(stacked[place].tolist())
        return out


@dataclass(frozen=True)
class Filled:
    """As many numbers as there are, all of one value."""

    value: Any

    def run(self, *tensors: Tensor) -> Tensor:
        (tensor,) = tensors
        return np.full(tensor.shape, self.value)

    def trace(self, *cells: Cells) -> Cells:
        (tensor,) = cells
        out = np.empty(tensor.shape, dtype=object)
        out[...] = Cell(value=self.value)
        return out


@dataclass(frozen=True)
class ArgMin:
    """Position of the least number along the last axis, the first of equals."""

    keep: bool

    def run(self, *tensors: Tensor) -> Tensor:
        (tensor,) = tensors
        best = np.argmin(tensor, axis=-1)
        return np.asarray(best[..., None] if self.keep else best)

    def trace(self, *cells: Cells) -> Cells:
        (tensor,) = cells
        if tensor.ndim < 2:
            raise ValueError("sets rows in relation to each other")
        found = Reduce("ReduceMin", (-1,), self.keep)
        return found.trace(tensor)


@dataclass(frozen=True, eq=False)
class Pick:
    """The numbers of a table at computed positions."""

    table: npt.NDArray[Any]
    """``(n,)``"""

    def run(self, *tensors: Tensor) -> Tensor:
        (places,) = tensors
        return np.asarray(self.table[places])

    def trace(self, *cells: Cells) -> Cells:
        (tensor,) = cells
        return each(tensor, lambda cell: cell.moved(0))
