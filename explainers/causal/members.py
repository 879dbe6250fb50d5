"""Many plausible versions of one causal model, evaluated together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from ifonly.explainers.causal.errors import NoMechanism
from ifonly.explainers.causal.function import Always, Array, Members
from ifonly.explainers.causal.hidden import NO_TILTS, Tilt, Tilts
from ifonly.explainers.causal.mechanism import Mechanism
from ifonly.explainers.causal.model import NONE, CausalModel, unmoved, untold
from ifonly.models.predictor import Row, Rows

NOTHING: Mapping[int, Array] = MappingProxyType({})


@dataclass(frozen=True, eq=False)
class MemberMechanism:
    """``k`` versions of one node's mechanism."""

    location: Members
    log_scale: Members | None
    n_parents: int

    def moved(self, before: Array, after: Array, value: Array) -> Array:
        """As :meth:`Mechanism.moved`, each version with the noise that it abducts.

        ``before`` is ``(1, n, p)``, ``after`` ``(1 or k, n, p)``, ``value`` ``(n,)``; yields
        ``(1 or k, n)``.
        """
        level = self.location(before)
        shift = self.location(after) - level
        if self.log_scale is not None:
            rise = self.log_scale(after) - self.log_scale(before)
            # `expm1`: a scale that hardly moves must not lose its digits to 1 - 1.
            shift = shift + np.expm1(rise) * (value - level)
        return np.asarray(value + shift)

    def spread(self, parents: Array) -> Array | float:
        """By what the noise is multiplied under ``parents``, ``(1 or k, n)``."""
        return 1.0 if self.log_scale is None else np.exp(self.log_scale(parents))

    def noise_moves(self, before: Array, after: Array, was: Array, now: Array) -> Array:
        """By how much the noise is otherwise, in its own unit, where the value is ``now`` under
        ``after`` and ``was``, ``(n,)``, under ``before``; shapes as for :meth:`moved`."""
        with np.errstate(invalid="ignore"):
            if self.log_scale is None:
                # The value's move less the level's: what hardly moves loses no digits.
                moves = (now - was) - (self.location(after) - self.location(before))
            else:
                moves = (now - self.location(after)) / self.spread(after)
                moves = moves - (was - self.location(before)) / self.spread(before)
        # A law may be undefined where nothing moved: there it has not moved either.
        if np.isnan(moves).any() and self.log_scale is None:
            moves = np.where(unmoved(before, after), now - was, moves)
        return np.asarray(moves)

    def slopes(self, k: int) -> Array:
        """``(k, p)``: how the node moves with each parent, of a mechanism that is affine."""
        p = self.n_parents
        # An affine function is known by its values at 0 and at the unit vectors.
        corners = np.concatenate([np.zeros((1, p)), np.eye(p)])[None]
        levels = self.location(corners)
        return np.broadcast_to(levels[:, 1:] - levels[:, :1], (k, p))


