"""The causal model and the deployed model as one ONNX graph, for whoever runs neither of us."""

from ifonly.service.offline.fused_graph.graph import fuse
from ifonly.service.offline.fused_graph.parity import Parity, compare, following

__all__ = ["Parity", "compare", "following", "fuse"]
