"""What the core of a model reads: columns, each made of one feature."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ifonly.models.encoding import BoundEncoding
from ifonly.models.graph.program import GraphProgram
from ifonly.models.predictor import Rows


@dataclass(frozen=True, eq=False)
class Columns:
    """The columns that a core reads: each is a function of exactly one feature."""

    feature: npt.NDArray[np.int32]
    """``(n_columns,)``: position of the feature behind each; 0 for a column that is constant."""
    dtype: np.dtype[Any]
    """In which the core computes: float32 or float64."""
    encoding: BoundEncoding
    """Takes rows to the graph's inputs."""
    prefix: GraphProgram
    """Takes the graph's inputs to the core."""

    @property
    def n_columns(self) -> int:
        return len(self.feature)

    def encode(self, rows: Rows) -> npt.NDArray[np.floating[Any]]:
        """``rows``, ``(n, n_features)``, as the core reads them, ``(n, n_columns)``.

        Bit for bit what the graph computes: the same types, the same operators, the same order.

        Raises
        ------
        GraphError
            If the rows do not fit the graph's inputs.
        """
        # Infinity and NaN come out as in the graph; a warning would say nothing new.
        with np.errstate(all="ignore"):
            matrix = self.prefix.run(self.encoding.feeds(rows))
            return np.ascontiguousarray(matrix, dtype=self.dtype)
