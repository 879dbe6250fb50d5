"""Intervals cover what they promise, by counting every outcome."""

from __future__ import annotations

from fractions import Fraction
from itertools import product
from math import comb

import numpy as np
import pytest

from ifonly.explainers.fairness.correction import family_wise
from ifonly.explainers.fairness.shares import difference, same_share
from ifonly.models.shares import share
from ifonly.service.audit.recourse_by_group.statistics import median


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


def fisher(a: int, n: int, b: int, m: int) -> float:
    """By whole numbers: every table with these margins, those no likelier than the one seen."""
    ways = [Fraction(comb(n, k) * comb(m, a + b - k)) for k in range(a + b + 1)]
    return float(sum(w for w in ways if w <= ways[a]) / sum(ways))


def test_an_exact_test_counts_every_table_that_is_no_likelier() -> None:
    for n, m in ((1, 1), (3, 7), (6, 6), (5, 12)):
        for a, b in product(range(n + 1), range(m + 1)):
            found = same_share(share(a, n), share(b, m))
            assert found == pytest.approx(fisher(a, n, b, m), rel=1e-9), (a, n, b, m)
            assert found == pytest.approx(same_share(share(b, m), share(a, n)), rel=1e-12)


@pytest.mark.parametrize(
    ("a", "b", "p"),
    [  # R: fisher.test(matrix(…))$p.value; Fisher's tea: 0.4857
        ((22, 22), (25, 31), 0.0353216),
        ((3, 4), (1, 4), 0.4857143),
        ((0, 5), (0, 9), 1.0),
    ],
)
def test_an_exact_test_says_what_others_say(
    a: tuple[int, int], b: tuple[int, int], p: float
) -> None:
    assert same_share(share(*a), share(*b)) == pytest.approx(p, abs=1e-7)


def test_an_exact_test_of_very_many_is_computed_without_overflow() -> None:
    assert same_share(share(12_500, 25_000), share(12_500, 25_000)) == pytest.approx(1.0)
    assert 0 <= same_share(share(25_000, 25_000), share(0, 25_000)) < 1e-300


@pytest.mark.parametrize(
    ("a", "b", "low", "high"),
    [  # Newcombe 1998, table II, method 10
        ((56, 70), (48, 80), 0.0524, 0.3339),
        ((9, 10), (3, 10), 0.1705, 0.8090),
        ((10, 10), (0, 20), 0.6791, 1.0),
        ((10, 10), (0, 10), 0.6075, 1.0),
    ],
)
def test_a_difference_has_newcombes_interval(
    a: tuple[int, int], b: tuple[int, int], low: float, high: float
) -> None:
    found = difference(share(*a), share(*b))
    assert (round(found.low, 4), round(found.high, 4)) == (low, high)


def test_probabilities_are_corrected_as_holm_does() -> None:
    # R: p.adjust(c(0.01, 0.04, 0.03, 0.005, 0.6), "holm")
    assert family_wise([0.01, 0.04, 0.03, 0.005, 0.6]) == pytest.approx(
        [0.04, 0.09, 0.09, 0.025, 0.6]
    )
    assert family_wise([0.9, 0.8]) == [1.0, 1.0]
    assert family_wise([]) == []
