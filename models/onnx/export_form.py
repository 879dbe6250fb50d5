"""The form of exported graphs: names of their inputs and outputs, operator sets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

INPUT = "features"
"""Name of the one matrix input, ``(n_rows, n_columns)``."""
SCORES = "probabilities"
"""Name of a classifier's only output; a regressor's keeps the converter's name."""

TARGET_OPSET = {"": 15, "ai.onnx.ml": 3}
"""15 is the newest that the XGBoost converter knows."""
IR_VERSION = 8

Columns = int | Mapping[str, bool]
"""Their number, of numbers in one matrix; or of each column, an input of its own, whether it holds
texts."""
Categories = Mapping[int, Sequence[Any]]
"""By columns of a matrix, what the codes 0, 1, … in it stand for."""
