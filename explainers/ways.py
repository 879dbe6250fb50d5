"""Named ways out of one alarm: each the best of something, and proven to be (decision 0117).

Beside the smallest change there may be one with fewer levers, one that survives more of the
sensors' errors, and one with other levers. Each is asked of the same engine as a question of its
own, the same question tightened, and each is verified as any answer is.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import combinations

from ifonly.explainers.answer import Counterfactual, Recourse, Work
from ifonly.explainers.beside import Beside, Best, together
from ifonly.explainers.constraints import (
    Constraint,
    Immutable,
    MaxChanges,
    Origin,
    Source,
    Survives,
)
from ifonly.explainers.constraints.base import Single
from ifonly.explainers.constraints.cells import Cells, Factual, Kept
from ifonly.explainers.errors import NotEligible
from ifonly.explainers.problem import Problem
from ifonly.explainers.space import Axis, slack
from ifonly.explainers.terms import DEARER, FACTORS, Status, WayName
from ifonly.explainers.verify import Terms
from ifonly.explainers.verify.limits import few_changes, stays


class WhyNone(StrEnum):
    """Why no margin is known."""

    NO_TOLERANCES = "no_tolerances"
    """No feature declares one."""
    NO_PROOF = "no_proof"
    """No engine proves anything of boxes of readings of such a model."""


@dataclass(frozen=True)
class NamedWay:
    """One way out, by what it is the best of."""

    name: WayName
    status: Status
    """``optimal``: proven to be what its name says, and the cheapest of those. ``feasible``: it
    flips; a better one may exist. ``infeasible``: proven that there is none; for other levers, that
    every allowed answer sets all of the smallest's. ``unknown``: not found and not proven."""
    found: Counterfactual | None = None
    """Its bound: of all allowed rows that have as few levers, survive as much, or set as few of
    the smallest's."""
    same_as: WayName | None = None
    """The way before it that it sets the same as."""
    survives: float | None = None
    """The greatest of :data:`FACTORS` times the tolerances that ``found`` is proven to survive, 0
    for none; None where nobody can prove it."""
    why: WhyNone | None = None
    """Why nothing is said of the most robust."""


@dataclass(frozen=True)
class Ways:
    """The ways out of one alarm, the smallest first, and what it took to find them."""

    ways: tuple[NamedWay, ...]
    work: Work
    """Of the further ones; that of the smallest is its answer's."""

    def beside(self, answer: Recourse) -> Recourse:
        """``answer``, by which they were found, with what they showed of the smallest, and all the
        work of both."""
        smallest, work = self.ways[0].found, together(answer.work, self.work)
        assert smallest is not None
        return replace(answer, counterfactuals=(smallest, *answer.counterfactuals[1:]), work=work)


@dataclass(frozen=True)
class _Becomes(Single):
    """The feature is set to that value, and to no other."""

    of_action = True

    value: float

    def kept(self, cells: Cells, factual: Factual) -> Kept:
        return cells[self.column] == self.value

    def cut(self, axis: Axis, factual: float) -> Axis:
        return axis.only([self.value])


def ways(beside: Beside, answer: Recourse, tolerances: tuple[float, ...] = ()) -> Ways:
    """The named ways out beside the smallest, which is the first of ``answer``.

    Parameters
    ----------
    beside : Beside
        What was asked, and whoever is asked further: each way has its share of what is left of the
        time.
    answer : Recourse
        What was answered.
    tolerances : tuple of float, length n_features
        How far each reading may be off, in its feature's unit; empty if nobody says.

    Raises
    ------
    GraphError
        If the model cannot score rows.
    """
    return _Finding(beside, tolerances, answer.counterfactuals[0]).ways()


