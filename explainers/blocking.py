"""What blocks recourse: a smallest set of constraints, and the least that would have to give."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from explainers.constraints import Constraint
from explainers.problem import Problem

Reaches = Callable[[Problem], bool | None]
"""Whether a question has an answer: yes, no (proven), or None where that was not settled."""


def blocking_set(problem: Problem, reaches: Reaches) -> tuple[Constraint, ...]:
    """Constraints that alone leave nothing in the target; without any one of them something is.

    Deletion filtering (Chinneck and Dravnieks 1991): each constraint in turn is left out, for
    good if nothing is in the target even so. What could not be settled is kept, so that a search
    that ran out of time gives a set that blocks and may be larger than it need be.
    """
    kept = list(problem.constraints)
    for candidate in problem.constraints:
        rest = [c for c in kept if c is not candidate]
        if reaches(with_only(problem, rest)) is False:
            kept = rest
    return tuple(kept)


def with_only(problem: Problem, constraints: Sequence[Constraint]) -> Problem:
    """The same question under other constraints."""
    return replace(problem, constraints=tuple(constraints), alternatives=1)


def without(problem: Problem, lifted: Constraint) -> Problem:
    """The same question without one of its constraints."""
    return with_only(problem, [c for c in problem.constraints if c is not lifted])
