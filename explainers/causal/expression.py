"""Formulas: read by Python's parser, checked against a short list, never run as code."""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property
from typing import NamedTuple

import numpy as np

from ifonly.explainers.causal import intervals
from ifonly.explainers.causal.errors import InvalidExpression
from ifonly.explainers.causal.function import Always, Array, Members
from ifonly.explainers.causal.intervals import Interval

MOST_NODES = 500
"""Parts of a formula, so that none is too deep to walk."""
MOST_POWER = 64

Evaluate = Callable[[Array], Array]
Bound = Callable[[Array, Array], Interval]


class Op(IntEnum):
    """What one step of a formula's program does with the values on top of a stack."""

    CONSTANT = 0
    """Puts its number on top."""
    PARENT = 1
    """Puts the parent in the place of its number on top."""
    ADD = 2
    MULTIPLY = 3
    DIVIDE = 4
    NEGATE = 5
    POWER = 6
    """To its number, a whole one."""
    EXP = 7
    LOG = 8
    SQRT = 9
    TANH = 10
    SIGMOID = 11
    ABS = 12
    MIN = 13
    MAX = 14
    LESS = 15
    """As the next three: of three values the second if the first is so against 0, or the third."""
    LESS_EQUAL = 16
    GREATER = 17
    GREATER_EQUAL = 18


class Instruction(NamedTuple):
    op: Op
    number: float = 0.0


@dataclass(frozen=True)
class ExpressionPart:
    """A piece of a formula as two functions: of rows ``(n, p)`` and of boxes ``2 * (m, p)``."""

    value: Evaluate
    bound: Bound
    program: tuple[Instruction, ...]
    """The same for a machine with a stack: operands first."""
    constant: float | None = None


@dataclass(frozen=True)
class Expression:
    """A formula of named parents: ``1000 + 20000 / torque if torque > 12 else 3000``.

    Numbers, parents' names, ``+ - * / **`` (with a whole number as the power), ``exp log sqrt
    tanh sigmoid abs min max``, and ``a if b < c else d``; nothing else.

    Raises
    ------
    InvalidExpression
        Naming the formula, the place and what is not allowed there.
    """

    text: str
    names: tuple[str, ...]
    """Names of the parents, in the order of their columns."""

    def __post_init__(self) -> None:
        # Read at once, so that a wrong formula is refused when the model is loaded.
        _ = self._part

    @property
    def n_parents(self) -> int:
        return len(self.names)

    def __call__(self, parents: Array) -> Array:
        # Outside its domain a formula is NaN or infinite, and whoever asks sees that.
        with np.errstate(all="ignore"):
            return np.broadcast_to(self._part.value(parents), (len(parents),)).astype(np.float64)

    def bounds(self, lower: Array, upper: Array) -> tuple[Array, Array]:
        with np.errstate(all="ignore"):
            low, high = self._part.bound(lower, upper)
        return np.broadcast_to(low, (len(lower),)), np.broadcast_to(high, (len(lower),))

    def members(self, rng: np.random.Generator, k: int) -> Members:
        # It was declared and not fitted, so there are no other versions of it.
        return Always(self)

    @property
    def program(self) -> tuple[Instruction, ...]:
        """The formula in postfix order, for compiled code."""
        return self._part.program

    @cached_property
    def _part(self) -> ExpressionPart:
        return _ExpressionReader(self.text, self.names).read()


