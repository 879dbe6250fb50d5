"""Operators that set the numbers of a line in relation to each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ifonly.models.graph.cells import Cell, Cells, along_last, each, shared
from ifonly.models.graph.operators.base import Tensor


@dataclass(frozen=True)
class Softmax:
    """Along the last axis."""

    logarithm: bool = False

    def run(self, *tensors: Tensor) -> Tensor:
        (tensor,) = tensors
        # Against overflow, as ONNX Runtime does: the result depends on the order of roundings.
        distance = tensor - tensor.max(axis=-1, keepdims=True)
        powers = np.exp(distance)
        total = powers.sum(axis=-1, keepdims=True)
        result: Tensor = distance - np.log(total) if self.logarithm else powers / total
        return result

    def trace(self, *cells: Cells) -> Cells:
        (tensor,) = cells
        if tensor.ndim < 2:
            raise ValueError("sets rows in relation to each other")
        found = along_last(tensor, shared)
        return each(found, lambda cell: cell.moved(1)) if self.logarithm else found


@dataclass(frozen=True)
class ArgMax:
    """Position of the largest number along the last axis, the first of equals."""

    keep: bool

    def run(self, *tensors: Tensor) -> Tensor:
        (tensor,) = tensors
        best = np.argmax(tensor, axis=-1)
        return np.asarray(best[..., None] if self.keep else best)

    def trace(self, *cells: Cells) -> Cells:
        (tensor,) = cells
        if tensor.ndim < 2:
            raise ValueError("sets rows in relation to each other")
        flat = tensor.reshape(-1, tensor.shape[-1])
        best = np.empty(len(flat), dtype=object)
        best[:] = [_winner(line.tolist()) for line in flat]
        shape = tensor.shape[:-1]
        return best.reshape((*shape, 1) if self.keep else shape)


def _winner(line: Sequence[Cell]) -> Cell:
    """Position of the greatest of ``line``: with two it rises with the second; with more nothing
    is known."""
    shares = shared(line, keeps_order=len(line) == 2)
    # The position is a number of another kind than the shares, so no order among them is known.
    return shares[-1].moved(1, alike=False)
