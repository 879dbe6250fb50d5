"""Weighted sums of basis functions, with the posterior of their weights.

One form serves linear, polynomial and radial mechanisms:

    f(x) = shift + scale * sum_b w_b phi_b(z),    z = coordinates of x

where ``phi`` are monomials and Gaussian bumps (see :class:`Expansion`). The weights have a
normal posterior (Bishop 2006, 3.3), so that plausible mechanisms can be drawn exactly.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from ifonly.explainers.causal import intervals
from ifonly.explainers.causal.function import Always, Array, Members
from ifonly.explainers.causal.intervals import Interval

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Coordinates:
    """Parents as standardised numbers; a nominal parent as one indicator a category but one."""

    parent: Ints
    """``(c,)``: which parent each coordinate reads."""
    level: Array
    """``(c,)``: the category it indicates; NaN: it is ``(x - centre) / spread``."""
    centre: Array
    spread: Array
    n_parents: int

    def __call__(self, parents: Array) -> Array:
        """``(..., p)`` to ``(..., c)``."""
        chosen = parents[..., self.parent]
        numbers = (chosen - self.centre) / self.spread
        if not self._indicates.any():
            return numbers
        return np.where(self._indicates, chosen == self.level, numbers)

    def interval(self, lower: Array, upper: Array) -> Interval:
        """Coordinates over boxes of parents."""
        low, high = lower[..., self.parent], upper[..., self.parent]
        numbers = (low - self.centre) / self.spread, (high - self.centre) / self.spread
        # An indicator is surely 1 where the box is that category alone,
        # and may be 1 where it holds it.
        only = (low == self.level) & (high == self.level)
        reached = (low <= self.level) & (self.level <= high)
        return Interval(
            np.where(self._indicates, only, numbers[0]),
            np.where(self._indicates, reached, numbers[1]),
        )

    @cached_property
    def _indicates(self) -> npt.NDArray[np.bool_]:
        return np.asarray(~np.isnan(self.level))

    @classmethod
    def raw(cls, n_parents: int) -> Coordinates:
        """Parents as they are."""
        zeros, ones = np.zeros(n_parents), np.ones(n_parents)
        return cls(np.arange(n_parents), np.full(n_parents, np.nan), zeros, ones, n_parents)


@dataclass(frozen=True, eq=False)
class Expansion:
    """Basis functions of coordinates ``z``, ``(c,)``: monomials first, then bumps.

    Monomial ``b`` is ``prod_i z_i ** exponents[b, i]``; bump ``b`` is
    ``exp(-sum_i precisions[b, i] * (z_i - centres[b, i])**2 / 2)``: a precision of 0 leaves a
    coordinate out, so bumps over one, two or all coordinates are one formula.
    """

    coordinates: Coordinates
    exponents: Ints
    """``(m1, c)``, none negative."""
    centres: Array
    """``(m2, c)``"""
    precisions: Array
    """``(m2, c)``"""

    def __len__(self) -> int:
        return len(self.exponents) + len(self.centres)

    def __call__(self, parents: Array) -> Array:
        """``(..., p)`` to ``(..., m)``."""
        z = self.coordinates(parents)
        # Filled in place: a list of columns would be copied once more.
        features = np.empty((*z.shape[:-1], len(self)))
        m1 = len(self.exponents)
        for b, factors in enumerate(self._factors):
            features[..., b] = 1.0
            for i, exponent in factors:
                features[..., b] *= z[..., i] if exponent == 1 else z[..., i] ** exponent
        if len(self.centres):
            # The square of the distance, multiplied out: three products of matrices.
            distance = (z * z) @ self.precisions.T - 2.0 * z @ self._slopes.T + self._offsets
            # Multiplied out, a distance of 0 may come out slightly negative.
            np.exp(-0.5 * np.maximum(distance, 0.0), out=features[..., m1:])
        return features

    def interval(self, lower: Array, upper: Array) -> Interval:
        """Each basis function over boxes of parents, ``(n_boxes, m)``; exact one by one."""
        z = self.coordinates.interval(lower, upper)
        low = np.ones((*z.lower.shape[:-1], len(self)))
        high = low.copy()
        for b, factors in enumerate(self._factors):
            product = Interval(low[..., b], high[..., b])
            for i, exponent in factors:
                power = intervals.whole_power(Interval(z.lower[..., i], z.upper[..., i]), exponent)
                product = intervals.multiply(product, power)
            low[..., b], high[..., b] = product
        m1 = len(self.exponents)
        if len(self.centres):
            near, far = self._distances(z)
            low[..., m1:], high[..., m1:] = np.exp(-0.5 * far), np.exp(-0.5 * near)
        return Interval(low, high)

    def _distances(self, z: Interval) -> tuple[Array, Array]:
        """Least and greatest squared distance of each box from each bump's centre."""
        below = z.lower[..., None, :] - self.centres
        above = z.upper[..., None, :] - self.centres
        apart = intervals.magnitude(Interval(below, above))
        used = self.precisions > 0  # an unbounded coordinate that is left out must not matter
        # The nearest and the farthest point of a box are found coordinate by coordinate.
        near = np.where(used, apart.lower, 0.0) ** 2
        far = np.where(used, apart.upper, 0.0) ** 2
        return (near * self.precisions).sum(axis=-1), (far * self.precisions).sum(axis=-1)

    @cached_property
    def _factors(self) -> tuple[tuple[tuple[int, int], ...], ...]:
        return tuple(
            tuple((int(i), int(row[i])) for i in np.flatnonzero(row)) for row in self.exponents
        )

    @cached_property
    def _slopes(self) -> Array:
        return self.precisions * self.centres

    @cached_property
    def _offsets(self) -> Array:
        return np.asarray((self.precisions * self.centres**2).sum(axis=1))


