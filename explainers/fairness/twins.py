"""The same individuals had an attribute been another: what a causal model says, and how surely.

A twin has its individual's own noise (Kusner et al. 2017): what follows from the attribute has
moved, all else is as it was. Nobody knows the mechanisms for certain, nor the graph: so there are
many *worlds*, each a graph that may be the true one with one draw of its mechanisms and of what
hidden causes may do, and a twin in each. Edges along which an effect is allowed carry none
(path-specific: Chiappa 2019): what follows along them sees the attribute as it was.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from ifonly.explainers.causal.consequences import CausalConsequences
from ifonly.explainers.causal.errors import CausalError
from ifonly.explainers.causal.function import Always, Members
from ifonly.explainers.causal.graph import Graph
from ifonly.explainers.causal.hidden import HiddenCauses, Tilts, TooManyHidden
from ifonly.explainers.causal.members import CausalMembers, draw_members
from ifonly.models.predictor import Rows

Floats = npt.NDArray[np.float64]
Edges = frozenset[tuple[int, int]]
WORLDS = 200
"""Drawn by default."""
WIDER = 1.3
"""By what mechanisms are drawn wider than their posterior: its prior is learned, and draws small
effects towards none (without, intervals of 95 % hold the truth in 87 to 97 %: decision 0143)."""
_CELLS = 8_000_000
"""Numbers that are held at once."""


@dataclass(frozen=True, eq=False)
class TwinWorlds:
    """Ways in which everything may follow."""

    graphs: tuple[CausalConsequences, ...]
    """Those that may be the true one, the believed one first."""
    graph: npt.NDArray[np.int64]
    """``(w,)``: of each world, which graph."""
    version: npt.NDArray[np.int64]
    """``(w,)``: which of the graph's own members."""
    tilt: Floats
    """``(w,)``: where among what hidden causes may do, from 0 to 1."""
    allowed: Edges
    """Along which an effect of the attribute is allowed."""

    def __len__(self) -> int:
        return len(self.graph)

    def first(self, n: int) -> TwinWorlds:
        """The first ``n`` of them."""
        return replace(self, graph=self.graph[:n], version=self.version[:n], tilt=self.tilt[:n])


def draw_worlds(
    consequences: CausalConsequences,
    n: int = WORLDS,
    seed: int = 0,
    allowed: Edges = frozenset(),
) -> TwinWorlds:
    """``n`` worlds, graphs by their probability, each with mechanisms of its own."""
    rng = np.random.default_rng(seed)
    graphs, weights = [replace(consequences, others=())], [1.0]
    for other in consequences.others:
        graphs.append(replace(other.consequences, others=()))
        weights.append(other.weight)
        weights[0] -= other.weight
    chosen = rng.choice(len(graphs), size=n, p=np.array(weights) / sum(weights))
    version = np.zeros(n, dtype=np.int64)
    for g, graph in enumerate(graphs):
        own = np.flatnonzero(chosen == g)
        version[own] = np.arange(len(own))
        # Anew, and as many as there are worlds: answers are all held against the same few.
        members = _wider(draw_members(graph.model, rng, max(len(own), 1)))
        graphs[g] = replace(graph, members=members)
    return TwinWorlds(tuple(graphs), chosen, version, rng.random(n), allowed)


@dataclass(frozen=True, eq=False)
class WiderMembers:
    """Draws of a function, each farther from what is believed of it."""

    believed: Always
    drawn: Members

    def __call__(self, parents: Floats) -> Floats:
        middle = self.believed(parents)
        return np.asarray(middle + WIDER * (self.drawn(parents) - middle))


def _wider(members: CausalMembers) -> CausalMembers:
    return replace(
        members,
        mechanisms=tuple(
            None
            if drawn is None or mechanism is None
            else replace(drawn, location=WiderMembers(Always(mechanism.location), drawn.location))
            for drawn, mechanism in zip(members.mechanisms, members.model.mechanisms, strict=True)
        ),
    )


