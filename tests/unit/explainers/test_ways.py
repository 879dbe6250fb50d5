"""Named ways where something is missing: time, tolerances, a proof, an engine's honesty."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal

import numpy as np

from ifonly.explainers.answer import Action, Recourse
from ifonly.explainers.beside import Beside
from ifonly.explainers.constraints import Immutable
from ifonly.explainers.deadline import Deadline
from ifonly.explainers.explain import explain
from ifonly.explainers.policy import Policy
from ifonly.explainers.problem import Problem
from ifonly.explainers.search.blackbox import Blackbox
from ifonly.explainers.search.engine import Effort, Meter, SearchOutcome
from ifonly.explainers.search.portfolio import Portfolio
from ifonly.explainers.terms import Status, WayName
from ifonly.explainers.ways import NamedWay, WhyNone, ways
from ifonly.models.predictor import Row, Rows, Scores
from ifonly.models.schema import Category, Decision, Feature, Kind, Schema, Task

SCHEMA = Schema(
    tuple(
        Feature(name, Kind.CONTINUOUS, "", 0.0, 10.0, Decimal(1))
        for name in ("heat", "load", "age")
    )
)
ALARM = Decision(Task.BINARY, (Category("normal"), Category("alarm")), 1, 0.5, desired=0)
WEIGHTS = {"features": {"heat": {"scale": 1}, "load": {"scale": 1}, "age": {"scale": 10}}}
BLACKBOX = Portfolio((Blackbox(),))
FACTUAL = np.array([6.0, 6.0, 9.0])


class Sum:
    """Alarm while heat and load are 10 or more together."""

    def score(self, rows: Rows) -> Scores:
        return (rows[:, :1] + rows[:, 1:2] >= 10.0).astype(float)


def problem() -> Problem:
    return Policy.read(WEIGHTS, SCHEMA, ALARM).problem(FACTUAL)


def told(
    *,
    tolerances: tuple[float, ...] = (),
    deadline: Deadline | None = None,
) -> tuple[Recourse, dict[WayName, NamedWay]]:
    asked = problem()
    answer = explain(asked, Sum(), engine=BLACKBOX)
    assert isinstance(answer, Recourse)
    until = deadline or Deadline.never()
    beside = Beside.of(asked, Sum(), answer.work, engine=BLACKBOX, deadline=until)
    found = ways(beside, answer, tolerances)
    whole = found.beside(answer)
    assert whole.work.rows == answer.work.rows + found.work.rows
    return whole, {way.name: way for way in found.ways}


def test_without_tolerances_no_way_is_the_most_robust_and_it_is_said_why() -> None:
    _, by = told()
    assert by[WayName.ROBUST].why is WhyNone.NO_TOLERANCES
    assert by[WayName.ROBUST].status is Status.UNKNOWN
    assert by[WayName.SMALLEST].survives is None


def test_of_a_model_of_which_nothing_is_proven_over_boxes_that_is_said() -> None:
    _, by = told(tolerances=(0.1, 0.1, 0.0))
    assert by[WayName.ROBUST].why is WhyNone.NO_PROOF
    assert {way.survives for way in by.values()} == {None}


def test_once_the_time_is_up_nothing_is_claimed_of_further_ways() -> None:
    over = Deadline(0.0, clock=lambda: 1.0)
    whole, by = told(tolerances=(0.1, 0.1, 0.0), deadline=over)
    assert by[WayName.OTHER] == NamedWay(WayName.OTHER, Status.UNKNOWN)
    assert by[WayName.FEWEST].status in (Status.OPTIMAL, Status.FEASIBLE)
    # It has one lever, and none has fewer: that needs no time.
    assert by[WayName.FEWEST].same_as is WayName.SMALLEST
    assert whole.work.deadline_hit


def test_calls_that_the_answer_took_are_not_to_be_had_again() -> None:
    asked = problem()
    answer = explain(asked, Sum(), engine=BLACKBOX)
    assert isinstance(answer, Recourse)
    budget = Effort(most_runs=answer.work.runs)

    def beside(effort: Effort) -> Beside:
        return Beside.of(asked, Sum(), answer.work, engine=BLACKBOX, effort=effort)

    found = ways(beside(budget), answer)
    assert found.ways[-1] == NamedWay(WayName.OTHER, Status.UNKNOWN)
    assert found.work.runs == 0
    assert found.work.is_spent
    more = ways(beside(Effort(most_runs=10_000)), answer)
    assert more.ways[-1].found is not None
    assert not more.work.is_spent


@dataclass(frozen=True)
class Liar:
    """Proves that there is nothing wherever a feature has to keep its value."""

    honest: Portfolio = BLACKBOX

    @property
    def name(self) -> str:
        return "liar"

    def search(self, problem: Problem, meter: Meter, deadline: Deadline) -> SearchOutcome:
        if any(isinstance(constraint, Immutable) for constraint in problem.constraints):
            return SearchOutcome.none(problem)
        return self.honest.search(problem, meter, deadline)

    def nearest(self, problem: Problem, meter: Meter, deadline: Deadline) -> Scores | None:
        return self.honest.nearest(problem, meter, deadline)

    def sufficient_range(
        self, problem: Problem, meter: Meter, row: Row, column: int
    ) -> tuple[float, float]:
        return self.honest.sufficient_range(problem, meter, row, column)


def test_a_proof_that_an_answer_at_hand_refutes_is_not_told() -> None:
    asked = problem()
    answer = explain(asked, Sum(), engine=BLACKBOX)
    assert isinstance(answer, Recourse)
    first = answer.counterfactuals[0]
    (one,) = first.actions
    # Of heat and load the other one, and age for nothing: one lever is enough, and shares none.
    own = (replace(one, column=1 - one.column), Action(2, 9.0, 8.0))
    padded = replace(answer, counterfactuals=(replace(first, actions=own),))
    found = ways(Beside.of(asked, Sum(), answer.work, engine=Liar()), padded)
    fewest, other = found.ways[1], found.ways[-1]
    assert fewest.found is not None
    assert [action.column for action in fewest.found.actions] == [one.column]
    assert other == NamedWay(WayName.OTHER, Status.UNKNOWN)
    assert any("none was claimed, and it holds" in reason for reason in found.work.rejected)


def test_a_way_that_is_cheaper_than_the_smallest_takes_its_bound_back() -> None:
    asked = problem()
    answer = explain(asked, Sum(), engine=BLACKBOX)
    assert isinstance(answer, Recourse)
    first = answer.counterfactuals[0]
    (one,) = first.actions
    dear = replace(one, counterfactual=0.0)
    row = tuple(0.0 if j == one.column else v for j, v in enumerate(FACTUAL))
    wrong = replace(first, actions=(dear,), row=row, cost=6.0, lower_bound=6.0)
    beside = Beside.of(asked, Sum(), answer.work, engine=BLACKBOX)
    found = ways(beside, replace(answer, counterfactuals=(wrong,)))
    other = found.ways[-1]
    assert other.found is not None
    assert other.found.cost < 6.0
    smallest = found.ways[0]
    assert smallest.status is Status.FEASIBLE
    assert smallest.found is not None
    assert smallest.found.lower_bound is None
    assert any("bound: nothing below 6.0" in reason for reason in found.work.rejected)
