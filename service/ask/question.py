"""What one request asks for, as domain values, and the problem that it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from ifonly.explainers.constraints import Constraint
from ifonly.explainers.problem import Problem
from ifonly.explainers.target import Target
from ifonly.explainers.verify import Asked, Checker
from ifonly.models.predictor import Row
from ifonly.service.served.causal_model import Semantics, of_history
from ifonly.service.served.registry import ServedModel


@dataclass(frozen=True)
class MenuQuestion:
    """Sets of at most so many levers, each by itself."""

    max_levers: int
    only: tuple[int, ...] | None = None
    """Columns that sets are made of; None: all that may be set."""


@dataclass(frozen=True, eq=False)
class Question:
    """What one request asks for, as domain values."""

    factual: Row
    target: Target
    target_is_named: bool
    """Whether the request names the target; if not, it is the model's desired class."""
    constraints: tuple[Constraint, ...] = ()
    alternatives: int = 1
    ways: bool = False
    """Whether named ways are wanted beside the smallest."""
    joint_box: bool = False
    """Whether the box is wanted in which all values of an answer may be chosen at once."""
    menu: MenuQuestion | None = None
    """Which sets of levers are asked about; None: none."""
    seed: int = 0
    semantics: Semantics = Semantics.INDEPENDENT
    # Kept beside the target as read: a checker that took our reading would share its mistakes.
    target_as_asked: Mapping[str, Any] | None = None
    """The request's own ``target``, for the checker, which reads it by itself."""
    constraints_as_asked: Mapping[str, Any] = field(default_factory=dict)
    """The request's own ``constraints``, likewise."""

    @property
    def asked(self) -> Asked:
        """The request as it was written."""
        return Asked(
            self.target_as_asked, self.constraints_as_asked, self.semantics.value, self.seed
        )


class Rung(StrEnum):
    """Of Pearl's ladder."""

    ASSOCIATION = "association"
    """Another row is asked about; nothing follows from what is set."""
    INTERVENTION = "intervention"
    """Any machine that reads the same where nothing moves: the noise of what follows is redrawn."""
    COUNTERFACTUAL = "counterfactual"
    """This machine, with the noise that it had."""


def checker_of(model: ServedModel, question: Question) -> Checker:
    """Checks answers to ``question``, by the model's documents and its deployed graph."""
    factual = tuple(question.factual.tolist())
    return Checker(model.rulebook.terms(question.asked), factual, model.deployed.predictor.score)


def problem_of(model: ServedModel, question: Question) -> Problem:
    """The question under the model's policy, and with what follows by its causal model."""
    robust = question.constraints_as_asked.get("robust")
    # Of what was otherwise nobody asks whether it can be set: there is no advice to hold.
    if question.semantics is Semantics.BACKTRACKING:
        robust = robust or False
    problem = model.policy.problem(
        question.factual,
        question.target,
        constraints=question.constraints,
        robust=robust,
        alternatives=question.alternatives,
        seed=question.seed,
    )
    # A model may be asked as if nothing followed, also where a causal model is accepted.
    causal = None if question.semantics is Semantics.INDEPENDENT else model.causal
    if causal is None:
        # What a profile moves follows from it whatever is asked.
        return problem if model.moves is None else problem.following(model.moves)
    if question.semantics is Semantics.BACKTRACKING:
        kept = (*of_history(problem.constraints), *causal.of_history)
        return problem.following(causal.history, kept)
    # The graph adds limits: what it calls fixed or a consequence is never set.
    limits = (*problem.constraints, *causal.constraints)
    return problem.following(causal.consequences, limits)
