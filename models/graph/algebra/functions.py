"""Functions of tensors as sums of units."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ifonly.models.graph.algebra.builder import Units
from ifonly.models.graph.algebra.forms import Forms, alike, joined
from ifonly.models.graph.curves import Curve

Floats = npt.NDArray[np.float64]

MOST_SHARES = 64
"""Numbers over which a softmax within a graph is read; it takes their square in units."""


def relu(units: Units, x: Forms) -> Forms:
    return units.of(Curve.RELU, x)


def greatest(units: Units, one: Forms, other: Forms) -> Forms:
    """``max(a, b) = a + relu(b - a)``."""
    one, other = alike(one, other)
    # Which of the two it is is exact, so neither the difference nor the sum rounds in the graph.
    found = _plain_sum(one, relu(units, _plain_sum(other, one, -1.0)))
    return Forms(found.weights, found.bias, _larger(one, other, found.n_known))


def least(units: Units, one: Forms, other: Forms) -> Forms:
    """``min(a, b) = a - relu(a - b)``."""
    one, other = alike(one, other)
    found = _plain_sum(one, relu(units, _plain_sum(one, other, -1.0)), -1.0)
    return Forms(found.weights, found.bias, _larger(one, other, found.n_known))


def _plain_sum(one: Forms, other: Forms, sign: float = 1.0) -> Forms:
    found = one.plus(other, sign)
    return Forms(found.weights, found.bias, np.zeros_like(found.slips))


def _larger(one: Forms, other: Forms, n_known: int) -> Floats:
    # The larger of two numbers is off by no more than the worse of them.
    first, second = one.widened(n_known).slips, other.widened(n_known).slips
    return np.maximum(first, second)


def extreme(units: Units, x: Forms, axes: tuple[int, ...], *, keep: bool, greatest_: bool) -> Forms:
    """The greatest or the least over ``axes``, counted from the front, in pairs."""
    rest = [axis for axis in range(len(x.shape)) if axis not in axes]
    order = np.arange(x.size).reshape(x.shape).transpose([*rest, *axes])
    kept = tuple(x.shape[axis] for axis in rest)
    parts = x.picked(order.reshape(*kept, -1))
    pair = greatest if greatest_ else least
    while (n := parts.shape[-1]) > 1:
        half = n // 2
        both = pair(units, _part(parts, 0, half), _part(parts, half, 2 * half))
        rest_ = _part(parts, 2 * half, n)
        parts = joined([both, rest_], len(kept)) if n % 2 else both
    shape = tuple(1 if axis in axes else size for axis, size in enumerate(x.shape))
    return parts.reshaped(shape if keep else kept)


def _extended(slips: Floats, found: Forms) -> Floats:
    """``slips`` of fewer knowns than those of ``found``."""
    none = np.zeros((found.n_known + 1 - len(slips), *slips.shape[1:]))
    full = np.concatenate([slips[:-1], none, slips[-1:]])
    return np.broadcast_to(full, found.slips.shape)


def _part(x: Forms, start: int, end: int) -> Forms:
    places = np.arange(x.size).reshape(x.shape)[..., start:end]
    return x.picked(places)


def leaky(units: Units, x: Forms, slope: npt.ArrayLike) -> Forms:
    """``x`` above 0 and ``slope x`` below: ``slope x + (1 - slope) relu(x)``."""
    factor = np.asarray(slope, dtype=np.float64)
    return x.times(factor).plus(relu(units, x).times(1.0 - factor))


def clip(units: Units, x: Forms, low: float | None, high: float | None) -> Forms:
    """``low + relu(x - low) - relu(x - high)``."""
    if low is not None and high is not None and low >= high:
        return x.times(0.0).shifted(high)
    found = x
    if low is not None:
        found = _plain_sum(relu(units, x.shifted(-low)), _constant(x, low))
    if high is not None:
        found = _plain_sum(found, relu(units, x.shifted(-high)), -1.0)
    # Limits are exact.
    return Forms(found.weights, found.bias, x.widened(found.n_known).slips)


def _constant(x: Forms, value: float) -> Forms:
    return Forms(np.zeros_like(x.weights), np.full(x.shape, value), np.zeros_like(x.slips))


def hard_swish(units: Units, x: Forms) -> Forms:
    """``x clip(x + 3, 0, 6) / 6``: with ``c`` for what is clipped, ``(c^2 - 3 c) / 6 + relu(x -
    3)``."""
    c = clip(units, x.shifted(3.0), 0.0, 6.0)
    square = units.of(Curve.SQUARE, c).times(1.0 / 6.0)
    return square.plus(c.times(-0.5)).plus(relu(units, x.shifted(-3.0)))


def elu(units: Units, x: Forms, alpha: float, scale: float = 1.0) -> Forms:
    """``x`` above 0, ``alpha (exp(x / scale) - 1)`` below."""
    below = relu(units, x.times(-1.0)).times(-1.0 / scale)
    return relu(units, x).plus(units.of(Curve.EXP, below).shifted(-1.0).times(alpha))


def softsign(units: Units, x: Forms) -> Forms:
    """``x / (1 + |x|) = 1 / (1 + relu(-x)) - 1 / (1 + relu(x))``."""
    up = units.of(Curve.RECIPROCAL, relu(units, x).shifted(1.0))
    down = units.of(Curve.RECIPROCAL, relu(units, x.times(-1.0)).shifted(1.0))
    return down.plus(up, -1.0)


def smooth_absolute(units: Units, x: Forms) -> Forms:
    """``x^2 / 2`` up to 1, ``|x| - 1/2`` beyond: the Huber error."""
    square = units.of(Curve.SQUARE, clip(units, x, -1.0, 1.0)).times(0.5)
    beyond = relu(units, x.shifted(-1.0)).plus(relu(units, x.times(-1.0).shifted(-1.0)))
    return square.plus(beyond)


def product(units: Units, one: Forms, other: Forms) -> Forms:
    """``a b = ((a + b)^2 - (a - b)^2) / 4``, and a square where both are the same."""
    n_known, shape = units.n_known, np.broadcast_shapes(one.shape, other.shape)
    a, b = (f.widened(n_known).stretched(shape) for f in (one, other))
    if a.is_constant.all() or b.is_constant.all():
        fixed, free = (a, b) if a.is_constant.all() else (b, a)
        return free.times(fixed.bias)
    if np.array_equal(a.weights, b.weights) and np.array_equal(a.bias, b.bias):
        return units.of(Curve.SQUARE, a)
    up = units.of(Curve.SQUARE, _plain_sum(a, b).slipped(a.slips + b.slips))
    down = units.of(Curve.SQUARE, _plain_sum(a, b, -1.0).slipped(a.slips + b.slips))
    return up.plus(down, -1.0).times(0.25)


def reciprocal(units: Units, x: Forms) -> Forms:
    return units.of(Curve.RECIPROCAL, x)


def shares(units: Units, x: Forms, *, logarithm: bool) -> Forms:
    """A softmax along the last axis: ``1 / sum_j exp(x_j - x_i)``, which divides by 1 at least.

    Raises
    ------
    ValueError
        If it is over too many numbers.
    """
    n = x.shape[-1]
    if n > MOST_SHARES:
        raise ValueError(f"is over {n} numbers, more than {MOST_SHARES}")
    places = np.arange(x.size).reshape(x.shape)
    own, rival = places[..., :, None], places[..., None, :]
    both = np.broadcast_arrays(own, rival)
    gaps = _plain_sum(x.picked(both[1]), x.picked(both[0]), -1.0)
    # The graph takes the greatest from each first, and divides a sum afterwards.
    sizes = x.magnitude.sum(axis=-1)[..., None, None] + x.slips.sum(axis=-1)[..., None, None]
    gaps = gaps.slipped(np.broadcast_to(2.0 * sizes, gaps.slips.shape))
    if n == 2:
        ahead = Forms(*(getattr(gaps, name)[..., (1, 0), (0, 1)]
                        for name in ("weights", "bias", "slips")))  # fmt: skip
        # 1 / (1 + exp(-gap)): the logistic of how far it is ahead.
        if not logarithm:
            return units.of(Curve.SIGMOID, ahead)
        found = units.of(Curve.SOFTPLUS, ahead.times(-1.0), composed=True)
        return found.times(-1.0)
    # A number's gap from itself is a constant, so the sum is 1 and what the others add.
    total = units.of(Curve.EXP, gaps).summed((len(x.shape),), keep=False)
    if not logarithm:
        return units.of(Curve.RECIPROCAL, total)
    found = units.of(Curve.LOG, total).times(-1.0)
    # The graph takes a logarithm from a difference.
    return found.slipped(_extended(2.0 * sizes[..., 0], found))
