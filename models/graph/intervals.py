"""Between what the sums and units of a network lie, and how far the graph may be from them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ifonly.models.graph.curves import Curve
from ifonly.models.graph.units import UnitNetwork

Floats = npt.NDArray[np.float64]

SECOND = 1.01
"""What roundings of roundings add to the sum of the first ones, for networks of this size."""
ULPS = 16.0
"""Roundings by which a function of one number may be off: code for a lone number and code for many
differ."""
SLACK = 1e-12
"""Part of their size by which bounds are widened for the rounding of their own arithmetic."""


@dataclass(frozen=True, eq=False)
class ValueRange:
    """Of some numbers, ``(n,)`` each."""

    low: Floats
    high: Floats
    off: Floats
    """How far the graph's numbers may be from ours."""
    relative: Floats
    """The same as part of the number; infinite where nothing is known."""
    floor: Floats
    """The graph's own numbers are nowhere less, however it rounds: what adds up numbers that are
    never negative is never negative."""

    def and_(self, others: ValueRange) -> ValueRange:
        names = ("low", "high", "off", "relative", "floor")
        pairs = [(getattr(self, name), getattr(others, name)) for name in names]
        return ValueRange(*(np.concatenate(pair) for pair in pairs))

    @property
    def size(self) -> Floats:
        """No number of the graph is larger in magnitude."""
        return np.asarray(np.maximum(np.abs(self.low), np.abs(self.high)) + self.off)


@dataclass(frozen=True, eq=False)
class NetworkBounds:
    """What is known of a network whose columns lie in a box."""

    layers: tuple[ValueRange, ...]
    """Of what goes into the units of each layer."""
    known: ValueRange
    """Of columns, and of what units come to, layer after layer."""
    outputs: ValueRange
    is_number: bool
    """Whether the graph has a finite number everywhere in the box, in its own type."""


def bounds_of(network: UnitNetwork, low: Floats, high: Floats, off: Floats) -> NetworkBounds:
    """Bounds by intervals.

    Parameters
    ----------
    network : UnitNetwork
    low, high : ndarray, shape (n_columns,)
    off : ndarray, shape (n_columns,)
        How far the graph's columns may be from those.
    """
    unit = float(np.finfo(network.dtype).eps) / 2.0
    largest = float(np.finfo(network.dtype).max)
    known = ValueRange(low, high, off, np.where(off > 0.0, np.inf, 0.0), low - off)
    found = []
    is_number = bool(np.isfinite(low).all() and np.isfinite(high).all())
    with np.errstate(all="ignore"):
        for layer in network.layers:
            sums = _sums(known, layer.weights, layer.bias, layer.slips, unit)
            found.append(sums)
            units, is_defined = _units(layer.curve, sums, unit)
            is_number = is_number and is_defined
            known = known.and_(units)
        outputs = _sums(known, network.weights, network.bias, network.slips, unit)
        # No sum, in whatever order it is taken, may leave the type.
        is_number = is_number and known.size @ network.peak[:-1] + network.peak[-1] <= largest
    return NetworkBounds(tuple(found), known, outputs, bool(is_number))


def _sums(
    known: ValueRange, weights: Floats, bias: Floats, slips: Floats, unit: float
) -> ValueRange:
    up, down = np.maximum(weights, 0.0), np.minimum(weights, 0.0)
    low = known.low @ up + known.high @ down + bias
    high = known.high @ up + known.low @ down + bias
    size = np.abs(weights)
    slack = SLACK * (known.size @ size + np.abs(bias))
    off = SECOND * unit * (known.size @ slips[:-1] + slips[-1]) + known.off @ size
    floor, relative = _of_positive(known, weights, bias, slips, unit)
    # What is not known at all in a box without bounds.
    low, high = np.nan_to_num(low - slack, nan=-np.inf), np.nan_to_num(high + slack, nan=np.inf)
    return ValueRange(
        np.maximum(low, floor), high, np.nan_to_num(off, nan=np.inf, posinf=np.inf), relative, floor
    )


