"""Rows to tensors: what stands in each column of each input, and how it is filled."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from ifonly.models.encoding.forms import FeatureEncoding
from ifonly.models.errors import GraphError
from ifonly.models.predictor import Rows

Tensor = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class TensorInput:
    """One input that a graph declares."""

    name: str
    dtype: np.dtype[Any]
    """``object`` for strings."""
    shape: tuple[int | None, ...]
    """None where the graph leaves a dimension open."""

    def __str__(self) -> str:
        dims = ", ".join("?" if d is None else str(d) for d in self.shape)
        kind = "string" if self.dtype == object else self.dtype.name
        return f"input {self.name!r} ({kind} [{dims}])"

    @property
    def width(self) -> int | None:
        """Number of columns, of a window of all its readings; None where the graph leaves it
        open."""
        sizes = self.shape[1:]
        return None if None in sizes else math.prod(size for size in sizes if size is not None)


@dataclass(frozen=True, slots=True)
class Column:
    """What stands in one column of one graph input."""

    input: str
    column: int
    feature: int
    """Position of the feature in a row."""
    values: tuple[float | str, ...] | None = None
    """What it holds for each category; None where it holds the row's number as it is."""


@dataclass(frozen=True)
class BoundInput:
    """One graph input with what stands in each of its columns."""

    tensor: TensorInput
    columns: tuple[Column, ...]
    encodings: tuple[FeatureEncoding, ...]
    """The encoding of every feature of a row."""
    window: tuple[int, ...] = ()
    """Of an input of rank 3, its dimensions behind that of rows."""

    def feed(self, rows: Rows) -> Tensor:
        """Tensor for ``rows``, ``(n, d)``; a plain IEEE cast to the input's type."""
        # Most graphs take the row as it is, and then nothing is picked.
        plain = rows if self._is_whole_row else rows.take(self._sources, axis=1)
        if self._is_exact:
            self._check_whole(plain)
        with np.errstate(over="ignore"):  # beyond float32 is infinity, as IEEE 754 has it
            if not self._tables:
                matrix: Tensor = plain.astype(self.tensor.dtype, order="C")
            else:
                matrix = np.empty((len(rows), len(self.columns)), dtype=self.tensor.dtype)
                matrix[:, self._targets] = plain
                for feature, columns, table in self._tables:
                    matrix[:, columns] = table[self._positions(feature, rows[:, feature])]
        if self.window:
            return matrix.reshape(len(rows), *self.window)
        # An input of rank 1 takes one column as a line.
        return matrix[:, 0] if len(self.tensor.shape) == 1 else matrix

    @cached_property
    def _is_whole_row(self) -> bool:
        return bool(np.array_equal(self._sources, np.arange(len(self.encodings))))

    @cached_property
    def _is_exact(self) -> bool:
        return self.tensor.dtype.kind in "iub"

    @cached_property
    def _targets(self) -> npt.NDArray[np.intp]:
        return np.array([c.column for c in self.columns if c.values is None], dtype=np.intp)

    @cached_property
    def _sources(self) -> npt.NDArray[np.intp]:
        return np.array([c.feature for c in self.columns if c.values is None], dtype=np.intp)

    @cached_property
    def _tables(self) -> tuple[tuple[int, npt.NDArray[np.intp], Tensor], ...]:
        """Feature, its columns here, and ``(n_categories + 1, n_columns)``: last, missing."""
        return tuple(self._encoded())

    def _encoded(self) -> Iterator[tuple[int, npt.NDArray[np.intp], Tensor]]:
        encoded = [c for c in self.columns if c.values is not None]
        for feature in dict.fromkeys(c.feature for c in encoded):
            columns = [c for c in encoded if c.feature == feature]
            missing = self.encodings[feature].missing
            if self._is_exact and missing != 0.0:
                missing = 0.0  # never read: `bind` refuses it where a value may be missing
            # One line more for a missing value, so that codes and NaN are looked up alike.
            lines = [(*(c.values or ()), missing) for c in columns]
            table = np.array(lines, dtype=self.tensor.dtype).T
            yield feature, np.array([c.column for c in columns], dtype=np.intp), table

    def _positions(self, feature: int, codes: npt.NDArray[np.float64]) -> npt.NDArray[np.intp]:
        """Line of the feature's table for each of ``codes``."""
        encoding = self.encodings[feature]
        n = len(encoding.table)
        missing = np.isnan(codes)
        # A code that is none would read another category's line, from the end if negative.
        known = (codes >= 0) & (codes < n) & (codes == np.floor(codes))
        if encoding.may_be_missing:
            known |= missing
        if not known.all():
            bad = codes[~known][0]
            raise GraphError(f"{encoding.name} has category code {bad}; its codes are 0 to {n - 1}")
        return np.where(missing, n, codes).astype(np.intp)

    def _check_whole(self, values: npt.NDArray[np.float64]) -> None:
        with np.errstate(invalid="ignore"):
            # There and back: what an integer cannot hold would be cut without a word.
            exact = values.astype(self.tensor.dtype).astype(np.float64) == values
        if not exact.all():
            row, column = np.argwhere(~exact)[0]
            name = self.encodings[self._sources[column]].name
            raise GraphError(
                f"{name} is {values[row, column]}, which {self.tensor} cannot hold exactly"
            )


@dataclass(frozen=True)
class BoundEncoding:
    """An encoding laid out over the inputs of a graph."""

    n_features: int
    inputs: tuple[BoundInput, ...]

    @cached_property
    def columns(self) -> tuple[Column, ...]:
        """Every column of every input, in the graph's order of inputs."""
        return tuple(column for bound in self.inputs for column in bound.columns)

    def feeds(self, rows: Rows) -> dict[str, Tensor]:
        """Name of each graph input to its tensor for ``rows``, ``(n, n_features)``.

        Raises
        ------
        GraphError
            If the rows have another number of features, or a value that an input cannot hold.
        """
        if rows.ndim != 2 or rows.shape[1] != self.n_features:
            raise GraphError(
                f"rows have shape {rows.shape}; this model takes (n, {self.n_features})"
            )
        return {bound.tensor.name: bound.feed(rows) for bound in self.inputs}
