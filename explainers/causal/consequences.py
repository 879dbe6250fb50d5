"""The causal model as the consequences of actions: what problems, searches and ``verify`` ask."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import numpy.typing as npt

from ifonly.explainers.causal.certainty import (
    carried_out,
    certainty,
    extrapolation,
    sensor_survival,
    tipping,
)
from ifonly.explainers.causal.checks import MAIN
from ifonly.explainers.causal.errors import CausalError, NoMechanism
from ifonly.explainers.causal.flattening import NotFlat, flatten
from ifonly.explainers.causal.function import Array
from ifonly.explainers.causal.graph import MOST_REMEMBERED
from ifonly.explainers.causal.hidden import (
    NO_TILTS,
    HiddenCause,
    HiddenCauses,
    Tilts,
    TooManyHidden,
)
from ifonly.explainers.causal.members import CausalMembers
from ifonly.explainers.causal.model import NONE, CausalModel
from ifonly.explainers.causal.redrawing import Redrawing
from ifonly.explainers.consequences import (
    Assurance,
    Compiled,
    CompiledGraph,
    Flow,
    Flows,
    Margin,
    Met,
    NotAffine,
    PossibleGraph,
    Tie,
    Trust,
)
from ifonly.models.predictor import Row, Rows

if TYPE_CHECKING:
    from ifonly.explainers.native import kernel

Said = TypeVar("Said")

ROUNDING = 1e-9
"""Part of their size by which bounds are widened: sums in another order round otherwise."""


@dataclass(frozen=True, eq=False)
class CausalConsequences:
    """One machine, with its own noise: abduction, action, prediction."""

    model: CausalModel
    members: CausalMembers
    """Plausible versions of the model."""
    gamma: float
    """Standard deviations that an answer's margin keeps from the edge of the target."""
    floor: float
    """Least share of plausible versions by which an answer meets the target."""
    error_sd: Array
    """``(d,)``: standard deviation of each sensor's error."""
    hidden: tuple[HiddenCause, ...] = ()
    """Edges whose noises may share a cause that nobody reads: answers hold for all of the
    correlations that were declared."""
    whole: tuple[int, ...] = ()
    """Columns that read whole numbers: what follows is rounded once, when it is read."""
    others: tuple[OtherGraph, ...] = ()
    """Other graphs that may be the true one: rows follow by this one, and answers hold over all."""
    redrawing: Redrawing | None = None
    """What noise is drawn anew until an action is carried out; None: all of it stays."""

    @property
    def now(self) -> CausalConsequences:
        return self if self.redrawing is None else self._now

    @cached_property
    def _now(self) -> CausalConsequences:
        others = tuple(replace(o, consequences=o.consequences.now) for o in self.others)
        return replace(self, redrawing=None, others=others)

    @cached_property
    def graphs(self) -> tuple[PossibleGraph, ...]:
        if not self.others:
            return ()
        own, weight = replace(self, others=()), 1.0 - sum(other.weight for other in self.others)
        return (
            PossibleGraph(MAIN, weight, True, own),
            *(PossibleGraph(o.name, o.weight, o.is_held, o.consequences) for o in self.others),
        )

    def _matters(self, other: OtherGraph, columns: Sequence[int]) -> bool:
        """Whether something else follows by ``other``, or may, once ``columns`` are set."""
        key = other.name, tuple(columns)
        if key not in self._known_to_matter:
            if len(self._known_to_matter) >= MOST_REMEMBERED:
                self._known_to_matter.clear()
            self._known_to_matter[key] = self._differs(other.consequences, columns)
        return self._known_to_matter[key]

    @cached_property
    def _known_to_matter(self) -> dict[tuple[str, tuple[int, ...]], bool]:
        return {}

    def _differs(self, other: CausalConsequences, columns: Sequence[int]) -> bool:
        follows = self.follows(columns)
        if frozenset(follows) != frozenset(other.follows(columns)):
            return True
        ties = self._ties.mattering(columns)
        if frozenset(ties) != frozenset(other._ties.mattering(columns)):
            return True
        # Of what follows, and of whose noises hidden causes correlate with it, the very same laws.
        asked = (*follows, *(tie.cause for tie in ties))
        return not all(_is_same(self.model, other.model, j) for j in asked)

    @property
    def severs(self) -> bool:
        return True

    @cached_property
    def compiled(self) -> Compiled | None:
        # Of several it depends on the action, and not on what may be set, which are tried.
        ties = self._ties.counting
        if len(ties) > 1 or any(np.isnan(self._ties.ratio(tie)) for tie in ties):
            return None
        # Here, where a question is asked: whoever lists models needs no compiled code.
        from ifonly.explainers.native import kernel

        try:
            laws = kernel.Laws(flatten(self.model, self.members, self.whole))
            tilted = self._tilted_laws(laws, ties[0]) if ties else ()
        except NotFlat:
            return None
        others, unknown = list[CompiledGraph](), []
        for other in self.others:
            matters, theirs = partial(self._matters, other), other.consequences.compiled
            # A graph that counts in the mixture alone is no demand by itself.
            if theirs is None or not other.is_held:
                unknown.append(matters)
            else:
                others.append(CompiledGraph(matters, theirs.tilted or (theirs.laws,)))
        own = (laws, self.gamma, self.floor, tilted)
        return Compiled(*own, tuple(others), tuple(unknown))

    def _tilted_laws(self, laws: kernel.Laws, tie: HiddenCause) -> tuple[kernel.Laws, ...]:
        """The laws at each strength of the only hidden cause. Where it does not matter what
        follows is the same by all of them."""
        return tuple(
            type(laws)(flatten(self.model, self.members, self.whole, tilts)) if tilts else laws
            for tilts in self._ties.of([tie])
        )

    @cached_property
    def _ties(self) -> HiddenCauses:
        return HiddenCauses(self.model, self.hidden)

    def effects(self, columns: Sequence[int]) -> tuple[int, ...]:
        if not self.others:
            return self.follows(columns)
        # What follows by any graph may move, if only by that one.
        by_others = (other.consequences.follows(columns) for other in self.others)
        every = (*self.follows(columns), *(j for each in by_others for j in each))
        return tuple(dict.fromkeys(every))

    def follows(self, columns: Sequence[int]) -> tuple[int, ...]:
        """Columns that may move by this graph, by which rows follow."""
        return self.model.graph.affected(columns)

    def via(self, columns: Sequence[int], effect: int) -> tuple[int, ...]:
        graphs = (self, *(other.consequences for other in self.others))
        return tuple(sorted({j for graph in graphs for j in graph.ways(columns, effect)}))

    def ways(self, columns: Sequence[int], effect: int) -> tuple[int, ...]:
        """As :meth:`via`, by this graph."""
        return self.model.graph.sources(columns, effect)

    def rows(self, factual: Row, columns: Sequence[int], values: Array) -> Rows:
        try:
            rows = self.model.counterfactual(factual, columns, values)
        except CausalError:  # a node that cannot be computed: nothing is known of what follows
            rows = np.repeat(factual[None, :], len(values), axis=0)
            rows[:, list(columns)] = values
            # Infinite and not NaN: a missing reading would look as if it stayed.
            rows[:, list(self.follows(columns))] = np.inf
        return self.read(rows)

    def read(self, rows: Rows) -> Rows:
        """What is read of rows: whole numbers are."""
        whole = list(self.whole)
        if whole:
            # Once, when read: what follows from it follows before that.
            rows[:, whole] = np.rint(rows[:, whole])
        return rows

    def _as_read(self, said: Callable[[Rows], Said]) -> Callable[[Rows], Said]:
        return lambda rows: said(self.read(rows.copy()))

    def bounds(
        self, factual: Row, columns: Sequence[int], lower: Array, upper: Array
    ) -> tuple[Rows, Rows]:
        moved = list(self.follows(columns))
        try:
            low, high = self.model.bounds(factual, columns, lower, upper)
        except CausalError:  # as in `rows`
            low, high = (np.repeat(factual[None, :], len(lower), axis=0) for _ in range(2))
            low[:, moved], high[:, moved] = -np.inf, np.inf
            return low, high
        # Of what follows from, or beside, a reading that is missing nothing is known.
        low[:, moved] = _known(low[:, moved], -np.inf)
        high[:, moved] = _known(high[:, moved], np.inf)
        effects = self._affine(tuple(columns))
        if effects is not None:  # exact, also where two ways lead from a cause to an effect
            effects = effects[:, moved]
            rise, fall = np.maximum(effects, 0.0), np.minimum(effects, 0.0)
            before = factual[list(columns)]
            filled = np.isnan(before)
            # By how much it moves that was not read nobody can tell.
            down, up = (np.where(filled, 0.0, end - before) for end in (lower, upper))
            told = ~(effects[filled] != 0.0).any(axis=0) & ~np.isnan(factual[moved])
            some = np.array(moved, dtype=np.int64)[told]
            # Both bounds hold, so the tighter of the two does.
            least, most = (
                factual[some] + one @ rise[:, told] + other @ fall[:, told]
                for one, other in ((down, up), (up, down))
            )
            low[:, some] = np.maximum(low[:, some], least)
            high[:, some] = np.minimum(high[:, some], most)
        # Rows are computed in another order, and must lie within.
        size = np.maximum(1.0, np.maximum(np.abs(low), np.abs(high)))[:, moved]
        room = np.where(np.isfinite(size), ROUNDING * size, np.nan)
        low[:, moved] = _known(low[:, moved] - room, -np.inf)
        high[:, moved] = _known(high[:, moved] + room, np.inf)
        return self.read(low), self.read(high)

    def _affine(self, columns: tuple[int, ...]) -> Array | None:
        if columns not in self._effects:
            self._effects[columns] = self.model.affine_effects(columns)
        return self._effects[columns]

    @cached_property
    def _effects(self) -> dict[tuple[int, ...], Array | None]:
        return {}

    def trust(self, factual: Row, columns: Sequence[int], values: Array, margin: Margin) -> Trust:
        own = self._own_trust(factual, columns, values, margin)
        if not self.others:
            return own
        lower, chance, holds, later = own.lower, own.chance, own.holds, own.later
        for other in self.others:
            # Where nothing else follows it is as sure as this one; what is drawn anew may lead
            # elsewhere in it, whatever is set.
            if self.redrawing is None and not self._matters(other, columns):
                continue
            # Of what does by the main graph: less sure by this one it counts in the mixture still.
            asked = None if self.redrawing is None else own.holds
            found = other.consequences._own_trust(factual, columns, values, margin, asked)
            chance = chance + other.weight * (found.chance - own.chance)
            if later is not None and found.later is not None and own.later is not None:
                later = later + other.weight * (found.later - own.later)
            if other.is_held:
                lower, holds = np.minimum(lower, found.lower), holds & found.holds
        if not all(other.is_held for other in self.others):
            holds = holds & (chance >= self.floor)
            holds = holds if later is None else holds & (later >= self.floor)
        return Trust(lower, chance, holds, own.holds, later)

    def _own_trust(
        self,
        factual: Row,
        columns: Sequence[int],
        values: Array,
        margin: Margin,
        asked: npt.NDArray[np.bool_] | None = None,
    ) -> Trust:
        """The same by this graph alone. ``asked``, ``(n,)``: of which it is told how sure they are
        when carried out; None: of those that are sure enough at once."""
        try:
            each = [
                self.trusted(factual, columns, values, margin, tilts=tilts)
                for tilts in self._ties.tilts(columns)
            ]
        # Nobody can tell whether it holds whatever they are, or what follows at all.
        except (TooManyHidden, CausalError):
            n = len(values)
            later = None if self.redrawing is None else np.zeros(n)
            none = np.zeros(n, dtype=np.bool_)
            return Trust(np.full(n, -np.inf), np.zeros(n), none, later=later)
        # It must hold whatever the hidden causes are: the worst of them counts.
        found = Trust(
            np.min([one.lower for one in each], axis=0),
            np.min([one.chance for one in each], axis=0),
            np.all([one.holds for one in each], axis=0),
        )
        if self.redrawing is None:
            return found
        later = self._later(
            factual, columns, values, margin, found.holds if asked is None else asked
        )
        return replace(found, holds=found.holds & (later >= self.floor), later=later)

    def _later(
        self,
        factual: Row,
        columns: Sequence[int],
        values: Array,
        margin: Margin,
        asked: npt.NDArray[np.bool_],
    ) -> Array:
        """See :attr:`Trust.later`; of those ``asked``, ``(n,)``, and 0 of the others."""
        later = np.zeros(len(values))
        if self.redrawing is None or not asked.any():
            return later
        read = self._as_read(margin)
        given = self.members, self.redrawing, factual, columns, values[asked], read
        each = [carried_out(*given, tilts) for tilts in self._ties.tilts(columns)]
        later[asked] = np.min(each, axis=0)
        return later

    def trusted(
        self,
        factual: Row,
        columns: Sequence[int],
        values: Array,
        margin: Margin,
        shift: frozenset[int] = NONE,
        tilts: Tilts = NO_TILTS,
    ) -> Trust:
        """The same if hidden common causes are as ``tilts`` say, or there are none. ``values`` of
        what is in ``shift`` are added to what would follow anyhow."""
        read = self._as_read(margin)
        found = certainty(self.members, factual, columns, values, read, self.gamma, shift, tilts)
        # Two demands: a distance from the edge, and a share that flips at all.
        return Trust(found.lower, found.chance, found.holds & (found.chance >= self.floor))

    def flows(self, columns: Sequence[int]) -> Flows:
        for other in self.others:
            if self._matters(other, columns):
                raise NotAffine(f"something else follows by the graph {other.name!r}")
        moving = frozenset[int]().union(*(self.model.graph.descendants[j] for j in columns))
        for tie in self._ties.counting:
            if tie.effect in moving and tie.cause in moving | {*columns}:
                cause, effect = (self.model.names[j] for j in (tie.cause, tie.effect))
                raise NotAffine(f"{cause} and {effect} may share a hidden cause, of any strength")
        each = tuple(self._flow(j) for j in self.model.graph.order if j in moving)
        return Flows(each, self.gamma, self.floor)

    def _flow(self, j: int) -> Flow:
        causes, is_whole = self.model.graph.parents[j], j in self.whole
        members = self.members.mechanisms[j]
        if self.model.mechanisms[j] is None or members is None:
            return Flow(j, causes, None, np.empty((self.members.k, 0)), is_whole)
        slopes = self.model.slopes(j)
        if slopes is None:
            raise NotAffine(f"{self.model.names[j]} is no affine function of its causes")
        return Flow(j, causes, slopes, members.slopes(self.members.k), is_whole)

    def assurance(self, factual: Row, columns: Sequence[int], values: Array, met: Met) -> Assurance:
        one = values[None, :]
        found = self.assured(factual, columns, one, self.rows(factual, columns, one), met)
        moved = {*columns, *self.follows(columns)}
        ties = tuple(
            tie
            for hidden in self.hidden
            # A tie matters only where the edge carries the action: its
            # cause moves, its effect follows.
            if hidden.cause in moved and hidden.effect in moved - {*columns}
            for tie in self._tie(factual, columns, one, self._as_read(met), hidden)
        )
        return replace(found, ties=ties)

    def assured(
        self,
        factual: Row,
        columns: Sequence[int],
        one: Array,
        row: Rows,
        met: Met,
        shift: frozenset[int] = NONE,
    ) -> Assurance:
        """How sure ``one`` action, ``(1, k)``, is that leads to ``row``, ``(1, d)``; of hidden
        common causes nothing is said. ``shift`` as in :meth:`trust`."""
        met = self._as_read(met)
        # A reading that is missing has no error.
        errors = np.where(np.isnan(factual), 0.0, self.error_sd)
        survival = sensor_survival(self.model, factual, columns, one, met, errors, shift=shift)
        beyond = extrapolation(self.model, columns, row)
        outside = zip(beyond.columns, beyond.ratio[0], strict=True)
        return Assurance(float(survival[0]), tuple(j for j, r in outside if r > 1.0), ())

    def _tie(
        self,
        factual: Row,
        columns: Sequence[int],
        one: Array,
        met: Met,
        hidden: HiddenCause,
    ) -> tuple[Tie, ...]:
        try:
            rho = float(tipping(self._ties, factual, columns, one, met, hidden).rho[0])
        except NoMechanism:  # nothing is known of one of the noises
            return ()
        held = (hidden.low, hidden.high)
        return (Tie((hidden.cause, hidden.effect), held, None if np.isnan(rho) else rho),)


@dataclass(frozen=True, eq=False)
class OtherGraph:
    """Another graph that may be the true one."""

    name: str
    weight: float
    is_held: bool
    """Whether its weight is such that answers must hold under it by itself."""
    consequences: CausalConsequences
    """What follows by it alone."""


def _is_same(a: CausalModel, b: CausalModel, j: int) -> bool:
    """Whether a column follows by the very same law in two models."""
    roots = [model.roots[j] if model.roots else None for model in (a, b)]
    return (
        a.graph.parents[j] == b.graph.parents[j]
        and a.mechanisms[j] is b.mechanisms[j]
        and roots[0] is roots[1]
    )


def _known(ends: Array, otherwise: float) -> Array:
    """Ends of intervals, ``otherwise`` where there is none."""
    return np.where(np.isnan(ends), otherwise, ends)
