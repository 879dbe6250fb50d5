"""How the graph reads a feature that follows from others: over every number, not over a grid."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ifonly.explainers.errors import NotEligible
from ifonly.explainers.search.milp.reading import MOST_PIECES, allowance, encode_alone
from ifonly.models.graph.forms import Columns
from ifonly.models.schema import Kind, Schema

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]

POINTS = 4_097
MOST_WHOLE = 65_537
"""Whole numbers that are all looked at; of more, and of reals, points near enough together."""
BEYOND = 4
"""Widths of the bounds beyond them that are looked at, where plausible mechanisms may lead."""
CLOSER = 64
"""How many times closer points are where a column is bent; three times at most."""


@dataclass(frozen=True, eq=False)
class Stretch:
    """Numbers over which every column is ``first + (value - lower) * rise``."""

    lower: float
    upper: float
    first: Floats
    """``(n_own,)``, like the next."""
    rise: Floats

    def within(self, lower: float, upper: float) -> Stretch | None:
        lower, upper = max(lower, self.lower), min(upper, self.upper)
        if lower > upper:
            return None
        return Stretch(lower, upper, self.first + (lower - self.lower) * self.rise, self.rise)


@dataclass(frozen=True, eq=False)
class AffinePiece:
    """Numbers over which every column is the line of one stretch."""

    lower: float
    upper: float
    rise: Floats
    """``(n_own,)``, like the next."""
    deviation: Floats


@dataclass(frozen=True, eq=False)
class RealReading:
    """One feature's columns over its bounds."""

    own: Indices
    """Which of the core's columns are made of it."""
    stretches: tuple[Stretch, ...]
    deviation: Floats
    """``(n_own,)``: farthest that a column is from its stretch's line."""
    line: AffinePiece | None
    """Where all of it is one line, beyond the bounds too; None if it is none."""


def read_reals(columns: Columns, schema: Schema, j: int) -> RealReading:
    """The reading of feature ``j``, measured at points: between two of them a column is taken to
    be as far from straight as it is beside them.

    Raises
    ------
    NotEligible
        If it is a category, has no bounds, is bent in too many places, jumps, or is read as no
        number.
    """
    feature = schema.features[j]
    own = np.flatnonzero(columns.feature == j)
    if feature.kind.is_categorical:
        raise NotEligible("milp", f"{feature.name} follows, and is a category")
    if not (math.isfinite(feature.lower) and math.isfinite(feature.upper)):
        raise NotEligible("milp", f"{feature.name} follows, and has no bounds")
    # Whole numbers are looked at one by one; between them nothing is ever read.
    is_whole = feature.kind is Kind.INTEGER and feature.upper - feature.lower < MOST_WHOLE
    if is_whole:
        points = np.arange(math.ceil(feature.lower), math.floor(feature.upper) + 1.0)
    else:
        points = np.linspace(feature.lower, feature.upper, POINTS)
    inputs = encode_alone(columns, schema, j, own, points)
    if not is_whole:
        points, inputs = _closer(columns, schema, j, points, inputs)
    if not np.isfinite(inputs).all():
        raise NotEligible("milp", f"{feature.name} is read as no number")
    stretches, deviation = _reading(feature.name, own, points, inputs, is_whole=is_whole)
    allowed = allowance(points, inputs)
    line = _line(columns, schema, j, own, stretches[0], allowed) if len(stretches) == 1 else None
    return RealReading(own, tuple(stretches), deviation, line)


def _line(
    columns: Columns, schema: Schema, j: int, own: Indices, stretch: Stretch, allowed: Floats
) -> AffinePiece | None:
    width = stretch.upper - stretch.lower
    lower, upper = stretch.lower - BEYOND * width, stretch.upper + BEYOND * width
    points = np.linspace(lower, upper, POINTS)
    inputs = encode_alone(columns, schema, j, own, points)
    off = np.abs(inputs - stretch.first - (points[:, None] - stretch.lower) * stretch.rise)
    # Farther out a slope that is slightly off shows more: the allowance grows with it.
    if not (off <= allowed * (1.0 + 2.0 * BEYOND)).all():
        return None
    rounding = _rounding(points, inputs, np.abs(stretch.rise))
    return AffinePiece(lower, upper, stretch.rise, off.max(axis=0) + rounding)


