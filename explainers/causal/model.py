"""A structural causal model over the columns of a row: abduct, act, predict (Pearl 2009, 7.1).

Everything is done on whole arrays, node by node: no loop over rows. What follows from an action
is a real number, not a value of the feature's grid: the grid says what can be *set*, and an
effect is not set. The bounds of the schema still say what can be read; whoever asks whether an
effect is possible checks it against them as a constraint of the whole row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ifonly.explainers.causal.errors import NoMechanism, NotInvertible, Untold
from ifonly.explainers.causal.function import Array
from ifonly.explainers.causal.graph import Graph
from ifonly.explainers.causal.mechanism import Mechanism, Noise
from ifonly.models.predictor import Row, Rows

Mask = npt.NDArray[np.bool_]
NONE: frozenset[int] = frozenset()
ULPS = 1e-14
"""Part of a level by which two ways to compute it may differ."""


@dataclass(frozen=True, eq=False)
class CausalModel:
    """A graph with a mechanism for every column that has causes."""

    names: tuple[str, ...]
    """Names of the columns, for messages."""
    graph: Graph
    mechanisms: tuple[Mechanism | None, ...]
    """The mechanism of each column; None for a root, and for a node that never moves (see
    :meth:`_mechanism`)."""
    roots: tuple[Noise | None, ...] = ()
    """By column: the distribution of a root's values; empty: of none is it known."""

    @property
    def n_columns(self) -> int:
        return len(self.graph)

    def marginal_noise(self, j: int) -> Noise | None:
        """How the noise of column ``j`` is distributed; of a root its values. None: nobody says."""
        mechanism = self.mechanisms[j]
        if mechanism is not None:
            return mechanism.noise
        if self.graph.parents[j] or not self.roots:
            return None
        root = self.roots[j]
        # Of a root a spread alone does not say around what it lies.
        return None if root is None or root.sample is None else root

    # --- rung 3: this very machine ----------------------------------------------------------

    def abduct(self, rows: Rows) -> Rows:
        """The noise under which the model yields ``rows``, both ``(n, d)``; step 1 of 3.

        A root's noise is its value.

        Raises
        ------
        NotInvertible
            If no finite noise leads to a finite reading; the message names the feature.
        NoMechanism
            If a node with causes has no mechanism.
        """
        noise = rows.copy()
        for j in self._computed(range(self.n_columns)):
            # Of the readings, not of what was computed: noise is what
            # each reading is beyond its law.
            parents = rows[:, self.graph.parents[j]]
            noise[:, j] = self._noise(j, parents, rows[:, j])
        return noise

    def predict(
        self,
        noise: Rows,
        columns: Sequence[int] = (),
        values: Array | None = None,
        shift: frozenset[int] = NONE,
    ) -> Rows:
        """Rows that follow from noise once some columns are set; steps 2 and 3 of 3.

        Parameters
        ----------
        noise : ndarray, shape (n, d)
            As :meth:`abduct` gives it.
        columns : sequence of int
            What is set.
        values : ndarray, shape (n, k) or (k,)
            One for each of ``columns``.
        shift : frozenset of int
            Columns that are not set: their value is added to what would follow anyhow.

        Returns
        -------
        ndarray, shape (n, d)
        """
        rows = noise.copy()
        acted = _by_column(columns, values, len(noise))
        for j in self.graph.order:
            # Set: whatever its causes do, it has this value.
            if j in acted and j not in shift:
                rows[:, j] = acted[j]
                continue
            if self.graph.parents[j]:
                parents = rows[:, self.graph.parents[j]]
                rows[:, j] = self._mechanism(j).predict(parents, noise[:, j])
            if j in acted:
                # A shift moves the background, and the causes go on acting.
                rows[:, j] += acted[j]
        return rows

    def counterfactual(
        self,
        factual: Row | Rows,
        columns: Sequence[int],
        values: Array,
        shift: frozenset[int] = NONE,
    ) -> Rows:
        """What would have been read had ``columns`` been set to ``values``: ``(n, d)``.

        The factual is one row ``(d,)`` for all actions, or one each, ``(n, d)``; ``values`` are
        ``(n, k)``. Columns in ``shift`` get theirs added to what follows from their causes.
        Only what is acted on and its descendants move; a node none of whose causes moves keeps
        its reading to the last bit. Where a mechanism is undefined (a formula outside its
        domain), or a cause that moves was not read, the result is NaN.

        >>> from ifonly.explainers.causal.basis import linear
        >>> model = CausalModel(("a", "b"), Graph(((), (0,))),
        ...                     (None, Mechanism(linear(1.0, np.array([2.0])))))
        >>> model.counterfactual(np.array([1.0, 3.5]), [0], np.array([[1.0], [2.0]]))
        array([[1. , 3.5],
               [2. , 5.5]])
        """
        before = np.atleast_2d(factual)
        # One factual serves all actions; several are taken one for one.
        rows = np.repeat(before, len(values), axis=0) if len(before) == 1 else before.copy()
        acted = _by_column(columns, values, len(rows))
        lost = untold(self.graph, before, acted, shift)
        # Nothing else is touched, so a reading that does not move stays as it is to the last bit.
        for j in self._moving(acted):
            if j in acted and j not in shift:
                rows[:, j] = acted[j]
                continue
            causes = self.graph.parents[j]
            if causes:
                rows[:, j] = self.followed(j, before[:, causes], rows[:, causes], before[:, j])
            # After the law: trees have a number even for causes that were not read.
            if j in lost:
                rows[lost[j], j] = np.nan
            if j in acted:
                rows[:, j] += acted[j]
        return rows

    def bounds(
        self, factual: Row, columns: Sequence[int], lower: Array, upper: Array
    ) -> tuple[Rows, Rows]:
        """Rows below and above every counterfactual of each box of actions.

        Parameters
        ----------
        factual : ndarray, shape (d,)
        columns : sequence of int
            What is set.
        lower, upper : ndarray, shape (m, k)
            Ends of the boxes, one for each of ``columns``.

        Returns
        -------
        tuple of two ndarray, each shape (m, d)
            They hold up to the rounding of float64, and are infinite where a mechanism has none.
        """
        low = np.repeat(factual[None], len(lower), axis=0)
        high = low.copy()
        low[:, columns], high[:, columns] = lower, upper
        # Causes first, so each box is made of boxes that are known.
        for j in self.graph.affected(columns):
            causes = self.graph.parents[j]
            # This machine's own noise is one number: only its causes have a range.
            noise = self._noise(j, factual[None, causes], factual[None, j])[0]
            # No finite noise makes this reading: which one it had nobody can tell.
            if not np.isfinite(noise):
                low[:, j], high[:, j] = -np.inf, np.inf
                continue
            mechanism = self._mechanism(j)
            least, most = mechanism.bounds(low[:, causes], high[:, causes], noise)
            # Where level and noise cancel, what is left of them is rounding: it goes on to effects.
            level = abs(float(mechanism.location(factual[None, causes])[0]))
            size = np.maximum(level, np.maximum(np.abs(least), np.abs(most)))
            digits = np.where(np.isfinite(size), ULPS * size, np.inf)
            low[:, j], high[:, j] = least - digits, most + digits
        return low, high

    def affine_effects(self, columns: Sequence[int]) -> Array | None:
        """``(k, d)``: how every column moves with each of ``columns``, or None if not affinely.

        ``counterfactual(x, columns, v) == x + (v - x[columns]) @ affine_effects(columns)``
        """
        effects = np.zeros((len(columns), self.n_columns))
        effects[np.arange(len(columns)), columns] = 1.0
        for j in self.graph.affected(columns):
            slopes = self.slopes(j)
            if slopes is None:
                return None
            # The chain rule: how it moves with its causes, and these with what is set.
            effects[:, j] = effects[:, self.graph.parents[j]] @ slopes
        return effects

    def slopes(self, j: int) -> Array | None:
        """``(p,)``: how column ``j`` moves with each of its causes, or None if not affinely.

        Raises
        ------
        NoMechanism
            If nothing is known of how it moves.
        """
        mechanism = self._mechanism(j)
        # Only some laws can be a line; the others have no such attribute.
        affine = getattr(mechanism.location, "affine", None)
        # A scale that moves multiplies the noise, which is no longer affine.
        if affine is None or mechanism.log_scale is not None:
            return None
        return np.asarray(affine[1])

    # --- rung 2: any machine ----------------------------------------------------------------

    def interventional(
        self,
        rng: np.random.Generator,
        n: int,
        columns: Sequence[int] = (),
        values: Array | None = None,
        factual: Row | None = None,
        shift: frozenset[int] = NONE,
    ) -> Rows:
        """Rows with noise drawn anew after an action.

        With a factual, what the action cannot move keeps its reading and only the noise of what
        follows is redrawn (the sub-population of Karimi et al. 2020); without one all is drawn.
        Without an action: rows as they are observed (rung 1). Noises are drawn independently, so
        declared hidden common causes do not show.

        Parameters
        ----------
        rng : numpy.random.Generator
        n : int
            Number of rows.
        columns : sequence of int
            What is set.
        values : ndarray, shape (k,)
            One for each of ``columns``.
        factual : ndarray, shape (d,), optional
        shift : frozenset of int
            As for :meth:`predict`.

        Returns
        -------
        ndarray, shape (n, d)

        Raises
        ------
        NoMechanism
            If of a node that is drawn neither mechanism nor noise is known.
        """
        if factual is None:
            drawn = set(range(self.n_columns))
            noise = np.full((n, self.n_columns), np.nan)
        else:
            # Only what the action can move is another machine's; all else is known of this one.
            drawn = set(self.graph.affected(columns)) | (set(columns) & shift)
            noise = np.repeat(self._known_noise(factual, drawn)[None], n, axis=0)
        for j in sorted(drawn - (set(columns) - shift)):
            noise[:, j] = self._distribution(j).draw(rng, n)
        return self.predict(noise, columns, values, shift)

    def _known_noise(self, factual: Row, drawn: set[int]) -> Row:
        noise = factual.copy()
        for j in self._computed(set(range(self.n_columns)) - drawn):
            causes = self.graph.parents[j]
            noise[j] = self._noise(j, factual[None, causes], factual[None, j])[0]
        return noise

    # --- what cannot be told -----------------------------------------------------------------

    def check_told(self, factual: Row, effects: Sequence[int], rows: Rows) -> None:
        """Check that each of ``effects`` is a number in all ``rows``, ``(n, d)``, which follow from
        an action on ``factual``.

        Raises
        ------
        Untold
            Naming the first that is not, causes first, and why.
        """
        for j in self.graph.order:
            if j not in effects or np.isfinite(rows[:, j]).all():
                continue
            unread = [self.names[i] for i in self.graph.parents[j] if np.isnan(factual[i])]
            if unread:
                raise Untold(self.names[j], f"{unread[0]}, a cause of it, was not read")
            raise Untold(self.names[j], "its mechanism has no number for that")

    # --- parts ------------------------------------------------------------------------------

    def _computed(self, columns: Sequence[int] | range | set[int]) -> tuple[int, ...]:
        """Those of ``columns`` that have causes, causes first."""
        wanted = frozenset(columns)
        return tuple(j for j in self.graph.order if j in wanted and self.graph.parents[j])

    def _moving(self, acted: Mapping[int, Array]) -> tuple[int, ...]:
        """Columns to compute after an action, causes first: what is acted on and what follows."""
        below = frozenset[int]().union(*(self.graph.descendants[j] for j in acted))
        return tuple(j for j in self.graph.order if j in acted or j in below)

    def _mechanism(self, j: int) -> Mechanism:
        mechanism = self.mechanisms[j]
        if mechanism is None:
            raise NoMechanism(self.names[j], "has causes but no mechanism, so it cannot move")
        return mechanism

    def _distribution(self, j: int) -> Noise:
        known = self._mechanism(j).noise if self.graph.parents[j] else None
        if not self.graph.parents[j] and self.roots:
            known = self.roots[j]
        if known is None:
            raise NoMechanism(self.names[j], "has no noise that could be drawn anew")
        return known

    def _noise(self, j: int, parents: Rows, values: Array) -> Array:
        noise = self._mechanism(j).noise_of(parents, values)
        # From numbers, no finite noise: the law cannot have made this reading.
        lost = ~np.isfinite(noise) & np.isfinite(values) & np.isfinite(parents).all(axis=1)
        if lost.any():
            i = int(np.argmax(lost))
            raise NotInvertible(
                self.names[j],
                f"no finite noise leads from {parents[i].tolist()} to {values[i]}",
            )
        return noise

    def followed(self, j: int, before: Rows, after: Rows, value: Array) -> Array:
        """What column ``j`` reads, ``(n,)``, once its causes, ``(1 or n, p)``, are as ``after``
        says, ``(n, p)``; under ``before`` it read ``value``."""
        mechanism = self._mechanism(j)
        # Additive noise cancels in the difference of the two levels, so it is not worked out.
        noise = value if mechanism.log_scale is None else self._noise(j, before, value)
        with np.errstate(invalid="ignore"):
            moved = mechanism.moved(before, after, value, noise)
        # A law may be undefined where nothing moved: there the reading stands.
        if np.isnan(moved).any():
            moved = np.where(unmoved(before, after), value, moved)
        return moved


