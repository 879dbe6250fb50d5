"""One question's way to its proof: a first answer, then boxes until none is open."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from ifonly.explainers.deadline import Deadline
from ifonly.explainers.errors import DeadlineReached, NotEligible
from ifonly.explainers.native import kernel
from ifonly.explainers.problem import Problem
from ifonly.explainers.search.engine import Meter, SearchOutcome
from ifonly.explainers.search.incumbents import KEPT
from ifonly.explainers.search.milp.primal_heuristic import find_incumbent, polished
from ifonly.explainers.search.networks.axes import lay
from ifonly.explainers.search.networks.limits import limits_of, linear_rules
from ifonly.explainers.search.networks.model import NetworkModel
from ifonly.explainers.search.networks.network import arrays_of
from ifonly.models.predictor import Rows

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

SAME_COST = 1e-9
"""Costs nearer than this, relative to their size, are one."""
BOXES = 64
"""Halved between two looks at the deadline."""
FIRST_CAP, LAST_CAP, GROWTH = 1 / 16, 0.8, 1.25
"""Parts of the best cost within which it is proven that nothing is before any other; and how many
times larger the next is."""
PROGRAMS = 200
"""Linear programs of a way down from cell to cell."""
MOST_DRAWN = 12
"""Times that a better row is drawn back at once."""


class BoxEffort:
    """How hard a box is worked on, as compiled code is told."""

    steps = 24
    first_steps = 60
    rounds = 1
    listed = 256
    most_open = 16_384


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
        self._rows: Rows = np.empty((0, len(problem.schema)))
        self._best = math.inf
        self._bound = 0.0
        self._judged: set[bytes] = set()
        self._drawn = 0

    def run(self) -> SearchOutcome:
        deadline_hit = False
        try:
            self._prove()
        except DeadlineReached:
            deadline_hit = True
        bound = min(self._bound, self._best)
        return SearchOutcome(self._rows, bound, None, deadline_hit)

    def _prove(self) -> None:
        model, problem = self._model, self._problem
        levers = model.levers(problem)
        model.bounds(levers)  # every row has a number
        rules = linear_rules(problem)
        values_of = sorted({j for rule in rules for j, _ in rule.now})
        laid = self._laid = lay(problem, levers, values_of)
        if not levers.each:
            # Nothing can move: the factual itself is all that there is.
            self._judge(problem.factual[None, :])
            self._bound = self._best
            return
        first = find_incumbent(problem, self._over, _all)
        if first is not None:
            self._judge(first[None, :])
        near = levers.within(self._limit)
        if near is None:
            self._bound = self._best
            return
        bounds = model.bounds(near)
        limits, read = limits_of(model.network, self._goals, bounds, problem, rules, values_of)
        units = arrays_of(model.network, bounds, len(values_of), read)

        def begun(limit: float) -> kernel.NetworkSearch:
            search = kernel.NetworkSearch(
                units.native,
                laid.pieces.native,
                limits.native,
                laid.question.native,
                BoxEffort.steps,
                BoxEffort.first_steps,
                BoxEffort.rounds,
                BoxEffort.listed,
                BoxEffort.most_open,
            )
            search.start(limit)
            return search

        def down(at: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
            return kernel.descend_cells(
                units.native, laid.pieces.native, limits.native, laid.question.native, at, PROGRAMS
            )

        self._down = down
        self._descend(self._at_best())
        whole = begun(self._limit)
        self._opened(whole, 0)
        if len(far := whole.take_far()):
            self._descend(far)
        # Near the factual few units can change sides: what costs little is closed at once.
        cap = max(2.0 * whole.bound, FIRST_CAP * min(self._limit, levers.most))
        while cap < LAST_CAP * min(self._limit, levers.most):
            self._walk(begun(cap), cap)
            if self._best <= cap:
                return
            cap *= GROWTH
        # Begun anew where a cheaper row has been found meanwhile.
        self._walk(begun(self._limit), math.inf)

    def _descend(self, at: npt.NDArray[np.int64] | None) -> None:
        """Look for a better row on the way down from the one at ``at``, from cell to cell."""
        while at is not None:
            before = self._best
            if not self._judge(self._rows_of(self._down(at))):
                return
            self._draw_back()
            if self._best > 0.999 * before:
                return
            at = self._at_best()

    def _at_best(self) -> npt.NDArray[np.int64] | None:
        if not len(self._rows):
            return None
        problem = self._problem
        return self._laid.question.positions(self._rows[0], problem.factual, problem.axes)

    @property
    def _limit(self) -> float:
        """Only rows that cost less are looked for."""
        return self._best - SAME_COST * max(1.0, self._best) if self._best < math.inf else math.inf

    def _walk(self, search: kernel.NetworkSearch, cap: float) -> None:
        """Settle what costs less than ``cap``."""
        opened, done = self._opened(search, 0), False
        waiting: Rows = np.empty((0, len(self._problem.schema)))
        try:
            while True:
                waiting = self._rows_of(search.take_rows())
                hopes = self._rows_of(search.take_hopes())
                if search.is_lost:
                    raise NotEligible("networks", "a bound is no number")
                if self._judge(np.concatenate([waiting, hopes])):
                    self._draw_back()
                waiting = waiting[:0]
                if len(far := search.take_far()) and not done:
                    self._descend(far)
                if done:
                    break
                self._deadline.check()
                done = search.run(BOXES, min(cap, self._limit))
                opened = self._opened(search, opened)
            # Nothing below the cap is left; the best, if it is there, is the optimum.
            self._bound = self._best if self._best <= cap else max(self._bound, cap)
        except DeadlineReached:
            costs = self._problem.cost_of(waiting)
            least = float(costs.min()) if len(costs) else math.inf
            self._bound = max(self._bound, min(search.bound, least, cap))
            raise

    def _opened(self, search: kernel.NetworkSearch, before: int) -> int:
        self._meter.opened(search.nodes - before)
        return search.nodes

    def _rows_of(self, positions: npt.NDArray[np.int64]) -> Rows:
        n = len(self._problem.schema)
        question = self._laid.question
        return question.rows(positions.reshape(-1, n)) if len(positions) else np.empty((0, n))

    def _judge(self, rows: Rows) -> bool:
        """Take the cheapest of ``rows`` that is an answer, by the definitions and the model.
        Whether one is."""
        known = [row.tobytes() in self._judged for row in rows]
        rows = rows[~np.array(known, dtype=np.bool_)]
        costs = self._problem.cost_of(rows)
        rows, costs = rows[costs < self._best], costs[costs < self._best]
        self._judged.update(row.tobytes() for row in rows)
        rows, costs = rows[(kept := self._problem.allowed(rows))], costs[kept]
        order = np.argsort(costs, kind="stable")
        rows, costs = rows[order], costs[order]
        if not len(rows):
            return False
        met = self._problem.target.met(self._meter.score(rows))
        if met.any():
            self._rows = np.concatenate([rows[met], self._rows])[:KEPT]
            self._best = float(costs[met][0])
        return bool(met.any())

    def _over(self, actions: Rows) -> Floats:
        return np.asarray(self._model.over(self._goals, actions))

    def _draw_back(self) -> None:
        """Make the best cheaper, lever by lever, some times."""
        if self._drawn < MOST_DRAWN:
            self._drawn += 1
            self._judge(polished(self._problem, self._over, _all, self._rows[0])[None, :])


def _all(actions: Rows) -> Mask:
    return np.ones(len(actions), dtype=np.bool_)
