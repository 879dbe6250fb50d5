"""The menu of levers: which few of them can, by themselves, and which provably cannot.

For every set of at most so many levers either its cheapest answer or the proof that it has none
(decision 0136). A set is a question of its own, the same question with all other levers left alone;
what is known of one says much of others, so that few of them are asked.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations

from ifonly.explainers.answer import Answer, Counterfactual, Infeasible, Recourse, Work
from ifonly.explainers.beside import Beside, together
from ifonly.explainers.constraints import Immutable, Origin, Source
from ifonly.explainers.errors import NotEligible
from ifonly.explainers.problem import Problem
from ifonly.explainers.space import slack
from ifonly.explainers.terms import MENU_KEY, Status
from ifonly.explainers.verify.limits import stays

Levers = frozenset[int]


@dataclass(frozen=True)
class MenuEntry:
    """What a set of levers can do by itself."""

    levers: tuple[int, ...]
    """Columns, ascending."""
    status: Status
    """``optimal``: :attr:`found`, or that of :attr:`same_as`, is proven to be the cheapest with no
    other levers. ``feasible``: it flips; something cheaper may exist. ``infeasible``: proven that
    nothing does that sets no others. ``unknown``: neither was decided."""
    found: Counterfactual | None = None
    """What sets all of them."""
    same_as: tuple[int, ...] | None = None
    """Those of them that the cheapest sets, where it leaves the others alone; their own entry has
    it."""


@dataclass(frozen=True)
class Menu:
    """All sets of levers, the smallest first, and what it took."""

    max_levers: int
    levers: tuple[int, ...]
    """Those that sets were made of."""
    entries: tuple[MenuEntry, ...]
    work: Work
    asked: int = 0
    """How many sets were put to an engine; the others follow from what is known of these."""


def levers_of(problem: Problem) -> tuple[int, ...]:
    """Columns that may be set at all, ascending."""
    axes, factual = problem.axes_if_set, problem.factual.tolist()
    return tuple(j for j, axis in enumerate(axes) if len(axis) > (factual[j] in axis))


def menu(
    beside: Beside, answer: Answer, max_levers: int, *, only: Sequence[int] | None = None
) -> Menu:
    """What every set of at most ``max_levers`` can do by itself.

    Parameters
    ----------
    beside : Beside
        What was asked, and whoever is asked further: all sets within its time.
    answer : Answer
        What was answered; not that the target is met already.
    max_levers : int
        1 or more.
    only : sequence of int, optional
        Columns of which sets are made; None: of all that may be set.

    Raises
    ------
    GraphError
        If the model cannot score rows.
    """
    levers = levers_of(beside.problem)
    chosen = levers if only is None else tuple(j for j in levers if j in only)
    return _Making(beside, levers, chosen, min(max_levers, len(chosen)), max_levers).menu(answer)


def count_of_sets(n_levers: int, most: int) -> int:
    """How many sets of at most ``most`` levers there are."""
    return sum(math.comb(n_levers, k) for k in range(1, most + 1))


def sets_of(levers: Sequence[int], most: int) -> Iterator[Levers]:
    """All sets of at most ``most`` of ``levers``, the smallest first, in order."""
    for count in range(1, min(most, len(levers)) + 1):
        yield from map(frozenset, combinations(levers, count))


@dataclass
class _Making:
    beside: Beside
    every: tuple[int, ...]
    """All that may be set."""
    levers: tuple[int, ...]
    most: int
    asked_for: int
    known: dict[Levers, MenuEntry] = field(default_factory=dict)
    best: dict[Levers, Counterfactual] = field(default_factory=dict)
    """What was found, by what it sets."""
    asked: int = 0

    def menu(self, answer: Answer) -> Menu:
        each = list(sets_of(self.levers, self.most))
        self._note_answer(answer, each)
        whole = self.beside.asking.deadline
        # The largest first: what they cannot, no part of them can; and their cheapest is that of
        # every set between what it sets and them.
        order = sorted(each, key=lambda s: (-len(s), sorted(s)))
        for place, some in enumerate(order):
            if some in self.known:
                continue
            # Each has its share of the time, so that a hard one leaves some to the others.
            left = sum(s not in self.known for s in order[place:])
            self.beside.until(whole.sooner(min(1.0, 2.0 / left)))
            self._ask(some, each)
        self.beside.until(whole)
        entries = tuple(self._unrefuted(self.known[some]) for some in each)
        return Menu(self.asked_for, self.levers, entries, self.beside.work("menu"), self.asked)

    def _note_answer(self, answer: Answer, each: Sequence[Levers]) -> None:
        """What the answer to the whole question says of sets."""
        if isinstance(answer, Infeasible):
            for some in each:
                self._note(some, Status.INFEASIBLE)
        if isinstance(answer, Recourse):
            first = answer.counterfactuals[0]
            # Of answers that rest on rounding nothing is proven of firmer ones.
            if not first.rests_on_rounding:
                self._note_found(frozenset(self.every), first, _is_optimal(first), each)

    def _ask(self, some: Levers, each: Sequence[Levers]) -> None:
        self.asked += 1
        others = [j for j in self.every if j not in some]
        terms = self.beside.checker.terms
        for j in others:
            terms = terms.excluding(stays(f"{MENU_KEY}.{j}", j))
        constraints = [
            Immutable(j, origin=Origin(Source.REQUEST, f"{MENU_KEY}.{j}")) for j in others
        ]
        try:
            found, bound = self.beside.best(constraints, terms, self.best.values(), is_ranged=False)
        except NotEligible:
            found, bound = None, None
        if found is not None:
            self._note_found(some, found, _is_optimal(found), each)
        elif bound == math.inf:
            for part in each:
                if part <= some:
                    self._note(part, Status.INFEASIBLE)
        else:
            self._note(some, Status.UNKNOWN)

    def _note_found(
        self, some: Levers, found: Counterfactual, is_optimal: bool, each: Sequence[Levers]
    ) -> None:
        """``found`` is what was found with no other levers than ``some``."""
        own = frozenset(a.column for a in found.actions)
        self.best.setdefault(own, found)
        status = Status.OPTIMAL if is_optimal else Status.FEASIBLE
        for other in each:
            # What is cheapest in a set is cheapest in each part of it that has all that it sets.
            if own <= other <= some and (is_optimal or other == some):
                self._note(other, status, own)

    def _note(self, some: Levers, status: Status, own: Levers | None = None) -> None:
        if some in self.known:
            return
        found = self.best[own] if own == some else None
        same_as = None if own is None or own == some else tuple(sorted(own))
        self.known[some] = MenuEntry(tuple(sorted(some)), status, found, same_as)

    def _unrefuted(self, entry: MenuEntry) -> MenuEntry:
        """``entry``, its claim taken back where an answer at hand is cheaper."""
        own = frozenset(entry.levers)
        cheapest = min(
            (one for sets, one in self.best.items() if sets <= own and not one.rests_on_rounding),
            key=lambda one: one.cost,
            default=None,
        )
        if entry.status is not Status.OPTIMAL or cheapest is None:
            return entry
        told = self.best[frozenset(entry.same_as or entry.levers)]
        if told.cost <= cheapest.cost + slack(cheapest.cost):
            return entry
        claim = f"menu: nothing below {told.cost} was claimed, and it costs {cheapest.cost}"
        self.beside.asking.reject(cheapest.row, (claim,))
        return replace(entry, status=Status.FEASIBLE)


def _is_optimal(found: Counterfactual) -> bool:
    return found.gap == 0.0


def with_work(answer: Answer, found: Menu) -> Answer:
    """``answer`` with the work of its menu as well."""
    return replace(answer, work=together(answer.work, found.work))