def untold(
    graph: Graph, before: Rows, acted: Mapping[int, Array], shift: frozenset[int]
) -> dict[int, Mask]:
    """Where an effect cannot be told, because a cause of it moves that was not read.

    From where it moves, or by how much, nobody knows then.

    Parameters
    ----------
    graph : Graph
    before : ndarray, shape (1, d) or (n, d)
        The factuals.
    acted : mapping of int to ndarray, shape (n,)
        What is acted on, to its values.
    shift : frozenset of int
        As for :meth:`CausalModel.counterfactual`.

    Returns
    -------
    dict of int to ndarray of bool, shape (n,)
        Of each column that follows; empty where everything was read.
    """
    unread = np.isnan(before)
    if not unread.any():
        return {}
    moves, lost = dict[int, Mask](), dict[int, Mask]()
    for j, values in acted.items():
        # Set to what it was, or shifted by nothing, is no move.
        is_still = values == (0.0 if j in shift else before[:, j])
        moves[j] = ~(is_still | (np.isnan(values) & unread[:, j] if j not in shift else False))
    for j in graph.order:
        causes = [i for i in graph.parents[j] if i in moves]
        # What is set has its value, whatever was not read above it.
        if causes and (j in shift or j not in acted):
            lost[j] = np.logical_or.reduce([moves[i] & unread[:, i] for i in causes])
            own = [moves[j]] if j in acted else []
            moves[j] = np.logical_or.reduce([*own, *(moves[i] for i in causes)])
    return lost


def unmoved(before: Array, after: Array) -> Mask:
    """Whether all causes read as before, ``(…, n)``; both arguments are ``(…, n, p)``. A cause
    that was missing and still is has not moved."""
    same = (before == after) | (np.isnan(before) & np.isnan(after))
    return np.asarray(same.all(axis=-1))


def _by_column(columns: Sequence[int], values: Array | None, n: int) -> dict[int, Array]:
    """``values`` of each column, ``(n,)``."""
    if values is None:
        return {}
    table = np.broadcast_to(values, (n, len(columns)))
    return {int(j): table[:, i] for i, j in enumerate(columns)}
