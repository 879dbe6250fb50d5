"""Nodes as functions of affine forms."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import reduce

import numpy as np
from onnx import TensorProto

from ifonly.models.graph.algebra import functions as f
from ifonly.models.graph.algebra.call import Array, Call, ComparedForms, Value
from ifonly.models.graph.algebra.forms import Forms, constant_forms, joined
from ifonly.models.graph.algebra.windows import averaged, convolved, largest
from ifonly.models.graph.curves import Curve

Handler = Callable[[Call], Value | list[Value]]

_FLOATS = {TensorProto.FLOAT: 2, TensorProto.DOUBLE: 3}


def _add(call: Call) -> Forms:
    return reduce(Forms.plus, (call.stretched(k) for k in range(len(call.values))))


def _sub(call: Call) -> Forms:
    return call.stretched(0).plus(call.stretched(1), -1.0)


def _mul(call: Call) -> Forms:
    for k in (0, 1):
        if call.is_constant(k):
            return call.forms(1 - k).times(call.fixed(k))
    return f.product(call.units, call.forms(0), call.forms(1))


def _div(call: Call) -> Forms:
    if call.is_constant(1):
        divisor = call.fixed(1)
        if not divisor.all():
            raise ValueError("divides by 0")
        return call.forms(0).times(1.0 / divisor)
    below = f.reciprocal(call.units, call.forms(1))
    return below.times(call.fixed(0)) if call.is_constant(0) else f.product(
        call.units, call.forms(0), below
    )  # fmt: skip


def _mean(call: Call) -> Forms:
    return _add(call).times(1.0 / len(call.values))


def _pow(call: Call) -> Forms:
    exponent = np.unique(call.constant(1))
    x = call.forms(0)
    if len(exponent) != 1:
        raise ValueError("raises to several powers")
    match float(exponent[0]):
        case 1.0:
            return x
        case 2.0:
            return call.units.of(Curve.SQUARE, x)
        case 3.0:
            return f.product(call.units, call.units.of(Curve.SQUARE, x), x)
        case 4.0:
            return call.units.of(Curve.SQUARE, call.units.of(Curve.SQUARE, x))
        case 0.5:
            return call.units.of(Curve.SQRT, x)
        case -1.0:
            return f.reciprocal(call.units, x)
        case -0.5:
            return f.reciprocal(call.units, call.units.of(Curve.SQRT, x))
        case other:
            raise ValueError(f"raises a computed number to the power {other:g}")


def _max(call: Call) -> Forms:
    parts = [call.stretched(k) for k in range(len(call.values))]
    return reduce(lambda one, other: f.greatest(call.units, one, other), parts)


def _min(call: Call) -> Forms:
    parts = [call.stretched(k) for k in range(len(call.values))]
    return reduce(lambda one, other: f.least(call.units, one, other), parts)


# --- products ---------------------------------------------------------------------------------


def _matmul(call: Call) -> Forms:
    if call.is_constant(1):
        return _times_matrix(call.forms(0), call.constant(1).astype(np.float64))
    if not call.is_constant(0):
        raise ValueError("multiplies two computed matrices")
    left, x = call.constant(0).astype(np.float64), call.forms(1)
    # From the left it works along the last axis but one, which must not be the batch.
    if left.ndim != 2 or len(x.shape) < 2:
        raise ValueError("multiplies rows with each other")
    order = [*range(len(x.shape) - 2), len(x.shape) - 1, len(x.shape) - 2]
    return _transposed(_transposed(x, order).mapped(left.T), order)


def _times_matrix(x: Forms, matrix: Array) -> Forms:
    if matrix.ndim == 1:
        return x.mapped(matrix[:, None]).reshaped(x.shape[:-1])
    # Leading axes of length 1 stand for the batch alone.
    if matrix.ndim > 2 and int(np.prod(matrix.shape[:-2])) != 1:
        raise ValueError("multiplies with several matrices")
    if matrix.ndim > len(x.shape) + 1:
        raise ValueError(f"multiplies with a tensor of rank {matrix.ndim}")
    return x.mapped(matrix.reshape(matrix.shape[-2:]))


def _gemm(call: Call) -> Forms:
    x = call.forms(0)
    if call.a.get("transA", 0) or len(x.shape) != 1:
        raise ValueError("is no product of rows with a matrix")
    matrix = call.constant(1).astype(np.float64)
    matrix = matrix.T if call.a.get("transB", 0) else matrix
    found = x.mapped(matrix * float(call.a.get("alpha", 1.0)))
    if not call.has(2):
        return found
    shift = call.stretched(2).times(float(call.a.get("beta", 1.0)))
    return found.plus(shift)


def _conv(call: Call) -> Forms:
    bias = call.constant(2).astype(np.float64) if call.has(2) else None
    return convolved(call.forms(0), call.constant(1).astype(np.float64), bias, call.a)


def _transposed(x: Forms, order: list[int]) -> Forms:
    return x.picked(np.arange(x.size).reshape(x.shape).transpose(order))


def _batch_normalization(call: Call) -> Forms:
    if call.a.get("training_mode", 0):
        raise ValueError("is being trained")
    x = call.forms(0)
    tables = [call.constant(k).astype(np.float64) for k in range(1, 5)]
    scale, shift, mean, variance = (
        table.reshape(-1, *(1,) * (len(x.shape) - 1)) for table in tables
    )
    factor = scale / np.sqrt(variance + float(call.a.get("epsilon", 1e-5)))
    found = x.times(factor).shifted(shift - mean * factor)
    # The graph takes the mean off first, or folds both into one number: either may round more.
    more = np.abs(mean * factor) + np.abs(shift)
    return found.slipped(_constant_slips(4.0 * more, found)).slipped(4.0 * found.magnitude)


def _constant_slips(sizes: Array, found: Forms) -> Array:
    slips = np.zeros_like(found.slips)
    slips[-1] = sizes
    return slips


def _layer_normalization(call: Call) -> Forms:
    x = call.forms(0)
    rank = len(x.shape) + 1
    start = int(call.a.get("axis", -1)) % rank
    axes = call.axes(range(start, rank), rank)
    n = float(np.prod([x.shape[axis] for axis in axes]))
    units = call.units
    off = x.plus(x.summed(axes, keep=True).times(1.0 / n), -1.0)
    squares = units.of(Curve.SQUARE, off).summed(axes, keep=True).times(1.0 / n)
    spread = units.of(Curve.SQRT, squares.shifted(float(call.a.get("epsilon", 1e-5))))
    found = f.product(units, off, f.reciprocal(units, spread))
    found = found.times(call.constant(1).astype(np.float64))
    return found.shifted(call.constant(2).astype(np.float64)) if call.has(2) else found


# --- over axes --------------------------------------------------------------------------------


def _reduced_over(call: Call) -> tuple[Forms, tuple[int, ...], bool]:
    x = call.forms(0)
    given = call.either("axes", 1)
    if given is None or not given.size:
        raise ValueError("reduces every axis, the batch included")
    axes = call.axes([int(axis) for axis in np.atleast_1d(given)], len(x.shape) + 1)
    return x, axes, bool(call.a.get("keepdims", 1))


def _reduction(before: Curve | None, after: Curve | None, *, mean: bool = False) -> Handler:
    def reduced(call: Call) -> Forms:
        x, axes, keep = _reduced_over(call)
        parts = x if before is None else call.units.of(before, x)
        found = parts.summed(axes, keep=keep)
        if mean:
            found = found.times(1.0 / float(np.prod([x.shape[axis] for axis in axes])))
        return found if after is None else call.units.of(after, found)

    return reduced


def _extreme(greatest: bool) -> Handler:
    def reduced(call: Call) -> Forms:
        x, axes, keep = _reduced_over(call)
        return f.extreme(call.units, x, axes, keep=keep, greatest_=greatest)

    return reduced


def _over_lengths(call: Call) -> tuple[int, ...]:
    return tuple(range(1, len(call.forms(0).shape)))


def _global_average(call: Call) -> Forms:
    x, axes = call.forms(0), _over_lengths(call)
    return x.summed(axes, keep=True).times(1.0 / float(np.prod(x.shape[1:])))


def _global_max(call: Call) -> Forms:
    return f.extreme(call.units, call.forms(0), _over_lengths(call), keep=True, greatest_=True)


def _softmax(call: Call) -> Forms:
    x = call.forms(0)
    rank = len(x.shape) + 1
    (axis,) = call.axes([int(call.a.get("axis", 1 if call.opset < 13 else -1))], rank)
    if call.opset < 13 and rank != 2:
        raise ValueError(f"flattens a tensor of rank {rank} first (opset {call.opset})")
    order = [k for k in range(len(x.shape)) if k != axis] + [axis]
    logarithm = call.proto.op_type == "LogSoftmax"
    found = f.shares(call.units, _transposed(x, order), logarithm=logarithm)
    return _transposed(found, [int(k) for k in np.argsort(order)])


# --- where numbers stand ----------------------------------------------------------------------


def _concat(call: Call) -> Forms:
    rank = call.rank
    (axis,) = call.axes([int(call.a["axis"])], rank)
    parts = []
    for k in range(len(call.values)):
        if call.is_constant(k):
            raise ValueError("puts constants beside what is computed")
        parts.append(call.forms(k))
    return joined(parts, axis)


def _split(call: Call) -> list[Value]:
    x, n = call.forms(0), len(call.proto.output)
    (axis,) = call.axes([int(call.a.get("axis", 0))], len(x.shape) + 1)
    length = x.shape[axis]
    sizes = call.either("split", 1)
    if sizes is None:
        each = -(-length // n)
        sizes = np.array([min(each, length - each * k) for k in range(n)])
    places = np.arange(x.size).reshape(x.shape)
    parts = np.split(places, np.cumsum(sizes)[:-1].astype(int), axis=axis)
    return [x.picked(part) for part in parts]


def _expand(call: Call) -> Forms:
    x, shape = call.forms(0), [int(size) for size in call.constant(1)]
    if len(shape) < len(x.shape) + 1:
        shape = [1] * (len(x.shape) + 1 - len(shape)) + shape
    if len(shape) != len(x.shape) + 1 or shape[0] not in (-1, 1):
        raise ValueError(f"stretches rows to {shape}")
    return x.stretched(np.broadcast_shapes(x.shape, tuple(shape[1:])))


def _pad(call: Call) -> Forms:
    x = call.forms(0)
    pads, rank = call.either("pads", 1), len(x.shape) + 1
    if pads is None or call.a.get("mode", b"constant") != b"constant" or call.has(3):
        raise ValueError("pads in a way that is not read")
    plain = [int(p) for p in pads]
    if len(plain) != 2 * rank or plain[0] or plain[rank] or min(plain) < 0:
        raise ValueError("pads the batch, or takes away")
    value = call.either("value", 2)
    filled = 0.0 if value is None else float(np.asarray(value).reshape(-1)[0])
    # The constant stands behind all forms, where a place of -1 leads.
    flat = joined([x.reshaped((x.size,)), constant_forms([filled], x.n_known)], 0)
    places = np.pad(np.arange(x.size).reshape(x.shape),
                    list(zip(plain[1:rank], plain[rank + 1:], strict=True)),
                    constant_values=x.size)  # fmt: skip
    return flat.picked(places)


# --- conditions -------------------------------------------------------------------------------


def _compared(sign: float, *, or_equal: bool) -> Handler:
    def compared(call: Call) -> ComparedForms:
        gap = call.stretched(0).plus(call.stretched(1), -1.0)
        # The comparison itself is exact, unlike a difference.
        plain = Forms(gap.weights, gap.bias, call.stretched(0).plus(call.stretched(1)).slips)
        return ComparedForms(plain.times(sign), or_equal)

    return compared


def _not(call: Call) -> ComparedForms:
    value = call.values[0]
    if not isinstance(value, ComparedForms):
        raise ValueError("negates what is no comparison")
    return ComparedForms(value.forms.times(-1.0), not value.or_equal)


def step(call: Call, value: ComparedForms) -> Forms:
    """1 where a condition holds, else 0."""
    if not value.or_equal:
        return call.units.of(Curve.STEP, value.forms)
    return call.units.of(Curve.STEP, value.forms.times(-1.0)).times(-1.0).shifted(1.0)


def _where(call: Call) -> Forms:
    condition = call.values[0]
    if not isinstance(condition, ComparedForms):
        raise ValueError("chooses by what is no comparison")
    one, other = call.stretched(1), call.stretched(2)
    gap = one.plus(other, -1.0)
    shape = np.broadcast_shapes(gap.shape, condition.forms.shape)
    n_known = call.units.n_known
    gap = gap.widened(n_known).stretched(shape)
    by = condition.forms.widened(n_known).stretched(shape)
    if gap.is_constant.all():
        return other.plus(step(call, ComparedForms(by, condition.or_equal)).times(gap.bias))
    # `other + k relu(by)`, if what lies between the two is k times what is compared with 0.
    size = np.abs(by.weights).sum(axis=0) + np.abs(by.bias)
    along = (by.weights * gap.weights).sum(axis=0) + by.bias * gap.bias
    square = (by.weights**2).sum(axis=0) + by.bias**2
    factor = along / np.where(square > 0.0, square, 1.0)
    rest = np.abs(gap.weights - factor * by.weights).sum(axis=0)
    rest = rest + np.abs(gap.bias - factor * by.bias)
    if not (rest <= 1e-7 * np.abs(factor) * size).all():
        raise ValueError("chooses between numbers that do not meet where it changes")
    return other.plus(f.relu(call.units, by).times(factor))


def _cast(call: Call) -> Forms:
    to, value = int(call.a["to"]), call.values[0]
    if to not in _FLOATS:
        raise ValueError("makes whole numbers, or others of low precision, of computed ones")
    if isinstance(value, ComparedForms):
        return step(call, value)
    found = call.forms(0)
    # One rounding where it is to a coarser type, which is that of the whole network then.
    return found.slipped(found.magnitude) if to == TensorProto.FLOAT else found


# --- activations ------------------------------------------------------------------------------


def _curve(curve: Curve) -> Handler:
    return lambda call: call.units.of(curve, call.forms(0))


def _prelu(call: Call) -> Forms:
    return f.leaky(call.units, call.forms(0), call.fixed(1))


def _clip(call: Call) -> Forms:
    low, high = (call.either(name, place) for name, place in (("min", 1), ("max", 2)))
    limits = [None if b is None else float(np.asarray(b).reshape(-1)[0]) for b in (low, high)]
    return f.clip(call.units, call.forms(0), *limits)


def _hard_sigmoid(call: Call) -> Forms:
    alpha, beta = float(call.a.get("alpha", 0.2)), float(call.a.get("beta", 0.5))
    return f.clip(call.units, call.forms(0).times(alpha).shifted(beta), 0.0, 1.0)


def _elu(call: Call) -> Forms:
    return f.elu(call.units, call.forms(0), float(call.a.get("alpha", 1.0)))


def _celu(call: Call) -> Forms:
    alpha = float(call.a.get("alpha", 1.0))
    return f.elu(call.units, call.forms(0), alpha, alpha)


def _selu(call: Call) -> Forms:
    alpha = float(call.a.get("alpha", 1.67326319217681884765625))
    gamma = float(call.a.get("gamma", 1.05070102214813232421875))
    return f.elu(call.units, call.forms(0), alpha).times(gamma)


def _gelu(call: Call) -> Forms:
    by_tanh = call.a.get("approximate", b"none") == b"tanh"
    curve = Curve.GELU_TANH if by_tanh else Curve.GELU
    return call.units.of(curve, call.forms(0), composed=True)


def _swish(call: Call) -> Forms:
    alpha = float(call.a.get("alpha", 1.0))
    if alpha == 0.0:
        return call.forms(0).times(0.5)
    # x s(a x) = (a x) s(a x) / a
    found = call.units.of(Curve.SILU, call.forms(0).times(alpha), composed=True)
    return found.times(1.0 / alpha)


def _sign(call: Call) -> Forms:
    x = call.forms(0)
    up = call.units.of(Curve.STEP, x)
    return up.plus(call.units.of(Curve.STEP, x.times(-1.0)), -1.0)


HANDLERS: Mapping[str, Handler] = {
    "Abs": _curve(Curve.ABS),
    "Add": _add,
    "AveragePool": lambda call: averaged(call.forms(0), call.a),
    "BatchNormalization": _batch_normalization,
    "Cast": _cast,
    "Celu": _celu,
    "Clip": _clip,
    "Concat": _concat,
    "Conv": _conv,
    "Div": _div,
    "Elu": _elu,
    "Erf": _curve(Curve.ERF),
    "Exp": _curve(Curve.EXP),
    "Expand": _expand,
    "Gelu": _gelu,
    "Gemm": _gemm,
    "GlobalAveragePool": _global_average,
    "GlobalMaxPool": _global_max,
    "Greater": _compared(1.0, or_equal=False),
    "GreaterOrEqual": _compared(1.0, or_equal=True),
    "HardSigmoid": _hard_sigmoid,
    "HardSwish": lambda call: f.hard_swish(call.units, call.forms(0)),
    "LayerNormalization": _layer_normalization,
    "LeakyRelu": lambda call: f.leaky(call.units, call.forms(0), float(call.a.get("alpha", 0.01))),
    "Less": _compared(-1.0, or_equal=False),
    "LessOrEqual": _compared(-1.0, or_equal=True),
    "Log": _curve(Curve.LOG),
    "LogSoftmax": _softmax,
    "MatMul": _matmul,
    "Max": _max,
    "MaxPool": lambda call: largest(call.units, call.forms(0), call.a),
    "Mean": _mean,
    "Min": _min,
    "Mish": lambda call: call.units.of(Curve.MISH, call.forms(0), composed=True),
    "Mul": _mul,
    "Neg": lambda call: call.forms(0).times(-1.0),
    "Not": _not,
    "PRelu": _prelu,
    "Pad": _pad,
    "Pow": _pow,
    "Reciprocal": _curve(Curve.RECIPROCAL),
    "ReduceL1": _reduction(Curve.ABS, None),
    "ReduceL2": _reduction(Curve.SQUARE, Curve.SQRT),
    "ReduceLogSum": _reduction(None, Curve.LOG),
    "ReduceLogSumExp": _reduction(Curve.EXP, Curve.LOG),
    "ReduceMax": _extreme(greatest=True),
    "ReduceMean": _reduction(None, None, mean=True),
    "ReduceMin": _extreme(greatest=False),
    "ReduceSum": _reduction(None, None),
    "ReduceSumSquare": _reduction(Curve.SQUARE, None),
    "Relu": _curve(Curve.RELU),
    "Selu": _selu,
    "Sigmoid": _curve(Curve.SIGMOID),
    "Sign": _sign,
    "Softmax": _softmax,
    "Softplus": _curve(Curve.SOFTPLUS),
    "Softsign": lambda call: f.softsign(call.units, call.forms(0)),
    "Split": _split,
    "Sqrt": _curve(Curve.SQRT),
    "Sub": _sub,
    "Sum": _add,
    "Swish": _swish,
    "Tanh": _curve(Curve.TANH),
    "Where": _where,
}
"""Operator to what it makes of forms; those that move numbers are run on their places."""
