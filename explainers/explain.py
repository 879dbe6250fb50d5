"""One question, one answer: ``explain(problem, predictor)``."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from explainers.answer import (
    Abstained,
    AlreadyTarget,
    Answer,
    Blocker,
    Counterfactual,
    Infeasible,
    Prediction,
    Recourse,
    Relaxation,
    Unknown,
    Work,
)
from explainers.blocking import blocking_set, without
from explainers.deadline import Deadline
from explainers.errors import DeadlineReached
from explainers.image import Assurance
from explainers.problem import Problem
from explainers.search.blackbox import Blackbox
from explainers.search.engine import Engine, Meter, Outcome
from explainers.space import slack
from explainers.target import Demand
from explainers.verify import Rejection, predicted, verify
from explainers.watch import Watch, unwatched
from models.predictor import Predictor, Row
from models.schema import Kind

NEVER = Deadline.never()


def explain(
    problem: Problem,
    predictor: Predictor,
    *,
    engine: Engine | None = None,
    deadline: Deadline = NEVER,
    watch: Watch = unwatched,
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
    >>> from decimal import Decimal
    >>> from explainers.policy import Policy
    >>> from models.schema import Category, Decision, Feature, Kind, Schema, Task
    >>> torque = Feature("torque", Kind.CONTINUOUS, "Nm", 0.0, 100.0, Decimal("0.1"))
    >>> alarm = Decision(Task.BINARY, (Category("normal"), Category("alarm")), 1, 0.5, desired=0)
    >>> class AboveFifty:
    ...     def score(self, rows):
    ...         return (rows > 50.0).astype(float)
    >>> problem = Policy.read({}, Schema((torque,)), alarm).problem(np.array([53.2]))
    >>> explain(problem, AboveFifty()).counterfactuals[0].actions
    (Action(column=0, factual=53.2, counterfactual=50.0, sufficient_range=(0.0, 50.0)),)
    """
    meter = Meter(predictor, deadline)
    asking = _Asking(engine or Blackbox(), meter, deadline, watch)
    scores = asking.deployed.score(np.array([problem.factual]))
    prediction = predicted(problem.target.decision, scores)
    if problem.target.needs_nothing(scores)[0]:
        return AlreadyTarget(prediction, Work("none", meter.rows, meter.runs))

    first, outcome = asking.best(problem)
    if first is None:
        return asking.nothing(problem, prediction, outcome)
    found, deadline_hit = [first], outcome.deadline_hit
    question = problem
    while len(found) < problem.alternatives:
        deadline_hit |= deadline.expired()
        question = question.excluding(frozenset(a.column for a in found[-1].actions))
        if deadline_hit:
            break
        further, another = asking.best(question)
        deadline_hit |= another.deadline_hit
        if further is None:
            break
        found.append(further)
    with watch("complete"):
        completed = tuple(asking.completed(problem, counterfactual) for counterfactual in found)
    return Recourse(prediction, completed, asking.work(outcome, deadline_hit))


