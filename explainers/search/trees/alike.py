"""Which questions the compiled search cannot tell apart, so that one search answers all of them.

A feature is *idle* in a question if it keeps its factual value whatever is set, and nobody reads
that value but the model: it has no other value to be set to, no rule and no sum speaks of it, and
nothing follows from it or makes it follow. The search then sees of it the cell that its value is
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

from ifonly.explainers.constraints import Constraint
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
from ifonly.explainers.search.trees.layout import Layout
from ifonly.explainers.search.trees.question_building import readings_of

_MADE_ANEW = (Readings, MostSet, OneStays)
"""Forms that are told by what they say."""


@dataclass(frozen=True, eq=False)
class Likeness:
    """What the search sees of a question."""

    key: tuple[Hashable, ...]
    """The same of questions that it cannot tell apart, as long as :attr:`about` are kept."""
    idle: npt.NDArray[np.int64]
    """Columns of which it sees cells alone."""
    about: tuple[object, ...]
    """What the key names by identity."""


def likeness(problem: Problem, layout: Layout) -> Likeness | None:
    """What the search sees of a question; None where that is all of it."""
    read = _read(problem)
    if read is None:
        return None
    axes, factual = problem.single_axes, problem.factual
    idle = [
        j
        for j in range(len(factual))
        if j not in read and len(axes[j]) == 1 and float(factual[j]) in axes[j]
    ]
    if not idle:
        return None
    others = np.delete(factual, idle)
    values = [factual[j : j + 1] for j in range(len(factual))]
    cells = np.concatenate(layout.cells_of(values))[idle]
    near, far = readings_of(problem, layout, values)
    ends = np.concatenate([near[idle], far[idle]]) if len(near) else near
    about = (problem.target, problem.cost, problem.consequences)
    named = [_named(constraint) for constraint in problem.constraints]
    kept = tuple(c for c in problem.constraints if not isinstance(c.form, _MADE_ANEW))
    key = (
        *map(id, about),
        *named,
        problem.seed,
        bytes(idle) if max(idle) < 256 else tuple(idle),
        others.tobytes(),
        cells.tobytes(),
        ends.tobytes(),
        # Of a feature that the model does not read a missing value has no cell of its own.
        np.isnan(factual).tobytes(),
    )
    return Likeness(key, np.array(idle), (*about, *kept))


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
            # Their whole word is in the axis of the feature, or of how many are set.
            case OwnValues() | Within() | StaysRead() | Readings() | MostSet() | OneStays():
                pass
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
