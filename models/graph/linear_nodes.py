"""``LinearClassifier`` and ``LinearRegressor``: float32, whatever comes in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from onnx import NodeProto

from ifonly.models.graph.layers import Affine
from ifonly.models.graph.operators.base import Operator
from ifonly.models.graph.operators.tree_scores import BinaryScores, PostTransform, Transform
from ifonly.models.graph.refusal import refuse
from ifonly.models.graph.source import attributes

_SINGLE: np.dtype[Any] = np.dtype(np.float32)


@dataclass(frozen=True, eq=False)
class LinearNode:
    """A node read: its weights, and the operator that makes its output of what they yield."""

    core: Affine
    operator: Operator


def read_classifier(node: NodeProto, dtype: np.dtype[Any], n_columns: int) -> LinearNode:
    """A LinearClassifier whose input has ``n_columns`` columns.

    With one line of weights ``s`` for two classes ONNX Runtime yields ``(1 - s, s)``, but for
    LOGISTIC.

    Raises
    ------
    UnreadableGraph
        If its weights do not fit its input, or ONNX Runtime gives it no useful meaning.
    """
    a = attributes(node)
    # float32 whatever comes in: the attributes are, and so is ONNX Runtime's product.
    core = _affine(node, a, len(a.get("intercepts", ())), n_columns)
    transform = Transform(a.get("post_transform", b"NONE").decode())
    labels = a.get("classlabels_strings", a.get("classlabels_ints", ()))
    if core.n_outputs > 1:
        return LinearNode(core, PostTransform(transform, _SINGLE))
    if len(labels) != 2 or transform is Transform.PROBIT:
        raise refuse(node, f"has one line of weights for {len(labels)} classes, and {transform}")
    return LinearNode(core, BinaryScores(True, transform, _SINGLE))


def read_regressor(node: NodeProto, dtype: np.dtype[Any], n_columns: int) -> LinearNode:
    """A LinearRegressor whose input has ``n_columns`` columns.

    Raises
    ------
    UnreadableGraph
        If its weights do not fit its input.
    """
    a = attributes(node)
    core = _affine(node, a, int(a.get("targets", 1)), n_columns)
    transform = Transform(a.get("post_transform", b"NONE").decode())
    if core.n_outputs == 1 and transform is not Transform.PROBIT:
        transform = Transform.NONE  # ONNX Runtime ignores the others where there is one output
    return LinearNode(core, PostTransform(transform, _SINGLE))


def _affine(node: NodeProto, a: dict[str, Any], n_outputs: int, n_columns: int) -> Affine:
    coefficients = a["coefficients"]
    if len(coefficients) != n_outputs * n_columns:
        raise refuse(
            node, f"has {len(coefficients)} weights for {n_columns} columns, {n_outputs} outputs"
        )
    bias = a.get("intercepts", np.zeros(n_outputs, dtype=np.float32))
    weights = np.ascontiguousarray(coefficients.reshape(n_outputs, n_columns).T)
    return Affine(weights, np.broadcast_to(bias, (n_outputs,)).copy())