def _of_positive(
    known: ValueRange, weights: Floats, bias: Floats, slips: Floats, unit: float
) -> tuple[Floats, Floats]:
    """The floor and the relative error of sums in which all is positive; nothing of others."""
    used = weights != 0.0
    positive = (weights >= 0.0) & (known.floor >= 0.0)[:, None]
    plain = np.where(used, positive, slips[:-1] == 0.0).all(axis=0) & (bias >= 0.0)
    steps = _ratio(slips[:-1], np.where(used, weights, 0.0)).max(axis=0, initial=0.0)
    steps = np.maximum(steps, _ratio(slips[-1], bias))
    plain &= (bias > 0.0) | (slips[-1] == 0.0)
    worst = np.where(used, known.relative[:, None], 0.0).max(axis=0, initial=0.0)
    relative = np.where(plain, (1.0 + worst) * (1.0 + SECOND * unit * steps) - 1.0, np.inf)
    floor = np.maximum(known.floor, 0.0) @ np.maximum(weights, 0.0) + bias
    return np.where(plain, floor * (1.0 - SECOND * unit * steps), -np.inf), relative


def _ratio(parts: Floats, whole: Floats) -> Floats:
    """``parts`` as part of ``whole``, and 0 where that is none."""
    return np.where(whole > 0.0, parts / np.where(whole > 0.0, whole, 1.0), 0.0)


def _units(curve: Curve, sums: ValueRange, unit: float) -> tuple[ValueRange, bool]:
    """What units come to, and whether they are numbers."""
    low, high = np.maximum(sums.low - sums.off, sums.floor), sums.high + sums.off
    if not curve.is_defined(low, high).all():
        nothing = np.full(len(low), np.inf)
        return ValueRange(-nothing, nothing, nothing, nothing, -nothing), False
    least, most = curve.span(np.minimum(sums.low, high), np.maximum(sums.high, low))
    wide = curve.span(low, high)
    ulps = 0.0 if curve.is_piecewise_linear else ULPS * unit
    rounded = ulps * np.maximum(np.abs(wide[0]), np.abs(wide[1]))
    # It moves no farther than from end to end.
    off = np.minimum(_moved(curve, sums, low, high), wide[1] - wide[0]) + rounded
    relative = _relative(curve, sums) + ulps
    # Nothing known of a relative error is no limit, of what is 0 either.
    off = np.fmin(off, relative * np.maximum(np.abs(least), np.abs(most)))
    floor = np.maximum(wide[0] - rounded, 0.0 if curve.least >= 0.0 else -np.inf)
    found = ValueRange(least, most, off, relative, floor)
    return found, bool(np.isfinite(least).all() and np.isfinite(most).all())


def _moved(curve: Curve, sums: ValueRange, low: Floats, high: Floats) -> Floats:
    """How far a curve moves where its sum does by what it may be off."""
    # Infinitely steep where the sum is not off at all is no movement.
    moved = np.where(sums.off > 0.0, curve.steepest(low, high) * sums.off, 0.0)
    # A root is steepest at 0, and moves no more there than the root of what it is off by.
    return np.minimum(moved, np.sqrt(sums.off)) if curve is Curve.SQRT else moved


def _relative(curve: Curve, sums: ValueRange) -> Floats:
    """How far a curve moves, as part of itself."""
    match curve:
        case Curve.EXP:
            return np.asarray(np.expm1(sums.off))
        case Curve.SIGMOID:  # its logarithm has no slope above 1
            return np.asarray(np.expm1(sums.off))
        case Curve.SQUARE:
            return np.asarray((1.0 + sums.relative) ** 2 - 1.0)
        case Curve.RELU | Curve.ABS:
            return sums.relative
        case Curve.SQRT:
            return np.where(sums.relative < 1.0, sums.relative, np.inf)
        case Curve.RECIPROCAL:
            away = 1.0 - sums.relative
            return np.where(away > 0.0, sums.relative / np.where(away > 0.0, away, 1.0), np.inf)
        case _:
            return np.full(len(sums.low), np.inf)
