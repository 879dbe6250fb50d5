"""From graphs that algorithms found to one that a person may look at; it stays a proposal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ifonly.explainers.causal.graph import Graph, find_loop
from ifonly.models.predictor import Rows

Arcs = tuple[tuple[int, int], ...]
"""``(cause, effect)``; an edge whose direction is open stands in it both ways."""
Forbidden = npt.NDArray[np.bool_]
"""``(d, d)``: ``[i, j]``: column ``i`` does not act on ``j``."""

FOLLOWS_UNITS = 0.9
"""Varsortability from which on a graph may be one of the units only."""


def forbidden_by_tiers(tiers: Sequence[int]) -> Forbidden:
    """What is in a later tier acts on nothing in an earlier one; ``tiers`` by column."""
    tier = np.array(tiers)
    return np.asarray(tier[:, None] > tier[None, :])


@dataclass(frozen=True)
class ProposedEdge:
    cause: int
    effect: int
    joined: float
    """Share of the graphs in which the two are joined, in whatever direction."""
    directed: float
    """Of those, the share for this direction; an open edge counts half for each."""


@dataclass(frozen=True)
class GraphProposal:
    edges: tuple[ProposedEdge, ...]
    """Most frequent first; no loop."""
    undecided: tuple[tuple[int, int], ...]
    """Joined, but with no direction more frequent, or only in one that would close a loop."""


def propose(
    graphs: Sequence[Arcs], forbidden: Forbidden, least: float = 0.5, *, open_edges: bool = False
) -> GraphProposal:
    """Edges that are in at least the share ``least`` of ``graphs``, each in its commoner direction.

    What is forbidden is turned round where it is joined: algorithms that take no knowledge are
    told afterwards. With ``open_edges`` one of which no direction is more frequent is an edge too,
    some way round that closes no loop: for whoever holds the other way as likely.
    """
    d, votes = len(forbidden), arc_shares(graphs, forbidden)
    joined = votes + votes.T
    pairs = [(i, j) for i in range(d) for j in range(d) if i < j and joined[i, j] >= least]
    edges: list[ProposedEdge] = []
    undecided = []
    parents: dict[int, list[int]] = {j: [] for j in range(d)}
    # The surest first, so that a weaker edge gives way where both would close a loop; open ones,
    # if they are edges, take the way that all the others leave.
    last = {pair: open_edges and votes[pair] == votes[pair[::-1]] for pair in pairs}
    for i, j in sorted(pairs, key=lambda pair: (last[pair], -joined[pair])):
        cause, effect = (i, j) if votes[i, j] > votes[j, i] else (j, i)
        is_open = votes[i, j] == votes[j, i]
        if is_open and open_edges and forbidden[cause, effect]:
            cause, effect = effect, cause
        loop = find_loop({**parents, effect: [*parents[effect], cause]})
        # Of two that are as likely, that which there can be.
        if loop and is_open and open_edges and not forbidden[effect, cause]:
            cause, effect = effect, cause
            loop = find_loop({**parents, effect: [*parents[effect], cause]})
        # A direction drawn by lot would look as if it were found.
        if (is_open and not open_edges) or loop:
            undecided.append((i, j))
            continue
        parents[effect].append(cause)
        share = float(joined[i, j])
        edges.append(ProposedEdge(cause, effect, share, float(votes[cause, effect]) / share))
    return GraphProposal(tuple(edges), tuple(undecided))


def arc_shares(graphs: Sequence[Arcs], forbidden: Forbidden) -> npt.NDArray[np.float64]:
    """``(d, d)``: ``[i, j]``: share of ``graphs`` in which ``i`` acts on ``j``; an open edge counts
    half for each direction, and what is forbidden is turned round."""
    return np.asarray(np.mean([_votes(arcs, forbidden) for arcs in graphs], axis=0))


def _votes(arcs: Arcs, forbidden: Forbidden) -> npt.NDArray[np.float64]:
    votes = np.zeros(forbidden.shape)
    for i, j in arcs:
        votes[i, j] = 1.0
    both = votes * votes.T
    # An open edge counts half for each direction.
    votes -= 0.5 * both
    turned = votes * forbidden
    return np.asarray(np.where(forbidden & forbidden.T, 0.0, votes - turned + turned.T))


def varsortability(graph: Graph, rows: Rows) -> float:
    """Share of directed paths along which the variance rises (Reisach et al. 2021).

    0.5 is what chance gives; near 1, an algorithm that orders columns by their variance, and so
    by their units, finds the same graph. NaN where there is no edge.
    """
    d = len(graph)
    variance = rows.var(axis=0)
    rises = variance[None, :] - variance[:, None]
    step = np.zeros((d, d))
    for i, j in graph.edges:
        step[i, j] = 1.0
    paths, found, total = np.eye(d), 0.0, 0.0
    for _ in range(d - 1):
        # Paths of one step more, each counted once however many there are.
        paths = ((paths @ step) > 0).astype(float)
        total += paths.sum()
        found += (paths * (rises > 0)).sum() + 0.5 * (paths * (rises == 0)).sum()
    return float(found / total) if total else float("nan")
