"""Support vector machines over boxes: within each box a kernel is a straight line of its argument
and what is left of it, and sums of those lines are exact, feature by feature."""

from __future__ import annotations

import numpy as np

from ifonly.explainers.search.composed.hulls import Floats, Hull, line_sum
from ifonly.explainers.search.composed.lines import LineBounds
from ifonly.models.graph.operators.scorers import Kernel, KernelMachine


def machine_hull(machine: KernelMachine, hull: Hull, eps: float) -> Hull:
    """What a machine yields over boxes of its columns, ``(n_boxes, n_outputs)``."""
    vectors = machine.vectors.astype(np.float64)
    if machine.kernel is Kernel.LINEAR:
        weights = vectors.T @ machine.weights
        # Products are rounded vector by vector, before they are weighed.
        off = (
            eps * (vectors.shape[1] + 4) * (hull.size @ np.abs(vectors).T) @ np.abs(machine.weights)
        )
        return line_sum(hull, weights, machine.bias, eps).widened(off)
    argument = _argument(machine, hull, vectors, eps)
    slope, rest_low, rest_high = _line(machine, argument)
    plain = Hull.between(machine.curve(argument.low), machine.curve(argument.high))
    if machine.kernel is Kernel.POLY and machine.degree % 2 == 0:
        spans = (argument.low * machine.gamma + machine.shift) * (
            argument.high * machine.gamma + machine.shift
        ) <= 0.0
        plain = Hull(np.where(spans, 0.0, plain.low), plain.high)
    kernel_off = 32.0 * eps * plain.size
    up, down = np.maximum(machine.weights, 0.0), np.minimum(machine.weights, 0.0)
    # By intervals alone, and by lines with what is left: both hold.
    lows = [plain.low @ up + plain.high @ down]
    highs = [plain.high @ up + plain.low @ down]
    lines = [_sums_of_lines(machine, hull, vectors, slope * w) for w in machine.weights.T]
    low = np.stack([line[0] for line in lines], axis=1) + rest_low @ up + rest_high @ down
    high = np.stack([line[1] for line in lines], axis=1) + rest_high @ up + rest_low @ down
    off = kernel_off @ np.abs(machine.weights) + 4.0 * eps * np.abs(machine.bias)
    # LineBounds and rests are large where they cancel: float64 takes care of that.
    off = off + 1e-12 * (np.abs(rest_low) + np.abs(rest_high)) @ np.abs(machine.weights)
    lows.append(low)
    highs.append(high)
    lower = np.maximum(*lows) + machine.bias - off
    upper = np.minimum(*highs) + machine.bias + off
    return Hull.between(lower, upper)


def machine_lines(machine: KernelMachine, hull: Hull, lines: LineBounds, eps: float) -> LineBounds:
    """Between which lines of the columns it lies: kernels are lines of their arguments, and squares
    are lines of what is squared."""
    vectors = machine.vectors.astype(np.float64)
    if machine.kernel is Kernel.LINEAR:
        weights = vectors.T @ machine.weights
        size = (hull.size @ np.abs(vectors).T) @ np.abs(machine.weights) + np.abs(machine.bias)
        off = 2.0 * eps * (vectors.shape[1] + 4) * size
        return lines.product(weights).shifted(machine.bias).widened(off)
    argument = _argument(machine, hull, vectors, eps)
    slope, rest_low, rest_high = _line(machine, argument)
    up, down = np.maximum(machine.weights, 0.0), np.minimum(machine.weights, 0.0)
    size = np.maximum(np.abs(machine.curve(argument.low)), np.abs(machine.curve(argument.high)))
    off = 32.0 * eps * size @ np.abs(machine.weights) + 4.0 * eps * np.abs(machine.bias)
    off = off + 1e-12 * (np.abs(rest_low) + np.abs(rest_high)) @ np.abs(machine.weights)
    below = rest_low @ up + rest_high @ down + machine.bias - off
    above = rest_high @ up + rest_low @ down + machine.bias + off
    lows, highs = [], []
    for k, weights in enumerate(machine.weights.T):
        slopes = slope * weights
        # What rounding an argument may add is in the rests, which were taken over all of it.
        low, high = _line_of_sums(machine, hull, lines, vectors, slopes)
        stray = (np.abs(slopes) * _stray(argument, eps, vectors)).sum(axis=1)
        low[0] += below[:, k] - stray
        high[0] += above[:, k] + stray
        lows.append(low)
        highs.append(high)
    return LineBounds(np.stack(lows, axis=-1), np.stack(highs, axis=-1))


def _stray(argument: Hull, eps: float, vectors: Floats) -> Floats:
    """How far the graph's own argument may be from the exact one."""
    return np.asarray(8.0 * eps * (vectors.shape[1] + 4) * argument.size)


