"""One search for all questions that an engine cannot tell apart.

For tables of many rows: of equipment whose levers stand still for hours, while sensors that nobody
sets read a little more or less. What is shared is what was *proposed and proven*; every answer is
then confirmed for its own row, by the checker and the deployed model, as if it had been searched.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, replace
from threading import Lock
from typing import Protocol, runtime_checkable
from weakref import WeakKeyDictionary

import numpy as np

from ifonly.explainers.deadline import Deadline
from ifonly.explainers.problem import Problem
from ifonly.explainers.remembered import Remembered
from ifonly.explainers.search.engine import Engine, Meter, SearchOutcome
from ifonly.explainers.search.trees.alike import Likeness
from ifonly.explainers.search.trees.reach import TreeReach
from ifonly.explainers.target import Target
from ifonly.models.predictor import Row, Rows, Scores

MOST = 4_096
"""Searches that are remembered."""
ROUND, LOOKS, WORTH = 4_096, 256, 0.05
"""Of so many questions the first so many are compared with those before, the others where at least
such a share of them was shared."""


@runtime_checkable
class Discerning(Engine, Protocol):
    """An engine that says what it sees of a question."""

    def likeness(self, problem: Problem) -> Likeness | None:
        """The same of questions that it cannot tell apart; None: of this one it sees all."""
        ...

    def reach(self, target: Target) -> TreeReach:
        """What it knows of boxes of rows."""
        ...


@dataclass(frozen=True, eq=False)
class _SharedSearch:
    """What was found, and what its key names by identity: kept, so that no name is given again."""

    found: SearchOutcome | tuple[float, float]
    about: tuple[object, ...]


class Sharing:
    """An engine that searches once for all questions that ``engine`` cannot tell apart.

    Says what ``engine`` would say, to the last bit; what the deadline cut, or was not proven, is
    searched again.
    """

    def __init__(self, engine: Discerning, most: int = MOST) -> None:
        self._engine = engine
        self._known = Remembered[tuple[Hashable, ...], _SharedSearch](most)
        self._seen: WeakKeyDictionary[Problem, Likeness | None] = WeakKeyDictionary()
        self._lock = Lock()
        self._asked = self._shared_before = 0
        self.shared = 0
        """Searches that were not needed."""

    @property
    def name(self) -> str:
        return self._engine.name

    @property
    def table_bytes(self) -> int:
        return int(getattr(self._engine, "table_bytes", 0))

    def reach(self, target: Target) -> TreeReach:
        return self._engine.reach(target)

    def search(self, problem: Problem, meter: Meter, deadline: Deadline) -> SearchOutcome:
        like = self._likeness(problem)
        if like is None:
            return self._engine.search(problem, meter, deadline)
        known = self._known.get(like.key)
        if known is not None:
            assert isinstance(known.found, SearchOutcome)
            self.shared += 1
            return _of(known.found, problem, like)
        found = self._engine.search(problem, meter, deadline)
        if found.is_proven(problem) and not found.deadline_hit:
            self._known.keep(like.key, _SharedSearch(found, like.about))
        return found

    def _likeness(self, problem: Problem) -> Likeness | None:
        with self._lock:
            if problem in self._seen:
                return self._seen[problem]
            self._asked += 1
            # Where rows are never alike it is not worth finding that out of each.
            if self._asked > ROUND:
                self._asked, self._shared_before = 1, self.shared
            looks = self._asked <= LOOKS or self.shared - self._shared_before > WORTH * self._asked
            if not looks:
                self._seen[problem] = None
                return None
        found = self._engine.likeness(problem)
        with self._lock:
            self._seen[problem] = found
        return found

    def nearest(self, problem: Problem, meter: Meter, deadline: Deadline) -> Scores | None:
        return self._engine.nearest(problem, meter, deadline)

    def sufficient_range(
        self, problem: Problem, meter: Meter, row: Row, column: int
    ) -> tuple[float, float]:
        like = self._likeness(problem)
        if like is None:
            return self._engine.sufficient_range(problem, meter, row, column)
        key = (*like.key, column, np.delete(row, like.idle).tobytes())
        known = self._known.get(key)
        if known is None:
            ends = self._engine.sufficient_range(problem, meter, row, column)
            self._known.keep(key, _SharedSearch(ends, like.about))
            return ends
        assert isinstance(known.found, tuple)
        return known.found


def _of(found: SearchOutcome, problem: Problem, like: Likeness) -> SearchOutcome:
    """What was found for one question, of another that is like it: idle features as they are."""

    def own(rows: Rows) -> Rows:
        moved = rows.copy()
        moved[..., like.idle] = problem.factual[like.idle]
        return moved

    unsure = None if found.unsure is None else own(found.unsure)
    return replace(found, candidates=own(found.candidates), unsure=unsure)
