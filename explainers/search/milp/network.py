"""Affine layers with ReLU between them as rows of a program.

A unit that is on, or off, wherever the question may go is no more than a sum; the others take a
binary each (Fischetti & Jo 2018, eq. 5-8). How far each unit can go is bounded backwards through
the layers (CROWN: Zhang et al. 2018, 3.2), and at the first layer exactly: there a sum over the
features is as low as the sum of their lowest parts, less what the cost allows to be had together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ifonly.explainers.search.milp.chain import Layer, Layers
from ifonly.explainers.search.milp.choices import Choices
from ifonly.explainers.search.milp.program import Program
from ifonly.explainers.search.milp.rising import growth_of

Floats = npt.NDArray[np.float64]
MARGIN = 1e-9
"""Part of their size by which bounds are widened, for the rounding of their arithmetic."""
MOST_PRICES = 8
SECOND = 1.01
"""What roundings of roundings add to the sum of the first ones."""


@dataclass(frozen=True, eq=False)
class Lines:
    """Numbers as sums over a program's variables."""

    weights: Floats
    """``(n_variables, n)``"""
    constant: Floats
    size: Floats
    """``(n,)``: none is larger in magnitude, wherever the question may go."""
    error: Floats
    """``(n,)``: how far the graph's own arithmetic may be from them."""


@dataclass(frozen=True, eq=False)
class Reach:
    """Where the core's columns may go: every feature to one of its ends."""

    ends: Floats
    """``(n_ends, n_columns)``: the columns at each end of each piece, 0 for those of others."""
    costs: Floats
    """``(n_ends,)``"""
    starts: npt.NDArray[np.int64]
    """First end of each feature."""
    constant: Floats
    budget: float
    """What a row may cost."""
    besides: npt.NDArray[np.bool_] | None = None
    """``(n_ends,)``: ends of pieces, one of each feature, that are not all chosen together."""

    @classmethod
    def of(cls, choices: Choices, budget: float) -> Reach:
        ends: list[Floats] = []
        costs: list[float] = []
        starts: list[int] = []
        n_columns = len(choices.levers.constant)
        for lever in choices.levers.each:
            starts.append(len(ends))
            for piece in lever.pieces:
                for step in piece.ends:
                    columns = np.zeros(n_columns)
                    columns[lever.own] = piece.inputs + step * piece.inputs_rise
                    ends.append(columns)
                    costs.append(piece.cost + step * piece.cost_rise)
        return cls(
            np.array(ends).reshape(-1, n_columns),
            np.array(costs),
            np.array(starts, dtype=np.int64),
            choices.levers.constant,
            budget,
        )

    @property
    def size(self) -> Floats:
        """``(n_columns,)``: no column is larger in magnitude."""
        sizes: Floats = np.abs(self.ends).max(axis=0, initial=0.0)
        return np.maximum(np.abs(self.constant), sizes)

    def least(self, directions: Floats) -> Floats:
        """Lower bounds of ``columns @ directions``, ``(n_columns, k)``: ``(k,)``.

        Every price of cost gives one: the least of the sum with its cost at that price, less the
        price of the whole budget.
        """
        parts = self.ends @ directions
        least = self._sums(parts)
        if np.isfinite(self.budget):
            # Lagrangian bounds: each price gives a valid one, so the greatest of them is taken.
            for price in self._prices(parts):
                priced = self._sums(parts + price * self.costs[:, None])
                least = np.maximum(least, priced - price * self.budget)
        return np.asarray(least.min(axis=0) + self.constant @ directions)

    def _sums(self, parts: Floats) -> Floats:
        """The least parts of all features together, ``(n_cases, k)``: one case; or, where some
        pieces are not all chosen together, one for each feature that has another then."""
        each = np.minimum.reduceat(parts, self.starts)
        total = each.sum(axis=0)
        if self.besides is None:
            return np.asarray(total[None, :])
        # One feature must then choose another piece: the least over which of them does.
        others = np.where(self.besides[:, None], np.inf, parts)
        return np.asarray(total - each + np.minimum.reduceat(others, self.starts))

    def _prices(self, parts: Floats) -> Floats:
        """Gain for cost of each feature's best end, the best features first, ``(n, k)``."""
        rates = []
        for group, cost in zip(
            np.split(parts, self.starts[1:]), np.split(self.costs, self.starts[1:]), strict=True
        ):
            home = int(np.argmin(cost))
            # Ends that cost as much as home would have an infinite rate.
            extra = np.maximum(cost - cost[home], 1e-12)[:, None]
            rates.append(np.maximum((group[home] - group) / extra, 0.0).max(axis=0))
        # The best price of a knapsack relaxation is the rate of one of its items.
        return np.sort(np.array(rates), axis=0)[::-1][:MOST_PRICES]


