"""One change for many: long grids, several models, what is cut, and what the checker takes back."""

from __future__ import annotations

import math
from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest

from ifonly.explainers.common.ask import CommonQuestion, common
from ifonly.explainers.common.judge import ChangeJudge
from ifonly.explainers.common.levers import Ints
from ifonly.explainers.constraints import Mask, Origin, Source, Survives
from ifonly.explainers.deadline import Deadline
from ifonly.explainers.errors import InvalidPolicy, NotEligible
from ifonly.explainers.policy import Policy
from ifonly.explainers.problem import Problem
from ifonly.explainers.remedy import CommonKind, Uncleared
from ifonly.explainers.terms import Status
from ifonly.models.predictor import Rows, Scores
from ifonly.models.schema import Category, Decision, Feature, Kind, Schema, Task

ALARM = Decision(Task.BINARY, (Category("normal"), Category("alarm")), 1, 0.5, desired=0)


class AboveFifty:
    """An alarm where torque and speed together are above 50."""

    def score(self, rows: Rows) -> Scores:
        return np.asarray((rows.sum(axis=1) > 50.0).astype(float)[:, None])


def problems(*torques: float, step: str = "0.5", top: float = 100.0) -> list[Problem]:
    schema = Schema(
        (
            Feature("torque", Kind.CONTINUOUS, "Nm", 0.0, top, Decimal(step)),
            Feature("speed", Kind.CONTINUOUS, "rpm", 0.0, 40.0, Decimal(10)),
        )
    )
    policy = Policy.read({"features": {"torque": {"range": [10, top]}}}, schema, ALARM)
    return [policy.problem(np.array([torque, 0.0])) for torque in torques]


def test_what_is_out_of_range_on_one_machine_is_not_cut_to_its_range() -> None:
    answer = common(CommonQuestion(problems(55.0, 60.0, 99.0), max_levers=1), AboveFifty())
    assert answer.best is not None
    assert answer.best.cleared == (0, 1)
    assert answer.bound == 2
    assert answer.status is Status.OPTIMAL
    (last,) = (o for o in answer.best.outcomes if not o.cleared)
    assert last.why is Uncleared.STILL_ALARM


def test_of_a_long_grid_some_values_are_looked_at_and_nothing_is_called_proven() -> None:
    asked = CommonQuestion(problems(55.0, 60.0, step="0.001"), max_levers=1)
    answer = common(asked, AboveFifty())
    assert answer.best is not None
    assert answer.best.coverage == 2
    assert answer.best.status is Status.FEASIBLE
    # Still the number of alarms: nothing clears more than all.
    assert answer.bound == 2


def test_a_reading_off_the_grid_is_moved_from_the_nearest_value() -> None:
    answer = common(CommonQuestion(problems(55.2, 55.25), max_levers=1, levers=[0]), AboveFifty())
    assert answer.best is not None
    ends = [o.actions[0].counterfactual for o in answer.best.outcomes]
    # 55.2 counts as 55.0, and 55.25, halfway, too.
    assert (answer.best.settings[0].value, ends) == (-5.0, [50.0, 50.0])


def test_a_search_that_is_cut_tells_a_bound() -> None:
    ticks = iter(range(10_000))
    deadline = Deadline(3.0, clock=lambda: float(next(ticks)))
    answer = common(CommonQuestion(problems(55.0, 60.0)), AboveFifty(), deadline=deadline)
    assert answer.work.deadline_hit
    assert answer.bound == 2
    assert answer.status in (Status.UNKNOWN, Status.FEASIBLE)


def test_what_the_checker_finds_cleared_takes_the_proofs_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    met = ChangeJudge._met

    def blind(self: ChangeJudge, alarms: Ints, actions: Rows, rows: Rows) -> Mask:
        return np.asarray(met(self, alarms, actions, rows) & (alarms != 1))

    monkeypatch.setattr(ChangeJudge, "_met", blind)
    answer = common(CommonQuestion(problems(55.0, 54.0), max_levers=1, levers=[0]), AboveFifty())
    assert answer.work.rejected
    assert answer.status is Status.FEASIBLE
    assert answer.bound == 2


def test_what_nobody_can_prove_to_survive_is_not_claimed() -> None:
    survives = Survives((0.5, 0.0), origin=Origin(Source.REQUEST, "constraints.robust"))
    asked = [replace(p, constraints=(*p.constraints, survives)) for p in problems(55.0)]
    with pytest.raises(NotEligible, match="robust"):
        common(CommonQuestion(asked), AboveFifty())


@pytest.mark.parametrize(
    ("asked", "key"),
    [
        (lambda: CommonQuestion([]), "rows"),
        (lambda: CommonQuestion(problems(55.0), max_levers=0), "max_levers"),
        (lambda: CommonQuestion(problems(55.0), max_levers=4), "max_levers"),
        (lambda: CommonQuestion(problems(55.0) + problems(55.0, step="0.1")), "rows"),
    ],
)
def test_what_is_no_question_is_refused_by_its_key(asked: object, key: str) -> None:
    assert callable(asked)
    with pytest.raises(InvalidPolicy) as refused:
        asked()
    assert refused.value.key == key


def test_the_order_of_the_alarms_changes_nothing() -> None:
    found = [
        common(CommonQuestion(problems(*order), CommonKind.EITHER), AboveFifty()).best
        for order in ((55.0, 60.0, 70.0), (70.0, 55.0, 60.0))
    ]
    one, other = (f for f in found if f is not None)
    assert (one.settings, one.coverage) == (other.settings, other.coverage)
    assert math.isclose(one.cost, other.cost)


def test_an_alarm_twice_counts_twice() -> None:
    answer = common(CommonQuestion(problems(55.0, 55.0)), AboveFifty())
    assert answer.best is not None
    assert answer.best.cleared == (0, 1)
