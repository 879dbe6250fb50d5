"""What is known before a graph is looked for: roles, and what comes before what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ifonly.explainers.causal.discovery import Forbidden, forbidden_by_tiers
from ifonly.explainers.causal.graph import Graph
from ifonly.explainers.causal.spec import NodeRole
from ifonly.models.schema import Schema

RANK = {NodeRole.FIXED: 0, NodeRole.ACTIONABLE: 1, NodeRole.CONSEQUENCE: 2}


class BadKnowledge(ValueError):
    """It contradicts itself, or names what is not there; the message says what."""


@dataclass(frozen=True)
class Knowledge:
    """Roles of some features, and tiers of all or of none."""

    schema: Schema
    roles: Mapping[str, NodeRole]
    tiers: tuple[tuple[str, ...], ...] = ()

    def __post_init__(self) -> None:
        placed = [name for tier in self.tiers for name in tier]
        for name in (*placed, *self.roles):
            if name not in self.schema:
                known = ", ".join(self.schema.names)
                raise BadKnowledge(f"{name!r} is no feature of the model ({known})")
        for name in self.schema.names:
            # Tiers are of all features or of none: one that is left out could be anywhere.
            if self.tiers and placed.count(name) != 1:
                raise BadKnowledge(f"{name} is in {placed.count(name)} tiers, not in one")

    @classmethod
    def of(cls, schema: Schema, tiers: Sequence[str], roles: Mapping[NodeRole, str]) -> Knowledge:
        """From lists of names, by comma."""
        by_name: dict[str, NodeRole] = {}
        for role, text in roles.items():
            for name in _listed(text):
                # Two roles of one feature: whichever came last would win unseen.
                if by_name.setdefault(name, role) is not role:
                    raise BadKnowledge(f"{name} is both {by_name[name]} and {role}")
        return cls(schema, by_name, tuple(_listed(text) for text in tiers))

    @property
    def forbidden(self) -> Forbidden:
        """``(d, d)``: ``[i, j]``: ``i`` does not act on ``j``. What is fixed follows from nothing
        that moves; what can be set follows from no consequence."""
        names = self.schema.names
        rank = np.array([RANK[self.roles[n]] if n in self.roles else np.nan for n in names])
        # NaN compares false: what has no role forbids nothing.
        found = rank[:, None] > rank[None, :]
        if self.tiers:
            place = {name: k for k, tier in enumerate(self.tiers) for name in tier}
            found |= forbidden_by_tiers([place[name] for name in names])
        return np.asarray(found)

    def roles_in(self, graph: Graph, policy: Mapping[str, Any]) -> dict[str, NodeRole]:
        """A role for every feature: the one given, or the policy's (what may be set is
        actionable) and the graph's (what follows from that and may not be set, a consequence)."""
        features = policy.get("features", {})
        roles = dict(self.roles)
        for name in self.schema.names:
            if features.get(name, {}).get("actionable", name in features):
                roles.setdefault(name, NodeRole.ACTIONABLE)
        levers = [j for j, n in enumerate(self.schema.names) if roles.get(n) is NodeRole.ACTIONABLE]
        moved = frozenset[int]().union(*(graph.descendants[j] for j in levers))
        for j, name in enumerate(self.schema.names):
            roles.setdefault(name, NodeRole.CONSEQUENCE if j in moved else NodeRole.FIXED)
            if roles[name] is NodeRole.CONSEQUENCE and not graph.parents[j]:
                roles[name] = NodeRole.FIXED  # of nothing that was found
        return {name: roles[name] for name in self.schema.names}


def _listed(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())
