"""How one node follows from its parents and from its own noise."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from ifonly.explainers.causal.function import Array, Function
from ifonly.explainers.causal.support import Support


class NoiseForm(StrEnum):
    """How noise enters; both can be told apart again, row by row (invertible)."""

    ADDITIVE = "additive"
    """``x = f(parents) + u``"""
    LOCATION_SCALE = "location-scale"
    """``x = f(parents) + g(parents) * u`` with ``g > 0``"""


@dataclass(frozen=True, eq=False)
class Noise:
    """What is known of a node's noise where it is not abducted."""

    sd: float
    """Standard deviation of ``u`` (of the value itself for a root)."""
    sample: Array | None = None
    """``(m,)``: values of it that were seen; None: normal with mean 0."""

    def draw(self, rng: np.random.Generator, n: int) -> Array:
        if self.sample is None:
            return rng.normal(0.0, self.sd, n)
        # From the values seen, so that the noise keeps its shape.
        return rng.choice(self.sample, size=n)


@dataclass(frozen=True, eq=False)
class Mechanism:
    """``x = location(parents) + scale(parents) * noise``.

    ``log_scale`` None means a scale of 1: additive noise. Strictly increasing in the noise, so
    that :meth:`noise_of` undoes :meth:`predict`.
    """

    location: Function
    log_scale: Function | None = None
    noise: Noise | None = None
    """None: nothing is known of it; abduction needs nothing, drawing anew does."""
    support: Support | None = None
    """Where it was seen at work; None: it was declared, not fitted."""

    @property
    def form(self) -> NoiseForm:
        return NoiseForm.ADDITIVE if self.log_scale is None else NoiseForm.LOCATION_SCALE

    def scale(self, parents: Array) -> Array:
        """``(n,)``: by what the noise is multiplied."""
        if self.log_scale is None:
            return np.ones(len(parents))
        return np.exp(self.log_scale(parents))

    def predict(self, parents: Array, noise: Array) -> Array:
        """Values of the node: parents ``(n, p)``, noise ``(n,)`` to ``(n,)``."""
        if self.log_scale is None:
            return self.location(parents) + noise
        return self.location(parents) + self.scale(parents) * noise

    def noise_of(self, parents: Array, values: Array) -> Array:
        """The noise under which ``parents`` led to ``values``, ``(n,)``."""
        if self.log_scale is None:
            return values - self.location(parents)
        return (values - self.location(parents)) / self.scale(parents)

    def moved(self, before: Array, after: Array, value: Array, noise: Array) -> Array:
        """What a value becomes when its causes move.

        The same as :meth:`predict` with the abducted noise, but for rounding: where no parent
        moves, neither does the value, to the last bit.

        Parameters
        ----------
        before, after : ndarray, shape (n, p)
            Parents as they were read, and as they would be.
        value : ndarray, shape (n,)
            Read under ``before``.
        noise : ndarray, shape (n,)
            Abducted from it; not looked at where noise is additive.

        Returns
        -------
        ndarray, shape (n,)
        """
        # A difference of levels, not noise and back: 0 exactly where no parent moves.
        shift = self.location(after) - self.location(before)
        if self.log_scale is not None:
            shift += (self.scale(after) - self.scale(before)) * noise
        return value + shift

    def bounds(self, lower: Array, upper: Array, noise: float | Array) -> tuple[Array, Array]:
        """Least and greatest value over boxes of parents, ``(m, p)``, under one noise (or one a
        box): ``2 * (m,)``; see :meth:`Function.bounds`."""
        low, high = self.location.bounds(lower, upper)
        if self.log_scale is None:
            return low + noise, high + noise
        least, most = (np.exp(side) for side in self.log_scale.bounds(lower, upper))
        with np.errstate(invalid="ignore"):
            # 0 times an infinite scale is 0: without noise the scale does not matter.
            ends = np.nan_to_num(np.stack([least * noise, most * noise]), nan=0.0, posinf=np.inf,
                                 neginf=-np.inf)  # fmt: skip
        return low + ends.min(axis=0), high + ends.max(axis=0)