def believed_twins(worlds: TwinWorlds, rows: Rows, column: int, value: float) -> Rows:
    """By the mechanisms and the graph that are believed: ``(n, d)``; NaN or infinite where nobody
    can tell what would be read."""
    graph = worlds.graphs[0]
    members = _along(graph.members, worlds.allowed)
    extra = _copies(rows, members, graph)
    values = np.full((len(rows), 1), value)
    try:
        moved = members.model.counterfactual(extra, [column], values)
    except CausalError:
        return _lost(rows, graph, column, value)
    return graph.read(moved[:, : rows.shape[1]])


def twins_in(worlds: TwinWorlds, rows: Rows, column: int, value: float) -> Floats:
    """The twins of ``rows``, ``(n, d)``, in each world: ``(w, n, d)``; NaN or infinite where nobody
    can tell what would be read."""
    found = np.empty((len(worlds), *rows.shape))
    for g, graph in enumerate(worlds.graphs):
        own = np.flatnonzero(worlds.graph == g)
        if not len(own):
            continue
        try:
            tilts = list(HiddenCauses(graph.model, graph.hidden).tilts([column]))
            which = np.minimum((worlds.tilt[own] * len(tilts)).astype(np.int64), len(tilts) - 1)
            for t, tilt in enumerate(tilts):
                some = own[which == t]
                if len(some):
                    versions = worlds.version[some]
                    found[some] = _versions(worlds, graph, tilt, rows, column, value)[versions]
        # Nobody can tell what follows, whatever the mechanisms are.
        except (TooManyHidden, CausalError):
            found[own] = _lost(rows, graph, column, value)
    return found


def _versions(
    worlds: TwinWorlds,
    graph: CausalConsequences,
    tilts: Tilts,
    rows: Rows,
    column: int,
    value: float,
) -> Floats:
    """By each plausible version of a graph's mechanisms, ``(k, n, d)``."""
    members = _along(graph.members, worlds.allowed)
    extra = _copies(rows, members, graph)
    some = max(1, _CELLS // (members.k * extra.shape[1]))
    found = np.empty((members.k, *rows.shape))
    for start in range(0, len(rows), some):
        part = extra[start : start + some]
        values = np.full((len(part), 1), value)
        moved = members.counterfactual(part, [column], values, tilts=tilts)
        found[:, start : start + some] = moved[:, :, : rows.shape[1]]
    if graph.whole:
        found[..., list(graph.whole)] = np.rint(found[..., list(graph.whole)])
    return found


def _along(members: CausalMembers, allowed: Edges) -> CausalMembers:
    """The same model in which the effect of each allowed edge sees a copy of its cause, a column of
    its own that keeps what was read."""
    graph, model = members.model.graph, members.model
    cut = [(cause, effect) for cause, effect in graph.edges if (cause, effect) in allowed]
    if not cut:
        return members
    copy = {edge: len(graph) + k for k, edge in enumerate(cut)}
    parents = [
        # In the same order: weights of mechanisms stand in it.
        tuple(copy.get((cause, effect), cause) for cause in causes)
        for effect, causes in enumerate(graph.parents)
    ]
    more = (None,) * len(cut)
    split = replace(
        model,
        names=(*model.names, *(model.names[cause] for cause, _ in cut)),
        graph=Graph((*parents, *(() for _ in cut))),
        mechanisms=(*model.mechanisms, *more),
        roots=(*model.roots, *more) if model.roots else (),
    )
    return replace(members, model=split, mechanisms=(*members.mechanisms, *more))


def _copies(rows: Rows, members: CausalMembers, graph: CausalConsequences) -> Rows:
    """``rows`` with the columns that :func:`_along` added, as they were read."""
    causes = list[int]()
    for effect, parents in enumerate(graph.model.graph.parents):
        split = members.model.graph.parents[effect]
        causes += [c for c, s in zip(parents, split, strict=True) if c != s]
    return np.hstack([rows, rows[:, causes]]) if causes else rows


def _lost(rows: Rows, graph: CausalConsequences, column: int, value: float) -> Rows:
    lost = rows.copy()
    lost[:, column] = value
    lost[:, list(graph.follows([column]))] = np.inf
    return lost
