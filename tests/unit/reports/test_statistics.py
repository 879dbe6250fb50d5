"""Intervals cover what they promise, by counting every outcome."""

from __future__ import annotations

from math import comb

import numpy as np
import pytest

from ifonly.service.audit.recourse_by_group.statistics import median, share


@pytest.mark.parametrize(
    ("count", "of", "low", "high"),
    [  # R: prop.test(…, correct = FALSE)$conf.int
        (9, 10, 0.5958500, 0.9821238),
        (0, 20, 0.0, 0.1611252),
        (20, 20, 0.8388748, 1.0),
        (50, 100, 0.4038315, 0.5961685),
    ],
)
def test_a_share_has_wilsons_interval(count: int, of: int, low: float, high: float) -> None:
    found = share(count, of)
    assert found.low == pytest.approx(low, abs=1e-6)
    assert found.high == pytest.approx(high, abs=1e-6)
    assert found.value == count / of


def test_a_share_of_none_says_nothing() -> None:
    found = share(0, 0)
    assert found.value is None
    assert (found.low, found.high) == (0.0, 1.0)


@pytest.mark.parametrize("n", [6, 7, 11, 25, 60, 301])
def test_the_medians_interval_is_the_narrowest_that_covers_95_percent(n: int) -> None:
    found = median([float(v) for v in range(1, n + 1)])
    assert found is not None
    assert found.low is not None

    def missed(k: int) -> float:
        """Probability that fewer than k values lie below the median."""
        return float(sum(comb(n, i) for i in range(k)) / 2**n)

    k = int(found.low)
    assert missed(k) <= 0.025 < missed(k + 1)
    assert found.high == n + 1 - k


def test_few_values_have_a_median_and_no_interval() -> None:
    found = median([1.0, 2.0, 3.0, 4.0, 5.0])
    assert found is not None
    assert (found.value, found.low, found.high) == (3.0, None, None)
    assert median([]) is None


def test_the_interval_of_very_many_values_is_computed_without_overflow() -> None:
    found = median(list(np.linspace(0.0, 1.0, 100_000)))
    assert found is not None
    assert found.low is not None
    assert 0.496 < found.low < 0.5
