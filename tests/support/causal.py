"""Causal models drawn at random, and the same models as plain Python on one row at a time."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ifonly.explainers.causal import CausalModel, Graph
from ifonly.explainers.causal.basis import Basis, Coordinates, Expansion, linear, polynomial
from ifonly.explainers.causal.expression import Expression
from ifonly.explainers.causal.function import Function
from ifonly.explainers.causal.mechanism import Mechanism, Noise

Plain = Callable[[Sequence[float]], float]
KINDS = ("linear", "polynomial", "expression", "basis")


@dataclass(frozen=True, eq=False)
class Drawn:
    """A function twice: compiled, and as a plain formula."""

    function: Function
    plain: Plain


@dataclass(frozen=True, eq=False)
class DrawnModel:
    model: CausalModel
    plain: tuple[tuple[Plain, Plain] | None, ...]
    """Location and log scale of each column; None for a root."""


def draw_function(rng: np.random.Generator, p: int, kind: str) -> Drawn:
    if kind == "linear":
        b, w = float(rng.normal()), rng.normal(size=p)
        return Drawn(linear(b, w), lambda x: b + sum(c * v for c, v in zip(w, x, strict=True)))
    if kind == "polynomial":
        exponents, c = rng.integers(0, 3, size=(4, p)), 0.3 * rng.normal(size=4)
        return Drawn(
            polynomial(exponents, c),
            lambda x: sum(
                ci * math.prod(v**e for v, e in zip(x, row, strict=True))
                for ci, row in zip(c, exponents.tolist(), strict=True)
            ),
        )
    if kind == "expression":
        return _formula(rng, p)
    return _bumps(rng, p)


def _formula(rng: np.random.Generator, p: int) -> Drawn:
    names = tuple(f"a{i}" for i in range(p))
    c = [round(float(v), 3) for v in rng.normal(size=3)]
    last = names[-1]
    text = (
        f"{c[0]} * tanh({names[0]}) + ({c[1]} * {last} if {last} > {c[2]} else sqrt(1 + {last}**2))"
    )

    def plain(x: Sequence[float]) -> float:
        bent = c[1] * x[-1] if x[-1] > c[2] else math.sqrt(1 + x[-1] ** 2)
        return c[0] * math.tanh(x[0]) + bent

    return Drawn(Expression(text, names), plain)


def _bumps(rng: np.random.Generator, p: int) -> Drawn:
    centre, spread = rng.normal(size=p), rng.uniform(0.5, 2.0, size=p)
    centres, precisions = rng.normal(size=(5, p)), rng.uniform(0.0, 2.0, size=(5, p))
    exponents = np.vstack([np.zeros((1, p), dtype=np.int64), np.eye(p, dtype=np.int64)])
    weights, root = rng.normal(size=p + 6), 0.05 * rng.normal(size=(p + 6, p + 6))
    coordinates = Coordinates(np.arange(p), np.full(p, np.nan), centre, spread, p)
    expansion = Expansion(coordinates, exponents, centres, precisions)

    def plain(x: Sequence[float]) -> float:
        z = [(v - m) / s for v, m, s in zip(x, centre, spread, strict=True)]
        features = [1.0, *z]
        for row, q in zip(centres, precisions, strict=True):
            distance = sum(qi * (zi - ci) ** 2 for qi, zi, ci in zip(q, z, row, strict=True))
            features.append(math.exp(-0.5 * distance))
        return float(1.5 + 0.5 * sum(w * f for w, f in zip(weights, features, strict=True)))

    return Drawn(Basis(expansion, weights, root, 1.5, 0.5), plain)


def draw_model(
    seed: int, d: int, kinds: Sequence[str] = KINDS, *, scaled: bool = True
) -> DrawnModel:
    """A graph over ``d`` columns in a random order, each pair joined with chance 1/2."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(d)
    edges = [
        (int(order[a]), int(order[b]))
        for a in range(d)
        for b in range(a + 1, d)
        if rng.random() < 0.5
    ]
    graph = Graph.of(d, edges)
    mechanisms: list[Mechanism | None] = []
    plain: list[tuple[Plain, Plain] | None] = []
    for causes in graph.parents:
        if not causes:
            mechanisms.append(None)
            plain.append(None)
            continue
        location = draw_function(rng, len(causes), str(rng.choice(kinds)))
        log_scale = None
        if scaled and rng.random() < 0.4:
            log_scale = _gentle(rng, len(causes))
        mechanisms.append(
            Mechanism(location.function, log_scale.function if log_scale else None, Noise(1.0))
        )
        plain.append((location.plain, log_scale.plain if log_scale else lambda x: 0.0))
    names = tuple(f"x{j}" for j in range(d))
    roots = tuple(None if causes else Noise(1.0) for causes in graph.parents)
    return DrawnModel(CausalModel(names, graph, tuple(mechanisms), roots), tuple(plain))


def _gentle(rng: np.random.Generator, p: int) -> Drawn:
    """A log scale between -1 and 1 whatever the causes do."""
    names = tuple(f"a{i}" for i in range(p))
    w = [round(float(v), 3) for v in rng.normal(size=p)]
    text = f"tanh({' + '.join(f'{c} * {n}' for c, n in zip(w, names, strict=True))})"
    return Drawn(
        Expression(text, names),
        lambda x: math.tanh(sum(c * v for c, v in zip(w, x, strict=True))),
    )


def plain_counterfactual(
    drawn: DrawnModel, factual: Sequence[float], action: Mapping[int, float]
) -> list[float]:
    """Abduct, act, predict, one number at a time."""
    graph, now = drawn.model.graph, list(factual)
    for j in graph.order:
        if j in action:
            now[j] = action[j]
        functions = drawn.plain[j]
        if j in action or functions is None:
            continue
        location, log_scale = functions
        before = [factual[i] for i in graph.parents[j]]
        after = [now[i] for i in graph.parents[j]]
        noise = (factual[j] - location(before)) / math.exp(log_scale(before))
        now[j] = location(after) + math.exp(log_scale(after)) * noise
    return now