def _line_of_sums(
    machine: KernelMachine, hull: Hull, lines: LineBounds, vectors: Floats, slopes: Floats
) -> tuple[Floats, Floats]:
    """LineBounds below and above ``sum_i slopes_i s_i(x)``, ``(1 + n_columns, n_boxes)``."""
    if machine.kernel is not Kernel.RBF:
        weights = slopes @ vectors
        return _weighted(lines, weights)
    bend = slopes.sum(axis=1)[:, None]
    pull = slopes @ vectors
    fixed = (slopes @ (vectors * vectors)).sum(axis=1)
    middle = 0.5 * (hull.low + hull.high)
    # x^2 is within (l + u) x of its chord -l u and of the tangent below it, ((l + u) / 2)^2.
    chord, tangent = -hull.low * hull.high, -middle * middle
    low, high = _weighted(lines, bend * 2.0 * middle - 2.0 * pull)
    ends = bend * chord, bend * tangent
    far = np.maximum(hull.size.max(axis=0), np.abs(vectors).max(axis=0))
    off = 1e-12 * np.abs(slopes).sum(axis=1) * float((far * far).sum())
    low[0] += np.minimum(*ends).sum(axis=1) + fixed - off
    high[0] += np.maximum(*ends).sum(axis=1) + fixed + off
    return low, high


def _weighted(lines: LineBounds, weights: Floats) -> tuple[Floats, Floats]:
    """LineBounds times weights of each box, ``(n_boxes, n_columns)``, added up."""
    up, down = np.maximum(weights, 0.0), np.minimum(weights, 0.0)
    low = (lines.low * up + lines.high * down).sum(axis=-1)
    high = (lines.high * up + lines.low * down).sum(axis=-1)
    return low, high


def _argument(machine: KernelMachine, hull: Hull, vectors: Floats, eps: float) -> Hull:
    """Products or squared distances with each vector, ``(n_boxes, n_vectors)``."""
    if machine.kernel is not Kernel.RBF:
        return line_sum(hull, vectors.T, np.zeros(len(vectors)), 2.0 * eps)
    low, high = hull.low[:, None, :] - vectors, hull.high[:, None, :] - vectors
    far = np.maximum(np.abs(low), np.abs(high))
    near = np.where((low <= 0.0) & (high >= 0.0), 0.0, np.minimum(np.abs(low), np.abs(high)))
    found = Hull((near * near).sum(axis=-1), (far * far).sum(axis=-1))
    # A difference is rounded before it is squared.
    off = 4.0 * eps * (vectors.shape[1] + 4)
    return Hull(np.maximum(found.low * (1.0 - off), 0.0), found.high * (1.0 + off))


def _line(machine: KernelMachine, argument: Hull) -> tuple[Floats, Floats, Floats]:
    """The slope of each kernel's chord over its argument, and between what the kernel less that
    line lies: at the ends, and where the curve runs along the chord."""
    low, high = argument.low, argument.high
    at_low, at_high = machine.curve(low), machine.curve(high)
    width = np.maximum(high - low, 1e-12)
    slope = (at_high - at_low) / width
    ends = [at_low - slope * low, at_high - slope * high]
    for inner in _alongs(machine, slope):
        inside = np.clip(np.where(np.isnan(inner), low, inner), low, high)
        ends.append(machine.curve(inside) - slope * inside)
    return slope, np.minimum.reduce(ends), np.maximum.reduce(ends)


def _alongs(machine: KernelMachine, slope: Floats) -> list[Floats]:
    """Arguments at which the kernel's own slope is ``slope``."""
    gamma, shift = machine.gamma, machine.shift
    with np.errstate(all="ignore"):
        match machine.kernel:
            case Kernel.RBF:
                return [-np.log(-slope / gamma) / gamma]
            case Kernel.POLY:
                power = machine.degree - 1.0
                if power == 0.0:
                    return []
                steep = slope / (machine.degree * gamma)
                root = np.abs(steep) ** (1.0 / power)
                return [(root - shift) / gamma, (-root - shift) / gamma]
            case _:
                root = np.sqrt(np.maximum(1.0 - slope / gamma, 0.0))
                turned = np.arctanh(np.minimum(root, 1.0 - 1e-15))
                return [(turned - shift) / gamma, (-turned - shift) / gamma]


def _sums_of_lines(
    machine: KernelMachine, hull: Hull, vectors: Floats, slopes: Floats
) -> tuple[Floats, Floats]:
    """Least and greatest ``sum_i slopes_i s_i(x)`` over each box, ``(n_boxes,)``: ``s`` is a sum
    over features, so each is at its own best."""
    if machine.kernel is not Kernel.RBF:
        weights = slopes @ vectors
        ends = weights * hull.low, weights * hull.high
        return np.minimum(*ends).sum(axis=1), np.maximum(*ends).sum(axis=1)
    bend = slopes.sum(axis=1)[:, None]
    pull = slopes @ vectors
    fixed = slopes @ (vectors * vectors)

    def at(x: Floats) -> Floats:
        return np.asarray(bend * x * x - 2.0 * pull * x + fixed)

    with np.errstate(all="ignore"):
        vertex = np.where(np.abs(bend) > 0.0, pull / bend, hull.low)
    vertex = np.clip(np.where(np.isnan(vertex), hull.low, vertex), hull.low, hull.high)
    values = at(hull.low), at(hull.high), at(vertex)
    # What squares this large lose in float64.
    far = np.maximum(hull.size.max(axis=0), np.abs(vectors).max(axis=0))
    off = 1e-12 * np.abs(slopes).sum(axis=1) * float((far * far).sum())
    least = np.minimum.reduce(values).sum(axis=1) - off
    return least, np.maximum.reduce(values).sum(axis=1) + off
