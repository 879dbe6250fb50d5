"""An action as time passes: what is read at each step, and what the model says of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from ifonly.explainers.answer import Prediction
from ifonly.explainers.causal.timing import MOST_STEPS
from ifonly.explainers.causal.trajectory import Trajectory
from ifonly.explainers.constraints import Constraint
from ifonly.explainers.target import Target
from ifonly.models.predictor import Row, Rows, Scores
from ifonly.service.ask.predict import predict
from ifonly.service.served.causal_model import ServedCausal
from ifonly.service.served.registry import ServedModel
from ifonly.service.words.time import Timing

IsMet = Callable[[Scores], npt.NDArray[np.bool_]]


@dataclass(frozen=True, eq=False)
class Course:
    """What is read at each step after an action, before anything is said of it."""

    trajectory: Trajectory
    rows: Rows
    """As they are read: whole numbers are rounded."""

    @property
    def last(self) -> int:
        return len(self.rows) - 1

    @property
    def moving(self) -> tuple[int, ...]:
        return tuple(sorted(self.trajectory.begins))

    @property
    def is_whole(self) -> bool:
        """Whether nothing moves any more after the last step."""
        whole = self.trajectory.whole
        return whole is not None and whole <= self.last


@dataclass(frozen=True, eq=False)
class OverTime:
    """The same, with the model's word on each row."""

    course: Course
    before: Prediction
    said: tuple[Prediction, ...]
    wanted_from: int | None
    """First step from which the wanted decision, or the target, holds to the last; None: it does
    not hold at the last step, or none is wanted."""
    broken: tuple[tuple[Constraint, ...], ...] = ()
    """By step: what of the whole row would not hold then; empty: it was not asked."""

    @property
    def broken_on_the_way(self) -> tuple[Constraint, ...]:
        """What does not hold at some step and does at the last."""
        found = {c.origin.key: c for step in self.broken for c in step}
        at_last = {c.origin.key for c in self.broken[-1]}
        return tuple(c for key, c in found.items() if key not in at_last)

    @property
    def timing(self) -> Timing:
        """What words say of it."""
        found = self.course
        step, whole = found.trajectory.step, found.trajectory.whole
        return Timing(step, whole, found.last, self.wanted_from, self.decision_changes)

    @property
    def decision_changes(self) -> int:
        """How often the decision changes on the way, the first time from what it was."""
        return sum(a.decided != b.decided for a, b in pairwise((self.before, *self.said)))


def course(
    causal: ServedCausal, factual: Row, columns: Sequence[int], action: Row, n_steps: int
) -> Course:
    """Steps 0 to ``n_steps`` after ``columns`` are set as ``action``, ``(d,)``, has them.

    Raises
    ------
    NoTime
        If when something follows has no number.
    CausalError
        If what follows cannot be told.
    """
    timed, consequences = causal.timed(), causal.consequences
    found = timed.trajectory(factual, columns, action[list(columns)], n_steps)
    rows = consequences.read(found.rows.copy())
    # What was not read may stay unread; what was must not be lost on the way.
    follows = [j for j in found.begins if j not in columns and not np.isnan(factual[j])]
    timed.model.check_told(factual, follows, rows)
    return Course(found, rows)


def over_time(
    found: Course,
    before: Prediction,
    said: Sequence[Prediction],
    is_met: IsMet | None,
    broken: tuple[tuple[Constraint, ...], ...] = (),
) -> OverTime:
    """``said``: the model's word on each row of the course; ``is_met``: of scores, ``(n, k)``,
    whether they are as wanted; ``broken``: see :attr:`OverTime.broken`."""
    wanted_from = None
    if is_met is not None:
        missed = np.flatnonzero(~is_met(np.array([p.scores for p in said])))
        first = int(missed[-1]) + 1 if len(missed) else 0
        wanted_from = first if first <= found.last else None
    return OverTime(found, before, tuple(said), wanted_from, broken)


def broken_in(
    found: Course, factual: Row, limits: Sequence[Constraint]
) -> tuple[tuple[Constraint, ...], ...]:
    """Which of ``limits`` each row of the course breaks; those of what is set are of no moment."""
    of_row = [c for c in limits if not c.of_action]
    holds = [c.holds(found.rows, factual) for c in of_row]
    return tuple(
        tuple(c for c, kept in zip(of_row, holds, strict=True) if not kept[k])
        for k in range(len(found.rows))
    )


def until_whole(
    model: ServedModel,
    causal: ServedCausal,
    factual: Row,
    columns: Sequence[int],
    action: Row,
    target: Target,
) -> OverTime | None:
    """An answer's action until nothing moves any more; None where that is never, or too late.

    Raises
    ------
    NoTime
        If when something follows has no number.
    CausalError
        If what follows cannot be told.
    GraphError
        If the model cannot score the rows.
    """
    when = causal.timed().arrivals(factual, columns, action[list(columns)])
    ends = [end for _, end in when.values()]
    whole = max((end for end in ends if end is not None), default=0)
    if None in ends or whole > MOST_STEPS:
        return None
    found = course(causal, factual, columns, action, whole)
    # In one call: a call costs more than a row.
    before, *said = predict(model, np.vstack([factual, found.rows]))
    return over_time(found, before, said, target.met)
