"""``explain``: one question in, one claim out."""

from __future__ import annotations

import gc
import itertools
import math
import weakref
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest

from ifonly.explainers.answer import AlreadyTarget, Infeasible, Recourse, Status, Unknown
from ifonly.explainers.constraints import Origin, Range, Source
from ifonly.explainers.deadline import Deadline
from ifonly.explainers.errors import CallsSpent, DeadlineReached, InvalidPolicy
from ifonly.explainers.explain import explain
from ifonly.explainers.policy import Policy, read_constraints
from ifonly.explainers.problem import Problem
from ifonly.explainers.search.blackbox import Blackbox
from ifonly.explainers.search.engine import Engine, Meter, SearchOutcome
from ifonly.explainers.target import BY_REQUEST
from ifonly.models.errors import InvalidInstance
from ifonly.models.predictor import Row, Rows, Scores
from ifonly.models.rounding import Known, Rounding
from ifonly.models.schema import Task
from tests.support.claiming import Claiming
from tests.support.generated import SCHEMA, Stumps, decision

ALARM = np.array([1.87, 77.0, 0.0, 2.0, 0.123])


@dataclass(frozen=True)
class Hot:
    """Probability of an alarm rises with pressure and with speed."""

    def score(self, rows: Rows) -> Scores:
        return 1 / (1 + np.exp(-(rows[:, [0]] + rows[:, [1]] / 50 - 2.0)))


def ask(table: dict | None = None, request: dict | None = None, **options: Any) -> Problem:
    policy = Policy.read(table or {}, SCHEMA, decision(Task.BINARY))
    return policy.problem(ALARM, constraints=read_constraints(request or {}, SCHEMA), **options)


def test_a_fixed_feature_is_never_moved() -> None:
    answer = explain(ask(request={"freeze": ["speed"]}), Hot())
    assert isinstance(answer, Recourse)
    (best,) = answer.counterfactuals
    assert best.row[1] == ALARM[1]
    assert [a.column for a in best.actions] == [0]
    assert best.prediction.scores[0] < 0.5


def test_the_same_question_has_the_same_answer() -> None:
    problem = ask(alternatives=3, seed=7)
    searched = Blackbox(enumerable=0)
    first, second = (explain(problem, Hot(), engine=searched) for _ in range(2))
    assert first == second


def test_what_was_asked_is_freed_once_it_is_answered() -> None:
    """And need not wait, with its arrays, for the garbage collector."""
    problem, model = ask(), Hot()
    asked = weakref.ref(problem)
    gc.disable()
    try:
        assert problem.inert is problem
        assert problem.firm(Rounding((1e-6,), (0.0,), Known.BOUNDED)).inert is not problem
        assert explain(problem, model).status is Status.OPTIMAL
        del problem
        assert asked() is None
    finally:
        gc.enable()


def test_what_is_already_in_the_target_needs_no_change() -> None:
    problem = replace(ask(), factual=np.array([0.0, 10.0, 0.0, 0.0, 0.0]))
    answer = explain(problem, Hot())
    assert isinstance(answer, AlreadyTarget)
    assert answer.status is Status.ALREADY_TARGET
    assert (answer.work.rows, answer.work.runs) == (1, 1)


def test_constraints_that_contradict_each_other_are_named_and_no_others() -> None:
    request = {"freeze": ["speed", "grade"], "ranges": {"speed": [10, 40]}, "max_changes": 3}
    problem = ask(request=request)
    answer = explain(problem, Hot())
    assert isinstance(answer, Infeasible)
    assert {c.origin.key for c in answer.blocked_by} == {
        "constraints.freeze.0",
        "constraints.ranges.speed",
    }
    assert problem.conflict_is_the_requests


def test_nothing_allowed_flips_the_decision_is_a_proof_with_the_best_score() -> None:
    answer = explain(ask(request={"freeze": ["speed"], "ranges": {"pressure": [1.5, 2]}}), Hot())
    assert isinstance(answer, Infeasible)
    assert answer.best is not None
    assert answer.best.scores[0] == pytest.approx(1 / (1 + math.exp(-(1.5 + 77 / 50 - 2))))


class Stages:
    """A watch that knows what stage there is, and notes what was done in which."""

    def __init__(self) -> None:
        self.now = "none"
        self.of = Counter[tuple[str, str]]()

    @contextmanager
    def __call__(self, stage: str, /) -> Iterator[None]:
        assert self.now == "none", f"{stage} within {self.now}: its time would count twice"
        self.now = stage
        yield
        self.now = "none"

    def note(self, done: str) -> None:
        self.of[done, self.now] += 1


@dataclass(frozen=True)
class Noting:
    """An engine that notes what it is asked in which stage."""

    stages: Stages
    engine: Engine = field(default_factory=Blackbox)
    name: str = "noting"

    def search(self, problem: Problem, meter: Meter, deadline: Deadline) -> SearchOutcome:
        self.stages.note("search")
        return replace(self.engine.search(problem, meter, deadline), nearest=None)

    def nearest(self, problem: Problem, meter: Meter, deadline: Deadline) -> Scores | None:
        self.stages.note("nearest")
        return self.engine.nearest(problem, meter, deadline)

    def sufficient_range(
        self, problem: Problem, meter: Meter, row: Row, column: int
    ) -> tuple[float, float]:
        self.stages.note("range")
        return self.engine.sufficient_range(problem, meter, row, column)