@dataclass(frozen=True, eq=False)
class CausalMembers:
    """``k`` causal models with one graph, drawn from the posterior of the mechanisms."""

    model: CausalModel
    k: int
    mechanisms: tuple[MemberMechanism | None, ...]

    def counterfactual(
        self,
        factual: Row | Rows,
        columns: Sequence[int],
        values: Array,
        shift: frozenset[int] = NONE,
        tilts: Tilts = NO_TILTS,
        redrawn: Mapping[int, Array] = NOTHING,
    ) -> Array:
        """:meth:`CausalModel.counterfactual` by every member: ``(k, n, d)``; under ``tilts``, what
        hidden common causes make of the laws. The noise of columns that are ``redrawn`` is so much
        higher meanwhile, in its own unit, ``(k, 1)``."""
        graph = self.model.graph
        before = np.atleast_2d(factual)
        n = len(values)
        before = np.broadcast_to(before, (n, self.model.n_columns))
        # A column holds one version, (1, n), until members disagree on it, (k, n).
        now = [before[None, :, j] for j in range(before.shape[1])]
        acted = {j: values[None, :, i] for i, j in enumerate(columns)}
        now = [acted[j] if j in acted and j not in shift else x for j, x in enumerate(now)]
        # What is set has its value, whatever its noise is.
        free = {j: more for j, more in redrawn.items() if j not in acted or j in shift}
        below = frozenset[int]().union(*(graph.descendants[j] for j in (*acted, *free)))
        # What cannot be told depends on what was read, not on the member.
        moved = {j: set_to[0] for j, set_to in acted.items()}
        # What is drawn anew moves, by how much does not matter.
        moved = {**{j: before[:, j] + 1.0 for j in free}, **moved}
        lost = untold(graph, before, moved, shift)
        for j in graph.order:
            if j in acted and j not in shift:
                continue
            if j in below:
                now[j] = self._moved(j, before, now)
            if j in below and j in tilts:
                now[j] = self._tilted(j, before, now, tilts[j], redrawn)
            if j in free:
                now[j] = self._drawn_anew(j, before, now, free[j])
            if j in lost:
                now[j] = np.where(lost[j], np.nan, now[j])
            if j in acted:
                now[j] = now[j] + acted[j]
        # Copies only here: until now a column that no member moves was held once.
        whole = [np.broadcast_to(column, (self.k, n)) for column in now]
        return np.stack(whole, axis=-1)

    def _moved(self, j: int, before: Rows, now: Sequence[Array]) -> Array:
        """A column after its causes moved, ``(1 or k, n)``."""
        mechanism = self.mechanisms[j]
        if mechanism is None:
            raise NoMechanism(self.model.names[j], "has causes but no mechanism")
        parents, after = self._parents(j, before, now)
        moved = mechanism.moved(parents, after, before[:, j])
        if np.isnan(moved).any():
            moved = np.where(unmoved(parents, after), before[:, j], moved)
        return moved

    def _drawn_anew(self, j: int, before: Rows, now: Sequence[Array], more: Array) -> Array:
        """A column whose noise is higher by ``more``, ``(k, 1)``."""
        mechanism = self.mechanisms[j]
        if mechanism is None:
            return np.asarray(now[j] + more)
        # Multiplied as it is under the new causes.
        return np.asarray(now[j] + more * mechanism.spread(self._parents(j, before, now)[1]))

    def _tilted(
        self,
        j: int,
        before: Rows,
        now: Sequence[Array],
        tilts: Sequence[Tilt],
        redrawn: Mapping[int, Array],
    ) -> Array:
        """A column that moved, less what of it is the hidden causes', ``(1 or k, n)``."""
        mechanism = self.mechanisms[j]
        assert mechanism is not None
        noise: Array | float = 0.0
        for tilt in tilts:
            moves = self._noise_moves(tilt, before, now)
            # What the cause would have done anyhow the fitted law has right: only what the action
            # does to its noise is no effect.
            noise = noise - tilt.slope * (moves - redrawn.get(tilt.cause, 0.0))
        # The noise is otherwise, and is multiplied as it is under the new causes.
        _, after = self._parents(j, before, now)
        return np.asarray(now[j] + noise * mechanism.spread(after))

    def _noise_moves(self, tilt: Tilt, before: Rows, now: Sequence[Array]) -> Array:
        i, mechanism = tilt.cause, self.mechanisms[tilt.cause]
        was = before[:, i]
        if mechanism is None:
            return _moves(was, now[i])
        parents, after = self._parents(i, before, now)
        if not tilt.own_noise:
            return np.asarray(_moves(was, now[i]) / mechanism.spread(parents))
        return mechanism.noise_moves(parents, after, was, now[i])

    def _parents(self, j: int, before: Rows, now: Sequence[Array]) -> tuple[Array, Array]:
        """Causes of a column as they were, ``(1, n, p)``, and are, ``(1 or k, n, p)``."""
        causes = self.model.graph.parents[j]
        after = np.stack(np.broadcast_arrays(*(now[i] for i in causes)), axis=-1)
        return before[None, :, causes], after


def _moves(was: Array, now: Array) -> Array:
    """By how much a value moved; a missing one that stays so did not."""
    return np.where(np.isnan(was) & np.isnan(now), 0.0, now - was)


def draw_members(
    model: CausalModel, rng: np.random.Generator, k: int, known: CausalMembers | None = None
) -> CausalMembers:
    """``k`` draws of all mechanisms, each node's independent of the others'; of a mechanism that
    is that of ``known``, too, those that are known."""
    drawn: list[MemberMechanism | None] = []
    for j, mechanism in enumerate(model.mechanisms):
        if known is not None and mechanism is known.model.mechanisms[j]:
            drawn.append(known.mechanisms[j])
            continue
        if mechanism is None:
            # In schema order, location before scale: the checker draws the very same ones.
            drawn.append(None)
            continue
        scale = mechanism.log_scale
        drawn.append(
            MemberMechanism(
                mechanism.location.members(rng, k),
                None if scale is None else scale.members(rng, k),
                mechanism.location.n_parents,
            )
        )
    return CausalMembers(model, k, tuple(drawn))


def believed(model: CausalModel, k: int) -> CausalMembers:
    """``k`` times the model as it is believed to be, for as many :data:`Tilts`."""

    def known(mechanism: Mechanism | None) -> MemberMechanism | None:
        if mechanism is None:
            return None
        scale = mechanism.log_scale
        location, n_parents = mechanism.location, mechanism.location.n_parents
        return MemberMechanism(
            Always(location), None if scale is None else Always(scale), n_parents
        )

    return CausalMembers(model, k, tuple(map(known, model.mechanisms)))
