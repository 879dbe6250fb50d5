"""Which questions the compiled search cannot tell apart, so that one search answers all of them.

A feature is *idle* in a question if it keeps its factual value whatever is set, and nobody reads
that value but the model: it cannot be set, no rule, no sum and no range speaks of it, and nothing
follows from it or makes it follow. The search then sees of it the cell that its value is
in and, where answers must survive the sensors, the cells of the least and the greatest reading
within its tolerance; nothing else. Two questions under the same constraints, target, costs and laws
that have the same values of all other features and the same cells of the idle ones are the same
arrays: the search, which is deterministic, does the same with both, row by row and box by box.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ifonly.explainers.constraints import Constraint, Immutable
from ifonly.explainers.constraints.forms import (
    Implication,
    MostSet,
    OneStays,
    OwnValues,
    Readings,
    SetTogether,
    StaysRead,
    Within,
)
from ifonly.explainers.problem import Problem
from ifonly.explainers.remembered import Remembered
from ifonly.explainers.search.trees.layout import Layout
from ifonly.explainers.search.trees.question_building import readings_of

Columns = npt.NDArray[np.int64]

_MADE_ANEW = (Readings, MostSet, OneStays)
"""Forms that are told by what they say."""


@dataclass(frozen=True, eq=False)
class Likeness:
    """What the search sees of a question."""

    key: tuple[Hashable, ...]
    """The same of questions that it cannot tell apart, as long as :attr:`about` are kept."""
    idle: Columns
    """Columns of which it sees cells alone."""
    about: tuple[object, ...]
    """What the key names by identity."""


class Likenesses:
    """What the compiled search of one model sees of questions."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        # What is read of a question follows from its constraints and laws, which are the same
        # objects for all questions of a table.
        self._idle = Remembered[tuple[Hashable, ...], tuple[tuple[object, ...], Columns | None]](64)

    def of(self, problem: Problem) -> Likeness | None:
        """What it sees of a question; None where that is all of it."""
        about: tuple[object, ...] = (problem.target, problem.cost, problem.consequences)
        kept = tuple(c for c in problem.constraints if not isinstance(c.form, _MADE_ANEW))
        terms = (*map(id, about), *map(_named, problem.constraints))
        known = self._idle.get(terms)
        if known is None:
            known = (*about, *kept), _idle(problem)
            self._idle.keep(terms, known)
        about, idle = known
        if idle is None:
            return None
        factual, layout = problem.factual, self._layout
        values = [factual[j : j + 1] for j in range(len(factual))]
        cells = np.concatenate(layout.cells_of(values))[idle]
        near, far = readings_of(problem, layout, values)
        ends = np.concatenate([near[idle], far[idle]]) if len(near) else near
        key = (
            *terms,
            problem.seed,
            problem.below,
            np.delete(factual, idle).tobytes(),
            cells.tobytes(),
            ends.tobytes(),
        )
        return Likeness(key, idle, about)


def _idle(problem: Problem) -> Columns | None:
    """Features of which the search sees cells alone; None: there is none, or it cannot be told."""
    read = _read(problem)
    if read is None:
        return None
    frozen = {c.column for c in problem.constraints if isinstance(c, Immutable)}
    features = enumerate(problem.schema.features)
    stays = {j for j, f in features if f.resolution is None and not f.kind.is_categorical}
    found = sorted((frozen | stays) - read)
    return np.array(found, dtype=np.int64) if found else None


def _named(constraint: Constraint) -> Hashable:
    """One constraint: those of a model and of a table are the same objects for all questions, but
    for some that are made anew with each."""
    form = constraint.form
    return form if isinstance(form, _MADE_ANEW) else id(constraint)


def _read(problem: Problem) -> frozenset[int] | None:
    """Columns whose values somebody reads besides the model; None if that cannot be told."""
    found = set[int]()
    for constraint in problem.constraints:
        match constraint.form:
            # They speak of what a feature is set to, of how many are, of what is missing.
            case OwnValues() | StaysRead() | Readings() | MostSet() | OneStays():
                pass
            # A reading that stays may be outside, and then nothing is left.
            case Within(column=column):
                found.add(column)
            case Implication(columns=columns):
                found |= columns
            case SetTogether():
                found |= constraint.columns
            case _:
                return None
    found |= frozenset(_causal(problem))
    return frozenset(found)


def _causal(problem: Problem) -> Iterator[int]:
    """Columns from which something follows, and those that do."""
    if problem.consequences is None:
        return
    for j in range(len(problem.schema)):
        effects = problem.consequences.effects([j])
        if effects:
            yield j
            yield from effects
