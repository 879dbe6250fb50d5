"""dice-ml, asked for one row. Imports nothing of ifonly: it also runs where only dice-ml is."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import dice_ml
import numpy as np
import numpy.typing as npt
import pandas as pd
from dice_ml.explainer_interfaces.explainer_base import UserConfigValidationException

Matrix = npt.NDArray[np.float64]
Probabilities = Callable[[Matrix], Matrix]
"""Rows of codes to ``(n, 2)``: outside and inside the target; at least 0.5 for where it is."""

OUTCOME = "in_target"


@dataclass(frozen=True)
class SampledColumn:
    """What DiCE is told of one feature once and for all."""

    name: str
    decimals: int | None
    """Decimals of what can be set; None for a category."""


@dataclass(frozen=True)
class Wish:
    """What DiCE is told for one row."""

    factual: Matrix
    vary: tuple[int, ...]
    """Columns that may change."""
    allowed: tuple[tuple[float, ...], ...]
    """For each column: lower and upper end, or the codes that may be set."""
    seed: int


class DiceSampler:
    """One data set and one method of dice-ml: ``random``, ``genetic`` or ``kdtree``."""

    def __init__(
        self, columns: Sequence[SampledColumn], references: Matrix, method: str, count: int
    ) -> None:
        """``references`` are training rows in codes, ``(n, n_columns)``, without missing values."""
        self._columns = columns
        self._method = method
        self._count = count
        self._names = [column.name for column in columns]
        self._seen = [
            None if c.decimals is not None else set(references[:, j].tolist())
            for j, c in enumerate(columns)
        ]
        frame = self._frame(references)
        frame[OUTCOME] = np.arange(len(frame)) % 2  # never read: DiCE asks the model instead
        numbers = {c.name: c.decimals for c in columns if c.decimals is not None}
        self._data = dice_ml.Data(
            dataframe=frame,
            continuous_features=list(numbers),
            continuous_features_precision=numbers,
            outcome_name=OUTCOME,
        )

    def propose(self, wish: Wish, probabilities: Probabilities) -> Matrix:
        """Rows that DiCE offers, in codes, ``(n, n_columns)``; empty if it finds none.

        Raises
        ------
        ValueError
            If a category of the factual does not occur in the references.
        """
        # Its explainers keep the last question's population: each question gets a new one.
        model = dice_ml.Model(
            model=_Model(self._codes, probabilities), backend="sklearn", model_type="classifier"
        )
        explainer = dice_ml.Dice(self._data, model, method=self._method)
        random.seed(wish.seed)
        np.random.seed(wish.seed)  # noqa: NPY002 - what DiCE draws from
        try:
            found = explainer.generate_counterfactuals(
                self._frame(wish.factual[None, :]),
                total_CFs=self._count,
                desired_class=1,
                features_to_vary=[self._names[j] for j in wish.vary],
                permitted_range=self._ranges(wish),
                # The default, linear, walks in steps of the precision: minutes on fine grids.
                posthoc_sparsity_algorithm="binary",
                **({"random_seed": wish.seed} if self._method == "random" else {}),
            )
        except UserConfigValidationException:
            return np.empty((0, len(self._names)))
        (example,) = found.cf_examples_list
        frames = [example.final_cfs_df, example.final_cfs_df_sparse]
        rows = [self._codes(f[self._names]) for f in frames if f is not None and len(f)]
        return np.unique(np.concatenate(rows), axis=0) if rows else np.empty((0, len(self._names)))

    def _ranges(self, wish: Wish) -> dict[str, list[Any]]:
        ranges: dict[str, list[Any]] = {}
        for j in wish.vary:
            seen, allowed = self._seen[j], wish.allowed[j]
            if seen is None:
                ranges[self._names[j]] = list(allowed)
            else:
                ranges[self._names[j]] = [_category(c) for c in allowed if c in seen]
        return ranges

    def _frame(self, rows: Matrix) -> pd.DataFrame:
        return pd.DataFrame(
            {
                c.name: [_category(v) for v in rows[:, j]] if c.decimals is None else rows[:, j]
                for j, c in enumerate(self._columns)
            }
        )

    def _codes(self, frame: pd.DataFrame) -> Matrix:
        return np.column_stack([_numbers(frame[name]) for name in self._names])


def _category(code: float) -> str:
    return f"c{int(code)}"


def _numbers(column: Any) -> Matrix:
    if isinstance(column, pd.DataFrame):
        column = column.iloc[:, 0]
    texts = column.astype(str)
    if texts.str.startswith("c").all():
        texts = texts.str[1:]
    return np.asarray(texts.astype(float), dtype=np.float64)


class _Model:
    """The deployed model as DiCE expects one: data frames in, probabilities out."""

    def __init__(self, codes: Callable[[pd.DataFrame], Matrix], ask: Probabilities) -> None:
        self._codes = codes
        self._ask = ask

    def predict_proba(self, frame: pd.DataFrame) -> Matrix:
        return self._ask(self._codes(frame))

    def predict(self, frame: pd.DataFrame) -> npt.NDArray[np.int64]:
        return np.asarray(self.predict_proba(frame).argmax(axis=1), dtype=np.int64)
