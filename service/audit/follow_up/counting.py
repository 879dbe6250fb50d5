"""Shares of what became of advice: followed, carried out, successful; whole and by group."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from ifonly.explainers.fairness.shares import ShareDifference, difference
from ifonly.models.shares import ShareEstimate, share
from ifonly.service.audit.follow_up.advice import Deed, FollowUp, ReadBack, Result


@dataclass(frozen=True)
class FollowUpCounts:
    """Of one group of advice. Success is the plant's own word, and nothing else."""

    group: str
    advised: int
    said: Mapping[Deed, int]
    """By what was said that was done; the rest said nothing."""
    seen: Mapping[ReadBack, int]
    followed: ShareEstimate
    """Of those of which it is known."""
    contradicted: int
    """Said to have been followed, and the readings that came show none of it."""
    carried_out: ShareEstimate
    """Read back fully, of those with later readings."""
    cleared: ShareEstimate
    """Of those with later readings: the model called for no alarm, and for none after it."""
    success_followed: ShareEstimate
    """Of followed ones whose outcome was told."""
    success_not_followed: ShareEstimate
    success_unknown: ShareEstimate
    """Of those of which nobody knows whether they were followed."""

    @property
    def difference(self) -> ShareDifference | None:
        """Success of followed ones less that of others: what goes together, and no effect, for
        who follows advice may differ in other things. None: one of the two is of none."""
        if not (self.success_followed.of and self.success_not_followed.of):
            return None
        return difference(self.success_followed, self.success_not_followed)


def counted(group: str, found: Sequence[FollowUp]) -> FollowUpCounts:
    """Every advice is in exactly one cell of each table."""
    known = [each for each in found if each.is_followed is not None]
    read = [f for f in found if f.seen not in (ReadBack.NO_READINGS, ReadBack.NO_EQUIPMENT)]
    said_followed = [f for f in read if f.decision and f.decision.deed is Deed.FOLLOWED]
    return FollowUpCounts(
        group=group,
        advised=len(found),
        said=Counter(f.decision.deed for f in found if f.decision is not None),
        seen=Counter(f.seen for f in found),
        followed=share(sum(bool(f.is_followed) for f in known), len(known)),
        contradicted=sum(f.seen is ReadBack.NOT_SEEN for f in said_followed),
        carried_out=share(sum(f.seen is ReadBack.FULLY for f in read), len(read)),
        cleared=share(sum(f.cleared_us is not None and not f.returned for f in read), len(read)),
        success_followed=_success(f for f in found if f.is_followed is True),
        success_not_followed=_success(f for f in found if f.is_followed is False),
        success_unknown=_success(f for f in found if f.is_followed is None),
    )


def _success(found: Iterable[FollowUp]) -> ShareEstimate:
    told = [f.outcome.result for f in found if f.outcome is not None]
    return share(sum(result is Result.SUCCESS for result in told), len(told))


def by_group(
    found: Iterable[FollowUp], groups_of: Callable[[FollowUp], Iterable[str]]
) -> tuple[FollowUpCounts, ...]:
    """The largest group first. An advice of two levers is in the groups of both: groups by lever
    overlap, all others do not."""
    groups: dict[str, list[FollowUp]] = {}
    for each in found:
        for name in groups_of(each):
            groups.setdefault(name, []).append(each)
    ordered = sorted(groups.items(), key=lambda group: (-len(group[1]), group[0]))
    return tuple(counted(name, of) for name, of in ordered)


def levers_of(each: FollowUp) -> Iterable[str]:
    """The levers of the way that was followed, or shown first."""
    levers = each.advice.ways.get(each.done) or each.advice.ways[each.advice.first]
    return [lever.feature for lever in levers]