@dataclass(frozen=True)
class Late(Noting):
    """An engine whose time, or whose calls, are over once the answer is found."""

    over: type[DeadlineReached] = DeadlineReached

    def sufficient_range(
        self, problem: Problem, meter: Meter, row: Row, column: int
    ) -> tuple[float, float]:
        raise self.over


@pytest.mark.parametrize(("over", "says"), [(DeadlineReached, True), (CallsSpent, False)])
def test_a_range_that_the_deadline_leaves_out_is_told(
    over: type[DeadlineReached], says: bool
) -> None:
    answer = explain(ask(), Hot(), engine=Late(Stages(), over=over))
    assert isinstance(answer, Recourse)
    assert answer.counterfactuals[0].actions[0].sufficient_range is None
    assert answer.work.deadline_hit is says


def test_all_searches_count_as_search_those_for_what_blocks_and_what_is_nearest_too() -> None:
    stages = Stages()

    @dataclass(frozen=True)
    class Noted(Hot):
        def score(self, rows: Rows) -> Scores:
            stages.note("score")
            return super().score(rows)

    def stages_of(problem: Problem) -> Counter[tuple[str, str]]:
        stages.of.clear()
        explain(problem, Noted(), engine=Noting(stages), watch=stages)
        assert stages.of["score", "none"] == 1  # the factual itself
        assert {done for done, stage in stages.of if stage == "none"} == {"score"}
        return stages.of

    blocked = ask(request={"freeze": ["speed"], "ranges": {"pressure": [1.5, 2]}})
    seen = np.array([ALARM, [1.5, 77.0, 0.0, 2.0, 0.123]])  # allowed, and it does not flip
    counts = stages_of(replace(blocked, references=seen))
    assert counts["search", "search"] >= 4  # the question, what blocks, and ways out of it
    assert counts["nearest", "search"] == 1
    assert counts["score", "verify"] == 3  # two ways out, and what was seen
    assert stages_of(ask())["range", "complete"] >= 1


def test_alternatives_each_leave_alone_a_lever_of_every_answer_before() -> None:
    answer = explain(ask(alternatives=4), Stumps.random(11))
    assert isinstance(answer, Recourse)
    assert len(answer.counterfactuals) >= 2
    levers = [{a.column for a in c.actions} for c in answer.counterfactuals]
    assert all(not earlier <= later for earlier, later in itertools.combinations(levers, 2))
    costs = [c.cost for c in answer.counterfactuals]
    assert costs == sorted(costs)


def test_a_must_change_feature_starts_from_its_cheapest_allowed_value() -> None:
    problem = ask(request={"ranges": {"speed": [85, 100]}})
    assert problem.start[1] == 90.0
    answer = explain(problem, Hot(), engine=Blackbox(enumerable=0))
    assert isinstance(answer, Recourse)
    assert answer.counterfactuals[0].row[1] == 90.0


def test_an_expired_deadline_is_said_and_nothing_is_claimed() -> None:
    answer = explain(ask(), Hot(), deadline=Deadline.after(-1.0))
    assert isinstance(answer, Unknown)
    assert answer.work.deadline_hit
    assert answer.status is Status.UNKNOWN


def test_a_deadline_in_the_middle_keeps_what_was_found() -> None:
    calls = itertools.count()
    answer = explain(
        ask(),
        Stumps.random(11),
        engine=Blackbox(enumerable=0),
        deadline=Deadline(6, lambda: next(calls)),
    )
    assert isinstance(answer, Recourse)
    assert answer.work.deadline_hit
    assert answer.status is Status.FEASIBLE
    assert answer.counterfactuals[0].gap is None


def test_a_budget_of_rows_is_kept() -> None:
    meter = Meter(Hot(), Deadline.never())
    Blackbox(enumerable=0).search(replace(ask(), max_rows=300), meter, Deadline.never())
    assert 0 < meter.rows <= 300


@dataclass
class Counting:
    """Notes the size of each call."""

    sizes: list[int] = field(default_factory=list)

    def score(self, rows: Rows) -> Scores:
        self.sizes.append(len(rows))
        return Hot().score(rows)


def test_the_work_that_is_reported_is_the_work_that_was_done() -> None:
    counting = Counting()
    answer = explain(ask(alternatives=2), counting)
    assert answer.work.rows == sum(counting.sizes)
    assert answer.work.runs == len(counting.sizes)


def moved(**values: float) -> Row:
    row = ALARM.copy()
    for name, value in values.items():
        row[SCHEMA.index(name)] = value
    return row


