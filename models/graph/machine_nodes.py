"""``SVMClassifier`` and ``SVMRegressor``: support vector machines."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import NodeProto

from ifonly.models.graph.operators.base import Operator
from ifonly.models.graph.operators.scorers import CoupledPair, Kernel, KernelMachine
from ifonly.models.graph.operators.shapes import Same
from ifonly.models.graph.operators.tree_scores import BinaryScores, Transform
from ifonly.models.graph.refusal import refuse
from ifonly.models.graph.source import attributes

__all__ = ["read_machine"]


def read_machine(node: NodeProto) -> tuple[KernelMachine, Operator]:
    """What a node computes of each row, and what it makes of that.

    Raises
    ------
    UnreadableGraph
        If ONNX Runtime gives it no useful meaning, or one that is known by iteration alone.
    """
    a = attributes(node)
    transform = Transform(a.get("post_transform", b"NONE").decode())
    # Of a single score only PROBIT does anything, of several each of them might.
    if transform is not Transform.NONE:
        raise refuse(node, f"has {transform} for its scores")
    if node.op_type == "SVMRegressor":
        if int(a.get("one_class", 0)):
            raise refuse(node, "says the side and not the score")
        return _machine(node, a, a["coefficients"][:, None], a["rho"][:1]), Same()
    return _classifier(node, a)


def _classifier(node: NodeProto, a: dict[str, Any]) -> tuple[KernelMachine, Operator]:
    counts = a.get("vectors_per_class", np.zeros(0, dtype=np.int64)).astype(np.int64)
    labels = a.get("classlabels_strings", a.get("classlabels_ints", ()))
    k = len(labels)
    if not counts.sum() or len(counts) != k or k < 2:
        raise refuse(node, "has no support vectors of its classes")
    rows = a["coefficients"].reshape(k - 1, -1).astype(np.float64)
    start = np.concatenate([[0], np.cumsum(counts)])
    weights = []
    for i in range(k):
        for j in range(i + 1, k):
            own = np.zeros(rows.shape[1])
            # As in libsvm: of a class, its weights against another stand in that one's row.
            own[start[i] : start[i + 1]] = rows[j - 1, start[i] : start[i + 1]]
            own[start[j] : start[j + 1]] = rows[i, start[j] : start[j + 1]]
            weights.append(own)
    machine = _machine(node, a, np.stack(weights, axis=1), a["rho"][: len(weights)])
    if "prob_a" not in a:
        # One score of two classes is followed by its negative, of more all pairs are handed over.
        return machine, BinaryScores(
            False, Transform.NONE, np.dtype(np.float32)
        ) if k == 2 else Same()
    if k > 2:
        raise refuse(node, f"couples the probabilities of the pairs of {k} classes by iteration")
    return machine, CoupledPair(a["prob_a"][0], a["prob_b"][0])


def _machine(
    node: NodeProto, a: dict[str, Any], weights: npt.NDArray[Any], bias: npt.NDArray[Any]
) -> KernelMachine:
    gamma, shift, degree = a.get("kernel_params", np.array([0.0, 0.0, 3.0], dtype=np.float32))
    kernel = Kernel(a.get("kernel_type", b"LINEAR").decode())
    vectors = a.get("support_vectors", np.zeros(0, dtype=np.float32))
    # A linear machine may come as a line of weights alone.
    if not len(vectors):
        if kernel is not Kernel.LINEAR:
            raise refuse(node, "has no support vectors")
        vectors, weights = weights.T, np.eye(weights.shape[1])
    elif len(vectors) % len(weights):
        raise refuse(node, f"has {len(vectors)} numbers for {len(weights)} support vectors")
    else:
        vectors = vectors.reshape(len(weights), -1)
    if kernel is Kernel.POLY and (degree != int(degree) or degree < 1):
        raise refuse(node, f"takes the power {degree}")
    lines = np.ascontiguousarray(vectors, dtype=np.float32)
    return KernelMachine(
        kernel, float(gamma), float(shift), float(degree), lines,
        np.asarray(weights, dtype=np.float64), np.asarray(bias, dtype=np.float64),
    )  # fmt: skip
