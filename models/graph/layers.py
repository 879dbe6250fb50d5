"""Linear models and ReLU networks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True, eq=False)
class Affine:
    """``matrix @ weights + bias``."""

    weights: Matrix
    """``(n_columns, n_outputs)``, float32 or float64 as the graph computes."""
    bias: Matrix
    """``(n_outputs,)``, of the same type."""

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.weights.dtype

    @property
    def n_columns(self) -> int:
        return len(self.weights)

    @property
    def n_outputs(self) -> int:
        return len(self.bias)

    def raw(self, matrix: Matrix) -> npt.NDArray[np.float64]:
        """``(n, n_outputs)`` for the rows of ``matrix``, ``(n, n_columns)``."""
        # In the graph's own type, so that it rounds as the graph does but for the order of sums.
        plain = np.asarray(matrix, dtype=self.dtype)
        return np.asarray(plain @ self.weights + self.bias, dtype=np.float64)


@dataclass(frozen=True, eq=False)
class ReluNetwork:
    """Affine layers with ``max(0, ·)`` between them, and nothing behind the last."""

    layers: tuple[tuple[Matrix, Matrix], ...]
    """Weights ``(n_in, n_out)`` and bias ``(n_out,)`` of each layer, all of one type."""

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.layers[0][0].dtype

    @property
    def n_columns(self) -> int:
        return len(self.layers[0][0])

    @property
    def n_outputs(self) -> int:
        return len(self.layers[-1][1])

    def raw(self, matrix: Matrix) -> npt.NDArray[np.float64]:
        """``(n, n_outputs)`` for the rows of ``matrix``, ``(n, n_columns)``."""
        # In the graph's own type, as above.
        state = np.asarray(matrix, dtype=self.dtype)
        *hidden, (weights, bias) = self.layers
        for inner_weights, inner_bias in hidden:
            state = np.maximum(state @ inner_weights + inner_bias, 0)
        return np.asarray(state @ weights + bias, dtype=np.float64)
