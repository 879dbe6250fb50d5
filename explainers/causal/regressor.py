"""Mechanisms that are deployed graphs: tree ensembles by their leaves, others by their scores."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from ifonly.explainers.causal.function import Always, Array, Members
from ifonly.models.graph.forms import BranchMode, GraphForm, TreeEnsemble
from ifonly.models.predictor import Predictor, finite


@dataclass(frozen=True, eq=False)
class Regressor:
    """Any graph that yields one number a row of parents. Nothing bounds it."""

    predictor: Predictor
    n_parents: int

    def __call__(self, parents: Array) -> Array:
        return _number(self.predictor.score(parents)[:, 0], parents)

    def bounds(self, lower: Array, upper: Array) -> tuple[Array, Array]:
        everything = np.full(len(lower), np.inf)
        return -everything, everything

    def members(self, rng: np.random.Generator, k: int) -> Members:
        # Nothing is known of its spread, so there is one version.
        return Always(self)


@dataclass(frozen=True, eq=False)
class TreeRegressor:
    """A sum of regression trees that was read from a graph, with ONNX Runtime's rounding.

    Raises
    ------
    ValueError
        If the graph is no tree ensemble with one output; a :class:`Regressor` takes it then.
    """

    form: GraphForm
    n_parents: int
    n_members: int = 0
    """The trees are so many ensembles of equal length, one after the other, each grown on rows
    drawn anew, and their average is what the graph yields; 0: nothing is known of its spread."""

    def __post_init__(self) -> None:
        core = self.form.core
        if not isinstance(core, TreeEnsemble) or core.n_outputs != 1:
            raise ValueError("the graph is not a tree ensemble with one output")
        if not np.isin(core.mode[~core.is_leaf], _ORDERED).all():
            raise ValueError("the graph's trees test for equality")
        if self.n_members and core.n_trees % self.n_members:
            raise ValueError(f"{core.n_trees} trees are not {self.n_members} equal ensembles")

    @cached_property
    def trees(self) -> TreeEnsemble:
        assert isinstance(self.form.core, TreeEnsemble)
        return self.form.core

    def __call__(self, parents: Array) -> Array:
        return _number(self.form.score(parents)[:, 0], parents)

    def bounds(self, lower: Array, upper: Array) -> tuple[Array, Array]:
        """Sum over trees of the least (greatest) leaf that each box reaches.

        Parents are cast as the graph casts them; each column must rise, or fall, with its parent.
        """
        # A column may fall with its parent, so its ends are sorted after encoding.
        ends = self._columns(lower), self._columns(upper)
        reached = self._reach(np.minimum(*ends), np.maximum(*ends))
        is_reached_leaf = reached & self.trees.is_leaf
        values = self.trees.values[:, 0]
        low = np.where(is_reached_leaf, values, np.inf)
        high = np.where(is_reached_leaf, values, -np.inf)
        least = np.stack([low[:, tree].min(axis=1) for tree in self._nodes]).sum(axis=0)
        most = np.stack([high[:, tree].max(axis=1) for tree in self._nodes]).sum(axis=0)
        # The float32 sum of any leaves differs from theirs in float64 by less than this.
        slack = self.rounding
        raw = np.stack([least - slack, most + slack]) + self.trees.base[0]
        finished = [self.form.scores_of(side[:, None])[:, 0] for side in raw]
        return finished[0], finished[1]

    def members(self, rng: np.random.Generator, k: int) -> Members:
        if not self.n_members:
            return Always(self)
        return TreeMembers(self, rng.integers(0, self.n_members, k))

    def ensembles(self, parents: Array) -> Array:
        """What each ensemble yields, ``(n, n_members)``."""
        leaves = self.trees.leaves_of(self._columns(parents))
        added = self.trees.values[leaves, 0].reshape(len(parents), self.n_members, -1)
        # The graph yields the average of all ensembles, of which each has added its share.
        raw = self.n_members * added.sum(axis=2) + self.trees.base[0]
        return np.asarray(self.form.scores_of(raw.reshape(-1, 1)).reshape(raw.shape))

    def _columns(self, parents: Array) -> Array:
        encoded = self.form.columns.encode(parents)
        # Rounded as the graph rounds; to compare the result in float64 changes nothing.
        return np.asarray(encoded, dtype=self.trees.dtype).astype(np.float64)

    def _reach(self, low: Array, high: Array) -> npt.NDArray[np.bool_]:
        """Which nodes each box may enter, ``(n_boxes, n_nodes)``."""
        trees = self.trees
        reached = np.zeros((len(low), trees.n_nodes), dtype=np.bool_)
        reached[:, trees.roots] = True
        for level in trees.levels():
            inner = level[~trees.is_leaf[level]]
            if not len(inner):
                continue
            may, must = self._tests(inner, low, high)
            # A box enters the true side if some row of it may pass, the other unless all must.
            reached[:, trees.true_child[inner]] = reached[:, inner] & may
            reached[:, trees.false_child[inner]] = reached[:, inner] & ~must
        return reached

    def _tests(
        self, nodes: npt.NDArray[np.int32], low: Array, high: Array
    ) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
        """Whether the test of each node may hold in each box, and whether it must."""
        column, threshold = self.trees.column[nodes], self.trees.threshold[nodes]
        mode, missing_true = self.trees.mode[nodes], self.trees.missing_true[nodes]
        ends = [
            np.select(
                [mode == BranchMode.LT, mode == BranchMode.LE, mode == BranchMode.GT],
                [x < threshold, x <= threshold, x > threshold],
                x >= threshold,
            )
            # What is missing passes no test, but where the tree says so.
            | (missing_true & np.isnan(x))
            for x in (low[:, column], high[:, column])
        ]
        # Ordered tests are monotone, so what holds at both ends holds between.
        return ends[0] | ends[1], ends[0] & ends[1]

    @cached_property
    def _nodes(self) -> tuple[npt.NDArray[np.int32], ...]:
        """Nodes of each tree."""
        trees = self.trees
        owner = np.full(trees.n_nodes, -1)
        owner[trees.roots] = np.arange(trees.n_trees)
        for level in trees.levels():
            inner = level[~trees.is_leaf[level]]
            owner[trees.true_child[inner]] = owner[inner]
            owner[trees.false_child[inner]] = owner[inner]
        return tuple(np.flatnonzero(owner == t).astype(np.int32) for t in range(trees.n_trees))

    @cached_property
    def rounding(self) -> float:
        """By how much the graph's sum of any leaves may differ from theirs in float64."""
        largest = sum(float(np.abs(self.trees.values[nodes, 0]).max()) for nodes in self._nodes)
        size = largest + float(np.abs(self.trees.base).max(initial=0.0))
        # An addition for each tree, and two operations more.
        return float(np.finfo(self.trees.sums).eps) * size * (self.trees.n_trees + 2)


@dataclass(frozen=True, eq=False)
class TreeMembers:
    """``k`` of a regressor's ensembles, drawn with replacement."""

    regressor: TreeRegressor
    chosen: npt.NDArray[np.int64]
    """``(k,)``"""

    def __call__(self, parents: Array) -> Array:
        versions, n, p = parents.shape
        each = self.regressor.ensembles(parents.reshape(versions * n, p)).reshape(versions, n, -1)
        # The same parents for all members: asked once, then each takes its own ensemble.
        if versions == 1:
            return np.asarray(each[0].T[self.chosen])
        return np.asarray(each[np.arange(len(self.chosen)), :, self.chosen])


_ORDERED = (BranchMode.LT, BranchMode.LE, BranchMode.GT, BranchMode.GE)


def _number(values: Array, parents: Array) -> Array:
    """``values`` of rows of ``parents``. Where a parent itself cannot be told, neither can they.

    Raises
    ------
    NotFinite
        If the graph yields no number for parents that are numbers.
    """
    if not np.isfinite(values).all():
        told = np.isfinite(parents).all(axis=1)
        finite(values[told], parents[told], "mechanism")
    return values
