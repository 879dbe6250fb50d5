"""Formulas of mechanisms, evaluated straight from their text or their file.

A value is a float, or one number a plausible mechanism, ``(k,)``: the arithmetic is the same.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from ifonly.models.graph.forms import GraphForm, TreeEnsemble
from ifonly.models.predictor import Predictor

Value = Any
"""A float, or ``(k,)``."""
Values = npt.NDArray[np.float64]


class Formula(Protocol):
    """A number for the values of a node's parents."""

    def __call__(self, parents: Sequence[Value]) -> Value: ...

    def versions(self, rng: np.random.Generator, k: int) -> Formula:
        """``k`` plausible versions at once, or itself where it is taken as known. Draws from
        ``rng`` what the file's posterior says, and nothing where it says nothing."""
        ...


@dataclass(frozen=True, eq=False)
class WeightedSum:
    """``shift + scale * sum_b weight_b * phi_b(z)``: monomials and bumps of coordinates ``z``.

    The file's own words (docs/causal.md): a coordinate is a parent less its ``centre`` by its
    ``spread``, or 1 where the parent has the category ``level``; monomial ``b`` is
    ``prod_i z_i ** exponents[b][i]``, bump ``b`` is ``exp(-sum_i precisions[b][i] *
    (z_i - centres[b][i])**2 / 2)``. Weights are normal with mean ``weights`` and covariance
    ``root @ root.T``.
    """

    coordinates: Sequence[tuple[int, float | None, float, float]]
    """Parent, level, centre, spread."""
    exponents: Sequence[Sequence[int]]
    centres: Sequence[Sequence[float]]
    precisions: Sequence[Sequence[float]]
    weights: Sequence[Value]
    root: Values
    shift: float = 0.0
    scale: float = 1.0

    @classmethod
    def read(cls, table: Mapping[str, Any]) -> WeightedSum:
        """The sum that a mechanism's file declares."""
        own = table["coordinates"]
        places = zip(own["parent"], own["level"], own["centre"], own["spread"], strict=True)
        n = len(table["weights"])
        return cls(
            tuple(places), table["exponents"], table["centres"], table["precisions"],
            # An empty root has no second axis to read: -1 makes (n, 0) of it.
            table["weights"], np.array(table["root"], dtype=np.float64).reshape(n, -1),
            float(table["shift"]), float(table["scale"]),
        )  # fmt: skip

    @classmethod
    def of_terms(cls, n_parents: int, terms: Sequence[tuple[Sequence[int], float]]) -> WeightedSum:
        """A polynomial that is taken as known: exponents of the parents, and a coefficient."""
        raw = tuple((i, None, 0.0, 1.0) for i in range(n_parents))
        exponents = [powers for powers, _ in terms]
        weights = [weight for _, weight in terms]
        return cls(raw, exponents, [], [], weights, np.empty((len(terms), 0)))

    def __call__(self, parents: Sequence[Value]) -> Value:
        z = [_coordinate(parents[i], level, c, s) for i, level, c, s in self.coordinates]
        # Term by term, not as a product of matrices: the engines' arithmetic must not be shared.
        total: Value = 0.0
        for weight, phi in zip(self.weights, self._phis(z), strict=True):
            total = total + weight * phi
        return self.shift + self.scale * total

    def _phis(self, z: Sequence[Value]) -> list[Value]:
        found: list[Value] = []
        for powers in self.exponents:
            product: Value = 1.0
            for value, power in zip(z, powers, strict=True):
                if power:
                    product = product * value**power
            found.append(product)
        for centre, precision in zip(self.centres, self.precisions, strict=True):
            square: Value = 0.0
            for value, c, p in zip(z, centre, precision, strict=True):
                # A precision of 0 leaves the coordinate out, even one that is missing or infinite.
                if p:
                    square = square + p * (value - c) ** 2
            found.append(np.exp(-0.5 * square))
        return found

    def versions(self, rng: np.random.Generator, k: int) -> WeightedSum:
        if not self.root.shape[1]:
            return self
        # A standard normal times the root has the posterior's covariance.
        drawn = rng.standard_normal((k, self.root.shape[1])) @ self.root.T
        weights = [mean + drawn[:, b] for b, mean in enumerate(self.weights)]
        return WeightedSum(
            self.coordinates, self.exponents, self.centres, self.precisions, weights, self.root,
            self.shift, self.scale,
        )  # fmt: skip


def _coordinate(value: Value, level: float | None, centre: float, spread: float) -> Value:
    if level is None:
        return (value - centre) / spread
    # 0 and 1 as floats, so that powers and sums go on as for numbers.
    return np.where(np.equal(value, level), 1.0, 0.0)


