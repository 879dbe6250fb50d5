"""The exact engine for tree ensembles."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress
from threading import Lock
from typing import NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt

from explainers.deadline import Deadline
from explainers.errors import DeadlineReached, NotEligible
from explainers.problem import Problem
from explainers.search.engine import Meter, Outcome
from explainers.search.goals import Goal, goals_of
from explainers.search.trees import kernel
from explainers.search.trees.incumbent import find_incumbent, line_totals
from explainers.search.trees.leaves import Leaves, read_leaves
from explainers.search.trees.merge import merged
from explainers.search.trees.question import Question, build_question
from explainers.search.trees.tables import Tables, build_tables, table_bytes
from explainers.target import Target
from models.graph.forms import GraphForm
from models.predictor import Predictor, Row, Scores
from models.schema import Schema

STACK = 1_024
MOST_BYTES = 512 << 20
"""Of the tables for one target; a larger forest is left to the other engines."""
NEAREST_STEPS = 16
WARM_SECONDS = 10.0
"""For the search of a question that is asked to warm up; compiling may take longer."""
MOST_TARGETS = 256
"""Targets whose limits are remembered."""
WORDS_BETWEEN_LOOKS = 400_000
"""Work between two looks at the deadline: a few milliseconds."""
SHARES = (0.5, 0.7, 0.85, 1.0)
"""Parts of the best cost within which it is proven, one after the other, that nothing is."""


class Arena(NamedTuple):
    """Everything that one search writes to."""

    lo: npt.NDArray[np.int64]
    hi: npt.NDArray[np.int64]
    cell_lo: npt.NDArray[np.int32]
    cell_hi: npt.NDArray[np.int32]
    mask: npt.NDArray[np.uint64]
    reach: npt.NDArray[np.uint64]
    corner_mask: npt.NDArray[np.uint64]
    leaf_cost: npt.NDArray[np.float64]
    least: npt.NDArray[np.int64]
    leaf: npt.NDArray[np.int64]
    over: npt.NDArray[np.float64]
    gain: npt.NDArray[np.float64]
    edge: npt.NDArray[np.int64]
    at: npt.NDArray[np.int64]
    best: npt.NDArray[np.int64]
    ints: npt.NDArray[np.int64]
    floats: npt.NDArray[np.float64]

    @classmethod
    def of(cls, t: Tables, stack: int = STACK) -> Arena:
        n, n_words, n_trees = t.leaf_lo.shape[1], len(t.full), len(t.words) - 1
        return cls(
            lo=np.empty((stack, n), np.int64),
            hi=np.empty((stack, n), np.int64),
            cell_lo=np.empty((stack, n), np.int32),
            cell_hi=np.empty((stack, n), np.int32),
            mask=np.empty((stack, n_words), np.uint64),
            reach=np.empty(n_words, np.uint64),
            corner_mask=np.empty(n_words, np.uint64),
            leaf_cost=np.empty(64 * n_words),
            least=np.empty(n_trees, np.int64),
            leaf=np.empty(n_trees, np.int64),
            over=np.empty(len(t.groups) - 1),
            gain=np.empty((n, 2)),
            edge=np.empty((n, 2), np.int64),
            at=np.empty(n, np.int64),
            best=np.empty(n, np.int64),
            ints=np.zeros(4, np.int64),
            floats=np.zeros(3),
        )


class Trees:
    """Branch and bound over one deployed tree ensemble; made once for a model, then shared.

    Raises
    ------
    NotEligible
        If the graph is no tree ensemble whose leaves are boxes of feature values.
    """

    name = "trees"

    def __init__(self, form: GraphForm, schema: Schema, *, patience: int = 4_000) -> None:
        self._patience = patience
        """Boxes opened on the tables of the whole model before trees are merged."""
        self._form = form
        self._schema = schema
        self._leaves = read_leaves(form, schema)
        self._goals: dict[tuple[float | None, ...], tuple[Goal, ...]] = {}
        self._tables: dict[tuple[bytes, ...], Tables] = {}
        self._questions: WeakKeyDictionary[Problem, tuple[Tables, Question]] = WeakKeyDictionary()
        self._lock = Lock()

    def nearest(self, problem: Problem, meter: Meter, deadline: Deadline) -> Scores | None:
        tables, question = self._asked(problem)
        return _Search(problem, meter, deadline, tables, question, self._patience).nearest()

    def sufficient_range(
        self, problem: Problem, meter: Meter, row: Row, column: int
    ) -> tuple[float, float]:
        """From the tables: the model is asked only within rounding of the target's edge."""
        t, q = self._asked(problem)
        values = q.value[q.off[column] : q.off[column + 1]]
        totals = line_totals(t, q, q.positions(row))[:, t.cells[column] + q.cells(column)]
        over = totals - q.limit[:, None]
        holds = (over <= q.band[:, None]).all(axis=0)
        unsure = np.flatnonzero(holds & (over >= -q.band[:, None]).any(axis=0))
        rows = np.repeat(row[None, :], len(values), axis=0)
        rows[:, column] = values
        if len(unsure):
            holds[unsure] = problem.target.met(meter.score(rows[unsure]))
        at = int(np.flatnonzero(values == row[column])[0])
        first, last = _run_around(holds, at)
        holds[first : last + 1] = problem.allowed(rows[first : last + 1])
        first, last = _run_around(holds, at)
        return float(values[first]), float(values[last])

    def warm(self, problem: Problem, predictor: Predictor) -> None:
        """Compile the kernel, the merging of trees included, and build the tables for the
        target of ``problem``."""
        deadline = Deadline.after(WARM_SECONDS)
        meter = Meter(predictor, deadline)
        with suppress(NotEligible):
            self.search(problem, meter, deadline)
            tables, question = self._asked(problem)
            _Search(problem, meter, deadline, tables, question, 0).run()

    @property
    def table_bytes(self) -> int:
        """Bytes of the bit tables that are held at present."""
        return sum(tables.size for tables in self._tables.values())

    def search(self, problem: Problem, meter: Meter, deadline: Deadline) -> Outcome:
        """The optimum with its proof, or the best row and bound at the deadline.

        Raises
        ------
        NotEligible
            If a constraint or the target cannot be kept inside the proof.
        """
        tables, question = self._asked(problem)
        return _Search(problem, meter, deadline, tables, question, self._patience).run()

    def _asked(self, problem: Problem) -> tuple[Tables, Question]:
        """The problem in arrays; made once, while the problem is asked about."""
        with self._lock:
            known = self._questions.get(problem)
        if known is None:
            known = self._build(problem)
            with self._lock:
                self._questions[problem] = known
        return known

    def _build(self, problem: Problem) -> tuple[Tables, Question]:
        goals = self._goals_of(problem.target)
        tables = self._tables_for(goals)
        question = build_question(
            problem,
            self._leaves.cells,
            self._form.columns,
            goals,
            self._leaves.base,
            [self._noise(goal) for goal in goals],
        )
        return tables, question

    def _goals_of(self, target: Target) -> tuple[Goal, ...]:
        key = (target.wanted, target.lower, target.upper, target.decision.threshold)
        with self._lock:
            known = self._goals.get(key)
        if known is None:
            known = goals_of(target, self._form, self._leaves.values.shape[1])
            with self._lock:
                if len(self._goals) >= MOST_TARGETS:
                    self._goals.clear()  # as many targets as a client cares to invent
                self._goals[key] = known
        return known

    def _tables_for(self, goals: Sequence[Goal]) -> Tables:
        key = tuple(goal.weights.tobytes() for goal in goals)
        with self._lock:
            if key not in self._tables:
                self._tables[key] = _tables_of(self._leaves, goals)
            return self._tables[key]

    def _noise(self, goal: Goal) -> float:
        """How far a float32 sum over the trees, in any order, may be from the exact one."""
        sizes = np.abs(self._leaves.values @ goal.weights)
        starts = self._leaves.trees[:-1]
        total = float(np.maximum.reduceat(sizes, starts).sum())
        total += float(np.abs(goal.weights) @ np.abs(self._leaves.base))
        return len(starts) * 2.0**-24 * total


