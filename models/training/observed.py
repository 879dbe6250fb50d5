"""Rows as a plant would have logged them: for fitting and testing the machine's causal model."""

from __future__ import annotations

import numpy as np

from ifonly.models.predictor import Rows
from ifonly.models.training.milling import simulate

CAUSAL_CAMPAIGN = 4_000_000
"""Where its campaigns begin: none is used to train or judge the alarm."""
SPACING = 50
"""Parts between two rows: the temperatures walk slowly, so that neighbours tell little anew."""


def observed_rows(n_rows: int, seed: int) -> Rows:
    """``(n_rows, 6)`` readings in the order of making, from ``n_rows / 20`` campaigns."""
    parts = simulate(n_rows * SPACING, seed, first_campaign=CAUSAL_CAMPAIGN)
    return np.ascontiguousarray(parts.rows[::SPACING])
