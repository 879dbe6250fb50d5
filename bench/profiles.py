"""What is run: the quick profile in minutes, the proofs in half an hour, the full one in hours."""

from __future__ import annotations

import math
from dataclasses import dataclass

from bench.models import RECIPES
from bench.peers.catalogue import USES

SETTINGS = ("free", "rules")
DATASETS = (
    "ai4i-simulated",
    "ai4i-uci",
    "german-credit",
    "steel-plates",
    "gas-turbine",
    "breast-cancer",
)


@dataclass(frozen=True)
class Profile:
    """Which studies, how many rows of each, and by what."""

    name: str
    studies: tuple[tuple[str, str, str], ...]
    """(data set, model, setting)"""
    rows: int
    slow_rows: int
    most_seconds: float
    """A question, for all but the slow libraries."""
    methods: frozenset[str]
    slow_studies: frozenset[tuple[str, str, str]] = frozenset()
    """Of which the slow libraries are asked."""


QUICK = Profile(
    "quick",
    (
        ("ai4i-simulated", "xgboost-200x6", "free"),
        ("ai4i-simulated", "xgboost-200x6", "rules"),
        ("ai4i-uci", "forest-100x10", "free"),
        ("german-credit", "xgboost-200x6", "rules"),
        ("gas-turbine", "xgboost-100x4", "rules"),
        ("breast-cancer", "xgboost-100x4", "free"),
    ),
    rows=6,
    slow_rows=1,
    most_seconds=4.0,
    methods=frozenset(u.method for u in USES) - {"nice-sparsity"},
    slow_studies=frozenset(
        {
            ("german-credit", "xgboost-200x6", "rules"),
            ("gas-turbine", "xgboost-100x4", "rules"),
        }
    ),
)
FOREST = "forest-100x10"
FIRST = ("xgboost-200x6", FOREST, "linear", "mlp-16x16", "lightgbm-200x6")
FULL = Profile(
    "full",
    tuple(
        (d, m, s)
        for m in (*FIRST, *(name for name in RECIPES if name not in FIRST))
        for d in DATASETS
        for s in SETTINGS
    ),
    rows=6,
    slow_rows=1,
    most_seconds=math.inf,
    methods=frozenset(u.method for u in USES),
    slow_studies=frozenset(
        (d, m, "free") for m in ("xgboost-100x4", "xgboost-200x6", FOREST) for d in DATASETS
    ),
)
PROOFS = Profile(
    "proofs",
    tuple((d, m, s) for d in DATASETS for m in ("xgboost-200x6", FOREST) for s in SETTINGS),
    rows=10,
    slow_rows=0,
    most_seconds=10.0,
    methods=frozenset({"ours", "treecf-exact"}),
)
"""Only who proves, on every data set: what share, and how fast."""
PROFILES = {p.name: p for p in (QUICK, PROOFS, FULL)}
