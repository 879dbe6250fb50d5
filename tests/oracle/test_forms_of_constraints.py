"""A kind that no engine has heard of: proven by its form, or refused by its name; never dropped."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import pytest

from ifonly.explainers.answer import AlreadyTarget
from ifonly.explainers.constraints import Comparison, Constraint, Origin, Relation, Source
from ifonly.explainers.constraints.cells import Axes, Cells, Factual
from ifonly.explainers.constraints.forms import Implication
from ifonly.explainers.deadline import Deadline
from ifonly.explainers.errors import NotEligible
from ifonly.explainers.explain import explain
from ifonly.explainers.search.blackbox import Blackbox
from ifonly.explainers.search.engine import Engine, Meter
from ifonly.explainers.search.linear import Linear
from ifonly.explainers.search.relu import Relu
from ifonly.explainers.search.trees.engine import Trees
from ifonly.models.predictor import Row
from ifonly.models.schema import Task
from tests.support.checks import check_exact, normal, optimum
from tests.support.deployed import Deployed, deployed_layers, deployed_trees
from tests.support.generated import SCHEMA
from tests.support.kinds import FLOW, PRESSURE
from tests.support.questions import question

EXACT: tuple[tuple[str, Callable[[int], Deployed], Callable[[Deployed], Engine]], ...] = (
    ("trees", lambda seed: deployed_trees(seed, Task.BINARY), lambda m: Trees(m.form, SCHEMA)),
    ("linear", lambda seed: _layers(seed, linear=True), lambda m: Linear(m.form, SCHEMA)),
    ("relu", lambda seed: _layers(seed, linear=False), lambda m: Relu(m.form, SCHEMA)),
)
ORIGIN = Origin(Source.REQUEST, "constraints.together")


def _layers(seed: int, *, linear: bool) -> Deployed:
    return deployed_layers(seed, Task.BINARY, linear=linear)


def _together(cells: Cells, factual: Factual) -> Any:
    """``pressure + flow`` does not fall; false where the flow is not read."""
    return cells[PRESSURE] + cells[FLOW] >= factual[PRESSURE] + factual[FLOW] - 1e-9


@dataclass(frozen=True)
class Unseen(Constraint):
    """Of no form that an engine knows."""

    @property
    def columns(self) -> frozenset[int]:
        return frozenset({PRESSURE, FLOW})

    def kept(self, cells: Cells, factual: Factual) -> Any:
        return _together(cells, factual)

    def narrow(self, axes: Axes, factual: Row) -> Axes:
        return axes


@dataclass(frozen=True)
class Linearly(Unseen):
    """The same, which says that it is a linear inequality."""

    @cached_property
    def form(self) -> Implication:
        terms = ((PRESSURE, 1.0), (FLOW, 1.0))
        before = tuple((j, -w) for j, w in terms)
        return Implication((Comparison(terms, before, 0.0, Relation.GE),))


@pytest.mark.parametrize(("name", "model", "engine"), EXACT, ids=[name for name, *_ in EXACT])
def test_an_engine_refuses_what_it_does_not_know_by_its_name(
    name: str, model: Callable[[int], Deployed], engine: Callable[[Deployed], Engine]
) -> None:
    problem, _, _ = question([], 1)
    problem = replace(problem, constraints=(*problem.constraints, Unseen(origin=ORIGIN)))
    deployed, deadline = model(1), Deadline.never()
    with pytest.raises(NotEligible, match=r"Unseen \(constraints\.together\) is not in the proof"):
        engine(deployed).search(problem, Meter(deployed.predictor, deadline), deadline)


@pytest.mark.parametrize(("name", "model", "engine"), EXACT, ids=[name for name, *_ in EXACT])
def test_an_engine_proves_a_kind_that_is_a_form_it_knows(
    name: str, model: Callable[[int], Deployed], engine: Callable[[Deployed], Engine]
) -> None:
    held_to_walking(Linearly(origin=ORIGIN), model, engine)


def test_an_engine_that_asks_row_by_row_keeps_any_kind() -> None:
    blackbox = Blackbox(enumerable=200_000)
    _, trees, _ = EXACT[0]
    held_to_walking(Unseen(origin=ORIGIN), trees, lambda _: blackbox)


def held_to_walking(
    added: Constraint, model: Callable[[int], Deployed], engine: Callable[[Deployed], Engine]
) -> None:
    """Three questions with one constraint more are answered as walking every row finds."""
    asked, met = 0, normal(Task.BINARY)
    for seed in range(1, 30):
        problem, _, kept = question([], seed)
        problem = replace(problem, constraints=(*problem.constraints, added))
        deployed = model(seed)
        answer = explain(problem, deployed.predictor, engine=engine(deployed))
        if isinstance(answer, AlreadyTarget):
            continue
        check_exact(answer, optimum(problem, deployed.predictor, [*kept, _together], met))
        asked += 1
        if asked == 3:
            break
    assert asked == 3
