"""What stands against a box: a row in it that is not allowed, or not in the target.

A box is a set of values for each of some features, every combination of them; all other features
stay as they are. That nothing stands against it is found as answers are: by the same engines, asked
the opposite question of the rows of the box (:attr:`~ifonly.explainers.target.Target.opposites`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from ifonly.explainers.constraints import Axes, Constraint, Origin, Single, Source
from ifonly.explainers.constraints.cells import Cells, Factual, Kept
from ifonly.explainers.deadline import Deadline
from ifonly.explainers.errors import DeadlineReached, NotEligible
from ifonly.explainers.problem import Problem
from ifonly.explainers.search.box_rules import first_broken
from ifonly.explainers.search.engine import Engine, Meter
from ifonly.explainers.space import Axis
from ifonly.models.predictor import Row

Box = Mapping[int, Axis]
"""The values of each feature that is not as it was read, none of them empty."""
_ORIGIN = Origin(Source.SCHEMA, "box")


class Held(StrEnum):
    """What is known of all rows of a box."""

    PROVEN = "proven"
    """None stands against it."""
    BROKEN = "broken"
    """One does: :attr:`BoxVerdict.row`, or, where that is None, one that no session can show."""
    UNDECIDED = "undecided"
    """Neither was found in time, or by what the engines can keep."""


@dataclass(frozen=True)
class BoxVerdict:
    """What was found out about a box."""

    held: Held
    row: Row | None = None
    """A row of the box that stands against it, ``(n_features,)``: the deployed model's word, or
    that of the constraint's own definition."""
    broken: str = ""
    """Key of the constraint that it breaks; empty: it is not in the target."""
    engine: str = ""
    """Who proved it, or found the row."""


PROVEN, BROKEN, UNDECIDED = (BoxVerdict(held) for held in Held)


@dataclass(frozen=True)
class _Among(Single):
    """The feature has one of the values of a box, be it set or not."""

    of_action = True

    axis: Axis

    def kept(self, cells: Cells, factual: Factual) -> Kept:
        after = np.asarray(cells[self.column], dtype=np.float64)
        lost = np.isnan(after)
        if np.isnan(self.axis.low):
            return lost & self.axis.has_missing
        known = np.where(lost, self.axis.low, after)
        # An axis may have millions of values: none of them is listed.
        found = self.axis.nearest(np.atleast_1d(known)).reshape(known.shape) == known
        return np.where(lost, self.axis.has_missing, found)

    def cut(self, axis: Axis, factual: float) -> Axis:
        return self.axis


def counterexample(
    engine: Engine,
    problem: Problem,
    meter: Meter,
    deadline: Deadline,
    box: Box,
    *,
    with_rules: bool = True,
    given: Sequence[Constraint] = (),
) -> BoxVerdict:
    """Is there a row in the box that is not in the target of ``problem``, or not allowed?

    Parameters
    ----------
    engine : Engine
        Of the model; all of a portfolio are asked in turn.
    problem : Problem
        Its target, factual, constraints, and the rounding that its target knows
        (:meth:`Problem.firm`). Nothing follows in it, and nothing must survive the sensors:
        :mod:`ifonly.explainers.search.trees.boxes` proves such boxes.
    meter : Meter
    deadline : Deadline
    box : mapping of int to Axis
        Values of features; of those that it does not name, the one that was read.
    with_rules : bool
        Whether a row that is not allowed stands against the box; else constraints are not looked
        at, and only the target is.
    given : sequence of Constraint
        Only rows that keep all of these are spoken of; with ``with_rules=False``.

    Returns
    -------
    BoxVerdict
        ``PROVEN``: no row of the box stands against it, for the deployed model. ``BROKEN`` with the
        row. ``UNDECIDED``: the deadline, rows within rounding of the target's edge that no engine
        can decide, or a constraint or target that none can keep.

    Raises
    ------
    GraphError
        If the model cannot score rows.
    """
    if problem.consequences is not None or problem.survives is not None:
        return UNDECIDED
    axes = rows_of_box(problem, box)
    if with_rules:
        broken = first_broken(problem, axes)
        if broken is not None:
            key = broken.constraint.origin.key
            held = Held.UNDECIDED if broken.row is None else Held.BROKEN
            return BoxVerdict(held, broken.row, key, "rules")
    return _outside(engine, problem, meter, deadline, axes, given)


def rows_of_box(problem: Problem, box: Box) -> Axes:
    """The values of every feature in a box."""
    return tuple(box.get(j, Axis(others=(float(v),))) for j, v in enumerate(problem.factual))


def _outside(
    engine: Engine,
    problem: Problem,
    meter: Meter,
    deadline: Deadline,
    axes: Axes,
    given: Sequence[Constraint],
) -> BoxVerdict:
    """A row of ``axes`` that keeps what is ``given`` and is not in the target."""
    opposites = problem.target.opposites
    if opposites is None:
        return UNDECIDED
    # Every row of the box is asked about, not those alone that could be set.
    within = tuple(_Among(j, axis, origin=_ORIGIN) for j, axis in enumerate(axes))
    by = list[str]()
    for target in opposites:
        asked = replace(problem, target=target, constraints=(*within, *given), references=None)
        try:
            outcome = engine.search(asked, meter, deadline)
        except (NotEligible, DeadlineReached):
            return UNDECIDED
        if len(outcome.candidates):
            row = outcome.candidates[0]
            # A row at the edge may be in both, by rounding: the target's own word decides.
            if not problem.target.met(meter.score(row[None, :]))[0]:
                return BoxVerdict(Held.BROKEN, row, engine=outcome.engine or engine.name)
            return UNDECIDED
        if not outcome.is_infeasible:
            return UNDECIDED
        by.append(outcome.engine or engine.name)
    return BoxVerdict(Held.PROVEN, engine=by[0] if by else "")
