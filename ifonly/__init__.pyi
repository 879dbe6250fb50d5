from ifonly.asking import explain
from ifonly.change import Change
from ifonly.client import AsyncClient, Client
from ifonly.explanation import Explanation, Explanations, Outcome
from ifonly.scoring import NotAModel

__all__ = [
    "AsyncClient",
    "Change",
    "Client",
    "Explanation",
    "Explanations",
    "NotAModel",
    "Outcome",
    "explain",
]
