"""The graphs that rows cannot exclude beside the declared one, as ``causal.toml`` holds them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ifonly.explainers.causal.discovery import Arcs, Forbidden, arc_shares
from ifonly.explainers.causal.held_out import HeldOutDensity
from ifonly.explainers.causal.spec import Alternative, CausalSpec, Confounder, NodeRole
from ifonly.explainers.causal.which_graphs import (
    BY_SOURCE,
    DECLARED,
    ChangeKind,
    Edge,
    GraphChange,
    KnownColumns,
    WeighedChange,
    changes,
    weigh,
)
from ifonly.models.predictor import Rows
from ifonly.models.schema import Kind

FOUND = ("validation", "discovery")
"""Sources of alternatives that no person gave: they are found anew."""


@dataclass(frozen=True)
class EdgeRuns:
    """How often an algorithm found an edge in rows drawn again, as declared and otherwise."""

    runs: int
    so: float
    """Share of the runs."""
    turned: float

    def odds(self, kind: ChangeKind) -> float:
        """Against the edge as declared, or its absence; half a run more each, as none is not
        never."""
        if kind is ChangeKind.ADDED:
            return (self.runs * self.so + 0.5) / (self.runs * (1.0 - self.so - self.turned) + 0.5)
        found = self.turned if kind is ChangeKind.REVERSED else 1.0 - self.so - self.turned
        return (self.runs * found + 0.5) / (self.runs * self.so + 0.5)


def edge_runs(
    graphs: Sequence[Arcs], forbidden: Forbidden, columns: Sequence[int]
) -> dict[Edge, EdgeRuns]:
    """How often each two of ``columns`` were joined in ``graphs``, whose nodes are these columns in
    this order, and which way round."""
    shares = arc_shares(graphs, forbidden)
    return {
        (columns[a], columns[b]): EdgeRuns(len(graphs), float(shares[a, b]), float(shares[b, a]))
        for a in range(len(columns))
        for b in range(len(columns))
        if a != b
    }


@dataclass(frozen=True)
class GraphDoubt:
    """A graph beside the declared one, in the features' names."""

    alternative: Alternative
    """Without mechanisms; ``reason`` is left to whoever finds words."""
    change: GraphChange
    weighed: WeighedChange
    runs: EdgeRuns | None
    """Of the edge, where it was weighed by them."""


def find_alternatives(
    spec: CausalSpec,
    rows: Rows,
    rng: np.random.Generator,
    *,
    doubt_all: bool = False,
    runs: Mapping[Edge, EdgeRuns] | None = None,
) -> tuple[GraphDoubt, ...]:
    """Graphs that differ from the main graph of ``spec`` by what rows cannot exclude.

    Alternatives that a person gave are no part of it and keep their weight.

    Parameters
    ----------
    spec : CausalSpec
    rows : ndarray, shape (n, d)
        In schema order; those with missing readings are left out.
    rng : numpy.random.Generator
    doubt_all : bool
        Whether edges of physics and experiments are doubted as all others are.
    runs : mapping of edge to EdgeRuns, optional
        What an algorithm found in rows drawn again; directions and absences are then weighed by it
        and not by the rows themselves, and edges that it found in some and that are not declared
        may be there.

    Returns
    -------
    tuple of GraphDoubt
        Likeliest first, those left out as well.

    Raises
    ------
    ValueError
        If too few rows have no missing readings.
    """
    features = spec.schema.features
    given = given_by_persons(spec)
    known = {(frozenset(a.remove), frozenset(a.add), _pairs(a.confounders)) for a in given}
    asked = dict[GraphChange, float]()
    missing = [edge for edge, seen in (runs or {}).items() if seen.so > 0.0]
    for change in changes(spec.graph, _levers(spec), missing):
        odds = _odds(spec, change, doubt_all, runs)
        as_told = alternative(spec, WeighedChange(change, 0.0, False), "")
        told = frozenset(as_told.remove), frozenset(as_told.add), _pairs(as_told.confounders)
        # What a person said of it, or of how strong it is, says more.
        if odds > 0 and told not in known and not told[2] & _pairs(spec.hidden):
            asked[change] = odds
    nominal = [f.kind is Kind.NOMINAL for f in features]
    density = HeldOutDensity(rows, nominal, rng)
    room = 1.0 - sum(a.weight for a in given)
    found = weigh(spec.graph, asked, density, rng, by_rows=runs is None, room=room)
    return tuple(_doubt(spec, weighed, runs) for weighed in found)


