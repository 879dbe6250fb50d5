"""What an operator of a graph is to the reader."""

from __future__ import annotations

from typing import Any, Protocol

import numpy.typing as npt

from ifonly.models.graph.cells import Cells

Tensor = npt.NDArray[Any]


class Operator(Protocol):
    """A node as a function of tensors whose first axis is the batch. Immutable, picklable."""

    def run(self, *tensors: Tensor) -> Tensor:
        """The node's output, in the types and the order in which ONNX Runtime computes it."""
        ...

    def trace(self, *cells: Cells) -> Cells:
        """What each number of the output depends on.

        Raises
        ------
        ValueError
            If the tensors do not fit the operator, or it would mix rows.
        """
        ...
