"""What is left of a machine's own noise when an action is carried out, as the documents say.

``[stability]`` of ``causal.toml``: a node's noise, as a normal score ``z``, becomes
``rho z + sqrt(1 - rho^2) e``, or ``e`` alone; the draws are laid down in docs/causal.md.
"""

from __future__ import annotations

import json
import math
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import NormalDist
from typing import Any

import numpy as np

from ifonly.explainers.verify.formula import Value
from ifonly.models.schema import Schema

N_ROUNDS = 8
"""Draws for each plausible version of the laws."""
CLOSEST = 0.999
"""Ends of an interval of a correlation count as this where they are nearer to 1."""
_NORMAL = NormalDist()
_HALF_WIDTH = 1.959963984540054


@dataclass(frozen=True, eq=False)
class Spread:
    """How a noise is distributed: points of a rising line from normal scores to values."""

    points: tuple[tuple[float, float], ...]
    """Score and value, both rising."""
    slope: float
    """Beyond the first and the last point; above 0."""

    @classmethod
    def read(cls, sd: float, seen: Sequence[float] | None) -> Spread | None:
        """None: nothing of it varies."""
        if not sd > 0.0:
            return None
        if seen is None:
            return cls(((0.0, 0.0),), sd)
        ordered, points = sorted(seen), list[tuple[float, float]]()
        at = 0
        while at < len(ordered):
            end = at
            while end < len(ordered) and ordered[end] == ordered[at]:
                end += 1
            # The middle of the ranks that its like have.
            points.append((_NORMAL.inv_cdf(0.5 * (at + end) / len(ordered)), ordered[at]))
            at = end
        return cls(tuple(points), sd)

    def score(self, value: float) -> float:
        return _along([(v, z) for z, v in self.points], value, 1.0 / self.slope)

    def value(self, score: float) -> float:
        return _along(self.points, score, self.slope)


def _along(points: Sequence[tuple[float, float]], x: float, slope: float) -> float:
    """The height at ``x`` of the line through ``points``, which goes on by ``slope``."""
    if not math.isfinite(x):
        return math.nan
    (first, low), (last, high) = points[0], points[-1]
    if x <= first:
        return low + slope * (x - first)
    if x >= last:
        return high + slope * (x - last)
    after = bisect_left(points, x, key=lambda point: point[0])
    (x0, y0), (x1, y1) = points[after - 1], points[after]
    return y0 + (x - x0) * ((y1 - y0) / (x1 - x0))


@dataclass(frozen=True)
class LeftNoise:
    """How much of one column's noise is declared to stay."""

    column: int
    rho: float
    ends: tuple[float, float]
    anew: float
    """Share of moments in which nothing stays."""

    @property
    def is_all(self) -> bool:
        return self.rho == 1.0 and self.ends == (1.0, 1.0) and self.anew == 0.0

    def believed(self, score: float) -> float:
        """The correlation at a normal score of what is believed of it, on Fisher's scale."""
        low, high = self.ends
        if low == high:
            return self.rho
        middle, least, most = (
            math.atanh(max(-CLOSEST, min(CLOSEST, r))) for r in (self.rho, low, high)
        )
        return math.tanh(middle + score * (most - least) / (2.0 * _HALF_WIDTH))


@dataclass(frozen=True, eq=False)
class Lasting:
    """All columns of which something does not stay."""

    each: tuple[LeftNoise, ...]
    """In schema order."""
    n_versions: int

    @cached_property
    def draws(self) -> tuple[tuple[Sequence[float], Sequence[float], Sequence[bool]], ...]:
        """Of each column, over all draws, round by round: the correlation, the score of what is
        drawn, whether that is all."""
        # The order of draws is part of docs/causal.md.
        rng, k = np.random.default_rng(0), self.n_versions
        n = N_ROUNDS * k
        moments = [(i + 0.5) / n for i in rng.permutation(n).tolist()]
        found = []
        for kept in self.each:
            rho = [
                kept.believed(_NORMAL.inv_cdf((i + 0.5) / k)) for i in rng.permutation(k).tolist()
            ]
            fresh = [_NORMAL.inv_cdf((i + 0.5) / n) for i in rng.permutation(n).tolist()]
            found.append((rho * N_ROUNDS, fresh, [share < kept.anew for share in moments]))
        return tuple(found)

    def rounds(
        self, noises: Mapping[int, Sequence[float]], spreads: Mapping[int, Spread | None]
    ) -> Iterator[dict[int, Value]]:
        """By how much each noise is otherwise, ``(n_versions,)`` by column, in every round.
        ``noises`` are those that each version abducts; a column without one stays."""
        k, otherwise = self.n_versions, dict[int, list[float]]()
        for kept, (rho, fresh, is_new) in zip(self.each, self.draws, strict=True):
            own, spread = noises.get(kept.column), spreads.get(kept.column)
            if own is None or spread is None:
                continue
            moves = []
            for i, (r, e, new) in enumerate(zip(rho, fresh, is_new, strict=True)):
                was = own[i % k]
                z = spread.score(was)
                after = e if new else r * z + math.sqrt(max(0.0, 1.0 - r * r)) * e
                moves.append(spread.value(after) - was)
            otherwise[kept.column] = moves
        for a in range(0, N_ROUNDS * k, k):
            yield {j: np.array(moves[a : a + k]) for j, moves in otherwise.items()}


def read_lasting(document: Mapping[str, Any], schema: Schema, n_versions: int) -> Lasting | None:
    """What ``[stability]`` says; None where all noise stays."""
    nodes = document.get("stability", {}).get("nodes", {})
    each = []
    for j, name in enumerate(schema.names):
        if name in nodes:
            rho = float(nodes[name]["rho"])
            low, high = nodes[name].get("interval", (rho, rho))
            anew = float(nodes[name].get("redrawn", 0.0))
            each.append(LeftNoise(j, rho, (float(low), float(high)), anew))
    moving = tuple(kept for kept in each if not kept.is_all)
    return Lasting(moving, n_versions) if moving else None


def read_spread(
    document: Mapping[str, Any], name: str, files: Mapping[str, bytes]
) -> Spread | None:
    """How the noise of a node is distributed; None where it does not vary, or nobody says."""
    table = document.get("mechanisms", {}).get(name)
    if table is None:
        return None
    if "file" in table and table["kind"] not in ("trees", "onnx"):
        noise = json.loads(files[table["file"]])["noise"]
        is_told = noise is not None and (table["kind"] != "root" or noise["sample"] is not None)
        return Spread.read(float(noise["sd"]), noise["sample"]) if is_told else None
    # Of a root a spread alone does not say around what it lies.
    if table["kind"] == "root" or "sd" not in table:
        return None
    return Spread.read(float(table["sd"]), None)
