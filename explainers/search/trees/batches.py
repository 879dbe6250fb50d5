"""Many boxes at once: what is left of each, its cheapest corner, and where to cut it.

For searches that must ask Python between two cuts, because what follows from a box of settings is
a matter of the causal model. A box holds settings and what may follow from them alike; only
settings are cut.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from ifonly.explainers.native import kernel
from ifonly.explainers.search.trees.arrays import Floats, IntRows, Ints, once


@dataclass(frozen=True, eq=False)
class Cuts:
    """Where boxes may be cut."""

    column: Ints
    first: Ints
    """``column[: first[0]]`` is all that can be cut, ``column[first[j] : first[j + 1]]`` what is
    to be cut instead of ``j``."""

    @cached_property
    def native(self) -> kernel.Cuts:
        """The same in compiled code, checked; it keeps the arrays alive."""
        return once(self, kernel.Cuts(self))


@dataclass(frozen=True, eq=False)
class Bounded:
    """Boxes, and what the tables say of them."""

    lo: IntRows
    """``(m, n_features)`` positions."""
    hi: IntRows
    cost: Floats
    """Cost of each box's cheapest corner; infinity: nothing in the box is both cheaper than the
    best and in the target."""
    corner: IntRows
    """``(m, n_features)``"""
    column: Ints
    """Where to cut, -1 for nowhere, and the first position of the upper part."""
    edge: Ints
    over: Floats
    """Nothing in the box is nearer to the limits."""

    @cached_property
    def native(self) -> kernel.Bounded:
        """The same in compiled code, checked; it keeps the arrays alive."""
        return once(self, kernel.Bounded(self))

    @classmethod
    def of(cls, lo: npt.NDArray[np.int64], hi: npt.NDArray[np.int64]) -> Bounded:
        """Room for what will be known of these boxes, which are shrunk in place."""
        m = len(lo)
        floats, ints = np.empty((2, m)), np.empty((2, m), np.int64)
        return cls(lo, hi, floats[0], np.empty_like(lo), ints[0], ints[1], floats[1])
