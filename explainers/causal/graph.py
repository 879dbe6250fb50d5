"""Who acts on whom: a directed graph without loops over the columns of a row."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from graphlib import CycleError, TopologicalSorter

MOST_REMEMBERED = 1_024
"""Sets of columns whose effects are remembered."""


@dataclass(frozen=True)
class Graph:
    """``parents[j]``: columns that act on column ``j`` directly, in a fixed order.

    Raises
    ------
    ValueError
        If there is a loop; the message names it.
    """

    parents: tuple[tuple[int, ...], ...]

    def __post_init__(self) -> None:
        loop = find_loop(dict(enumerate(self.parents)))
        if loop:
            raise ValueError(f"columns {' -> '.join(map(str, loop))} form a loop")

    @classmethod
    def of(cls, n_columns: int, edges: Iterable[tuple[int, int]]) -> Graph:
        """The graph of ``edges``, each from cause to effect."""
        parents: list[list[int]] = [[] for _ in range(n_columns)]
        for cause, effect in edges:
            parents[effect].append(cause)
        # Sorted: weights in files stand in this order.
        return cls(tuple(tuple(sorted(p)) for p in parents))

    def __len__(self) -> int:
        return len(self.parents)

    @property
    def edges(self) -> tuple[tuple[int, int], ...]:
        """Every edge from cause to effect, by effect."""
        return tuple((i, j) for j, causes in enumerate(self.parents) for i in causes)

    @cached_property
    def order(self) -> tuple[int, ...]:
        """Every column after its causes."""
        return tuple(TopologicalSorter(dict(enumerate(self.parents))).static_order())

    @cached_property
    def descendants(self) -> tuple[frozenset[int], ...]:
        """Columns that each column acts on, directly or through others; not itself."""
        found: list[frozenset[int]] = [frozenset()] * len(self)
        # Effects first, so that what is below a child is known already.
        for j in reversed(self.order):
            children = [k for k, causes in enumerate(self.parents) if j in causes]
            found[j] = frozenset(children).union(*(found[k] for k in children))
        return tuple(found)

    def affected(self, columns: Iterable[int]) -> tuple[int, ...]:
        """Columns that may move when ``columns`` are set, causes first.

        What is set does not move by what else is set: its own causes no longer act on it.
        """
        acted = frozenset(columns)
        found = self._affected.get(acted)
        if found is None:
            moved = frozenset[int]().union(*(self.descendants[j] for j in acted)) - acted
            found = tuple(j for j in self.order if j in moved)
            if len(self._affected) >= MOST_REMEMBERED:
                self._affected.clear()
            self._affected[acted] = found
        return found

    @cached_property
    def _affected(self) -> dict[frozenset[int], tuple[int, ...]]:
        """What was asked for before: every question asks for the same few sets."""
        return {}

    def sources(self, columns: Iterable[int], effect: int) -> tuple[int, ...]:
        """Those of ``columns``, set together, from which ``effect`` follows not only through
        another of them."""
        acted, found, seen = frozenset(columns), set(), {effect}
        waiting = list(self.parents[effect])
        while waiting:
            j = waiting.pop()
            # Its value is set, so nothing behind it leads here through it.
            if j in acted:
                found.add(j)
            elif j not in seen:
                seen.add(j)
                waiting.extend(self.parents[j])
        return tuple(sorted(found))


def find_loop(parents: Mapping[int, Sequence[int]]) -> list[int]:
    """Nodes of one loop, each a cause of the next, the first again at the end; empty if none."""
    try:
        TopologicalSorter(parents).prepare()
    except CycleError as error:
        loop: list[int] = error.args[1]  # graphlib lists each node before its successors
        return loop
    return []
