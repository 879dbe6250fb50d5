"""The consequences of an action: the row in which everything that follows from it has moved."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

from ifonly.explainers.space import changed
from ifonly.models.predictor import Row, Rows

if TYPE_CHECKING:
    # Compiled code: whoever lists models asks no question.
    from ifonly.explainers.native import kernel

Floats = npt.NDArray[np.float64]
Margin = Callable[[Rows], Floats]
"""Rows ``(n, d)`` to how far each is inside the target, ``(n,)``; below 0 it is not met."""
Met = Callable[[Rows], npt.NDArray[np.bool_]]
"""Rows ``(n, d)`` to whether each is in the target, ``(n,)``."""


@dataclass(frozen=True, eq=False)
class Trust:
    """How far each action can be trusted, were the mechanisms a little other than they are
    believed to be; each array ``(n,)``."""

    lower: Floats
    """Lower confidence bound of the margin."""
    chance: Floats
    """Share of plausible mechanisms by which the target is met: *under this model*."""
    holds: npt.NDArray[np.bool_]
    """Which actions may be answered with: those that keep the policy's demands on both."""
    by_main: npt.NDArray[np.bool_] | None = None
    """Which could be were the graph that is believed certain; None: the same."""
    later: Floats | None = None
    """Share of draws by which the target is met when the action is carried out, the noise partly
    drawn anew by then; None: nobody said that it is."""


@dataclass(frozen=True)
class Tie:
    """A hidden common cause that was declared, and how strong it must be to undo an answer."""

    between: tuple[int, int]
    held: tuple[float, float]
    """Correlations of the two noises, from the least to the greatest, under all of which the
    action was held."""
    rho: float | None
    """The correlation of the two noises, nearest to 0, at which the action no longer does; None
    where none up to 0.99 undoes it."""


@dataclass(frozen=True)
class Assurance:
    """How sure an answer is, beyond the deployed model's word and that of plausible mechanisms."""

    survival: float
    """Share of draws of the sensors' errors under which the target is met."""
    extrapolates: tuple[int, ...]
    """Effects that rest on causes unlike those that the mechanism was seen with."""
    ties: tuple[Tie, ...]


@dataclass(frozen=True, eq=False)
class Flow:
    """How one column follows from others: each change of a cause times a slope."""

    effect: int
    causes: tuple[int, ...]
    slopes: Floats | None
    """``(n_causes,)``; None where no one can tell, so that it must not move without being set."""
    plausible: Floats
    """``(k, n_causes)``: the slopes by each plausible mechanism."""
    is_whole: bool
    """Whether it is rounded when it is read; what follows from it follows before that."""


@dataclass(frozen=True)
class Flows:
    """Everything that may follow, and how sure an action must be."""

    each: tuple[Flow, ...]
    """Causes first."""
    gamma: float
    """Standard deviations that the margin keeps from the edge, over plausible mechanisms."""
    floor: float
    """Least share of them by which the target is met."""


@dataclass(frozen=True, eq=False)
class Compiled:
    """What follows, and how sure an action must be, for compiled searches."""

    laws: kernel.Laws
    gamma: float
    """Standard deviations that the margin keeps from the edge, over plausible mechanisms."""
    floor: float
    """Least share of them by which the target is met."""
    tilted: tuple[kernel.Laws, ...]
    """The laws by each strength that a hidden common cause may have: what is demanded of plausible
    mechanisms is demanded of each. None: they are as they are."""
    others: tuple[CompiledGraph, ...] = ()
    """Those of other graphs, under which the same is demanded."""
    unknown: tuple[Callable[[Sequence[int]], bool], ...] = ()
    """Whether something follows otherwise, once some columns are set, by each graph of which more
    is demanded than compiled code knows."""

    @property
    def n_own(self) -> int:
        """How many of those that are held, the first, are of the graph that is believed."""
        return max(1, len(self.tilted))

    def is_all(self, columns: Sequence[int]) -> bool:
        """Whether nothing else is demanded once some of ``columns`` are set, so that an action that
        keeps all this is sure enough."""
        return not any(matters(columns) for matters in self.unknown)

    def held(self, columns: Sequence[int]) -> tuple[kernel.Laws, ...]:
        """All laws under which something is demanded once some of ``columns`` are set; none: only
        :attr:`laws`."""
        others = [o.laws for o in self.others if o.matters(columns)]
        own = self.tilted or ((self.laws,) if others else ())
        return own + tuple(laws for each in others for laws in each)


@dataclass(frozen=True, eq=False)
class CompiledGraph:
    """What follows by another graph that may be the true one."""

    matters: Callable[[Sequence[int]], bool]
    """Whether something else follows by it once some columns are set."""
    laws: tuple[kernel.Laws, ...]
    """By each strength that hidden common causes may have in it."""


@dataclass(frozen=True, eq=False)
class PossibleGraph:
    """A graph that may be the true one."""

    name: str
    weight: float
    """Probability that it is."""
    is_held: bool
    """Whether what is demanded of an action is demanded under it by itself; else it counts only
    in the mixture of all."""
    consequences: Consequences
    """What follows by it alone."""


class NotAffine(Exception):
    """Something does not follow from what is set by slopes alone; the message says what."""


