"""Hidden common causes of an edge's two ends, as ``causal.toml`` declares them.

A fitted law has taken for the cause's effect what the hidden cause did to both. The checker tries
each correlation that the file thinks possible: docs/causal.md.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from typing import Any

from ifonly.explainers.verify.named_files import named_file
from ifonly.models.schema import Schema

STRONGEST = 0.99
"""Greatest correlation that is tried, in size: at 1 one noise would be the other."""
HALF = 0.5
"""Strength of a hidden cause of which the file says nothing."""
N_TRIED = {1: 9, 2: 5, 3: 3, 4: 3, 5: 3}
"""Correlations that are tried of each hidden cause, by the number of those that matter."""


@dataclass(frozen=True)
class SharedCause:
    """A cause that nobody reads of the noises of an edge's ends: ``cause`` acts on ``effect``.

    With noises correlated by rho the effect's noise has a mean that rises with the cause's, by
    ``rho / sqrt(1 - rho**2)`` times ``ratio`` a unit; the fitted law has taken that for its own.
    """

    cause: int
    effect: int
    correlations: tuple[float, float]
    """The least and the greatest that the file thinks possible."""
    ratio: float
    """Standard deviation of the effect's noise, in the cause's; NaN: nobody knows."""
    is_separate: bool
    """Whether all that acts on the cause acts on the effect too, so that the fitted law tells the
    cause's noise from its value."""

    def tried(self, n: int) -> list[float]:
        """Correlations that are tried: ``n``, equally far apart, and 0."""
        low, high = (min(max(r, -STRONGEST), STRONGEST) for r in self.correlations)
        # Twelve decimals are part of docs/causal.md: the engines try these very ones.
        steps = [round(low + (high - low) * i / (n - 1), 12) for i in range(n)]
        steps += [0.0] if low <= 0.0 <= high else []
        return sorted({step or 0.0 for step in steps})


Bias = tuple[SharedCause, float]
"""A hidden cause, and how much of its effect's noise comes with a unit of its cause's."""


def tried_together(ties: Sequence[SharedCause]) -> list[dict[int, list[Bias]]] | None:
    """What each combination of the correlations that are tried makes of the laws; one, without
    biases, where there are no ``ties``; None where there are too many to try them together."""
    n_tried = N_TRIED.get(len(ties)) if ties else 1
    if n_tried is None:
        return None
    together = product(*(tie.tried(n_tried) for tie in ties))
    return [biases for rhos in together if (biases := _biases(ties, rhos)) is not None]


def _biases(ties: Sequence[SharedCause], rhos: Sequence[float]) -> dict[int, list[Bias]] | None:
    """What these correlations make of the laws, by effect; None where the noise of an effect
    cannot be correlated so with several others at once."""
    unexplained: dict[int, float] = {}
    for tie, rho in zip(ties, rhos, strict=True):
        unexplained[tie.effect] = unexplained.get(tie.effect, 1.0) - rho**2
    if any(share <= 0.0 for share in unexplained.values()):
        return None
    found: dict[int, list[Bias]] = {}
    for tie, rho in zip(ties, rhos, strict=True):
        if rho != 0.0:  # without a hidden cause it does not matter what is known of noises
            slope = tie.ratio * rho / math.sqrt(unexplained[tie.effect])
            found.setdefault(tie.effect, []).append((tie, slope))
    return found


def read_shared(
    document: Mapping[str, Any],
    files: Mapping[str, bytes],
    schema: Schema,
    parents: Sequence[Sequence[int]],
) -> Iterator[SharedCause]:
    """Hidden common causes of an edge's two ends, but those that are declared to be none."""
    ranges = _correlations(document, schema)
    for effect, causes in enumerate(parents):
        for cause in causes:
            held = ranges.get(frozenset((cause, effect)))
            if held is None or held == (0, 0):
                continue
            ends = [_noise_sd(document, schema.names[j], files) for j in (cause, effect)]
            is_separate = set(parents[cause]) <= set(causes)
            yield SharedCause(cause, effect, held, _ratio(*ends), is_separate)


def _correlations(
    document: Mapping[str, Any], schema: Schema
) -> dict[frozenset[int], tuple[float, float]]:
    """Range of the correlation of each two features' noises that something unread may correlate:
    as declared, or because one node that is no feature acts on both."""
    found: dict[frozenset[int], tuple[float, float]] = {}
    for table in document.get("confounders", ()):
        size = float(table.get("strength", HALF))
        low, high = table.get("rho", (-size, size))
        pair = frozenset(schema.index(name) for name in table["between"])
        found[pair] = (float(low), float(high))
    for name in document["nodes"]:
        if name not in schema:
            edges = (e for e in document.get("edges", ()) if e["from"] == name)
            for two in combinations(sorted({schema.index(e["to"]) for e in edges}), 2):
                found.setdefault(frozenset(two), (-HALF, HALF))
    return found


def _noise_sd(document: Mapping[str, Any], name: str, files: Mapping[str, bytes]) -> float:
    """Standard deviation of a node's noise, in the unit in which its law has it; NaN if nobody
    says."""
    table = document.get("mechanisms", {}).get(name)
    if table is None:
        return math.nan
    if "file" in table and table["kind"] not in ("trees", "onnx"):
        noise = json.loads(named_file(table, files))["noise"]
        return math.nan if noise is None else float(noise["sd"])
    return float(table.get("sd", math.nan))


def _ratio(cause: float, effect: float) -> float:
    # An effect without noise has nothing of a hidden cause; by a cause without, nothing is told.
    if effect == 0.0:
        return 0.0
    return effect / cause if cause > 0.0 else math.nan
