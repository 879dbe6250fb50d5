"""The shipped model: rows, costs and verdicts of the checker are those of the engines' own
definitions, on some hundred random actions by each semantics."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from ifonly.explainers.problem import Problem
from ifonly.explainers.verify import Proposal
from ifonly.models.predictor import Row, Rows
from ifonly.service.ask.question import Question, checker_of, problem_of
from ifonly.service.served.causal_model import Semantics
from tests.support.answered import MILLING, served

N_ACTIONS = 120
AMONG = 60
"""Questions' rows are taken from so many reference rows."""


def actions_on(problem: Problem, draw: np.random.Generator) -> Rows:
    """One to three levers each; two thirds on what may be set, one third anywhere on the grid."""
    found = np.repeat(problem.factual[None], N_ACTIONS, axis=0)
    for action in found:
        for j in draw.permutation(len(action))[: draw.integers(1, 4)]:
            axes = problem.axes_if_set if draw.random() < 0.67 else problem._whole
            numbers = axes[j].values(np.array([draw.integers(0, len(axes[j]))]))
            action[j] = numbers[0]
    return found


def questions() -> list[Row]:
    model = served(MILLING)
    reference = model.deployed.reference
    assert reference is not None
    rows = [example.row for example in model.deployed.examples]
    scores = model.deployed.predictor.score(reference[:AMONG])
    return [*rows, *reference[:AMONG][scores[:, 0] > 0.3]]


@pytest.mark.parametrize("semantics", list(Semantics))
def test_of_random_actions_the_checker_says_what_the_engines_definitions_say(
    semantics: Semantics,
) -> None:
    model = served(MILLING)
    score = model.deployed.predictor.score
    found: Counter[tuple[bool, bool]] = Counter()
    for seed, factual in enumerate(questions()):
        # Survival is no definition that a row keeps or breaks: engines prove it.
        question = Question(
            factual, model.policy.target(), False, semantics=semantics,
            constraints_as_asked={"robust": False},
        )  # fmt: skip
        problem, checker = problem_of(model, question), checker_of(model, question)
        actions = actions_on(problem, np.random.default_rng(seed))
        rows, costs = problem.rows_of(actions), problem.cost_of(actions)
        allowed = problem.allowed(actions, rows)
        holds = allowed.copy()
        holds[allowed] = problem.target.met(score(rows[allowed]))
        holds[holds] = problem.trust(actions[holds], score).holds
        claims = zip(actions.tolist(), rows.tolist(), costs.tolist(), strict=True)
        for k, report in enumerate(checker.check_all([Proposal(*claim) for claim in claims])):
            assert report.holds == holds[k], (seed, k, report.reasons)
            assert "row" not in {c.name for c in report.checks if not c.holds}
            assert report.row == pytest.approx(rows[k], rel=1e-9)
            found[bool(allowed[k]), report.holds] += 1
    assert min(found[key] for key in ((True, True), (True, False), (False, False))) > 20, found
