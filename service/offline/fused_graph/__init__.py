"""The causal model and the deployed model as one ONNX graph, for whoever runs neither of us."""

from service.offline.fused_graph.graph import fuse
from service.offline.fused_graph.parity import Parity, compare, following

__all__ = ["Parity", "compare", "following", "fuse"]
