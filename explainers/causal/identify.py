"""Can the effect of setting a feature on the real outcome be told from rows that were only seen?

The graph says what acts on what; the outcome is a node of its own, on which by default every
feature may act. Observed and set come apart where a path leads into the feature from behind and
on to the outcome; rows tell the effect once readings are held fixed that close every such path
and that the feature does not move (the back-door criterion, Pearl 2009, 3.3.1; complete for
adjustment in the form of van der Zander et al. 2014).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from explainers.causal.errors import NotIdentified
from explainers.causal.graph import Graph
from explainers.causal.spec import CausalSpec

OUTCOME = "outcome"
HIDDEN = "something hidden"


@dataclass(frozen=True)
class Diagram:
    """The graph with the outcome and with what nobody reads. Columns of the rows come first."""

    graph: Graph
    names: tuple[str, ...]
    outcome: int
    hidden: frozenset[int]

    @classmethod
    def of(
        cls,
        spec: CausalSpec,
        causes: Sequence[str] = (),
        also: Sequence[str] = (),
        hidden: Sequence[str] = (),
    ) -> Diagram:
        """``causes``: features that act on the outcome directly; none: all may. ``also``: what
        was recorded beside the features and may act on all of them and on the outcome.
        ``hidden``: features that share a cause with the outcome which nobody recorded."""
        names = [*spec.schema.names, *also, OUTCOME]
        n, outcome = len(spec.schema), len(names) - 1
        edges = list(spec.graph.edges)
        edges += [(spec.schema.index(name), outcome) for name in causes or spec.schema.names]
        # Of what was recorded besides nothing is known, so it may act on everything.
        edges += [(i, j) for i in range(n, outcome) for j in (*range(n), outcome)]
        pairs = [(spec.schema.index(a), spec.schema.index(b)) for a, b in _shared(spec)]
        pairs += [(spec.schema.index(name), outcome) for name in hidden]
        # A hidden common cause is a node that nobody reads: no set can close a path through it.
        for pair in pairs:
            edges += [(len(names), j) for j in pair]
            names.append(HIDDEN)
        return cls(
            Graph.of(len(names), edges),
            tuple(names),
            outcome,
            frozenset(range(outcome + 1, len(names))),
        )

    def adjustment(self, treatment: int) -> tuple[int, ...]:
        """Columns to hold fixed so that rows tell the effect of ``treatment``.

        Of the sets that do, that of the least variance where all causes are read: the direct
        causes of what lies on the way to the outcome (Henckel et al. 2022, definition 3.12).

        Raises
        ------
        NotIdentified
            If none does; the message names a path that stays open.
        """
        below = self.graph.descendants[treatment]
        if self.outcome not in below:
            raise NotIdentified(
                f"by the graph {self.names[treatment]} does not act on the outcome: no effect"
            )
        # What the treatment moves must not be held fixed: that would take away its effect.
        usable = frozenset(range(len(self.names))) - below - self.hidden - {treatment}
        on_the_way = {j for j in below if j == self.outcome or self.outcome in self._below(j)}
        beside = {i for j in on_the_way for i in self.graph.parents[j]} & usable
        above = self._above((treatment, self.outcome)) & usable
        # The better one first; the causes of both close whatever can be closed.
        for chosen in (beside, above):
            path = self.open_path(treatment, chosen)
            if not path:
                return tuple(sorted(chosen))
        raise NotIdentified(
            f"no set of readings closes {path}: what is seen of {self.names[treatment]} is not "
            f"what setting it does"
        )

    def open_path(self, treatment: int, given: Iterable[int]) -> str:
        """A shortest path into ``treatment`` from behind and on to the outcome that ``given``
        leaves open, in words; empty if all are closed."""
        steps = _AssociationWalk(self.graph, treatment, frozenset(given)).to(self.outcome)
        text = self.names[treatment] if steps else ""
        for arrow, node in steps:
            text += f" {arrow} {self.names[node]}"
        return text

    def _below(self, j: int) -> frozenset[int]:
        return self.graph.descendants[j]

    def _above(self, nodes: Sequence[int]) -> frozenset[int]:
        return frozenset(
            i for i in range(len(self.names)) if any(k in self._below(i) for k in nodes)
        )


def _shared(spec: CausalSpec) -> Iterator[tuple[str, str]]:
    """Pairs of features with a hidden common cause, declared or by a latent or lagged node."""
    return (c.between for c in spec.hidden)


Step = tuple[int, bool]
"""A node, and whether it was reached from one of its causes."""


@dataclass(frozen=True)
class _AssociationWalk:
    """Where association flows from a node, its own effects cut off (Shachter 1998): through
    what is not given, and against arrows where two meet in something given or above it."""

    graph: Graph
    start: int
    given: frozenset[int]

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
        # Out of the back only: what leaves by its own arrows is the effect itself.
        if node == self.start:
            up, down = True, False
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
