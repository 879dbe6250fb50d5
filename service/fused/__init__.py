"""The causal model and the deployed model as one ONNX graph, for whoever runs neither of us."""

from service.fused.graph import fuse
from service.fused.parity import Parity, compare, following

__all__ = ["Parity", "compare", "following", "fuse"]
