"""What leaves no recourse: an irreducible infeasible subsystem (IIS) of the constraints."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from ifonly.explainers.answer import Blocker
from ifonly.explainers.problem import Problem
from ifonly.explainers.target import Demand

Reaches = Callable[[Problem], bool | None]
"""Whether a question has an answer: yes, no (proven), or None where that was not settled."""


def infeasible_subsystem(problem: Problem, reaches: Reaches) -> tuple[Blocker, ...]:
    """An irreducible one: alone it leaves nothing in the target, and any one less leaves something.

    Deletion filtering (Chinneck and Dravnieks 1991): each in turn is left out, for good if nothing
    is in the target even so. What could not be settled is kept, so that a search that ran out of
    time gives a set that blocks and may be larger than it need be. The demand of the target is
    left out first: it is named only where the decision alone could be reached.
    """
    kept = list(liftable(problem))
    for candidate in liftable(problem):
        rest = [b for b in kept if b is not candidate]
        if reaches(with_only(problem, rest)) is False:
            kept = rest
    return tuple(kept)


def liftable(problem: Problem) -> tuple[Blocker, ...]:
    """Everything that can be lifted of a question."""
    demand = problem.target.demand
    return (*(() if demand is None else (demand,)), *problem.constraints)


def with_only(problem: Problem, kept: Sequence[Blocker]) -> Problem:
    """The same question with these constraints only, and with its demand if that is among them."""
    demanding = any(isinstance(b, Demand) for b in kept)
    target = problem.target if demanding else problem.target.decision_alone
    constraints = tuple(b for b in kept if not isinstance(b, Demand))
    return replace(problem, target=target, constraints=constraints, alternatives=1)


def without(problem: Problem, lifted: Blocker) -> Problem:
    """The same question without one of what can be lifted."""
    return with_only(problem, [b for b in liftable(problem) if b is not lifted])
