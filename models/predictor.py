"""The port through which everyone scores rows."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.float64]
"""``(n_rows, n_features)`` in schema order, physical units, categories as codes."""

Row = npt.NDArray[np.float64]
"""``(n_features,)``: one row of :data:`Rows`."""

Scores = npt.NDArray[np.float64]
"""``(n_rows, n_outputs)``: one column (probability of the positive class, or the predicted
value) for a binary or regression model; one per class, in class order, for multi-class."""


class Predictor(Protocol):
    """A deployed model as a function of rows. Implementations are thread-safe."""

    def score(self, rows: Rows) -> Scores:
        """Score all ``rows`` in one call.

        Raises
        ------
        GraphError
            If the model cannot score these rows.
        """
        ...
