"""Models within a graph, as operators: ensembles of trees, linear models, support vector machines,
neighbours."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
import numpy.typing as npt

from ifonly.models.graph.cells import Cells
from ifonly.models.graph.ensemble import TreeEnsemble
from ifonly.models.graph.layers import Affine
from ifonly.models.graph.operators.base import Tensor
from ifonly.models.graph.operators.reductions import mixtures

Single = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class ModelNode:
    """What trees or a linear model add up, ``(n, n_outputs)``, in the type in which they do."""

    core: TreeEnsemble | Affine

    def run(self, *tensors: Tensor) -> Tensor:
        (tensor,) = tensors
        return self.core.raw(tensor).astype(self.sum_type)

    @property
    def sum_type(self) -> np.dtype[Any]:
        core = self.core
        return core.sums if isinstance(core, TreeEnsemble) else core.dtype

    def trace(self, *cells: Cells) -> Cells:
        (tensor,) = cells
        _check_matrix(tensor, self.core.n_columns)
        return mixtures(tensor, (1, self.core.n_outputs))


class Kernel(StrEnum):
    """Of ``s``, a product or a squared distance of a row and a support vector."""

    LINEAR = "LINEAR"
    POLY = "POLY"
    SIGMOID = "SIGMOID"
    RBF = "RBF"


@dataclass(frozen=True, eq=False)
class KernelMachine:
    """``sum_i weights_i k(vector_i, x) + bias``, in float32 but for the sum of a classifier."""

    kernel: Kernel
    gamma: float
    shift: float
    degree: float
    vectors: Single
    """``(n_vectors, n_columns)``"""
    weights: npt.NDArray[np.float64]
    """``(n_vectors, n_outputs)``"""
    bias: npt.NDArray[np.float64]
    """``(n_outputs,)``"""

    def run(self, *tensors: Tensor) -> Tensor:
        (tensor,) = tensors
        x = tensor.astype(np.float32)
        kernels = self.curve(self.argument(x).astype(np.float64))
        return np.asarray(kernels @ self.weights + self.bias, dtype=np.float32)

    def argument(self, x: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """What the kernel is a curve of, ``(n, n_vectors)``."""
        if self.kernel is not Kernel.RBF:
            return np.asarray(x @ self.vectors.T)
        return np.asarray(((x[:, None, :] - self.vectors[None]) ** 2).sum(axis=-1))

    def curve(self, s: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """The kernel, of products or squared distances."""
        match self.kernel:
            case Kernel.LINEAR:
                return s
            case Kernel.POLY:
                return np.asarray((self.gamma * s + self.shift) ** self.degree)
            case Kernel.SIGMOID:
                return np.asarray(np.tanh(self.gamma * s + self.shift))
            case Kernel.RBF:
                return np.asarray(np.exp(-self.gamma * s))

    def trace(self, *cells: Cells) -> Cells:
        (tensor,) = cells
        _check_matrix(tensor, self.vectors.shape[1])
        return mixtures(tensor, (1, len(self.bias)))


@dataclass(frozen=True)
class CoupledPair:
    """Probabilities of two classes of one decision value, as libsvm couples them: by an iteration
    that is cut, so that they are up to 0.005 from the logistic function (Wu, Lin & Weng 2004)."""

    slope: np.float32
    shift: np.float32

    def run(self, *tensors: Tensor) -> Tensor:
        (tensor,) = tensors
        value = tensor.astype(np.float32) * self.slope + self.shift
        first = np.clip(_falling(value), np.float32(1e-7), np.float32(1) - np.float32(1e-7))
        return coupled(np.asarray(first[:, 0], dtype=np.float32))

    def trace(self, *cells: Cells) -> Cells:
        (tensor,) = cells
        return mixtures(tensor, (1, 2))


def _falling(x: Single) -> Single:
    """``1 / (1 + exp(x))``"""
    v = np.float32(1) / (np.float32(1) + np.exp(-np.abs(x)))
    return np.asarray(np.where(x < 0, v, np.float32(1) - v), dtype=np.float32)


_LARGEST_ERROR = np.float32(0.005) / np.float32(2)
_ROUNDS = 100


def coupled(first: Single) -> Single:
    """Probabilities of two classes, ``(n, 2)``, of the first one's against the second, ``(n,)``."""
    one, other, two = first, np.float32(1) - first, np.float32(2)
    p = np.full((len(first), 2), np.float32(0.5))
    # Q of Wu, Lin & Weng: a line for each class.
    cross = -one * other
    q = np.stack([np.stack([other * other, cross], 1), np.stack([cross, one * one], 1)], 1)
    open_ = np.ones(len(first), dtype=np.bool_)
    for _ in range(_ROUNDS):
        q_p = (q * p[:, None, :]).sum(axis=2)
        whole = (p * q_p).sum(axis=1)
        open_ &= np.abs(q_p - whole[:, None]).max(axis=1) >= _LARGEST_ERROR
        if not open_.any():
            break
        for t in (0, 1):
            step = (whole - q_p[:, t]) / q[:, t, t]
            scale = np.float32(1) + step
            whole = (whole + step * (step * q[:, t, t] + two * q_p[:, t])) / scale / scale
            q_p = (q_p + step[:, None] * q[:, t]) / scale[:, None]
            moved = p.copy()
            moved[:, t] += step
            # What has come to an end stays as it is.
            p = np.where(open_[:, None], moved / scale[:, None], p)
    return np.asarray(p, dtype=np.float32)


@dataclass(frozen=True, eq=False)
class SquaredDistances:
    """To each of some points."""

    points: npt.NDArray[Any]
    """``(n_points, n_columns)``"""

    def run(self, *tensors: Tensor) -> Tensor:
        (tensor,) = tensors
        return np.asarray(((tensor[:, None, :] - self.points[None]) ** 2).sum(axis=-1))

    def trace(self, *cells: Cells) -> Cells:
        (tensor,) = cells
        _check_matrix(tensor, self.points.shape[1])
        return mixtures(tensor, (1, len(self.points)))


@dataclass(frozen=True)
class Nearest:
    """Positions of the ``k`` least of each line, ascending; the first of equals first."""

    k: int

    def run(self, *tensors: Tensor) -> Tensor:
        (tensor,) = tensors
        return np.argsort(tensor, axis=1, kind="stable")[:, : self.k]

    def trace(self, *cells: Cells) -> Cells:
        (tensor,) = cells
        return mixtures(tensor, (1, self.k))


@dataclass(frozen=True, eq=False)
class WeightedMedian:
    """The least of each line at which at least half of the weight is reached."""

    weights: npt.NDArray[Any]
    """``(n,)``"""

    def run(self, *tensors: Tensor) -> Tensor:
        (tensor,) = tensors
        order = np.argsort(tensor, axis=1, kind="stable")
        reached = np.cumsum(self.weights[order], axis=1, dtype=self.weights.dtype)
        half = self.weights.dtype.type(0.5) * reached[:, -1:]
        first = np.argmin(reached < half, axis=1)
        return np.take_along_axis(tensor, order[np.arange(len(order)), first][:, None], axis=1)

    def trace(self, *cells: Cells) -> Cells:
        (tensor,) = cells
        _check_matrix(tensor, len(self.weights))
        return mixtures(tensor, (1, 1))


def _check_matrix(cells: Cells, width: int) -> None:
    if cells.ndim != 2 or cells.shape[1] != width:
        raise ValueError(f"reads {width} columns, and gets a tensor of shape {list(cells.shape)}")
