"""The exact engine for networks of affine layers, ReLU and absolute values."""

from __future__ import annotations

from ifonly.explainers.errors import NotEligible
from ifonly.explainers.search.milp.engine import Milp
from ifonly.explainers.search.milp.search import BudgetSchedule
from ifonly.models.graph.forms import GraphForm, ReluNetwork, UnitNetwork
from ifonly.models.schema import Schema

SHARES = (0.5, 0.75, 1.0)
GUESSES = (1 / 64, 1 / 16, 1 / 4)
"""Near the factual most units cannot change sides, so that small budgets are closed at once."""


class Relu(Milp):
    """Made once for a model, then shared.

    Raises
    ------
    NotEligible
        If the graph is no such network.
    """

    def __init__(self, form: GraphForm, schema: Schema) -> None:
        if not isinstance(form.core, ReluNetwork | UnitNetwork):
            raise NotEligible("relu", "the graph is no network of ReLU layers")
        super().__init__("relu", form, schema, BudgetSchedule(SHARES, GUESSES))