def given_by_persons(spec: CausalSpec) -> tuple[Alternative, ...]:
    return tuple(a for a in spec.alternatives if a.source not in FOUND)


def _levers(spec: CausalSpec) -> KnownColumns:
    roles = [spec.nodes[name].role for name in spec.schema.names]
    return KnownColumns(
        tuple(not f.kind.is_categorical for f in spec.schema.features),
        frozenset(j for j, role in enumerate(roles) if role is NodeRole.ACTIONABLE),
        frozenset(j for j, role in enumerate(roles) if role is NodeRole.FIXED),
    )


def _pairs(confounders: Sequence[Confounder]) -> frozenset[frozenset[str]]:
    return frozenset(frozenset(c.between) for c in confounders)


def _odds(
    spec: CausalSpec,
    change: GraphChange,
    doubt_all: bool,
    runs: Mapping[Edge, EdgeRuns] | None,
) -> float:
    """Of all the edges that it changes, each doubted by itself."""
    names, odds = spec.schema.names, 1.0
    sources = {(e.cause, e.effect): e.source for e in spec.edges}
    for edge in change.turned or (change.edge,):
        # One that is not declared has no source.
        prior = BY_SOURCE.get(sources.get((names[edge[0]], names[edge[1]]), ""), DECLARED)
        if doubt_all:
            prior = DECLARED
        own = prior.of(change.kind)
        # An algorithm says nothing of what is hidden, nor against who knows the law.
        if runs is not None and own and change.kind is not ChangeKind.HIDDEN:
            own = runs[edge].odds(change.kind) if edge in runs else 0.0
        odds *= own
    return odds


def _doubt(
    spec: CausalSpec, weighed: WeighedChange, runs: Mapping[Edge, EdgeRuns] | None
) -> GraphDoubt:
    change = weighed.change
    seen = None if change.kind is ChangeKind.HIDDEN else (runs or {}).get(change.edge)
    source = "validation" if seen is None else "discovery"
    return GraphDoubt(alternative(spec, weighed, source), change, weighed, seen)


def alternative(spec: CausalSpec, weighed: WeighedChange, source: str) -> Alternative:
    """A graph that was weighed, in the features' names."""
    change, names = weighed.change, spec.schema.names
    remove, add = (
        tuple((names[i], names[j]) for i, j in edges) for edges in (change.removed, change.added)
    )
    between = names[change.edge[0]], names[change.edge[1]]
    hidden = (Confounder(between, strength=weighed.strength),)
    return Alternative(
        _named(spec, change),
        weighed.weight,
        source,
        remove=remove,
        add=add,
        confounders=hidden if change.kind is ChangeKind.HIDDEN else (),
    )


def _named(spec: CausalSpec, change: GraphChange) -> str:
    """By columns: features may have names in any script, and an alternative's is a plain one."""
    others = "".join(f"-{_plain(spec, k)}" for turned in change.turned[1:] for k in turned)
    i, j = change.edge
    return f"{_plain(spec, i)}-{_plain(spec, j)}{others}-{change.kind.value}"


def _plain(spec: CausalSpec, column: int) -> str:
    name = spec.schema.names[column]
    is_plain = name.isascii() and name.replace("_", "").isalnum()
    return name if is_plain and not name.startswith("column") else f"column{column}"
