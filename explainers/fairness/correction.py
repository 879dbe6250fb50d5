"""Probabilities of many tests, corrected for their number, whatever depends on what."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise


def family_wise(found: Sequence[float]) -> list[float]:
    """Probabilities of as many tests, each as if it were the only one (Holm 1979): of true
    hypotheses, one at all is rejected below 5 % with probability 5 % at most.

    >>> family_wise([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    order = sorted(range(len(found)), key=found.__getitem__)
    result, least = [0.0] * len(found), 0.0
    for k, number in enumerate(order):
        # Never below one that was less: what is rejected later needs all before it.
        least = result[number] = max(least, min(1.0, (len(found) - k) * found[number]))
    return result


def false_discovery(found: Sequence[float]) -> list[float]:
    """The same for the share of false ones among those that are rejected (Benjamini and Yekutieli
    2001): below 5 % it is expected to be 5 % at most.

    >>> [round(p, 4) for p in false_discovery([0.01, 0.04, 0.03])]
    [0.055, 0.0733, 0.0733]
    """
    count = len(found)
    # Benjamini and Hochberg's without this factor takes the tests as independent, which those of
    # groups that overlap are not.
    factor = sum(1 / k for k in range(1, count + 1))
    order = sorted(range(count), key=found.__getitem__)
    result, most = [0.0] * count, 1.0
    for k in reversed(range(count)):
        number = order[k]
        most = result[number] = min(most, count * factor * found[number] / (k + 1))
    assert all(result[a] <= result[b] for a, b in pairwise(order))
    return result
