"""The question, whole and checked: which smallest allowed change puts the score in the target?"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from functools import cached_property, lru_cache

import numpy as np
import numpy.typing as npt

from ifonly.explainers.consequences import (
    Consequences,
    Margin,
    Trust,
    follow,
    is_redrawn,
    trust,
)
from ifonly.explainers.constraints import (
    Axes,
    Changes,
    Constraint,
    LeavesOne,
    Mask,
    Origin,
    Rule,
    Source,
    Survives,
    conflict,
    cut_singly,
    propagate,
)
from ifonly.explainers.cost import Cost, Costs
from ifonly.explainers.errors import InvalidPolicy
from ifonly.explainers.space import LONGEST_LISTED, Axis, changed
from ifonly.explainers.target import Target
from ifonly.models.errors import InvalidInstance
from ifonly.models.predictor import Row, Rows, Scores
from ifonly.models.rounding import Rounding
from ifonly.models.schema import Schema


@dataclass(frozen=True, eq=False)
class Problem:
    """One factual, one target, everything that is allowed, and what change costs.

    Checks itself once, when built; nothing after it checks again.

    Raises
    ------
    InvalidPolicy
        If the parts do not fit together.
    InvalidInstance
        If the factual, or a reference row with names, is no instance of the schema.
    """

    schema: Schema
    factual: Row
    """``(n_features,)``, schema order, physical units, categories as codes, NaN if missing. Given
    with names (a mapping, a pandas Series), it is matched by them: :meth:`Schema.row`."""
    target: Target
    constraints: tuple[Constraint, ...]
    cost: Cost
    references: Rows | None = None
    """Rows seen in service, ``(n_rows, n_features)``; starts for searches, never needed."""
    alternatives: int = 1
    """How many counterfactuals are wanted, each with other levers than those before it."""
    seed: int = 0
    max_rows: int = 1_000_000
    """Model rows that a search without a proof may score before it gives up."""
    consequences: Consequences | None = None
    """What follows from what is set; None: nothing does, features move alone."""
    below: float = math.inf
    """Rows that cost as much are of no use; an engine need not look for them."""

    def __post_init__(self) -> None:
        n = len(self.schema)
        factual = self.schema.row(self.factual)
        # Shared by all that reads the question, in several threads.
        factual.setflags(write=False)
        # Frozen to all others; here, once, the checked form takes the place of what was given.
        object.__setattr__(self, "factual", factual)
        if len(self.cost.features) != n:
            raise InvalidPolicy("cost", f"speaks of {len(self.cost.features)} features of {n}")
        if self.references is not None and not _is_read(self.references, n):
            object.__setattr__(self, "references", self._read_references())
        for key, value in (("alternatives", self.alternatives), ("max_rows", self.max_rows)):
            if value < 1:
                raise InvalidPolicy(key, f"is {value}, below 1", value, 1)

    def _read_references(self) -> Rows:
        try:
            rows = self.schema.rows(self.references)
            rows.setflags(write=False)
            return rows
        except InvalidInstance as error:
            (first, *_) = error.problems
            # Of no feature: they are no rows at all, and so no part of a problem.
            if first.field:
                raise
            raise InvalidPolicy("references", first.problem) from error

    @cached_property
    def _whole(self) -> Axes:
        """Every settable value of every feature, before any constraint."""
        return tuple(
            Axis.of(feature, float(value))
            for feature, value in zip(self.schema.features, self.factual, strict=True)
        )

    @cached_property
    def axes(self) -> Axes:
        """The values each feature may take: a superset of what is allowed in allowed rows."""
        # What one constraint leaves may let another cut further.
        return propagate(self._narrowing, self._whole, self.factual)

    @cached_property
    def single_axes(self) -> Axes:
        """The values that each feature may take by what is said of it alone."""
        # For engines that narrow what relates features themselves, inside the search.
        return cut_singly(self._narrowing, self._whole, self.factual)

    @cached_property
    def axes_if_set(self) -> Axes:
        """The values that each feature may be set to, by what is said of it alone; also of one
        that would move without being set."""
        return cut_singly(self.constraints, self._whole, self.factual)

    @property
    def inert(self) -> Problem:
        """The same question for actions from which nothing follows: whoever sets a cause sets
        all that would follow from it too. Of consequences that sever."""
        # Not remembered where it is this one: what refers to itself is not freed at once.
        return self if self.consequences is None else self._inert

    @cached_property
    def _inert(self) -> Problem:
        assert self.consequences is not None
        closing = closing_rules(self.consequences, len(self.schema))
        inert = self._altered(consequences=None, constraints=(*self.constraints, *closing))
        # Of the same features and the same row.
        inert.__dict__["_whole"] = self._whole
        return inert

    @property
    def now(self) -> Problem:
        """The same question of actions that are carried out at once."""
        return self._now if is_redrawn(self.consequences) else self

    @cached_property
    def _now(self) -> Problem:
        assert self.consequences is not None
        return self.following(self.consequences.now)

    @cached_property
    def _narrowing(self) -> tuple[Constraint, ...]:
        """Constraints that say what may be set: of those on the row, the ones that read nothing
        that may move without being set."""
        if self.consequences is None:
            return self.constraints
        actions = tuple(c for c in self.constraints if c.of_action)
        axes = cut_singly(actions, self._whole, self.factual)
        # By what may be set at all: only these can move others.
        levers = [j for j, x in enumerate(self.factual) if len(axes[j]) > (float(x) in axes[j])]
        moving = frozenset(k for j in levers for k in self.consequences.effects([j]))
        # A limit on a reading says nothing of settings if the reading moves by itself.
        return tuple(c for c in self.constraints if c.of_action or not c.columns & moving)

    @cached_property
    def conflict(self) -> tuple[Constraint, ...] | None:
        """Constraints that contradict each other whatever the model says, or None."""
        # Propagation emptied no axis, so no contradiction is known.
        if all(len(axis) for axis in self.axes):
            return None
        return conflict(self._narrowing, self._whole, self.factual)

    @property
    def conflict_is_the_requests(self) -> bool:
        """Whether the contradiction goes away without what the request added."""
        return any(c.origin.source is Source.REQUEST for c in self.conflict or ())

    @cached_property
    def survives(self) -> Survives | None:
        """What readings the answer must survive, or None: the widest of what is asked for."""
        asked = [c for c in self.constraints if isinstance(c, Survives)]
        if len(asked) < 2:
            return asked[0] if asked else None
        # Request and policy may both ask: who survives the wider box survives both.
        widest = tuple(map(max, zip(*(c.tolerances for c in asked), strict=True)))
        return replace(asked[0], tolerances=widest)

    def firm(self, rounding: Rounding) -> Problem:
        """The same question for answers that hold in every session of the model, whose
        ``rounding`` it is. What is known of axes stays known."""
        if not rounding:
            return self
        if rounding not in self._firm:
            # What is known of axes says nothing of targets; problems made of it have some.
            known = {k: v for k, v in self.__dict__.items() if k not in ("_inert", "_firm", "_now")}
            self._firm[rounding] = self._altered(**{**known, "target": self.target.firm(rounding)})
        return self._firm[rounding]

    def following(
        self, consequences: Consequences, constraints: tuple[Constraint, ...] | None = None
    ) -> Problem:
        """The same question where something follows from what is set; with ``constraints`` in place
        of its own."""
        constraints = self.constraints if constraints is None else constraints
        return self._altered(consequences=consequences, constraints=constraints)

    def _altered(self, **parts: object) -> Problem:
        """The same question with other ``parts``, none of which its check looks at: a thousand
        times a second."""
        other = object.__new__(Problem)
        other.__dict__.update({name: self.__dict__[name] for name in _FIELDS})
        other.__dict__.update(parts)
        return other

    @cached_property
    def _firm(self) -> dict[Rounding, Problem]:
        return {}

    def excluding(self, levers: frozenset[int]) -> Problem:
        """The same question for an answer that leaves at least one of ``levers`` alone."""
        origin = Origin(Source.REQUEST, "alternatives")
        return replace(
            self, constraints=(*self.constraints, LeavesOne(levers, origin=origin)), alternatives=1
        )

    def rows_of(self, actions: Rows) -> Rows:
        """The row that each action leads to.

        Parameters
        ----------
        actions : ndarray, shape (n, n_features)
            The factual with the features that are set. A feature that has its factual value is not
            set: it follows.

        Returns
        -------
        ndarray, shape (n, n_features)
        """
        return (
            actions
            if self.consequences is None
            else follow(self.consequences, self.factual, actions)
        )

    def allowed(self, actions: Rows, rows: Rows | None = None) -> Mask:
        """Which actions keep every constraint.

        Parameters
        ----------
        actions : ndarray, shape (n, n_features)
            The factual with what is set.
        rows : ndarray, shape (n, n_features), optional
            What they lead to, where that is known.

        Returns
        -------
        ndarray of bool, shape (n,)
        """
        rows = self.rows_of(actions) if rows is None else rows
        mask = self.readable(actions, rows)
        for constraint in self._cheapest_first:
            # Each constraint is asked only of what all before it let through.
            alive = np.flatnonzero(mask)
            if not alive.size:
                break
            spoken_of = actions if constraint.of_action else rows
            mask[alive] = constraint.holds(spoken_of[alive], self.factual)
        return mask

    def trust(self, actions: Rows, score: Callable[[Rows], Scores]) -> Trust:
        """How far each action can be trusted; what nothing follows from is certain, and not asked.

        Parameters
        ----------
        actions : ndarray, shape (n, n_features)
            They lead into the target by what is believed.
        score : callable
            The model's: rows, shape (m, n_features), to scores.
        """
        if self.consequences is None:
            n = len(actions)
            # Nothing follows, so no mechanism is in doubt.
            return Trust(np.full(n, np.inf), np.ones(n), np.ones(n, dtype=np.bool_))
        return trust(self.consequences, self.factual, actions, self.margin(score))

    def margin(self, score: Callable[[Rows], Scores]) -> Margin:
        """How far rows are inside the target, by what ``score`` says of them."""
        return lambda rows: self.target.margin(score(rows))

    def readable(self, actions: Rows, rows: Rows) -> Mask:
        """Whether everything that follows is a number within the schema's bounds, ``(n,)``."""
        if self.consequences is None:
            return np.ones(len(actions), dtype=np.bool_)
        lower, upper = self._bounds
        inside = (rows >= lower) & (rows <= upper)
        # Only of what follows: what may be set is the axes' matter.
        return np.asarray((inside | ~changed(rows, actions)).all(axis=1))

    @cached_property
    def _bounds(self) -> tuple[Row, Row]:
        """Least and greatest value of each feature; the largest finite numbers where it has no
        bounds, so that infinity is never inside."""
        most = np.finfo(np.float64).max
        ends = ((max(f.lower, -most), min(f.upper, most)) for f in self.schema.features)
        lower, upper = np.array(list(ends)).T
        return lower, upper

    @cached_property
    def _cheapest_first(self) -> tuple[Constraint, ...]:
        """Outlier scores last: they cost as much as a model call."""
        return tuple(sorted(self.constraints, key=lambda c: c.asks_a_model))

    def cost_of(self, actions: Rows) -> Costs:
        """Cost of each action, ``(n,)``: of what is set, not of what follows."""
        return self.cost.of(actions, self.factual)

    @cached_property
    def start(self) -> Row:
        """The factual, with what must change at its cheapest allowed value."""
        row = self.factual.copy()
        for j in self.movable:
            # Its own value is not allowed, so every answer changes it.
            if float(row[j]) not in self.axes[j]:
                values = self._cheapest_few(int(j))
                costs = self.cost.of_feature(int(j), values, float(row[j]))
                row[j] = values[np.argmin(costs)]
        return row

    def _cheapest_few(self, column: int) -> npt.NDArray[np.float64]:
        """Values of an axis among which its cheapest is: of a long one, which is of numbers whose
        cost rises with the distance, those beside the factual value, or either end."""
        axis, before = self.axes[column], float(self.factual[column])
        if len(axis) <= LONGEST_LISTED:
            return axis.values()
        at = axis.below(before)
        near = [p for p in (0, at - 1, at, len(axis) - 1) if 0 <= p < len(axis)]
        return axis.values(np.array(near, dtype=np.int64))

    @cached_property
    def movable(self) -> npt.NDArray[np.int64]:
        """Columns that have a value other than their factual one."""
        return np.array(
            [
                j
                for j, (axis, x) in enumerate(zip(self.axes, self.factual, strict=True))
                if len(axis) > (float(x) in axis)
            ],
            dtype=np.int64,
        )


_FIELDS = tuple(part.name for part in fields(Problem))


def _is_read(references: object, width: int) -> bool:
    """Whether they are rows that have been read already and that nobody can write to any more, as
    a policy's are: it asks a thousand times a second."""
    return (
        isinstance(references, np.ndarray)
        and not references.flags.writeable
        and references.dtype == np.float64
        and references.ndim == 2
        and references.shape[1] == width
    )


@lru_cache(maxsize=64)
def closing_rules(consequences: Consequences, n: int) -> tuple[Rule, ...]:
    """Rules that an action keeps from which nothing follows, over ``n`` features; the same
    objects each time."""
    origin = Origin(Source.SCHEMA, "causal")
    # Cached: engines remember what they make of rules by their identity.
    return tuple(
        Rule(
            "what follows is set",
            then=tuple(Changes(k) for k in consequences.effects([j])),
            when=(Changes(j),),
            origin=origin,
        )
        for j in range(n)
        if consequences.effects([j])
    )
