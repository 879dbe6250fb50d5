"""Which other graphs rows cannot exclude, and how likely each is beside the declared one.

A change turns an edge round, takes it away, or lets a hidden cause act on both of its ends. Rows
weigh the first two: by the log score of rows held out (:mod:`ifonly.explainers.causal.held_out`),
drawn again (pseudo-BMA+, as shapes of one mechanism are pooled). Of the third no row can tell: a
cause that nobody reads leaves the very noise that the fitted law finds. It has the weight that it
had before. So has, among normal lines, an edge turned round that leaves the same independences.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cache

import numpy as np

from ifonly.explainers.causal.function import Array
from ifonly.explainers.causal.graph import Graph, find_loop
from ifonly.explainers.causal.held_out import HeldOutDensity
from ifonly.explainers.causal.normal_part import normal_share
from ifonly.explainers.causal.pooling import LEAST_GAIN, resampled_shares

LEAST_WEIGHT = 0.05
"""A graph of less weight is none that answers must hold under."""
MOST = 12
"""Graphs that are kept at most, the likeliest: each is held against every action."""
MOST_TOGETHER = 0.99
"""Weight of all of them: the declared graph keeps some, for a person answers for it."""

Edge = tuple[int, int]


class ChangeKind(StrEnum):
    """How a graph differs from the declared one."""

    REVERSED = "reversed"
    """An edge is turned round; another one too where it would close a loop."""
    ABSENT = "absent"
    """There is no such edge."""
    HIDDEN = "hidden"
    """Something that nobody reads acts on cause and effect: of what the law says, a part is no
    effect, or all of it."""
    ADDED = "added"
    """There is an edge that is not declared; only where an algorithm found it in some rows."""


@dataclass(frozen=True)
class GraphChange:
    """A graph by what it changes of the declared one."""

    kind: ChangeKind
    edge: Edge
    """Which is in doubt."""
    turned: tuple[Edge, ...] = ()
    """Edges that are turned round in it."""

    @property
    def removed(self) -> tuple[Edge, ...]:
        if self.kind is ChangeKind.ADDED:
            return ()
        return (self.edge,) if self.kind is ChangeKind.ABSENT else self.turned

    @property
    def added(self) -> tuple[Edge, ...]:
        if self.kind is ChangeKind.ADDED:
            return (self.edge,)
        return tuple((j, i) for i, j in self.turned)

    @property
    def ends(self) -> frozenset[int]:
        return frozenset(j for edge in (self.edge, *self.turned) for j in edge)

    def of(self, graph: Graph) -> Graph:
        """``graph`` so changed."""
        kept = [edge for edge in graph.edges if edge not in self.removed]
        return Graph.of(len(graph), [*kept, *self.added])


@dataclass(frozen=True)
class KnownColumns:
    """What is known of the columns beforehand."""

    numeric: tuple[bool, ...]
    """Which can follow from something; a category has no law."""
    settable: frozenset[int]
    fixed: frozenset[int]
    """Which nobody can set, and nothing moves that can be set."""

    def may_turn(self, edge: Edge) -> bool:
        cause, effect = edge
        is_law = self.numeric[cause] and self.numeric[effect]
        return is_law and not (cause in self.fixed and effect not in self.fixed)


@dataclass(frozen=True)
class PriorOdds:
    """How likely a change is before any row is seen, by the graph as it is declared: whoever
    declares an edge is taken to be right four times of five."""

    reversed: float = 0.25
    absent: float = 0.25
    hidden: float = 0.25
    added: float = 0.25

    def of(self, kind: ChangeKind) -> float:
        return float(getattr(self, kind.value))


DECLARED = PriorOdds()
BY_SOURCE: Mapping[str, PriorOdds] = {
    # Algorithms know no direction that rows do not show.
    "discovery": PriorOdds(reversed=1.0),
    # Who knows by what law one moves the other knows the direction, not what else there is.
    "physics": PriorOdds(reversed=0.0, absent=0.0),
    # What was set by lot shares no cause with anything.
    "experiment": PriorOdds(0.0, 0.0, 0.0),
}
"""By the ``source`` of an edge; of others :data:`DECLARED`."""


@dataclass(frozen=True)
class WeighedChange:
    """A graph beside the declared one."""

    change: GraphChange
    weight: float
    """Probability that it is the true one, of the declared one and all that are kept."""
    kept: bool
    gain: float = 0.0
    """Nats a row by which held-out rows are likelier under it; 0 where none can tell."""
    error: float = 0.0
    """Standard error of that."""
    strength: float = 0.0
    """Of a hidden cause: the share of the variance of both noises that it may make, and so their
    correlation; see :func:`~ifonly.explainers.causal.normal_part.normal_share`."""


def changes(
    graph: Graph, columns: KnownColumns, missing: Iterable[Edge] = ()
) -> Iterator[GraphChange]:
    """Every graph that differs by one edge, and by two where one turned round closes a loop; of
    edges along which no action goes nothing is changed. Edges that are ``missing`` are not declared
    and may be there."""
    moves = columns.settable.union(*(graph.descendants[j] for j in columns.settable))
    for edge in graph.edges:
        if not columns.numeric[edge[1]]:
            continue
        if edge[0] in moves:
            yield GraphChange(ChangeKind.ABSENT, edge)
            yield GraphChange(ChangeKind.HIDDEN, edge)
        for turned in _openings(graph, edge) if moves & {*edge} else ():
            if all(columns.may_turn(turn) for turn in turned):
                yield GraphChange(ChangeKind.REVERSED, edge, turned)
    joined = {frozenset(edge) for edge in graph.edges}
    for edge in missing:
        if frozenset(edge) in joined or not columns.numeric[edge[1]] or edge[0] not in moves:
            continue
        parents = {j: list(causes) for j, causes in enumerate(graph.parents)}
        parents[edge[1]].append(edge[0])
        if edge[1] not in columns.fixed and not find_loop(parents):
            yield GraphChange(ChangeKind.ADDED, edge)


def _openings(graph: Graph, edge: Edge) -> Iterator[tuple[Edge, ...]]:
    """What is turned round so that ``edge`` can be: itself, or one more edge of the loop."""
    if not _closes(graph, (edge,)):
        yield (edge,)
        return
    for other in graph.edges:
        if other != edge and not _closes(graph, (edge, other)):
            yield edge, other


def _closes(graph: Graph, turned: Sequence[Edge]) -> bool:
    parents = {j: list(causes) for j, causes in enumerate(graph.parents)}
    for i, j in turned:
        parents[j].remove(i)
        parents[i].append(j)
    return bool(find_loop(parents))


def weigh(
    graph: Graph,
    given: Mapping[GraphChange, float],
    density: HeldOutDensity,
    rng: np.random.Generator,
    *,
    by_rows: bool = True,
    room: float = 1.0,
) -> tuple[WeighedChange, ...]:
    """How likely each change is, likeliest first.

    Parameters
    ----------
    graph : Graph
        As declared.
    given : mapping of GraphChange to float
        Odds of each against the declared graph before these rows are seen, above 0.
    density : HeldOutDensity
        Of the rows.
    rng : numpy.random.Generator
    by_rows : bool
        False: the odds are of the same rows already (graphs that an algorithm found in them).
    room : float
        What other graphs leave of the weight.

    Returns
    -------
    tuple of WeighedChange
        Kept are those of at least :data:`LEAST_WEIGHT`, at most :data:`MOST`; weights are among
        those kept and the declared graph, of the others as if each were kept alone with them.
    """
    told = [c for c in given if c.kind is not ChangeKind.HIDDEN]
    untold = [c for c in given if c.kind is ChangeKind.HIDDEN]
    main = density.graph(graph.parents)
    gaps = [np.zeros(len(main)), *(_gap(graph, c, density, main) for c in told)]
    seen = np.stack(gaps, axis=1) if by_rows else np.zeros((1, len(gaps)))
    shares = resampled_shares(seen, np.array([1.0, *(given[c] for c in told)]), rng)
    by_change = dict(zip(told, shares[1:].tolist(), strict=True))
    # A graph without an edge is a case of the one with it, whose law may say nothing of the cause.
    odds = 1.0 + sum(given[c] for c in untold)
    nested = {c: by_change[c] for c in told if c.kind is ChangeKind.ABSENT}
    for change in untold:
        holds = shares[0] + sum(w for c, w in nested.items() if c.edge != change.edge)
        by_change[change] = float(holds) * given[change] / odds
    by_change |= {c: w / odds for c, w in nested.items()}
    gained = {c: _gain(gap) for c, gap in zip(told, gaps[1:], strict=True)}
    ordered = sorted(by_change, key=lambda c: -by_change[c])
    found = _kept(float(shares[0]) / odds, ordered, by_change, gained, room)

    @cache
    def part(j: int) -> float:
        # Of a normal cause of both noises: no more of either than can be a normal part of it.
        return normal_share(density.noise(j, frozenset(graph.parents[j])))

    return tuple(
        replace(w, strength=min(part(j) for j in w.change.edge))
        if w.change.kind is ChangeKind.HIDDEN
        else w
        for w in found
    )


def _gap(graph: Graph, change: GraphChange, density: HeldOutDensity, main: Array) -> Array:
    """By how much each row is likelier under a change, as far as that says something of it."""
    gap = density.graph(change.of(graph).parents) - main
    if change.kind is ChangeKind.ABSENT:
        return gap
    if density.coarse & change.ends:
        return np.zeros(len(gap))
    # Direction shows in shapes that are not quite right: what is of no use where mechanisms are
    # learned decides nothing here, however many rows show it.
    return np.asarray(gap - np.clip(gap.mean(), -LEAST_GAIN, LEAST_GAIN))


def _gain(gap: Array) -> tuple[float, float]:
    return float(gap.mean()), float(gap.std() / np.sqrt(len(gap)))


def _kept(
    main: float,
    ordered: Sequence[GraphChange],
    shares: Mapping[GraphChange, float],
    gained: Mapping[GraphChange, tuple[float, float]],
    room: float,
) -> Iterator[WeighedChange]:
    """Shares of the whole as weights among the graphs that are kept."""
    n, total = 0, main
    for k, change in enumerate(ordered[:MOST]):
        total += shares[change]
        # In falling order, so that all before it have weight enough as well.
        if room * shares[change] >= LEAST_WEIGHT * total:
            n = k + 1
    among = main + sum(shares[c] for c in ordered[:n])
    together = 1.0 - main / among
    scale = room * min(1.0, MOST_TOGETHER / together) if n else room
    for k, change in enumerate(ordered):
        share = shares[change]
        weight = scale * share / among if k < n else room * share / (among + share)
        yield WeighedChange(change, weight, k < n, *gained.get(change, (0.0, 0.0)))
