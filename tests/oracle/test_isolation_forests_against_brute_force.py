"""Isolation forests, as skl2onnx exports them: every claim against a walk over every row."""

from __future__ import annotations

import numpy as np
import pytest

from ifonly.explainers.answer import AlreadyTarget, Infeasible, Recourse
from ifonly.explainers.explain import explain
from ifonly.explainers.search.portfolio import Portfolio
from ifonly.explainers.search.trees.engine import Trees
from ifonly.models.schema import Task
from tests.support.bruteforce import cheapest
from tests.support.checks import normal
from tests.support.deployed import deployed_isolation
from tests.support.generated import SCHEMA
from tests.support.kinds import KINDS
from tests.support.questions import price, question

pytest.importorskip("skl2onnx")


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("patience", [None, 0])
def test_what_is_claimed_of_an_isolation_forest_is_so(seed: int, patience: int | None) -> None:
    """With merging only where it is due, and from the first box."""
    forest = deployed_isolation(seed % 3)
    engine = Portfolio((Trees(forest.form, SCHEMA, patience=patience),))
    kinds = [KINDS[(5 * seed) % len(KINDS)]] if seed % 2 else []
    problem, _, kept = question(kinds, seed, Task.REGRESSION)
    answer = explain(problem, forest.predictor, engine=engine)
    if isinstance(answer, AlreadyTarget):
        return
    met = normal(Task.REGRESSION)
    walked = cheapest(SCHEMA, problem.factual, forest.predictor, met, kept, price)
    if walked is None:
        assert isinstance(answer, Infeasible)
        return
    assert isinstance(answer, Recourse)
    assert answer.counterfactuals[0].gap == 0.0
    assert np.isclose(answer.counterfactuals[0].cost, walked[0], rtol=1e-9)
