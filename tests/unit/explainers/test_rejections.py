"""Where the checker does not find true what an engine says, the answer is honest and says so."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pytest

from ifonly.explainers.answer import AlreadyTarget, Infeasible, Recourse, Status, Unknown
from ifonly.explainers.constraints import Constraint, Immutable, Origin, Source
from ifonly.explainers.cost import Cost
from ifonly.explainers.deadline import Deadline
from ifonly.explainers.errors import DocumentsDiffer
from ifonly.explainers.explain import explain
from ifonly.explainers.problem import Problem
from ifonly.explainers.search.engine import Meter, SearchOutcome
from ifonly.explainers.target import Target
from ifonly.explainers.transcript import terms_of
from ifonly.models.errors import GraphError, NotFinite
from ifonly.models.predictor import Row, Rows, Scores
from ifonly.models.schema import Task
from tests.support.claiming import Claiming
from tests.support.generated import SCHEMA, decision
from tests.support.kinds import KINDS, ConstraintKind
from tests.support.questions import policy, question
from tests.unit.explainers.test_explain import ALARM, Hot, ask, moved

RIGHT = moved(pressure=0.25, speed=15.0)


@pytest.mark.parametrize(
    "kind", [k for k in KINDS if k.name != "may be filled"], ids=lambda k: k.name
)
def test_a_row_that_breaks_a_limit_gives_way_to_the_next_and_the_reason_is_told(
    kind: ConstraintKind,
) -> None:
    draw = np.random.default_rng(1)
    for seed in range(200):
        problem, model, kept = question([kind], seed)
        allowed: list[Row] = []
        others: list[Row] = []
        for _ in range(40):
            row = problem.factual.copy()
            for j in draw.permutation(5)[: draw.integers(1, 4)]:
                values = problem._whole[j].values()
                row[j] = draw.choice(values[~np.isnan(values)])
            (allowed if all(k(row, problem.factual) for k in kept) else others).append(row)
        allowed = [r for r in allowed if problem.target.met(model.score(r[None]))[0]]
        others = [r for r in others if problem.target.met(model.score(r[None]))[0]]
        is_there = problem.target.needs_nothing(model.score(problem.factual[None]))[0]
        if allowed and others and not is_there:
            break
    else:
        pytest.fail("no such question")
    answer = explain(problem, model, engine=Claiming((others[0], allowed[0]), 0.5))
    assert isinstance(answer, Recourse)
    (found,) = answer.counterfactuals
    assert found.row == pytest.approx(tuple(allowed[0]), nan_ok=True)
    assert (found.lower_bound, answer.status) == (None, Status.FEASIBLE)
    (reason,) = answer.work.rejected
    keys = [c.origin.key for c in problem.constraints]
    assert any(f"{key}: " in reason for key in keys), reason


def test_nothing_that_holds_is_unknown_and_says_why() -> None:
    answer = explain(ask(), Hot(), engine=Claiming((moved(pressure=0.1), moved(mode=1.5)), 0.1))
    assert isinstance(answer, Unknown)
    assert len(answer.work.rejected) == 2
    assert "grid: pressure = 0.1" in answer.work.rejected[0]
    assert "grid: mode = 1.5" in answer.work.rejected[1]


def test_a_lie_about_the_cost_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    true = Cost.of
    monkeypatch.setattr(Cost, "of", lambda self, rows, before: true(self, rows, before) * 0.5)
    answer = explain(ask(), Hot(), engine=Claiming((RIGHT,), 0.0))
    assert isinstance(answer, Unknown)
    assert "cost: " in answer.work.rejected[0]


@pytest.mark.parametrize(("share", "holds"), [(0.5, True), (1.0, True), (1.01, False), (9, False)])
def test_a_bound_above_the_cost_of_what_holds_is_not_told(share: float, holds: bool) -> None:
    cost = float(ask().cost_of(RIGHT[None])[0])
    answer = explain(ask(), Hot(), engine=Claiming((RIGHT,), share * cost))
    assert isinstance(answer, Recourse)
    (found,) = answer.counterfactuals
    assert found.lower_bound == (share * cost if holds else None)
    assert bool(answer.work.rejected) is not holds


def test_infeasible_that_a_row_seen_in_service_refutes_is_not_claimed() -> None:
    seen = np.array([ALARM, RIGHT, moved(pressure=0.1, speed=15.0)])
    problem = replace(ask(), references=seen)
    answer = explain(problem, Hot(), engine=Claiming((), math.inf))
    assert isinstance(answer, Recourse)
    assert answer.status is Status.FEASIBLE
    assert answer.counterfactuals[0].row == tuple(RIGHT)
    assert "infeasible was claimed" in answer.work.rejected[0]
    without = explain(
        replace(problem, references=seen[[0, 2]]), Hot(), engine=Claiming((), math.inf)
    )
    assert isinstance(without, Infeasible)
    assert not without.work.rejected


def test_a_range_an_end_of_which_does_not_hold_is_not_told() -> None:
    row = moved(pressure=0.25)
    for ends in ((0.25, 1.75), (-0.25, 0.25), (0.2, 0.25)):  # alarm, out of bounds, off the grid
        answer = explain(ask(), Hot(), engine=Claiming((row,), 0.0, ends))
        assert isinstance(answer, Recourse)
        assert answer.counterfactuals[0].actions[0].sufficient_range is None
        assert "range: " in answer.work.rejected[0]
    told = explain(ask(), Hot(), engine=Claiming((row,), 0.0, (0.0, 0.25)))
    assert isinstance(told, Recourse)
    assert told.counterfactuals[0].actions[0].sufficient_range == (0.0, 0.25)
    assert not told.work.rejected


def test_an_answer_that_says_it_suffices_nearer_to_the_factual_is_not_proven_the_cheapest() -> None:
    """The finder's case: set to 40.4104, suffices up to 40.5509, and claimed to be optimal."""
    row = moved(pressure=0.0)
    cost = float(ask().cost_of(row[None])[0])
    answer = explain(ask(), Hot(), engine=Claiming((row,), cost, (0.0, 0.25)))
    assert isinstance(answer, Recourse)
    assert answer.status is Status.FEASIBLE
    (found,) = answer.counterfactuals
    assert (found.lower_bound, found.gap) == (None, None)
    assert found.actions[0].sufficient_range == (0.0, 0.25)
    assert "bound: " in answer.work.rejected[0]


