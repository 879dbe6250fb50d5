"""One question, one answer: ``explain(problem, predictor)``."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from explainers.answer import (
    AlreadyTarget,
    Answer,
    Counterfactual,
    Infeasible,
    Prediction,
    Recourse,
    Unknown,
    Work,
)
from explainers.deadline import Deadline
from explainers.problem import Problem
from explainers.search.blackbox import Blackbox
from explainers.search.engine import Engine, Meter, Outcome
from explainers.verify import Rejection, predicted, verify
from models.predictor import Predictor

NEVER = Deadline.never()


def explain(
    problem: Problem,
    predictor: Predictor,
    *,
    engine: Engine | None = None,
    deadline: Deadline = NEVER,
) -> Answer:
    """The smallest allowed change that puts the prediction in the target, or why there is none.

    The same problem and predictor give the same answer, unless the deadline cuts the search;
    then ``answer.work.deadline_hit`` says so.

    Raises
    ------
    GraphError
        If the model cannot score rows.

    Examples
    --------
    >>> answer = explain(policy.problem(factual), predictor)          # doctest: +SKIP
    >>> answer.counterfactuals[0].actions                             # doctest: +SKIP
    (Action(column=3, factual=60.7, counterfactual=53.2, sufficient_range=None),)
    """
    engine = engine or Blackbox()
    scores = predictor.score(np.array([problem.factual]))
    prediction = predicted(problem.target.decision, scores)
    meter = Meter(predictor, deadline)
    if problem.target.met(scores)[0]:
        return AlreadyTarget(prediction, Work("none", 1, 1))
    if problem.conflict is not None:
        return Infeasible(prediction, problem.conflict, Work("propagation", 1, 1))

    found: list[Counterfactual] = []
    question, deadline_hit = problem, False
    while True:
        outcome = engine.search(question, meter, deadline)
        deadline_hit |= outcome.deadline_hit
        counterfactual = _first_verified(question, predictor, outcome)
        if counterfactual is None:
            break
        found.append(counterfactual)
        if len(found) == problem.alternatives:
            break
        deadline_hit |= deadline.expired()
        if deadline_hit:
            break
        question = question.excluding(frozenset(a.column for a in counterfactual.actions))
        if question.conflict is not None:
            break
    # The factual and each published row are scored once outside the search.
    name = outcome.engine or engine.name
    work = Work(name, meter.rows + 1 + len(found), meter.runs + 1 + len(found), deadline_hit)
    if found:
        return Recourse(prediction, tuple(found), work)
    return _nothing(problem, prediction, outcome, work)


def _first_verified(
    problem: Problem, predictor: Predictor, outcome: Outcome
) -> Counterfactual | None:
    """The cheapest proposal that holds. If a cheaper one did not, the engine erred somewhere,
    so its bound is not repeated."""
    for rank, row in enumerate(outcome.candidates):
        verified = verify(problem, predictor, row)
        if not isinstance(verified, Rejection):
            bound = outcome.lower_bound if rank == 0 else None
            return replace(verified, lower_bound=bound)
    return None


def _nothing(problem: Problem, prediction: Prediction, outcome: Outcome, work: Work) -> Answer:
    decision = problem.target.decision
    best = None if outcome.nearest is None else predicted(decision, outcome.nearest)
    if outcome.is_infeasible and not len(outcome.candidates):
        return Infeasible(prediction, problem.constraints, work, best)
    return Unknown(prediction, work, best)
