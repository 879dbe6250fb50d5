"""What constraints leave of the axes together, and which contradict one another."""

from __future__ import annotations

from collections.abc import Sequence

from ifonly.explainers.constraints.base import Constraint, Single
from ifonly.explainers.constraints.cells import Axes
from ifonly.models.predictor import Row


def propagate(constraints: Sequence[Constraint], axes: Axes, factual: Row) -> Axes:
    """Narrow ``axes`` by all ``constraints`` until nothing moves, or one of them is empty.

    Bounds of real-valued chains can creep for ever, so the rounds are limited; what is left
    is still a superset of what is allowed.
    """
    relating = [c for c in constraints if not isinstance(c, Single)]
    # Once: what speaks of one feature alone cuts the same whatever the others leave.
    axes = cut_singly(constraints, axes, factual)
    for _ in range(32):
        before = axes
        axes = _narrowed(relating, axes, factual)
        # A fixed point.
        if axes == before:
            break
    return axes


def cut_singly(constraints: Sequence[Constraint], axes: Axes, factual: Row) -> Axes:
    """Narrow ``axes`` by those of ``constraints`` that speak of one feature alone: once for all,
    whatever the others do after it."""
    cut, values = list(axes), factual.tolist()
    for c in constraints:
        # Empty is empty, and false. The others are cut all the same: what cannot be set may still
        # follow, and then they are all that is asked about.
        if isinstance(c, Single) and cut[c.column]:
            cut[c.column] = c.cut(cut[c.column], values[c.column])
    return tuple(cut)


def _narrowed(constraints: Sequence[Constraint], axes: Axes, factual: Row) -> Axes:
    for constraint in constraints:
        if not all(axes):
            break
        axes = constraint.narrow(axes, factual)
    return axes


def conflict(
    constraints: Sequence[Constraint], axes: Axes, factual: Row
) -> tuple[Constraint, ...] | None:
    """A smallest-by-removal set of ``constraints`` that leaves nothing at all, or None.

    Removing any one of the set makes the contradiction that propagation sees disappear.
    """

    def contradictory(some: Sequence[Constraint]) -> bool:
        return not all(len(axis) for axis in propagate(some, axes, factual))

    if not contradictory(constraints):
        return None
    kept = list(constraints)
    # Each is left out once; what is contradictory without it does not need it.
    for candidate in list(kept):
        rest = [c for c in kept if c is not candidate]
        if contradictory(rest):
            kept = rest
    return tuple(kept)
