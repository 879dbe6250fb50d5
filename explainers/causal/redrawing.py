"""Noise that is drawn anew, in part, between a reading and the moment in which a remedy acts.

Of a node's noise ``u`` with normal score ``z`` what is left then has the score
``rho z + sqrt(1 - rho**2) e``: a normal copula, so that the noise keeps its own distribution
however much of it stays. In a share ``redrawn`` of the draws it is ``e`` alone.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ifonly.explainers.causal.function import Array
from ifonly.explainers.causal.marginal import Marginal, quantiles
from ifonly.explainers.causal.mechanism import Noise
from ifonly.explainers.causal.members import CausalMembers, MemberMechanism
from ifonly.explainers.causal.model import CausalModel
from ifonly.explainers.causal.noise_stability import NodeStability
from ifonly.models.predictor import Row

ROUNDS = 8
"""Draws of each plausible version of the mechanisms."""
NEAREST_TO_ONE = 0.999
"""Ends of an interval beyond it count as this: at 1 no spread could be told."""
WIDTH = 2.0 * 1.959963984540054
"""Of a 95 % interval, in standard deviations."""

Redrawn = Mapping[int, Array]
"""By column: by how much its noise is otherwise, in its own unit, ``(k, 1)`` by version."""


@dataclass(frozen=True, eq=False)
class NodeDraws:
    """Of one node, over all draws, ``(ROUNDS, k)``."""

    rho: Array
    """The same of a version in every round: it is not known, and does not change."""
    fresh: Array
    """Normal scores of what is drawn anew."""
    is_new: Array
    """Whether nothing is left, as 0 and 1."""

    def score(self, before: Array, round_: int) -> Array:
        """The score that ``before``, ``(k,)``, becomes."""
        own, new, fresh = self.rho[round_], self.is_new[round_], self.fresh[round_]
        kept = own * before + np.sqrt(np.maximum(1.0 - own**2, 0.0)) * fresh
        return np.asarray(np.where(new > 0.0, fresh, kept))


@dataclass(frozen=True, eq=False)
class Redrawing:
    """What is drawn anew of each node of which it is declared."""

    nodes: tuple[tuple[int, NodeStability], ...]
    """By column, in schema order."""

    @property
    def columns(self) -> frozenset[int]:
        """Those of which something is drawn anew at all."""
        return frozenset(j for j, own in self.nodes if not own.stays)

    def draws(self, members: CausalMembers, factual: Row) -> list[Redrawn]:
        """What each round makes of the noises that ``members`` abduct from ``factual``.

        A noise that cannot be abducted, because the node or a cause of it was not read, stays.
        """
        model = members.model
        known: dict[int, tuple[Marginal, Array, NodeDraws]] = {}
        for j, draws in zip(self._moving, _draws(self._key, members.k), strict=True):
            marginal = _marginal(model, j)
            if marginal is None or not np.isfinite(factual[[j, *model.graph.parents[j]]]).all():
                continue
            known[j] = marginal, _abducted(members, factual, j), draws
        found: list[Redrawn] = []
        for round_ in range(ROUNDS):
            each = {}
            for j, (marginal, noise, draws) in known.items():
                score = draws.score(marginal.score(noise), round_)
                each[j] = (marginal.noise(score) - noise)[:, None]
            found.append(each)
        return found

    @property
    def _moving(self) -> list[int]:
        return [j for j, own in self.nodes if not own.stays]

    @property
    def _key(self) -> tuple[NodeStability, ...]:
        return tuple(own for _, own in self.nodes if not own.stays)


def _abducted(members: CausalMembers, factual: Row, j: int) -> Array:
    """The noise of one node by each version, ``(k,)``."""
    law: MemberMechanism | None = members.mechanisms[j]
    value = np.full(members.k, factual[j])
    if law is None:
        return value
    parents = factual[None, None, members.model.graph.parents[j]]
    with np.errstate(invalid="ignore", over="ignore"):
        found = (factual[j] - law.location(parents)) / law.spread(parents)
    return np.asarray(np.broadcast_to(found[..., 0], (members.k,)))


def _marginal(model: CausalModel, j: int) -> Marginal | None:
    noise = model.marginal_noise(j)
    return None if noise is None else _marginal_of(noise)


@lru_cache(maxsize=256)
def _marginal_of(noise: Noise) -> Marginal | None:
    return Marginal.of(noise)


@lru_cache(maxsize=64)
def _draws(nodes: tuple[NodeStability, ...], k: int) -> tuple[NodeDraws, ...]:
    """Latin hypercube: of each number every one of its equally likely parts is drawn once.

    The order is part of docs/causal.md, and the checker draws the very same: from seed 0 one
    permutation of all draws for the moments in which nothing is left, of all nodes together; then,
    node by node in schema order, one of the versions for what is believed of ``rho``, and one of
    all draws for what is drawn anew.
    """
    n, rng = ROUNDS * k, np.random.default_rng(0)
    changes = ((rng.permutation(n) + 0.5) / n).reshape(ROUNDS, k)
    found = []
    for own in nodes:
        rho = np.tile(_rho(own, quantiles((rng.permutation(k) + 0.5) / k)), (ROUNDS, 1))
        fresh = quantiles((rng.permutation(n) + 0.5) / n).reshape(ROUNDS, k)
        found.append(NodeDraws(rho, fresh, (changes < own.redrawn).astype(np.float64)))
    return tuple(found)


def _rho(own: NodeStability, scores: Array) -> Array:
    """Correlations that are believed, by their ``scores``: normal on Fisher's scale."""
    if own.interval is None or own.interval[0] == own.interval[1]:
        return np.full(len(scores), own.rho)
    middle, low, high = (
        math.atanh(min(max(r, -NEAREST_TO_ONE), NEAREST_TO_ONE)) for r in (own.rho, *own.interval)
    )
    return np.tanh(middle + (high - low) / WIDTH * scores)
