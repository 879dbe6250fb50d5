"""Boosters of XGBoost as converters read them: without sets of categories.

XGBoost keeps such splits in its own file format alone (JSON: ``split_type``, ``categories``), which
no converter reads. A booster in which each of them is a split of a column of 0 and 1 is one that
converters do read, whatever its objective is.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from ifonly.models.onnx.category_columns import MIDDLE, CategoryColumns, Codes
from ifonly.models.sample import name_of

_CATEGORY = "c"
"""Type of a column of categories."""
_NO_CATEGORIES: dict[str, list[Any]] = {"enc": [], "feature_segments": [], "sorted_idx": []}


def known_categories(booster: Any) -> dict[str, tuple[Any, ...]]:
    """Texts or whole numbers that name the categories of its columns, in the order of their codes,
    as far as it knows: one that was trained on an array of codes knows none, one of before XGBoost
    3.1 none either."""
    # Its whole file is written to read them.
    if _CATEGORY not in (booster.feature_types or ()):
        return {}
    learner = json.loads(booster.save_raw("json"))["learner"]
    kept = learner["gradient_booster"]
    # Of a dart the trees are one level deeper; a linear booster has none.
    found = _names(kept.get("gbtree", kept).get("model", {}))
    return {booster.feature_names[j]: names for j, names in found.items()}


def as_converters_read(
    booster: Any, n_columns: int, given: Mapping[int, Sequence[Any]]
) -> tuple[bytearray, CategoryColumns]:
    """The file of a booster that splits columns of 0 and 1 where this one splits by categories,
    and those columns. Its columns have no names, and its trees are the classes' in turn.

    Parameters
    ----------
    booster : xgboost.Booster
        Of trees that add up.
    n_columns : int
        Those that it reads.
    given : mapping of int to sequence
        What stands in the table for the codes 0, 1, … of a column, where that is not what the
        booster itself was trained on.

    Raises
    ------
    ValueError
        If a category is given that it does not know.
    """
    file = json.loads(booster.save_raw("json"))
    learner = file["learner"]
    trees = learner["gradient_booster"]["model"]
    names = _names(trees)
    _in_turn(trees)
    types = learner["feature_types"]
    sizes = _sizes(trees["trees"])
    codes = {}
    for column in (j for j, kind in enumerate(types) if kind == _CATEGORY):
        codes[column] = _codes(column, learner["feature_names"], names, given, sizes.get(column, 0))
    columns = CategoryColumns(n_columns, codes)
    for tree in trees["trees"]:
        _rewrite(tree, columns)
    # Known now alone: every tree says how many columns there are.
    for tree in trees["trees"]:
        tree["tree_param"]["num_feature"] = str(columns.total)
    learner["learner_model_param"]["num_feature"] = str(columns.total)
    learner["feature_names"], learner["feature_types"] = [], []
    trees["cats"] = _NO_CATEGORIES
    return bytearray(json.dumps(file).encode()), columns


def _in_turn(model: dict[str, Any]) -> None:
    """Order the trees so that one of each class follows the other, as converters take for granted.
    Forests of several classes have all trees of a class beside each other."""
    info = model["tree_info"]
    classes = max(info, default=0) + 1
    if classes == 1 or info == [k % classes for k in range(len(info))]:
        return
    own = [
        [tree for tree, c in zip(model["trees"], info, strict=True) if c == k]
        for k in range(classes)
    ]
    model["trees"] = [tree for turn in zip(*own, strict=True) for tree in turn]
    for number, tree in enumerate(model["trees"]):
        tree["id"] = number
    model["tree_info"] = [k % classes for k in range(len(info))]
    model["gbtree_model_param"]["num_parallel_tree"] = "1"
    model["iteration_indptr"] = list(range(0, len(info) + 1, classes))


def _codes(
    column: int,
    columns: Sequence[str],
    names: Mapping[int, Sequence[str | int]],
    given: Mapping[int, Sequence[Any]],
    size: int,
) -> Codes:
    """XGBoost cuts numbers to whole ones; what is none of its codes is in no set."""
    if column not in names or column not in given:
        return _as_they_are(size)
    known = {name_of(name): code for code, name in enumerate(names[column])}
    own = [name_of(value) for value in given[column]]
    strange = [name for name in own if name not in known]
    if strange and not all(name.isascii() for name in known):
        return _as_they_are(size)
    if strange:
        called = columns[column] if columns else f"column {column}"
        raise ValueError(f"it was not trained on {called} = {', '.join(strange)}")
    return Codes({k: known[name] for k, name in enumerate(own)}, other=0.0, is_cut=True)


def _as_they_are(size: int) -> Codes:
    return Codes({code: code for code in range(size)}, other=0.0, is_cut=True)


def _rewrite(tree: dict[str, Any], columns: CategoryColumns) -> None:
    """XGBoost goes right with the categories that a node lists, left with all others."""
    for node, members in _sets(tree):
        tree["split_indices"][node] = columns.of(tree["split_indices"][node], members)
        tree["split_conditions"][node] = MIDDLE
        tree["split_type"][node] = 0
    for name in ("categories", "categories_nodes", "categories_segments", "categories_sizes"):
        tree[name] = []


def _sets(tree: Mapping[str, Any]) -> list[tuple[int, list[int]]]:
    """Nodes that split by categories, and which go right."""
    listed = tree.get("categories", ())
    spans = zip(
        tree.get("categories_nodes", ()),
        tree.get("categories_segments", ()),
        tree.get("categories_sizes", ()),
        strict=True,
    )
    return [(node, list(listed[first : first + size])) for node, first, size in spans]


def _sizes(trees: Sequence[Mapping[str, Any]]) -> dict[int, int]:
    """One more than the greatest code that any set of a column has."""
    found: dict[int, int] = {}
    for tree in trees:
        for node, members in _sets(tree):
            column = tree["split_indices"][node]
            found[column] = max(found.get(column, 0), *(int(code) + 1 for code in members))
    return found


def _names(trees: Mapping[str, Any]) -> dict[int, tuple[str | int, ...]]:
    """Of the part of the file that holds the trees; texts are kept as bytes with offsets.

    XGBoost 3.2 counts characters for bytes: texts in other alphabets than ASCII's are cut anywhere,
    and are left out where that can be seen.
    """
    found: dict[int, tuple[str | int, ...]] = {}
    for column, kept in enumerate(trees.get("cats", {}).get("enc", ())):
        values = kept["values"]
        if "offsets" in kept:
            text = bytes(value % 256 for value in values)
            try:
                values = [text[a:b].decode() for a, b in pairwise(kept["offsets"])]
            except UnicodeDecodeError:
                continue
        if values:
            found[column] = tuple(values)
    return found
