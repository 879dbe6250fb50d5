from ifonly.asking import explain
from ifonly.change import Change
from ifonly.client import AsyncClient, Client
from ifonly.explanation import Explanation, Explanations, Outcome
from ifonly.many import CommonChange, CommonChanges, common
from ifonly.scoring import NotAModel

__all__ = [
    "AsyncClient",
    "Change",
    "Client",
    "CommonChange",
    "CommonChanges",
    "Explanation",
    "Explanations",
    "NotAModel",
    "Outcome",
    "common",
    "explain",
]
