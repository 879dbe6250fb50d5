"""What an answer must be, given what brute force found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from ifonly.explainers.answer import AlreadyTarget, Answer, Infeasible, Recourse, Status
from ifonly.explainers.problem import Problem
from ifonly.models.predictor import Predictor
from ifonly.models.schema import Task
from tests.support.bruteforce import Predicate, cheapest
from tests.support.generated import SCHEMA
from tests.support.questions import price
from tests.support.tallied import KINDS

OPTIMAL, INFEASIBLE, ALREADY = KINDS


class Tally(Counter[str]):
    """How many questions came to what, each held to what brute force found."""

    def already(
        self,
        answer: Answer,
        problem: Problem,
        predictor: Predictor,
        met: Callable[[Any], Any],
    ) -> bool:
        """Whether the factual is in the target; the answer must say so if it is, and only then."""
        scores = predictor.score(problem.factual[None, :])
        is_met = bool(met(scores)[0])
        assert isinstance(answer, AlreadyTarget) == is_met
        if is_met:
            assert answer.prediction.scores == pytest.approx(scores[0], abs=1e-6)
            self[ALREADY] += 1
        return is_met

    def exact(self, answer: Answer, best: float | None) -> None:
        """The answer is the optimum, or proves that there is none."""
        check_exact(answer, best)
        self[INFEASIBLE if best is None else OPTIMAL] += 1

    def hold_at_least(self, least: Mapping[str, int]) -> None:
        """Enough of each kind were asked for the test to tell something."""
        missing = {kind: self[kind] for kind, count in least.items() if self[kind] < count}
        assert not missing, f"{missing}, of {dict(self)}: at least {dict(least)}"


def optimum(
    problem: Problem,
    model: Predictor,
    kept: Sequence[Predicate],
    met: Callable[[Any], Any],
) -> float | None:
    best = cheapest(SCHEMA, problem.factual, model, met, kept, price)
    return None if best is None else best[0]


def normal(task: Task) -> Callable[[Any], Any]:
    """Scores that decide for the desired class, written apart from ``Target``."""
    if task is Task.MULTICLASS:
        return lambda scores: scores.argmax(axis=1) == 0
    return lambda scores: scores[:, 0] < (0.5 if task is Task.BINARY else 0.3)


def check_exact(answer: Answer, best: float | None) -> None:
    if best is None:
        assert isinstance(answer, Infeasible)
    else:
        assert isinstance(answer, Recourse)
        assert answer.status is Status.OPTIMAL
        assert answer.counterfactuals[0].cost == pytest.approx(best, abs=1e-9)
