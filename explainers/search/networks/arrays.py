"""A network of units, and one question about it, as the flat arrays that compiled code reads."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ifonly.explainers.native import kernel
from ifonly.explainers.search.trees.arrays import FloatRows, Floats, Ints, once
from ifonly.models.graph.units import Curve

CURVES = {
    curve: code
    for code, curve in enumerate(
        [
            Curve.RELU, Curve.ABS, Curve.STEP, Curve.SQUARE, Curve.TANH, Curve.SIGMOID,
            Curve.ERF, Curve.EXP, Curve.SOFTPLUS, Curve.LOG, Curve.SQRT, Curve.RECIPROCAL,
        ]
    )
}  # fmt: skip
"""As compiled code counts them; of others it knows no lines."""


class BoxEffort:
    """How hard a box is worked on, as compiled code is told."""

    steps = 60
    first_steps = 60
    rounds = 1
    listed = 256
    most_open = 16_384


@dataclass(frozen=True, eq=False)
class UnitArrays:
    """A network: layer after layer of units, each a curve of a sum of what is known before it.

    What is known are the columns, then the units in order.
    """

    columns: int
    first: Ints
    """``(n_layers + 1,)`` first unit of each layer."""
    curve: Ints
    """``(n_layers,)``"""
    from_: Ints
    """``(n_layers,)`` first of what is known that the layer reads; the next: behind the last."""
    till: Ints
    start: Ints
    """``(n_units,)`` where the weights of each unit begin, one for each number that is read."""
    weight: Floats
    slips: Floats
    """How far the graph's sum may be from ours, for each weight by the size of what it reads."""
    slip: Floats
    """``(n_units,)`` and by its constant."""
    bias: Floats
    """``(n_units,)``"""
    off: Floats
    """``(n_known,)`` how far what the graph knows may be from ours, in all rows of interest."""
    ulp: Floats
    """``(n_units,)`` part of a unit's value by which its curve may be rounded."""
    blur: Floats
    """``(n_units,)`` how far the graph's sum may be from ours, where a curve jumps."""
    low: Floats
    """``(n_units,)`` between which the sums lie in all rows of interest."""
    high: Floats

    @cached_property
    def native(self) -> kernel.UnitArrays:
        """The same in compiled code, checked; it keeps the arrays alive."""
        return once(self, kernel.UnitArrays(self))


@dataclass(frozen=True, eq=False)
class PieceArrays:
    """The axes of a question in pieces over which cost and columns are straight; positions count
    along each axis from 0."""

    of: Ints
    """``(n_features + 1,)`` first piece of each feature."""
    first: Ints
    """Positions, like the next."""
    last: Ints
    cost: Floats
    """At the first position."""
    rise: Floats
    """From position to position."""
    terms: Ints
    """``(n_pieces + 1,)`` first column that each piece adds to."""
    column: Ints
    input: Floats
    """What is added at the first position, and what more from position to position."""
    input_rise: Floats
    constant: Floats
    """``(n_columns,)`` columns of what cannot move."""

    @cached_property
    def native(self) -> kernel.PieceArrays:
        """The same in compiled code, checked; it keeps the arrays alive."""
        return once(self, kernel.PieceArrays(self))


@dataclass(frozen=True, eq=False)
class LimitArrays:
    """``weights @ known <= limit``, in doubt within ``doubt``: what an answer must keep.

    ``doubt`` holds in all rows of interest. In a box, or of a row, it is the sum of ``slip``, of
    ``slips`` times the sizes of what is known, and of ``weights`` times how far that is off.
    """

    weights: FloatRows
    """``(n_limits, n_columns + n_units)``"""
    limit: Floats
    doubt: Floats
    begin: Floats
    """With which weights their sum begins."""
    slips: FloatRows
    """``(n_limits, n_columns + n_units)``"""
    slip: Floats

    def and_(self, others: LimitArrays) -> LimitArrays:
        """These, and ``others`` behind them."""
        names = ("weights", "limit", "doubt", "begin", "slips", "slip")
        pairs = {name: (getattr(self, name), getattr(others, name)) for name in names}
        return LimitArrays(**{name: np.concatenate(pair) for name, pair in pairs.items()})

    @cached_property
    def native(self) -> kernel.LimitArrays:
        """The same in compiled code, checked; it keeps the arrays alive."""
        return once(self, kernel.LimitArrays(self))
