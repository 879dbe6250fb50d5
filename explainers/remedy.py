"""One change for many: what is claimed of a common change of several alarms. A claim is a type.

A *common change* sets the same few levers on the equipment of every alarm of a set: to the same
value (*absolute*: "coolant to 18 °C"), or by the same amount (*relative*: "torque −6 Nm"). It
*clears* an alarm if the action that it comes to there is allowed by that alarm's own rules, and
leads into the target by every demand of its policy (decision 0120).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ifonly.explainers.answer import Action, Effect, Prediction, Work
from ifonly.explainers.terms import CommonKind as CommonKind
from ifonly.explainers.terms import SettingKind as SettingKind
from ifonly.explainers.terms import Status
from ifonly.explainers.terms import Uncleared as Uncleared
from ifonly.explainers.terms import WhyLeftOut as WhyLeftOut


@dataclass(frozen=True, order=True)
class CommonSetting:
    """One lever of a common change."""

    column: int
    kind: SettingKind
    value: float
    """In the feature's unit: what it is set to (a category by its code), or what is added to it."""


@dataclass(frozen=True)
class RowOutcome:
    """What a common change comes to on the equipment of one alarm."""

    alarm: int
    """Place of the alarm in the question, from 0."""
    cleared: bool
    """By the search, and by the checker with the deployed model."""
    actions: tuple[Action, ...] = ()
    """What is set there; less than the whole change where a lever has that value already."""
    effects: tuple[Effect, ...] = ()
    cost: float | None = None
    """By the policy; None where it cannot be set."""
    prediction: Prediction | None = None
    """Of the row that it leads to; None where the model was not asked."""
    why: Uncleared | None = None
    """None where it is cleared."""
    broken: tuple[str, ...] = ()
    """Keys of what it breaks there (``policy.rules.3``), by the checker."""


@dataclass(frozen=True)
class Remedy:
    """One common change, and what it does to each alarm."""

    settings: tuple[CommonSetting, ...]
    """By column."""
    coverage: int
    """Alarms that it clears."""
    cost: float
    """Mean over all alarms of the question of what the policy charges for it there."""
    status: Status
    """``optimal``: no common change of as many levers at most clears as many and costs less:
    proven. ``feasible``: not proven."""
    lower_bound: float | None
    """No common change that clears as many costs less."""
    outcomes: tuple[RowOutcome, ...] = field(repr=False)
    """One of each alarm, in order."""

    @property
    def cleared(self) -> tuple[int, ...]:
        """Places of the alarms that it clears."""
        return tuple(o.alarm for o in self.outcomes if o.cleared)

    @property
    def uncleared(self) -> tuple[int, ...]:
        return tuple(o.alarm for o in self.outcomes if not o.cleared)


@dataclass(frozen=True)
class CoverageCurve:
    """Coverage against cost, of common changes of at most so many levers."""

    max_levers: int
    points: tuple[Remedy, ...]
    """Cheapest first: each clears more than those before it. Empty where nothing was found. No more
    than :data:`MOST_POINTS`: some between may be left out."""
    most: int
    """No common change of at most so many levers clears more: proven. The number of alarms where
    nothing is known."""

    @property
    def best(self) -> Remedy | None:
        """The one that clears the most, and of those the cheapest."""
        return self.points[-1] if self.points else None

    @property
    def is_most(self) -> bool:
        """Whether :attr:`best` is proven to clear the most that can be cleared (perhaps none)."""
        return self.most == (self.best.coverage if self.best else 0)


@dataclass(frozen=True)
class CommonAnswer:
    """What one change does for many alarms."""

    alarms: tuple[int, ...]
    """Places of the rows that are alarms: those that coverage is counted of."""
    left_out: tuple[tuple[int, WhyLeftOut], ...]
    predictions: tuple[Prediction, ...]
    """What the model says of each row, left out or not."""
    curves: tuple[CoverageCurve, ...]
    """Of at most one lever, of at most two, …"""
    levers: tuple[tuple[int, SettingKind], ...]
    """What may be set in common, and how: a lever that no alarm may move is not among them."""
    work: Work

    @property
    def told(self) -> CoverageCurve | None:
        """The curve of the fewest levers with which the most is cleared of all that was found."""
        most = max((c.best.coverage for c in self.curves if c.best is not None), default=0)
        found = (c for c in self.curves if c.best is not None and c.best.coverage == most)
        return next(found, None)

    @property
    def best(self) -> Remedy | None:
        """The one that clears the most, of the fewest levers, the cheapest."""
        return None if self.told is None else self.told.best

    @property
    def status(self) -> Status:
        """``optimal``: the best is proven to clear the most of all common changes that were asked
        for, and of those with as few levers to be the cheapest. ``feasible``: not so.
        ``infeasible``: proven that none clears any. ``unknown``: not found and not proven.
        ``already_target``: no row is an alarm."""
        best = self.best
        if not self.alarms:
            return Status.ALREADY_TARGET
        if best is None:
            return Status.INFEASIBLE if self.bound == 0 else Status.UNKNOWN
        is_proven = best.status is Status.OPTIMAL and self.bound == best.coverage
        return Status.OPTIMAL if is_proven else Status.FEASIBLE

    @property
    def bound(self) -> int:
        """No common change that was asked for clears more: proven."""
        return self.curves[-1].most if self.curves else 0


MOST_POINTS = 12
"""Points of a curve: each is confirmed by the deployed model, alarm by alarm."""
