"""What an answer must be, given what brute force found."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from explainers.answer import Answer, Infeasible, Recourse, Status
from explainers.problem import Problem
from models.predictor import Predictor
from models.schema import Task
from tests.support.bruteforce import Predicate, cheapest
from tests.support.generated import SCHEMA
from tests.support.questions import price


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
