"""Tensors whose every number is a sum of what is known: columns, and units made before."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Forms:
    """Affine forms, one for each number that a tensor has for a row; the batch is no axis here."""

    weights: Floats
    """``(n_known, *shape)``"""
    bias: Floats
    """``(*shape)``"""
    slips: Floats
    """``(n_known + 1, *shape)``: see :attr:`ifonly.models.graph.units.UnitLayer.slips`; the last
    line is that of the constant."""

    @property
    def shape(self) -> tuple[int, ...]:
        return self.bias.shape

    @property
    def n_known(self) -> int:
        return len(self.weights)

    @property
    def size(self) -> int:
        return self.bias.size

    @property
    def magnitude(self) -> Floats:
        """``(n_known + 1, *shape)``: ``(|known|, 1) @ magnitude`` is at least what each comes to,
        and any part of its sum, in magnitude."""
        return np.concatenate([np.abs(self.weights), np.abs(self.bias)[None]])

    @property
    def is_constant(self) -> npt.NDArray[np.bool_]:
        """``(*shape)``: which are the same for every row."""
        return np.asarray(~self.weights.any(axis=0))

    def widened(self, n_known: int) -> Forms:
        """The same where more is known."""
        more = n_known - self.n_known
        if not more:
            return self
        none = np.zeros((more, *self.shape))
        slips = np.concatenate([self.slips[:-1], none, self.slips[-1:]])
        return Forms(np.concatenate([self.weights, none]), self.bias, slips)

    def picked(self, places: Places) -> Forms:
        """The forms at ``places``, any shape, of all in order."""
        return Forms(
            self.weights.reshape(self.n_known, -1)[:, places],
            self.bias.reshape(-1)[places],
            self.slips.reshape(self.n_known + 1, -1)[:, places],
        )

    def reshaped(self, shape: tuple[int, ...]) -> Forms:
        return Forms(
            self.weights.reshape(self.n_known, *shape),
            self.bias.reshape(shape),
            self.slips.reshape(self.n_known + 1, *shape),
        )

    def plus(self, other: Forms, sign: float = 1.0) -> Forms:
        """The sum with ``sign`` times ``other``, each stretched to the other's shape."""
        one, two = alike(self, other)
        found = Forms(
            one.weights + sign * two.weights,
            one.bias + sign * two.bias,
            one.slips + two.slips,
        )
        # The operation is rounded by a unit of what it comes to; adding nothing is exact.
        if other.bias.any() or other.weights.any():
            found = found.slipped(found.magnitude)
        return found

    def times(self, factor: npt.ArrayLike) -> Forms:
        """Each form times a constant, stretched to one another's shape."""
        plain = np.asarray(factor, dtype=np.float64)
        shape = np.broadcast_shapes(self.shape, plain.shape)
        one, factor_ = self.stretched(shape), np.broadcast_to(plain, shape)
        found = Forms(one.weights * factor_, one.bias * factor_, one.slips * np.abs(factor_))
        # A power of two is exact.
        inexact = np.frexp(np.abs(factor_))[0] != 0.5
        return found.slipped(np.where(inexact & (factor_ != 0.0), found.magnitude, 0.0))

    def shifted(self, constant: npt.ArrayLike) -> Forms:
        """Each form plus a constant."""
        return self.plus(constant_forms(constant, self.n_known))

    def slipped(self, more: Floats) -> Forms:
        """The same with ``more``, ``(n_known + 1, *shape)``, added to its slips."""
        return Forms(self.weights, self.bias, self.slips + more)

    def stretched(self, shape: tuple[int, ...]) -> Forms:
        if shape == self.shape:
            return self
        # Axes are stretched from the last on, so that of the known must stand before new ones.
        lead = (1,) * (len(shape) - len(self.shape))
        full = self.reshaped((*lead, *self.shape))
        return Forms(
            np.broadcast_to(full.weights, (self.n_known, *shape)),
            np.broadcast_to(full.bias, shape),
            np.broadcast_to(full.slips, (self.n_known + 1, *shape)),
        )

    def mapped(self, matrix: Floats) -> Forms:
        """Products of lines along the last axis with ``matrix``, ``(n_in, n_out)``, in any order
        of summation.

        Raises
        ------
        ValueError
            If they do not fit.
        """
        if self.shape[-1] != len(matrix):
            raise ValueError(
                f"multiplies lines of {self.shape[-1]} with a matrix for {len(matrix)}"
            )
        size = np.abs(matrix)
        # Products with 0 are exact, and add nothing.
        steps = np.maximum(np.count_nonzero(matrix, axis=0), 1)
        exact = (steps == 1) & np.isin(size, (0.0, 1.0)).all(axis=0)
        steps = np.where(exact, 0, steps)
        slips = self.slips @ size + (self.magnitude @ size) * steps
        return Forms(self.weights @ matrix, self.bias @ matrix, slips)

    def summed(self, axes: tuple[int, ...], *, keep: bool) -> Forms:
        """Sums over ``axes``, counted from the front, of these shapes."""
        moved = tuple(axis + 1 for axis in axes)
        steps = int(np.prod([self.shape[axis] for axis in axes])) - 1
        slips = self.slips + steps * self.magnitude
        return Forms(
            self.weights.sum(axis=moved, keepdims=keep),
            self.bias.sum(axis=axes, keepdims=keep),
            slips.sum(axis=moved, keepdims=keep),
        )


def constant_forms(value: npt.ArrayLike, n_known: int) -> Forms:
    """A tensor that is the same for every row."""
    plain = np.asarray(value, dtype=np.float64)
    return Forms(np.zeros((n_known, *plain.shape)), plain, np.zeros((n_known + 1, *plain.shape)))


def joined(parts: list[Forms], axis: int) -> Forms:
    """Side by side along ``axis``, counted from the front."""
    n_known = max(part.n_known for part in parts)
    full = [part.widened(n_known) for part in parts]
    return Forms(
        np.concatenate([part.weights for part in full], axis=axis + 1),
        np.concatenate([part.bias for part in full], axis=axis),
        np.concatenate([part.slips for part in full], axis=axis + 1),
    )


def alike(one: Forms, other: Forms) -> tuple[Forms, Forms]:
    """Two tensors stretched to one shape, and to as much that is known."""
    n_known = max(one.n_known, other.n_known)
    shape = np.broadcast_shapes(one.shape, other.shape)
    first, second = one.widened(n_known), other.widened(n_known)
    return first.stretched(shape), second.stretched(shape)
