"""Is there a row in the target that has given readings? By whoever can tell, for any engine."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol

import numpy as np

from ifonly.explainers.constraints import Immutable, Origin, Source
from ifonly.explainers.deadline import Deadline
from ifonly.explainers.errors import DeadlineReached, NotEligible
from ifonly.explainers.problem import Problem
from ifonly.explainers.search.engine import NOBODY, Engine, Meter
from ifonly.explainers.space import changed
from ifonly.models.predictor import Row, Rows

HELD = Origin(Source.REQUEST, "held")
GUESSES = 256
"""Reference rows, and rows at random, that are tried before a search."""


class Contradictions(Protocol):
    """Rows in the target of one problem, with some features held."""

    @property
    def told_by(self) -> str:
        """Name of the engine that told so far; :data:`NOBODY` before."""
        ...

    def find(self, held: Iterable[int]) -> Row | None:
        """A row in the target that has the factual's readings of ``held``; None: proven that there
        is none.

        Raises
        ------
        NotEligible
            If this is not who can tell.
        DeadlineReached
            If it was not told in time.
        """
        ...


@dataclass(eq=False)
class SearchedContradictions:
    """The same as a question for an engine: the cheapest row of a problem with features frozen."""

    engine: Engine
    problem: Problem
    meter: Meter
    deadline: Deadline
    share: float = 0.25
    """Of the time that is left, for one question."""
    told_by: str = NOBODY

    def find(self, held: Iterable[int]) -> Row | None:
        kept = tuple(Immutable(j, origin=HELD) for j in sorted(held))
        asked = replace(self.problem, constraints=(*self.problem.constraints, *kept))
        until = self.deadline.sooner(self.share)
        found = self.engine.search(asked, self.meter.until(until), until)
        self.told_by = found.engine or self.engine.name
        if len(found.candidates):
            row: Row = found.candidates[0]
            return row
        if found.is_infeasible:
            return None
        raise DeadlineReached("neither a row nor a proof that there is none was found in time")


@dataclass(eq=False)
class GuessedContradictions:
    """Reference rows and rows at random, with the factual's readings of what is held: put to the
    model in one call, where a search is dear. Proves nothing."""

    problem: Problem
    meter: Meter
    told_by: str = NOBODY

    def find(self, held: Iterable[int]) -> Row | None:
        """Raises
        ------
        NotEligible
            If none of the rows is in the target.
        DeadlineReached
        """
        rows = self._rows.copy()
        columns = list(held)
        rows[:, columns] = self.problem.factual[columns]
        rows = rows[self.problem.allowed(rows)]
        found = np.flatnonzero(self.problem.target.met(self.meter.score(rows)))
        if not len(found):
            raise NotEligible("guesses", "none of them is in the target")
        # The one that differs in the fewest readings says the most.
        fewest = np.argmin(changed(rows[found], self.problem.factual).sum(axis=1))
        row: Row = rows[found[fewest]]
        return row

    @cached_property
    def _rows(self) -> Rows:
        """``(n, n_features)``, every value on its axis."""
        problem, draw = self.problem, np.random.default_rng(self.problem.seed)
        some = problem.references
        if some is None or not len(some):
            some = np.empty((0, len(problem.schema)))
        some = some[draw.permutation(len(some))[:GUESSES]]
        columns = []
        for j, (axis, own) in enumerate(zip(problem.axes, problem.factual, strict=True)):
            numbers = len(axis) - axis.has_missing
            if not numbers:
                columns.append(np.full(len(some) + GUESSES, own))
                continue
            seen = np.where(np.isnan(some[:, j]), axis.low, some[:, j])
            drawn = axis.values(draw.integers(numbers, size=GUESSES))
            columns.append(np.concatenate([axis.nearest(seen), drawn]))
        return np.stack(columns, axis=1)


@dataclass(frozen=True, eq=False)
class OneOfMany:
    """Rows in the target of any of some problems, asked one after the other; each of the first who
    can tell."""

    each: tuple[tuple[Contradictions, ...], ...]

    @property
    def told_by(self) -> str:
        """All who told, joined by ``+``."""
        names = {who.told_by for several in self.each for who in several} - {NOBODY}
        return "+".join(sorted(names)) or NOBODY

    def find(self, held: Iterable[int]) -> Row | None:
        columns = tuple(held)
        late: DeadlineReached | None = None
        for who in self.each:
            try:
                found = _first(who, columns)
            # A row in another target settles it all the same.
            except DeadlineReached as error:
                late = error
                continue
            if found is not None:
                return found
        if late is not None:
            raise late
        return None


def _first(who: tuple[Contradictions, ...], held: tuple[int, ...]) -> Row | None:
    for one in who[:-1]:
        with suppress(NotEligible):
            return one.find(held)
    return who[-1].find(held)


def contradictions(
    engine: Engine, problems: Iterable[Problem], meter: Meter, deadline: Deadline
) -> Contradictions:
    """Rows in the target of any of ``problems``, which differ in that alone."""
    return OneOfMany(tuple(tuple(_who(engine, p, meter, deadline)) for p in problems))


def _who(
    engine: Engine, problem: Problem, meter: Meter, deadline: Deadline
) -> Iterable[Contradictions]:
    for each in getattr(engine, "engines", (engine,)):
        # Asked for by name, as `reach`: one engine of several can tell of boxes.
        own = getattr(each, "contradictions", None)
        if own is not None:
            with suppress(NotEligible):
                yield own(problem, meter, deadline)
    yield GuessedContradictions(problem, meter)
    yield SearchedContradictions(engine, problem, meter, deadline)
