"""Can the effect of setting a feature on the real outcome be told from rows that were only seen?

The graph says what acts on what; the outcome is a node of its own, on which by default every
feature may act. Observed and set come apart where a path leads into the feature from behind and
on to the outcome; rows tell the effect once readings are held fixed that close every such path
and that the feature does not move (the back-door criterion, Pearl 2009, 3.3.1; complete for
adjustment in the form of van der Zander et al. 2014). Where none do, what lies on the way may
tell it (the front door, 3.3.2), or what moves the feature and acts by it alone (conditional
instruments, Brito and Pearl 2002).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from ifonly.explainers.causal.errors import NotIdentified
from ifonly.explainers.causal.estimand import Strategy
from ifonly.explainers.causal.graph import Graph
from ifonly.explainers.causal.separation import AssociationWalk
from ifonly.explainers.causal.spec import CausalSpec

OUTCOME = "outcome"
HIDDEN = "something hidden"


@dataclass(frozen=True)
class Identified:
    """Columns by which rows tell an effect."""

    strategy: Strategy
    held: tuple[int, ...]
    """Held fixed."""
    through: tuple[int, ...] = ()
    """What lies on the way (front door), or moves the treatment (instruments)."""


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

    def identified(self, treatment: int, only: Strategy | None = None) -> Identified:
        """By what rows tell the effect of ``treatment``: the first that does of back door, front
        door and instruments, or ``only`` one of them.

        Raises
        ------
        NotIdentified
            If none does; the message says of each why not.
        """
        ways = {
            Strategy.BACK_DOOR: lambda: Identified(Strategy.BACK_DOOR, self.adjustment(treatment)),
            Strategy.FRONT_DOOR: lambda: self.front_door(treatment),
            Strategy.INSTRUMENT: lambda: self.instruments(treatment),
        }
        self._acts(treatment)
        why = []
        for strategy in Strategy if only is None else (only,):
            try:
                return ways[strategy]()
            except NotIdentified as error:
                why.append(f"{strategy}: {error}")
        raise NotIdentified("; ".join(why))

    def adjustment(self, treatment: int) -> tuple[int, ...]:
        """Columns to hold fixed so that rows tell the effect of ``treatment``.

        Of the sets that do, that of the least variance where all causes are read: the direct
        causes of what lies on the way to the outcome (Henckel et al. 2022, definition 3.12).

        Raises
        ------
        NotIdentified
            If none does; the message names a path that stays open.
        """
        self._acts(treatment)
        usable, on_the_way = self._usable(treatment), self._on_the_way(treatment)
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

    def front_door(self, treatment: int) -> Identified:
        """What lies on every way to the outcome, and what to hold fixed (Pearl 2009, 3.3.2, given
        what is held).

        Raises
        ------
        NotIdentified
            If nothing that is read does.
        """
        ways = self._on_the_way(treatment) - self.hidden - {self.outcome}
        # Close to the treatment or close to the outcome: what is between adds nothing.
        near = {j for j in ways if treatment in self.graph.parents[j]}
        last = ways & set(self.graph.parents[self.outcome])
        for mediators in (near, last):
            if mediators and self._intercept(treatment, mediators):
                usable = self._usable(treatment) - mediators
                above = self._above((treatment, self.outcome, *mediators)) & usable
                beside = {i for j in mediators for i in self.graph.parents[j]} & usable
                for held in (above, frozenset(beside), frozenset[int]()):
                    if self._is_front_door(treatment, mediators, held):
                        return Identified(
                            Strategy.FRONT_DOOR, tuple(sorted(held)), tuple(sorted(mediators))
                        )
        name = self.names[treatment]
        if not any(self._intercept(treatment, m) for m in (near, last) if m):
            raise NotIdentified(f"no readings lie on every way from {name} to the outcome")
        raise NotIdentified(
            f"what lies between {name} and the outcome ({self._called(near | last)}) has common "
            f"causes with either that no set of readings closes"
        )

    def instruments(self, treatment: int) -> Identified:
        """What moves the treatment and acts on the outcome by it alone, and what to hold fixed.

        Raises
        ------
        NotIdentified
            If nothing that is read does.
        """
        # What the treatment moves is no instrument, even where it acts on nothing else: it is
        # tied to the outcome by what is hidden behind the treatment.
        candidates = sorted(self._usable(treatment))
        alone = [
            (j, held) for j in candidates if (held := self._beside(treatment, (j,))) is not None
        ]
        together = tuple(j for j, _ in alone)
        held = self._beside(treatment, together) if len(together) > 1 else None
        if held is not None:
            return Identified(Strategy.INSTRUMENT, held, together)
        if alone:
            # Together they close nothing: the one with the fewest readings held.
            j, held = min(alone, key=lambda found: (len(found[1]), found[0]))
            return Identified(Strategy.INSTRUMENT, held, (j,))
        name = self.names[treatment]
        tied = [j for j in candidates if treatment in self._below(j)]
        if not tied:
            raise NotIdentified(f"no reading acts on {name}")
        raise NotIdentified(
            f"each reading that acts on {name} ({self._called(tied)}) acts on the outcome besides, "
            f"or shares a cause with it"
        )

    def beside(self, treatment: int, held: Iterable[int], more: Iterable[int]) -> tuple[int, ...]:
        """``held``, which tell the effect, and ``more``, by which rows are grouped, held as well.

        Raises
        ------
        NotIdentified
            If the treatment moves one of ``more``, or to hold them opens a path.
        """
        for j in more:
            if j == treatment or j in self._below(treatment):
                name = self.names[treatment]
                raise NotIdentified(
                    f"{self.names[j]} follows from {name}: grouped by it, rows are not as they "
                    f"were before {name} was set"
                )
        together = frozenset(held) | frozenset(more)
        path = self.open_path(treatment, together)
        if path:
            raise NotIdentified(f"to group rows by {self._called(more)} opens {path}")
        return tuple(sorted(together))

    def open_path(self, treatment: int, given: Iterable[int]) -> str:
        """A shortest path into ``treatment`` from behind and on to the outcome that ``given``
        leaves open, in words; empty if all are closed."""
        steps = AssociationWalk(self.graph, treatment, frozenset(given)).to(self.outcome)
        text = self.names[treatment] if steps else ""
        for arrow, node in steps:
            text += f" {arrow} {self.names[node]}"
        return text

    def _acts(self, treatment: int) -> None:
        if self.outcome not in self._below(treatment):
            raise NotIdentified(
                f"by the graph {self.names[treatment]} does not act on the outcome: no effect"
            )

    def _usable(self, treatment: int) -> frozenset[int]:
        # What the treatment moves must not be held fixed: that would take away its effect.
        return (
            frozenset(range(len(self.names))) - self._below(treatment) - self.hidden - {treatment}
        )

    def _on_the_way(self, treatment: int) -> frozenset[int]:
        """What the treatment moves and by which it moves the outcome; the outcome too."""
        return frozenset(
            j for j in self._below(treatment) if j == self.outcome or self.outcome in self._below(j)
        )

    def _intercept(self, treatment: int, mediators: Iterable[int]) -> bool:
        """Whether every way of the treatment to the outcome leads through ``mediators``."""
        return self.outcome not in self._without_effects(mediators).descendants[treatment]

    def _is_front_door(
        self, treatment: int, mediators: Iterable[int], held: frozenset[int]
    ) -> bool:
        cut = self._without_effects(mediators)
        return not any(
            AssociationWalk(self.graph, treatment, held).to(j)
            or AssociationWalk(cut, j, held | {treatment}).to(self.outcome)
            for j in mediators
        )

    def _beside(self, treatment: int, instruments: Sequence[int]) -> tuple[int, ...] | None:
        """What to hold fixed so that ``instruments`` act by the treatment alone; None: nothing
        that is read will do, or they do not move it."""
        usable = self._usable(treatment) - set(instruments)
        above = self._above((treatment, self.outcome, *instruments)) & usable
        causes = {i for j in instruments for i in self.graph.parents[j]} & usable
        cut = self._without_effects((treatment,))
        for held in (above, frozenset(causes), frozenset[int]()):
            if all(
                AssociationWalk(self.graph, j, held, with_effects=True).to(treatment)
                and not AssociationWalk(cut, j, held, with_effects=True).to(self.outcome)
                for j in instruments
            ):
                return tuple(sorted(held))
        return None

    def _without_effects(self, nodes: Iterable[int]) -> Graph:
        gone = frozenset(nodes)
        return Graph.of(len(self.graph), [e for e in self.graph.edges if e[0] not in gone])

    def _called(self, nodes: Iterable[int]) -> str:
        return ", ".join(self.names[j] for j in sorted(nodes))

    def _below(self, j: int) -> frozenset[int]:
        return self.graph.descendants[j]

    def _above(self, nodes: Sequence[int]) -> frozenset[int]:
        return frozenset(
            i for i in range(len(self.names)) if any(k in self._below(i) for k in nodes)
        )


def _shared(spec: CausalSpec) -> Iterator[tuple[str, str]]:
    """Pairs of features with a hidden common cause, declared or by a latent or lagged node."""
    return (c.between for c in spec.hidden)
