from ifonly.asking import explain
from ifonly.change import Change
from ifonly.explanation import Explanation, Explanations, Outcome
from ifonly.scoring import NotAModel

__all__ = ["Change", "Explanation", "Explanations", "NotAModel", "Outcome", "explain"]
