"""ONNX graphs: read, cut down to the score, and run. The only door to ONNX Runtime."""

from models.onnx.guard import Guard, Limits
from models.onnx.predictor import (
    OnnxPredictor,
    load_plausibility,
    load_predictor,
    load_regressor,
    run_graph,
)

__all__ = [
    "Guard",
    "Limits",
    "OnnxPredictor",
    "load_plausibility",
    "load_predictor",
    "load_regressor",
    "run_graph",
]
