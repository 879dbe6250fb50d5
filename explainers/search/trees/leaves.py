"""The leaves of an ensemble as boxes of cells.

A cell is a set of values of one feature that no test of the ensemble can tell apart: the gaps
between thresholds for numbers, the categories for categorical features, and one more for a
missing value. Every leaf is then an interval of cells on each feature; one that is not (a set of
categories, a side that a missing value joins) is taken apart into several with the same value.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ifonly.explainers.errors import NotEligible
from ifonly.explainers.native import kernel
from ifonly.explainers.search.trees.listed_values import (
    Floats,
    Ints,
    ListedValues,
    Thresholds,
    Wholes,
    listed_values,
)
from ifonly.models.graph.forms import BranchMode, Columns, GraphForm, TreeEnsemble
from ifonly.models.schema import Feature, Schema

Flags = npt.NDArray[np.bool_]

MOST_LEAVES = 4_000_000


@dataclass(frozen=True, eq=False)
class FeatureCells:
    """How the values of one feature fall into cells."""

    count: int
    cuts: Thresholds | None
    """Ascending, in the graph's own type; cell ``k`` of a number begins at ``cuts[k - 1]``.
    None for a categorical feature: its cells are its categories."""
    flipped: bool = False
    """Whether the graph reads the feature upside down (a negative scale)."""
    column: int = -1
    """Column of the core that a number enters."""
    listed: ListedValues | None = None
    """Of a number that enters as several; ``cuts`` are then the first values of its cells."""

    def of(self, values: Floats, encoded: Thresholds) -> Ints:
        """Cell of each of ``values``, int32, same shape; a missing value is the last cell.

        ``encoded`` is what the core reads for them, ``(n_values, n_columns)``.
        """
        cells: Floats | Wholes | Ints
        if self.cuts is None:
            cells = values
        elif self.listed is not None:
            cells = self.listed.of(values, encoded)
        elif self.column < 0:
            cells = np.zeros(len(values))
        else:
            cells = np.searchsorted(self.cuts, encoded[:, self.column], side="right")
            cells = len(self.cuts) - cells if self.flipped else cells
        missing = np.isnan(values)
        if missing.any():
            cells = np.where(missing, self.count - 1, cells)
        return cells.astype(np.int32)


@dataclass(frozen=True, eq=False)
class Leaves:
    """All leaves, tree after tree."""

    lower: Ints
    """``(n_leaves, n_features)`` first cell of the box."""
    upper: Ints
    """``(n_leaves, n_features)`` last cell of the box."""
    values: Floats
    """``(n_leaves, n_raw)``"""
    trees: npt.NDArray[np.int64]
    """``(n_trees + 1,)`` first leaf of each tree."""
    cells: tuple[FeatureCells, ...]
    base: Floats
    """``(n_raw,)`` added to the sum over trees."""

    @property
    def ends(self) -> tuple[Floats, Floats]:
        """Between which every raw output lies, both ``(n_raw,)``."""
        # A tree without a leaf that any cell leads to adds nothing.
        starts = self.trees[:-1][np.diff(self.trees) > 0]
        least, most = (
            np.asarray(self.base + ends.reduceat(self.values, starts, axis=0).sum(axis=0))
            for ends in (np.minimum, np.maximum)
        )
        return least, most


def read_leaves(form: GraphForm, schema: Schema) -> Leaves:
    """The leaves of a tree ensemble, in cells of the features of ``schema``.

    Raises
    ------
    NotEligible
        If the graph is no tree ensemble, or does not read its features one by one.
    """
    core = form.core
    if not isinstance(core, TreeEnsemble):
        raise NotEligible("trees", f"the graph is {type(core).__name__}, not a tree ensemble")
    # Sums over trees must stay finite too, or a bound could be infinity minus infinity.
    largest = float(np.finfo(core.sums).max) / max(core.n_trees, 1)
    if not (np.abs(core.values) <= largest).all():  # NaN is not
        raise NotEligible("trees", "some of its leaves, or sums of them, are no finite numbers")
    cuts, paths = column_paths(core)
    cells = tuple(
        _feature_cells(form.columns, f, j, cuts, schema) for j, f in enumerate(schema.features)
    )
    source, feature_lower, feature_upper = _by_feature(form.columns, schema, cells, cuts, paths)
    tree, node = paths.tree[source], paths.node[source]
    starts = np.searchsorted(tree, np.arange(len(core.roots) + 1))
    leaves = Leaves(feature_lower, feature_upper, core.values[node], starts, cells, core.base)
    # The tables know sums, and what a logarithm or a power makes of one may be no number.
    if not form.finish.is_finite(*leaves.ends):
        raise NotEligible("trees", "scores of some sums of its leaves are no finite numbers")
    return leaves


class Paths(NamedTuple):
    """Every path from a root to a leaf, as an interval of cells on every column."""

    node: Wholes
    """``(n_paths,)`` the leaf."""
    tree: Wholes
    lower: Ints
    """``(n_paths, n_columns)``, like the next two."""
    upper: Ints
    missing: Flags
    """Whether a missing value goes this way."""


def column_paths(core: TreeEnsemble) -> tuple[list[Thresholds], Paths]:
    """Where the tests of each column change, and every path in cells between those.

    Raises
    ------
    NotEligible
        If there are too many paths.
    """
    cuts = [_cuts(core, column) for column in range(core.n_columns)]
    return cuts, _unfold(core, cuts)


def _cuts(core: TreeEnsemble, column: int) -> Thresholds:
    """Values at which a test of this column changes: all tests as ``x >= cut``."""
    tests = core.column == column
    thresholds, modes = core.threshold[tests], core.mode[tests]
    # `x <= t` is `x < next(t)`, exactly: in the graph's own type, no number lies between them.
    following = np.nextafter(thresholds, np.array(np.inf, dtype=thresholds.dtype))
    at = np.isin(modes, (BranchMode.LT, BranchMode.GE, BranchMode.EQ, BranchMode.NE))
    after = np.isin(modes, (BranchMode.LE, BranchMode.GT, BranchMode.EQ, BranchMode.NE))
    return np.unique(np.concatenate([thresholds[at], following[after]]))


def _unfold(core: TreeEnsemble, cuts: list[Thresholds]) -> Paths:
    index = np.zeros(len(core.column), dtype=np.int32)
    after = np.zeros(len(core.column), dtype=np.int32)
    for column, column_cuts in enumerate(cuts):
        tests = np.flatnonzero(core.column == column)
        thresholds = core.threshold[tests]
        following = np.nextafter(thresholds, np.array(np.inf, dtype=thresholds.dtype))
        index[tests] = np.searchsorted(column_cuts, thresholds)
        after[tests] = np.searchsorted(column_cuts, following)
    last = np.array([len(c) for c in cuts], dtype=np.int32)
    node, tree, lower, upper, missing = kernel.paths(
        core.roots.astype(np.int64),
        core.column.astype(np.int64),
        core.mode.astype(np.int64),
        core.true_child.astype(np.int64),
        core.false_child.astype(np.int64),
        core.missing_true.astype(np.bool_),
        index,
        after,
        last,
        MOST_LEAVES,
    )
    # A graph of few nodes may unfold into any number of paths.
    if len(node) > MOST_LEAVES:
        raise NotEligible("trees", f"the ensemble has more than {MOST_LEAVES} leaves")
    shape = len(node), core.n_columns
    return Paths(node, tree, lower.reshape(shape), upper.reshape(shape), missing.reshape(shape))


def _feature_cells(
    columns: Columns, feature: Feature, j: int, cuts: list[Thresholds], schema: Schema
) -> FeatureCells:
    own = np.flatnonzero(columns.feature == j)
    missing = int(feature.may_be_missing)
    if feature.kind.is_categorical:
        return FeatureCells(len(feature.categories) + missing, None)
    if len(own) == 0:
        return FeatureCells(1 + missing, np.empty(0))
    if len(own) > 1:
        known = listed_values(columns, feature, j, own, cuts, len(schema))
        return FeatureCells(len(known.read) + missing, known.begins[1:], listed=known)
    column = int(own[0])
    ends = np.zeros((2, len(schema)))
    # Infinite bounds cannot be scaled; far enough is as good to see which way the graph reads.
    ends[:, j] = np.clip([feature.lower, feature.upper], -1e30, 1e30)
    low, high = columns.encode(ends)[:, column]
    return FeatureCells(len(cuts[column]) + 1 + missing, cuts[column], bool(low > high), column)


def _by_feature(
    columns: Columns,
    schema: Schema,
    cells: tuple[FeatureCells, ...],
    cuts: list[Thresholds],
    paths: Paths,
) -> tuple[npt.NDArray[np.int64], Ints, Ints]:
    """Boxes over columns as boxes over features; ``source`` says which path each came from."""
    _, _, lower, upper, missing = paths
    n = len(schema)
    source = np.arange(len(lower))
    out_lower = np.zeros((len(lower), n), dtype=np.int32)
    out_upper = np.zeros((len(lower), n), dtype=np.int32)
    for j, feature in enumerate(schema.features):
        own = cells[j]
        # The common case: one column and no missing value, so an interval stays one.
        if own.cuts is not None and own.listed is None and not feature.may_be_missing:
            if own.column >= 0:
                first, final = lower[source, own.column], upper[source, own.column]
                reached = first <= final  # else only by a missing value, which never comes
                source, out_lower, out_upper = (
                    source[reached],
                    out_lower[reached],
                    out_upper[reached],
                )
                first, final = first[reached], final[reached]
                last = len(own.cuts)
                out_lower[:, j] = last - final if own.flipped else first
                out_upper[:, j] = last - first if own.flipped else final
            continue
        allowed = _allowed(columns, feature, j, own, cuts, lower, upper, missing, n)[source]
        # Where a run of allowed cells begins and ends: a leaf is repeated for each of its runs.
        begins = allowed & ~np.pad(allowed, ((0, 0), (1, 0)))[:, :-1]
        ends = allowed & ~np.pad(allowed, ((0, 0), (0, 1)))[:, 1:]
        which, first = np.nonzero(begins)
        final = np.nonzero(ends)[1]
        source, out_lower, out_upper = source[which], out_lower[which], out_upper[which]
        out_lower[:, j], out_upper[:, j] = first, final
    return source, out_lower, out_upper


def _allowed(
    columns: Columns,
    feature: Feature,
    j: int,
    own: FeatureCells,
    cuts: list[Thresholds],
    lower: Ints,
    upper: Ints,
    missing: npt.NDArray[np.bool_],
    n: int,
) -> npt.NDArray[np.bool_]:
    """Which cells of a feature each path allows, ``(n_paths, n_cells)``."""
    allowed = np.ones((len(lower), own.count), dtype=np.bool_)
    if own.cuts is not None and own.listed is None:
        if own.column >= 0:
            k = np.arange(own.count - 1)
            k = len(own.cuts) - k if own.flipped else k
            inside = (lower[:, [own.column]] <= k) & (k <= upper[:, [own.column]])
            absent = np.zeros((1, n))
            absent[0, j] = np.nan
            read = columns.encode(absent)[0, own.column]
            lost = missing[:, own.column]
            # Before an imputer a missing reading is a number like any other to the trees.
            if not np.isnan(read):
                at = np.searchsorted(own.cuts, read, side="right")
                lost = (lower[:, own.column] <= at) & (at <= upper[:, own.column])
            allowed = np.column_stack([inside, lost])
        return allowed
    # Each category, and a number of each cell, is encoded and sent down the tests, whatever its
    # columns look like.
    values = np.arange(own.count, dtype=np.float64)
    if own.listed is not None:
        values[: len(own.listed.read)] = own.listed.begins
    if feature.may_be_missing:
        values[-1] = np.nan
    rows = np.zeros((own.count, n))
    rows[:, j] = values
    encoded = columns.encode(rows)
    for column in np.flatnonzero(columns.feature == j):
        at = encoded[:, column]
        k = np.searchsorted(cuts[column], at, side="right")
        inside = (lower[:, [column]] <= k) & (k <= upper[:, [column]])
        # A leaf is reached if all columns of the category agree.
        allowed &= np.where(np.isnan(at), missing[:, [column]], inside)
    return allowed
