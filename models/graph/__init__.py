"""ONNX nodes read as mathematics."""

from ifonly.models.graph.trees import feature_thresholds, split_thresholds

__all__ = ["feature_thresholds", "split_thresholds"]
