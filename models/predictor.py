"""The port through which everyone scores rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from ifonly.models.errors import NotFinite

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


def finite(
    scores: Scores, rows: Rows, scorer: str = "model", outputs: Sequence[str] = ()
) -> Scores:
    """Scores, all of which are numbers.

    Parameters
    ----------
    scores : ndarray, shape (n,) or (n, n_outputs)
    rows : ndarray, shape (n, n_features)
        That were scored.
    scorer : str
        How the error calls it.
    outputs : sequence of str
        Names of the columns; their positions where there are none.

    Raises
    ------
    NotFinite
        Of the first row and output of which that is not so.
    """
    if np.isfinite(scores).all():
        return scores
    matrix = scores if scores.ndim == 2 else scores[:, None]
    # The first is named: one is enough to show that the model is at fault.
    place, column = (int(k) for k in np.argwhere(~np.isfinite(matrix))[0])
    name = outputs[column] if outputs else str(column)
    raise NotFinite(scorer, name, float(matrix[place, column]), place, rows[place].tolist())
