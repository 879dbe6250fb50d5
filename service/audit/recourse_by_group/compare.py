"""Whether groups differ in success: exact tests of all pairs, corrected for their number.

Two intervals that overlap show nothing: those of 22 of 22 and of 25 of 31 do, and the groups differ
(Schenker and Gentleman 2001). A pair that is not shown to differ is not shown to be alike either.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from ifonly.explainers.fairness.correction import family_wise
from ifonly.explainers.fairness.shares import ShareDifference, difference, same_share
from ifonly.models.shares import CONFIDENCE
from ifonly.service.audit.recourse_by_group.outcomes import GroupOutcomes


@dataclass(frozen=True, slots=True)
class ComparedPair:
    """Two groups; the one with the greater share of success is ``high``."""

    low: GroupOutcomes
    high: GroupOutcomes
    difference: ShareDifference
    p: float
    """Of Fisher's exact test, corrected for how many pairs were tested."""

    @property
    def is_shown(self) -> bool:
        """Whether they are shown to differ."""
        return self.p < 1 - CONFIDENCE


@dataclass(frozen=True, slots=True)
class ShareComparison:
    """Of all pairs of groups."""

    tests: int
    pairs: tuple[ComparedPair, ...]
    """Those that are shown to differ, the greatest difference first; where none is, the one with
    the least p alone."""

    @property
    def differ(self) -> bool:
        return bool(self.pairs) and self.pairs[0].is_shown


def compared(groups: Sequence[GroupOutcomes]) -> ShareComparison:
    """Groups in which nobody needed recourse are in no pair: they have no share of success."""
    counted = [group for group in groups if group.success.of]
    pairs = list(combinations(counted, 2))
    found = [same_share(a.success, b.success) for a, b in pairs]
    every = [_pair(*pair, p) for pair, p in zip(pairs, family_wise(found), strict=True)]
    shown = [pair for pair in every if pair.is_shown]
    shown.sort(key=lambda pair: -pair.difference.value)
    least = min(every, key=lambda pair: (pair.p, -pair.difference.value), default=None)
    return ShareComparison(len(pairs), tuple(shown) if shown or least is None else (least,))


def _pair(a: GroupOutcomes, b: GroupOutcomes, p: float) -> ComparedPair:
    low, high = sorted((a, b), key=lambda group: group.success.count / group.success.of)
    return ComparedPair(low, high, difference(high.success, low.success), p)
