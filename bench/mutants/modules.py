"""Where faults are planted: every definition that engines share, and every engine.

Not in `explainers/verify` and `explainers/explain.py`, which are the other side: a fault there is
not one that they could catch.
"""

from __future__ import annotations

CONSTRAINTS = ("base", "conditions", "direction", "given", "immutable", "leaves_one", "max_change",
               "max_changes", "not_missing", "only_to", "plausible", "propagation", "ranges",
               "rule", "rule_language", "settable", "survives")  # fmt: skip
SHARED = ("policy", "space", "cost", "target", "image", "problem",
          "plausibility", "blocking")  # fmt: skip
CAUSAL = ("image", "model", "members", "mechanism", "basis", "certainty", "expression",
          "intervals", "function", "graph", "build", "storage", "demands",
          "backtracking")  # fmt: skip
SEARCH = ("engine", "portfolio", "blackbox", "bracket", "breaks", "pool", "ladder", "ball", "goals")
MILP = ("arithmetic", "choices", "closing", "course", "doubts", "engine", "following", "hull",
        "incumbent", "kinks", "levers", "model", "network", "plausible", "program", "question",
        "reading", "reals", "rules", "search", "sums", "ties")  # fmt: skip
TREES = ("aims", "arena", "engine", "flat_rules", "following", "layout", "leaves", "modes",
         "proof", "question", "survival", "tables")  # fmt: skip

FAST = (
    *(f"explainers.constraints.{name}" for name in CONSTRAINTS),
    *(f"explainers.{name}" for name in SHARED),
    *(f"explainers.causal.{name}" for name in CAUSAL),
    *(f"explainers.search.{name}" for name in SEARCH),
    *(f"explainers.search.milp.{name}" for name in MILP),
    *(f"explainers.search.trees.{name}" for name in TREES),
)
"""Plain Python."""
KERNEL = tuple(
    f"explainers.search.trees.{name}"
    for name in ("batches", "boxes", "compiled", "incumbent", "kernel", "merge", "prices",
                 "readings", "rule_cuts")
)  # fmt: skip
"""Compiled; faults are planted where it runs as the plain Python that it is written in."""


def group(module: str) -> str:
    """The line of the report that counts a module."""
    short = module.removeprefix("explainers.")
    if module in KERNEL:
        return f"{short} (as plain Python)"
    return short
