"""Operators of ai.onnx.ml that stand before models: scalers, imputers, encoders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ifonly.models.errors import GraphError
from ifonly.models.graph.cells import Cell, Cells, along_last, each, mixed, shared
from ifonly.models.graph.operators.base import Tensor

Singles = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Scaler:
    """``(x - offset) * scale``, in the input's type or float32, then as float32."""

    offset: Singles
    scale: Singles
    """Both of length 1 or of one a column."""

    def run(self, *tensors: Tensor) -> Tensor:
        (tensor,) = tensors
        # A double is scaled as one and cut to float32 afterwards; whole numbers are cut before.
        plain = tensor if tensor.dtype.kind == "f" else tensor.astype(np.float32)
        return ((plain - self.offset) * self.scale).astype(np.float32, copy=False)

    def trace(self, *cells: Cells) -> Cells:
        (tensor,) = cells
        _check_width(tensor, self.offset, self.scale)
        scale = np.broadcast_to(self.scale, tensor.shape)
        out = np.empty(tensor.shape, dtype=object)
        for place, cell in np.ndenumerate(tensor):
            out[place] = cell.moved(int(np.sign(scale[place])), alike=False)
        return out


@dataclass(frozen=True, eq=False)
class Imputer:
    """One value, or NaN, replaced by another."""

    replaced: float
    imputed: npt.NDArray[Any]
    """One value for all columns, or one for each."""

    def run(self, *tensors: Tensor) -> Tensor:
        (tensor,) = tensors
        absent = np.isnan(tensor) if np.isnan(self.replaced) else tensor == self.replaced
        width = tensor.shape[-1]
        # One value, or one for each column.
        imputed = self.imputed if len(self.imputed) == width else self.imputed[:1]
        return np.where(absent, imputed.astype(tensor.dtype), tensor)

    def trace(self, *cells: Cells) -> Cells:
        (tensor,) = cells
        return each(tensor, lambda cell: cell.moved(0))


@dataclass(frozen=True)
class Binarizer:
    """1 above a threshold, else 0."""

    threshold: np.float32

    def run(self, *tensors: Tensor) -> Tensor:
        (tensor,) = tensors
        return (tensor > self.threshold).astype(tensor.dtype)

    def trace(self, *cells: Cells) -> Cells:
        (tensor,) = cells
        return each(tensor, lambda cell: cell.moved(1, unit=True))


@dataclass(frozen=True)
class OneHot:
    """A float32 column for each of ``keys``, 1 where the number or text is that one.

    Numbers are cut to whole ones first, towards 0.
    """

    keys: tuple[int, ...] | tuple[str, ...]
    unknown_is_zero: bool

    def run(self, *tensors: Tensor) -> Tensor:
        (tensor,) = tensors
        if tensor.dtype.kind == "f":
            tensor = tensor.astype(np.int64)
        known = np.array(self.keys, dtype=object if tensor.dtype == object else np.int64)
        hits = tensor[..., None] == known
        # ONNX Runtime fails on such a row, so it must not be read as all zeros.
        if not self.unknown_is_zero and not hits.any(axis=-1).all():
            unknown = tensor[~hits.any(axis=-1)].ravel()[0]
            raise GraphError(f"{unknown!r} is none of the categories {list(self.keys)}")
        return np.asarray(hits, dtype=np.float32)

    def trace(self, *cells: Cells) -> Cells:
        (tensor,) = cells
        moved = each(tensor, lambda cell: cell.moved(0))
        return np.repeat(moved[..., None], len(self.keys), axis=-1)


@dataclass(frozen=True, eq=False)
class Lookup:
    """A table from keys to values: LabelEncoder, CategoryMapper."""

    keys: npt.NDArray[Any]
    """The keys, each once."""
    values: npt.NDArray[Any]
    default: Any

    def run(self, *tensors: Tensor) -> Tensor:
        (tensor,) = tensors
        places = _places(self.keys, tensor)
        default = np.array([self.default], dtype=self.values.dtype)
        return np.asarray(np.concatenate([self.values, default])[places])

    def trace(self, *cells: Cells) -> Cells:
        (tensor,) = cells
        return each(tensor, lambda cell: cell.moved(0))


def _places(keys: npt.NDArray[Any], tensor: Tensor) -> npt.NDArray[np.intp]:
    """Position of each number or text in ``keys``; the number of keys where it is none."""
    if tensor.dtype == object:
        known = {key: place for place, key in enumerate(keys.tolist())}
        # Each text is looked up once, however many rows have it.
        texts, inverse = np.unique(tensor.astype(str), return_inverse=True)
        found = np.array([known.get(text, len(keys)) for text in texts.tolist()], dtype=np.intp)
        return found[inverse].reshape(tensor.shape)
    order = np.argsort(keys, kind="stable")  # NaN last, which equals NaN in a table
    at = np.searchsorted(keys[order], tensor).clip(max=len(keys) - 1)
    candidate = keys[order][at]
    same = (candidate == tensor) | ((candidate != candidate) & (tensor != tensor))
    return np.asarray(np.where(same, order[at], len(keys)), dtype=np.intp)


@dataclass(frozen=True)
class Normalizer:
    """Each line of a matrix divided by its norm, in float32."""

    norm: str

    def run(self, *tensors: Tensor) -> Tensor:
        (tensor,) = tensors
        x = tensor.astype(np.float32, copy=False)
        if self.norm == "L2":
            squares = (tensor * tensor).astype(np.float32, copy=False)
            total = _total(squares)
            roots = np.sqrt(squares / total)
            # A line of zeros has no norm, and stays.
            return np.where(total == 0, x, np.where(x < 0, -roots, roots))
        size = x.max(axis=1, keepdims=True) if self.norm == "MAX" else _total(np.abs(x))
        return np.where(size == 0, x, x / size)

    def trace(self, *cells: Cells) -> Cells:
        (tensor,) = cells
        if tensor.ndim != 2:
            raise ValueError(f"normalizes a tensor of rank {tensor.ndim}")
        return along_last(tensor, _shares if self.norm == "L1" else _mixtures)


@dataclass(frozen=True)
class Share:
    """Each line of a matrix divided by the sum of its sizes: ``x / sum(abs(x))``."""

    def run(self, *tensors: Tensor) -> Tensor:
        (tensor,) = tensors
        return np.asarray(tensor / np.abs(tensor).sum(axis=1, keepdims=True))

    def trace(self, *cells: Cells) -> Cells:
        (tensor,) = cells
        return along_last(tensor, _shares)


def _shares(line: Sequence[Cell]) -> Sequence[Cell]:
    """Cells divided by the sum of their sizes."""
    if all(cell.share for cell in line):
        return line  # that sum is 1
    if not all(cell.unit for cell in line):
        return _mixtures(line)
    return [replace(cell, shift=False) for cell in shared(line)]


def _mixtures(line: Sequence[Cell]) -> Sequence[Cell]:
    return [mixed(line)] * len(line)


def _total(x: Singles) -> Singles:
    """Sum of each line, from left to right."""
    return np.add.accumulate(x, axis=1, dtype=np.float32)[:, -1:]


def _check_width(cells: Cells, *tables: npt.NDArray[Any]) -> None:
    for table in tables:
        if len(table) not in (1, cells.shape[-1]):
            raise ValueError(f"has {len(table)} numbers for {cells.shape[-1]} columns")
