"""Which answers rest on a part of the causal model that failed a check and was accepted anyway.

A part is an edge, declared or missing, a node's mechanism, or the whole. An answer rests on it
where something that the part speaks of may move otherwise than is believed. What is set has its
value whatever its causes do, so to set a feature too severs it from all that leads into it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from explainers.causal.graph import Graph
from explainers.causal.spec import CausalSpec, CheckResult, ProvenanceCheck

MISSING, IDLE_EDGE, REVERSED = "missing edge", "idle edge", "reversed edge"
GRAPH = "graph"
"""The check that tells of all edges together."""

Pairs = tuple[tuple[frozenset[int], int], ...]
"""Of each feature in doubt: what, if any of it is set, would move it; and that feature."""


@dataclass(frozen=True)
class Doubt:
    """One part that failed, and which actions rest on it."""

    check: ProvenanceCheck
    pairs: Pairs

    def is_under(self, moved: Iterable[int], severed: Iterable[int] | None = None) -> bool:
        """Whether an action that moves columns rests on it; ``severed``: those that do not follow
        their causes, by default what is moved."""
        acted = frozenset(moved)
        apart = acted if severed is None else frozenset(severed)
        return any(causes & acted and effect not in apart for causes, effect in self.pairs)


def doubts_of(spec: CausalSpec) -> tuple[Doubt, ...]:
    """What was in doubt when the graph of ``spec`` was accepted."""
    return tuple(Doubt(check, tuple(_pairs(check, spec))) for check in spec.doubts or ())


def failed_parts(checks: Sequence[ProvenanceCheck]) -> tuple[ProvenanceCheck, ...] | None:
    """Those of ``checks`` that failed, each of its part; None if nothing was tested at all."""
    if not checks:
        return None
    failed = [c for c in checks if c.standing is CheckResult.FAILED]
    # What is said of all edges together is said of each that failed, if that is known.
    if any(c.between for c in failed):
        failed = [c for c in failed if c.check != GRAPH]
    # A list of what failed need not say of each that it did.
    return tuple(replace(c, result=None) for c in failed)


def _pairs(check: ProvenanceCheck, spec: CausalSpec) -> Iterator[tuple[frozenset[int], int]]:
    graph, index = spec.graph, spec.schema.index
    above = _ancestors(graph)
    if check.between is not None:
        a, b = map(index, check.between)
        if check.check == MISSING and b in above[a]:
            a, b = b, a
        # What moves `a` would move `b`, whoever is right about the rest.
        yield (above[a] | {a} | (above[b] if check.check == MISSING else frozenset())) - {b}, b
        # A missing edge can only lead the way that closes no loop; an idle one leads nowhere else.
        if check.check == REVERSED or (check.check != IDLE_EDGE and a not in above[b]):
            yield (above[a] | above[b] | {b}) - {a}, a
    else:
        nodes = [index(check.node)] if check.node else range(len(graph))
        yield from ((above[j], j) for j in nodes if above[j])


def _ancestors(graph: Graph) -> list[frozenset[int]]:
    return [
        frozenset(i for i, below in enumerate(graph.descendants) if j in below)
        for j in range(len(graph))
    ]