class _ExpressionReader:
    """One formula being read."""

    def __init__(self, text: str, names: Sequence[str]) -> None:
        self._text = text
        self._columns: Mapping[str, int] = {name: i for i, name in enumerate(names)}

    def read(self) -> ExpressionPart:
        try:
            tree = ast.parse(self._text.strip(), mode="eval")
        # Python's parser gives up on deep nesting with any of these.
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            raise InvalidExpression(self._text, f"is not a formula: {error}") from None
        # Counted without recursion, before anything recurses into it.
        if sum(1 for _ in ast.walk(tree)) > MOST_NODES:
            raise InvalidExpression(self._text[:80], f"has more than {MOST_NODES} parts")
        return self._part(tree.body)

    def _part(self, node: ast.expr) -> ExpressionPart:
        match node:
            # A bool is an int in Python, and no number here.
            case ast.Constant(value=bool()):
                pass
            case ast.Constant(value=int() | float() as number):
                return self._number(node, number)
            case ast.Name(id=name):
                return self._parent(node, name)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return _negated(self._part(operand))
            case ast.UnaryOp(op=ast.UAdd(), operand=operand):
                return self._part(operand)
            case ast.BinOp(left=left, op=ast.Pow(), right=right):
                return self._power(node, self._part(left), self._part(right))
            case ast.BinOp(left=left, op=operator, right=right) if type(operator) in _BINARY:
                return _combined(type(operator), self._part(left), self._part(right))
            case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]):
                return self._call(node, name, arguments)
            case ast.IfExp(test=test, body=body, orelse=other):
                return self._choice(test, self._part(body), self._part(other))
        raise self._refusal(node, f"{type(node).__name__} is not allowed")

    def _number(self, node: ast.expr, number: float) -> ExpressionPart:
        try:
            value = float(number)
        except OverflowError:
            value = math.inf
        if not math.isfinite(value):
            raise self._refusal(node, "is not a finite number")
        return _constant(value)

    def _parent(self, node: ast.expr, name: str) -> ExpressionPart:
        if name not in self._columns:
            known = ", ".join(self._columns) or "none"
            raise self._refusal(node, f"{name!r} is not a parent of this node ({known})")
        i = self._columns[name]
        return ExpressionPart(
            lambda x: x[:, i],
            lambda low, high: Interval(low[:, i], high[:, i]),
            (Instruction(Op.PARENT, i),),
        )

    def _power(self, node: ast.expr, base: ExpressionPart, power: ExpressionPart) -> ExpressionPart:
        exponent = power.constant
        if exponent is None or not exponent.is_integer() or abs(exponent) > MOST_POWER:
            raise self._refusal(node, f"the power must be a whole number up to {MOST_POWER}")
        whole = int(exponent)
        return ExpressionPart(
            lambda x: base.value(x) ** float(whole),
            lambda low, high: intervals.whole_power(base.bound(low, high), whole),
            (*base.program, Instruction(Op.POWER, whole)),
        )

    def _call(self, node: ast.expr, name: str, arguments: Sequence[ast.expr]) -> ExpressionPart:
        parts = [self._part(argument) for argument in arguments]
        if name in _RISING and len(parts) == 1:
            rising, (argument,) = _RISING[name], parts
            return ExpressionPart(
                lambda x: rising(argument.value(x)),
                lambda low, high: intervals.rise(rising, argument.bound(low, high)),
                (*argument.program, Instruction(Op[name.upper()])),
            )
        if name == "abs" and len(parts) == 1:
            (argument,) = parts
            return ExpressionPart(
                lambda x: np.abs(argument.value(x)),
                lambda low, high: intervals.magnitude(argument.bound(low, high)),
                (*argument.program, Instruction(Op.ABS)),
            )
        if name in _EXTREMES and len(parts) >= 2:
            return _extreme(_EXTREMES[name], parts, Op[name.upper()])
        known = ", ".join([*_RISING, "abs", *_EXTREMES])
        raise self._refusal(node, f"{name} of {len(parts)} is not one of {known}")

    def _choice(
        self, test: ast.expr, body: ExpressionPart, other: ExpressionPart
    ) -> ExpressionPart:
        match test:
            case ast.Compare(left=left, ops=[operator], comparators=[right]) if (
                type(operator) in _COMPARE
            ):
                difference = _combined(ast.Sub, self._part(left), self._part(right))
                compare, op = _COMPARE[type(operator)]
            case _:
                raise self._refusal(test, "a condition must compare two values by < <= > >=")

        def bound(low: Array, high: Array) -> Interval:
            # Both sides are bounded; where the test is surely so, only one of them counts.
            d, a, b = difference.bound(low, high), body.bound(low, high), other.bound(low, high)
            ends = compare(d.lower, 0.0), compare(d.upper, 0.0)
            surely, possibly = ends[0] & ends[1], ends[0] | ends[1]
            both = Interval(np.minimum(a.lower, b.lower), np.maximum(a.upper, b.upper))
            return Interval(
                np.where(surely, a.lower, np.where(possibly, both.lower, b.lower)),
                np.where(surely, a.upper, np.where(possibly, both.upper, b.upper)),
            )

        return ExpressionPart(
            # Both branches are computed, so one may be NaN where it is not taken.
            lambda x: np.where(compare(difference.value(x), 0.0), body.value(x), other.value(x)),
            bound,
            (*difference.program, *body.program, *other.program, Instruction(op)),
        )

    def _refusal(self, node: ast.expr, problem: str) -> InvalidExpression:
        place = f"{ast.unparse(node)!r} at column {node.col_offset + 1}"
        return InvalidExpression(self._text, f"{place}: {problem}")


