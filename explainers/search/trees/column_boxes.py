"""Least and greatest sums of an ensemble over boxes of the columns that it reads."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ifonly.explainers.errors import NotEligible
from ifonly.explainers.native import kernel
from ifonly.explainers.search.trees.leaves import column_paths
from ifonly.explainers.search.trees.listed_values import Thresholds
from ifonly.explainers.search.trees.table_building import build_tables, table_bytes
from ifonly.models.graph.forms import TreeEnsemble

Floats = npt.NDArray[np.float64]

MOST_BYTES = 128 << 20


class ColumnBoxes:
    """The bit tables of one ensemble, over its own columns and not over features: what reads
    columns that others make has no features.

    Raises
    ------
    NotEligible
        If the tables are too large, or a leaf is no number.
    """

    def __init__(self, ensemble: TreeEnsemble) -> None:
        if not np.isfinite(ensemble.values).all():
            raise NotEligible("composed", "some leaves are no finite numbers")
        self._dtype = ensemble.dtype
        self._base = ensemble.base
        self._cuts, paths = column_paths(ensemble)
        # Without those that only a missing value takes: columns here are numbers.
        kept = (paths.lower <= paths.upper).all(axis=1)
        node, tree = paths.node[kept], paths.tree[kept]
        lower, upper = paths.lower[kept], paths.upper[kept]
        n, k = len(node), ensemble.n_outputs
        counts = np.array([len(cuts) + 1 for cuts in self._cuts], dtype=np.int64)
        size = table_bytes(int(counts.sum()), n * k, ensemble.n_trees * k)
        if size > MOST_BYTES:
            raise NotEligible("composed", f"its tables would take {size >> 20} MiB")
        values = ensemble.values[node]
        starts = np.searchsorted(tree, np.arange(ensemble.n_trees + 1))
        lengths = np.tile(np.diff(starts), k)
        self._tables = build_tables(
            np.ascontiguousarray(np.tile(lower, (k, 1)), dtype=np.int32),
            np.ascontiguousarray(np.tile(upper, (k, 1)), dtype=np.int32),
            values.T.reshape(-1),
            np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
            (np.arange(k + 1) * ensemble.n_trees).astype(np.int64),
            counts,
        )
        sizes = np.maximum.reduceat(np.abs(values), starts[:-1], axis=0).sum(axis=0)
        eps = float(np.finfo(ensemble.sums).eps)
        # In whatever order trees are added, each addition errs by half a unit of the sum so far.
        self._off = (ensemble.n_trees + 2) * eps * (sizes + np.abs(ensemble.base))

    @property
    def cuts(self) -> list[Thresholds]:
        """Where tests of each column change, ascending."""
        return self._cuts

    def bounds(self, low: Floats, high: Floats) -> tuple[Floats, Floats]:
        """Least and greatest sums, both ``(n_boxes, n_outputs)``, over boxes of columns,
        ``(n_boxes, n_columns)``."""
        # Compared in the graph's own type, to which both ends are rounded as a row would be.
        first, last = (self._cells(end.astype(self._dtype)) for end in (low, high))
        least = np.empty((len(low), len(self._base)))
        greatest = np.empty_like(least)
        kernel.sum_bounds(self._tables.native, first, last, least, greatest)
        return least + self._base - self._off, greatest + self._base + self._off

    def _cells(self, columns: npt.NDArray[np.floating]) -> npt.NDArray[np.int32]:
        cells = [
            cuts.searchsorted(columns[:, j], side="right") for j, cuts in enumerate(self._cuts)
        ]
        return np.ascontiguousarray(np.stack(cells, axis=1), dtype=np.int32)
