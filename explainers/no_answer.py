"""Why there is no answer: nothing was found, nothing is sure enough, or nothing is allowed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from ifonly.explainers.answer import (
    Abstained,
    Answer,
    Blocker,
    Counterfactual,
    Infeasible,
    Prediction,
    Recourse,
    Relaxation,
    Unknown,
)
from ifonly.explainers.deadline import Deadline
from ifonly.explainers.errors import DeadlineReached
from ifonly.explainers.infeasible_subsystem import infeasible_subsystem, without
from ifonly.explainers.inquiry import Inquiry
from ifonly.explainers.problem import Problem
from ifonly.explainers.proposals import chance_later, counterfactual_of, over_graphs, proposal_of
from ifonly.explainers.search.engine import SearchOutcome, reaches, tells_quickly
from ifonly.explainers.target import Demand
from ifonly.explainers.transcript import goal_of
from ifonly.explainers.verify import Checker, Proposal
from ifonly.models.predictor import Row, Rows

SHARE_OF_SUBSYSTEM = 0.5
"""Part of the time that is left in which it is shown what an irreducible set is."""
MOST_AROUND = 64
"""Levers of whose ends the model is asked before it is said that nothing is allowed."""


@dataclass(frozen=True, eq=False)
class Unanswered:
    """A question to which a search has found no answer that holds."""

    problem: Problem
    checker: Checker
    asking: Inquiry
    prediction: Prediction
    """Of the factual."""
    outcome: SearchOutcome
    """Of that search."""

    def answer(self) -> Answer:
        """Why there is none; unless what is claimed of it is refuted by a row at hand."""
        problem, outcome = self.problem, self.outcome
        # Cut by the deadline, a surer action might still have come.
        if problem.conflict is None and outcome.unsure is not None and not outcome.deadline_hit:
            answer = self._unsure(outcome.unsure)
            if answer is not None:
                return answer
        is_proven = outcome.is_infeasible and not len(outcome.candidates)
        if problem.conflict is None and not is_proven:
            best = self._nearest(proven=False)
            return Unknown(self.prediction, self.asking.work(outcome, outcome.deadline_hit), best)
        if is_proven and problem.conflict is None:
            self._look_around()
        claim = self._infeasible()
        refuted = self._refuted(claim.relaxation)
        # Rows at hand are checked against the claim: it costs one call, and catches a wrong proof.
        if refuted is None:
            return claim
        self.asking.reject(refuted.row, ("infeasible was claimed, and it holds",))
        work = self.asking.work(outcome, outcome.deadline_hit)
        return Recourse(self.prediction, (refuted,), work)

    def _look_around(self) -> None:
        """Score rows with one lever at either end of what is allowed. A mathematical proof scores
        none, so a model that gives no numbers would pass unseen.

        Raises
        ------
        NotFinite
            If one of its scores is no number.
        """
        problem = self.problem
        levers = problem.movable[:MOST_AROUND]
        actions = np.repeat(problem.factual[None, :], 2 * len(levers), axis=0)
        for k, j in enumerate(levers):
            axis = problem.axes[j]
            actions[2 * k : 2 * k + 2, j] = axis.values(np.array([0, len(axis) - 1]))
        rows = problem.rows_of(actions)
        rows = rows[problem.allowed(actions, rows)]
        if len(rows):
            with self.asking.watch("search"):
                self.asking.deployed.score(rows)

    def _unsure(self, action: Row) -> Answer | None:
        """``action``, the surest that was found, as an abstention: it is allowed, and flips as is
        believed, but not surely enough. None if that is not so; an answer if it is sure enough."""
        problem, asking = self.problem, self.asking
        proposal = proposal_of(problem, action)
        for of_session in (False, True):  # as :meth:`Inquiry.best` asks
            under = self.checker if of_session else self.checker.firm(asking.rounding)
            with asking.watch("verify"):
                report = under.check(proposal)
            if report.holds:
                asking.reject(action, ("abstained was claimed, and it is sure enough",))
                found = counterfactual_of(problem, proposal, report, {})
                found = replace(found, rests_on_rounding=of_session)
                sure = asking.assured(problem, found)
                return Recourse(self.prediction, (sure,), asking.work(self.outcome, False))
            if report.chance is not None and report.broken == {"certainty"}:
                work = asking.work(self.outcome, False)
                later = chance_later(report)
                return Abstained(self.prediction, report.chance, work, over_graphs(report), later)
        asking.reject(action, report.reasons, "abstained: ")
        return None

    def _infeasible(self) -> Infeasible:
        problem, asking, outcome = self.problem, self.asking, self.outcome
        # Settled by the constraints alone, without the model.
        if problem.conflict is not None:
            relaxation = self.cheapest_relaxation(problem.conflict)
            work = asking.work(replace(outcome, engine="propagation"), asking.deadline.expired())
            return Infeasible(self.prediction, problem.conflict, work, relaxation=relaxation)
        # What lifting each would bring, and how near anything comes, take time as well.
        until = asking.deadline.sooner(SHARE_OF_SUBSYSTEM)
        with asking.watch("search"):
            blocked_by, known = infeasible_subsystem(
                problem, partial(self._reaches, until), is_quick=tells_quickly(asking.engine)
            )
        is_cut = until.expired()
        best = self._nearest(proven=True)
        demand = problem.target.demand
        # It is named only where the decision alone could be reached, so that can be offered.
        if demand is not None and demand in blocked_by:
            relaxation = self.surest_relaxation(demand, best)
        else:
            relaxation = self.cheapest_relaxation(blocked_by, known)
        work = asking.work(outcome, is_cut or asking.deadline.expired())
        return Infeasible(self.prediction, blocked_by, work, best, relaxation)

    def _refuted(self, relaxation: Relaxation | None) -> Counterfactual | None:
        """An answer after all: a row seen in service, or what the relaxation proposes."""
        problem = self.problem
        seen = [] if problem.references is None else problem.references.tolist()
        if relaxation is not None:
            seen.append(relaxation.counterfactual.action_on(problem.factual).tolist())
        with self.asking.watch("verify"):
            found = self.checker.contradicted(math.inf, seen)
        if found is None:
            return None
        proposal = Proposal(found.action, found.row, found.cost)
        return counterfactual_of(problem, proposal, found, {})

    def _nearest(self, *, proven: bool) -> Prediction | None:
        asking, problem, scores = self.asking, self.problem, self.outcome.nearest
        # Another search, worth its time only where it is sure that nothing is in the target.
        if scores is None and proven and not asking.deadline.expired():
            with asking.watch("search"), suppress(DeadlineReached):
                scores = asking.engine.nearest(problem, asking.meter, asking.deadline)
        return None if scores is None else Prediction.of(problem.target.decision, scores)

    def _reaches(self, until: Deadline, problem: Problem) -> Row | bool | None:
        if until.expired():
            return None
        return reaches(self.asking.engine, problem, self.asking.meter.until(until), until)

    def cheapest_relaxation(
        self, blocked_by: Sequence[Blocker], known: Rows | None = None
    ) -> Relaxation | None:
        """The cheapest answer once one constraint is lifted. Only a member of every blocking set is
        enough by itself, so a member of this one. ``known``: actions that lead into the target and
        keep some constraints; what they make likely to be cheapest is looked for first."""
        found, least = [], math.inf
        relaxations = [(lifted, without(self.problem, lifted)) for lifted in blocked_by]
        if known is not None and len(known):
            relaxations.sort(key=lambda each: _least_cost(each[1], known))
        for lifted, relaxed in relaxations:
            # What lifting another brings already is not to be had dearer.
            relaxed = replace(relaxed, below=least)
            if not self.asking.deadline.expired():
                under = _relaxed(self.checker, relaxed, lifted)
                counterfactual, _ = self.asking.best(relaxed, under)
                if counterfactual is not None:
                    found.append(Relaxation(lifted, counterfactual, self.problem.target))
                    least = min(least, counterfactual.cost)
        return min(found, key=lambda r: r.counterfactual.cost, default=None)

    def surest_relaxation(self, demand: Demand, best: Prediction | None) -> Relaxation | None:
        """The cheapest answer with the greatest probability that can be reached, in whole percent;
        where that does not hold, the cheapest that is decided as wanted."""
        problem, checker = self.problem, self.checker
        alone = problem.target.decision_alone
        targets = [alone]
        if best is not None and math.isfinite(demand.lower):
            # Rounded down to whole percent, so that it can be reached and said in few digits.
            reached = math.floor(100.0 * alone.measure(np.array([best.scores]))[0]) / 100.0
            # Then the decision alone, in case nothing reaches that after all.
            targets = [replace(alone, lower=reached), alone]
        for target in targets:
            if self.asking.deadline.expired():
                break
            under = checker.under(checker.terms.aiming(goal_of(target)))
            asked = replace(problem, target=target, alternatives=1)
            counterfactual, _ = self.asking.best(asked, under)
            if counterfactual is not None:
                return Relaxation(demand, counterfactual, target)
        return None


def _least_cost(problem: Problem, actions: Rows) -> float:
    """Of the actions that are allowed; infinity if none is."""
    allowed = actions[problem.allowed(actions)]
    return float(problem.cost_of(allowed).min()) if len(allowed) else math.inf


def _relaxed(checker: Checker, relaxed: Problem, lifted: Blocker) -> Checker:
    terms = checker.terms
    if isinstance(lifted, Demand):
        return checker.under(terms.aiming(goal_of(relaxed.target)))
    return checker.under(terms.without(lifted.origin.key))