class Consequences(Protocol):
    """What follows from what is set. ``columns`` are set, ``values`` is ``(n, len(columns))``."""

    def __hash__(self) -> int: ...

    @property
    def severs(self) -> bool:
        """Whether what is set has that value, whatever its own causes do."""
        ...

    @property
    def now(self) -> Consequences:
        """The same were an action carried out at once; this very object where nothing is drawn anew
        until it is."""
        ...

    @property
    def graphs(self) -> tuple[PossibleGraph, ...]:
        """Every graph that may be the true one, first that by which rows follow; empty where
        there is but one."""
        ...

    @property
    def compiled(self) -> Compiled | None:
        """The same for compiled code; None where it cannot tell what follows, and these methods
        must be asked."""
        ...

    def effects(self, columns: Sequence[int]) -> tuple[int, ...]:
        """Columns that may move when ``columns`` are set, by some graph; none of them."""
        ...

    def via(self, columns: Sequence[int], effect: int) -> tuple[int, ...]:
        """Those of ``columns`` from which ``effect`` follows, not through another of them."""
        ...

    def rows(self, factual: Row, columns: Sequence[int], values: Floats) -> Rows:
        """The rows that actions lead to.

        Parameters
        ----------
        factual : ndarray, shape (d,)
            In schema order, physical units, categories as codes, NaN if missing.
        columns : sequence of int
            What is set.
        values : ndarray, shape (n, len(columns))
            To which values, one line for each action.

        Returns
        -------
        ndarray, shape (n, d)
            NaN where an effect cannot be told. Infinite where nothing is known of how it follows,
            so that it must not move: what is missing may stay so, and would look no different.
        """
        ...

    def bounds(
        self, factual: Row, columns: Sequence[int], lower: Floats, upper: Floats
    ) -> tuple[Rows, Rows]:
        """Rows below and above every row that each box of actions leads to.

        Parameters
        ----------
        factual : ndarray, shape (d,)
        columns : sequence of int
            What is set.
        lower, upper : ndarray, shape (m, len(columns))
            Ends of the boxes, in the features' units.

        Returns
        -------
        tuple of two ndarray, each shape (m, d)
            Infinite where nothing is known.
        """
        ...

    def trust(self, factual: Row, columns: Sequence[int], values: Floats, margin: Margin) -> Trust:
        """How far each action can be trusted; asks for all margins at once.

        Parameters
        ----------
        factual : ndarray, shape (d,)
        columns : sequence of int
            What is set.
        values : ndarray, shape (n, len(columns))
        margin : callable
            Rows, shape (m, d), to how far each is inside the target, shape (m,).
        """
        ...

    def flows(self, columns: Sequence[int]) -> Flows:
        """How everything follows that may move when some of ``columns`` are set, those among them
        too that are left alone.

        Raises
        ------
        NotAffine
            If one of them does not follow by slopes alone.
        """
        ...

    def assurance(
        self, factual: Row, columns: Sequence[int], values: Floats, met: Met
    ) -> Assurance:
        """How sure one action is.

        Parameters
        ----------
        factual : ndarray, shape (d,)
        columns : sequence of int
            What is set.
        values : ndarray, shape (len(columns),)
        met : callable
            Rows, shape (m, d), to whether each is in the target, shape (m,).
        """
        ...


def follow(consequences: Consequences, factual: Row, actions: Rows) -> Rows:
    """The row that each of ``actions``, ``(n, d)``, leads to."""
    rows = actions.copy()
    # What is cut off from its causes depends on the columns that are set, so those go together.
    for columns, some in _by_columns(actions, factual):
        if consequences.effects(columns):
            rows[some] = consequences.rows(factual, columns, actions[some[:, None], columns])
    return rows


def trust(consequences: Consequences, factual: Row, actions: Rows, margin: Margin) -> Trust:
    """How far ``actions``, ``(n, d)``, can be trusted that meet the target by what is believed."""
    n = len(actions)
    # Where nothing follows there are no mechanisms to doubt.
    sure, by_main = np.ones(n, dtype=np.bool_), np.ones(n, dtype=np.bool_)
    later = np.ones(n) if is_redrawn(consequences) else None
    found = Trust(np.full(n, np.inf), np.ones(n), sure, by_main, later)
    for columns, some in _by_columns(actions, factual):
        # What is drawn anew is so whatever follows from the action.
        if later is not None or consequences.effects(columns):
            own = consequences.trust(factual, columns, actions[some[:, None], columns], margin)
            found.lower[some], found.chance[some] = own.lower, own.chance
            found.holds[some] = own.holds
            by_main[some] = own.holds if own.by_main is None else own.by_main
            if later is not None and own.later is not None:
                later[some] = own.later
    return found


def is_redrawn(consequences: Consequences | None) -> bool:
    """Whether noise is drawn anew until an action is carried out, so that none is certain by
    itself."""
    return consequences is not None and consequences.now is not consequences


def _by_columns(actions: Rows, factual: Row) -> Iterator[tuple[list[int], npt.NDArray[np.int64]]]:
    """Every set of columns that is set together, and the actions that do so."""
    if not len(actions):
        return
    moved = changed(actions, factual)
    # Most often all set the same.
    if (moved == moved[0]).all():
        yield np.flatnonzero(moved[0]).tolist(), np.arange(len(actions))
        return
    # As bits, so that `unique` compares an eighth of the bytes.
    kinds, kind_of = np.unique(np.packbits(moved, axis=1), axis=0, return_inverse=True)
    for kind in range(len(kinds)):
        some = np.flatnonzero(kind_of.ravel() == kind)
        yield np.flatnonzero(moved[some[0]]).tolist(), some
