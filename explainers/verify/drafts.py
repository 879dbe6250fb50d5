"""A proposal that is checked, up to where the deployed model must be asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from ifonly.explainers.verify.report import Check
from ifonly.explainers.verify.what_follows import PossibleWorld
from ifonly.models.predictor import Rows, Scores


@dataclass(frozen=True)
class Proposal:
    """What is claimed; ``None`` is not claimed."""

    action: Sequence[float]
    """The factual with what is set, ``(n_features,)``."""
    row: Sequence[float] | None = None
    """What would be read."""
    cost: float | None = None


class VersionCount(NamedTuple):
    """Of the plausible versions of the laws, by one strength of hidden common causes."""

    told: int
    """The model is asked about."""
    lost: int
    """Cannot be told."""


class ScoredRows(NamedTuple):
    """The deployed model's word on the rows of one draft."""

    scores: Scores
    met: list[bool]
    """Whether that is in the target, of each."""
    margins: list[float]
    """How far each is inside; none where nobody asks, for nothing follows."""


class WorldCount(NamedTuple):
    """Of one graph that may be the true one: how many of its rows the model is asked about."""

    world: PossibleWorld
    counts: tuple[VersionCount, ...]
    """Of each group of plausible versions."""
    is_asked: bool
    """Whether they are asked about: what follows as by the main graph is not asked again."""
    later: tuple[VersionCount, ...] = ()
    """Of each group of draws of what is read when the action is carried out."""
    is_later_asked: bool = False

    @property
    def asked(self) -> int:
        """How many rows of it the model is asked about."""
        own = self.counts if self.is_asked else ()
        return sum(c.told for c in (*own, *(self.later if self.is_later_asked else ())))

    @property
    def lost(self) -> int:
        """The most plausible versions of a group that cannot be told."""
        return max((count.lost for count in self.counts), default=0)


@dataclass(eq=False)
class CheckDraft:
    """A proposal of which the model has not been asked yet."""

    checks: list[Check]
    action: Sequence[float]
    row: list[float]
    cost: float = 0.0
    to_score: list[Rows] = field(default_factory=list)
    """The row itself, then plausible versions of it, then readings of it: ``(k, n_features)``
    each."""
    worlds: list[WorldCount] = field(default_factory=list)
    """The main graph's first; none: nothing follows."""
    via: Mapping[int, tuple[int, ...]] = field(default_factory=dict)

    @property
    def is_open(self) -> bool:
        """Whether nothing is broken so far."""
        return not self.checks or all(check.holds for check in self.checks)

    @property
    def n_to_score(self) -> int:
        """How many rows that are."""
        return sum(map(len, self.to_score))

    @property
    def lost(self) -> int:
        """The most plausible versions that cannot be told, of those by which it must do."""
        return max((w.lost for w in self.worlds if w.world.is_held), default=0)
