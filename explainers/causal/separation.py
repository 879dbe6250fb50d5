"""Which columns are associated once others are given (d-separation, Pearl 2009, 1.2.3)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from ifonly.explainers.causal.graph import Graph

Step = tuple[int, bool]
"""A node, and whether it was reached from one of its causes."""


@dataclass(frozen=True)
class AssociationWalk:
    """Where association flows from a node (Shachter 1998): through what is not given, and against
    arrows where two meet in something given or above it."""

    graph: Graph
    start: int
    given: frozenset[int]
    with_effects: bool = False
    """Whether it may leave by the node's own arrows; else they are cut off."""

    def to(self, goal: int) -> list[tuple[str, int]]:
        """Arrows and nodes of a shortest open walk; empty if there is none."""
        came: dict[Step, Step | None] = {(self.start, False): None}
        waiting = [(self.start, False)]
        for step in waiting:  # grows while it is read: breadth first
            if step[0] == goal:
                return _traced(came, step)
            for further in self._from(*step):
                if further not in came:
                    came[further] = step
                    waiting.append(further)
        return []

    def _from(self, node: int, from_cause: bool) -> Iterator[Step]:
        # Out of the back alone: what leaves by its own arrows is the effect itself.
        if node == self.start:
            up, down = True, self.with_effects
        elif from_cause:
            # Two arrows meet here: closed, unless it or something below it is given.
            up, down = node in self._opened, node not in self.given
        else:
            up = down = node not in self.given
        if up:
            yield from ((i, False) for i in self.graph.parents[node] if i != self.start)
        if down:
            yield from ((j, True) for j in self._effects[node] if j != self.start)

    @cached_property
    def _opened(self) -> frozenset[int]:
        """Where arrows that meet let through: what is given, and what leads to it."""
        return self.given | {
            i for i, below in enumerate(self.graph.descendants) if below & self.given
        }

    @cached_property
    def _effects(self) -> list[list[int]]:
        found: list[list[int]] = [[] for _ in range(len(self.graph))]
        for cause, effect in self.graph.edges:
            found[cause].append(effect)
        return found


def _traced(came: dict[Step, Step | None], step: Step) -> list[tuple[str, int]]:
    steps: list[tuple[str, int]] = []
    at: Step | None = step
    while at is not None and came[at] is not None:
        steps.append(("->" if at[1] else "<-", at[0]))
        at = came[at]
    return steps[::-1]
