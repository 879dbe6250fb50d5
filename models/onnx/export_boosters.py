"""CatBoost, LightGBM and XGBoost to ONNX, each by the converter that there is for it."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import ModelProto

from ifonly.models.onnx.category_columns import CategoryColumns
from ifonly.models.onnx.export_form import INPUT, TARGET_OPSET, Categories
from ifonly.models.onnx.xgboost_trees import as_converters_read


def convert_catboost(estimator: Any) -> ModelProto:
    if hasattr(os, "memfd_create"):
        # Without a name on disk: also where nothing may be written.
        with os.fdopen(os.memfd_create("model.onnx"), "rb") as held:
            estimator.save_model(f"/proc/self/fd/{held.fileno()}", format="onnx")
            return onnx.load_model_from_string(held.read())
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "model.onnx"
        estimator.save_model(str(file), format="onnx")
        return onnx.load(file)


def convert_lightgbm_model(estimator: Any, n_columns: int) -> ModelProto:
    from onnxmltools import convert_lightgbm
    from onnxmltools.convert.common.data_types import FloatTensorType

    model: ModelProto = convert_lightgbm(
        estimator,
        name="model",
        initial_types=[(INPUT, FloatTensorType([None, n_columns]))],
        target_opset=TARGET_OPSET[""],
        zipmap=False,
    )
    round_thresholds_down(model, estimator)
    return model


def round_thresholds_down(model: ModelProto, estimator: Any) -> None:
    """Thresholds of LightGBM, which are float64, as the float32 below: what a float32 reading is
    compared with by ``<=`` alike. The converter takes the nearest."""
    exact = [*_lightgbm_thresholds(estimator)]
    if not exact:
        return
    wanted: dict[np.float32, np.float32] = {}
    for threshold in exact:
        near = np.float32(threshold)
        below = np.nextafter(near, np.float32(-np.inf)) if float(near) > threshold else near
        # Of two that are one in float32, the converter says no more which it wrote.
        if wanted.setdefault(near, below) != below:
            raise ValueError(f"it splits on both sides of {near!r}, which float32 cannot tell")
    for node in model.graph.node:
        for attribute in node.attribute:
            if node.op_type.startswith("TreeEnsemble") and attribute.name == "nodes_values":
                written = np.array(attribute.floats, dtype=np.float32)
                attribute.floats[:] = [wanted.get(value, value) for value in written]


def _lightgbm_thresholds(estimator: Any) -> Iterator[float]:
    booster = getattr(estimator, "booster_", estimator)
    pending = [tree["tree_structure"] for tree in booster.dump_model()["tree_info"]]
    while pending:
        node = pending.pop()
        if "threshold" in node and node["decision_type"] == "<=":
            yield float(node["threshold"])
        pending += [node[side] for side in ("left_child", "right_child") if side in node]


def convert_xgboost_model(estimator: Any, n_columns: int, categories: Categories) -> ModelProto:
    from onnxmltools import convert_xgboost
    from onnxmltools.convert.common.data_types import FloatTensorType

    plain, sets = _plain_xgboost(estimator, n_columns, categories)
    model: ModelProto = convert_xgboost(
        plain,
        name="model",
        initial_types=[(INPUT, FloatTensorType([None, n_columns]))],
        target_opset=TARGET_OPSET[""],
    )
    sets.put_before(model)
    return model


def _plain_xgboost(
    estimator: Any, n_columns: int, categories: Categories
) -> tuple[Any, CategoryColumns]:
    """A copy with the trees up to the best iteration and columns called f0, f1, ..., of which those
    beyond ``n_columns`` are made.

    The converter reads all trees, and fails on any other column name and on categories.
    """
    import xgboost

    is_booster = isinstance(estimator, xgboost.Booster)
    booster = estimator if is_booster else estimator.get_booster()
    kind = _config(booster)["gradient_booster"]["name"]
    if kind != "gbtree":
        raise ValueError(f"its booster is {kind!r}, which the converter cannot read")
    best = booster.attr("best_iteration")
    last = int(best) + 1 if best is not None else booster.num_boosted_rounds()
    # An early-stopped model predicts by these trees alone; the converter reads all.
    kept = booster[:last]
    plain = _new_like(estimator, booster)
    file, sets = as_converters_read(kept, n_columns, categories)
    plain.load_model(file)
    return plain, sets


def _new_like(estimator: Any, booster: Any) -> Any:
    """An estimator without trees, of the kind that ``estimator`` is or a bare booster needs."""
    import xgboost

    if not isinstance(estimator, xgboost.Booster):
        return type(estimator)()
    objective = _config(booster)["objective"]["name"]
    is_classifier = objective.startswith(("binary:", "multi:"))
    return xgboost.XGBClassifier() if is_classifier else xgboost.XGBRegressor()


def _config(booster: Any) -> dict[str, Any]:
    learner: dict[str, Any] = json.loads(booster.save_config())["learner"]
    return learner