@dataclass
class _Asking:
    """One question's engine, model and clock."""

    engine: Engine
    meter: Meter
    deadline: Deadline
    watch: Watch

    @cached_property
    def deployed(self) -> Meter:
        """The model, for what must be asked of it even after the deadline."""
        return self.meter.until(NEVER)

    def best(self, problem: Problem) -> tuple[Counterfactual | None, Outcome]:
        """The cheapest proposal that holds. If a cheaper one did not, or if the one that holds
        is cheaper than the bound, an engine erred somewhere, so its bound is not repeated."""
        with self.watch("search"):
            outcome = self.engine.search(problem, self.meter, self.deadline)
        for rank, row in enumerate(outcome.candidates):
            with self.watch("verify"):
                verified = verify(problem, self.deployed, row)
            if not isinstance(verified, Rejection):
                bound = outcome.lower_bound if rank == 0 else None
                if bound is not None and verified.cost < bound - slack(bound):
                    bound = None
                enumerated = outcome.enumerated if rank == 0 else 0
                return replace(verified, lower_bound=bound, enumerated=enumerated), outcome
        return None, outcome

    def completed(self, problem: Problem, counterfactual: Counterfactual) -> Counterfactual:
        """Each action of a number with the values that would do as well, and how sure it is."""
        row = problem.factual.copy()
        for action in counterfactual.actions:
            row[action.column] = action.counterfactual
        actions = []
        for action in counterfactual.actions:
            if problem.schema.features[action.column].kind is not Kind.NOMINAL:
                try:
                    ends = self.engine.sufficient_range(problem, self.meter, row, action.column)
                    action = replace(action, sufficient_range=ends)
                except DeadlineReached:
                    pass  # the answer stands without it
            actions.append(action)
        assurance = self._assurance(problem, row, [a.column for a in actions])
        return replace(counterfactual, actions=tuple(actions), assurance=assurance)

    def _assurance(self, problem: Problem, action: Row, columns: list[int]) -> Assurance | None:
        if problem.image is None:
            return None
        margin = problem.margin(self.deployed.score)
        return problem.image.assurance(problem.factual, columns, action[columns], margin)

    def nothing(self, problem: Problem, prediction: Prediction, outcome: Outcome) -> Answer:
        if problem.conflict is not None:
            relaxation = self.cheapest_relaxation(problem, problem.conflict)
            work = self.work(replace(outcome, engine="propagation"), self.deadline.expired())
            return Infeasible(prediction, problem.conflict, work, relaxation=relaxation)
        if outcome.unsure is not None and not outcome.deadline_hit:
            found = problem.trust(outcome.unsure[None, :], self.deployed.score)
            return Abstained(prediction, float(found.chance[0]), self.work(outcome, False))
        if not outcome.is_infeasible or len(outcome.candidates):
            best = self._nearest(problem, outcome, proven=False)
            return Unknown(prediction, self.work(outcome, outcome.deadline_hit), best)
        blocked_by = blocking_set(problem, self._reaches)
        best = self._nearest(problem, outcome, proven=True)
        demand = problem.target.demand
        if demand is not None and demand in blocked_by:
            relaxation = self.surest_relaxation(problem, demand, best)
        else:
            relaxation = self.cheapest_relaxation(problem, blocked_by)
        work = self.work(outcome, self.deadline.expired())
        return Infeasible(prediction, blocked_by, work, best, relaxation)

    def _nearest(self, problem: Problem, outcome: Outcome, *, proven: bool) -> Prediction | None:
        scores = outcome.nearest
        if scores is None and proven and not self.deadline.expired():
            scores = self.engine.nearest(problem, self.meter, self.deadline)
        return None if scores is None else predicted(problem.target.decision, scores)

    def _reaches(self, problem: Problem) -> bool | None:
        if self.deadline.expired():
            return None
        outcome = self.engine.search(problem, self.meter, self.deadline)
        if len(outcome.candidates):
            return True
        return False if outcome.is_infeasible else None

    def cheapest_relaxation(
        self, problem: Problem, blocked_by: Sequence[Blocker]
    ) -> Relaxation | None:
        """Only a member of every blocking set can be enough by itself, so of this one too."""
        found = []
        for lifted in blocked_by:
            relaxed = without(problem, lifted)
            if not self.deadline.expired():
                counterfactual, _ = self.best(relaxed)
                if counterfactual is not None:
                    found.append(Relaxation(lifted, counterfactual, problem.target))
        return min(found, key=lambda r: r.counterfactual.cost, default=None)

    def surest_relaxation(
        self, problem: Problem, demand: Demand, best: Prediction | None
    ) -> Relaxation | None:
        """The cheapest of what is as probable as can be reached, in whole percent; where that is
        not sure enough, of what is decided as wanted."""
        alone = problem.target.decision_alone
        targets = [alone]
        if best is not None and math.isfinite(demand.lower):
            reached = math.floor(100.0 * alone.measure(np.array([best.scores]))[0]) / 100.0
            targets = [replace(alone, lower=reached), alone]
        for target in targets:
            if self.deadline.expired():
                break
            counterfactual, _ = self.best(replace(problem, target=target, alternatives=1))
            if counterfactual is not None:
                return Relaxation(demand, counterfactual, target)
        return None

    def work(self, outcome: Outcome, deadline_hit: bool) -> Work:
        name = outcome.engine or self.engine.name
        return Work(name, self.meter.rows, self.meter.runs, deadline_hit, self.meter.nodes)
