"""What leaves no recourse: an irreducible infeasible subsystem (IIS) of the constraints."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from ifonly.explainers.answer import Blocker
from ifonly.explainers.constraints import Axes, Single
from ifonly.explainers.constraints.forms import Implication
from ifonly.explainers.problem import Problem
from ifonly.explainers.space import LONGEST_LISTED
from ifonly.explainers.target import Demand
from ifonly.models.predictor import Row, Rows

Reaches = Callable[[Problem], Row | bool | None]
"""Whether a question has an answer: yes, by an action if one is at hand; no (proven); or None where
that was not settled."""
MOST_IN_TURN = 8
"""Constraints that are left out one by one; of more, halves are."""


class Subsystem(NamedTuple):
    """What blocks, and what was found on the way."""

    blocked_by: tuple[Blocker, ...]
    found: Rows
    """Actions that lead into the target and keep some of the constraints."""


def infeasible_subsystem(
    problem: Problem, reaches: Reaches, *, is_quick: bool = False
) -> Subsystem:
    """An irreducible one: alone it leaves nothing in the target, and any one less leaves something.

    Deletion filtering (Chinneck and Dravnieks 1991): each in turn is left out, for good if nothing
    is in the target even so. What could not be settled is kept, so that a search that ran out of
    time gives a set that blocks and may be larger than it need be. The demand of the target is
    left out first: it is named only where the decision alone could be reached.

    ``is_quick``: ``reaches`` tells soon that something is in the target, and takes its time only to
    prove that nothing is. Then as few such proofs are asked for as can be; the set is the same.
    """
    filtering = _Filtering(problem, reaches, is_quick)
    if is_quick and len(filtering.kept) > MOST_IN_TURN:
        # All at once first: no row at all may be in the target, and then none of them blocks.
        filtering.leave_out(filtering.kept, is_needed=False)
    else:
        for each in filtering.kept:
            filtering.leave_out((each,), is_needed=False)
    return Subsystem(filtering.kept, filtering.found)


class _Filtering:
    """What still blocks, and what is known to."""

    def __init__(self, problem: Problem, reaches: Reaches, is_quick: bool) -> None:
        self.kept = liftable(problem)
        self._problem = problem
        self._reaches = reaches
        self._is_quick = is_quick
        self._blocking: list[frozenset[int]] = []
        self._found: list[tuple[Row, Problem]] = []
        """Actions that are answers, and to which question."""

    @property
    def found(self) -> Rows:
        """``(n, n_features)``"""
        return np.array([row for row, _ in self._found]).reshape(-1, len(self._problem.schema))

    def leave_out(self, some: Sequence[Blocker], *, is_needed: bool) -> None:
        """Those of ``some``, which stand side by side, that can be; ``is_needed``: not all can."""
        if not is_needed:
            names = {id(each) for each in some}
            rest = tuple(each for each in self.kept if id(each) not in names)
            # Each of them alone would be left out in its turn, and there is one proof for all.
            if self._say_nothing(some, rest) or self._blocks(rest):
                self.kept = rest
                return
        if len(some) > 1:
            half, before = len(some) // 2, len(self.kept)
            self.leave_out(some[:half], is_needed=False)
            # If all of the first half can, not all of the second can.
            self.leave_out(some[half:], is_needed=before - len(self.kept) == half)

    def _say_nothing(self, some: Sequence[Blocker], rest: tuple[Blocker, ...]) -> bool:
        """Whether each of ``some`` is kept by whatever keeps the ``rest``: it speaks of what one
        feature is set to, which is no more without it. Then no search need tell so."""
        if not all(isinstance(each, Single) and each.of_action for each in some):
            return False
        axes = with_only(self._problem, rest).axes
        # What blocks still blocks, since the same is allowed.
        return all(isinstance(each, Single) and self._is_kept(each, axes) for each in some)

    def _is_kept(self, each: Single, axes: Axes) -> bool:
        axis, factual = axes[each.column], self._problem.factual
        if len(axis) > LONGEST_LISTED:
            return False
        actions = np.repeat(factual[None, :], len(axis), axis=0)
        actions[:, each.column] = axis.values()
        return bool(each.holds(actions, factual).all())

    def _blocks(self, some: tuple[Blocker, ...]) -> bool:
        """Whether they are proven to leave nothing in the target."""
        if self._is_quick:
            # Most proofs need no rule between features; one that does not serves for all of them.
            lean = tuple(each for each in some if not _is_rule(each))
            if len(lean) < len(some) and self._is_blocked_by(lean):
                return True
        return self._is_blocked_by(some)

    def _is_blocked_by(self, some: tuple[Blocker, ...]) -> bool:
        names = frozenset(map(id, some))
        # More of them leave no more.
        if any(known <= names for known in self._blocking):
            return True
        asked = with_only(self._problem, some)
        if self._is_reached(asked):
            return False
        found = self._reaches(asked)
        if found is not False:
            if isinstance(found, np.ndarray):
                self._found.append((found, asked))
            return False
        self._blocking.append(names)
        return True

    def _is_reached(self, asked: Problem) -> bool:
        """Whether an action that answers another question answers this one."""
        rows = [row for row, other in self._found if _tells_as_much(other, asked)]
        return bool(rows) and bool(asked.allowed(np.array(rows)).any())


def _tells_as_much(other: Problem, asked: Problem) -> bool:
    """Whether an answer to ``other`` has shown all that the model must be asked about ``asked``:
    its demand, and that it survives the sensors."""
    if asked.target.demand is not None and other.target.demand is None:
        return False
    if asked.survives is None:
        return True
    shown = other.survives
    return shown is not None and bool(
        (np.array(shown.tolerances) >= np.array(asked.survives.tolerances)).all()
    )


def _is_rule(each: Blocker) -> bool:
    return not isinstance(each, Demand) and isinstance(each.form, Implication)


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
