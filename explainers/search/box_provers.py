"""Who proves boxes of settings of a model: by tables, by its search, or setting by setting."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import product
from typing import ClassVar

import numpy as np

from ifonly.explainers.consequences import is_redrawn
from ifonly.explainers.constraints import Axes, Mask
from ifonly.explainers.deadline import Deadline
from ifonly.explainers.errors import NotEligible
from ifonly.explainers.problem import Problem
from ifonly.explainers.search.blackbox import Blackbox
from ifonly.explainers.search.boxes import BoxProver
from ifonly.explainers.search.counterexample import (
    BROKEN,
    PROVEN,
    UNDECIDED,
    BoxVerdict,
    counterexample,
)
from ifonly.explainers.search.engine import Engine, Meter
from ifonly.models.predictor import Rows

MOST_ASKED = 4_096
"""Settings of one box that are put to the model, where nothing is proven of boxes."""
MOST_IN_ALL = 16_384
"""The same of all boxes of one question."""
Survive = Callable[[Problem, Rows], Mask]


def box_provers(
    engine: Engine, problem: Problem, meter: Meter, deadline: Deadline, columns: Sequence[int]
) -> Iterator[BoxProver]:
    """Those that can speak of boxes of settings of ``columns``, the surest first.

    Parameters
    ----------
    engine : Engine
    problem : Problem
        In every session of the model (:meth:`Problem.firm`).
    meter : Meter
    deadline : Deadline
    columns : sequence of int
        What is set.
    """
    # Of what is drawn anew until actions are carried out no proof of a box speaks, and each setting
    # takes hundreds of rows.
    if is_redrawn(problem.consequences):
        return
    engines = getattr(engine, "engines", (engine,))
    # Of thousands of settings only tables can tell whether each survives the sensors.
    able = (e for e in engines if hasattr(e, "boxes") and hasattr(e, "surviving"))
    survive = next((e.surviving for e in able), None)
    # What must survive is proven of rows by nobody else.
    if problem.survives is not None and survive is None:
        return
    answers = _Answers(problem, meter, survive)
    for each in engines:
        if isinstance(each, Blackbox):
            continue
        with suppress(NotEligible):
            if hasattr(each, "boxes"):
                prover: BoxProver = each.boxes(problem, columns, answers)
                yield prover
            elif problem.consequences is None and problem.survives is None:
                yield SearchedBoxes(each, problem, meter, deadline, answers)
    yield AskedBoxes(answers)


@dataclass(frozen=True)
class _Answers:
    """Which actions are answers, one by one."""

    problem: Problem
    meter: Meter
    survive: Survive | None

    def __call__(self, actions: Rows) -> Mask:
        problem = self.problem
        rows = problem.rows_of(actions)
        holds = problem.allowed(actions, rows)
        # Each test is dearer than the one before, and asked only of what is left.
        for test in (self._met, self._survives, self._trusted):
            left = np.flatnonzero(holds)
            if not len(left):
                break
            holds[left] = test(actions[left], rows[left])
        return holds

    def _met(self, actions: Rows, rows: Rows) -> Mask:
        return self.problem.target.met(self.meter.score(rows))

    def _survives(self, actions: Rows, rows: Rows) -> Mask:
        if self.problem.survives is None or self.survive is None:
            return np.ones(len(rows), dtype=np.bool_)
        return self.survive(self.problem, rows)

    def _trusted(self, actions: Rows, rows: Rows) -> Mask:
        return self.problem.trust(actions, self.meter.score).holds


@dataclass(frozen=True, eq=False)
class SearchedBoxes:
    """Boxes in which the model's own engine looks for what is not in the target."""

    engine: Engine
    problem: Problem
    meter: Meter
    deadline: Deadline
    answers: Callable[[Rows], Mask]

    is_proof = True
    sharpened_by: ClassVar[Sequence[int]] = ()

    def holds(self, axes: Axes) -> BoxVerdict:
        return counterexample(
            self.engine, self.problem, self.meter, self.deadline, dict(enumerate(axes))
        )


@dataclass(eq=False)
class AskedBoxes:
    """Boxes of which every setting is put to the model."""

    answers: Callable[[Rows], Mask]
    known: dict[bytes, bool] = field(default_factory=dict)

    is_proof = False
    sharpened_by: ClassVar[Sequence[int]] = ()

    def holds(self, axes: Axes) -> BoxVerdict:
        count = int(np.prod([float(len(axis)) for axis in axes]))
        if count > MOST_ASKED or len(self.known) > MOST_IN_ALL:
            return UNDECIDED
        rows = np.array(list(product(*(axis.values() for axis in axes))), dtype=np.float64)
        keys = [row.tobytes() for row in rows]
        if any(self.known.get(key) is False for key in keys):
            return BROKEN
        new = [i for i, key in enumerate(keys) if key not in self.known]
        if new:
            found = self.answers(rows[new])
            self.known.update((keys[i], bool(f)) for i, f in zip(new, found, strict=True))
            if not found.all():
                return BoxVerdict(BROKEN.held, rows[new[int(np.argmin(found))]])
        return PROVEN
