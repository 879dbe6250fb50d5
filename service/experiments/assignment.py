"""Which arm a unit is in: the same for whoever computes it, in any order, on any machine."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from itertools import accumulate

SPACE = 2**64


def arm_of(salt: str, unit: str, weights: Mapping[str, float]) -> str:
    """The arm of ``unit``, of arms with these ``weights``.

    The first 64 bits of SHA-256 of ``SALT,UNIT`` are a number, as if drawn evenly; arms share the
    line in their order. So an arm keeps its units as long as salt, order and weights stay.

    Parameters
    ----------
    salt : str
        Of the experiment: two experiments with one salt would put the same units together.
    unit : str
        What is assigned as a whole: a machine, an episode.
    weights : mapping
        Arm to its positive weight, in an order that stays; shares are in proportion.

    Returns
    -------
    str

    >>> arm_of("s", "Mill 7", {"control": 1, "treatment": 1})
    'control'
    """
    drawn = int.from_bytes(hashlib.sha256(f"{salt},{unit}".encode()).digest()[:8])
    total = sum(weights.values())
    names = list(weights)
    for name, end in zip(names, accumulate(weights.values()), strict=True):
        if drawn < SPACE * (end / total):
            return name
    return names[-1]  # a sum that was rounded down
