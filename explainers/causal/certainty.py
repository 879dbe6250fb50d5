"""How sure it is that an action flips the decision: under this graph, and were it not quite so.

Every function takes a batch of actions on one factual and asks the deployed model once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from ifonly.explainers.causal.errors import NoMechanism
from ifonly.explainers.causal.function import Array
from ifonly.explainers.causal.hidden import NO_TILTS, HiddenCause, HiddenCauses, Tilt, Tilts
from ifonly.explainers.causal.members import CausalMembers, believed
from ifonly.explainers.causal.model import NONE, CausalModel
from ifonly.explainers.causal.redrawing import Redrawing
from ifonly.explainers.consequences import Margin, Met
from ifonly.models.predictor import Row, Rows

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Certainty:
    """What plausible mechanisms say of the margin of each action; each array ``(n,)``."""

    mean: Array
    sd: Array
    """0 where nothing moves but what is set."""
    lower: Array
    """``mean - gamma * sd``: an action is answered with where this is at least 0. -inf where
    some member leaves the domain of a mechanism."""
    chance: Array
    """Share of members by which the target is met: *under this model*. All members share the
    data and the graph, so it is too sure of itself."""
    gamma: float

    @property
    def holds(self) -> Flags:
        """Which actions the lower bound accepts."""
        return np.asarray(self.lower >= 0.0)


def certainty(
    members: CausalMembers,
    factual: Row,
    columns: Sequence[int],
    values: Array,
    margin: Margin,
    gamma: float,
    shift: frozenset[int] = NONE,
    tilts: Tilts = NO_TILTS,
) -> Certainty:
    """The lower confidence bound of each action's margin.

    A point estimate sits on the boundary, where any error of a mechanism loses the answer; the
    bound keeps ``gamma`` standard deviations away from it (Karimi et al. 2020, eq. 8).

    Parameters
    ----------
    members : CausalMembers
        ``k`` plausible versions of the model.
    factual : ndarray, shape (d,)
    columns : sequence of int
        What is acted on.
    values : ndarray, shape (n, len(columns))
        In the features' units.
    margin : callable
        Rows to how far each is inside the target; called once.
    gamma : float
        Standard deviations of the margin over the members.
    shift : frozenset of int
        Columns whose values are added to what follows from their causes.
    tilts : Tilts
        What hidden common causes make of the mechanisms.
    """
    graph = members.model.graph
    # What is shifted goes on following its causes, so the effects of all that is acted on count.
    moves = any(graph.descendants[j] for j in columns) if shift else graph.affected(columns)
    if not moves:
        now = members.model.counterfactual(factual, columns, values, shift)
        # Nothing follows, so no mechanism is asked: the margin is certain.
        alone = _margins(now, factual, margin)
        return Certainty(alone, np.zeros(len(alone)), alone, (alone >= 0).astype(float), gamma)
    rows = members.counterfactual(factual, columns, values, shift, tilts)
    k, n, d = rows.shape
    # All members of all actions in one call of the deployed model.
    found = _margins(rows.reshape(k * n, d), factual, margin).reshape(k, n)
    # One member without a value is enough: a spread that is not known may be any.
    finite = np.isfinite(found).all(axis=0)
    # Zeros stand in for what is replaced below, so that no warning or NaN arises.
    sure = np.where(finite, found, 0.0)
    # n - 1: few members would look surer than they are.
    mean, sd = sure.mean(axis=0), sure.std(axis=0, ddof=1 if k > 1 else 0)
    return Certainty(
        np.where(finite, mean, -np.inf),
        sd,
        np.where(finite, mean - gamma * sd, -np.inf),
        np.asarray((found >= 0.0).mean(axis=0)),
        gamma,
    )


def carried_out(
    members: CausalMembers,
    redrawing: Redrawing,
    factual: Row,
    columns: Sequence[int],
    values: Array,
    margin: Margin,
    tilts: Tilts = NO_TILTS,
) -> Array:
    """Share of draws by which each action meets the target when it is carried out, the noise partly
    drawn anew by then.

    Parameters
    ----------
    members : CausalMembers
        ``k`` plausible versions of the model, each of which abducts noise of its own.
    redrawing : Redrawing
        What is drawn anew.
    factual : ndarray, shape (d,)
    columns : sequence of int
        What is acted on: it has its value then, whatever was drawn.
    values : ndarray, shape (n, len(columns))
    margin : callable
        Rows to how far each is inside the target; called once.
    tilts : Tilts
        What hidden common causes make of what the *action* does to noises.

    Returns
    -------
    ndarray, shape (n,)
        From 0 to 1, over mechanisms and noise together. Draws in which something cannot be told
        count as missed.
    """
    drawn = [
        members.counterfactual(factual, columns, values, tilts=tilts, redrawn=redrawn)
        for redrawn in redrawing.draws(members, factual)
    ]
    rows = np.concatenate(drawn)
    k, n, d = rows.shape
    met = _margins(rows.reshape(k * n, d), factual, margin).reshape(k, n) >= 0.0
    return np.asarray(met.mean(axis=0))


def sensor_survival(
    model: CausalModel,
    factual: Row,
    columns: Sequence[int],
    values: Array,
    met: Met,
    sd: Array,
    n_draws: int = 200,
    shift: frozenset[int] = NONE,
) -> Array:
    """Share of draws of the sensors' errors in which each action still flips.

    The machine's true state is the reading less its error; the same values are set on it.

    Parameters
    ----------
    model : CausalModel
    factual : ndarray, shape (d,)
    columns : sequence of int
    values : ndarray, shape (n, len(columns))
    met : callable
        Rows to whether each is in the target; called once.
    sd : ndarray, shape (d,)
        Standard deviation of each reading's error, in its unit; 0 for none (categories).
    n_draws : int
    shift : frozenset of int
        As for :func:`certainty`.

    Returns
    -------
    ndarray, shape (n,)
        From 0 to 1.
    """
    n = len(values)
    states = factual + sd * _errors(n_draws, len(factual))
    # Each drawn state with every action, in the order that the reshape below takes apart.
    before = np.repeat(states, n, axis=0)
    rows = model.counterfactual(before, columns, np.tile(values, (n_draws, 1)), shift)
    return np.asarray(_met(rows, factual, met).reshape(n_draws, n).mean(axis=0))


@lru_cache(maxsize=16)
def _errors(n_draws: int, n_columns: int) -> Array:
    """Draws of standard normal errors, ``(n_draws, n_columns)``: the same for every question, so
    that the same question has the same answer."""
    drawn = np.random.default_rng(0).standard_normal((n_draws, n_columns))
    drawn.setflags(write=False)
    return drawn


@dataclass(frozen=True, eq=False)
class Extrapolation:
    """Whether effects rest on mechanisms beyond where they were seen at work."""

    columns: tuple[int, ...]
    """What follows from the action and has a fitted mechanism."""
    ratio: Array
    """``(n, len(columns))``: distance of the causes from those seen, by what held-out rows had;
    above 1 is extrapolation. See :class:`~ifonly.explainers.causal.support.Support`."""
    unknown: tuple[int, ...]
    """What follows by a declared mechanism: how far it is from what was seen, no one can tell."""

    @property
    def outside(self) -> Flags:
        """Which actions extrapolate anywhere, ``(n,)``."""
        return np.asarray((self.ratio > 1.0).any(axis=1))


def extrapolation(model: CausalModel, columns: Sequence[int], rows: Rows) -> Extrapolation:
    """How far ``rows``, ``(n, d)``, which follow from setting ``columns``, are from those seen."""
    moved = model.graph.affected(columns)
    ratios, known, unknown = [], [], []
    for j in moved:
        mechanism = model.mechanisms[j]
        support = None if mechanism is None else mechanism.support
        if support is None:
            unknown.append(j)
            continue
        known.append(j)
        causes = rows[:, model.graph.parents[j]]
        # A limit of 0 (all causes alike) must not divide by 0; anything beside it is outside.
        ratios.append(support.distance(causes) / max(support.limit, np.finfo(float).tiny))
    table = np.stack(ratios, axis=1) if ratios else np.empty((len(rows), 0))
    return Extrapolation(tuple(known), table, tuple(unknown))


# --- hidden common causes -----------------------------------------------------------------

RHO = np.round(np.concatenate([-np.arange(99, 0, -1), np.arange(100)]) / 100, 2)
"""Correlations that are tried, -0.99 to 0.99."""


@dataclass(frozen=True, eq=False)
class Tipping:
    """How strong a hidden common cause of two nodes must be to undo an answer."""

    cause: int
    effect: int
    rho: Array
    """``(n,)``: of the correlations of the two noises at which the action no longer flips, the
    one nearest to 0, in hundredths; NaN where none up to 0.99 does."""


def tipping(
    hidden: HiddenCauses,
    factual: Row,
    columns: Sequence[int],
    values: Array,
    met: Met,
    one: HiddenCause,
) -> Tipping:
    """Every correlation of ``one`` hidden cause by the believed mechanisms, whatever range was
    declared; see :mod:`ifonly.explainers.causal.hidden`.

    Raises
    ------
    NoMechanism
        If there is no such edge, or nothing is known of the noise of either.
    """
    model, n = hidden.model, len(values)
    mechanism = model.mechanisms[one.effect]
    if one.cause not in model.graph.parents[one.effect] or mechanism is None:
        raise NoMechanism(model.names[one.effect], f"does not follow from {model.names[one.cause]}")
    if np.isnan(hidden.ratio(one)):
        raise NoMechanism(
            model.names[one.effect],
            f"has no noise whose spread is known, or {model.names[one.cause]} has none",
        )
    # All correlations at once, each a version of the model, and each repeats all actions.
    slopes = (RHO / np.sqrt(1.0 - RHO**2) * hidden.ratio(one))[:, None]
    tilts = {one.effect: (Tilt(one.cause, slopes, hidden.is_told(one)),)}
    rows = believed(model, len(RHO)).counterfactual(factual, columns, values, tilts=tilts)
    lost = ~_met(rows.reshape(len(RHO) * n, len(factual)), factual, met).reshape(len(RHO), n)
    # Of those that undo it the nearest to 0: how little hidden cause is enough.
    strength = np.where(lost, np.abs(RHO)[:, None], np.inf)
    nearest = RHO[strength.argmin(axis=0)]
    return Tipping(one.cause, one.effect, np.where(lost.any(axis=0), nearest, np.nan))


def _margins(rows: Rows, factual: Row, margin: Margin) -> Array:
    """Margin of each row; -inf where a mechanism has no value."""
    told = _told(rows, factual)
    found = np.full(len(rows), -np.inf)
    # A model may refuse an empty batch.
    if told.any():
        found[told] = margin(rows[told])
    return found


def _met(rows: Rows, factual: Row, met: Met) -> Flags:
    """Whether each row is in the target; none is where a mechanism has no value."""
    told = _told(rows, factual)
    if told.any():
        told[told] = met(rows[told])
    return told


def _told(rows: Rows, factual: Row) -> Flags:
    """Of which rows every value can be told; a missing *reading* stays missing."""
    told = np.asarray(np.isfinite(rows).all(axis=1))
    # Most rows are numbers alone, so the others are looked at only where there are some.
    if not told.all():
        stays = np.isnan(rows) & np.isnan(factual)
        told = np.asarray((np.isfinite(rows) | stays).all(axis=1))
    return told
