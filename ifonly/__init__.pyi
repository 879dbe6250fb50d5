from ifonly.asking import explain
from ifonly.change import Change
from ifonly.client import AsyncClient, Client
from ifonly.explanation import Explanation, Explanations, Outcome
from ifonly.scoring import NotAModel
from ifonly.service.bulk import BulkExplainer, BulkOptions

__all__ = [
    "AsyncClient",
    "BulkExplainer",
    "BulkOptions",
    "Change",
    "Client",
    "Explanation",
    "Explanations",
    "NotAModel",
    "Outcome",
    "explain",
]