@dataclass(frozen=True, eq=False)
class Written:
    """A formula of named parents, as ``causal.toml`` writes it."""

    text: str
    names: tuple[str, ...]

    def __call__(self, parents: Sequence[Value]) -> Value:
        with np.errstate(all="ignore"):
            # Parsed each time: the checker keeps no compiled form that could be wrong by itself.
            tree = ast.parse(self.text.strip(), mode="eval").body
            return _evaluate(tree, dict(zip(self.names, parents, strict=True)))

    def versions(self, rng: np.random.Generator, k: int) -> Written:
        return self


_BINARY: Mapping[type[ast.operator], Callable[[Value, Value], Value]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: np.divide,
    ast.Pow: lambda base, power: np.power(base, float(power)),
}
_RELATIONS: Mapping[type[ast.cmpop], Callable[[Value, Value], Value]] = {
    ast.Lt: np.less,
    ast.LtE: np.less_equal,
    ast.Gt: np.greater,
    ast.GtE: np.greater_equal,
}
_NAMED: Mapping[str, Callable[..., Value]] = {
    "exp": np.exp,
    "log": np.log,
    "sqrt": np.sqrt,
    "tanh": np.tanh,
    "sigmoid": lambda x: 0.5 * (1.0 + np.tanh(0.5 * x)),
    "abs": np.abs,
    "min": lambda *given: np.minimum.reduce(np.broadcast_arrays(*given)),
    "max": lambda *given: np.maximum.reduce(np.broadcast_arrays(*given)),
}


def _evaluate(node: ast.expr, names: Mapping[str, Value]) -> Value:
    """A formula's tree; what is not of the list of docs/causal.md is a KeyError or ValueError."""
    match node:
        case ast.Constant(value=int() | float() as number):
            return float(number)
        case ast.Name(id=name):
            return names[name]
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_evaluate(operand, names)
        case ast.UnaryOp(op=ast.UAdd(), operand=operand):
            return _evaluate(operand, names)
        case ast.BinOp(left=left, op=op, right=right):
            return _BINARY[type(op)](_evaluate(left, names), _evaluate(right, names))
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]):
            return _NAMED[name](*(_evaluate(a, names) for a in arguments))
        case ast.IfExp(
            test=ast.Compare(left=left, ops=[op], comparators=[right]), body=body, orelse=other
        ):
            holds = _RELATIONS[type(op)](_evaluate(left, names), _evaluate(right, names))
            # Both branches are worked out; what the other one cannot
            # do (a log of -1) is thrown away.
            return np.where(holds, _evaluate(body, names), _evaluate(other, names))
    raise ValueError(f"{ast.unparse(node)!r} is no part of a formula")


@dataclass(frozen=True, eq=False)
class GraphFormula:
    """An ONNX graph of the parents, asked in its own session.

    Where its trees are ``n_members`` ensembles of equal length, one after the other, whose
    average is what the graph yields, a version is one of them; then ``form`` is the graph as
    trees.
    """

    predictor: Predictor
    form: GraphForm | None = None
    n_members: int = 0
    chosen: npt.NDArray[np.int64] | None = None

    def __call__(self, parents: Sequence[Value]) -> Value:
        # One row, or one for each plausible version.
        rows = np.stack(np.broadcast_arrays(*map(np.atleast_1d, parents)), axis=-1)
        rows = np.asarray(rows, dtype=np.float64)
        if self.chosen is None:
            scores = self.predictor.score(rows)[:, 0]
            return float(scores[0]) if len(scores) == 1 else scores
        each = self._ensembles(np.broadcast_to(rows, (len(self.chosen), rows.shape[1])))
        return each[np.arange(len(each)), self.chosen]

    def versions(self, rng: np.random.Generator, k: int) -> GraphFormula:
        if not self.n_members:
            return self
        return GraphFormula(
            self.predictor, self.form, self.n_members, rng.integers(0, self.n_members, k)
        )

    def _ensembles(self, rows: Values) -> Values:
        """What each ensemble yields, ``(n, n_members)``: so many times the sum of its leaves."""
        assert self.form is not None
        trees = self.form.core
        assert isinstance(trees, TreeEnsemble)
        # Through the graph's own type and back, so that thresholds decide as they do in the graph.
        columns = np.asarray(self.form.columns.encode(rows), dtype=trees.dtype).astype(np.float64)
        leaves = trees.values[trees.leaves_of(columns), 0].reshape(len(rows), self.n_members, -1)
        # The graph yields their average, so one ensemble alone counts as many times.
        raw = self.n_members * leaves.sum(axis=2) + trees.base[0]
        return np.asarray(self.form.scores_of(raw.reshape(-1, 1)).reshape(raw.shape))