def _closer(
    columns: Columns, schema: Schema, j: int, points: Floats, inputs: Floats
) -> tuple[Floats, Floats]:
    """More points where columns bend, so that a bend is as good as at one of them."""
    own = np.flatnonzero(columns.feature == j)
    for _ in range(3):
        bent = 1 + np.flatnonzero((_bends(points, inputs) > allowance(points, inputs)).any(axis=1))
        # The bend is in the gap before the point or in the one behind it.
        gaps = np.union1d(bent - 1, bent)
        # Nothing bends, or so much that the feature is refused anyway.
        if not 0 < len(gaps) <= 2 * MOST_PIECES:
            break
        shares = np.linspace(0.0, 1.0, CLOSER + 1)[1:-1]
        between = points[gaps, None] + (points[gaps + 1] - points[gaps])[:, None] * shares
        points = np.union1d(points, between)
        inputs = encode_alone(columns, schema, j, own, points)
    return points, inputs


def _bends(points: Floats, inputs: Floats) -> Floats:
    """How far each inner point is from the chord of its neighbours, ``(n - 2, n_own)``."""
    share = ((points[1:-1] - points[:-2]) / (points[2:] - points[:-2]))[:, None]
    chord = inputs[:-2] + share * (inputs[2:] - inputs[:-2])
    return np.asarray(np.abs(inputs[1:-1] - chord))


def _reading(
    name: str, own: Indices, points: Floats, inputs: Floats, *, is_whole: bool
) -> tuple[list[Stretch], Floats]:
    allowed = allowance(points, inputs)
    ends = list(_straight(points, inputs, allowed, closed=not is_whole))
    if len(ends) > MOST_PIECES:
        raise NotEligible("milp", f"{name} is bent in {len(ends)} places")
    deviation = np.zeros(len(own))
    if not is_whole and len(points) > 2:
        # A bend between two points is as far from straight as it is beside them.
        deviation = _bends(points, inputs).max(axis=0)
    # Points are as close as they get: what is still off their chord is a jump, and no bend.
    if (deviation > allowed).any():
        raise NotEligible("milp", f"{name} follows, and is read in jumps")
    stretches = []
    for a, b in ends:
        width = float(points[b] - points[a])
        rise = (inputs[b] - inputs[a]) / width if width else np.zeros(len(own))
        stretches.append(Stretch(float(points[a]), float(points[b]), inputs[a], rise))
        off = _off_chord(points[a : b + 1], inputs[a : b + 1]).max(axis=0)
        deviation = np.maximum(deviation, off)
    rise = np.max([np.abs(stretch.rise) for stretch in stretches], axis=0)
    return stretches, deviation + _rounding(points, inputs, rise)


def _rounding(points: Floats, inputs: Floats, rise: Floats) -> Floats:
    """How far float32 may take a column from what it is at points, which may be exact in it."""
    # Four units of rounding of float32.
    return np.asarray(2.0**-22 * (np.abs(points).max() * rise + np.abs(inputs).max(axis=0)))


def _straight(
    points: Floats, inputs: Floats, allowed: Floats, *, closed: bool
) -> Iterator[tuple[int, int]]:
    """First and last point of each straight part, halved where it bends most (Douglas & Peucker
    1973); ``closed``: a part begins where the one before it ends."""
    waiting, found = [(0, len(points) - 1)], 0
    while waiting and found <= MOST_PIECES:
        a, b = waiting.pop()
        off = _off_chord(points[a : b + 1], inputs[a : b + 1]) / allowed
        if not off.size or off.max() <= 1.0:
            found += 1
            yield a, b
            continue
        middle = a + int(np.argmax(off.max(axis=1)))
        # Parts of reals share their end; whole numbers leave no gap between two parts.
        waiting += [(middle, b), (a, middle if closed else middle - 1)]


def _off_chord(points: Floats, inputs: Floats) -> Floats:
    """Distance of each point from the chord of the first and the last."""
    width = points[-1] - points[0]
    share = (points - points[0]) / width if width else np.zeros(len(points))
    return np.asarray(np.abs(inputs - (inputs[0] + share[:, None] * (inputs[-1] - inputs[0]))))
