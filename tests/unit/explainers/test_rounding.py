"""Answers that hold whatever the order of a float32 sum."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest

from ifonly.explainers.answer import AlreadyTarget, Infeasible, Recourse
from ifonly.explainers.explain import explain
from ifonly.explainers.policy import Policy
from ifonly.explainers.target import Target
from ifonly.explainers.transcript import goal_of, terms_of
from ifonly.explainers.verify import Checker, Proposal
from ifonly.explainers.verify.limits import few_changes
from ifonly.explainers.wording import Wording
from ifonly.models.predictor import Rows, Scores
from ifonly.models.rounding import UNKNOWN, Known, Rounding
from ifonly.models.schema import Category, Decision, Feature, Kind, Schema, Task

CLASSES = tuple(map(Category, ("normal", "worn", "broken")))
BINARY = Decision(Task.BINARY, CLASSES[:2], 1, 0.5, desired=0)
MULTICLASS = Decision(Task.MULTICLASS, CLASSES, desired=0)
VALUE = Decision(Task.REGRESSION, CLASSES[:2], 1, 0.5, desired=0)


def flat(size: float, n: int = 1) -> Rounding:
    return Rounding((size,) * n, (0.0,) * n, Known.BOUNDED)


def test_a_target_is_met_where_it_is_whatever_the_rounding() -> None:
    firm = Target(BINARY, 0).firm(flat(0.01))
    scores = np.array([[0.485], [0.495], [0.5], [0.505]])
    assert firm.met(scores).tolist() == [True, False, False, False]
    assert firm.plain.met(scores).tolist() == [True, True, False, False]


def test_the_positive_class_must_be_reached_from_below_the_limit() -> None:
    firm = Target(BINARY, 1).firm(flat(0.01))
    assert firm.met(np.array([[0.505], [0.52]])).tolist() == [False, True]


def test_both_ends_of_an_interval_are_kept() -> None:
    firm = Target(VALUE, lower=0.2, upper=0.4).firm(flat(0.01))
    assert firm.met(np.array([[0.205], [0.215], [0.385], [0.395]])).tolist() == [
        False,
        True,
        True,
        False,
    ]


def test_a_tie_of_two_classes_is_no_decision() -> None:
    firm = Target(MULTICLASS, 0).firm(flat(1e-6, 3))
    scores = np.array([[0.43, 0.43, 0.14], [0.43, 0.43 - 1e-6, 0.14], [0.44, 0.43, 0.13]])
    assert firm.met(scores).tolist() == [False, False, True]
    assert Target(MULTICLASS, 0).met(scores).all()


def test_each_class_has_a_rounding_of_its_own() -> None:
    rounding = Rounding((0.0, 0.0, 0.1), (0.0, 0.0, 0.0), Known.BOUNDED)
    firm = Target(MULTICLASS, 0).firm(rounding)
    assert firm.met(np.array([[0.40, 0.39, 0.21], [0.40, 0.25, 0.35]])).tolist() == [True, False]


def test_a_probability_at_its_end_is_hardly_rounded() -> None:
    rounding = Rounding((1e-7,), (1e-3,), Known.BOUNDED)
    np.testing.assert_allclose(
        rounding.of(np.array([[0.0], [0.5], [1.0]]))[:, 0], [1e-7, 2.501e-4, 1e-7]
    )


@pytest.mark.parametrize("seed", range(20))
def test_the_margin_is_positive_where_the_target_is_met_and_negative_where_not(seed: int) -> None:
    draw = np.random.default_rng(seed)
    scores = draw.dirichlet(np.ones(3), 500)
    firm = Target(MULTICLASS, 1, lower=0.4, upper=0.9).firm(flat(0.02, 3))
    met, margin = firm.met(scores), firm.margin(scores)
    assert (margin[met] >= 0.0).all()
    assert (margin[~met] <= 0.0).all()
    assert met.any()
    assert not met.all()


@pytest.mark.parametrize("seed", range(20))
def test_a_target_is_met_where_no_scores_within_the_rounding_leave_it(seed: int) -> None:
    draw = np.random.default_rng(seed)
    scores = draw.dirichlet(np.ones(3) * 3, 50)
    rounding = Rounding((0.02, 0.01, 0.03), (0.05, 0.0, 0.02), Known.BOUNDED)
    target = Target(MULTICLASS, 1, lower=0.2, upper=0.6)
    found = target.firm(rounding).met(scores)
    off = rounding.of(scores)
    signs = np.array(np.meshgrid(*[[-1, 0, 1]] * 3)).reshape(3, -1).T
    walked = np.array(
        [target.met(row + signs * o).all() for row, o in zip(scores, off, strict=True)]
    )
    assert (found == walked).all()


@pytest.mark.parametrize(
    "target",
    [
        Target(BINARY, 0, lower=0.6),
        Target(BINARY, 1),
        Target(VALUE, lower=0.2, upper=0.4),
        Target(MULTICLASS, 2, lower=0.4),
    ],
)
def test_the_checker_s_reading_of_a_target_says_the_same(target: Target) -> None:
    n = len(CLASSES) if target.decision is MULTICLASS else 1
    scores = np.random.default_rng(4).dirichlet(np.ones(3), 400)[:, :n]
    rounding = Rounding((0.01, 0.002, 0.03)[:n], (0.05, 0.0, 0.1)[:n], Known.BOUNDED)
    goal, firm = goal_of(target), target.firm(rounding)
    assert [goal.met(s) for s in scores.tolist()] == target.met(scores).tolist()
    assert [goal.met(s, rounding) for s in scores.tolist()] == firm.met(scores).tolist()
    assert (firm.met(scores) != target.met(scores)).any()
    margins = [goal.margin(s, rounding) for s in scores.tolist()]
    assert margins == pytest.approx(firm.margin(scores).tolist(), abs=1e-12)


def test_a_firm_checker_stays_firm_with_one_limit_more() -> None:
    problem = Policy.read({}, SCHEMA, BINARY).problem(np.array([3.0]))
    checker = Checker(terms_of(problem), (3.0,), Steps(*HIGH[:4], 0.495, *HIGH[:6]).score)
    assert checker.check(Proposal([4.0])).holds
    firm = checker.firm(flat(0.01)).excluding(few_changes("policy.max_changes", 1))
    (reason,) = firm.check(Proposal([4.0])).reasons
    assert reason.startswith("target: ")


SCHEMA = Schema((Feature("level", Kind.INTEGER, "mm", 0, 10, Decimal(1)),))


class Steps:
    """One score for each level; knows its rounding."""

    def __init__(self, *scores: float, rounding: Rounding = UNKNOWN) -> None:
        self._scores = np.array(scores)
        self.rounding = rounding

    def score(self, rows: Rows) -> Scores:
        return np.asarray(self._scores[rows[:, 0].astype(int)][:, None])


def asked(level: int, *scores: float, size: float = 0.01) -> object:
    policy = Policy.read({}, SCHEMA, BINARY)
    return explain(policy.problem(np.array([float(level)])), Steps(*scores, rounding=flat(size)))


HIGH = (0.9,) * 11


def test_the_next_answer_that_does_not_rest_on_rounding_is_preferred() -> None:
    answer = asked(3, *HIGH[:3], 0.9, 0.495, 0.2, *HIGH[:5])
    assert isinstance(answer, Recourse)
    assert answer.counterfactuals[0].row == (5.0,)
    assert not answer.counterfactuals[0].rests_on_rounding


def test_an_answer_that_rests_on_rounding_says_so() -> None:
    answer = asked(3, *HIGH[:3], 0.9, 0.495, *HIGH[:6])
    assert isinstance(answer, Recourse)
    (found,) = answer.counterfactuals
    assert found.row == (4.0,)
    assert found.rests_on_rounding
    wording = Wording(SCHEMA, BINARY)
    assert "rests on rounding" in wording.sentence(answer, "en")
    assert "반올림 오차" in wording.sentence(answer, "ko")


def test_the_sufficient_range_of_a_firm_answer_is_firm() -> None:
    answer = asked(3, 0.9, 0.9, 0.9, 0.9, 0.495, 0.2, 0.1, 0.48, 0.4999, 0.9, 0.9)
    assert isinstance(answer, Recourse)
    assert answer.counterfactuals[0].actions[0].sufficient_range == (5.0, 7.0)


def test_what_nothing_reaches_even_by_rounding_is_infeasible() -> None:
    answer = asked(3, *(0.505,) * 11)
    assert isinstance(answer, Infeasible)


def test_the_factual_s_own_prediction_is_taken_as_it_is() -> None:
    assert isinstance(asked(3, *(0.4999,) * 11), AlreadyTarget)


def test_an_unknown_rounding_is_none() -> None:
    answer = explain(
        Policy.read({}, SCHEMA, BINARY).problem(np.array([3.0])),
        Steps(*HIGH[:4], 0.4999, *HIGH[:6]),
    )
    assert isinstance(answer, Recourse)
    assert not answer.counterfactuals[0].rests_on_rounding
