"""The exact engine for tree ensembles."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from heapq import heappop, heappush
from itertools import count, pairwise
from threading import Lock
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt

from explainers.constraints import Rule
from explainers.deadline import Deadline
from explainers.errors import DeadlineReached, NotEligible
from explainers.image import Image
from explainers.problem import Problem
from explainers.search.engine import (
    Meter,
    Outcome,
    range_by_asking,
    refuse_tolerances,
    run_around,
)
from explainers.search.goals import Goal, goals_of
from explainers.search.pool import Pool
from explainers.search.trees import entries, kernel
from explainers.search.trees.arena import (
    BEST,
    CORNER,
    FRAGILE,
    HAS_BEST,
    NODES,
    PENDING,
    SP,
    WAITING,
    Arena,
    Arenas,
)
from explainers.search.trees.flat_rules import FlatRules, flatten
from explainers.search.trees.following import Following, asked_of
from explainers.search.trees.incumbent import IN_DOUBT
from explainers.search.trees.layout import Layout
from explainers.search.trees.leaves import Leaves, read_leaves
from explainers.search.trees.merge import merged
from explainers.search.trees.prices import Priced, priced
from explainers.search.trees.question import Limits, Question, build_question
from explainers.search.trees.readings import FAILS, SURVIVES, UNDECIDED
from explainers.search.trees.tables import Tables, build_tables, table_bytes
from explainers.space import changed
from explainers.target import Target
from models.graph.forms import GraphForm
from models.predictor import Predictor, Row, Rows, Scores
from models.schema import Schema

MOST_BYTES = 512 << 20
"""Of the tables for one target; a larger forest is left to the other engines."""
NEAREST_STEPS = 16
WARM_SECONDS = 10.0
"""For the search of a question that is asked to warm up; compiling may take longer."""
MOST_REMEMBERED = 256
"""Targets whose limits, and sets of rules whose arrays, are remembered."""
WORDS_BETWEEN_LOOKS = 400_000
"""Work between two looks at the deadline: a few milliseconds."""
PATIENCE_IN_BOX = 300
"""Boxes opened inside one on merged tables before it is split."""
SHARES = (0.3, 0.45, 0.65, 0.85, 1.0)
"""Parts of the best cost within which it is proven, one after the other, that nothing is."""


MOST_PARTS = 20_000
"""Parts into which the readings of one row are split before it is left undecided."""
MOST_FRAGILE = 512
GROWTH = 1.4
"""From one cap to the next, from a row that may not survive the sensors."""

Positions = npt.NDArray[np.int64]
Box = tuple[Positions, Positions]
"""First and last position of every axis."""


@dataclass(frozen=True, eq=False)
class _Asked:
    """A problem in arrays, and the place to search for its answer."""

    tables: Tables
    arenas: Arenas
    question: Question


@dataclass(frozen=True, eq=False)
class _Aim:
    """What one target asks of the trees."""

    goals: tuple[Goal, ...]
    tables: Tables
    arenas: Arenas
    limits: Limits


class Trees:
    """Branch and bound over one deployed tree ensemble; made once for a model, then shared.

    Raises
    ------
    NotEligible
        If the graph is no tree ensemble whose leaves are boxes of feature values.
    """

    name = "trees"

    def __init__(self, form: GraphForm, schema: Schema, *, patience: int = 1_000) -> None:
        self._patience = patience
        """Boxes opened on the tables of the whole model before trees are merged."""
        self._form = form
        self._leaves = read_leaves(form, schema)
        self._layout = Layout.of(schema, form.columns, self._leaves.cells)
        self._aims: dict[tuple[float | None, ...], _Aim] = {}
        self._tables: dict[tuple[bytes, ...], tuple[Tables, Arenas]] = {}
        self._rules: dict[tuple[int, ...], tuple[tuple[Rule, ...], FlatRules]] = {}
        self._asked: WeakKeyDictionary[Problem, _Asked] = WeakKeyDictionary()
        self._lock = Lock()

    def nearest(self, problem: Problem, meter: Meter, deadline: Deadline) -> Scores | None:
        row = self._search_for(problem.inert, meter, deadline, self._patience).nearest()
        try:
            if problem.image is not None:
                row = self._nearest_with_effects(problem, problem.image, meter, deadline, row)
        except DeadlineReached:
            return None
        return None if row is None else meter.score(problem.rows_of(row[None, :]))

    def sufficient_range(
        self, problem: Problem, meter: Meter, row: Row, column: int
    ) -> tuple[float, float]:
        """From the tables: the model is asked only within rounding of the target's edge, and
        where something follows."""
        if problem.image is not None and not self._stays_inert(problem, row, column):
            return range_by_asking(problem, meter.knowing(self._layout.alike), row, column)
        asked = self._in_arrays(problem.inert)
        values = asked.question.values(column)
        at = asked.question.positions(row)
        found = np.empty(len(values), np.uint8)
        with asked.arenas.lent() as arena:
            entries.hold_around(asked.tables, asked.question, arena, at, column, found)
            if len(asked.question.near):
                entries.keep_surviving(
                    asked.tables, asked.question, arena, at, column, MOST_PARTS, found
                )
        holds = found > 0
        unsure = np.flatnonzero(found == IN_DOUBT)
        if len(unsure):
            rows = np.repeat(row[None, :], len(unsure), axis=0)
            rows[:, column] = values[unsure]
            holds[unsure] = problem.target.met(meter.score(rows))
        first, last = run_around(holds, int(at[column]))
        return float(values[first]), float(values[last])

    def warm(self, problem: Problem, predictor: Predictor) -> None:
        """Compile the kernel, the merging of trees included, and build the tables for the
        target of ``problem``."""
        deadline = Deadline.after(WARM_SECONDS)
        meter = Meter(predictor, deadline)
        with suppress(NotEligible, DeadlineReached):
            found = self.search(problem, meter, deadline)
            self.nearest(problem, meter, deadline)
            for row in found.candidates[:1]:
                self.sufficient_range(problem, meter, row, 0)
            self._search_for(problem, meter, Deadline.never(), 0).rehearse()

    @property
    def table_bytes(self) -> int:
        """Bytes of the bit tables that are held at present."""
        return sum(tables.size for tables, _ in self._tables.values())

    def search(self, problem: Problem, meter: Meter, deadline: Deadline) -> Outcome:
        """The optimum with its proof, or the best row and bound at the deadline.

        Raises
        ------
        NotEligible
            If a constraint, the target or what follows cannot be kept inside the proof.
        """
        if problem.image is not None:
            return self._search_with_effects(problem, problem.image, meter, deadline)
        return self._search_for(problem, meter, deadline, self._patience).run()

    def _search_with_effects(
        self, problem: Problem, image: Image, meter: Meter, deadline: Deadline
    ) -> Outcome:
        """First what nothing follows from, then what is cheaper and has effects."""
        refuse_tolerances(problem, self.name)
        if not image.severs:
            raise NotEligible(self.name, "what is set may follow as well")
        aim = self._aim_at(problem.target)
        modes = asked_of(problem, image, self._layout, aim.limits, self._flattened)
        inert = self._search_for(problem.inert, meter, deadline, self._patience).run()
        meter = meter.knowing(self._layout.alike)
        pool, bound = Pool(problem, meter), inert.lower_bound or 0.0
        try:
            pool.keep(inert.candidates)
            with aim.arenas.lent() as arena:
                following = Following(problem, image, meter, pool, aim.tables, arena, deadline)
                for mode in modes:
                    bound = min(bound, following.settle(mode))
        except DeadlineReached:
            bound = 0.0
        return Outcome(
            pool.rows,
            min(bound, pool.cost),
            pool.nearest,
            deadline.expired(),
            unsure=pool.unsure,
        )

    def _nearest_with_effects(
        self, problem: Problem, image: Image, meter: Meter, deadline: Deadline, row: Row | None
    ) -> Row | None:
        """The action that comes nearest to the target, if ``row`` does of all that move nothing."""
        aim = self._aim_at(problem.target)

        def over(rows: Rows) -> Row:
            raw = self._form.raw(rows)
            return np.asarray(np.max([raw @ g.weights - g.limit for g in aim.goals], axis=0))

        with aim.arenas.lent() as arena:
            pool = Pool(problem, meter)
            following = Following(problem, image, meter, pool, aim.tables, arena, deadline)
            for asked in asked_of(problem, image, self._layout, aim.limits, self._flattened):
                best = math.inf
                if row is not None:
                    best = float(over(problem.rows_of(row[None, :]))[0])
                nearer = following.nearest(asked, over, best)
                row = row if nearer is None else nearer
        return row

    def _stays_inert(self, problem: Problem, row: Row, column: int) -> bool:
        """Whether nothing follows from an action, and nothing would if the value of one feature
        were any other than that it has."""
        assert problem.image is not None
        if not problem.image.severs:
            return False
        others = np.flatnonzero(changed(row[None, :], problem.factual)[0])
        return not problem.image.effects(others.tolist()) and not problem.image.effects(
            [j for j in others.tolist() if j != column]
        )

    def _search_for(
        self, problem: Problem, meter: Meter, deadline: Deadline, patience: int
    ) -> _Search:
        return _Search(problem, meter, deadline, self._in_arrays(problem), patience)

    def _in_arrays(self, problem: Problem) -> _Asked:
        """The problem in arrays; made once, while the problem is asked about."""
        with self._lock:
            known = self._asked.get(problem)
        if known is None:
            aim = self._aim_at(problem.target)
            question = build_question(problem, self._layout, aim.limits, self._flattened)
            known = _Asked(aim.tables, aim.arenas, question)
            with self._lock:
                self._asked[problem] = known
        return known

    def _flattened(self, rules: tuple[Rule, ...]) -> FlatRules:
        """The rules of a policy are the same objects for all its questions."""
        key = tuple(map(id, rules))
        with self._lock:
            known = self._rules.get(key)
        if known is None:
            known = rules, flatten(rules, self._layout.schema)
            with self._lock:
                if len(self._rules) >= MOST_REMEMBERED:
                    self._rules.clear()  # as many rules as a client cares to send
                self._rules[key] = known
        return known[1]

    def _aim_at(self, target: Target) -> _Aim:
        key = (target.wanted, target.lower, target.upper, target.decision.threshold)
        with self._lock:
            known = self._aims.get(key)
        if known is None:
            goals = goals_of(target, self._form, self._leaves.values.shape[1])
            known = _Aim(goals, *self._tables_for(goals), self._limits_of(goals))
            with self._lock:
                if len(self._aims) >= MOST_REMEMBERED:
                    self._aims.clear()  # as many targets as a client cares to invent
                self._aims[key] = known
        return known

    def _limits_of(self, goals: Sequence[Goal]) -> Limits:
        return Limits(
            np.array([goal.limit - goal.weights @ self._leaves.base for goal in goals]),
            np.array([goal.band + self._noise(goal) for goal in goals]),
        )

    def _tables_for(self, goals: Sequence[Goal]) -> tuple[Tables, Arenas]:
        key = tuple(goal.weights.tobytes() for goal in goals)
        with self._lock:
            if key not in self._tables:
                tables = _tables_of(self._leaves, goals)
                self._tables[key] = tables, Arenas(tables)
            return self._tables[key]

    def _noise(self, goal: Goal) -> float:
        """How far a float32 sum over the trees, in any order, may be from the exact one."""
        sizes = np.abs(self._leaves.values @ goal.weights)
        starts = self._leaves.trees[:-1]
        total = float(np.maximum.reduceat(sizes, starts).sum())
        total += float(np.abs(goal.weights) @ np.abs(self._leaves.base))
        return len(starts) * 2.0**-24 * total


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
        self, problem: Problem, meter: Meter, deadline: Deadline, asked: _Asked, patience: int
    ) -> None:
        self._patience = patience
        self._problem = problem
        self._meter = meter
        self._deadline = deadline
        self._asked = asked
        self._positions: npt.NDArray[np.int64] | None = None
        self._best = math.inf
        self._bound = 0.0
        self._open = math.inf
        """Least cost that a box could have that the deadline left open."""
        self._guess = math.inf
        """Cost of a row that is in the target, whatever the sensors may read."""
        n = len(asked.question.size)
        self._robust = len(asked.question.near) > 0
        self._fragile = (
            np.empty((MOST_FRAGILE, n), np.int64),
            np.empty((MOST_FRAGILE, n), np.int64),
        )
        self._n_fragile = 0

    @cached_property
    def _dearest(self) -> float:
        """More than any row costs."""
        q = self._asked.question
        return 1.0 + sum(float(q.cost[a:b].max()) for a, b in pairwise(q.off))

    def run(self) -> Outcome:
        deadline_hit = False
        try:
            if not all(self._asked.question.size):
                self._bound = math.inf
            else:
                self._prove()
        except DeadlineReached:
            deadline_hit = True
        bound = min(self._bound, self._best)
        if self._positions is not None:
            row = self._asked.question.row(self._positions)
            return Outcome(row[None, :], bound, None, deadline_hit)
        rows = np.empty((0, len(self._problem.schema)))
        return Outcome(rows, bound, None, deadline_hit)

    def nearest(self) -> Row | None:
        """The allowed row that comes nearest to the target, by halving what all limits
        must be loosened by; None if no row is allowed or the time is up."""
        t, q = self._asked.tables, self._asked.question
        if not all(q.size):
            return None
        q = q._replace(near=q.near[:0], far=q.far[:0])
        nearest, short, missing = None, 0.0, math.inf
        with self._asked.arenas.lent() as arena:
            for _ in range(NEAREST_STEPS):
                loosened = q._replace(limit=q.limit + 0.5 * (short + min(missing, 1e300)))
                entries.start(t, loosened, arena, math.inf, q.least, q.most)
                while entries.search(t, loosened, arena, 256) == kernel.MORE:
                    if arena.ints[HAS_BEST] or arena.ints[NODES] >= self._patience:
                        break
                if self._deadline.expired():
                    return None
                if arena.ints[HAS_BEST]:
                    nearest = q.row(arena.best)
                    missing = float(entries.over_limit(t, q, arena, arena.best.copy()))
                elif nearest is None:
                    return None
                else:
                    short = 0.5 * (short + missing)
        return nearest

    def rehearse(self) -> None:
        """Go once through what only hard questions need."""
        t, q = self._asked.tables, self._asked.question
        with self._asked.arenas.lent() as arena:
            entries.start(t, q, arena, math.inf, q.least, q.most)
            near = merged(t, q, arena, math.inf, self._deadline)
            if near is not None:
                own = Arena.of(near)
                entries.start(near, q, own, math.inf, q.least, q.most)
                entries.search(near, q, own, 1)
                entries.improve(near, q, own)
                entries.open_bound(q, own)
                loose = q._replace(limit=np.full_like(q.limit, 1e9))
                entries.start(near, loose, own, self._dearest, q.least, q.most)
                whole = priced(near, loose, own, self._dearest, None, self._deadline.check)
                priced(near, loose, own, self._dearest, whole, self._deadline.check)
            q = q._replace(near=q.cell, far=q.cell)
            entries.survives(t, q, arena, q.least, 1)
            entries.keep_surviving(t, q, arena, q.least, 0, 1, np.zeros(q.size[0], np.uint8))

    def _prove(self) -> None:
        t, q = self._asked.tables, self._asked.question
        with self._asked.arenas.lent() as lent:
            arena = self._with_fragile(lent)
            entries.start_from_incumbent(t, q, arena)
            self._guess = float(arena.floats[BEST])
            if self._robust:  # a first answer that may not survive is none
                entries.start(t, q, arena, math.inf, q.least, q.most)
            status = entries.search(t, q, arena, min(_chunk(t), self._patience))
            if self._drive(t, q, arena, status, self._patience):
                self._bound = min(self._best, self._open)
                return
            if not self._robust:
                self._improve(t, q, arena)
            for cap in self._caps():
                self._open = math.inf
                try:
                    self._settle(t, q, arena, cap)
                finally:
                    self._bound = max(self._bound, min(cap, self._best, self._open))
                if self._best <= cap:
                    return  # everything cheaper than it was looked at

    def _improve(self, t: Tables, q: Question, arena: Arena) -> None:
        """A better row to start with, from the trees merged within the cost of the present one."""
        if self._positions is None:
            return
        entries.start(t, q, arena, self._best, q.least, q.most)
        near = merged(t, q, arena, self._best, self._deadline) if arena.ints[SP] else None
        if near is None:
            return
        own = Arena.of(near, 1)
        entries.start(near, q, own, self._best, q.least, q.most)
        own.best[:], own.ints[HAS_BEST] = self._positions, 1
        entries.improve(near, q, own)
        self._take(own)

    def _caps(self) -> list[float]:
        if self._best < math.inf:
            return [share * self._best for share in SHARES]
        most = self._dearest
        if self._guess == math.inf:
            return [most / 64, most / 16, most / 4, math.inf]
        caps = [self._guess]
        while caps[-1] < most:
            caps.append(GROWTH * caps[-1] + 1e-9)
        return [*caps, math.inf]

    def _settle(self, t: Tables, q: Question, arena: Arena, cap: float) -> None:
        """Settle what is cheaper than ``cap``, with the trees merged within that cost; ``arena``
        is free to be used."""
        whole = q.least, q.most
        entries.start(t, q, arena, min(cap, self._best), *whole)
        if not arena.ints[SP]:
            return
        try:
            near = merged(t, q, arena, min(cap, self._best), self._deadline)
        except DeadlineReached:
            self._open = min(self._open, float(arena.floats[CORNER]))
            raise
        if near is not None:
            own = self._with_fragile(Arena.of(near))
            entries.start(near, q, own, min(cap, self._best), *whole)
            status = entries.search(near, q, own, 1)
            if not self._drive(near, q, own, status, PATIENCE_IN_BOX):
                self._split(near, q, own, cap)

    def _split(self, t: Tables, q: Question, arena: Arena, cap: float) -> None:
        """Settle what is cheaper than ``cap``: the box of the least bound is searched for a while,
        then halved, until the least bound is ``cap``."""
        least, ticket = 0.0, count()
        queue: list[tuple[float, int, Priced]] = []
        boxes: list[Box] = [(q.least, q.most)]
        around: Priced | None = None
        try:
            while True:
                for box in boxes:
                    found = self._priced(t, q, arena, cap, box, around)
                    if found is not None:
                        heappush(queue, (found.bound, next(ticket), found))
                if not queue or queue[0][0] >= min(cap, self._best):
                    return
                least, _, around = heappop(queue)
                entries.start(t, q, arena, min(cap, self._best), around.lo, around.hi)
                status = entries.search(t, q, arena, 1)
                settled = self._drive(t, q, arena, status, PATIENCE_IN_BOX, least)
                boxes = [] if settled else _halves(t, q, around)
        except DeadlineReached:
            self._open = min(self._open, least)
            raise

    def _priced(
        self, t: Tables, q: Question, arena: Arena, cap: float, box: Box, around: Priced | None
    ) -> Priced | None:
        """A box with a bound; None if nothing in it costs less than ``cap``."""
        best = min(cap, self._best, self._dearest)
        entries.start(t, q, arena, best, *box)
        if not arena.ints[SP]:
            return None
        return priced(t, q, arena, best, around, self._deadline.check)

    def _drive(
        self, t: Tables, q: Question, a: Arena, status: int, most_nodes: int, least: float = 0.0
    ) -> bool:
        """Search on; whether all boxes were closed before ``most_nodes`` were opened. No open box
        has a row that costs less than ``least``."""
        while True:
            self._take(a)
            if status == kernel.DONE:
                return True
            if status == kernel.VERDICT:
                self._ask(q, a)
            elif status == kernel.FULL or a.ints[NODES] >= most_nodes:
                return False
            if self._deadline.expired():
                self._open = min(self._open, max(least, float(entries.open_bound(q, a))))
                raise DeadlineReached("the deadline has passed")
            status = entries.search(t, q, a, min(_chunk(t), most_nodes))

    def _take(self, a: Arena) -> None:
        if a.ints[HAS_BEST] and a.floats[BEST] < self._best:
            self._best = float(a.floats[BEST])
            self._positions = a.best.copy()

    def _ask(self, q: Question, a: Arena) -> None:
        """A candidate that the tables cannot decide upon."""
        if self._survives(q, a) if self._robust else self._is_met(q, a):
            a.floats[BEST] = a.floats[WAITING]
            a.best[:] = a.at
            a.ints[HAS_BEST] = 1
            self._take(a)
        else:
            a.ints[PENDING] = 1

    def _is_met(self, q: Question, a: Arena) -> bool:
        """Within rounding of the target, the deployed model decides."""
        scores = self._meter.score(q.row(a.at)[None, :])
        return bool(self._problem.target.met(scores)[0])

    def _survives(self, q: Question, a: Arena) -> bool:
        """Whether the candidate survives the sensors; if not, fragile rows like it are noted."""
        with self._asked.arenas.lent() as own:
            found = entries.survives(self._asked.tables, q, own, a.at.copy(), MOST_PARTS)
            if found == UNDECIDED:
                self._open = min(self._open, float(a.floats[WAITING]))
            if found != FAILS:
                return bool(found == SURVIVES)
            lo, hi = self._fragile
            n = int(a.ints[FRAGILE])
            if n == len(lo):  # the newest half is kept
                n //= 2
                lo[:n], hi[:n] = lo[-n:].copy(), hi[-n:].copy()
            lo[n], hi[n] = own.lo[0], own.hi[0]
            a.ints[FRAGILE] = self._n_fragile = n + 1
        return False

    def _with_fragile(self, a: Arena) -> Arena:
        """The arena, with what is known of fragile rows."""
        if not self._robust:
            return a
        a.ints[FRAGILE] = self._n_fragile
        return a._replace(fragile_lo=self._fragile[0], fragile_hi=self._fragile[1])


def _halves(t: Tables, q: Question, box: Priced) -> list[Box]:
    """The box in two, between the cells that its trees disagree about, or through its widest
    side."""
    column = box.column
    if column < 0:
        column = int(np.argmax(box.hi - box.lo))
        edge = int(box.lo[column] + box.hi[column] + 1) // 2
    else:
        cells = t.coarse[t.fine[column] + q.cells(column)]
        edge = int(np.searchsorted(cells, box.edge))
    below, above = box.hi.copy(), box.lo.copy()
    below[column], above[column] = edge - 1, edge
    return [(box.lo, below), (above, box.hi)]


def _chunk(t: Tables) -> int:
    """Boxes to open between two looks at the deadline."""
    return max(16, WORDS_BETWEEN_LOOKS // (len(t.full) + 1))
