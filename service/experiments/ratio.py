"""Sample-ratio mismatch: are arms as large as they were meant to be?

Watched as often as one likes: the p-value is always valid (Lindon and Malek, *Anytime-Valid
Inference for Multinomial Count Data*, NeurIPS 2022, eq. 5 and 8).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

CONCENTRATION = 1_000.0
"""Of the Dirichlet prior around the intended shares: deviations of some hundredths are expected
where there are any."""


def ratio_p_value(counts: Sequence[int], shares: Sequence[float]) -> float:
    """How surprising ``counts`` are: at most a share ``p`` of experiments with right assignment
    ever, at any look, has a value of ``p`` or less.

    Parameters
    ----------
    counts : sequence of int, one an arm
    shares : sequence of float
        As intended; positive, their sum is 1.

    Returns
    -------
    float
        1 over the Bayes factor of other shares against the intended ones, 1 at most. It is of one
        look; the least of all looks so far is valid, too.

    >>> round(ratio_p_value([500, 500], [0.5, 0.5]), 2)
    1.0
    >>> ratio_p_value([51_000, 49_000], [0.5, 0.5]) < 1e-6
    True
    """
    prior = [CONCENTRATION * share for share in shares]
    pairs = list(zip(counts, prior, strict=True))
    alternative = sum(math.lgamma(a + n) - math.lgamma(a) for n, a in pairs)
    alternative += math.lgamma(CONCENTRATION) - math.lgamma(CONCENTRATION + sum(counts))
    intended = sum(n * math.log(share) for n, share in zip(counts, shares, strict=True))
    return min(1.0, math.exp(min(0.0, intended - alternative)))
