"""One question's way to its proof: a first answer, then boxes until none is open."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ifonly.explainers.deadline import Deadline
from ifonly.explainers.errors import DeadlineReached, NotEligible
from ifonly.explainers.native import kernel
from ifonly.explainers.problem import Problem
from ifonly.explainers.search.engine import Meter, SearchOutcome
from ifonly.explainers.search.incumbents import LOST
from ifonly.explainers.search.milp.levers import Levers
from ifonly.explainers.search.milp.primal_heuristic import find_incumbent, polished
from ifonly.explainers.search.networks.following import NetworkMode, modes_of
from ifonly.explainers.search.networks.judging import NetworkJudge, Undecided
from ifonly.explainers.search.networks.model import NetworkModel
from ifonly.explainers.search.networks.parts import LaidMode
from ifonly.explainers.search.networks.sensors import certain
from ifonly.explainers.search.networks.survival import SensorSurvival
from ifonly.models.predictor import Rows

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

SAME_COST = 1e-9
"""Costs nearer than this, relative to their size, are one."""
BOXES = 64
"""Halved between two looks at the deadline."""
FIRST_CAP, LAST_CAP, GROWTH = 1 / 16, 0.8, 1.25
"""Parts of the best cost within which it is proven that nothing is before any other; and how many
times larger the next is."""
MOST_WAYS = 8
"""In which sensors may be off, for which the network is copied."""
FAILED = 4
"""Rows that did not survive, after which it is copied once more."""
FREE = 4
"""Times :data:`BOXES` that are halved to see whether there is an answer at all."""
PATIENCE = 0.25
"""Part of the time after which others are let look who may be sooner (`_is_for_others`)."""
MOST_DRAWN = 12
"""Times that a better row is drawn back at once."""


class _NewWay(Exception):
    """Rows leave the target in a way that no part knows."""


class NetworkProof:
    """One question's progress: the best rows, and the cost below which there is none."""

    def __init__(
        self, model: NetworkModel, problem: Problem, meter: Meter, deadline: Deadline
    ) -> None:
        self._model = model
        self._problem = problem
        self._meter = meter
        self._deadline = deadline
        self._goals = model.goals(problem.target)
        self._sensors = model.sensors(problem)
        self._survival: SensorSurvival | None = None
        self._ways: list[dict[int, float]] = []
        """Ways in which sensors may be off that parts are laid for."""
        if self._sensors:
            self._goals = certain(self._goals)
            self._survival = SensorSurvival(model, self._goals, self._sensors, deadline)
        self._judge = NetworkJudge(problem, meter, self._survival)
        self._bound = 0.0
        self._drawn = 0
        self._patience = Deadline.never()
        self._has_wholes = False

    def run(self) -> SearchOutcome:
        deadline_hit = False
        try:
            self._prove()
        except DeadlineReached:
            deadline_hit = True
        except Undecided:
            pass  # the bound says how far it came; others may tell more
        bound = min(self._bound, self._judge.best, self._judge.left)
        unsure = None if len(self._judge.actions) else self._judge.unsure
        return SearchOutcome(self._judge.actions, bound, None, deadline_hit, unsure=unsure)

    def _prove(self) -> None:
        modes = self._modes()
        most = max((levers.most for _, levers in modes), default=0.0)
        if not any(levers.each for _, levers in modes):
            # Nothing can move: the factual itself is all that there is.
            if modes:
                self._judge.judge(self._problem.factual[None, :])
            self._bound = self._judge.best
            return
        self._find_first()
        while True:
            try:
                self._settle(modes, most)
                return
            except _NewWay:
                self._take_way()

    def _find_first(self) -> None:
        """A first answer, by the mathematics of the model; once more for each way in which one
        does not survive the sensors."""
        for _ in range(MOST_WAYS):
            first = find_incumbent(self._problem, self._over, self._sure)
            if first is None or self._judge.judge(first[None, :]) or not self._is_new:
                return
            self._take_way()

    def _settle(self, modes: Sequence[tuple[NetworkMode, Levers]], most: float) -> None:
        parts = [part for each in modes if (part := self._part(*each)) is not None]
        if self._judge.best == math.inf and self._is_impossible(parts):
            self._bound = math.inf
            return
        self._patience = self._deadline.sooner(PATIENCE)
        self._has_wholes = any(mode.wholes for mode, _ in modes)
        roots = []
        for part in parts:
            self._deadline.check()
            self._descend(part, self._at_best(part))
            whole = part.begun(self._limit)
            self._opened(whole, 0)
            # A box that is closed already may have left rows to be judged.
            self._judge.judge(
                np.concatenate([part.actions(whole.take_rows()), part.actions(whole.take_hopes())])
            )
            if len(far := whole.take_far()):
                self._descend(part, far)
            roots.append(whole.bound)
        # Near the factual few units can change sides: what costs little is closed at once.
        cap = max(2.0 * min(roots, default=math.inf), FIRST_CAP * min(self._limit, most))
        cap = max(cap, GROWTH * self._bound)
        while cap < LAST_CAP * min(self._limit, most):
            self._walk_all(parts, roots, cap)
            if self._judge.best <= cap:
                return
            cap *= GROWTH
        # Begun anew where a cheaper row has been found meanwhile.
        self._walk_all(parts, roots, math.inf)

    @property
    def _is_for_others(self) -> bool:
        """Whether HiGHS takes the question too, and may be sooner: no answer is known, or something
        follows in whole numbers."""
        may_be = self._has_wholes or self._judge.best == math.inf
        return may_be and self._survival is None and self._model.network.is_piecewise_linear

    def _is_impossible(self, parts: Sequence[LaidMode]) -> bool:
        """Whether it is known after few boxes that there is no answer at any cost; else there may
        be a first one. While none is known, costs close no box, and only mislead."""
        is_impossible = True
        for part in parts:
            search, done = part.free.begun(1.0), False
            for _ in range(FREE):
                rows = [search.take_rows(), search.take_hopes()]
                if self._judge.judge(part.actions(np.concatenate(rows))):
                    self._draw_back()
                    return False
                if search.is_lost or done:
                    break
                self._deadline.check()
                done = search.run(BOXES, 1.0)
            self._opened(search, 0)
            is_impossible &= done and not search.is_lost
        return is_impossible

    @property
    def _is_new(self) -> bool:
        """Whether a row has left the target in a way that parts were not laid for."""
        ways = self._survival.ways if self._survival is not None else []
        return bool(ways) and ways[-1] not in self._ways

    def _look_at_ways(self) -> None:
        """Raises
        ------
        _NewWay
            If some rows did not survive, and parts know nothing of how.
        """
        if self._survival is not None and self._is_new and self._survival.failed >= FAILED:
            raise _NewWay

    def _take_way(self) -> None:
        assert self._survival is not None
        self._ways = [*self._ways, self._survival.ways[-1]][-MOST_WAYS:]
        self._survival.failed = 0

    def _modes(self) -> list[tuple[NetworkMode, Levers]]:
        model, problem = self._model, self._problem
        found = []
        for mode in modes_of(problem, model.following(problem)):
            levers = model.levers(problem, mode)
            if levers is not None:
                model.bounds(levers, mode)  # every row has a number
                found.append((mode, levers))
        return found

    def _part(self, mode: NetworkMode, levers: Levers) -> LaidMode | None:
        """What is cheap enough of one mode; None if nothing is."""
        near = levers.within(self._limit)
        if near is None:
            return None
        if not levers.each:
            # Of rows in which nothing moves there is one.
            self._judge.judge(self._problem.factual[None, :])
            return None
        asked = self._problem, self._goals, self._sensors, self._ways
        return LaidMode.of(self._model, *asked, mode, levers, near)

    def _descend(self, part: LaidMode, at: Ints | None) -> None:
        """Look for a better row on the way down from the one at ``at``, from cell to cell."""
        while at is not None:
            before = self._judge.best
            if not self._judge.judge(part.down(at)):
                return
            self._draw_back()
            if self._judge.best > 0.999 * before:
                return
            at = self._at_best(part)

    def _at_best(self, part: LaidMode) -> Ints | None:
        if not len(self._judge.actions):
            return None
        return part.laid.positions(self._judge.actions[0])

    @property
    def _limit(self) -> float:
        """Only rows that cost less are looked for."""
        best = self._judge.best
        return best - SAME_COST * max(1.0, best) if best < math.inf else math.inf

    def _walk_all(self, parts: Sequence[LaidMode], roots: Sequence[float], cap: float) -> None:
        """Settle what costs less than ``cap``, mode by mode."""
        left = [min(root, cap) for root in roots]
        for k, part in enumerate(parts):
            # What a mode is known to cost closes it, too.
            if left[k] >= min(cap, self._limit):
                continue
            try:
                self._walk(part, cap)
            except (DeadlineReached, Undecided):
                left[k] = max(left[k], self._cut)
                self._bound = max(self._bound, min(left))
                raise
            left[k] = math.inf
        # Nothing below the cap is left; the best, if it is there, is the optimum.
        best = self._judge.best
        self._bound = best if best <= cap else max(self._bound, cap)

    def _walk(self, part: LaidMode, cap: float) -> None:
        search = part.begun(min(cap, self._limit))
        opened, done = self._opened(search, 0), False
        waiting: Rows = np.empty((0, len(self._problem.schema)))
        try:
            while True:
                waiting = part.actions(search.take_rows())
                hopes = part.actions(search.take_hopes())
                if search.is_lost:
                    raise NotEligible("networks", "a bound is no number")
                if self._judge.judge(np.concatenate([waiting, hopes])):
                    self._draw_back()
                waiting = waiting[:0]
                if len(far := search.take_far()) and not done:
                    self._descend(part, far)
                if done:
                    return
                self._look_at_ways()
                self._deadline.check()
                if self._is_for_others and self._patience.expired():
                    raise Undecided
                done = search.run(BOXES, min(cap, self._limit))
                opened = self._opened(search, opened)
        except (DeadlineReached, Undecided):
            costs = self._problem.cost_of(waiting)
            least = float(costs.min()) if len(costs) else math.inf
            self._cut = min(search.bound, least, cap)
            raise

    def _opened(self, search: kernel.NetworkSearch, before: int) -> int:
        self._meter.opened(search.nodes - before)
        return search.nodes

    def _over(self, actions: Rows) -> Floats:
        """By how much each action misses the target by our own arithmetic, ``(n,)``."""
        problem = self._problem
        rows = problem.rows_of(actions)
        known = problem.readable(actions, rows)
        # What cannot be read is beyond everything.
        found = np.full(len(actions), LOST)
        if self._survival is None:
            found[known] = self._model.over(self._goals, rows[known])
        else:
            found[known] = self._survival.over(rows[known], self._ways)
        return found

    def _sure(self, actions: Rows) -> Mask:
        """Which are sure enough, by the mathematics of the model."""
        self._deadline.check()
        return self._problem.trust(actions, self._model.form.score).holds

    def _draw_back(self) -> None:
        """Make the best cheaper, lever by lever, some times."""
        if self._drawn < MOST_DRAWN:
            self._drawn += 1
            best = self._judge.actions[0]
            self._judge.judge(polished(self._problem, self._over, self._sure, best)[None, :])
