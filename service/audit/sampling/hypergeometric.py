"""What a sample without replacement shows of a finite population, in whole numbers alone.

``population`` explanations, ``wrong`` of them an auditor would reject; of a sample of ``size`` the
number that is rejected is hypergeometric. Bounds invert its tails (Clopper and Pearson 1934; for
finite populations Wright, *Exact Confidence Bounds when Sampling from Small Finite Universes*,
1991): they hold with at least the confidence that they state, whatever is true. Binomial
coefficients are whole numbers of any size, so no comparison is rounded.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import comb


def at_most(found: int, population: int, wrong: int, size: int) -> Fraction:
    """The probability of ``found`` or fewer wrong ones in the sample.

    >>> at_most(0, 10, 2, 5)
    Fraction(2, 9)
    """
    return Fraction(_ways(found, population, wrong, size), comb(population, size))


def _ways(found: int, population: int, wrong: int, size: int) -> int:
    """Samples with ``found`` or fewer wrong ones."""
    right = population - wrong
    first, last = max(0, size - right), min(found, wrong, size)
    if last < first:
        return 0
    term = total = comb(wrong, first) * comb(right, size - first)
    for k in range(first, last):
        # Each from the one before: exact, since both are whole numbers.
        term = term * (wrong - k) * (size - k) // ((k + 1) * (right - size + k + 1))
        total += term
    return total


def most_wrong(found: int, size: int, population: int, confidence: Fraction) -> int:
    """The upper bound, one-sided: the greatest number of wrong ones in the population with which
    so few as ``found`` in the sample are seen with a probability above ``1 - confidence``.

    >>> most_wrong(0, 59, 10_000, Fraction("0.95"))
    493
    """
    _check(found, size, population)
    every, doubt = comb(population, size), 1 - confidence
    low, high = found, population - (size - found)  # what the sample itself does not exclude
    while low < high:
        middle = (low + high + 1) // 2
        # More wrong ones make few in the sample less likely: halving finds the last.
        if _ways(found, population, middle, size) > doubt * every:
            low = middle
        else:
            high = middle - 1
    return low


def least_wrong(found: int, size: int, population: int, confidence: Fraction) -> int:
    """The lower bound, one-sided.

    >>> least_wrong(3, 60, 1_000, Fraction("0.95"))
    15
    """
    # Of the right ones the greatest number, seen from the other side.
    return population - most_wrong(size - found, size, population, confidence)


@dataclass(frozen=True, slots=True)
class WrongInterval:
    """Within which the number of wrong ones in the population lies."""

    low: int
    high: int


def interval(
    found: int, size: int, population: int, confidence: Fraction, open_: int = 0
) -> WrongInterval:
    """Two-sided, half of the doubt on each side; ``open_`` of the sample are not judged, and count
    as right for the lower end and as wrong for the upper one: whichever they are, it holds."""
    each = 1 - (1 - confidence) / 2
    return WrongInterval(
        least_wrong(found, size, population, each),
        most_wrong(found + open_, size, population, each),
    )


def least_size(population: int, tolerable: int, accepted: int, confidence: Fraction) -> int:
    """The smallest sample of which ``accepted`` rejected ones still show, with ``confidence``,
    that no more than ``tolerable`` of the population are wrong. ``accepted`` is no more than that.

    >>> least_size(1_000, 50, 0, Fraction("0.95"))
    56
    """
    if not 0 <= accepted <= tolerable:
        raise ValueError(f"{accepted} accepted of {tolerable} tolerable")
    doubt, wrong = 1 - confidence, tolerable + 1
    if wrong > population:
        return max(1, accepted)
    low, high = accepted + 1, population
    while low < high:
        middle = (low + high) // 2
        if at_most(accepted, population, wrong, middle) <= doubt:
            high = middle
        else:
            low = middle + 1
    return low


def _check(found: int, size: int, population: int) -> None:
    if not 0 <= found <= size <= population:
        raise ValueError(f"{found} of {size} of {population}")
