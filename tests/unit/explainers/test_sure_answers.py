"""Answers that rest on what follows: decided by what plausible mechanisms say, or not given."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest

from ifonly.explainers.answer import Abstained, Infeasible, Recourse, Status, Unknown
from ifonly.explainers.causal import CausalModel, Graph, draw_members
from ifonly.explainers.causal.basis import Basis, Coordinates, Expansion
from ifonly.explainers.causal.consequences import CausalConsequences
from ifonly.explainers.causal.function import Array, Members
from ifonly.explainers.causal.hidden import HiddenCause
from ifonly.explainers.causal.mechanism import Mechanism, Noise
from ifonly.explainers.causal.members import MemberMechanism
from ifonly.explainers.consequences import Trust
from ifonly.explainers.deadline import Deadline
from ifonly.explainers.explain import explain
from ifonly.explainers.policy import Policy, read_constraints
from ifonly.explainers.problem import Problem
from ifonly.explainers.search.engine import Meter, SearchOutcome
from ifonly.explainers.transcript import terms_of
from ifonly.explainers.verify import Checker, Proposal, Report
from ifonly.explainers.wording import Grounds, Wording
from ifonly.models.predictor import Row, Rows, Scores
from ifonly.models.schema import Task
from tests.support.generated import SCHEMA, decision

PRESSURE, SPEED = 0, 1
ALARM = np.array([1.75, 77.0, 0.0, 2.0, 0.1])


@dataclass(frozen=True)
class Fast:
    """The alarm is all about the speed."""

    def score(self, rows: Rows) -> Scores:
        return 1 / (1 + np.exp(-(rows[:, [SPEED]] - 60.0) / 10.0))


def speed_by_pressure(
    sd: float, gamma: float = 2.5, floor: float = 0.9, held: tuple[float, float] = (0.0, 0.0)
) -> CausalConsequences:
    """The speed falls by 20 rpm a bar, give or take ``sd``; a hidden cause correlates the noises
    as ``held`` says."""
    expansion = Expansion(
        Coordinates.raw(1), np.array([[0], [1]]), np.empty((0, 1)), np.empty((0, 1))
    )
    slope = Basis(expansion, np.array([0.0, 20.0]), np.array([[0.0, 0.0], [0.0, sd]]))
    mechanisms = (None, Mechanism(slope, None, Noise(3.0)), None, None, None)
    roots = (Noise(0.5), None, None, None, None)
    model = CausalModel(SCHEMA.names, Graph.of(5, [(PRESSURE, SPEED)]), mechanisms, roots)
    members = draw_members(model, np.random.default_rng(0), 64)
    error = np.array([0.05, 2.0, 0.0, 0.0, 0.0])
    hidden = (HiddenCause(PRESSURE, SPEED, *held),)
    return CausalConsequences(model, members, gamma, floor, error, hidden, whole=(SPEED,))


def asked(consequences: CausalConsequences) -> Problem:
    freeze = read_constraints({"freeze": ["speed", "mode", "grade", "flow"]}, SCHEMA)
    policy = Policy.read({}, SCHEMA, decision(Task.BINARY))
    return replace(policy.problem(ALARM, constraints=freeze), consequences=consequences)


def checked(problem: Problem, action: np.ndarray) -> Report:
    checker = Checker(terms_of(problem), tuple(problem.factual), Fast().score)
    return checker.check(Proposal(action.tolist()))


def test_a_surer_answer_keeps_away_from_the_edge() -> None:
    costs = []
    for gamma in (0.0, 2.5):
        answer = explain(asked(speed_by_pressure(3.0, gamma, floor=0.0)), Fast())
        assert isinstance(answer, Recourse)
        assert answer.status is Status.OPTIMAL
        (best,) = answer.counterfactuals
        assert best.row[SPEED] < 60
        costs.append(best.cost)
    assert costs[0] < costs[1]


def test_what_is_not_sure_enough_is_not_answered_with_and_both_languages_say_why() -> None:
    problem = asked(speed_by_pressure(30.0))
    answer = explain(problem, Fast())
    assert isinstance(answer, Abstained)
    assert answer.status is Status.ABSTAINED
    assert 0.5 < answer.chance < 0.9
    wording = Wording(SCHEMA, decision(Task.BINARY), grounds=Grounds.CAUSAL)
    percent = f"{int(100 * answer.chance)} %"
    for language, words in {
        "en": "No change is sure enough",
        "ko": "확실한 변경이 없습니다",
    }.items():
        said = wording.sentence(answer, language, target=problem.target)
        assert words in said
        assert percent in said


def test_verify_does_not_take_the_engines_word_for_how_sure_an_action_is() -> None:
    action = ALARM.copy()
    action[PRESSURE] = 0.75
    assert checked(asked(speed_by_pressure(0.5)), action).holds
    rejected = checked(asked(speed_by_pressure(30.0)), action)
    assert not rejected.holds
    assert "chance" in rejected.reasons[0]


@dataclass(frozen=True)
class Abstaining:
    """An engine that says of one action that it is the surest, and not sure enough."""

    action: Row
    name: str = "abstaining"

    def search(self, problem: Problem, meter: Meter, deadline: Deadline) -> SearchOutcome:
        return replace(SearchOutcome(np.empty((0, len(self.action)))), unsure=self.action)

    def nearest(self, problem: Problem, meter: Meter, deadline: Deadline) -> Scores | None:
        return None

    def sufficient_range(
        self, problem: Problem, meter: Meter, row: Row, column: int
    ) -> tuple[float, float]:
        return float(row[column]), float(row[column])


def at_pressure(value: float) -> Row:
    action = ALARM.copy()
    action[PRESSURE] = value
    return action


def share_that_flips(sd: float, pressure: float) -> float:
    """Of 64 slopes around 20 rpm a bar, by hand: those by which the speed falls to 59 or less."""
    slopes = 20.0 + sd * np.random.default_rng(0).standard_normal((64, 2))[:, 1]
    speeds = np.rint(ALARM[SPEED] + slopes * (pressure - ALARM[PRESSURE]))
    return float((speeds <= 60.0).mean())


def test_how_sure_the_surest_action_is_is_the_checkers_word(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    consequences, action = speed_by_pressure(30.0), at_pressure(0.5)
    true = CausalConsequences.trust

    def surer(self: CausalConsequences, *given: Any) -> Trust:
        """The rows are right and what is made of them is not."""
        found = true(self, *given)
        return replace(found, chance=np.minimum(1.0, found.chance + 0.2))

    terms = terms_of(asked(consequences))
    slip = replace(consequences)  # the checker's laws are not those that err
    monkeypatch.setattr(CausalConsequences, "trust", lambda self, *given: (
        surer(self, *given) if self is slip else true(self, *given)
    ))  # fmt: skip
    answer = explain(asked(slip), Fast(), engine=Abstaining(action), terms=terms)
    assert isinstance(answer, Abstained)
    assert answer.chance == share_that_flips(30.0, 0.5)
    assert 0.5 < answer.chance < 0.9
    assert not answer.work.rejected


def test_an_action_that_is_said_to_be_unsure_and_is_sure_is_an_answer() -> None:
    answer = explain(asked(speed_by_pressure(0.5)), Fast(), engine=Abstaining(at_pressure(0.75)))
    assert isinstance(answer, Recourse)
    (found,) = answer.counterfactuals
    assert answer.status is Status.FEASIBLE
    assert (found.row[PRESSURE], found.chance) == (0.75, 1.0)
    assert found.assurance is not None
    assert "abstained was claimed" in answer.work.rejected[0]


@pytest.mark.parametrize(("pressure", "why"), [(1.5, "target: "), (0.8, "grid: ")])
def test_abstained_is_not_said_of_an_action_that_is_no_way_into_the_target(
    pressure: float, why: str
) -> None:
    problem = asked(speed_by_pressure(30.0))
    answer = explain(problem, Fast(), engine=Abstaining(at_pressure(pressure)))
    assert isinstance(answer, Unknown)
    (rejected,) = answer.work.rejected
    assert "abstained: " in rejected
    assert why in rejected


def test_a_plausible_mechanism_without_a_value_counts_as_one_that_does_not_flip() -> None:
    consequences = speed_by_pressure(30.0)
    wild = replace(consequences, members=replace(consequences.members, mechanisms=(
        None, _LostOften(), None, None, None,
    )))  # fmt: skip
    report = checked(asked(wild), at_pressure(0.5))
    assert report.broken == {"certainty"}
    assert report.chance == 0.75


@dataclass(frozen=True)
class _LostOften(MemberMechanism):
    """A speed of 40 rpm; by every fourth version, none."""

    location: Members = field(default=lambda parents: parents[..., 0])
    log_scale: Members | None = None
    n_parents: int = 1

    def moved(self, before: Array, after: Array, value: Array) -> Array:
        speeds = np.where(np.arange(64) % 4 == 0, np.nan, 40.0)
        return np.repeat(speeds[:, None], after.shape[1], axis=1)


def test_the_floor_is_a_demand_of_its_own() -> None:
    lenient, strict = (asked(speed_by_pressure(30.0, 0.0, floor)) for floor in (0.0, 0.99))
    assert isinstance(explain(lenient, Fast()), Recourse)
    assert isinstance(explain(strict, Fast()), Abstained)


def test_an_answer_says_what_sensor_errors_and_a_hidden_cause_would_do_to_it() -> None:
    answer = explain(asked(speed_by_pressure(2.0)), Fast())
    assert isinstance(answer, Recourse)
    best = answer.counterfactuals[0]
    assert best.chance is not None
    assert best.chance > 0.95
    found = best.assurance
    assert found is not None
    assert 0.5 < found.survival <= 1.0
    (tie,) = found.ties
    assert tie.between == (PRESSURE, SPEED)
    assert tie.rho is not None
    assert 0.0 < abs(tie.rho) < 1.0


def test_what_a_hidden_cause_could_undo_is_kept_away_from_or_not_answered_with() -> None:
    """The noises of the pressure and the speed have standard deviations of 0.5 and 3: correlated by
    rho they make ``6 rho / sqrt(1 - rho**2)`` rpm a bar of the 20."""
    costs, answers = list[float](), list[Row]()
    for strength in (0.0, 0.3, 0.75):
        problem = asked(speed_by_pressure(0.5, held=(-strength, strength)))
        answer = explain(problem, Fast())
        assert isinstance(answer, Recourse)
        (best,) = answer.counterfactuals
        assert (best.chance or 0.0) >= 0.9
        assert best.assurance is not None
        (tie,) = best.assurance.ties
        assert tie.held == (-strength, strength)
        assert tie.rho is None or abs(tie.rho) > strength
        # The checker refuses what would do were the hidden cause weaker.
        for weaker in answers:
            assert checked(problem, weaker).broken == {"certainty"}
        answers.append(at_pressure(best.row[PRESSURE]))
        costs.append(best.cost)
    assert costs == sorted(set(costs))
    # Even with all the pressure gone the speed may not have fallen enough.
    answer = explain(asked(speed_by_pressure(0.5, held=(-0.9, 0.9))), Fast())
    assert isinstance(answer, Abstained)
    assert answer.chance < 0.1


def test_an_action_whose_effects_nobody_can_tell_is_never_an_answer() -> None:
    graph = Graph.of(5, [(PRESSURE, SPEED)])
    unknown = CausalModel(SCHEMA.names, graph, (None,) * 5)
    members = draw_members(unknown, np.random.default_rng(0), 4)
    problem = asked(CausalConsequences(unknown, members, 2.5, 0.9, np.zeros(5)))
    action = ALARM.copy()
    action[PRESSURE] = 0.0
    assert not problem.allowed(action[None, :])[0]
    assert not checked(problem, action).holds
    assert not isinstance(explain(problem, Fast()), Recourse)


def test_a_range_is_kept_by_what_follows_and_a_freeze_only_by_what_is_set() -> None:
    policy = Policy.read({}, SCHEMA, decision(Task.BINARY))

    def ask(low: float) -> object:
        keep = {"freeze": ["speed", "mode", "grade", "flow"], "ranges": {"speed": [low, 100]}}
        problem = policy.problem(ALARM, constraints=read_constraints(keep, SCHEMA))
        return explain(replace(problem, consequences=speed_by_pressure(0.1, 0.0)), Fast())

    found = ask(55.0)
    assert isinstance(found, Recourse)
    (best,) = found.counterfactuals
    assert [a.column for a in best.actions] == [PRESSURE]
    assert 55.0 <= best.row[SPEED] < 60.0
    assert isinstance(ask(60.0), Infeasible)
