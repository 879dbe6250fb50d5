"""What else moves when a lever moves: a structural causal model over the columns of a row."""

from ifonly.explainers.causal.build import build_alternatives, build_model
from ifonly.explainers.causal.graph import Graph
from ifonly.explainers.causal.members import CausalMembers, draw_members
from ifonly.explainers.causal.model import CausalModel
from ifonly.explainers.causal.spec import CausalSpec, parse_causal

__all__ = [
    "CausalMembers",
    "CausalModel",
    "CausalSpec",
    "Graph",
    "build_alternatives",
    "build_model",
    "draw_members",
    "parse_causal",
]
