"""ONNX graphs: read, cut down to the score, and run. The only door to ONNX Runtime."""

import os

# ONNX Runtime 1.31 keeps events about the machine and its graphs in the home folder, and sends them
# to its maker. It looks at this when it is imported, which nothing does before this line.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

from ifonly.models.onnx.guard import Guard, GuardLimits
from ifonly.models.onnx.predictor import (
    OnnxPredictor,
    load_plausibility,
    load_predictor,
    load_regressor,
    run_graph,
)

__all__ = [
    "Guard",
    "GuardLimits",
    "OnnxPredictor",
    "load_plausibility",
    "load_predictor",
    "load_regressor",
    "run_graph",
]