@pytest.mark.parametrize(
    "wrong",
    [
        moved(pressure=0.1),  # off the grid
        moved(pressure=2.25),  # out of bounds
        moved(pressure=1.75),  # does not flip
        moved(mode=1.5),  # no such category
        moved(flow=math.nan),  # goes missing
        moved(pressure=0.0, speed=10.0),  # breaks the freeze
    ],
)
def test_a_wrong_proposal_is_never_published(wrong: Row) -> None:
    problem = ask(request={"freeze": ["speed"]})
    right = moved(pressure=0.25)
    only_wrong: Engine = Claiming((wrong,), 0.1)
    assert isinstance(explain(problem, Hot(), engine=only_wrong), Unknown)
    both: Engine = Claiming((wrong, right), 0.1)
    answer = explain(problem, Hot(), engine=both)
    assert isinstance(answer, Recourse)
    assert answer.counterfactuals[0].row == tuple(right)
    assert answer.counterfactuals[0].lower_bound is None


def test_a_bound_that_a_verified_row_beats_is_not_repeated() -> None:
    engine: Engine = Claiming((moved(pressure=0.25, speed=15.0),), 99.0)
    answer = explain(ask(), Hot(), engine=engine)
    assert isinstance(answer, Recourse)
    assert answer.status is Status.FEASIBLE
    assert answer.counterfactuals[0].lower_bound is None


def test_a_claim_of_infeasible_that_comes_with_proposals_is_not_believed() -> None:
    engine: Engine = Claiming((moved(pressure=1.75),), math.inf)
    assert isinstance(explain(ask(), Hot(), engine=engine), Unknown)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"alternatives": 0}, "alternatives: is 0, below 1"),
        ({"max_rows": 0}, "max_rows: is 0, below 1"),
        ({"references": np.zeros((3, 2))}, "references: has shape"),
    ],
)
def test_a_problem_whose_parts_do_not_fit_is_refused(change: dict, problem: str) -> None:
    with pytest.raises(InvalidPolicy) as caught:
        replace(ask(), **change)
    assert problem in str(caught.value)


@pytest.mark.parametrize(
    ("factual", "problem"),
    [(ALARM[:3], "has shape"), (np.full(5, np.nan), "pressure is missing")],
)
def test_a_factual_that_is_no_instance_is_refused(factual: Row, problem: str) -> None:
    with pytest.raises(InvalidInstance, match=problem):
        replace(ask(), factual=factual)


# --- a probability that the policy demands -------------------------------------------------------

PRESSED = Range(0, 0.5, 2.0, origin=Origin(Source.POLICY, "policy.features.pressure.range"))
DEMANDING = {"target": {"probability": {"min": 0.8}}}


def test_an_answer_is_as_probable_as_the_policy_demands_where_nothing_is_named() -> None:
    alone, demanding = explain(ask(), Hot()), explain(ask(DEMANDING), Hot())
    assert isinstance(alone, Recourse)
    assert isinstance(demanding, Recourse)
    assert 1 - alone.counterfactuals[0].prediction.scores[0] < 0.8
    assert 1 - demanding.counterfactuals[0].prediction.scores[0] >= 0.8
    assert demanding.counterfactuals[0].cost > alone.counterfactuals[0].cost


def test_what_is_decided_as_wanted_needs_no_change_though_a_change_must_be_surer() -> None:
    calm = np.array([0.0, 70.0, 0.0, 0.0, 0.0])  # normal at 65 %
    by_policy = replace(ask(DEMANDING), factual=calm)
    assert isinstance(explain(by_policy, Hot()), AlreadyTarget)
    by_request = replace(by_policy, target=replace(by_policy.target, origin=BY_REQUEST))
    answer = explain(by_request, Hot())
    assert isinstance(answer, Recourse)
    assert 1 - answer.counterfactuals[0].prediction.scores[0] >= 0.8


def test_a_demand_that_cannot_be_met_is_named_with_the_surest_that_can() -> None:
    problem = ask({"target": {"probability": {"min": 0.99}}}, {"ranges": {"speed": [5, 60]}})
    problem = replace(problem, constraints=(*problem.constraints, PRESSED))
    answer = explain(problem, Hot())
    assert isinstance(answer, Infeasible)
    assert problem.target.demand in answer.blocked_by
    assert answer.best is not None
    reachable = 1 - answer.best.scores[0]
    assert 0.5 < reachable < 0.99
    assert answer.relaxation is not None
    assert answer.relaxation.lifted is problem.target.demand
    assert answer.relaxation.target.lower == math.floor(100 * reachable) / 100
    found = 1 - answer.relaxation.counterfactual.prediction.scores[0]
    assert answer.relaxation.target.lower <= found <= reachable


def test_a_demand_is_not_named_where_the_decision_alone_cannot_be_reached() -> None:
    problem = ask(DEMANDING, {"freeze": ["speed"], "ranges": {"pressure": [1.5, 2]}})
    answer = explain(problem, Hot())
    assert isinstance(answer, Infeasible)
    assert answer.blocked_by
    assert problem.target.demand not in answer.blocked_by