@dataclass(frozen=True, eq=False)
class Laid:
    """Layers within a program."""

    layers: Layers
    reach: Reach
    lows: Sequence[Floats]
    """Least values of the lines before each ReLU; the next are the greatest."""
    highs: Sequence[Floats]
    raw: Lines
    """What leaves the last layer."""
    off: Floats
    """``(n_goals,)``: how far the graph's goals may be from these."""
    largest: float
    """No sum of the graph is larger in magnitude, nor any part of one, in whatever order."""

    @property
    def ends(self) -> tuple[Floats, Floats]:
        """Between which every raw output lies, both ``(n_outputs,)``."""
        low, high = bounds(self.reach, self.layers, self.lows, self.highs)
        return np.maximum(low, self.layers[-1].floor), high

    def least(self, weights: Floats, reach: Reach) -> float:
        """The raw outputs weighted by ``weights``, ``(n_outputs,)``, are nowhere less within
        ``reach``, which is that of the program or less."""
        layer = combined(self.layers[-1], weights)
        low, _ = bounds(reach, [*self.layers[:-1], layer], self.lows, self.highs)
        return float(low[0])


def lay(
    program: Program,
    choices: Choices,
    layers: Layers,
    budget: float,
    unit: float,
    goals: Floats,
) -> Laid:
    """The outputs of ``layers``; adds variables and rows for units that may be on or off.

    ``unit`` is the rounding of one operation of the graph, relative to its result. ``goals``,
    ``(n_outputs, n_goals)``, are weights of the outputs of which only upper limits are asked.
    """
    reach = Reach.of(choices, budget)
    state = Lines(choices.inputs(program), reach.constant, reach.size, choices.levers.deviation)
    lows: list[Floats] = []
    highs: list[Floats] = []
    # Bounds first: a unit that they settle takes no binary.
    for k in range(len(layers) - 1):
        low, high = bounds(reach, layers[: k + 1], lows, highs)
        lows, highs = [*lows, low], [*highs, high]
    free = growth_of(layers, lows, highs, goals).free
    largest = 0.0
    own: list[Floats] = []
    errors: list[Floats] = []
    for layer, low, high, rises in zip(layers, lows, highs, free, strict=False):
        before, state = state, _through(state, layer, unit)
        own, errors = [*own, _own_error(before, layer, state)], [*errors, state.error]
        largest = max(largest, float(state.size.max(initial=0.0)))
        state = _rectified(program, state, low, high, layer.is_relu, rises)
    raw = _through(state, layers[-1], unit)
    largest = max(largest, float(raw.size.max(initial=0.0)))
    # The graph's own lines may be on the other side of 0 where ours are near it.
    near = [low - e for low, e in zip(lows, errors, strict=True)]
    far = [high + e for high, e in zip(highs, errors, strict=True)]
    columns, *steepest = growth_of(layers, near, far, goals).steepest
    off = choices.levers.deviation @ columns + _own_error(state, layers[-1], raw) @ np.abs(goals)
    for layer, error, high, rate in zip(layers, own, far, steepest, strict=False):
        # A unit that is off hands no error on.
        off = off + np.where(layer.is_relu & (high <= 0.0), 0.0, error) @ rate
    # Neither is always the better one.
    off = np.minimum(off * (1.0 + MARGIN), raw.error @ np.abs(goals))
    return Laid(layers, reach, lows, highs, raw, off, largest)


def _own_error(before: Lines, layer: Layer, lines: Lines) -> Floats:
    """How far the graph's sums of one layer may be off, if what they add up is not."""
    return np.maximum(lines.error - before.error @ np.abs(layer.weights), 0.0)


def combined(layer: Layer, weights: Floats) -> Layer:
    """One line of all of ``layer``'s, weighted by ``weights``, ``(n_out,)``."""
    line = (layer.weights @ weights)[:, None]
    return Layer(line, np.array([layer.bias @ weights]), np.array([-np.inf]))


def _through(state: Lines, layer: Layer, unit: float) -> Lines:
    """One layer; sums of ``n`` products in any order (Higham 2002, 3.1)."""
    weights, bias = layer.weights, layer.bias
    magnitude = np.abs(weights)
    n = len(weights) + 2
    # The bound of Higham for any order of summation: the runtime's order is not known.
    gamma = n * unit / (1.0 - n * unit)
    sizes = (state.size + state.error) @ magnitude + np.abs(bias)
    error = state.error @ magnitude
    if layer.slips is None:
        error = error + gamma * sizes
    else:
        error = error + SECOND * unit * ((state.size + state.error) @ layer.slips[:-1])
        error = error + SECOND * unit * layer.slips[-1]
    return Lines(state.weights @ weights, state.constant @ weights + bias, sizes, error)


