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


# --- what is told of many ---------------------------------------------------------------------

DRAWS = 4_000
TAIL = 0.025
LEAST_MEAN = 6
"""Individuals of whom a mean is told: fewer say nothing of others."""


@dataclass(frozen=True, slots=True)
class UncertainValue:
    """By what is believed, and where it may lie: over worlds, and over which individuals there
    happen to be; 95 %."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class DecisionTwins:
    """How twins are decided otherwise than their individuals, as shares of them."""

    of: int
    better: UncertainValue
    """The twin is decided as desired, the individual is not."""
    worse: UncertainValue
    either: UncertainValue
    net: UncertainValue
    """Better less worse: what the attribute costs the group."""


def decision_twins(
    own: npt.NDArray[np.bool_],
    believed: npt.NDArray[np.bool_],
    worlds: npt.NDArray[np.bool_],
    seed: int = 0,
) -> DecisionTwins:
    """Of ``n`` individuals.

    Parameters
    ----------
    own : ndarray of bool, shape (n,)
        Who is decided otherwise than is desired.
    believed : ndarray of bool, shape (n,)
        Of their twins, by what is believed.
    worlds : ndarray of bool, shape (w, n)
        Of their twins in each world.
    seed : int
    """
    rng, n = np.random.default_rng(seed), len(own)
    if not n:
        nothing = UncertainValue(0.0, 0.0, 1.0)
        return DecisionTwins(0, nothing, nothing, nothing, UncertainValue(0.0, -1.0, 1.0))
    better, worse = (own & ~worlds).sum(axis=1), (~own & worlds).sum(axis=1)
    counts = np.stack([better, worse, n - better - worse], axis=1)[np.arange(DRAWS) % len(worlds)]
    # Jeffreys' law of the shares in each world: also of nobody out of n something is known.
    drawn = rng.standard_gamma(counts + 0.5)
    drawn /= drawn.sum(axis=1, keepdims=True)
    points = float((own & ~believed).mean()), float((~own & believed).mean())
    up = _share(points[0], drawn[:, 0], better, n)
    down = _share(points[1], drawn[:, 1], worse, n)
    either = _share(sum(points), drawn[:, 0] + drawn[:, 1], better + worse, n)
    # A share of both signs cannot be near 0 in any world: its lower end is what one of them has.
    either = replace(either, low=min(either.value, max(up.low, down.low)))
    net = points[0] - points[1]
    low, high = np.quantile(drawn[:, 0] - drawn[:, 1], [TAIL, 1 - TAIL])
    low, high = min(low, net), max(high, net)
    return DecisionTwins(n, up, down, either, UncertainValue(net, float(low), float(high)))


def share_over_worlds(
    believed: npt.NDArray[np.bool_], worlds: npt.NDArray[np.bool_], seed: int = 0
) -> UncertainValue:
    """The share of ``n`` individuals of whom something is true: ``(n,)`` by what is believed,
    ``(w, n)`` in each world."""
    n = len(believed)
    if not n:
        return UncertainValue(0.0, 0.0, 1.0)
    count = worlds.sum(axis=1)
    each = count[np.arange(DRAWS) % len(worlds)]
    drawn = np.random.default_rng(seed).beta(each + 0.5, n - each + 0.5)
    return _share(float(believed.mean()), drawn, count, n)


def _share(value: float, drawn: Floats, seen: npt.NDArray[np.int64], n: int) -> UncertainValue:
    low, high = np.quantile(drawn, [TAIL, 1 - TAIL])
    # Where nobody is in enough worlds, nobody may be: a law of shares above 0 forbids that.
    low = 0.0 if (seen == 0).mean() >= TAIL else min(low, value)
    high = 1.0 if (seen == n).mean() >= TAIL else max(high, value)
    return UncertainValue(value, float(low), float(high))


def mean_over_worlds(believed: Floats, worlds: Floats, seed: int = 0) -> UncertainValue | None:
    """A mean over ``n`` individuals, ``(n,)`` by what is believed and ``(w, n)`` in each world; NaN
    counts nowhere. None: of fewer than :data:`LEAST_MEAN`.

    Individuals are drawn anew by the Bayesian bootstrap (Rubin 1981); of few worlds the next is as
    far off as Student's law says.
    """
    known = np.isfinite(worlds)
    of = int(np.isfinite(believed).sum())
    if of < LEAST_MEAN:
        return None
    point = float(np.nanmean(believed))
    usable = known.any(axis=1)
    if not usable.any():
        return UncertainValue(point, point, point)
    rng, held = np.random.default_rng(seed), known[usable].astype(np.float64)
    filled = np.where(known, worlds, 0.0)[usable]
    means = list[Floats]()
    for _ in range(DRAWS // 200):
        weights = rng.standard_exponential((200, held.shape[1]))
        each = (weights @ filled.T) / (weights @ held.T)
        n = each.shape[1]
        apart = each.std(axis=1, ddof=1) * np.sqrt(1 + 1 / n) if n > 1 else np.zeros(200)
        means.append(each.mean(axis=1) + apart * rng.standard_t(max(n - 1, 1), 200))
    drawn = np.concatenate(means)
    # The bootstrap's variance is that of n + 1, not of n - 1.
    drawn = drawn.mean() + (drawn - drawn.mean()) * np.sqrt((of + 1) / (of - 1))
    low, high = np.quantile(drawn, [TAIL, 1 - TAIL])
    return UncertainValue(point, float(min(low, point)), float(max(high, point)))
