"""A reading that is missing and acts on others: where it moves, nobody can tell what follows, so
every engine's claim is what a walk over all actions finds that refuses those. By hand."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

from ifonly.explainers.causal import CausalModel, Graph, draw_members
from ifonly.explainers.causal.backtracking import BacktrackingConsequences
from ifonly.explainers.causal.basis import linear
from ifonly.explainers.causal.consequences import CausalConsequences
from ifonly.explainers.causal.expression import Expression
from ifonly.explainers.causal.mechanism import Mechanism
from ifonly.explainers.explain import explain
from ifonly.explainers.problem import Problem
from ifonly.explainers.search.portfolio import engines_for
from ifonly.models.graph.forms import GraphForm
from ifonly.models.predictor import Predictor
from ifonly.models.schema import Task
from tests.support.bruteforce import Values, moved, settable
from tests.support.checks import ALREADY, INFEASIBLE, OPTIMAL, Tally, normal
from tests.support.consequences import FLOW, GRADE, PRESSURE, SPEED, readable
from tests.support.deployed import deployed_layers, deployed_trees
from tests.support.generated import SCHEMA, Stumps, factual
from tests.support.kinds import KINDS
from tests.support.questions import policy, price

AT_LEAST = {OPTIMAL: 80, INFEASIBLE: 15, ALREADY: 60}
TASKS = tuple(Task)
FILL = [kind for kind in KINDS if kind.name == "may be filled"]
FASTER = 15.0
"""rpm a grade."""
LAWS = {
    "lines": (
        Mechanism(linear(0.1, np.array([0.2]))),
        Mechanism(linear(5.0, np.array([FASTER, 40.0]))),
    ),
    # where the flow is not read, this one has a number all the same: it asks and goes on
    "a number anyhow": (
        Mechanism(linear(0.1, np.array([0.2]))),
        Mechanism(Expression("15 * grade + (30 if flow > 0 else 0)", ("grade", "flow"))),
    ),
    "nothing known of the flow": (None, Mechanism(linear(5.0, np.array([FASTER, 40.0])))),
}
"""Of the flow, which follows from the pressure, and of the speed, from the grade and the flow."""


def consequences_of(laws: str) -> CausalConsequences:
    graph = Graph.of(5, [(PRESSURE, FLOW), (GRADE, SPEED), (FLOW, SPEED)])
    flow, speed = LAWS[laws]
    model = CausalModel(SCHEMA.names, graph, (None, speed, None, None, flow))
    members = draw_members(model, np.random.default_rng(0), 3)
    return CausalConsequences(model, members, 0.0, 0.5, np.zeros(5), whole=(SPEED,))


def leads_to(laws: str, action: Values, before: Values, *, is_history: bool) -> list[float] | None:
    """The row, or None where nobody can tell it: the flow was not read."""
    row, is_set = list(action), moved(action, before)
    is_lost = is_set[PRESSURE] or is_set[FLOW] if is_history else is_set[PRESSURE] > is_set[FLOW]
    if laws == "nothing known of the flow" and is_lost:
        return None
    if is_history and is_set[PRESSURE] and is_set[FLOW]:
        return None  # so much more than nobody knows what
    goes_on = is_history or not is_set[SPEED]
    if goes_on and (is_set[FLOW] or is_set[PRESSURE]):
        return None
    if goes_on and is_set[GRADE]:
        if laws != "a number anyhow":
            return None
        rise = FASTER * (action[GRADE] - before[GRADE])
        row[SPEED] = float(round(action[SPEED] + rise))
    return row


def least(
    problem: Problem, model: Predictor, task: Task, laws: str, *, is_history: bool
) -> float | None:
    before = problem.factual.tolist()
    axes = [settable(f, float(v)) for f, v in zip(SCHEMA.features, problem.factual, strict=True)]
    led = (
        (action, leads_to(laws, action, before, is_history=is_history))
        for action in itertools.product(*axes)
    )
    told = [(action, row) for action, row in led if row is not None and readable(row)]
    met = normal(task)(model.score(np.array([row for _, row in told])))
    costs = [price(told[i][0], before) for i in np.flatnonzero(met)]
    return min(costs, default=None)


def deployed(name: str, seed: int, task: Task) -> tuple[Predictor, GraphForm | None]:
    if name == "stumps":
        return Stumps.random(seed, task), None
    is_trees = name == "trees"
    made = deployed_trees(seed, task) if is_trees else deployed_layers(seed, task, linear=True)
    return made.predictor, made.form


@pytest.mark.parametrize("is_history", [False, True], ids=["intervention", "another past"])
@pytest.mark.parametrize("laws", LAWS)
@pytest.mark.parametrize("name", ["stumps", "trees", "linear"])
def test_nothing_that_follows_from_an_unread_cause_is_answered_with(
    tally: Tally, name: str, laws: str, is_history: bool
) -> None:
    consequences = consequences_of(laws)
    for seed in range(12):
        task = TASKS[seed % 3]
        model, form = deployed(name, seed, task)
        problem = policy(FILL, task).problem(factual(seed, missing=True))
        problem = replace(
            problem,
            consequences=BacktrackingConsequences(consequences) if is_history else consequences,
        )
        answer = explain(problem, model, engine=engines_for(form, SCHEMA))
        if tally.already(answer, problem, model, normal(task)):
            continue
        assert not answer.work.rejected
        tally.exact(answer, least(problem, model, task, laws, is_history=is_history))
