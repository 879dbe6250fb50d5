"""Ensembles in which branches share nodes, as ensembles of trees."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
from onnx import NodeProto

from ifonly.models.graph.ensemble import Ints, TreeEnsemble
from ifonly.models.graph.refusal import refuse

_MOST = 1 << 22
"""Nodes that an ensemble may have."""


def untangle(node: NodeProto, ensemble: TreeEnsemble) -> TreeEnsemble:
    """``ensemble`` with a copy of a node for each branch that leads to it.

    Raises
    ------
    UnreadableGraph
        If a branch leads back to itself, or the copies are too many.
    """
    levels = _levels(node, ensemble)
    reached = np.concatenate(levels)
    # The usual case: no node is reached twice.
    if len(np.unique(reached)) == len(reached):
        return ensemble
    # Node k of the new ensemble is a copy of reached[k]: levels stand one after another, in
    # each the true children of the level before, then the false ones.
    true_child = np.arange(len(reached), dtype=np.int32)
    false_child = true_child.copy()
    start = 0
    for level in levels:
        inner = start + np.flatnonzero(~ensemble.is_leaf[level])
        start += len(level)
        true_child[inner] = start + np.arange(len(inner))
        false_child[inner] = start + len(inner) + np.arange(len(inner))
    return replace(
        ensemble,
        roots=np.arange(ensemble.n_trees, dtype=np.int32),
        column=ensemble.column[reached],
        threshold=ensemble.threshold[reached],
        mode=ensemble.mode[reached],
        true_child=true_child,
        false_child=false_child,
        missing_true=ensemble.missing_true[reached],
        values=ensemble.values[reached],
    )


def _levels(node: NodeProto, ensemble: TreeEnsemble) -> list[Ints]:
    levels: list[npt.NDArray[np.int32]] = []
    total = 0
    for level in ensemble.levels():
        levels.append(level)
        total += len(level)
        # A path longer than there are nodes goes round; shared nodes can also double at each level.
        if len(levels) > ensemble.n_nodes or total > _MOST:
            raise refuse(node, "has branches that lead back to themselves, or share too many nodes")
    return levels
