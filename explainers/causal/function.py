"""Functions of a node's parents: what a mechanism is made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

Members = Callable[[Array], Array]
"""``k`` plausible versions of one function at once: parents ``(k, n, p)`` to ``(k, n)``."""


class Function(Protocol):
    """A number for each row of parents. Frozen, thread-safe, no loop over rows."""

    @property
    def n_parents(self) -> int: ...

    def __call__(self, parents: Array) -> Array:
        """Parents ``(n, p)`` to values ``(n,)``."""
        ...

    def bounds(self, lower: Array, upper: Array) -> tuple[Array, Array]:
        """Least and greatest value at most and at least, over each box of parents.

        ``lower`` and ``upper`` are ``(m, p)``; the two results ``(m,)``. They hold up to the
        rounding of float64, may be infinite, and are no wider on a smaller box.
        """
        ...

    def members(self, rng: np.random.Generator, k: int) -> Members:
        """``k`` functions drawn from what is believed of this one; the same one where it is
        taken as known."""
        ...


@dataclass(frozen=True, eq=False)
class Always:
    """Members of a function that is taken as known: ``k`` times itself."""

    function: Callable[[Array], Array]

    def __call__(self, parents: Array) -> Array:
        k, n, p = parents.shape
        return self.function(parents.reshape(k * n, p)).reshape(k, n)