def _run_around(holds: npt.NDArray[np.bool_], at: int) -> tuple[int, int]:
    """First and last index of the run of true values that ``at`` is in; ``at`` alone counts."""
    before = np.flatnonzero(~holds[:at])
    after = np.flatnonzero(~holds[at + 1 :])
    first = int(before[-1]) + 1 if len(before) else 0
    last = at + int(after[0]) if len(after) else len(holds) - 1
    return first, last


def _tables_of(leaves: Leaves, goals: Sequence[Goal]) -> Tables:
    """One group of trees for each goal, without the trees that a goal does not read."""
    sizes = np.diff(leaves.trees)
    tree_of = np.repeat(np.arange(len(sizes)), sizes)
    parts, lengths, groups = [], [], [0]
    for goal in goals:
        values = leaves.values @ goal.weights
        used = np.add.reduceat(np.abs(values), leaves.trees[:-1]) > 0.0
        used[0] |= not used.any()
        parts.append((np.flatnonzero(used[tree_of]), values))
        lengths.append(sizes[used])
        groups.append(groups[-1] + int(used.sum()))
    n_leaves, n_cells = sum(len(rows) for rows, _ in parts), sum(c.count for c in leaves.cells)
    size = table_bytes(n_cells, n_leaves, groups[-1])
    if size > MOST_BYTES:
        raise NotEligible(
            "trees", f"its tables would take {size >> 20} MiB, above {MOST_BYTES >> 20}"
        )
    return build_tables(
        np.concatenate([leaves.lower[rows] for rows, _ in parts]),
        np.concatenate([leaves.upper[rows] for rows, _ in parts]),
        np.concatenate([values[rows] for rows, values in parts]),
        np.concatenate([[0], np.cumsum(np.concatenate(lengths))]).astype(np.int64),
        np.array(groups, dtype=np.int64),
        np.array([own.count for own in leaves.cells], dtype=np.int64),
    )


