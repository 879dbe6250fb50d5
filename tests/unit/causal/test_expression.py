"""Formulas: what is read, what is refused, and bounds that hold."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ifonly.explainers.causal.errors import InvalidExpression
from ifonly.explainers.causal.expression import Expression

NAMES = ("torque", "speed")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2", 2.0),
        ("-torque + 3 * speed", 7.0),
        ("+torque / speed - 1", 2 / 3 - 1),
        ("torque ** 3", 8.0),
        ("speed ** -2", 1 / 9),
        ("exp(torque) + log(speed)", math.exp(2) + math.log(3)),
        ("sqrt(speed) * tanh(torque)", math.sqrt(3) * math.tanh(2)),
        ("sigmoid(torque)", 1 / (1 + math.exp(-2))),
        ("abs(torque - speed)", 1.0),
        ("min(torque, speed, 1)", 1.0),
        ("max(torque, speed)", 3.0),
        ("10 if torque < speed else 20", 10.0),
        ("10 if torque >= speed else 20", 20.0),
    ],
)
def test_a_formula_means_what_it_says(text, value):
    rows = np.array([[2.0, 3.0]])
    assert Expression(text, NAMES)(rows).tolist() == pytest.approx([value])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "torque +",
        "power",
        "__import__('os')",
        "torque.real",
        "torque[0]",
        "[torque]",
        "lambda: 1",
        "(x := 1)",
        "'a'",
        "True",
        "1j",
        "1e999",
        "torque and speed",
        "torque if speed else 1",
        "1 if torque < speed < 2 else 3",
        "torque == speed",
        "torque ** speed",
        "torque ** 0.5",
        "torque ** 999",
        "torque % 2",
        "torque // 2",
        "torque @ speed",
        "exp(torque, speed)",
        "exp(x=torque)",
        "min(torque)",
        "exp(*torque)",
        "eval('1')",
        "f'{torque}'",
        "torque; speed",
        "torque\nspeed",
        "+".join(["torque"] * 1000),
        "-" * 5000 + "1",
        "\0",
    ],
)
def test_anything_else_is_refused(text):
    with pytest.raises(InvalidExpression):
        Expression(text, NAMES)


def test_a_refusal_names_the_place():
    with pytest.raises(InvalidExpression, match=r"'tork' at column 5: 'tork' is not a parent"):
        Expression("1 + tork", NAMES)


def test_outside_its_domain_a_formula_has_no_value_and_no_false_bound():
    log = Expression("1 - log(torque)", NAMES)
    assert np.isnan(log(np.array([[-1.0, 0.0]]))).all()
    low, high = log.bounds(np.array([[-1.0, 0.0]]), np.array([[math.e, 0.0]]))
    assert low[0] == pytest.approx(0.0)
    assert high[0] == math.inf
    inverse = Expression("1 / torque", NAMES)
    low, high = inverse.bounds(np.array([[-1.0, 0.0]]), np.array([[1.0, 0.0]]))
    assert (low[0], high[0]) == (-math.inf, math.inf)
