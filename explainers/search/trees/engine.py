"""The exact engine for tree ensembles."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from threading import Lock
from weakref import WeakKeyDictionary

import numpy as np

from ifonly.explainers.consequences import Consequences
from ifonly.explainers.constraints import Mask
from ifonly.explainers.constraints.forms import Implication, Readings
from ifonly.explainers.deadline import Deadline
from ifonly.explainers.errors import DeadlineReached, NotEligible
from ifonly.explainers.native.kernel import HOLDS, IN_DOUBT
from ifonly.explainers.problem import Problem
from ifonly.explainers.search.breakpoints import (
    ASK,
    NO,
    SURE,
    Verdicts,
    Walk,
    breakpoints_of_rules,
    positions_of,
    rows_at,
)
from ifonly.explainers.search.engine import (
    FIRST_BLOCK,
    Judge,
    Judged,
    Meter,
    SearchOutcome,
    any_of,
    range_by_asking,
    range_by_judging,
    refuse_redrawn,
    run_around,
)
from ifonly.explainers.search.incumbents import Incumbents
from ifonly.explainers.search.trees import entry_points
from ifonly.explainers.search.trees.alike import Likeness, Likenesses
from ifonly.explainers.search.trees.any_row import AnyRowSearch
from ifonly.explainers.search.trees.arena import Arena
from ifonly.explainers.search.trees.boxes import RawMargins, TreeBoxes, TreeEffectBoxes
from ifonly.explainers.search.trees.contradiction import TreeContradictions
from ifonly.explainers.search.trees.effect_search import CompiledEffectSearch, judge_of, mode_of
from ifonly.explainers.search.trees.effects import margin_of
from ifonly.explainers.search.trees.ensemble_targets import EnsembleTarget, EnsembleTargets
from ifonly.explainers.search.trees.flat_rules import Flattened, flatten
from ifonly.explainers.search.trees.following import EffectSearch, ModeInstance, asked_of
from ifonly.explainers.search.trees.layout import Layout
from ifonly.explainers.search.trees.leaves import read_leaves
from ifonly.explainers.search.trees.proof import BoxSearch
from ifonly.explainers.search.trees.question import SumLimits
from ifonly.explainers.search.trees.question_building import build_question
from ifonly.explainers.search.trees.reach import TreeReach
from ifonly.explainers.search.trees.survival import Survival
from ifonly.explainers.search.trees.table_search import SearchInstance
from ifonly.explainers.space import Positions, Values, changed
from ifonly.explainers.target import Target
from ifonly.models.graph.forms import GraphForm
from ifonly.models.predictor import Row, Rows, Scores
from ifonly.models.schema import Schema

MOST_REMEMBERED = 256
"""Sets of rules whose arrays are remembered."""


class Trees:
    """Branch and bound over one deployed tree ensemble; made once for a model, then shared.

    Raises
    ------
    NotEligible
        If the graph is no tree ensemble whose leaves are boxes of feature values.
    """

    name = "trees"

    def __init__(self, form: GraphForm, schema: Schema, *, patience: int | None = None) -> None:
        self._patience = patience
        self._form = form
        leaves = read_leaves(form, schema)
        self._layout = Layout.of(schema, form.columns, leaves.cells)
        self._targets = EnsembleTargets(form, leaves)
        self._likenesses = Likenesses(self._layout)
        self._rules: dict[tuple[int, ...], tuple[tuple[Implication, ...], Flattened]] = {}
        # Weakly: what is known of a question goes when the question does.
        self._asked: WeakKeyDictionary[Problem, SearchInstance] = WeakKeyDictionary()
        self._asked_modes: WeakKeyDictionary[Problem, list[ModeInstance]] = WeakKeyDictionary()
        self._lock = Lock()

    def nearest(self, problem: Problem, meter: Meter, deadline: Deadline) -> Scores | None:
        # What nothing follows from first: its row is what effects have to beat.
        row = self._proof(problem.inert, meter, deadline).nearest()
        try:
            if problem.consequences is not None:
                row = self._nearest_with_effects(problem, problem.consequences, deadline, row)
        except DeadlineReached:
            return None
        return None if row is None else meter.score(problem.rows_of(row[None, :]))

    def sufficient_range(
        self, problem: Problem, meter: Meter, row: Row, column: int
    ) -> tuple[float, float]:
        """The interval, read from the tables: the model is asked only within rounding of the
        target's edge, and where something follows."""
        if problem.consequences is not None and not self._stays_inert(problem, row, column):
            return self._range_with_effects(problem, problem.consequences, meter, row, column)
        inert = problem.inert
        asked = self._in_arrays(inert)
        at = asked.question.positions(row, problem.factual, inert.single_axes)
        # A row that is off these axes is not known to the tables.
        if at is None:
            return range_by_asking(problem, meter, row, column)
        values = asked.question.values(column)
        if values is None:
            return self._long_range(inert, asked, meter, row, column, at)
        found = np.empty(len(values), np.uint8)
        with asked.arenas.lent() as arena:
            entry_points.hold_around(asked.tables, asked.question, arena, at, column, found)
        if IN_DOUBT in found.tobytes():
            unsure = np.flatnonzero(found == IN_DOUBT)
            rows = np.repeat(row[None, :], len(unsure), axis=0)
            # In one call for all values in doubt.
            rows[:, column] = values[unsure]
            found[unsure] = self._met(problem, meter, rows)
        first, last = run_around(found.tobytes(), int(at[column]))
        return float(values[first]), float(values[last])

    def _range_with_effects(
        self, problem: Problem, consequences: Consequences, meter: Meter, row: Row, column: int
    ) -> tuple[float, float]:
        """The same where something follows: by the tables, where compiled code can tell what does,
        and else by asking the model value by value."""
        known = meter.knowing(self._layout.alike)
        also = self._survival(problem)
        own = self._targets.of(problem.target)
        if self._is_severed(problem, consequences, row, column):
            judge = self._judge_severed(problem, consequences, row, column)
            if judge is not None:
                return range_by_judging(problem, known, row, column, judge, also)
        with own.arenas.lent() as arena:
            search = self._effect_search(problem, consequences, own, arena, Deadline.never())
            if isinstance(search, CompiledEffectSearch):
                modes = self._modes(problem, consequences, own.limits)
                judged = judge_of(
                    search,
                    modes,
                    row,
                    column,
                    lambda: self._judge_at_home(problem, consequences, row, column),
                )
                if judged is not None:
                    return range_by_judging(problem, known, row, column, judged, also)
        return range_by_asking(problem, known, row, column, also)

    def _judge_at_home(
        self, problem: Problem, consequences: Consequences, row: Row, column: int
    ) -> int:
        """What the tables say of an answer in which ``column`` is not set: it stays as it is, or
        follows."""
        back, factual = row.copy(), problem.factual
        back[column] = factual[column]
        moved = np.flatnonzero(changed(back[None, :], factual)[0]).tolist()
        if consequences.effects(moved):
            return self._judge_following(problem, consequences, back, moved)
        inert = problem.inert
        asked, found = self._in_arrays(inert), np.empty(1, np.uint8)
        at = asked.question.positions(back, factual, inert.single_axes)
        if at is None:
            return IN_DOUBT
        with asked.arenas.lent() as arena:
            entry_points.hold_at(
                asked.tables, asked.question, arena, at, column, at[column : column + 1], found
            )
        return int(found[0])

    def _judge_following(
        self, problem: Problem, consequences: Consequences, row: Row, moved: list[int]
    ) -> int:
        """What the tables say of one action, ``row``, that sets ``moved`` and from which something
        follows."""
        own = self._targets.of(problem.target)
        with own.arenas.lent() as arena:
            search = self._effect_search(problem, consequences, own, arena, Deadline.never())
            mode = mode_of(self._modes(problem, consequences, own.limits), frozenset(moved))
            if mode is None or not isinstance(search, CompiledEffectSearch):
                return IN_DOUBT
            at = mode.question.positions(row, problem.factual, problem.axes_if_set)
            if at is None:
                return IN_DOUBT
            j = moved[0]
            return int(search.held_around(mode, at, j, at[j : j + 1])[0])

    def _is_severed(
        self, problem: Problem, consequences: Consequences, row: Row, column: int
    ) -> bool:
        """Whether a feature that would follow is set against it, and nothing follows from the
        action."""
        others = np.flatnonzero(changed(row[None, :], problem.factual)[0]).tolist()
        return consequences.severs and not consequences.effects([*others, column])

    def _judge_severed(
        self, problem: Problem, consequences: Consequences, row: Row, column: int
    ) -> Judge | None:
        """What the tables say of values of a feature that is set against its causes: with its
        factual value it would not be set, and might follow. None where they do not know the row."""
        inert = problem.inert
        asked = self._in_arrays(inert)
        at = asked.question.positions(row, problem.factual, inert.single_axes)
        own = asked.question.values(column)
        if at is None or own is None:
            return None

        def judge(values: Values) -> Judged:
            places = own.searchsorted(values)
            known = own.take(places, mode="clip") == values
            known &= values != problem.factual[column]
            places = places.clip(max=len(own) - 1)
            found = np.zeros(len(values), np.uint8)
            with asked.arenas.lent() as arena:
                start, block = 0, FIRST_BLOCK
                # Outward: beyond the first that does not hold nobody wants to know.
                while start < len(values) and (found[:start] | ~known[:start]).all():
                    part = np.empty(min(block, len(values) - start), np.uint8)
                    entry_points.hold_at(
                        asked.tables,
                        asked.question,
                        arena,
                        at,
                        column,
                        places[start : start + block],
                        part,
                    )
                    found[start : start + block] = part
                    start, block = start + block, 2 * block
            found[~known] = IN_DOUBT
            home = values == problem.factual[column]
            if home.any() and (found[: (k := int(np.argmax(home)))] == HOLDS).all():
                found[k] = self._judge_at_home(problem, consequences, row, column)
            return found

        return judge

    def _modes(
        self, problem: Problem, consequences: Consequences, limits: SumLimits
    ) -> list[ModeInstance]:
        """The modes of a problem in arrays; made once, while the problem is asked about."""
        with self._lock:
            known = self._asked_modes.get(problem)
        if known is None:
            known = asked_of(problem, consequences, self._layout, limits, self._flattened)
            with self._lock:
                self._asked_modes[problem] = known
        return known

    def _long_range(
        self,
        problem: Problem,
        asked: SearchInstance,
        meter: Meter,
        row: Row,
        column: int,
        at: Positions,
    ) -> tuple[float, float]:
        """The same over a long axis: all values of a stretch are alike but where a rule turns."""
        axis, q = problem.single_axes[column], asked.question

        def judge(positions: Positions) -> Verdicts:
            found = np.empty(len(positions), np.uint8)
            with asked.arenas.lent() as arena:
                entry_points.hold_at(asked.tables, q, arena, at, column, positions, found)
            return np.where(found == IN_DOUBT, ASK, np.where(found == HOLDS, SURE, NO))

        def met(positions: Positions) -> Mask:
            return self._met(problem, meter, rows_at(axis, row, column, positions))

        first, count = q.long.first[column], q.off[column + 1] - q.off[column]
        starts = q.long.start[first : first + count]
        turns = positions_of(axis, breakpoints_of_rules(problem, row, column))
        return Walk(axis, int(at[column]), turns, judge, met, starts).ends()

    def _met(self, problem: Problem, meter: Meter, rows: Rows) -> Mask:
        """The model's word; it is asked once about rows that it cannot tell apart."""
        return problem.target.met(meter.knowing(self._layout.alike).score(rows))

    def likeness(self, problem: Problem) -> Likeness | None:
        """What the search sees of a question; None where that is all of it."""
        return self._likenesses.of(problem)

    @property
    def table_bytes(self) -> int:
        """Bytes of the bit tables that are held at present."""
        return self._targets.table_bytes

    def search(self, problem: Problem, meter: Meter, deadline: Deadline) -> SearchOutcome:
        """The optimum with its proof, or the best row and bound at the deadline.

        Raises
        ------
        NotEligible
            If a constraint, the target or what follows cannot be kept inside the proof.
        """
        refuse_redrawn(problem, self.name)
        if problem.consequences is not None:
            return self._search_with_effects(problem, problem.consequences, meter, deadline)
        return self._proof(problem, meter, deadline).run()

    def reaches(self, problem: Problem, meter: Meter, deadline: Deadline) -> Row | bool | None:
        """Any allowed action that leads into the target, at whatever cost; False: proven that there
        is none; None where that was not settled.

        Raises
        ------
        NotEligible
            As :meth:`search`.
        """
        if problem.consequences is not None:
            return any_of(self.search(problem, meter, deadline))
        return any_of(AnyRowSearch(problem, meter, deadline, self._in_arrays(problem)).run())

    def _search_with_effects(
        self, problem: Problem, consequences: Consequences, meter: Meter, deadline: Deadline
    ) -> SearchOutcome:
        """First what nothing follows from, then what is cheaper and has effects."""
        if not consequences.severs:
            raise NotEligible(self.name, "what is set may follow as well")
        own = self._targets.of(problem.target)
        # Before the search, so that what cannot be kept is refused at once.
        modes = self._modes(problem, consequences, own.limits)
        # What it costs closes all boxes of the modes that are dearer.
        # A row that it finds settles nothing of the modes: it takes no more than their time.
        inert = self._proof(problem.inert, meter, deadline.sooner(1.0)).run()
        meter = meter.knowing(self._layout.alike)
        survival = self._survival(problem)
        incumbents, bound = Incumbents(problem, meter, survival), inert.lower_bound or 0.0
        try:
            incumbents.keep(inert.candidates)
            with own.arenas.lent() as arena:
                following = self._effect_search(problem, consequences, own, arena, deadline)
                for mode in modes:
                    bound = min(bound, following.settle(mode, incumbents))
        except DeadlineReached:
            bound = 0.0
        # A row that was left undecided might be the answer, at any cost.
        if survival is not None and survival.undecided:
            bound = 0.0
        bound = min(bound, incumbents.cost)
        return SearchOutcome(
            incumbents.rows,
            bound,
            None,
            deadline.expired(),
            unsure=incumbents.unsure,
            same_by_main=not incumbents.others_decide,
        )

    def _effect_search(
        self,
        problem: Problem,
        consequences: Consequences,
        own: EnsembleTarget,
        arena: Arena,
        deadline: Deadline,
    ) -> CompiledEffectSearch | EffectSearch:
        """By compiled code, where it can tell what follows."""
        compiled = consequences.compiled
        # What hidden causes and other graphs make of what nobody has read is more than compiled
        # code knows.
        doubted = compiled is not None and (compiled.tilted or compiled.others or compiled.unknown)
        if compiled is None or (doubted and np.isnan(problem.factual).any()):
            return EffectSearch(problem, consequences, own.tables, arena, deadline)
        margin = margin_of(
            problem.target, self._form, own.goals, self._targets.base, own.limits.band
        )
        return CompiledEffectSearch(
            problem, consequences, compiled, margin, own.tables, arena, deadline
        )

    def _nearest_with_effects(
        self, problem: Problem, consequences: Consequences, deadline: Deadline, row: Row | None
    ) -> Row | None:
        """The action that comes nearest to the target, if ``row`` does of all that move nothing."""
        own = self._targets.of(problem.target)
        # Tolerances of sensors say nothing of how near a row's score comes.
        kept = tuple(c for c in problem.constraints if not isinstance(c.form, Readings))
        problem = replace(problem, constraints=kept)

        def over(rows: Rows) -> Row:
            raw = self._form.raw(rows)
            return np.asarray(np.max([raw @ g.weights - g.limit for g in own.goals], axis=0))

        with own.arenas.lent() as arena:
            following = EffectSearch(problem, consequences, own.tables, arena, deadline)
            for asked in asked_of(problem, consequences, self._layout, own.limits, self._flattened):
                best = math.inf
                if row is not None:
                    best = float(over(problem.rows_of(row[None, :]))[0])
                nearer = following.nearest(asked, over, best)
                row = row if nearer is None else nearer
        return row

    def reach(self, target: Target) -> TreeReach:
        """What the tables say of boxes of rows by one target.

        Raises
        ------
        NotEligible
            If the target is none that sums over trees can be held against.
        """
        return TreeReach(self._layout, self._targets.of(target), self._surviving)

    def boxes(
        self, problem: Problem, columns: Sequence[int], answers: Callable[[Rows], Mask]
    ) -> TreeBoxes | TreeEffectBoxes:
        """Who proves boxes of settings of ``columns``; ``answers`` decides on single ones.

        Raises
        ------
        NotEligible
            If a constraint or the target cannot be kept inside the proof.
        """
        inert = problem.inert
        asked = self._in_arrays(inert)
        consequences = problem.consequences
        if consequences is None or not consequences.effects(columns):
            return TreeBoxes(inert, self._layout, asked, answers, tuple(columns))
        if not consequences.severs:
            raise NotEligible(self.name, "what is set may follow as well")
        reach = self.reach(problem.target)
        margins = RawMargins.of(problem, reach, self._form, self._targets.base)
        return TreeEffectBoxes(problem, self._layout, asked, answers, tuple(columns), margins)

    def surviving(self, problem: Problem, rows: Rows) -> Mask:
        """Which rows survive the sensors, where they must."""
        return self._surviving(problem, rows)

    def contradictions(
        self, problem: Problem, meter: Meter, deadline: Deadline
    ) -> TreeContradictions:
        """Rows in the target of ``problem``, in which nothing follows, with readings held.

        Raises
        ------
        NotEligible
            If a constraint or the target cannot be kept inside the proof.
        """
        return TreeContradictions(problem, meter, deadline, self._in_arrays(problem))

    def _surviving(self, problem: Problem, rows: Rows) -> Mask:
        survival = self._survival(problem)
        return np.ones(len(rows), dtype=np.bool_) if survival is None else survival(rows)

    def _survival(self, problem: Problem) -> Survival | None:
        """What rows in the target must keep besides; None if they need not survive the sensors."""
        if problem.survives is None:
            return None
        return Survival(problem, self._layout, self._in_arrays(problem.inert))

    def _stays_inert(self, problem: Problem, row: Row, column: int) -> bool:
        """Whether nothing follows from an action, and nothing would if the value of one feature
        were any other than that it has."""
        assert problem.consequences is not None
        if not problem.consequences.severs:
            return False
        others = np.flatnonzero(changed(row[None, :], problem.factual)[0])
        return not problem.consequences.effects(
            others.tolist()
        ) and not problem.consequences.effects([j for j in others.tolist() if j != column])

    def _proof(self, problem: Problem, meter: Meter, deadline: Deadline) -> BoxSearch:
        return BoxSearch(problem, meter, deadline, self._in_arrays(problem), self._patience)

    def _in_arrays(self, problem: Problem) -> SearchInstance:
        """The problem in arrays; made once, while the problem is asked about."""
        with self._lock:
            known = self._asked.get(problem)
        # Made outside of the lock; if two threads do, the later one stays.
        if known is None:
            own = self._targets.of(problem.target)
            question = build_question(problem, self._layout, own.limits, self._flattened)
            known = SearchInstance(own.tables, own.arenas, question)
            with self._lock:
                self._asked[problem] = known
        return known

    def _flattened(self, rules: tuple[Implication, ...]) -> Flattened:
        """The rules of a policy are the same objects for all its questions."""
        # By identity, as hashing every rule would cost more. The rules are kept beside what is made
        # of them, so that no id is used again.
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