def _rectified(
    program: Program,
    state: Lines,
    low: Floats,
    high: Floats,
    is_relu: npt.NDArray[np.bool_],
    rises: npt.NDArray[np.bool_],
) -> Lines:
    """``max(0, ·)`` of each line that ``is_relu``, or what is no less where it ``rises``; each lies
    between ``low`` and ``high``."""
    weights, constant = state.weights.copy(), state.constant.copy()
    # Off everywhere: what leaves it is 0. A unit that is on everywhere stays the line it was.
    off = is_relu & (high <= 0.0)
    weights[:, off] = 0.0
    constant[off] = 0.0
    open_units = np.flatnonzero(is_relu & (low < 0.0) & (high > 0.0))
    new = []
    for i in open_units:
        own, shift = weights[:, i].copy(), constant[i]
        used = np.flatnonzero(own)
        value = program.variable(0.0, float(high[i]), whole=False)
        # At least the line; at most it where the unit is on; at most 0 where it is off.
        program.row([*used, value], [*-own[used], 1.0], lower=shift)
        if not rises[i]:
            on = program.binary()
            program.row([*used, value, on], [*-own[used], 1.0, -low[i]], upper=shift - low[i])
            program.row([value, on], [1.0, -high[i]], upper=0.0)
        weights[:, i], constant[i] = 0.0, 0.0
        new.append(value)
    weights = np.pad(weights, ((0, program.n_variables - len(weights)), (0, 0)))
    weights[new, open_units] = 1.0
    sizes = np.where(is_relu, np.maximum(high, 0.0), state.size)
    return Lines(weights, constant, sizes, state.error)


def bounds(
    reach: Reach, layers: Layers, lows: Sequence[Floats], highs: Sequence[Floats]
) -> tuple[Floats, Floats]:
    """Least and greatest value of each line that leaves the last of some layers.

    Parameters
    ----------
    reach : Reach
        Where the columns may go.
    layers : sequence of Layer
        Up to those lines.
    lows, highs : sequence of ndarray
        Bounds of the lines before each is cut, one array for each layer but the last.

    Returns
    -------
    tuple of two ndarray, each shape (n_out,)
        Widened by :data:`MARGIN`.
    """
    weights, bias = layers[-1].weights, layers[-1].bias
    n = weights.shape[1]
    # The greatest value is the negative of the least of the negated line: one pass for both.
    both = np.concatenate([weights, -weights], axis=1)
    both, shift = behind(layers[:-1], lows, highs, both, np.concatenate([bias, -bias]))
    least = reach.least(both) + shift
    if lows:  # neither bound is always the better one
        floor = layers[-2].floor
        low, high = intervals(
            np.maximum(lows[-1], floor), np.maximum(highs[-1], floor), weights, bias
        )
        least = np.maximum(least, np.concatenate([low, -high]))
    # Outward, for the rounding of the bounds' own arithmetic.
    least -= MARGIN * np.maximum(1.0, np.abs(least))
    return least[:n], -least[n:]


def behind(
    layers: Layers, lows: Sequence[Floats], highs: Sequence[Floats], weights: Floats, shift: Floats
) -> tuple[Floats, Floats]:
    """Weights of units as weights of the columns that they are made of (CROWN, backwards).

    Parameters
    ----------
    layers : sequence of Layer
        That the units stand behind.
    lows, highs : sequence of ndarray
        Between which the lines of each of them lie before they are rectified.
    weights : ndarray, shape (n_units, k)
    shift : ndarray, shape (k,)

    Returns
    -------
    tuple of ndarray, shapes (n_columns, k) and (k,)
        Weights and a constant whose sums are nowhere more than those of the units.
    """
    for layer, low, high in zip(layers[::-1], lows[::-1], highs[::-1], strict=True):
        weights, extra = _relaxed(weights, low, high, layer.is_relu)
        shift = shift + extra + layer.bias @ weights
        weights = layer.weights @ weights
    return weights, shift


def intervals(low: Floats, high: Floats, weights: Floats, bias: Floats) -> tuple[Floats, Floats]:
    """Least and greatest of ``x @ weights + bias`` for ``x`` between ``low`` and ``high``."""
    up, down = np.maximum(weights, 0.0), np.minimum(weights, 0.0)
    return low @ up + high @ down + bias, high @ up + low @ down + bias


def _relaxed(
    weights: Floats, low: Floats, high: Floats, is_relu: npt.NDArray[np.bool_]
) -> tuple[Floats, Floats]:
    """Lower bounds of ``lines @ weights``, those that ``is_relu`` cut at 0, as weights of the lines
    and a constant."""
    on, off = ~is_relu | (low >= 0.0), is_relu & (high <= 0.0)
    span = np.maximum(high - low, 1e-300)
    # Above a ReLU lies its chord; below it, the one of 0 and the line that leaves less area.
    chord = np.where(on, 1.0, np.where(off, 0.0, high / span))
    under = np.where(on, 1.0, np.where(off, 0.0, (high > -low).astype(np.float64)))
    rise = np.where(on | off, 0.0, -low * chord)
    up, down = np.maximum(weights, 0.0), np.minimum(weights, 0.0)
    # Positive weights take the lower side, negative ones the upper: a lower bound of the sum.
    return under[:, None] * up + chord[:, None] * down, rise @ down