def _sigmoid(x: Array) -> Array:
    # By tanh: `1 / (1 + exp(-x))` overflows far below 0.
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * x)))


_BINARY = (ast.Add, ast.Sub, ast.Mult, ast.Div)
_COMPARE: Mapping[type[ast.cmpop], tuple[Callable[[Array, float], np.ndarray], Op]] = {
    ast.Lt: (np.less, Op.LESS),
    ast.LtE: (np.less_equal, Op.LESS_EQUAL),
    ast.Gt: (np.greater, Op.GREATER),
    ast.GtE: (np.greater_equal, Op.GREATER_EQUAL),
}
_RISING: Mapping[str, Callable[[Array], Array]] = {
    "exp": np.exp,
    "log": np.log,
    "sqrt": np.sqrt,
    "tanh": np.tanh,
    "sigmoid": _sigmoid,
}
_EXTREMES: Mapping[str, np.ufunc] = {"min": np.minimum, "max": np.maximum}


def _constant(number: float) -> ExpressionPart:
    return ExpressionPart(
        lambda x: np.full(len(x), number),
        lambda low, high: intervals.point(np.full(len(low), number)),
        (Instruction(Op.CONSTANT, number),),
        number,
    )


def _negated(part: ExpressionPart) -> ExpressionPart:
    if part.constant is not None:
        return _constant(-part.constant)
    return ExpressionPart(
        lambda x: -part.value(x),
        lambda low, high: intervals.negate(part.bound(low, high)),
        (*part.program, Instruction(Op.NEGATE)),
    )


def _combined(operator: type[ast.operator], a: ExpressionPart, b: ExpressionPart) -> ExpressionPart:
    if operator is ast.Sub:
        # One definition less: `a - b` is `a + (-b)`, exactly so in floats too.
        return _combined(ast.Add, a, _negated(b))
    if operator is ast.Add:
        return ExpressionPart(
            lambda x: a.value(x) + b.value(x),
            lambda low, high: intervals.add(a.bound(low, high), b.bound(low, high)),
            (*a.program, *b.program, Instruction(Op.ADD)),
        )
    if operator is ast.Mult:
        return ExpressionPart(
            lambda x: a.value(x) * b.value(x),
            lambda low, high: intervals.multiply(a.bound(low, high), b.bound(low, high)),
            (*a.program, *b.program, Instruction(Op.MULTIPLY)),
        )
    return ExpressionPart(
        lambda x: a.value(x) / b.value(x),
        lambda low, high: intervals.multiply(
            a.bound(low, high), intervals.invert(b.bound(low, high))
        ),
        (*a.program, *b.program, Instruction(Op.DIVIDE)),
    )


def _extreme(choose: np.ufunc, parts: Sequence[ExpressionPart], op: Op) -> ExpressionPart:
    def bound(low: Array, high: Array) -> Interval:
        found = [part.bound(low, high) for part in parts]
        return Interval(
            choose.reduce([f.lower for f in found]), choose.reduce([f.upper for f in found])
        )

    first, *others = parts
    # Two by two, from the left.
    program = (*first.program, *(s for part in others for s in (*part.program, Instruction(op))))
    return ExpressionPart(
        lambda x: choose.reduce([part.value(x) for part in parts]), bound, program
    )
