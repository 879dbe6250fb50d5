"""Where faults are planted: every definition that engines share, and every engine.

Not in `explainers/verify`, nor in `explain.py`, `inquiry.py`, `no_answer.py` and `proposals.py`
beside it, which are the other side: a fault there is not one that they could catch.
"""

from __future__ import annotations

CONSTRAINTS = ("base", "cells", "conditions", "direction", "forms", "given", "immutable",
               "leaves_one", "max_change", "max_changes", "not_missing", "only_to",
               "plausible", "propagation", "ranges", "rule", "rule_language", "settable",
               "survives")  # fmt: skip
SHARED = ("policy", "space", "cost", "target", "consequences", "problem",
          "plausibility", "infeasible_subsystem")  # fmt: skip
CAUSAL = ("consequences", "model", "members", "mechanism", "basis", "certainty", "expression",
          "intervals", "function", "graph", "build", "storage", "demands",
          "backtracking")  # fmt: skip
SEARCH = (
    "engine",
    "portfolio",
    "blackbox",
    "bracket",
    "breakpoints",
    "incumbents",
    "ladder",
    "cost_ball",
    "elites",
    "gradients",
    "annealing",
    "goals",
)
MILP = ("arithmetic", "chain", "choices", "confidence_cuts", "engine", "following",
        "grid_enumeration", "hull", "kinks", "levers", "lines_model", "model", "network",
        "plausible", "primal_heuristic", "program", "question", "reading", "reals", "rising",
        "rules", "search", "structural_equations", "sums", "sweep")  # fmt: skip
NETWORKS = ("axes", "conjunction", "engine", "following", "judging", "limits", "model", "network",
            "parts", "pieces", "search", "sensors", "survival")  # fmt: skip
TREES = ("any_row", "arena", "batches", "effect_search", "effects", "engine", "ensemble_targets",
         "flat_rules", "following", "lagrangian", "layout", "leaves", "listed_values", "modes",
         "proof", "question", "question_building", "survival", "table_building", "table_search",
         "tree_merging")  # fmt: skip

FAST = (
    *(f"ifonly.explainers.constraints.{name}" for name in CONSTRAINTS),
    *(f"ifonly.explainers.{name}" for name in SHARED),
    *(f"ifonly.explainers.causal.{name}" for name in CAUSAL),
    *(f"ifonly.explainers.search.{name}" for name in SEARCH),
    *(f"ifonly.explainers.search.milp.{name}" for name in MILP),
    *(f"ifonly.explainers.search.networks.{name}" for name in NETWORKS),
    *(f"ifonly.explainers.search.trees.{name}" for name in TREES),
)
"""Plain Python."""
KERNEL = tuple(
    f"ifonly.explainers.native.{name}"
    for name in ("batches", "boxes", "causal", "cells", "certainty", "charges", "choices",
                 "curves", "dual", "effect_search", "envelopes", "following", "functions",
                 "intervals", "kernel", "lagrangian", "leaf_groups", "leaves", "merging",
                 "network_bounds", "network_branching", "network_doubt", "network_program",
                 "network_rows", "network_search", "primal_heuristic", "reached_leaves", "rules",
                 "score_search", "separable", "sum_bounds", "survival", "surviving_incumbent",
                 "table_building")
)  # fmt: skip
"""C++; a fault is compiled into an extension of its own."""


def group(module: str) -> str:
    """The line of the report that counts a module."""
    short = module.removeprefix("ifonly.explainers.")
    if module in KERNEL:
        return f"{short} (C++)"
    return short
