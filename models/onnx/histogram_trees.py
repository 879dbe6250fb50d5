"""scikit-learn's histogram-based trees, as its converter to ONNX can write them.

scikit-learn shows these trees nowhere but in ``_predictors``, and the numbers of categories in
``_preprocessor``; skl2onnx reads the trees there as well.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ifonly.models.naming import plain_value
from ifonly.models.onnx.category_columns import MIDDLE, CategoryColumns, Codes
from ifonly.models.sample import name_of

_HISTOGRAM = "HistGradientBoosting"


def is_histogram(estimator: Any) -> bool:
    """Whether it consists of such trees."""
    return type(estimator).__name__.startswith(_HISTOGRAM)


def round_down(estimator: Any) -> None:
    """Make thresholds the float32 below: what a float32 reading is compared with by ``<=``
    alike."""
    for tree in _trees(estimator):
        exact = tree.nodes["num_threshold"]
        near = exact.astype(np.float32)
        below = np.nextafter(near, np.float32(-np.inf))
        tree.nodes["num_threshold"] = np.where(near > exact, below, near)


def known_categories(estimator: Any) -> dict[str, tuple[Any, ...]]:
    """Categories that it was fitted on, by columns of its table; none where it was fitted on an
    array."""
    flags = estimator.is_categorical_
    names = getattr(estimator, "feature_names_in_", None)
    if names is None or flags is None or not any(flags):
        return {}
    encoder = estimator._preprocessor.named_transformers_["encoder"]
    return {
        str(name): tuple(v for v in map(plain_value, known.tolist()) if v is not None)
        for name, known in zip(names[flags], encoder.categories_, strict=True)
    }


def split_by_columns(estimator: Any, given: Mapping[int, Sequence[Any]]) -> CategoryColumns:
    """Make splits by sets of categories splits of columns of 0 and 1, which are returned.

    Parameters
    ----------
    estimator : HistGradientBoostingClassifier or HistGradientBoostingRegressor
        Fitted; it is changed, and scores no more.
    given : mapping of int to sequence
        What stands in the table for the codes 0, 1, … of a column. Others hold numbers.

    Raises
    ------
    ValueError
        If it knows categories of a column of numbers by texts, or by fractions.
    """
    n = int(estimator.n_features_in_)
    flags = estimator.is_categorical_
    if flags is None or not any(flags):
        return CategoryColumns(n, {})
    # Its own first step puts the categories first.
    order = np.concatenate([np.flatnonzero(flags), np.flatnonzero(~np.asarray(flags))])
    encoder = estimator._preprocessor.named_transformers_["encoder"]
    codes = {
        int(column): _codes(int(column), known, given)
        for column, known in zip(order, encoder.categories_, strict=False)
    }
    sizes = {column: len(known) for column, known in zip(codes, encoder.categories_, strict=True)}
    columns = CategoryColumns(n, codes)
    for tree in _trees(estimator):
        _rewrite(tree, order, sizes, columns)
    return columns


def _codes(column: int, known: npt.NDArray[Any], given: Mapping[int, Sequence[Any]]) -> Codes:
    """What it was not fitted on counts as missing."""
    # A missing value may be among them, which has no code.
    code_of = {v: k for k, v in enumerate(map(plain_value, known.tolist())) if v is not None}
    if column in given:
        by_name = {name_of(value): code for value, code in code_of.items()}
        own = {k: by_name.get(name_of(value)) for k, value in enumerate(given[column])}
        found = {number: code for number, code in own.items() if code is not None}
        return Codes(found, other=np.nan, is_cut=False)
    odd = [v for v in code_of if not isinstance(v, int | float) or float(v) != int(v)]
    if odd:
        raise ValueError(f"it knows categories of column {column} as {odd[0]!r}, no whole number")
    return Codes({int(v): code for v, code in code_of.items()}, other=np.nan, is_cut=False)


def _rewrite(
    tree: Any, order: npt.NDArray[np.int64], sizes: Mapping[int, int], columns: CategoryColumns
) -> None:
    """The categories of a node's bitset go left, the others that are known right."""
    nodes = tree.nodes
    nodes["feature_idx"] = order[nodes["feature_idx"]]
    for place in np.flatnonzero(nodes["is_categorical"] & ~nodes["is_leaf"]):
        node = nodes[place]
        column = int(node["feature_idx"])
        left = _members(tree.raw_left_cat_bitsets[node["bitset_idx"]])
        nodes["feature_idx"][place] = columns.of(column, set(range(sizes[column])) - left)
        nodes["num_threshold"][place] = MIDDLE
        nodes["is_categorical"][place] = 0


def _members(bits: npt.NDArray[np.uint32]) -> set[int]:
    return set(np.flatnonzero(np.unpackbits(bits.astype("<u4").view(np.uint8), bitorder="little")))


def _trees(estimator: Any) -> Iterator[Any]:
    for trees in estimator._predictors:
        yield from trees
