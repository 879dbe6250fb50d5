"""Answers that rest on what follows: decided by what plausible mechanisms say, or not given."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from explainers.answer import Abstained, Infeasible, Recourse, Status
from explainers.causal import CausalModel, Graph, draw_members
from explainers.causal.basis import Basis, Coordinates, Expansion
from explainers.causal.image import CausalImage
from explainers.causal.mechanism import Mechanism, Noise
from explainers.explain import explain
from explainers.policy import Policy, read_constraints
from explainers.problem import Problem
from explainers.transcript import terms_of
from explainers.verify import Checker, Proposal, Report
from explainers.wording import Grounds, Wording
from models.predictor import Rows, Scores
from models.schema import Task
from tests.support.generated import SCHEMA, decision

PRESSURE, SPEED = 0, 1
ALARM = np.array([1.75, 77.0, 0.0, 2.0, 0.1])


@dataclass(frozen=True)
class Fast:
    """The alarm is all about the speed."""

    def score(self, rows: Rows) -> Scores:
        return 1 / (1 + np.exp(-(rows[:, [SPEED]] - 60.0) / 10.0))


def speed_by_pressure(sd: float, gamma: float = 2.5, floor: float = 0.9) -> CausalImage:
    """The speed falls by 20 rpm a bar, give or take ``sd``."""
    expansion = Expansion(
        Coordinates.raw(1), np.array([[0], [1]]), np.empty((0, 1)), np.empty((0, 1))
    )
    slope = Basis(expansion, np.array([0.0, 20.0]), np.array([[0.0, 0.0], [0.0, sd]]))
    mechanisms = (None, Mechanism(slope, None, Noise(3.0)), None, None, None)
    roots = (Noise(0.5), None, None, None, None)
    model = CausalModel(SCHEMA.names, Graph.of(5, [(PRESSURE, SPEED)]), mechanisms, roots)
    members = draw_members(model, np.random.default_rng(0), 64)
    error = np.array([0.05, 2.0, 0.0, 0.0, 0.0])
    return CausalImage(model, members, gamma, floor, error, ((PRESSURE, SPEED),), whole=(SPEED,))


def asked(image: CausalImage) -> Problem:
    freeze = read_constraints({"freeze": ["speed", "mode", "grade", "flow"]}, SCHEMA)
    policy = Policy.read({}, SCHEMA, decision(Task.BINARY))
    return replace(policy.problem(ALARM, constraints=freeze), image=image)


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


def test_the_floor_is_a_demand_of_its_own() -> None:
    lenient, strict = (asked(speed_by_pressure(30.0, 0.0, floor)) for floor in (0.0, 0.99))
    assert isinstance(explain(lenient, Fast()), Recourse)
    assert isinstance(explain(strict, Fast()), Abstained)


def test_an_answer_says_what_sensor_errors_and_a_hidden_cause_would_do_to_it() -> None:
    answer = explain(asked(speed_by_pressure(2.0)), Fast())
    assert isinstance(answer, Recourse)
    found = answer.counterfactuals[0].assurance
    assert found is not None
    assert found.chance > 0.95
    assert 0.5 < found.survival <= 1.0
    (tie,) = found.ties
    assert tie.between == (PRESSURE, SPEED)
    assert tie.rho is not None
    assert 0.0 < abs(tie.rho) < 1.0


def test_an_action_whose_effects_nobody_can_tell_is_never_an_answer() -> None:
    graph = Graph.of(5, [(PRESSURE, SPEED)])
    unknown = CausalModel(SCHEMA.names, graph, (None,) * 5)
    members = draw_members(unknown, np.random.default_rng(0), 4)
    problem = asked(CausalImage(unknown, members, 2.5, 0.9, np.zeros(5)))
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
        return explain(replace(problem, image=speed_by_pressure(0.1, 0.0)), Fast())

    found = ask(55.0)
    assert isinstance(found, Recourse)
    (best,) = found.counterfactuals
    assert [a.column for a in best.actions] == [PRESSURE]
    assert 55.0 <= best.row[SPEED] < 60.0
    assert isinstance(ask(60.0), Infeasible)
