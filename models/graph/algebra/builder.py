"""Units, made one operator after the other."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ifonly.models.graph.algebra.forms import Forms, constant_forms
from ifonly.models.graph.curves import Curve
from ifonly.models.graph.units import UnitLayer, UnitNetwork

Floats = npt.NDArray[np.float64]

MOST_NUMBERS = 1 << 24
"""Weights that a network may have, each unit reading all that is known."""
COMPOSED = 8.0
"""Roundings, relative to what it reads, of a curve that the graph writes as several operators."""


class TooLarge(ValueError):
    """The network has more units than are read."""


class Units:
    """What is known so far: columns, then units in order."""

    def __init__(self, n_columns: int) -> None:
        self.n_columns = n_columns
        self.n_known = n_columns
        self._layers: list[UnitLayer] = []
        self._numbers = 0
        self._peak = np.concatenate([np.ones(n_columns), [0.0]])

    def columns(self, *, is_cut: bool = False) -> Forms:
        """``(n_columns,)``: the columns themselves; ``is_cut``: as they are rounded once."""
        n = self.n_columns
        return Forms(np.eye(n), np.zeros(n), np.eye(n + 1, n) * float(is_cut))

    def of(self, curve: Curve, forms: Forms, *, composed: bool = False) -> Forms:
        """``curve`` of each of ``forms``, same shape.

        ``composed``: the graph computes it by several operators, each of which rounds.

        Raises
        ------
        TooLarge
            If the network has more units than are read.
        """
        shape, flat = forms.shape, forms.reshaped((forms.size,)).widened(self.n_known)
        fixed = flat.is_constant
        open_ = np.flatnonzero(~fixed)
        with np.errstate(all="ignore"):
            bias = np.where(fixed, curve(flat.bias), 0.0)
        if not np.isfinite(bias).all():
            raise ValueError(f"takes the {curve} of a constant that has none")
        if len(open_):
            self._append(curve, flat.picked(open_))
        found = constant_forms(bias, self.n_known)
        new = self.n_known - len(open_) + np.arange(len(open_))
        found.weights[new, open_] = 1.0
        if composed:
            slips = np.where(fixed, 0.0, COMPOSED * flat.widened(self.n_known).magnitude)
            found = found.slipped(slips)
        return found.reshaped(shape)

    def saw(self, forms: Forms) -> None:
        """Note how large the numbers of a tensor may be that the graph makes."""
        flat = forms.reshaped((forms.size,)).widened(self.n_known).magnitude
        peak = self._widened_peak()
        self._peak = np.maximum(peak, flat.max(axis=1, initial=0.0))

    def _widened_peak(self) -> Floats:
        more = self.n_known + 1 - len(self._peak)
        return np.concatenate([self._peak[:-1], np.ones(more), self._peak[-1:]])

    def _append(self, curve: Curve, forms: Forms) -> None:
        self.saw(forms)
        self._numbers += forms.weights.size
        if self._numbers > MOST_NUMBERS:
            raise TooLarge(
                f"makes the network larger than is read: {self.n_known} numbers are known"
            )
        self._layers.append(UnitLayer(forms.weights, forms.bias, curve, forms.slips))
        self.n_known += forms.size

    def network(self, outputs: Forms, dtype: np.dtype[Any]) -> UnitNetwork:
        """The network whose outputs are ``outputs``, ``(n_outputs,)``."""
        full = outputs.widened(self.n_known)
        peak = self._widened_peak()
        return UnitNetwork(tuple(self._layers), full.weights, full.bias, full.slips, peak, dtype)
