"""The exact engine for linear and logistic models, scaler and one-hot columns included."""

from __future__ import annotations

from ifonly.explainers.errors import NotEligible
from ifonly.explainers.search.milp.engine import Milp
from ifonly.explainers.search.milp.search import BudgetSchedule
from ifonly.models.graph.forms import Affine, GraphForm, UnitNetwork
from ifonly.models.schema import Schema


class Linear(Milp):
    """Made once for a model, then shared.

    Raises
    ------
    NotEligible
        If the graph is no affine function of its columns.
    """

    def __init__(self, form: GraphForm, schema: Schema) -> None:
        core = form.core
        # Graphs of several steps may come to a sum of their columns as well.
        is_sum = isinstance(core, UnitNetwork) and not core.layers
        if not is_sum and not isinstance(core, Affine):
            raise NotEligible("linear", "the graph is no linear model")
        super().__init__("linear", form, schema, BudgetSchedule(shares=(1.0,), guesses=()))
