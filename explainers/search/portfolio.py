"""Which engine answers: the exact ones first, then the one that can answer anything."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from ifonly.explainers.consequences import Met, is_redrawn
from ifonly.explainers.constraints import Mask
from ifonly.explainers.deadline import Deadline
from ifonly.explainers.errors import DeadlineReached, NotEligible
from ifonly.explainers.problem import Problem
from ifonly.explainers.search.blackbox import Blackbox
from ifonly.explainers.search.carried_out import range_carried_out, search_carried_out
from ifonly.explainers.search.engine import NOBODY, Engine, Meter, SearchOutcome, reaches
from ifonly.explainers.search.profiles import Profiles
from ifonly.explainers.target import Target
from ifonly.models.graph.forms import (
    Affine,
    Composition,
    GraphForm,
    ReluNetwork,
    TreeEnsemble,
    UnitNetwork,
)
from ifonly.models.predictor import Predictor, Row, Rows, Scores
from ifonly.models.rounding import rounding_of
from ifonly.models.schema import Schema
from ifonly.models.window import window_of

if TYPE_CHECKING:
    from ifonly.explainers.search.trees.reach import TreeReach  # with its solver, as below

MOST_BESIDE, MOST_ALONE = 200_000, 800_000
"""Actions of a window that are scored one and all, beside an exact engine and without."""
EXACT_SHARE = 0.8
"""Part of the time that is left which an exact engine may take before the others look too."""
SHARE_ONCE_FOUND = 0.95
"""The same of one that has found a row: others rarely find a cheaper one, and prove nothing."""
WARM_SECONDS = 0.5
"""For the search of each engine that is warmed; building tables may take longer."""


def engines_for(form: GraphForm | None, schema: Schema) -> Portfolio:
    """The engines for one deployed model: exact ones where its graph could be read.

    Made once, when the model is loaded: an exact engine holds tables of the whole model.
    """
    engines: list[Engine] = []
    if form is not None:
        ways = [form] if form.nodes is None else [form, form.nodes]
        for each in ways:
            for make in _exact(each):
                # A graph that its engine cannot read is left to the next.
                with suppress(NotEligible):
                    engines.append(make(each, schema))
    if window_of(schema) is not None:
        # Few actions are scored sooner than a program is solved; trees are quicker than either.
        own = Profiles(MOST_BESIDE if engines else MOST_ALONE)
        is_first = form is None or not isinstance(form.core, TreeEnsemble)
        engines.insert(0 if is_first else len(engines), own)
    return Portfolio((*engines, Blackbox()))


def _exact(form: GraphForm) -> tuple[Callable[[GraphForm, Schema], Engine], ...]:
    """The engines for graphs of that kind, the best first. What they make raises `NotEligible` of a
    graph that it cannot read."""
    # Imported here: each brings its solver, and most deployments need one of them.
    match form.core:
        case Affine():
            from ifonly.explainers.search.linear import Linear

            return (Linear,)
        case UnitNetwork() if not form.core.layers:
            from ifonly.explainers.search.linear import Linear

            return (Linear,)
        case ReluNetwork() | UnitNetwork():
            from ifonly.explainers.search.networks.engine import Networks
            from ifonly.explainers.search.relu import Relu

            # HiGHS takes what follows from what is set, and knows how far values may go.
            return Networks, Relu
        case Composition():
            from ifonly.explainers.search.composed.engine import BoxEngine

            return (BoxEngine,)
    from ifonly.explainers.search.trees.engine import Trees

    return (Trees,)


def reach_of(engine: Engine, target: Target) -> TreeReach | None:
    """What an engine knows of boxes of rows by one target; None where it sees rows alone."""
    for each in getattr(engine, "engines", (engine,)):
        # Asked for by name: one engine of several can tell, and none needs to.
        reach = getattr(each, "reach", None)
        if reach is not None:
            with suppress(NotEligible):
                found: TreeReach = reach(target)
                return found
    return None


def met_by(engine: Engine, problem: Problem, score: Callable[[Rows], Scores]) -> Met:
    """Which rows are in the target: by what an engine knows of them; the model, ``score``, is asked
    where it is within rounding of the edge."""
    margin, reach = problem.margin(score), reach_of(engine, problem.target)

    def met(rows: Rows) -> Mask:
        if reach is None:
            return np.asarray(margin(rows) >= 0.0)
        inside, known = reach.tell(rows)
        if not known.all():
            inside[~known] = margin(rows[~known]) >= 0.0
        return inside

    return met


@dataclass(frozen=True)
class Portfolio:
    """Engines in order of preference; each says itself whether a question is for it.

    The first that proves its answer ends the search. What is not proven is passed on, and the
    cheapest row found is kept with the best bound known.
    """

    engines: Sequence[Engine]

    @property
    def name(self) -> str:
        return "portfolio"

    def warm(self, problem: Problem, predictor: Predictor) -> None:
        """Build now, in each engine, what the first question with the target of ``problem`` would
        otherwise wait for."""
        # As `explain` asks: tables and limits of another target would not be found again.
        problem = problem.firm(rounding_of(predictor)).now
        for engine in self.engines:
            # It builds nothing, asks the model anew each time, and would hunt to its deadline.
            if isinstance(engine, Blackbox):
                continue
            deadline = Deadline.after(WARM_SECONDS)
            meter = Meter(predictor, deadline)
            with suppress(NotEligible, DeadlineReached):
                engine.search(problem, meter, deadline)
                engine.nearest(problem, meter, deadline)

    @property
    def table_bytes(self) -> int:
        """Bytes of the tables that are held at present."""
        return sum(int(getattr(engine, "table_bytes", 0)) for engine in self.engines)

    def search(self, problem: Problem, meter: Meter, deadline: Deadline) -> SearchOutcome:
        if is_redrawn(problem.consequences):
            survive = next((e.surviving for e in self.engines if hasattr(e, "surviving")), None)
            return search_carried_out(self._search, problem, meter, deadline, survive)
        return self._search(problem, meter, deadline)

    def _search(self, problem: Problem, meter: Meter, deadline: Deadline) -> SearchOutcome:
        best: SearchOutcome | None = None
        for rank, engine in enumerate(self.engines):
            is_last = rank == len(self.engines) - 1
            # An exact engine that runs out of time must leave some for a row, proven or not.
            until = deadline if is_last else deadline.sooner(EXACT_SHARE, SHARE_ONCE_FOUND)
            try:
                found = engine.search(problem, meter.until(until), until)
            except NotEligible:
                continue
            found = replace(found, engine=found.engine or engine.name)
            best = found if best is None else _better(problem, best, found)
            # A proof cannot be bettered.
            if best.is_proven(problem) or deadline.expired():
                break
        return best or SearchOutcome(np.empty((0, len(problem.schema))), engine=NOBODY)

    def reaches(self, problem: Problem, meter: Meter, deadline: Deadline) -> Row | bool | None:
        """As :func:`ifonly.explainers.search.engine.reaches`, by the first engine that can tell; of
        actions that are carried out at once."""
        problem = problem.now
        for rank, engine in enumerate(self.engines):
            is_last = rank == len(self.engines) - 1
            until = deadline if is_last else deadline.sooner(EXACT_SHARE)
            with suppress(NotEligible):
                found = reaches(engine, problem, meter.until(until), until)
                if found is not None:
                    return found
            if deadline.expired():
                break
        return None

    def nearest(self, problem: Problem, meter: Meter, deadline: Deadline) -> Scores | None:
        problem = problem.now
        for engine in self.engines:
            with suppress(NotEligible):
                found = engine.nearest(problem, meter, deadline)
                if found is not None:
                    return found
        return None

    def sufficient_range(
        self, problem: Problem, meter: Meter, row: Row, column: int
    ) -> tuple[float, float]:
        if is_redrawn(problem.consequences):
            ends = self.sufficient_range(problem.now, meter, row, column)
            return range_carried_out(problem, meter, row, column, ends)
        # The exact ones know the model; the last asks it value by value.
        for engine in self.engines[:-1]:
            try:
                return engine.sufficient_range(problem, meter, row, column)
            except NotEligible:
                continue
        return self.engines[-1].sufficient_range(problem, meter, row, column)


def _better(problem: Problem, one: SearchOutcome, other: SearchOutcome) -> SearchOutcome:
    """The cheaper rows, the higher bound, and the name of the engine that found the rows."""
    first, second = _cost(problem, one), _cost(problem, other)
    cheaper, dearer = (one, other) if first <= second and first < math.inf else (other, one)
    bounds = [b for b in (one.lower_bound, other.lower_bound) if b is not None]
    return replace(
        cheaper,
        # The dearer rows behind: they are there if a cheaper one is not verified.
        candidates=np.concatenate([cheaper.candidates, dearer.candidates]),
        # Every bound holds, so the highest does.
        lower_bound=max(bounds, default=None),
        nearest=cheaper.nearest if cheaper.nearest is not None else dearer.nearest,
        unsure=cheaper.unsure if cheaper.unsure is not None else dearer.unsure,
        deadline_hit=one.deadline_hit or other.deadline_hit,
        enumerated=max(one.enumerated, other.enumerated),
        same_by_main=False,
    )


def _cost(problem: Problem, outcome: SearchOutcome) -> float:
    if not len(outcome.candidates):
        return math.inf
    return float(problem.cost_of(outcome.candidates[:1])[0])