@dataclass(frozen=True, eq=False)
class Basis:
    """A weighted sum of basis functions, and how sure the weights are."""

    expansion: Expansion
    weights: Array
    """``(m,)``: the posterior's mean."""
    root: Array
    """``(m, m)``: a square root of the posterior's covariance (``root @ root.T``); ``(m, 0)``
    where the weights are taken as known."""
    shift: float = 0.0
    scale: float = 1.0

    @property
    def n_parents(self) -> int:
        return self.expansion.coordinates.n_parents

    def __call__(self, parents: Array) -> Array:
        if self.affine is not None:
            intercept, slopes = self.affine
            return np.asarray(intercept + parents @ slopes)
        return np.asarray(self.shift + self.scale * (self.expansion(parents) @ self.weights))

    def sd(self, parents: Array) -> Array:
        """How unsure the function itself is (not its noise) at each row, ``(n,)``."""
        spread = self.expansion(parents) @ self.root
        # The variance is features @ root @ root.T @ features, so the squares of one product.
        return np.asarray(self.scale * np.sqrt((spread**2).sum(axis=-1)))

    def bounds(self, lower: Array, upper: Array) -> tuple[Array, Array]:
        features = self.expansion.interval(lower, upper)
        low, high = intervals.weigh(features, self.scale * self.weights)
        return self.shift + low, self.shift + high

    def members(self, rng: np.random.Generator, k: int) -> Members:
        if not self.root.shape[1]:
            return Always(self)
        # Exact draws of the posterior: no sampling scheme, no burn-in.
        normal = rng.standard_normal((k, self.root.shape[1]))
        # In one order of memory: read from a file or just fitted, sums are to round alike.
        return BasisMembers(self, self.weights + normal @ np.ascontiguousarray(self.root).T)

    @cached_property
    def affine(self) -> tuple[float, Array] | None:
        """Intercept and coefficients of the parents, ``(p,)``, if it is nothing but that."""
        expansion, coordinates = self.expansion, self.expansion.coordinates
        degrees = expansion.exponents.sum(axis=1)
        if len(expansion.centres) or (degrees > 1).any() or not np.isnan(coordinates.level).all():
            return None
        slopes = self.scale * (self.weights[degrees == 1] @ expansion.exponents[degrees == 1])
        coefficients = np.zeros(self.n_parents)
        # A parent may have several coordinates: plain assignment would keep the last.
        np.add.at(coefficients, coordinates.parent, slopes / coordinates.spread)
        level = self.shift + self.scale * self.weights[degrees == 0].sum()
        return float(level - (slopes * coordinates.centre / coordinates.spread).sum()), coefficients


@dataclass(frozen=True, eq=False)
class BasisMembers:
    """``k`` draws of a basis' weights."""

    basis: Basis
    weights: Array
    """``(k, m)``"""

    def __call__(self, parents: Array) -> Array:
        expansion = self.basis.expansion
        if len(parents) == 1:
            sums = (expansion(parents[0]) @ self.weights.T).T
        else:  # one by one: all features of all members are much to hold
            each = zip(parents, self.weights, strict=True)
            sums = np.stack([expansion(rows) @ w for rows, w in each])
        return np.asarray(self.basis.shift + self.basis.scale * sums)


def linear(intercept: float, coefficients: Array) -> Basis:
    """``intercept + coefficients @ parents``, taken as known."""
    p = len(coefficients)
    exponents = np.vstack([np.zeros((1, p), dtype=np.int64), np.eye(p, dtype=np.int64)])
    return polynomial(exponents, np.concatenate([[intercept], coefficients]))


def polynomial(exponents: Ints, coefficients: Array) -> Basis:
    """``sum_b coefficients[b] * prod_i parents[i] ** exponents[b, i]``, taken as known."""
    p = exponents.shape[1]
    none = np.empty((0, p))
    expansion = Expansion(Coordinates.raw(p), exponents, none, none)
    return Basis(expansion, coefficients, np.empty((len(coefficients), 0)))
