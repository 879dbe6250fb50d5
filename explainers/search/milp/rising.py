"""How fast goals grow with each unit: which may be let rise above what they are, since no goal
falls with them, and how far what is rounded on the way may put a goal off.

What meets the goals with such a unit too large meets them all the more with the unit as it is, so
it takes no binary. The errors of an autoencoder are such units, and the largest of them: they are
wanted small. And what is rounded in one of them counts once, however many maxima it goes through.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ifonly.explainers.search.milp.chain import Layer, Layers

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Growth:
    """Of some goals with what a network makes."""

    free: Sequence[Mask]
    """``(n_lines,)`` for each hidden layer: lines that no goal falls with."""
    steepest: Sequence[Floats]
    """``(n_columns, n_goals)``, then ``(n_lines, n_goals)`` for each hidden layer: no goal moves
    more with a line than by this."""


def growth_of(
    layers: Layers, lows: Sequence[Floats], highs: Sequence[Floats], goals: Floats
) -> Growth:
    """How goals grow with the columns and with the lines behind each hidden layer.

    Parameters
    ----------
    layers : sequence of Layer
    lows, highs : sequence of ndarray
        Between which the lines of each hidden layer lie before they are cut.
    goals : ndarray, shape (n_outputs, n_goals)
        Weights of the outputs of which only upper limits are asked.
    """
    free = [np.ones(len(low), dtype=np.bool_) for low in lows]
    steepest: list[list[Floats]] = [[] for _ in range(len(lows) + 1)]
    for goal in goals.T:
        one = np.ones(1)
        slopes = _Slopes((layers[-1].weights @ goal)[:, None], one > 0.0, one)
        for k in reversed(range(len(lows))):
            free[k] &= slopes.never_falls
            steepest[k + 1].append(slopes.steepest)
            slopes = slopes.before(layers[k], lows[k], highs[k])
        steepest[0].append(slopes.steepest)
    return Growth(free, [np.stack(each, axis=1) for each in steepest])


@dataclass(frozen=True, eq=False)
class _Slopes:
    """How fast a goal grows with each line: sums of unknown numbers.

    What grows with ``max(a, b) = a + relu(b - a)`` by ``s`` grows with ``a`` by ``s - d s``, ``d``
    from 0 to 1: it never falls, which is seen only where both ``s`` are known to be one number.
    """

    of: Floats
    """``(n_lines, n_unknowns)``"""
    is_positive: Mask
    """``(n_unknowns,)``: which of those are known to be 0 or more; of others nothing is."""
    most: Floats
    """``(n_unknowns,)``: none is larger in magnitude."""

    @property
    def never_falls(self) -> Mask:
        return np.asarray(np.where(self.is_positive, self.of >= 0.0, self.of == 0.0).all(axis=1))

    @property
    def steepest(self) -> Floats:
        return np.asarray(np.abs(self.of) @ self.most)

    def before(self, layer: Layer, low: Floats, high: Floats) -> _Slopes:
        """Of the lines that ``layer`` reads; its own lie between ``low`` and ``high``."""
        is_open = layer.is_relu & (low < 0.0) & (high > 0.0)
        straight = ~is_open & ~(layer.is_relu & (high <= 0.0))
        through = layer.weights[:, straight] @ self.of[straight]
        # Units that may be on or off pass any part of their slope on, each its own.
        bent, rates = layer.weights[:, is_open], self.of[is_open]
        each = bent[:, :, None] * rates[None, :, :]
        least = through + np.minimum(each, 0.0).sum(axis=1)
        most = through + np.maximum(each, 0.0).sum(axis=1)
        rises = np.where(self.is_positive, least >= 0.0, (least == 0.0) & (most == 0.0)).all(axis=1)
        falls = np.where(self.is_positive, most <= 0.0, (least == 0.0) & (most == 0.0)).all(axis=1)
        size = np.maximum(np.abs(least), np.abs(most))
        upper = np.where(self.is_positive, np.maximum(most, 0.0), size) @ self.most
        lower = np.where(self.is_positive, np.maximum(-least, 0.0), size) @ self.most
        steepest = np.maximum(upper, lower)
        # Lines that are read in the same way, but for a factor, have one unknown slope.
        ways = np.concatenate([through, np.where(rates.any(axis=1), bent, 0.0)], axis=1)
        first = np.argmax(ways != 0.0, axis=1)
        factor = np.take_along_axis(ways, first[:, None], axis=1)[:, 0]
        turned = np.where(falls & ~rises, -1.0, 1.0)
        factor = np.where(factor == 0.0, 1.0, turned * np.abs(factor))
        # Adding 0 makes one number of both zeros.
        unknowns, place = np.unique(ways / factor[:, None] + 0.0, axis=0, return_inverse=True)
        of = np.zeros((len(ways), len(unknowns)))
        of[np.arange(len(ways)), place.reshape(-1)] = np.where(ways.any(axis=1), factor, 0.0)
        is_positive = np.ones(len(unknowns), dtype=np.bool_)
        # A slope that falls was turned round; what is left is either never negative, or unknown.
        np.logical_and.at(is_positive, place.reshape(-1), rises | falls)
        largest = np.full(len(unknowns), np.inf)
        np.minimum.at(largest, place.reshape(-1), steepest / np.abs(factor))
        return _Slopes(of, is_positive, largest)