@dataclass(frozen=True, kw_only=True)
class InTurn(Claiming):
    """Claims one row a search, each to be the cheapest."""

    turn: Iterator[Row]

    def search(self, problem: Problem, meter: Meter, deadline: Deadline) -> SearchOutcome:
        row = next(self.turn)
        return SearchOutcome(row[None], float(problem.cost_of(row[None])[0]))


def test_an_answer_that_a_further_one_beats_is_not_proven_the_cheapest() -> None:
    dear, cheap = moved(pressure=0.0, speed=15.0), moved(pressure=0.25)
    answer = explain(replace(ask(), alternatives=2), Hot(), engine=InTurn(turn=iter([dear, cheap])))
    assert isinstance(answer, Recourse)
    assert answer.status is Status.FEASIBLE
    assert answer.counterfactuals[0].lower_bound is None
    assert "bound: " in answer.work.rejected[0]


# --- the model fails after a rejection ----------------------------------------------------------


@dataclass(frozen=True)
class Breaks:
    """No number for a row with the pressure that :data:`RIGHT` has, or an error."""

    error: Exception | None = None

    def score(self, rows: Rows) -> Scores:
        scores = Hot().score(rows)
        if (rows[:, 0] == RIGHT[0]).any():
            if self.error is not None:
                raise self.error
            scores[rows[:, 0] == RIGHT[0]] = math.nan
        return scores


@pytest.mark.parametrize("error", [None, GraphError("it broke"), RuntimeError("nobody foresaw")])
def test_what_was_rejected_before_the_model_failed_was_told(error: Exception | None) -> None:
    told: list[str] = []
    engine = Claiming((moved(pressure=0.1), RIGHT), 0.1)
    with pytest.raises(NotFinite if error is None else type(error)):
        explain(ask(), Breaks(error), engine=engine, doubted=told.append)
    (reason,) = told
    assert "grid: pressure = 0.1" in reason


def test_what_is_told_as_it_happens_is_what_the_answer_lists() -> None:
    told: list[str] = []
    engine = Claiming((moved(pressure=0.1), RIGHT), 0.1)
    answer = explain(ask(), Hot(), engine=engine, doubted=told.append)
    assert told
    assert answer.work.rejected == tuple(told)


# --- already in the target ----------------------------------------------------------------------


@pytest.mark.parametrize("claim", [True, False])
def test_whether_there_is_anything_to_change_is_the_checkers_word(
    monkeypatch: pytest.MonkeyPatch, claim: bool
) -> None:
    calm = np.array([0.0, 10.0, 0.0, 0.0, 0.0])
    monkeypatch.setattr(Target, "needs_nothing", lambda self, scores: np.full(len(scores), claim))
    problem = replace(ask(), factual=ALARM if claim else calm)
    answer = explain(problem, Hot(), engine=Claiming((RIGHT,), 0.0))
    assert isinstance(answer, AlreadyTarget) is not claim
    assert "in the target" in answer.work.rejected[0]


# --- the question and the documents -------------------------------------------------------------


def test_terms_that_are_of_another_question_are_refused() -> None:
    problem = ask(request={"freeze": ["speed"]})
    terms = terms_of(problem)
    explain(problem, Hot(), terms=terms)
    frozen = Immutable(2, origin=Origin(Source.REQUEST, "constraints.freeze.1"))
    more: tuple[Constraint, ...] = (*problem.constraints, frozen)
    with pytest.raises(DocumentsDiffer, match=r"the search is told of constraints\.freeze\.1"):
        explain(replace(problem, constraints=more), Hot(), terms=terms)
    with pytest.raises(DocumentsDiffer, match=r"documents have .*constraints\.freeze\.0"):
        explain(replace(problem, constraints=problem.constraints[:-1]), Hot(), terms=terms)
    other = replace(problem, target=policy([], Task.BINARY).target(1))
    with pytest.raises(DocumentsDiffer):
        explain(other, Hot(), terms=terms)
    surer = replace(problem, target=Target(decision(Task.BINARY), 0, 0.9))
    with pytest.raises(DocumentsDiffer):
        explain(surer, Hot(), terms=terms)
    assert len(SCHEMA) == 5
