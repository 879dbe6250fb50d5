"""Grids and axes: exact decimals, in order, cut without losing what is allowed."""

from __future__ import annotations

import json
import math
from decimal import Decimal

import numpy as np
import pytest

from ifonly.explainers.space import Axis, Grid, changed
from ifonly.models.schema import Category, Feature, Kind

TORQUE = Feature("torque", Kind.CONTINUOUS, "Nm", 3.8, 76.6, Decimal("0.1"))


@pytest.mark.parametrize(
    ("resolution", "multiple", "text"),
    [
        ("0.1", 532, "53.2"),
        ("0.1", 3, "0.3"),
        ("0.05", 7, "0.35"),
        ("0.001", -12345, "-12.345"),
        ("15", 4, "60.0"),
        ("1E+2", 3, "300.0"),
        ("2.50", 3, "7.5"),
    ],
)
def test_a_grid_value_is_the_double_that_its_decimal_text_parses_to(
    resolution: str, multiple: int, text: str
) -> None:
    grid = Grid.of(Decimal(resolution))
    value = float(grid.value(np.array([multiple]))[0])
    assert value == float(text)
    assert json.loads(json.dumps(value)) == value


@pytest.mark.parametrize("resolution", ["0", "-0.1", "NaN", "Infinity"])
def test_a_resolution_that_is_not_a_positive_decimal_is_refused(resolution: str) -> None:
    with pytest.raises(ValueError, match="not a positive decimal"):
        Grid.of(Decimal(resolution))


def test_an_axis_holds_the_grid_within_bounds_and_the_factual_off_the_grid() -> None:
    axis = Axis.of(TORQUE, 41.03)
    values = axis.values()
    assert len(axis) == len(values) == 730
    assert (axis.low, axis.high) == (3.8, 76.6)
    assert np.all(np.diff(values) > 0)
    assert 41.03 in axis
    assert 41.05 not in axis


def test_bounds_off_the_grid_are_rounded_inwards() -> None:
    feature = Feature("x", Kind.CONTINUOUS, "", -0.35, 0.34, Decimal("0.1"))
    assert Axis.of(feature, 0.0).values().tolist() == [-0.3, -0.2, -0.1, 0.0, 0.1, 0.2, 0.3]


def test_a_feature_that_cannot_be_set_has_only_its_factual_value() -> None:
    axis = Axis.of(Feature("age", Kind.CONTINUOUS, "", 0, 120), 41.5)
    assert axis.values().tolist() == [41.5]


def test_a_missing_value_comes_last_and_survives_clipping() -> None:
    axis = Axis.of(TORQUE, math.nan).clip(5.0, 5.1)
    assert axis.values()[:2].tolist() == [5.0, 5.1]
    assert math.isnan(axis.values()[2])
    assert axis.has_missing
    assert axis.high == 5.1
    assert axis.below(math.nan) == 2


def test_categories_are_positions() -> None:
    quality = Feature("quality", Kind.ORDINAL, categories=tuple(map(Category, "LMH")))
    axis = Axis.of(quality, 1.0)
    assert axis.values().tolist() == [0.0, 1.0, 2.0]
    assert axis.without(1.0).values().tolist() == [0.0, 2.0]
    assert axis.where(lambda v: v > 0).values().tolist() == [1.0, 2.0]


def test_without_removes_one_value_at_the_end_or_in_the_middle() -> None:
    feature = Feature("x", Kind.INTEGER, "", 0, 4, Decimal(1))
    axis = Axis.of(feature, 0.0)
    assert axis.without(0.0).values().tolist() == [1, 2, 3, 4]
    assert axis.without(4.0).values().tolist() == [0, 1, 2, 3]
    assert axis.without(2.0).values().tolist() == [0, 1, 3, 4]
    assert axis.without(2.5) == axis


def test_nearest_agrees_with_looking_at_every_value() -> None:
    axis = Axis.of(TORQUE, 41.03).clip(20.0, 60.0)
    wanted = np.random.default_rng(0).uniform(0, 100, 500)
    values = axis.values()
    expected = np.abs(values[None, :] - wanted[:, None]).min(axis=1)
    assert np.abs(axis.nearest(wanted) - wanted) == pytest.approx(expected)


def test_a_long_axis_is_not_walked() -> None:
    axis = Axis.of(Feature("won", Kind.INTEGER, "KRW", 0, 1e15, Decimal(1)), 5e14 + 0.5)
    assert len(axis) == 10**15 + 2
    assert axis.below(5e14 + 0.5) == 5 * 10**14 + 1
    assert axis.clip(10, 12).values().tolist() == [10, 11, 12]


def test_a_missing_value_that_stays_missing_has_not_changed() -> None:
    before = np.array([math.nan, 1.0, math.nan])
    assert changed(np.array([[math.nan, 1.0, 2.0]]), before).tolist() == [[False, False, True]]
