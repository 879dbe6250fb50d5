"""What a target asks of one ensemble: bit tables, and limits on sums over them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from threading import Lock

import numpy as np

from ifonly.explainers.errors import NotEligible
from ifonly.explainers.search.goals import LinearGoal, goals_of
from ifonly.explainers.search.trees.arena import Arenas
from ifonly.explainers.search.trees.leaves import Leaves
from ifonly.explainers.search.trees.question import SumLimits
from ifonly.explainers.search.trees.table_building import build_tables, table_bytes
from ifonly.explainers.search.trees.tables import Tables
from ifonly.explainers.target import Target
from ifonly.models.graph.forms import GraphForm
from ifonly.models.predictor import Row
from ifonly.models.rounding import Rounding

MOST_BYTES = 512 << 20
"""Most memory of the tables for one target; a larger forest is left to the other engines."""
MOST_REMEMBERED = 256
"""Targets whose limits are remembered."""


@dataclass(frozen=True, eq=False)
class EnsembleTarget:
    """What one target asks of the trees."""

    goals: tuple[LinearGoal, ...]
    tables: Tables
    arenas: Arenas
    limits: SumLimits


class EnsembleTargets:
    """What each target asks of the trees of one model; the tables are shared by all targets that
    read the same sums."""

    def __init__(self, form: GraphForm, leaves: Leaves) -> None:
        self._form = form
        self._leaves = leaves
        self._known: dict[tuple[float | Rounding | None, ...], EnsembleTarget] = {}
        self._tables: dict[tuple[bytes, ...], tuple[Tables, Arenas]] = {}
        self._lock = Lock()

    @property
    def base(self) -> Row:
        """What is in every sum over the trees, ``(n_raw,)``."""
        return self._leaves.base

    @property
    def table_bytes(self) -> int:
        """Bytes of the bit tables that are held at present."""
        return sum(tables.size for tables, _ in self._tables.values())

    def of(self, target: Target) -> EnsembleTarget:
        """Raises
        ------
        NotEligible
            If the target is no set of limits on sums over trees, or the tables are too large.
        """
        # Values and not the target itself: requests make new targets that ask the same.
        key = (
            target.wanted,
            target.lower,
            target.upper,
            target.decision.threshold,
            target.rounding,
            target.is_loose,
        )
        with self._lock:
            known = self._known.get(key)
        # Outside of the lock: two threads may make the same limits, which are cheap.
        if known is None:
            goals = goals_of(target, self._form, self._leaves.values.shape[1])
            known = EnsembleTarget(goals, *self._tables_for(goals), self._limits_of(goals))
            with self._lock:
                if len(self._known) >= MOST_REMEMBERED:
                    self._known.clear()  # as many targets as a client cares to invent
                self._known[key] = known
        return known

    def _limits_of(self, goals: Sequence[LinearGoal]) -> SumLimits:
        return SumLimits(
            # The base is in every sum, so it is taken off the limit once.
            np.array([goal.limit - goal.weights @ self._leaves.base for goal in goals]),
            np.array([goal.band + self._noise(goal) for goal in goals]),
        )

    def _tables_for(self, goals: Sequence[LinearGoal]) -> tuple[Tables, Arenas]:
        key = tuple(goal.weights.tobytes() for goal in goals)
        # Inside of the lock: tables are large, and must not be made twice.
        with self._lock:
            if key not in self._tables:
                tables = _tables_of(self._leaves, goals)
                self._tables[key] = tables, Arenas(tables)
            return self._tables[key]

    def _noise(self, goal: LinearGoal) -> float:
        """How far a float32 sum over the trees, in any order, may be from the exact one."""
        sizes = np.abs(self._leaves.values @ goal.weights)
        starts = self._leaves.trees[:-1]
        # Each addition errs by at most 2^-24 of the partial sum, which
        # the sizes of all leaves bound.
        total = float(np.maximum.reduceat(sizes, starts).sum())
        total += float(np.abs(goal.weights) @ np.abs(self._leaves.base))
        return len(starts) * 2.0**-24 * total


def _tables_of(leaves: Leaves, goals: Sequence[LinearGoal]) -> Tables:
    """One group of trees for each goal, without the trees that a goal does not read."""
    sizes = np.diff(leaves.trees)
    tree_of = np.repeat(np.arange(len(sizes)), sizes)
    parts, lengths, groups = [], [], [0]
    for goal in goals:
        values = leaves.values @ goal.weights
        # A tree whose leaves are all 0 in this goal would only cost time.
        used = np.add.reduceat(np.abs(values), leaves.trees[:-1]) > 0.0
        # At least one, so that every goal has a group of trees.
        used[0] |= not used.any()
        parts.append((np.flatnonzero(used[tree_of]), values))
        lengths.append(sizes[used])
        groups.append(groups[-1] + int(used.sum()))
    n_leaves, n_cells = sum(len(rows) for rows, _ in parts), sum(c.count for c in leaves.cells)
    size = table_bytes(n_cells, n_leaves, groups[-1])
    if size > MOST_BYTES:
        raise NotEligible(
            "trees", f"its tables would take {size >> 20} MiB, above {MOST_BYTES >> 20}"
        )
    return build_tables(
        np.concatenate([leaves.lower[rows] for rows, _ in parts]),
        np.concatenate([leaves.upper[rows] for rows, _ in parts]),
        np.concatenate([values[rows] for rows, values in parts]),
        np.concatenate([[0], np.cumsum(np.concatenate(lengths))]).astype(np.int64),
        np.array(groups, dtype=np.int64),
        np.array([own.count for own in leaves.cells], dtype=np.int64),
    )
