"""Boxes of settings, proven by the tables: the target, the sensors' tolerances and what follows."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from ifonly.explainers.consequences import Compiled
from ifonly.explainers.constraints import Axes, Constraint, Mask
from ifonly.explainers.constraints.forms import OwnValues
from ifonly.explainers.native import kernel
from ifonly.explainers.native.kernel import FAILS, SURVIVES
from ifonly.explainers.problem import Problem
from ifonly.explainers.search.box_rules import first_broken, relating, surely_kept
from ifonly.explainers.search.counterexample import BROKEN, PROVEN, UNDECIDED, BoxVerdict, Held
from ifonly.explainers.search.goals import NUDGE
from ifonly.explainers.search.trees import entry_points
from ifonly.explainers.search.trees.layout import Layout
from ifonly.explainers.search.trees.question import Question
from ifonly.explainers.search.trees.reach import TreeReach
from ifonly.explainers.search.trees.table_search import SearchInstance
from ifonly.explainers.space import Axis, ascending
from ifonly.models.graph.forms import GraphForm
from ifonly.models.predictor import Row, Rows

Answers = Callable[[Rows], Mask]
Floats = npt.NDArray[np.float64]
Cells = npt.NDArray[np.int32]
CellBox = tuple[Cells, Cells]
"""The first and the last cell of each feature, ``(n_features,)`` both."""
_NOTHING = np.zeros(0)


@dataclass(frozen=True, eq=False)
class TreeBoxes:
    """Boxes of settings from which nothing follows."""

    problem: Problem
    """With the constraints that say so (:attr:`Problem.inert`)."""
    layout: Layout
    asked: SearchInstance
    """The same question in arrays."""
    answers: Answers
    columns: tuple[int, ...]
    """What is set, to values that its axis allows."""

    is_proof = True
    sharpened_by: ClassVar[Sequence[int]] = ()

    @cached_property
    def _relating(self) -> tuple[Constraint, ...]:
        return relating(self.problem, self.columns)

    def holds(self, axes: Axes) -> BoxVerdict:
        broken = first_broken(self.problem, axes, self._relating)
        if broken is not None:
            held = Held.UNDECIDED if broken.row is None else Held.BROKEN
            return BoxVerdict(held, broken.row, broken.constraint.origin.key)
        if _ends(axes) is None:
            return UNDECIDED
        return within(self.asked, self._one, self._cells.between(axes, self.columns))

    @cached_property
    def _one(self) -> Question:
        return of_one(self.asked.question)

    @cached_property
    def _cells(self) -> ReadCells:
        return ReadCells(self.problem, self.layout)


@dataclass(frozen=True, eq=False)
class TreeEffectBoxes:
    """Boxes of settings from which something follows: bounded by the causal model, and by each
    plausible version of it."""

    problem: Problem
    layout: Layout
    asked: SearchInstance
    answers: Answers
    columns: tuple[int, ...]
    """What is set."""
    raws: RawMargins | None
    """None: how sure a box is cannot be told."""

    is_proof = True

    @cached_property
    def sharpened_by(self) -> Sequence[int]:
        """What something follows from: the narrower, the less its effects are apart from it."""
        consequences = self.problem.consequences
        assert consequences is not None
        return [j for j in self.columns if consequences.effects([j])]

    @cached_property
    def _moved(self) -> list[int]:
        assert self.problem.consequences is not None
        return list(self.problem.consequences.effects(self.columns))

    @cached_property
    def _relating(self) -> tuple[Constraint, ...]:
        """Constraints that some of it may break: of what is set alone its axis knows."""
        moving = {*self.columns, *self._moved}
        return tuple(
            c
            for c in self.problem.constraints
            if not (isinstance(c.form, OwnValues) or (c.columns and not c.columns & moving))
        )

    def holds(self, axes: Axes) -> BoxVerdict:
        consequences, factual = self.problem.consequences, self.problem.factual
        assert consequences is not None
        ends = _ends(axes)
        # Bounds are of numbers: what follows from, or beside, a missing reading may be none.
        if np.isnan(factual).any():
            return UNDECIDED
        # A lever with the value that was read would not be set, and might follow.
        if ends is None or any(float(factual[j]) in axes[j] for j in self.columns):
            return UNDECIDED
        set_ = list(self.columns)
        low, high = (end[set_][None, :] for end in ends)
        lower, upper = (row[0] for row in self._bounds(low, high))
        rows, moved = list(axes), self._moved
        for j in moved:
            if not (np.isfinite(lower[j]) and np.isfinite(upper[j])):
                return UNDECIDED
            feature = self.problem.schema.features[j]
            stays = lower[j] == upper[j] == factual[j]
            if not stays and (lower[j] < feature.lower or upper[j] > feature.upper):
                return UNDECIDED
            rows[j] = _between(float(lower[j]), float(upper[j]), float(factual[j]))
        if not surely_kept(self.problem, axes, tuple(rows), self._relating):
            return UNDECIDED
        cells = self._cells.between(rows, (*self.columns, *moved))
        if within(self.asked, self._one, cells).held is not Held.PROVEN:
            return UNDECIDED
        return PROVEN if self._is_sure(low, high) else UNDECIDED

    @cached_property
    def _one(self) -> Question:
        return of_one(self.asked.question)

    @cached_property
    def _cells(self) -> ReadCells:
        return ReadCells(self.problem, self.layout)

    def _bounds(self, low: Rows, high: Rows) -> tuple[Rows, Rows]:
        consequences, factual = self.problem.consequences, self.problem.factual
        assert consequences is not None
        compiled = consequences.compiled
        if compiled is None:
            return consequences.bounds(factual, self.columns, low, high)
        return compiled.laws.bounds(factual, self.columns, low, high)

    def _is_sure(self, low: Rows, high: Rows) -> bool:
        """Whether plausible mechanisms agree as far as is demanded, all over a box."""
        consequences = self.problem.consequences
        assert consequences is not None
        compiled = consequences.compiled
        if compiled is None or self.raws is None or not compiled.is_all(self.columns):
            return False
        held = compiled.held(self.columns) or (compiled.laws,)
        return all(self._is_sure_by(laws, compiled, low, high) for laws in held)

    def _is_sure_by(self, laws: kernel.Laws, compiled: Compiled, low: Rows, high: Rows) -> bool:
        assert self.raws is not None
        set_, factual = list(self.columns), self.problem.factual
        n_members = laws.members(factual, set_, low).shape[1]
        each = [laws.bounds(factual, set_, low, high, member=k) for k in range(n_members)]
        lower, upper = (np.concatenate(ends) for ends in zip(*each, strict=True))
        if not (np.isfinite(lower).all() and np.isfinite(upper).all()):
            return False
        least, most = self.raws.between(lower, upper)
        centre, half = 0.5 * (least + most), 0.5 * (most - least)
        free = max(1, n_members - 1)
        # Each version's margin is somewhere between: the spread is at most that of the middles and
        # that of how far each is from its own.
        sd = np.sqrt(((centre - centre.mean()) ** 2).sum() / free) + np.sqrt((half**2).sum() / free)
        # By more than a score may be off that is worked out here, and not by the graph.
        is_far = least.mean() - compiled.gamma * sd >= NUDGE
        return bool(is_far and (least >= NUDGE).mean() >= compiled.floor)


@dataclass(frozen=True, eq=False)
class RawMargins:
    """How far inside its target rows between two rows are: of one score that is to be on one side
    of one limit."""

    problem: Problem
    reach: TreeReach
    form: GraphForm
    base: Row
    """What is in every sum, ``(n_raw,)``."""

    @classmethod
    def of(
        cls, problem: Problem, reach: TreeReach, form: GraphForm, base: Row
    ) -> RawMargins | None:
        """None where the target is another."""
        goals = reach.own.goals
        is_one = len(goals) == 1 and math.isfinite(goals[0].limit) and len(base) == 1
        return cls(problem, reach, form, base) if is_one else None

    def between(self, lower: Rows, upper: Rows) -> tuple[Floats, Floats]:
        """Least and greatest margin of rows from ``lower`` to ``upper``, each ``(m,)``."""
        weight = float(self.reach.own.goals[0].weights[0])
        band = float(self.reach.own.limits.band[0])
        least, greatest = self.reach.sums(lower, upper)
        # The wanted side of the sum is low, and the margin is monotone in it.
        ends = []
        for sums, off in ((greatest, band), (least, -band)):
            raw = (sums + off) / weight + self.base[0]
            ends.append(self.problem.target.margin(self.form.scores_of(raw)))
        return np.minimum(*ends), np.maximum(*ends)


@dataclass(frozen=True, eq=False)
class ReadCells:
    """Cells of what the sensors may read of boxes of rows about one factual."""

    problem: Problem
    layout: Layout

    @cached_property
    def _off(self) -> tuple[float, ...]:
        survives = self.problem.survives
        return survives.tolerances if survives is not None else (0.0,) * len(self.problem.schema)

    @cached_property
    def _staying(self) -> CellBox:
        """Of the factual."""
        axes = [Axis(others=(v,)) for v in self.problem.factual.tolist()]
        return self._of(axes, range(len(axes)))

    def between(self, axes: Sequence[Axis], moved: Sequence[int]) -> CellBox:
        """Cells of the least and the greatest reading of every row of a box; of features that are
        not ``moved`` that of the factual."""
        near, far = (end.copy() for end in self._staying)
        near[list(moved)], far[list(moved)] = self._of(axes, moved)
        return near, far

    def _of(self, axes: Sequence[Axis], columns: Sequence[int]) -> CellBox:
        read = [_NOTHING] * len(axes)
        for j in columns:
            axis = axes[j]
            if math.isnan(axis.low):
                read[j] = np.array([math.nan])
            elif self.problem.schema.features[j].kind.is_categorical:
                # All: a graph need not read categories in their order.
                read[j] = axis.values()
            else:
                ends = zip((axis.low, axis.high), (-math.inf, math.inf), strict=True)
                own = [
                    self.layout.readings(j, np.array([end]), self._off[j], toward)
                    for end, toward in ends
                ]
                read[j] = np.concatenate(own)
        cells = self.layout.cells_of(read)
        # The least and not the first: a graph may read a feature upside down.
        near = np.array([cells[j].min() for j in columns], dtype=np.int32)
        return near, np.array([cells[j].max() for j in columns], dtype=np.int32)


def of_one(q: Question) -> Question:
    """A question with one position an axis, which stands for a whole box; of what is in the target
    for certain, whatever sums round to."""
    n = len(q.size)
    nothing, nowhere = np.zeros(n, dtype=np.int64), np.full(n, -1)
    return replace(
        q,
        off=np.arange(n + 1),
        size=np.ones(n, dtype=np.int64),
        listed=np.arange(n),
        most=nothing,
        middle=nothing,
        home=nowhere,
        table=nowhere,
        limit=q.limit - q.band,
        band=np.zeros_like(q.band),
    )


def within(asked: SearchInstance, one: Question, cells: CellBox) -> BoxVerdict:
    """Whether everything that falls into a box of cells is in the target; a part of it that is not
    need hold no setting, where cells are finer than the grid."""
    near, far = cells
    least, greatest = (np.empty((1, len(one.limit))) for _ in range(2))
    kernel.sum_bounds(asked.tables.native, near[None, :], far[None, :], least, greatest)
    if (greatest[0] < one.limit).all():
        return PROVEN
    with asked.arenas.lent() as arena:
        question = replace(one, near=near, far=far)
        at = np.zeros(len(near), dtype=np.int64)
        found = entry_points.survives(asked.tables, question, arena, at)
    return PROVEN if found == SURVIVES else BROKEN if found == FAILS else UNDECIDED


def _ends(axes: Axes) -> tuple[Row, Row] | None:
    """Least and greatest value of each axis; None where a missing reading is among others."""
    if any(axis.has_missing and len(axis) > 1 for axis in axes):
        return None
    return np.array([axis.low for axis in axes]), np.array([axis.high for axis in axes])


def _between(low: float, high: float, stays: float) -> Axis:
    """An axis with these ends, for rules: with the value that was read, where that lies between."""
    return Axis(others=ascending({low, high, *([stays] if low <= stays <= high else [])}))
