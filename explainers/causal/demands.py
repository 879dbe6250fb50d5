"""What a policy demands of a causal answer: ``[policy.causal]``."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ifonly.explainers.causal.consequences import CausalConsequences, OtherGraph
from ifonly.explainers.causal.hidden import HiddenCause
from ifonly.explainers.causal.members import draw_members
from ifonly.explainers.causal.model import CausalModel
from ifonly.explainers.causal.redrawing import Redrawing
from ifonly.explainers.causal.spec import CausalSpec
from ifonly.models.schema import Feature, Kind

MEMBERS = 64
"""Plausible versions of a causal model that every answer is held against."""


@dataclass(frozen=True)
class Demands:
    """How sure an answer must be before it is given."""

    gamma: float = 2.5
    """Standard deviations of the margin, over plausible mechanisms, that it keeps from the edge."""
    floor: float = 0.9
    """Least share of plausible mechanisms by which it flips the decision."""
    graph_weight: float = 0.05
    """Least weight of another graph under which both are demanded by itself, and not only of the
    mixture of all graphs."""

    @classmethod
    def read(cls, policy: Mapping[str, Any]) -> Demands:
        """The demands of a spec's ``[policy]`` table, which is known to be well formed."""
        table = policy.get("causal", {})
        keys = ("gamma", "floor", "graph_weight")
        return cls(*(float(table.get(key, getattr(cls, key))) for key in keys))


def consequences_of(
    spec: CausalSpec,
    model: CausalModel,
    policy: Mapping[str, Any],
    others: Sequence[CausalModel] = (),
) -> CausalConsequences:
    """The consequences of actions by ``model``, as ``spec`` and the ``[policy]`` table want it;
    ``others`` are the models of the spec's alternatives."""
    demands, features = Demands.read(policy), spec.schema.features
    own = policy.get("features", {})
    # Seed 0 and not the question's: all answers are held against the same versions.
    members = draw_members(model, np.random.default_rng(0), MEMBERS)
    main = CausalConsequences(
        model,
        members,
        demands.gamma,
        demands.floor,
        np.array([_error_sd(f, own.get(f.name, {})) for f in features]),
        hidden=_hidden_causes(spec),
        whole=tuple(j for j, f in enumerate(features) if f.kind is Kind.INTEGER),
        redrawing=_redrawing(spec),
    )
    return replace(
        main,
        others=tuple(
            OtherGraph(
                other.name,
                other.weight,
                other.weight >= demands.graph_weight,
                replace(
                    main,
                    model=its,
                    # What follows as in the main graph does so in the same versions.
                    members=draw_members(its, np.random.default_rng(0), MEMBERS, members),
                    hidden=_hidden_causes(spec.under(other)),
                ),
            )
            for other, its in zip(spec.alternatives, others, strict=True)
        ),
    )


def _redrawing(spec: CausalSpec) -> Redrawing | None:
    """What noise is drawn anew until an action is carried out; None: all of it is declared to
    stay, or nothing is."""
    if spec.stability is None:
        return None
    known = spec.stability.nodes
    names = enumerate(spec.schema.names)
    found = Redrawing(tuple((j, known[name]) for j, name in names if name in known))
    return found if found.columns else None


def _error_sd(feature: Feature, policy: Mapping[str, Any]) -> float:
    """Standard deviation of a uniform error within the sensor's tolerance, in the feature's unit;
    within half a step where no tolerance is given."""
    if feature.kind.is_categorical:
        return 0.0
    step = 0.0 if feature.resolution is None else float(feature.resolution)
    # A uniform error within plus or minus t has a standard deviation of t / sqrt(3).
    return float(policy.get("tolerance", step / 2.0)) / math.sqrt(3.0)


def _hidden_causes(spec: CausalSpec) -> tuple[HiddenCause, ...]:
    """Edges between features that may share a hidden cause."""
    index = spec.schema.index
    declared = {frozenset(map(index, c.between)): c for c in spec.hidden}
    found = ((edge, declared.get(frozenset(edge))) for edge in spec.graph.edges)
    return tuple(HiddenCause(*edge, *c.correlations) for edge, c in found if c is not None)
