from ifonly.asking import explain
from ifonly.change import Change
from ifonly.client import AsyncClient, Client
from ifonly.explanation import Explanation, Explanations, Outcome
from ifonly.many import CommonChange, CommonChanges, common
from ifonly.menus import MenuOfLevers, SetOfLevers, menu
from ifonly.scoring import NotAModel
from ifonly.service.bulk import BulkExplainer, BulkOptions
from ifonly.why import DecisionReasons, ForcingReadings, MainReading, reasons

__all__ = [
    "AsyncClient",
    "BulkExplainer",
    "BulkOptions",
    "Change",
    "Client",
    "CommonChange",
    "CommonChanges",
    "DecisionReasons",
    "Explanation",
    "Explanations",
    "ForcingReadings",
    "MainReading",
    "MenuOfLevers",
    "NotAModel",
    "Outcome",
    "SetOfLevers",
    "common",
    "explain",
    "menu",
    "reasons",
]
