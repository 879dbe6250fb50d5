"""Exact tests of two groups by permutation, of values that may be known only by their bounds."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

DRAWS = 9_999
"""Permutations that are drawn; with the one that was seen ten thousand."""
MOST_DRAWN = 200
"""Of the smaller side: with more on both, the sum is as good as normal (Hoeffding 1951)."""
_CELLS = 4_000_000
"""Numbers that are held at once."""
_ROUNDING = 1e-9


@dataclass(frozen=True, eq=False)
class Standing:
    """Of how many of ``n`` values each is surely above, surely below, and known to be equal; all
    ``(n,)``. A value lies between its bounds; infinite ones are equal."""

    above: Floats
    below: Floats
    equal: Floats
    """Itself among them, where it is known."""

    @classmethod
    def of(cls, lower: Floats, upper: Floats) -> Standing:
        lows, highs, known = np.sort(lower), np.sort(upper), lower == upper
        above = np.searchsorted(highs, lower, side="left")
        below = len(lows) - np.searchsorted(lows, upper, side="right")
        exact = np.sort(lower[known])
        ends = [np.searchsorted(exact, lower, side=side) for side in ("right", "left")]
        equal = np.where(known, ends[0] - ends[1], 0)
        return cls(*(counts.astype(np.float64) for counts in (above, below, equal)))

    @property
    def scores(self) -> Floats:
        """Above less below (Gehan 1965); the sum is 0.

        >>> Standing.of(np.array([1.0, 2.0, 0.0]), np.array([1.0, 2.0, 1.5])).scores.tolist()
        [-1.0, 2.0, -1.0]
        """
        return self.above - self.below


def permuted_p(
    scores: Floats,
    sides: Sequence[npt.NDArray[np.bool_]],
    rng: np.random.Generator,
    draws: int = DRAWS,
) -> list[float]:
    """For each of ``sides``, the probability that a group of its size, drawn from all, has a mean
    as far from the others' as it has: both sides, no distribution assumed.

    Exact by drawing: the permutation that was seen counts as one (Phipson and Smyth 2010). Where
    the group and the others have more than :data:`MOST_DRAWN` each, by the normal law with the
    permutations' own variance.

    Parameters
    ----------
    scores : ndarray, shape (n,)
    sides : sequence of ndarray of bool, shape (n,)
        Each group's members; of neither none nor all.
    rng : numpy.random.Generator
    draws : int
        Permutations for each.
    """
    centred = scores - scores.mean()
    n, variance = len(centred), float(centred.var())
    sizes = [int(side.sum()) for side in sides]
    # The others' sum is the same number with another sign: the smaller side is drawn.
    fewer = [min(size, n - size) for size in sizes]
    seen = [abs(float(centred[side].sum())) for side in sides]
    # Sums in another order round otherwise, and a permutation that is the one seen must count.
    room = _ROUNDING * max(float(np.abs(centred).sum()), 1.0)
    found = [1.0] * len(sides)
    if variance == 0.0:
        return found
    drawn = {size for size in fewer if size <= MOST_DRAWN}
    beyond = dict.fromkeys(range(len(sides)), 0)
    if drawn:
        for sums in _prefix_sums(centred, max(drawn), draws, rng):
            for k, size in enumerate(fewer):
                if size in drawn:
                    beyond[k] += int((np.abs(sums[:, size - 1]) >= seen[k] - room).sum())
    for k, size in enumerate(fewer):
        if size in drawn:
            found[k] = (beyond[k] + 1) / (draws + 1)
        else:
            sd = math.sqrt(size * (n - size) / (n - 1) * variance)
            found[k] = math.erfc(seen[k] / sd / math.sqrt(2))
    return found


def _prefix_sums(
    scores: Floats, most: int, draws: int, rng: np.random.Generator
) -> Iterator[Floats]:
    """Of random permutations, the sums of the first 1, 2, … ``most``, ``(some, most)``: the first
    of a permutation are a group drawn from all, so that one draw serves groups of every size."""
    n = len(scores)
    wide = min(n, most) if n > 20 * most else n
    some = max(1, _CELLS // max(wide, 1))
    for start in range(0, draws, some):
        count = min(some, draws - start)
        if n > 20 * most:
            first = scores[_first_drawn(n, most, count, rng)]
        else:
            first = rng.permuted(np.broadcast_to(scores, (count, n)), axis=1)[:, :most]
        yield np.cumsum(first, axis=1)


def _first_drawn(n: int, most: int, count: int, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """The first ``most`` places of ``count`` permutations of ``n``: numbers drawn one by one, those
    left out that were drawn before."""
    spare = most + 10 + most // 4
    found = rng.integers(0, n, (count, spare))
    order = np.argsort(found, axis=1, kind="stable")
    ranked = np.take_along_axis(found, order, axis=1)
    again = np.zeros_like(found, dtype=np.bool_)
    np.put_along_axis(again, order[:, 1:], ranked[:, 1:] == ranked[:, :-1], axis=1)
    kept = np.argsort(again, axis=1, kind="stable")[:, :most]
    lacking = (~again).sum(axis=1) < most
    first = np.take_along_axis(found, kept, axis=1)
    for k in np.flatnonzero(lacking):  # hardly ever: a fifth of the numbers twice
        first[k] = rng.permutation(n)[:most]
    return first
