"""Operators that move numbers and leave them as they are."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ifonly.models.graph.cells import Cells, constants, each
from ifonly.models.graph.operators.base import Tensor


@dataclass(frozen=True, eq=False)
class Constant:
    """A tensor that is the same for every row."""

    value: npt.NDArray[Any]

    def run(self, *tensors: Tensor) -> Tensor:
        return self.value

    def trace(self, *cells: Cells) -> Cells:
        return constants(self.value)


class _Move:
    """Runs on cells as it runs on numbers."""

    def run(self, *tensors: Tensor) -> Tensor:
        raise NotImplementedError

    def trace(self, *cells: Cells) -> Cells:
        moved: Cells = self.run(*cells)
        # Run on a batch of one: if the first axis is lost, rows were mixed.
        if moved.shape[:1] != (1,):
            raise ValueError(f"makes {list(moved.shape)} of each row, which is not one line a row")
        return moved


@dataclass(frozen=True)
class Same(_Move):
    """Passes its tensor on."""

    def run(self, *tensors: Tensor) -> Tensor:
        (tensor,) = tensors
        return tensor


@dataclass(frozen=True)
class Reshape(_Move):
    shape: tuple[int, ...]
    """-1: whatever is left; 0: as it was."""

    def run(self, *tensors: Tensor) -> Tensor:
        (tensor,) = tensors
        if self.shape[:1] not in ((-1,), (0,)):
            raise ValueError(f"makes tensors of shape {list(self.shape)}, however many rows come")
        shape = [tensor.shape[k] if size == 0 else size for k, size in enumerate(self.shape)]
        # "Whatever is left" is found from the number of rows, which must stay.
        if -1 in self.shape[1:]:
            shape[0] = len(tensor)
        return tensor.reshape(shape)


@dataclass(frozen=True)
class Flatten(_Move):
    axis: int

    def run(self, *tensors: Tensor) -> Tensor:
        (tensor,) = tensors
        if self.axis % max(tensor.ndim, 1) != 1 and tensor.ndim > 1:
            raise ValueError(f"flattens at axis {self.axis}: rows would be mixed")
        return tensor.reshape(len(tensor), int(np.prod(tensor.shape[1:])))


@dataclass(frozen=True)
class Squeeze(_Move):
    axes: tuple[int, ...]

    def run(self, *tensors: Tensor) -> Tensor:
        (tensor,) = tensors
        return np.squeeze(tensor, axis=_axes(self.axes, tensor.ndim))


@dataclass(frozen=True)
class Unsqueeze(_Move):
    axes: tuple[int, ...]

    def run(self, *tensors: Tensor) -> Tensor:
        (tensor,) = tensors
        # ONNX counts these axes in the result.
        return np.expand_dims(tensor, _axes(self.axes, tensor.ndim + len(self.axes)))


@dataclass(frozen=True)
class Transpose(_Move):
    order: tuple[int, ...]

    def run(self, *tensors: Tensor) -> Tensor:
        (tensor,) = tensors
        if self.order[:1] != (0,):
            raise ValueError(f"transposes by {list(self.order)}: rows become columns")
        return tensor.transpose(self.order)


@dataclass(frozen=True)
class Concat(_Move):
    axis: int

    def run(self, *tensors: Tensor) -> Tensor:
        (axis,) = _axes((self.axis,), tensors[0].ndim)
        return np.concatenate(tensors, axis=axis)

    def trace(self, *cells: Cells) -> Cells:
        # Alone it stays what it was, and in order.
        if len(cells) == 1:
            return cells[0]
        # Cells from different tensors may have gone different ways: their order is not known.
        return super().trace(*(_unordered(c) for c in cells))


def _unordered(cells: Cells) -> Cells:
    return each(cells, lambda cell: replace(cell, order=0, share=False))


class _Pick(_Move):
    """Leaves numbers out: what remains is no whole."""

    def trace(self, *cells: Cells) -> Cells:
        return super().trace(*(each(c, lambda cell: replace(cell, share=False)) for c in cells))


@dataclass(frozen=True, eq=False)
class Take(_Pick):
    """Some places of one axis, in any order."""

    places: npt.NDArray[np.int64]
    """Rank 0: that axis goes."""
    axis: int

    def run(self, *tensors: Tensor) -> Tensor:
        (tensor,) = tensors
        (axis,) = _axes((self.axis,), tensor.ndim)
        return np.asarray(np.take(tensor, self.places, axis=axis))


@dataclass(frozen=True, eq=False)
class Slice(_Pick):
    starts: tuple[int, ...]
    ends: tuple[int, ...]
    axes: tuple[int, ...]
    steps: tuple[int, ...]

    def run(self, *tensors: Tensor) -> Tensor:
        (tensor,) = tensors
        index = [slice(None)] * tensor.ndim
        for axis, *bounds in zip(
            _axes(self.axes, tensor.ndim), self.starts, self.ends, self.steps, strict=True
        ):
            index[axis] = _slice(*bounds)
        return tensor[tuple(index)]


def _slice(start: int, end: int, step: int) -> slice:
    beyond = step < 0 and end < -(1 << 30)  # "down to the very first"
    return slice(start, None if beyond else end, step)


def _axes(axes: tuple[int, ...], rank: int) -> tuple[int, ...]:
    """Axes counted from the front, none of which is the batch."""
    if any(not -rank <= axis < rank for axis in axes):
        raise ValueError(f"works along axes {list(axes)} of {rank}")
    found = tuple(axis % rank for axis in axes)
    if 0 in found:
        raise ValueError("works along the batch: rows would be mixed")
    return found