@dataclass
class _Finding:
    """One question, its smallest answer, and the ways that are found beside it."""

    beside: Beside
    tolerances: tuple[float, ...]
    smallest: Counterfactual
    why_none: WhyNone | None = None
    found: list[NamedWay] = field(default_factory=list)

    def ways(self) -> Ways:
        self.why_none = None if any(self.tolerances) else WhyNone.NO_TOLERANCES
        status = _status(self.smallest, True)
        survived = self._survived(self.smallest)
        self.found = [NamedWay(WayName.SMALLEST, status, self.smallest, survives=survived)]
        whole = self.beside.asking.deadline
        # Each has its share of the time, so that a hard one leaves some to the others.
        for share, find in ((1 / 3, self._fewest), (1 / 2, self._robust), (1.0, self._other)):
            self.beside.until(whole.sooner(share))
            self.found += [self._told(way) for way in find()]
        self.beside.until(whole)
        others = [way.found for way in self.found[1:] if way.found and way.same_as is None]
        # A cheaper one shows that the bound of the smallest was wrong.
        smallest = self.beside.asking.uncontradicted(self.smallest, others)
        self.found[0] = replace(self.found[0], found=smallest, status=_status(smallest, True))
        return Ways(tuple(self.found), self.beside.work("ways"))

    @property
    def problem(self) -> Problem:
        return self.beside.problem

    @property
    def terms(self) -> Terms:
        return self.beside.checker.terms

    def _told(self, way: NamedWay) -> NamedWay:
        """``way``, how it compares to those before it, and how sure it is."""
        if way.found is None:
            return way
        for other in self.found:
            if other.found is not None and _settings(other.found) == _settings(way.found):
                return replace(way, same_as=other.name, survives=other.survives)
        survives = way.survives if way.survives is not None else self._survived(way.found)
        return replace(
            way, found=self.beside.asking.assured(self.problem, way.found), survives=survives
        )

    def _best(
        self, constraints: Sequence[Constraint], terms: Terms, *, is_ranged: bool = True
    ) -> Best:
        """As :meth:`Beside.best`, held against the ways at hand."""
        known = [way.found for way in self.found if way.found is not None]
        return self.beside.best(constraints, terms, known, is_ranged=is_ranged)

    # --- fewest levers --------------------------------------------------------------------

    def _fewest(self) -> Iterator[NamedWay]:
        key, is_fewest = f"ways.{WayName.FEWEST}", True
        for count in range(1, len(self.smallest.actions)):
            found, bound = self._best(
                [MaxChanges(count, origin=_origin(key))],
                self.terms.excluding(few_changes(key, count)),
            )
            if found is not None:
                yield NamedWay(WayName.FEWEST, _status(found, is_fewest), found)
                return
            is_fewest &= bound == math.inf
        # None with fewer: of as many as the smallest has, it is the cheapest itself.
        yield NamedWay(WayName.FEWEST, _status(self.smallest, is_fewest), self.smallest)

    # --- most robust ----------------------------------------------------------------------

    def _robust(self) -> Iterator[NamedWay]:
        survived = self.found[0].survives
        # Without a word on the smallest's own margin there is none on a greater one.
        if survived is None:
            yield self._no_margin(self.why_none)
            return
        # The smallest is the way for all that it survives itself.
        low, best, is_most = _place(survived), self.smallest, True
        high, most = len(FACTORS), DEARER * self.smallest.cost
        while high - low > 1:
            middle = (low + high) // 2
            try:
                found, bound = self._best(*self._surviving(FACTORS[middle]), is_ranged=False)
            except NotEligible:
                yield self._no_margin(WhyNone.NO_PROOF)
                return
            if found is not None and found.cost <= most + slack(most):
                low, best = middle, found
                continue
            # It is out for certain only where nothing within that cost can do.
            high, is_most = middle, bound is not None and bound > most + slack(most)
        if low < 0:
            yield NamedWay(WayName.ROBUST, Status.INFEASIBLE if is_most else Status.UNKNOWN)
            return
        if best is not self.smallest:
            # Ranges cost more than the search: only of the one that is told.
            again, _ = self._best(*self._surviving(FACTORS[low]))
            best = again or best
        yield NamedWay(WayName.ROBUST, _status(best, is_most), best, survives=FACTORS[low])

    def _no_margin(self, why: WhyNone | None) -> NamedWay:
        self.why_none = why
        return NamedWay(WayName.ROBUST, Status.UNKNOWN, why=why)

    def _surviving(self, factor: float) -> tuple[list[Constraint], Terms]:
        key = f"ways.{WayName.ROBUST}"
        wider = tuple(factor * off for off in self.tolerances)
        demand = Survives(wider, origin=_origin(key))
        return [demand], self.terms.surviving(key, wider)

    def _survived(self, found: Counterfactual) -> float | None:
        """The greatest of the factors that one answer is proven to survive."""
        if self.why_none is not None:
            return None
        settings, origin = _settings(found), _origin("ways.alone")
        alone: list[Constraint] = [_Becomes(j, to, origin=origin) for j, to in settings.items()]
        others = set(range(len(self.problem.schema))) - settings.keys()
        alone += [Immutable(j, origin=origin) for j in sorted(others)]
        # What was demanded of it, it survives.
        low = _place(1.0) if self.problem.survives is not None else -1
        high = len(FACTORS)
        while high - low > 1:
            middle = (low + high) // 2
            demand, terms = self._surviving(FACTORS[middle])
            try:
                survives, _ = self._best([*alone, *demand], terms, is_ranged=False)
            except NotEligible:
                self.why_none = WhyNone.NO_PROOF
                return None
            low, high = (middle, high) if survives is not None else (low, middle)
        return _factor(low)

    # --- other levers ---------------------------------------------------------------------

    def _other(self) -> Iterator[NamedWay]:
        levers = sorted(_settings(self.smallest))
        is_fewest = True
        for shared in range(len(levers)):
            each = [self._leaving(c) for c in combinations(levers, len(levers) - shared)]
            found = [one for one, _ in each if one is not None]
            if found:
                best = min(found, key=lambda one: one.cost)
                # Whichever are left alone: only the least of the bounds holds of all.
                bounds = [bound for _, bound in each if bound is not None]
                bound = min(bounds) if len(bounds) == len(each) else None
                best = replace(best, lower_bound=bound)
                yield NamedWay(WayName.OTHER, _status(best, is_fewest), best)
                return
            is_fewest &= all(bound == math.inf for _, bound in each)
        yield NamedWay(WayName.OTHER, Status.INFEASIBLE if is_fewest else Status.UNKNOWN)

    def _leaving(self, levers: Sequence[int]) -> tuple[Counterfactual | None, float | None]:
        """The best answer that leaves ``levers`` alone."""
        terms, key = self.terms, f"ways.{WayName.OTHER}"
        for j in levers:
            terms = terms.excluding(stays(f"{key}.{j}", j))
        return self._best([Immutable(j, origin=_origin(f"{key}.{j}")) for j in levers], terms)


def _origin(key: str) -> Origin:
    return Origin(Source.REQUEST, key)


def _settings(found: Counterfactual) -> dict[int, float]:
    return {action.column: action.counterfactual for action in found.actions}


def _status(found: Counterfactual, is_best: bool) -> Status:
    return Status.OPTIMAL if is_best and found.gap == 0.0 else Status.FEASIBLE


def _place(factor: float) -> int:
    """Of a factor among :data:`FACTORS`; -1 of none."""
    return FACTORS.index(factor) if factor else -1


def _factor(place: int) -> float:
    return FACTORS[place] if place >= 0 else 0.0
