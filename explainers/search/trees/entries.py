"""The doors from Python into the compiled search."""

from __future__ import annotations

from typing import Any

import numpy as np

from explainers.search.trees import batches, incumbent, kernel, readings
from explainers.search.trees.arena import BEST, HAS_BEST
from explainers.search.trees.compiled import SOURCES, entry


def _entries(sources: str) -> tuple[Any, ...]:
    """``sources`` is read by each of them, so that it is a part of the key of its machine code."""

    @entry
    def start_from_incumbent(t: Any, q: Any, a: Any) -> None:
        """A first answer, and the whole space on the stack for a cheaper one."""
        sources  # noqa: B018
        cost = incumbent.find_incumbent(t, q, a)
        kernel.start(t, q, a, cost, q.least, q.most)
        if cost < np.inf:
            a.ints[HAS_BEST] = 1

    @entry
    def start(t: Any, q: Any, a: Any, best: float, lo: Any, hi: Any) -> None:
        sources  # noqa: B018
        kernel.start(t, q, a, best, lo, hi)

    @entry
    def search(t: Any, q: Any, a: Any, max_nodes: int) -> int:
        sources  # noqa: B018
        return kernel.search(t, q, a, max_nodes)

    @entry
    def bound_boxes(
        t: Any,
        q: Any,
        a: Any,
        best: float,
        instead: Any,
        first: Any,
        lo: Any,
        hi: Any,
        cost: Any,
        corner: Any,
        column: Any,
        edge: Any,
        over: Any,
    ) -> None:
        sources  # noqa: B018
        batches.bound(t, q, a, best, instead, first, lo, hi, cost, corner, column, edge, over)

    @entry
    def least_costs(q: Any, lo: Any, hi: Any, cost: Any) -> None:
        sources  # noqa: B018
        batches.least_costs(q, lo, hi, cost)

    @entry
    def improve(t: Any, q: Any, a: Any) -> None:
        """Put a cheaper row in the place of the best, if a few exchanges lead to one."""
        sources  # noqa: B018
        a.floats[BEST] = incumbent.improve(t, q, a, a.floats[BEST])

    @entry
    def open_bound(q: Any, a: Any) -> float:
        sources  # noqa: B018
        return kernel.open_bound(q, a)

    @entry
    def survives(t: Any, q: Any, a: Any, at: Any, max_parts: int) -> int:
        sources  # noqa: B018
        return readings.survives(t, q, a, at, max_parts)

    @entry
    def keep_surviving(
        t: Any, q: Any, a: Any, at: Any, column: int, max_parts: int, holds: Any
    ) -> None:
        sources  # noqa: B018
        readings.keep_surviving(t, q, a, at, column, max_parts, holds)

    @entry
    def hold_around(t: Any, q: Any, a: Any, at: Any, column: int, out: Any) -> None:
        sources  # noqa: B018
        incumbent.hold_around(t, q, a, at, column, out)

    @entry
    def over_limit(t: Any, q: Any, a: Any, at: Any) -> float:
        sources  # noqa: B018
        return incumbent.over_limit(t, q, a, at)

    return (
        start_from_incumbent,
        start,
        search,
        bound_boxes,
        least_costs,
        improve,
        open_bound,
        survives,
        keep_surviving,
        hold_around,
        over_limit,
    )


(
    start_from_incumbent,
    start,
    search,
    bound_boxes,
    least_costs,
    improve,
    open_bound,
    survives,
    keep_surviving,
    hold_around,
    over_limit,
) = _entries(SOURCES)