class _Search:
    """One question's progress: the best row so far, and the cost below which there is none."""

    def __init__(
        self,
        problem: Problem,
        meter: Meter,
        deadline: Deadline,
        tables: Tables,
        question: Question,
        patience: int,
    ) -> None:
        self._patience = patience
        self._problem = problem
        self._meter = meter
        self._deadline = deadline
        self._tables = tables
        self._question = question
        self._positions: npt.NDArray[np.int64] | None = None
        self._best = math.inf
        self._bound = 0.0

    def run(self) -> Outcome:
        deadline_hit = False
        try:
            if not all(self._question.size):
                self._bound = math.inf
            else:
                self._prove()
        except DeadlineReached:
            deadline_hit = True
        bound = min(self._bound, self._best)
        if self._positions is not None:
            return Outcome(self._question.row(self._positions)[None, :], bound, None, deadline_hit)
        rows = np.empty((0, len(self._problem.schema)))
        return Outcome(rows, bound, None, deadline_hit)

    def nearest(self) -> Scores | None:
        """Scores of the allowed row that comes nearest to the target, by halving what all limits
        must be loosened by; None if no row is allowed or the time is up."""
        t, q, arena = self._tables, self._question, Arena.of(self._tables)
        nearest, short, missing = None, 0.0, math.inf
        for _ in range(NEAREST_STEPS):
            loosened = q._replace(limit=q.limit + 0.5 * (short + min(missing, 1e300)))
            kernel.start(t, loosened, arena, math.inf)
            while kernel.search(t, loosened, arena, 256) == kernel.MORE:
                if arena.ints[kernel.HAS_BEST] or arena.ints[kernel.NODES] >= self._patience:
                    break
            if self._deadline.expired():
                return None
            if arena.ints[kernel.HAS_BEST]:
                nearest = q.row(arena.best)[None, :]
                missing = self._over(nearest[0])
            elif nearest is None:
                return None
            else:
                short = 0.5 * (short + missing)
        return None if nearest is None else self._meter.score(nearest)

    def _over(self, row: Row) -> float:
        """How far the row's sums are above their limits, the worst of them."""
        totals = line_totals(self._tables, self._question, self._question.positions(row))
        column = int(np.argmax(self._question.size > 1))
        cell = self._tables.cells[column] + self._question.cells(column)
        at = self._question.positions(row)[column]
        return float((totals[:, cell[at]] - self._question.limit).max())

    def _prove(self) -> None:
        t, q = self._tables, self._question
        first = np.empty(len(q.size), np.int64)
        cost = float(find_incumbent(t, q, first))
        if cost < math.inf:
            self._best, self._positions = cost, first
        arena = Arena.of(t)
        if self._drive(t, q, arena, self._best, self._patience):
            return
        leaf_cost = arena.leaf_cost  # of every leaf of the model, for this question
        for cap in self._caps():
            self._deadline.check()
            near, question = merged(t, q, leaf_cost, cap)
            if not len(near.full):  # no leaf is within reach of so little
                self._bound = max(self._bound, min(cap, self._best))
            elif not self._drive(near, question, Arena.of(near), cap, None):
                return
            if self._best <= cap:
                return  # everything cheaper than it was looked at

    def _caps(self) -> list[float]:
        if self._best < math.inf:
            return [share * self._best for share in SHARES]
        q = self._question
        most = sum(float(q.cost[a:b].max()) for a, b in zip(q.off, q.off[1:], strict=False))
        return [most / 64, most / 16, most / 4, math.inf]

    def _drive(self, t: Tables, q: Question, a: Arena, cap: float, most_nodes: int | None) -> bool:
        """Search for what is cheaper than ``cap``; whether the whole space was closed."""
        kernel.start(t, q, a, cap)
        chunk = max(16, WORDS_BETWEEN_LOOKS // len(t.full))
        while most_nodes is None or a.ints[kernel.NODES] < most_nodes:
            status = kernel.search(t, q, a, chunk)
            self._take(a)
            if status == kernel.DONE:
                self._bound = max(self._bound, min(cap, self._best))
                return True
            if status == kernel.VERDICT:
                self._ask(q, a)
            elif status == kernel.FULL:
                return False
            if self._deadline.expired():
                self._bound = max(self._bound, min(cap, float(kernel.open_bound(q, a))))
                raise DeadlineReached("the deadline has passed")
        self._bound = max(self._bound, min(cap, float(kernel.open_bound(q, a))))
        return False

    def _take(self, a: Arena) -> None:
        if a.ints[kernel.HAS_BEST] and a.floats[kernel.BEST] < self._best:
            self._best = float(a.floats[kernel.BEST])
            self._positions = a.best.copy()

    def _ask(self, q: Question, a: Arena) -> None:
        """A candidate within rounding of the target: the deployed model decides."""
        scores = self._meter.score(q.row(a.at)[None, :])
        if self._problem.target.met(scores)[0]:
            a.floats[kernel.BEST] = a.floats[2]
            a.best[:] = a.at
            a.ints[kernel.HAS_BEST] = 1
            self._take(a)
        else:
            a.ints[kernel.PENDING] = 1
