"""Branch and bound over boxes of common changes: the most alarms first, then the least cost.

A box is an interval of positions of each lever of a set. Of each box it is known which alarms one
of its changes may clear, and what the cheapest costs; it is closed where neither more alarms than
are known to be cleared, nor a level of coverage at less cost, can be in it. What is left are
single changes, which are decided alarm by alarm.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise, product
from typing import NamedTuple

import numpy as np

from ifonly.explainers.common.boxes import LeverSet, Positions
from ifonly.explainers.common.judge import ChangeJudge, FirstLook
from ifonly.explainers.common.levers import Ints
from ifonly.explainers.errors import CallsSpent, DeadlineReached
from ifonly.explainers.search.engine import Meter
from ifonly.explainers.space import slack

LEVELS, FEWER_LEVELS = 10, 5
"""Parts of all alarms at which the cheapest change is looked for, beside the most: of up to, and of
more than :data:`MANY`, of which each is confirmed alarm by alarm."""
MANY = 100
LISTED = (16, 16, 8)
"""Changes of a box that are listed one by one, by the number of levers."""
PARTS = (8, 4, 2)
"""Into how many parts each lever of a larger box is cut."""
BATCH = 64
"""Boxes that are cut at once."""
PAIRS = 1 << 17
"""Boxes times alarms that are bounded together."""

MOST_OPEN = 200_000
"""Boxes that are remembered; a search that needs more is cut as by its deadline."""

Part = tuple[int, Positions, Positions, Ints]
"""The place of a set of levers, both ends of a box, and the alarms that the box around it may
clear."""


@dataclass(frozen=True, eq=False)
class FoundChange:
    """A common change, decided for every alarm."""

    levers: LeverSet
    at: Positions
    """``(n_levers,)``"""
    cost: float
    cleared: Ints


@dataclass(eq=False)
class Best:
    """The cheapest changes that are known, by how many alarms they clear at least."""

    n_alarms: int
    levels: tuple[int, ...]
    """Coverages of interest, ascending; the most that is known is one, too."""
    holders: dict[int, FoundChange] = field(default_factory=dict)
    """By level."""
    most: FoundChange | None = None

    @classmethod
    def of(cls, n_alarms: int) -> Best:
        parts = LEVELS if n_alarms <= MANY else FEWER_LEVELS
        levels = {-(-n_alarms * k // parts) for k in range(1, parts + 1)}
        return cls(n_alarms, tuple(sorted(levels - {0})))

    @property
    def points(self) -> list[FoundChange]:
        """Cheapest first, each clearing more than those before it."""
        every = [*self.holders.values(), *([] if self.most is None else [self.most])]
        found: list[FoundChange] = []
        for one in sorted(every, key=lambda one: (one.cost, -len(one.cleared))):
            if not found or len(one.cleared) > len(found[-1].cleared):
                found.append(one)
        return found

    @property
    def coverage(self) -> int:
        return 0 if self.most is None else len(self.most.cleared)

    def is_better(self, coverage: int, cost: float) -> bool:
        """Whether a change that clears so many at that cost would be news."""
        if coverage > self.coverage:
            return True
        return self.is_cheaper(coverage, cost)

    def is_cheaper(self, coverage: int, cost: float) -> bool:
        if self.most is not None and coverage >= self.coverage and _below(cost, self.most.cost):
            return True
        for level in self.levels:
            if level > coverage:
                return False
            held = self.holders.get(level)
            if held is None or _below(cost, held.cost):
                return True
        return False

    def least(self, coverage: int, cost: float) -> int:
        """How few alarms of so many a change of that cost must clear to be news."""
        for level in self.levels:
            held = self.holders.get(level)
            if level <= coverage and (held is None or _below(cost, held.cost)):
                return level
        cheaper = self.most is not None and _below(cost, self.most.cost)
        return self.coverage if cheaper else self.coverage + 1

    def take(self, found: FoundChange) -> None:
        count = len(found.cleared)
        for level in self.levels:
            held = self.holders.get(level)
            if level <= count and (held is None or _below(found.cost, held.cost)):
                self.holders[level] = found
        more = count > self.coverage
        if more or (
            count and count == self.coverage and self.most and _below(found.cost, self.most.cost)
        ):
            self.most = found


def _below(cost: float, other: float) -> bool:
    return cost < other - slack(other)


@dataclass(frozen=True, eq=False)
class ChangeBox:
    """An interval of positions of each lever of a set."""

    place: int
    """Of the set of levers."""
    low: Positions
    high: Positions
    alarms: Ints
    """Those that one of its changes may clear."""
    cost: float
    """Of the cheapest of its changes."""

    @property
    def count(self) -> int:
        return len(self.alarms)

    @property
    def size(self) -> int:
        return int(np.prod(self.high - self.low + 1))


class SearchPhase(NamedTuple):
    """What is looked for: boxes in the order of ``key``; those that do not ``matter`` wait."""

    key: Callable[[ChangeBox], tuple[float, float]]
    matters: Callable[[ChangeBox], bool]
    least: Callable[[ChangeBox], int]
    """How few alarms a change must clear to be news."""


@dataclass(eq=False)
class CommonSearch:
    """The search over some sets of levers, on top of what is known of smaller sets."""

    sets: Sequence[LeverSet]
    judge: ChangeJudge
    meter: Meter
    best: Best
    open: list[tuple[tuple[float, float], int, ChangeBox]] = field(default_factory=list)
    waiting: list[ChangeBox] = field(default_factory=list)
    """For the phase after this one."""
    taken: list[ChangeBox] = field(default_factory=list)
    """Looked at just now."""
    serial: int = 0
    unbegun: int = 0
    """Sets of levers of which nothing is known."""

    def run(self) -> bool:
        """Whether it came to its end before the deadline."""
        self.unbegun = len(self.sets)
        try:
            self._begin()
            # First the most that can be cleared, then what clears fewer for less.
            self._drive(
                SearchPhase(
                    lambda box: (-box.count, box.cost),
                    lambda box: box.count > self.best.coverage,
                    lambda box: self.best.coverage + 1,
                )
            )
            self._drive(
                SearchPhase(
                    lambda box: (box.cost, -box.count),
                    self._is_open,
                    lambda box: self.best.least(box.count, box.cost),
                )
            )
        except (DeadlineReached, CallsSpent):
            return False
        return True

    # --- what is not known yet ----------------------------------------------------------------

    @property
    def _left(self) -> Iterator[ChangeBox]:
        yield from (box for _, _, box in self.open)
        yield from self.waiting
        yield from self.taken

    @property
    def most(self) -> int:
        """No change of these sets, nor what is known, clears more alarms."""
        if self.unbegun or not self._is_whole:
            return self.best.n_alarms
        return max([self.best.coverage, *(box.count for box in self._left)])

    def least_cost(self, coverage: int) -> float:
        """No change of these sets that is not known and clears so many costs less; infinity: none
        is left."""
        if self.unbegun or not self._is_whole:
            return 0.0
        return min((box.cost for box in self._left if box.count >= coverage), default=np.inf)

    @property
    def _is_whole(self) -> bool:
        """Whether every value of every lever is looked at."""
        return all(lever.is_whole for levers in self.sets for lever in levers.levers)

    # --- boxes --------------------------------------------------------------------------------

    def _is_open(self, box: ChangeBox) -> bool:
        return box.count > 0 and self.best.is_better(box.count, box.cost)

    def _begin(self) -> None:
        everybody = np.arange(self.best.n_alarms)
        for place, levers in enumerate(self.sets):
            self.meter.check()
            roots = [(place, low, high, everybody) for low, high in _roots(levers)]
            self.waiting += filter(self._is_open, self._bounded(roots))
            self.unbegun -= 1

    def _drive(self, phase: SearchPhase) -> None:
        boxes, self.open, self.waiting = self.waiting, [], []
        for box in boxes:
            self._push(box, phase)
        while self.open:
            self.meter.check()
            if len(self.open) + len(self.waiting) > MOST_OPEN:
                raise DeadlineReached("there is no room for more boxes")
            self._take(phase)
            if self.taken and self.taken[0].size == 1:
                self._decide_all(phase)
            else:
                parts = [part for box in self.taken for part in self._parts(box)]
                self.judge.meter.opened(len(parts))
                for box in self._bounded(parts):
                    self._push(box, phase)
            self.taken = []

    def _push(self, box: ChangeBox, phase: SearchPhase) -> None:
        if not self._is_open(box):
            return
        if not phase.matters(box):
            self.waiting.append(box)
            return
        self.serial += 1
        heapq.heappush(self.open, (phase.key(box), self.serial, box))

    def _take(self, phase: SearchPhase) -> None:
        """What comes next: some single changes, or some boxes."""
        self.taken = []
        while self.open and len(self.taken) < BATCH:
            box = self.open[0][2]
            if self.taken and (box.size == 1) != (self.taken[0].size == 1):
                break
            heapq.heappop(self.open)
            if not self._is_open(box):
                continue
            if not phase.matters(box):
                self.waiting.append(box)
                continue
            self.taken.append(box)

    def _decide_all(self, phase: SearchPhase) -> None:
        """Single changes: those that are left once a few alarms were asked about, one by one."""
        asked = [(self.sets[box.place], box.low, box.alarms) for box in self.taken]
        looks = self.judge.first_look(*zip(*asked, strict=True))
        for look in looks:
            box = self.taken[0] = replace(self.taken[0], alarms=look.left)
            # Those before it may have closed it.
            if self._is_open(box) and phase.matters(box):
                self._decide(box, look, phase)
            elif self._is_open(box):
                self.waiting.append(box)
            del self.taken[0]

    def _decide(self, box: ChangeBox, look: FirstLook, phase: SearchPhase) -> None:
        levers = self.sets[box.place]
        kept, is_decided = self.judge.cleared(levers, box.low, look, phase.least(box))
        if is_decided:
            self.best.take(FoundChange(levers, box.low, box.cost, kept))
        else:
            # Too few for what is looked for now; perhaps enough for less.
            left = ChangeBox(box.place, box.low, box.high, kept, box.cost)
            if self._is_open(left):
                self.waiting.append(left)

    def _parts(self, box: ChangeBox) -> Iterator[Part]:
        n_levers = len(box.low)
        if box.size <= LISTED[n_levers - 1]:
            ends = [[(at, at) for at in range(a, b + 1)] for a, b in zip(*_ends(box), strict=True)]
        else:
            parts = PARTS[n_levers - 1]
            ends = [_cut(a, b, parts) for a, b in zip(*_ends(box), strict=True)]
        for each in product(*ends):
            low, high = (np.array(side, dtype=np.int64) for side in zip(*each, strict=True))
            yield box.place, low, high, box.alarms

    def _bounded(self, parts: Sequence[Part]) -> Iterator[ChangeBox]:
        """Boxes with the alarms that they may clear."""
        by_place: dict[int, list[Part]] = {}
        for part in parts:
            by_place.setdefault(part[0], []).append(part)
        for place, own in by_place.items():
            for some in _chunks(own):
                yield from self._bounded_at_once(place, some)

    def _bounded_at_once(self, place: int, parts: Sequence[Part]) -> Iterator[ChangeBox]:
        self.meter.check()
        levers = self.sets[place]
        sizes = [len(alarms) for *_, alarms in parts]
        of_part = np.repeat(np.arange(len(parts)), sizes)
        alarms = np.concatenate([alarms for *_, alarms in parts])
        # All boxes of an alarm together, for what follows is asked alarm by alarm.
        order = np.argsort(alarms, kind="stable")
        low, high = (np.stack([part[side] for part in parts]) for side in (1, 2))
        may = np.empty(len(alarms), dtype=np.bool_)
        may[order] = levers.may_clear(alarms[order], low[of_part[order]], high[of_part[order]])
        ends = np.cumsum(sizes)
        for part, first, last in zip(parts, [0, *ends[:-1]], ends, strict=True):
            own = may[first:last]
            # Shared where nothing is ruled out: there may be very many boxes.
            kept = part[3] if own.all() else part[3][own]
            yield ChangeBox(place, part[1], part[2], kept, levers.least_cost(part[1], part[2]))


def _ends(box: ChangeBox) -> tuple[list[int], list[int]]:
    return box.low.tolist(), box.high.tolist()


def _cut(first: int, last: int, parts: int) -> list[tuple[int, int]]:
    """``first..last`` in about equal parts."""
    at = np.unique(np.linspace(first, last + 1, min(parts, last - first + 1) + 1).astype(np.int64))
    return [(int(a), int(b) - 1) for a, b in pairwise(at)]


def _chunks(parts: Sequence[Part]) -> Iterator[list[Part]]:
    some: list[Part] = []
    pairs = 0
    for part in parts:
        some.append(part)
        pairs += len(part[3])
        if pairs >= PAIRS:
            yield some
            some, pairs = [], 0
    if some:
        yield some


def _roots(levers: LeverSet) -> Iterator[tuple[Positions, Positions]]:
    """All changes of a set: category by category, for they have no order."""
    ends = [
        [(at, at) for at in range(len(lever))] if lever.is_category else [(0, len(lever) - 1)]
        for lever in levers.levers
    ]
    for each in product(*ends):
        low, high = (np.array(side, dtype=np.int64) for side in zip(*each, strict=True))
        yield low, high
