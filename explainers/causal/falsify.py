"""Does a declared graph agree with the rows? Which edges are missing, idle, or the wrong way.

A graph says: given its parents, a node tells nothing more of what does not follow from it
(local Markov condition). Each such statement is tested; so is each edge, given the effect's
other parents. Many tests fail by chance and all fail with enough rows, so p-values are corrected
(Holm) and an effect size must be passed; that a test does not reject shows nothing, so an effect is
*shown* to be small only where its upper bound is (equivalence). The count of broken statements is
held against graphs with the nodes' names shuffled (Eulig et al. 2023).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ifonly.explainers.causal.function import Array
from ifonly.explainers.causal.graph import Graph
from ifonly.explainers.causal.independence import Dependence, Residuals, conditional, holm

ALPHA = 0.05
GATE = 0.1
"""Least effect (a correlation of residuals) that counts as a broken statement."""
IDLE = 0.05
"""Effect below which an edge is not seen; it is idle where the effect is shown to be below
:data:`GATE`."""
PERMUTATIONS = 20


@dataclass(frozen=True)
class FalsifiedImplication:
    """One pair of columns about which graph and rows disagree."""

    a: int
    b: int
    effect: float
    p: float
    """Corrected for all tests of its kind."""
    upper: float = 1.0
    """Greatest effect that the rows leave possible, at 95 %."""


@dataclass(frozen=True)
class Falsification:
    """What the rows say of a graph."""

    missing: tuple[FalsifiedImplication, ...]
    """Not joined, yet dependent given the parents of ``b``: strongest first."""
    superfluous: tuple[FalsifiedImplication, ...]
    """Edges ``a -> b`` that do next to nothing, as is shown, once the other parents of ``b`` are
    known."""
    broken: float
    """Share of the graph's independence statements that do not hold; 0 where it makes none."""
    statements: int
    shuffled: tuple[float, ...]
    """The same share for graphs with shuffled names."""
    unseen: tuple[FalsifiedImplication, ...] = ()
    """Edges ``a -> b`` of which nothing is seen, and the rows are too few to tell."""
    shown: int = 0
    """Statements that are shown to hold within :data:`GATE`."""

    @property
    def p(self) -> float:
        """Share of shuffled graphs that fit as well: above 0.05, the graph is no better than
        chance."""
        as_good = sum(share <= self.broken for share in self.shuffled)
        # The graph counts among those shuffled: no share of chance is 0.
        return (1 + as_good) / (1 + len(self.shuffled))

    @property
    def agrees(self) -> bool:
        """Whether nothing was found against the graph."""
        return not self.missing and not self.superfluous

    @property
    def is_shown(self) -> bool:
        """Whether every statement is shown to hold, and every edge is seen."""
        return self.agrees and not self.unseen and self.shown == self.statements


def falsify(
    graph: Graph,
    rows: Array,
    nominal: Sequence[bool],
    rng: np.random.Generator,
    n_permutations: int = PERMUTATIONS,
) -> Falsification:
    """Test ``graph`` on ``rows`` ``(n, d)``, all finite; ``nominal`` names unordered columns."""
    # Shared by all graphs: shuffled ones ask for many of the same regressions.
    residuals = Residuals(rows, nominal)
    stated = _stated(graph, residuals)
    missing = _broken(stated)
    idle = _idle(graph, residuals)
    shuffled = [_renamed(graph, rng.permutation(len(graph))) for _ in range(n_permutations)]
    return Falsification(
        tuple(missing),
        tuple(f for f in idle if f.upper < GATE),
        len(missing) / len(stated) if stated else 0.0,
        len(stated),
        tuple(_share(other, residuals) for other in shuffled),
        tuple(f for f in idle if f.upper >= GATE),
        sum(f.upper < GATE for f in stated),
    )


def _statements(graph: Graph) -> list[tuple[int, int]]:
    """``(i, j)``: ``j`` is independent of ``i`` given the parents of ``j``; each pair once, with
    the later node as ``j``."""
    place = {j: k for k, j in enumerate(graph.order)}
    return [
        (i, j)
        for j in graph.order
        for i in graph.order
        # The earlier of two is no effect of the later, so the parents of the later must part them.
        if place[i] < place[j] and i not in graph.parents[j]
    ]


def _stated(graph: Graph, residuals: Residuals) -> list[FalsifiedImplication]:
    """What the rows say of each statement."""
    pairs = _statements(graph)
    tests = [conditional(residuals, i, j, frozenset(graph.parents[j])) for i, j in pairs]
    return _corrected(pairs, tests)


def _broken(found: Sequence[FalsifiedImplication]) -> list[FalsifiedImplication]:
    # With enough rows anything is significant, so the effect must count as well.
    return sorted((f for f in found if f.p < ALPHA and f.effect >= GATE), key=lambda f: -f.effect)


def _idle(graph: Graph, residuals: Residuals) -> list[FalsifiedImplication]:
    tests = [
        # Given the other causes, or what goes by way of them would speak for this edge.
        conditional(residuals, i, j, frozenset(graph.parents[j]) - {i})
        for i, j in graph.edges
    ]
    found = _corrected(graph.edges, tests)
    return [f for f in found if f.p >= ALPHA or f.effect < IDLE]


def _corrected(
    pairs: Sequence[tuple[int, int]], tests: Sequence[Dependence]
) -> list[FalsifiedImplication]:
    corrected = holm([t.p for t in tests])
    return [
        FalsifiedImplication(a, b, test.effect, p, test.upper)
        for (a, b), test, p in zip(pairs, tests, corrected, strict=True)
    ]


def _share(graph: Graph, residuals: Residuals) -> float:
    stated = _stated(graph, residuals)
    return len(_broken(stated)) / len(stated) if stated else 0.0


def _renamed(graph: Graph, names: npt.NDArray[np.signedinteger[Any]]) -> Graph:
    # The shape stays, so that only who is who is put to the test.
    return Graph.of(len(graph), [(int(names[i]), int(names[j])) for i, j in graph.edges])
