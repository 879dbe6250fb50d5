"""Trained models to ONNX: the same bytes from the same model, and inputs it was trained with.

Trees are exported with float32 inputs: ONNX Runtime compares in float32, so a forest exported for
float64 decides otherwise near its thresholds (measured: up to 0.22 in probability). Linear models,
networks and scikit-learn's histogram-based trees, which compare in float64, are exported with
float64 inputs. The ``train`` extra installs what this needs.
"""

from __future__ import annotations

from typing import Any

import onnx
from onnx import ModelProto

from ifonly.models.errors import GraphError
from ifonly.models.onnx.export_boosters import (
    convert_catboost,
    convert_lightgbm_model,
    convert_xgboost_model,
)
from ifonly.models.onnx.export_form import INPUT as INPUT
from ifonly.models.onnx.export_form import IR_VERSION, Categories
from ifonly.models.onnx.export_form import SCORES as SCORES
from ifonly.models.onnx.export_form import TARGET_OPSET as TARGET_OPSET
from ifonly.models.onnx.export_form import Columns as Columns
from ifonly.models.onnx.export_sklearn import convert_sklearn_model

_LONGEST_REASON = 300


def export_onnx(
    estimator: Any, columns: Columns, *, name: str, categories: Categories | None = None
) -> ModelProto:
    """``estimator`` (scikit-learn, XGBoost, LightGBM or CatBoost, fitted) as an ONNX graph called
    ``name``.

    The graph has one matrix input, :data:`INPUT`, or an input ``(n_rows, 1)`` for each of
    ``columns`` (a scikit-learn pipeline of a table), and for a classifier one output,
    :data:`SCORES`, ``(n_rows, n_classes)``: no ZipMap, and no label, for that would be cut at 0.5
    whatever the decision's threshold is. An early-stopped XGBoost is exported up to its best
    iteration. Equal models give equal bytes: no names, dates or tool versions vary.

    ``categories`` of a matrix: what the codes 0, 1, … of a column stand for in the estimator's own
    table; other columns hold what the estimator itself was fitted on.

    Raises
    ------
    GraphError
        If the model cannot be converted; the message says which model and why.
    """
    try:
        model = _convert(estimator, columns, categories or {})
    # Converters raise whatever they please.
    except Exception as error:
        kind = f"{type(estimator).__module__}.{type(estimator).__qualname__}"
        reason = f"{type(error).__name__}: {error}"[:_LONGEST_REASON]
        raise GraphError(f"{kind} cannot be converted to ONNX: {reason}") from error
    _keep_scores_only(model)
    _make_reproducible(model, name)
    onnx.checker.check_model(model)
    return model


def to_bytes(model: ModelProto) -> bytes:
    """``model`` as the bytes of a ``model.onnx``."""
    return bytes(model.SerializeToString(deterministic=True))


def _convert(estimator: Any, columns: Columns, categories: Categories) -> ModelProto:
    library = type(estimator).__module__.partition(".")[0]
    if library in ("catboost", "lightgbm", "xgboost"):
        if not isinstance(columns, int):
            raise ValueError("its columns are not all numbers")
        match library:
            case "catboost":
                return convert_catboost(estimator)
            case "lightgbm":
                return convert_lightgbm_model(estimator, columns)
            case _:
                return convert_xgboost_model(estimator, columns, categories)
    return convert_sklearn_model(estimator, columns, categories)


def _keep_scores_only(model: ModelProto) -> None:
    """Drop the label output of a classifier, if there is one."""
    outputs = model.graph.output
    if "score_samples" in {o.name for o in outputs}:
        _keep(model, "score_samples")
    elif len(outputs) == 2 and {SCORES} < {o.name for o in outputs}:
        _keep(model, SCORES)


def _keep(model: ModelProto, name: str) -> None:
    kept = [o for o in model.graph.output if o.name == name]
    del model.graph.output[:]
    model.graph.output.extend(kept)
    _drop_dead_nodes(model)


def _drop_dead_nodes(model: ModelProto) -> None:
    """Remove the nodes that only led to the dropped output."""
    wanted = {o.name for o in model.graph.output}
    kept = []
    # From the end: a node stays if something that stays reads it.
    for node in reversed(model.graph.node):
        if wanted & set(node.output):
            wanted |= set(node.input)
            kept.append(node)
    del model.graph.node[:]
    model.graph.node.extend(reversed(kept))
    used = [i for i in model.graph.initializer if i.name in wanted]
    del model.graph.initializer[:]
    model.graph.initializer.extend(used)


def _make_reproducible(model: ModelProto, name: str) -> None:
    model.graph.name = name
    model.graph.doc_string = ""
    model.doc_string = ""
    model.domain = ""
    model.model_version = 1
    model.producer_name = "ifonly"
    # A tool's version would change the bytes of an equal model.
    model.producer_version = ""
    model.ir_version = IR_VERSION
    del model.metadata_props[:]
    # Converters list them in any order.
    opsets = sorted({(o.domain, o.version) for o in model.opset_import})
    del model.opset_import[:]
    model.opset_import.extend(onnx.helper.make_opsetid(*o) for o in opsets)
    for value in (*model.graph.input, *model.graph.output):
        shape = value.type.tensor_type.shape
        if shape.dim and not shape.dim[0].HasField("dim_value"):
            # Converters give the free axis names of their own.
            shape.dim[0].dim_param = "rows"
