"""Which answers rest on a part of the causal model that failed a check and was accepted anyway.

A part is an edge, declared or missing, a node's mechanism, or the whole. An answer rests on it
where something that the part speaks of may move otherwise than is believed. What is set has its
value whatever its causes do, so to set a feature too severs it from all that leads into it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ifonly.explainers.causal.graph import Graph
from ifonly.explainers.causal.spec import CausalSpec, CheckResult, ProvenanceCheck

MISSING, IDLE_EDGE, REVERSED = "missing edge", "idle edge", "reversed edge"
GRAPH = "graph"
"""The check that tells of all edges together."""


Pairs = tuple[tuple[frozenset[int], int], ...]


@dataclass(frozen=True)
class Doubt:
    """One part that failed, and which actions rest on it."""

    check: ProvenanceCheck
    pairs: Pairs
    """Of each feature in doubt: what, if any of it is set, would move it; and that feature."""

    def is_under(self, moved: Iterable[int], severed: Iterable[int] | None = None) -> bool:
        """Whether an action that moves columns rests on it; ``severed``: those that do not follow
        their causes, by default what is moved."""
        acted = frozenset(moved)
        apart = acted if severed is None else frozenset(severed)
        return any(causes & acted and effect not in apart for causes, effect in self.pairs)


def doubts_of(spec: CausalSpec) -> tuple[Doubt, ...]:
    """What was in doubt when the graph of ``spec`` was accepted."""
    return tuple(Doubt(check, tuple(_pairs(check, spec))) for check in spec.doubts or ())


def are_forbidden(policy: Mapping[str, Any]) -> bool:
    """Whether a spec's ``[policy]`` table lets no answer rest on what had failed."""
    return bool(policy.get("causal", {}).get("failed_checks", "tell") == "forbid")


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
        if check.check == IDLE_EDGE:
            yield above[a] | {a}, b
            return
        # It may lead either way, but a missing edge none that closes a loop.
        ways = [(c, e) for c, e in ((a, b), (b, a)) if check.check != MISSING or e not in above[c]]
        # What moves the cause would move the effect; and what is known of how the effect follows
        # was learnt without the cause.
        yield from (((above[c] | above[e] | {c}) - {e}, e) for c, e in ways)
    else:
        nodes = [index(check.node)] if check.node else range(len(graph))
        yield from ((above[j], j) for j in nodes if above[j])


def _ancestors(graph: Graph) -> list[frozenset[int]]:
    return [
        frozenset(i for i, below in enumerate(graph.descendants) if j in below)
        for j in range(len(graph))
    ]
