"""Between what each node's numbers lie, over boxes of what it reads."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, cached_property
from typing import Any

import numpy as np

from ifonly.explainers.errors import NotEligible
from ifonly.explainers.search.composed import hulls
from ifonly.explainers.search.composed.drawing import LineDrawing
from ifonly.explainers.search.composed.hulls import Floats, Hull
from ifonly.explainers.search.composed.lines import LineBounds
from ifonly.explainers.search.composed.machines import machine_hull
from ifonly.explainers.search.composed.members import Members, nearest
from ifonly.explainers.search.trees.column_boxes import ColumnBoxes
from ifonly.models.graph.forms import Composition, TreeEnsemble
from ifonly.models.graph.operators.base import Operator
from ifonly.models.graph.operators.couplings import ArgMax, Softmax
from ifonly.models.graph.operators.elementwise import FUNCTIONS, Broadcast, Cast, Clip, Unary
from ifonly.models.graph.operators.reductions import ArgMin, Filled, Mean, Pick, Product, Reduce
from ifonly.models.graph.operators.scorers import (
    CoupledPair,
    KernelMachine,
    ModelNode,
    Nearest,
    SquaredDistances,
    WeightedMedian,
)
from ifonly.models.graph.operators.shapes import (
    Concat,
    Constant,
    Flatten,
    Reshape,
    Same,
    Slice,
    Squeeze,
    Take,
    Transpose,
    Unsqueeze,
)
from ifonly.models.graph.operators.tables import Binarizer, Normalizer, Scaler, Share
from ifonly.models.graph.operators.tree_scores import BinaryScores, PostTransform, Transform

Known = Hull | Members
_MOVES = (Same, Reshape, Flatten, Squeeze, Unsqueeze, Transpose, Take, Slice)
_LOOSE = 16.0
"""Units by which functions of one number, such as ``exp``, may be off in any session."""


class Encloser:
    """A graph, ready to be run on boxes.

    Raises
    ------
    NotEligible
        If one of its operators is known for rows alone.
    """

    def __init__(self, core: Composition) -> None:
        self._core = core
        self._eps = float(np.finfo(np.float32 if core.coarse else np.float64).eps)
        self._tables: dict[int, ColumnBoxes] = {}
        for step in core.program.steps:
            self._check(step.operator)

    def _check(self, operator: Operator) -> None:
        if isinstance(operator, ModelNode) and isinstance(operator.core, TreeEnsemble):
            self._tables[id(operator)] = ColumnBoxes(operator.core)
        if isinstance(operator, PostTransform | BinaryScores):
            transform = operator.transform
            if transform in (Transform.SOFTMAX_ZERO, Transform.PROBIT):
                raise NotEligible("composed", f"{transform} is known for rows alone")
        if isinstance(operator, Normalizer) and operator.norm != "L1":
            raise NotEligible("composed", f"a norm {operator.norm} is known for rows alone")
        if not isinstance(operator, (*_MOVES, *self._known)):
            name = getattr(operator, "name", type(operator).__name__)
            raise NotEligible("composed", f"{name} is known for rows alone")

    @cached_property
    def width(self) -> int:
        """Most numbers that a node looks at for one row."""
        widest = [self._core.n_columns]
        for step in self._core.program.steps:
            if isinstance(step.operator, KernelMachine):
                widest.append(step.operator.vectors.size)
            if isinstance(step.operator, SquaredDistances):
                widest.append(step.operator.points.size)
        return max(widest)

    def cuts(self) -> list[Floats]:
        """Where trees part each column, ascending."""
        found: list[list[Floats]] = [[] for _ in range(self._core.n_columns)]
        places = {
            step.output.removesuffix("/line"): step.operator.places
            for step in self._core.program.steps
            if isinstance(step.operator, Take) and step.inputs == (Composition.COLUMNS,)
        }
        for step in self._core.program.steps:
            tables = self._tables.get(id(step.operator))
            own = places.get(step.inputs[0]) if step.inputs else None
            if tables is not None and own is not None and len(own) == len(tables.cuts):
                for column, cuts in zip(own.tolist(), tables.cuts, strict=True):
                    found[column].append(cuts.astype(np.float64))
        return [np.unique(np.concatenate([np.zeros(0), *each])) for each in found]

    def bounds(self, low: Floats, high: Floats) -> Hull:
        """Between what the outputs lie, ``(n_boxes, n_outputs)``, over boxes of columns, both
        ``(n_boxes, n_columns)``."""
        known: dict[str, Known] = {Composition.COLUMNS: Hull(low, high)}
        for step in self._core.program.steps:
            known[step.output] = self._of(step.operator, [known[name] for name in step.inputs])
        return self._picked(known[self._core.program.output])

    def _picked(self, found: Known) -> Hull:
        if not isinstance(found, Hull):
            raise NotEligible("composed", "its output is a set of neighbours")
        wide = found.each(lambda x: x[:, None]) if found.low.ndim == 1 else found
        picked = wide.each(lambda x: x[:, self._core.pick])
        # NaN is no end: nothing is known then.
        return Hull.between(picked.low, picked.high)

    def lines(self, low: Floats, high: Floats) -> tuple[Hull, LineBounds]:
        """As :meth:`bounds`, and between which lines of the columns the outputs lie."""
        n, d = low.shape
        box = Hull(low, high)
        known: dict[str, Known] = {Composition.COLUMNS: box}
        straight: dict[str, LineBounds] = {Composition.COLUMNS: LineBounds.of_columns(low)}
        drawing = LineDrawing(box, self._eps)
        for step in self._core.program.steps:
            inputs = [known[name] for name in step.inputs]
            found = self._of(step.operator, inputs)
            made = drawing.of(step.operator, inputs, [straight.get(name) for name in step.inputs])
            if made is not None and made.is_finite and isinstance(found, Hull):
                straight[step.output] = made
                # What only moves numbers is as wide as they are.
                if isinstance(step.operator, (*_MOVES, Cast)):
                    known[step.output] = found
                    continue
                told = made.hull(low, high)
                found = Hull(np.maximum(found.low, told.low), np.minimum(found.high, told.high))
            known[step.output] = found
        output = self._core.program.output
        hull, lines = self._picked(known[output]), straight.get(output)
        if lines is None:
            return hull, LineBounds.flat(hull, n, d)
        wide = lines.moved(lambda x: x[:, None]) if lines.low.ndim == 3 - 1 else lines
        return hull, wide.moved(lambda x: x[:, self._core.pick])

    def _of(self, operator: Operator, known: list[Known]) -> Known:
        if any(isinstance(one, Members) for one in known):
            return self._of_members(operator, known)
        inputs = [one for one in known if isinstance(one, Hull)]
        if isinstance(operator, _MOVES):
            return inputs[0].each(operator.run)
        return self._known[type(operator)](operator, inputs)

    def _of_members(self, operator: Operator, known: list[Known]) -> Known:
        """Of the nearest points: what treats all of them alike, and sums."""
        at = next(k for k, one in enumerate(known) if isinstance(one, Members))
        members = known[at]
        assert isinstance(members, Members)
        match operator:
            case Same() | Reshape() | Flatten():
                return members
            case Pick():
                return members.through(operator.table[members.table.astype(np.int64)])
            case Cast() | Unary() | Clip():
                return members.through(operator.run(members.table))
            case Broadcast():
                others = [one for k, one in enumerate(known) if k != at]
                # One number, the same for every row.
                if len(others) == 1 and isinstance(others[0], Hull) and others[0].low.size == 1:
                    both = [members.table, others[0].low.reshape(-1)]
                    return members.through(operator.run(*(both if at == 0 else both[::-1])))
            case Reduce(name="ReduceSum" | "ReduceMean", axes=(1,)):
                found = members.total()
                found = found.relaxed(self._eps * members.k)
                if operator.name == "ReduceMean":
                    found = Hull(found.low / members.k, found.high / members.k).relaxed(self._eps)
                return found.each(lambda x: x[:, None]) if operator.keep else found
        raise NotEligible("composed", "neighbours are used in a way that is known for rows alone")

    @cached_property
    def _known(self) -> Mapping[type, Callable[[Any, list[Hull]], Known]]:
        return {
            Constant: lambda o, h: Hull.at(o.value),
            Cast: self._cast,
            Unary: self._unary,
            Clip: lambda o, h: h[0].each(o.run),
            Broadcast: self._broadcast,
            Concat: self._concat,
            Filled: lambda o, h: h[0].each(o.run),
            Mean: self._mean,
            Reduce: self._reduce,
            Product: lambda o, h: hulls.line_sum(
                h[0], o.weights.astype(np.float64), o.bias.astype(np.float64), self._eps
            ),
            ArgMax: lambda o, h: _places(hulls.negative(h[0]), o.keep),
            ArgMin: lambda o, h: _places(h[0], o.keep),
            Pick: _picked,
            Softmax: self._softmax,
            Share: lambda o, h: hulls.parts(h[0], self._eps),
            Normalizer: lambda o, h: hulls.parts(h[0], self._eps),
            Scaler: self._scaler,
            Binarizer: lambda o, h: h[0].each(o.run),
            PostTransform: self._post_transform,
            BinaryScores: self._binary_scores,
            ModelNode: self._model,
            KernelMachine: lambda o, h: machine_hull(o, h[0].each(_single), self._eps),
            CoupledPair: _coupled_pair,
            SquaredDistances: self._distances,
            Nearest: lambda o, h: nearest(h[0], o.k),
            WeightedMedian: lambda o, h: h[0].each(o.run),
        }

    def _cast(self, operator: Cast, inputs: list[Hull]) -> Hull:
        (hull,) = inputs
        if operator.dtype.kind == "b":
            zero = (hull.low <= 0.0) & (hull.high >= 0.0)
            certain = (hull.low == 0.0) & (hull.high == 0.0)
            return Hull(1.0 * ~zero, 1.0 * ~certain)
        if operator.dtype.kind == "f":
            with np.errstate(over="ignore"):
                return hull.each(lambda x: x.astype(operator.dtype))
        return hull.each(np.trunc)

    def _unary(self, operator: Unary, inputs: list[Hull]) -> Hull:
        (hull,) = inputs
        match operator.name:
            case "Neg":
                return hulls.negative(hull)
            case "Abs":
                return hulls.magnitude(hull)
            case "Reciprocal":
                return hulls.reciprocal(hull, self._eps)
            case "Not":
                return Hull(1.0 - hull.high, 1.0 - hull.low)
            case "IsNaN":
                lost = 1.0 * ~(np.isfinite(hull.low) & np.isfinite(hull.high))
                return Hull(np.zeros_like(lost), lost)
        function, _, _ = FUNCTIONS[operator.name]
        exact = operator.name in ("Relu", "Floor", "Ceil", "Round", "Sign")
        return hulls.rising(hull, function, 0.0 if exact else _LOOSE * self._eps)

    def _broadcast(self, operator: Broadcast, inputs: list[Hull]) -> Hull:
        eps = self._eps
        one, other = inputs[0], inputs[-1]
        with np.errstate(all="ignore"):
            match operator.name:
                case "Add" | "Sum":
                    found = one
                    for hull in inputs[1:]:
                        found = hulls.add(found, hull, eps)
                    return found
                case "Sub":
                    return hulls.add(one, hulls.negative(other), eps)
                case "Mul":
                    return hulls.multiply(one, other, eps)
                case "Div":
                    return hulls.multiply(one, hulls.reciprocal(other, 0.0), 2.0 * eps)
                case "Pow":
                    return self._power(one, other)
                case "Min" | "Max":
                    run = np.minimum if operator.name == "Min" else np.maximum
                    return Hull(
                        np.asarray(_folded(run, [h.low for h in inputs])),
                        np.asarray(_folded(run, [h.high for h in inputs])),
                    )
                case "Greater":
                    return Hull(1.0 * (one.low > other.high), 1.0 * (one.high > other.low))
                case "Less":
                    return Hull(1.0 * (other.low > one.high), 1.0 * (other.high > one.low))
                case "GreaterOrEqual":
                    return Hull(1.0 * (one.low >= other.high), 1.0 * (one.high >= other.low))
                case "LessOrEqual":
                    return Hull(1.0 * (other.low >= one.high), 1.0 * (other.high >= one.low))
                case "Equal":
                    same = (
                        (one.low == one.high) & (other.low == other.high) & (one.low == other.low)
                    )
                    meet = (one.low <= other.high) & (other.low <= one.high)
                    return Hull(1.0 * same, 1.0 * meet)
                case "And":
                    return Hull(np.minimum(one.low, other.low), np.minimum(one.high, other.high))
                case "Or":
                    return Hull(np.maximum(one.low, other.low), np.maximum(one.high, other.high))
                case "Where":
                    return _chosen(*inputs)
        raise NotEligible("composed", f"{operator.name} is known for rows alone")

    def _power(self, base: Hull, exponent: Hull) -> Hull:
        if exponent.low.size == 1 and float(exponent.low.reshape(-1)[0]) == 2.0:
            return hulls.square(base, 2.0 * self._eps)
        fixed = exponent.low.size == 1 and np.array_equal(exponent.low, exponent.high)
        whole = float(exponent.low.reshape(-1)[0]) if fixed else np.nan
        if not fixed or not (whole == 0.5 or (whole > 0 and whole == int(whole))):
            raise NotEligible("composed", "a power is known for rows alone")
        if whole % 2 == 0:
            size = hulls.magnitude(base)
            return Hull(size.low**whole, size.high**whole).relaxed(_LOOSE * self._eps)
        return hulls.rising(base, lambda x: np.asarray(x**whole), _LOOSE * self._eps)

    def _concat(self, operator: Concat, inputs: list[Hull]) -> Hull:
        n = max(len(hull.low) for hull in inputs)

        def joined(ends: list[Floats]) -> Floats:
            return np.concatenate(
                [np.broadcast_to(end, (n, *end.shape[1:])) for end in ends],
                axis=operator.axis % ends[0].ndim,
            )

        return Hull(joined([h.low for h in inputs]), joined([h.high for h in inputs]))

    def _mean(self, operator: Mean, inputs: list[Hull]) -> Hull:
        stacked = Hull(np.stack([h.low for h in inputs]), np.stack([h.high for h in inputs]))
        found = hulls.total(stacked, (0,), False, self._eps)
        n = len(inputs)
        return Hull(found.low / n, found.high / n).relaxed(self._eps)

    def _reduce(self, operator: Reduce, inputs: list[Hull]) -> Hull:
        (hull,) = inputs
        axes, keep, eps = operator.axes_of(hull.low.ndim), operator.keep, self._eps
        n = int(np.prod([hull.shape[axis] for axis in axes]))
        match operator.name:
            case "ReduceSum":
                return hulls.total(hull, axes, keep, eps)
            case "ReduceMean":
                found = hulls.total(hull, axes, keep, eps)
                return Hull(found.low / n, found.high / n).relaxed(eps)
            case "ReduceMax" | "ReduceMin":
                return hull.each(operator.run)
            case "ReduceL1":
                return hulls.total(hulls.magnitude(hull), axes, keep, eps)
            case "ReduceSumSquare":
                return hulls.total(hulls.square(hull, eps), axes, keep, eps)
            case "ReduceL2":
                found = hulls.total(hulls.square(hull, eps), axes, keep, eps)
                found = Hull(np.maximum(found.low, 0.0), found.high)
                return hulls.rising(found, np.sqrt, _LOOSE * eps)
            case "ReduceLogSumExp":
                return hulls.log_sum_exp(hull, axes, keep, eps)
            case "ReduceProd":
                return self._product_of(hull, axes, keep)
        raise NotEligible("composed", f"{operator.name} is known for rows alone")

    def _product_of(self, hull: Hull, axes: tuple[int, ...], keep: bool) -> Hull:
        rest = [axis for axis in range(hull.low.ndim) if axis not in axes]
        order = (*axes, *rest)
        lines = hull.each(lambda x: x.transpose(order).reshape(-1, *(x.shape[a] for a in rest)))
        found = Hull(lines.low[0], lines.high[0])
        for k in range(1, len(lines.low)):
            found = hulls.multiply(found, Hull(lines.low[k], lines.high[k]), self._eps)
        return found.each(lambda x: np.expand_dims(x, axes)) if keep else found

    def _softmax(self, operator: Softmax, inputs: list[Hull]) -> Hull:
        found = hulls.shares(inputs[0], _LOOSE * self._eps)
        if not operator.logarithm:
            return found
        with np.errstate(all="ignore"):
            low = np.log(np.maximum(found.low, 0.0))
            return Hull(low, np.log(found.high)).relaxed(_LOOSE * self._eps)

    def _scaler(self, operator: Scaler, inputs: list[Hull]) -> Hull:
        (hull,) = inputs
        moved = hulls.add(hull, Hull.at(-operator.offset.astype(np.float64)), self._eps)
        return hulls.multiply(moved, Hull.at(operator.scale), self._eps)

    def _post_transform(self, operator: PostTransform, inputs: list[Hull]) -> Hull:
        (hull,) = inputs
        match operator.transform:
            case Transform.LOGISTIC:
                return hulls.rising(hull, _logistic, _LOOSE * self._eps)
            case Transform.SOFTMAX:
                return hulls.shares(hull, _LOOSE * self._eps)
        return hull.relaxed(self._eps)

    def _binary_scores(self, operator: BinaryScores, inputs: list[Hull]) -> Hull:
        (hull,) = inputs
        if operator.transform is Transform.LOGISTIC:
            one = hulls.rising(hulls.negative(hull), _logistic, _LOOSE * self._eps)
            other = hulls.rising(hull, _logistic, _LOOSE * self._eps)
        else:
            shift = 1.0 if operator.all_positive else 0.0
            one = hulls.add(Hull.at(shift), hulls.negative(hull), self._eps)
            other = hull.relaxed(self._eps)
        return Hull(
            np.concatenate([one.low, other.low], axis=1),
            np.concatenate([one.high, other.high], axis=1),
        )

    def _model(self, operator: ModelNode, inputs: list[Hull]) -> Hull:
        (hull,) = inputs
        if isinstance(operator.core, TreeEnsemble):
            sums = Hull(*self._tables[id(operator)].bounds(hull.low, hull.high))
        else:
            core, plain = operator.core, hull.each(_single)
            sums = hulls.line_sum(
                plain, core.weights.astype(np.float64), core.bias.astype(np.float64), self._eps
            )
        return sums

    def _distances(self, operator: SquaredDistances, inputs: list[Hull]) -> Hull:
        (hull,) = inputs
        apart = hulls.add(
            hull.each(lambda x: x[:, None, :]),
            Hull.at(-operator.points.astype(np.float64)),
            self._eps,
        )
        return hulls.total(hulls.square(apart, self._eps), (2,), False, self._eps)


def _single(x: Floats) -> Floats:
    return x.astype(np.float32).astype(np.float64)


def _folded(run: Callable[[Floats, Floats], Any], ends: list[Floats]) -> Any:
    found = ends[0]
    for end in ends[1:]:
        found = run(found, end)
    return found


def _logistic(x: Floats) -> Floats:
    return np.asarray(1.0 / (1.0 + np.exp(-x)))


def _places(hull: Hull, keep: bool) -> Hull:
    """First and last position at which the least of each line may be."""
    may = hull.low <= hull.high.min(axis=-1, keepdims=True)
    n = hull.shape[-1]
    first = may.argmax(axis=-1)
    last = n - 1 - may[..., ::-1].argmax(axis=-1)
    found = Hull(first.astype(np.float64), last.astype(np.float64))
    return found.each(lambda x: x[..., None]) if keep else found


def _picked(operator: Pick, inputs: list[Hull]) -> Hull:
    """The least and the greatest of a table between two positions."""
    (hull,) = inputs
    table = operator.table.astype(np.float64)
    first, last = (np.clip(e, 0, len(table) - 1).astype(np.int64) for e in (hull.low, hull.high))
    inside = np.arange(len(table))
    within = (inside >= first[..., None]) & (inside <= last[..., None])
    return Hull(
        np.where(within, table, np.inf).min(axis=-1), np.where(within, table, -np.inf).max(axis=-1)
    )


def _chosen(condition: Hull, one: Hull, other: Hull) -> Hull:
    yes, no = condition.low > 0.0, condition.high <= 0.0
    low = np.where(yes, one.low, np.where(no, other.low, np.minimum(one.low, other.low)))
    high = np.where(yes, one.high, np.where(no, other.high, np.maximum(one.high, other.high)))
    return Hull(low, high)


_GRID = np.linspace(-30.0, 30.0, 1 << 15)
"""Values before the logistic function, at which what the iteration makes of them is looked at."""
_BLIND = 5e-4
"""By no more does it move beyond what is seen there: a step, where it is steepest."""


@cache
def _coupled_ranges() -> tuple[list[Floats], list[Floats]]:
    """Least and greatest probability of the first class over 1, 2, 4, ... values of the grid."""
    first = CoupledPair(np.float32(1.0), np.float32(0.0)).run(_GRID[:, None])[:, 0]
    least, most = [first.astype(np.float64)], [first.astype(np.float64)]
    while (width := 1 << (len(least) - 1)) * 2 <= len(_GRID):
        least.append(np.minimum(least[-1][:-width], least[-1][width:]))
        most.append(np.maximum(most[-1][:-width], most[-1][width:]))
    return least, most


def _coupled_pair(operator: CoupledPair, inputs: list[Hull]) -> Hull:
    """Where the iteration takes a round more, what it makes jumps: its values are listed, and
    between two that are listed it moves no more than between those on either side."""
    (hull,) = inputs
    slope, shift = float(operator.slope), float(operator.shift)
    moved = Hull.between(slope * hull.low[:, 0] + shift, slope * hull.high[:, 0] + shift)
    start = np.clip(_GRID.searchsorted(moved.low) - 2, 0, len(_GRID) - 1)
    end = np.clip(_GRID.searchsorted(moved.high) + 1, 0, len(_GRID) - 1)
    least_of, most_of = _coupled_ranges()
    level = np.log2(end - start + 1).astype(np.int64)
    low, high = np.empty(len(start)), np.empty(len(start))
    for k in np.unique(level):
        here = level == k
        ends = start[here], end[here] + 1 - (1 << int(k))
        low[here] = np.minimum(*(least_of[k][at] for at in ends)) - _BLIND
        high[here] = np.maximum(*(most_of[k][at] for at in ends)) + _BLIND
    return Hull(np.stack([low, 1.0 - high], axis=1), np.stack([high, 1.0 - low], axis=1))
