"""Which features are set and which follow: the first thing that is settled where some follow.

A feature that others act on can be set against them, and then no longer follows; or it is left
alone. Each choice, for all such features, is a *mode*: within one it is known what is set, what
follows, and from what. Actions from which nothing follows are searched apart
(:attr:`ifonly.explainers.problem.Problem.inert`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import combinations

import numpy as np

from ifonly.explainers.consequences import Consequences
from ifonly.explainers.constraints import (
    Changes,
    Comparison,
    Constraint,
    Origin,
    Relation,
    Rule,
    Severed,
    Source,
)
from ifonly.explainers.constraints.forms import OneStays, SetTogether, Within
from ifonly.explainers.errors import NotEligible
from ifonly.explainers.problem import Problem
from ifonly.explainers.search.trees.layout import AxisLine, Layout
from ifonly.explainers.space import Axis
from ifonly.models.predictor import Row

MOST_MOVERS = 6
"""Features that can be set and can follow: the modes double with each."""


@dataclass(frozen=True)
class Mode:
    """Columns of a row by what becomes of them; the others stay as they are."""

    set: tuple[int, ...]
    """What may be set; causes of nothing that is set, too, may stay as they are."""
    against: frozenset[int]
    """Those of them that would follow if they were not set: none of them stays as it is."""
    followers: tuple[int, ...]
    openers: tuple[int, ...]
    """What may be set and is followed by something that is not."""
    movers: frozenset[int] = frozenset()
    """What can be set and can follow: in this mode or in others."""


def modes_of(problem: Problem, consequences: Consequences) -> tuple[Mode, ...]:
    """All modes in which something may follow, those first in which most is left alone.

    Raises
    ------
    NotEligible
        If there are too many.
    """
    axes, factual = problem.axes_if_set, problem.factual
    levers = [j for j, axis in enumerate(axes) if len(axis) > (float(factual[j]) in axis)]
    return _modes(consequences, tuple(levers))


@lru_cache(maxsize=256)  # of a policy, most rows have the same levers
def _modes(consequences: Consequences, levers: tuple[int, ...]) -> tuple[Mode, ...]:
    return tuple(_each_mode(consequences, levers))


def _each_mode(consequences: Consequences, levers: Sequence[int]) -> Iterator[Mode]:
    behind = {j: frozenset(consequences.effects([j])) for j in levers}
    moving = frozenset[int]().union(*behind.values())
    movers = [j for j in levers if j in moving]
    if len(movers) > MOST_MOVERS:
        raise NotEligible("trees", f"{len(movers)} features can be set and can follow")
    for count in range(len(movers) + 1):
        for against in combinations(movers, count):
            # What would follow is a lever only if it is set against its causes.
            acted = [j for j in levers if j not in moving or j in against]
            followers = sorted(frozenset[int]().union(*(behind[j] for j in acted)) - set(acted))
            openers = [j for j in acted if behind[j] & set(followers)]
            # Without one nothing follows: that is the inert question, which is searched apart.
            if openers:
                yield Mode(
                    tuple(acted),
                    frozenset(against),
                    tuple(followers),
                    tuple(openers),
                    frozenset(movers),
                )


def lines_of(problem: Problem, layout: Layout, mode: Mode) -> list[AxisLine] | None:
    """What every feature may be in a mode; None if one may be nothing.

    Raises
    ------
    NotEligible
        If the graph does not read a feature in order, or what would move is missing.
    """
    axes, stuck = [], _stuck(problem, mode)
    for j, value in enumerate(problem.factual.tolist()):
        axis = problem.axes_if_set[j]
        if j in mode.followers:
            # A place holder: the line is replaced by what may follow, below.
            axis = Axis(others=(value,))
        elif j not in mode.set or j in stuck:
            axis = axis.only([value])
        axes.append(axis)
    if not all(axes):
        return None
    lines = layout.of_axes(axes, problem.factual, against=mode.against)
    if not all(line.size for line in lines):
        return None
    for j in mode.followers:
        value = float(problem.factual[j])
        # Its noise cannot be abducted without a reading, so where it would move to is unknown.
        if np.isnan(value):
            raise NotEligible("trees", f"{problem.schema.names[j]} would move, and is missing")
        lines[j] = layout.spread(j, value)
    return lines


def limits_of(problem: Problem, mode: Mode) -> tuple[Row, Row]:
    """Least and greatest value that each of the followers may read, ``(n_followers,)``."""
    features = [problem.schema.features[j] for j in mode.followers]
    lower, upper = (
        np.array([getattr(f, end) for f in features], dtype=np.float64)
        for end in ("lower", "upper")
    )
    # One that reads beyond its bounds may stay there: see `guards_of`.
    factual = problem.factual[list(mode.followers)]
    lower, upper = np.minimum(lower, factual), np.maximum(upper, factual)
    for constraint in problem.constraints:
        form = constraint.form
        if isinstance(form, Within) and form.column in mode.followers:
            k = mode.followers.index(form.column)
            lower[k] = max(lower[k], form.lower)
            upper[k] = min(upper[k], form.upper)
    return lower, upper


def guards_of(problem: Problem, mode: Mode) -> list[Rule]:
    """That what reads beyond its bounds stays there or moves into them: the space between is no
    part of what the intervals of :func:`limits_of` can leave out."""
    found = []
    for j in mode.followers:
        feature, factual = problem.schema.features[j], float(problem.factual[j])
        for end, relation in ((feature.lower, Relation.GE), (feature.upper, Relation.LE)):
            if (factual < end) if relation is Relation.GE else (factual > end):
                inside = Comparison(((j, 1.0),), (), -end, relation)
                origin = Origin(Source.SCHEMA, f"{feature.name}.bounds")
                found.append(Rule("bounds", (inside,), (Changes(j),), origin=origin))
    return found


def _stuck(problem: Problem, mode: Mode) -> frozenset[int]:
    """What cannot be set in a mode, since something would have to be set with it that is not."""
    forms = (c.form for c in problem.constraints)
    pairs = (pair for form in forms if isinstance(form, SetTogether) for pair in form.pairs)
    return frozenset[int]().union(*(causes for causes, effect in pairs if effect not in mode.set))


def in_mode(constraint: Constraint, mode: Mode) -> Constraint:
    """What a constraint says of rows of a mode: of what is set together, only of what may be, or
    may not be, set in it; the rest is in its lines."""
    if not isinstance(constraint, Severed):
        return constraint
    levers = frozenset(mode.set)
    pairs = ((causes & levers, effect) for causes, effect in constraint.pairs)
    # What is set against its causes is set in every action of the mode.
    open_ = tuple(p for p in pairs if p[0] and p[1] in levers - mode.against)
    return replace(constraint, pairs=open_)


def is_kept(constraint: Constraint, mode: Mode) -> bool:
    """Whether every action of a mode keeps a constraint: one of its levers is left alone."""
    # Kept by every action of the mode, so the kernel need not ask.
    return isinstance(constraint.form, OneStays) and not constraint.form.columns <= set(mode.set)
