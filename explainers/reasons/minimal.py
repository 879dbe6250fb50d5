"""Minimal sufficient sets of features: by deletion, and the smallest by what they must meet.

A row that is decided otherwise differs from the instance in a set of features: a *contrast*. A
sufficient set has an element of each contrast; so the smallest set that meets all contrasts known
is either sufficient, and then no smaller one is, or leaves a row that gives another contrast
(Reiter 1987; Ignatiev, Narodytska, Asher and Marques-Silva 2020; Liffiton et al. 2016, who list all
so). Contrasts are made minimal first: the fewer elements, the more they say.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from ifonly.explainers.deadline import Deadline
from ifonly.explainers.errors import DeadlineReached
from ifonly.explainers.reasons.hitting import bits, smallest
from ifonly.explainers.search.contradiction import Contradictions
from ifonly.explainers.space import differing
from ifonly.models.predictor import Row


@dataclass(frozen=True)
class MinimalSet:
    """A sufficient set, as bits."""

    columns: int
    is_minimal: bool
    """Whether of each of its features a contrast has that one alone in common with it."""


@dataclass(eq=False)
class SetSearch:
    """The search of one instance's sufficient sets."""

    factual: Row
    movable: Sequence[int]
    """Features that may read something else, those first that are rather kept."""
    rows: Contradictions
    deadline: Deadline
    contrasts: dict[int, Row] = field(default_factory=dict)
    """By the features in which they differ: rows that are decided otherwise."""
    minimal: set[int] = field(default_factory=set)
    """Contrasts of which no part is one."""
    found: list[MinimalSet] = field(default_factory=list)
    at_least: int = 0
    """No smaller set is sufficient."""
    is_complete: bool = False
    """Whether all minimal sets were found."""
    deadline_hit: bool = False

    def run(self, most: int) -> None:
        """Find up to ``most`` sets, the smallest first; what is known at the deadline stays."""
        whole = self._all
        try:
            first = self.deleted(whole)
            if first is None:
                return
            self.found.append(first)
            self._by_size(most)
        except DeadlineReached:
            self.deadline_hit = True
        self.found.sort(key=lambda s: (s.columns.bit_count(), self._places(s.columns)))

    @property
    def _all(self) -> int:
        return sum(1 << j for j in self.movable)

    def _places(self, columns: int) -> list[int]:
        return [k for k, j in enumerate(self.movable) if columns >> j & 1]

    def deleted(self, columns: int) -> MinimalSet | None:
        """What is left of a sufficient set once each of its features was left out that is not
        needed, those last in order first; None if nothing is known of any."""
        kept, is_minimal, is_known = columns, True, False
        for j in reversed(self.movable):
            if not kept >> j & 1:
                continue
            try:
                if self.otherwise(kept & ~(1 << j)) is None:
                    kept &= ~(1 << j)
                is_known = True
            # Not told in time: it stays, and nobody says that it must.
            except DeadlineReached:
                self.deadline_hit = True
                is_minimal = False
        return MinimalSet(kept, is_minimal) if is_known or not columns else None

    def otherwise(self, held: int) -> int | None:
        """A contrast that has nothing in common with ``held``; None: it is sufficient.

        Raises
        ------
        DeadlineReached
        """
        for contrast in self.contrasts:
            if not contrast & held:
                return contrast
        row = self.rows.find(bits(held))
        if row is None:
            return None
        contrast = sum(1 << j for j in differing(row.tolist(), self.factual.tolist()))
        self.contrasts.setdefault(contrast, row)
        return contrast

    def _reduced(self, contrast: int) -> int:
        """A minimal contrast within one: as few features as the decision needs to turn."""
        if contrast in self.minimal:
            return contrast
        rest = contrast
        for j in reversed(self.movable):
            if rest >> j & 1 and rest.bit_count() > 1:
                # Another contrast within it, which need not be all of the rest.
                less = self.otherwise(self._all & ~(rest & ~(1 << j)))
                rest = rest if less is None else less
        self.minimal.add(rest)
        return rest

    def _by_size(self, most: int) -> None:
        """All minimal sets in the order of their size, until there are so many."""
        # By what deletion has seen already: a bound that stays if the time ends in between.
        least = smallest(sorted(self.contrasts), [], self.movable, check=self.deadline.check)
        self.at_least = 0 if least is None else least.bit_count()
        for contrast in list(self.contrasts):
            self._reduced(contrast)
        first, self.found[:] = list(self.found), []
        try:
            while len(self.found) < most:
                known = [s.columns for s in self.found]
                # Before the deadline is looked at: nothing smaller than this is sufficient.
                columns = smallest(
                    sorted(self.minimal), known, self.movable, self.at_least, self.deadline.check
                )
                if columns is None:
                    self.is_complete = True
                    return
                if not self.found:
                    self.at_least = columns.bit_count()
                self.deadline.check()
                against = self.otherwise(columns)
                if against is None:
                    self.found.append(MinimalSet(columns, is_minimal=True))
                else:
                    self._reduced(against)
        finally:
            known = [s.columns for s in self.found]
            # What deletion has found stays told, where the search was cut before it came to it.
            cut = not self.is_complete and len(self.found) < most
            self.found.extend(s for s in first if cut and s.columns not in known)

    def witness_of(self, columns: int, column: int) -> Row | None:
        """A row that shows that ``column`` is needed in a minimal set; None if it is not."""
        contrast = self.otherwise(columns & ~(1 << column))
        return None if contrast is None else self.contrasts[contrast]
