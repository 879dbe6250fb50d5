"""What a check found, with its numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple


class Check(NamedTuple):
    """One thing that was recomputed."""

    name: str
    """``grid``, ``bounds``, the dotted key of a limit, ``row``, ``cost``, ``target``, ``robust``,
    ``certainty``, ``chance``, ``via``, ``bound``, ``range``, …"""
    holds: bool
    says: str
    """The numbers."""


class GraphMargins(NamedTuple):
    """One of several graphs that may be the true one, and what an action leads to under it."""

    name: str
    weight: float
    margins: tuple[float, ...]
    """As :attr:`Report.margins`."""
    lower: float
    """The least lower bound of the margin."""

    @property
    def chance(self) -> float:
        """Share of plausible versions of its laws by which the action is in the target."""
        return share_in_target(self.margins)


class LaterShares(NamedTuple):
    """A share of draws by which an action is in the target, and its ends were each margin within
    rounding of 0 on either side of it."""

    low: float
    share: float
    high: float


class Report(NamedTuple):
    """Everything that was checked of one proposed answer."""

    checks: tuple[Check, ...]
    action: tuple[float, ...] = ()
    row: tuple[float, ...] = ()
    """What would be read, as the checker computes it."""
    cost: float = 0.0
    scores: tuple[float, ...] = ()
    """The deployed model's word on that row; empty if it was not asked."""
    margins: tuple[float, ...] = ()
    """How far inside the target it is by each plausible version of the main graph's laws, -inf
    where one cannot be told; of the row itself where nothing follows; empty where features move
    alone, or the model was not asked. Where hidden common causes may be of several strengths, by
    the strength under which it is least sure."""
    via: Mapping[int, tuple[int, ...]] = MappingProxyType({})
    """For each column that may follow: what is set and leads there."""
    graphs: tuple[GraphMargins, ...] = ()
    """Where several graphs may be the true one: each of them, the main one first."""
    later: tuple[LaterShares, ...] = ()
    """By graph: of draws of what is read when the action is carried out; empty: all noise stays."""
    weights: tuple[float, ...] = ()
    """Of these graphs."""

    @property
    def holds(self) -> bool:
        # Reports of what holds list no checks unless asked to, so an empty list holds.
        return all(check.holds for check in self.checks)

    @property
    def broken(self) -> frozenset[str]:
        """Names of what does not hold."""
        return frozenset(check.name for check in self.checks if not check.holds)

    @property
    def chance(self) -> float | None:
        """Share of plausible versions of the laws by which it is in the target; of several graphs,
        by their weights."""
        if not self.margins:
            return None
        if not self.graphs:
            return share_in_target(self.margins)
        return mixture([g.chance for g in self.graphs], [g.weight for g in self.graphs])

    @property
    def chance_later(self) -> LaterShares | None:
        """Share of draws by which it is in the target when it is carried out, over all graphs by
        their weights; None: all noise stays, or the model was not asked."""
        if not self.later:
            return None
        return LaterShares(*(mixture(each, self.weights) for each in zip(*self.later, strict=True)))

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why it does not hold."""
        return tuple(f"{c.name}: {c.says}" for c in self.checks if not c.holds)


def mixture(chances: Sequence[float], weights: Sequence[float]) -> float:
    """What several graphs say together, by their weights, which sum to 1; the main one's first."""
    found = main = chances[0]
    # From the main one's, so that graphs that agree say the very same together.
    for chance, weight in zip(chances[1:], weights[1:], strict=True):
        found += weight * (chance - main)
    return found


def share_in_target(margins: Sequence[float]) -> float:
    """The share of versions of which the margin is not below 0."""
    return sum(margin >= 0.0 for margin in margins) / len(margins)
