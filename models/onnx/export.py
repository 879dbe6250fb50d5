"""Trained models to ONNX: the same bytes from the same model, and inputs it was trained with.

Trees are exported with float32 inputs: ONNX Runtime compares in float32, so a forest exported for
float64 decides otherwise near its thresholds (measured: up to 0.22 in probability). Linear models,
networks and scikit-learn's histogram-based trees, which compare in float64, are exported with
float64 inputs. The ``train`` extra installs what this needs.
"""

from __future__ import annotations

import copy
import json
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import ModelProto

from ifonly.models.errors import GraphError
from ifonly.models.onnx import bins, histogram_trees
from ifonly.models.onnx.category_columns import CategoryColumns
from ifonly.models.onnx.xgboost_trees import as_converters_read

INPUT = "features"
"""Name of the one matrix input, ``(n_rows, n_columns)``."""
SCORES = "probabilities"
"""Name of a classifier's only output; a regressor's keeps the converter's name."""

TARGET_OPSET = {"": 15, "ai.onnx.ml": 3}
"""15 is the newest that the XGBoost converter knows."""
IR_VERSION = 8

_LONGEST_REASON = 300
_CAST = "ifonly_cast"
_SINGLE = (
    "NuSVR", "OneClassSVM", "PolynomialFeatures", "PowerTransformer",
    "SimpleImputer", "SVR",
)  # fmt: skip
"""What ONNX Runtime has, or the converter writes, in float32 alone."""
_WITHIN = ("estimator", "estimator_", "final_estimator_", "best_estimator_")
_LISTED = ("estimators_", "calibrated_classifiers_")
"""Attributes in which fitted models hold others."""
_ENVELOPE = "EllipticEnvelope"
_MIXTURES = ("GaussianMixture", "BayesianGaussianMixture")
_DISCRIMINANT = "LinearDiscriminantAnalysis"
_TREE_MODULES = ("sklearn.tree", "sklearn.ensemble", "xgboost", "lightgbm")

Columns = int | Mapping[str, bool]
"""Their number, of numbers in one matrix; or of each column, an input of its own, whether it holds
texts."""
Categories = Mapping[int, Sequence[Any]]
"""By columns of a matrix, what the codes 0, 1, … in it stand for."""


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
                return _convert_catboost(estimator)
            case "lightgbm":
                return _convert_lightgbm(estimator, columns)
            case _:
                return _convert_xgboost(estimator, columns, categories)
    return _convert_sklearn(estimator, columns, categories)


def _convert_catboost(estimator: Any) -> ModelProto:
    if hasattr(os, "memfd_create"):
        # Without a name on disk: also where nothing may be written.
        with os.fdopen(os.memfd_create("model.onnx"), "rb") as held:
            estimator.save_model(f"/proc/self/fd/{held.fileno()}", format="onnx")
            return onnx.load_model_from_string(held.read())
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "model.onnx"
        estimator.save_model(str(file), format="onnx")
        return onnx.load(file)


def _convert_lightgbm(estimator: Any, n_columns: int) -> ModelProto:
    from onnxmltools import convert_lightgbm
    from onnxmltools.convert.common.data_types import FloatTensorType

    model: ModelProto = convert_lightgbm(
        estimator,
        name="model",
        initial_types=[(INPUT, FloatTensorType([None, n_columns]))],
        target_opset=TARGET_OPSET[""],
        zipmap=False,
    )
    _round_down(model, estimator)
    return model


def _round_down(model: ModelProto, estimator: Any) -> None:
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


def _convert_xgboost(estimator: Any, n_columns: int, categories: Categories) -> ModelProto:
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


def _convert_sklearn(estimator: Any, columns: Columns, categories: Categories) -> ModelProto:
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType, StringTensorType
    from sklearn.base import is_classifier

    estimator = _as_regression(_unflattened(estimator))
    trees = _has_trees(estimator)
    inside = [*_held_by(estimator)]
    only_single = any(type(step).__name__ in _SINGLE for step in inside)
    # A pipeline rounds before its trees; models that hold trees read what trees read.
    only_single |= not trees and any(_is_of_trees(each) for each in inside)
    last, sets = [estimator, *_steps(estimator)][-1], CategoryColumns(0, {})
    is_histogram = histogram_trees.is_histogram(last)
    in_double = is_histogram and not only_single
    if is_histogram:
        # What a pipeline hands on is no code of the table's any more.
        own = categories if last is estimator else {}
        estimator = copy.deepcopy(estimator)
        last = [estimator, *_steps(estimator)][-1]
        sets = histogram_trees.split_by_columns(last, own)
    if in_double:
        trees = False  # these compare in float64
    elif is_histogram:
        histogram_trees.round_down(last)
    elif trees and not only_single and len(list(_steps(estimator))) > 1:
        estimator, trees = _casting(estimator), False
    # Behind inputs of several types, the converters of linear models know no float64.
    is_single = (
        trees or only_single or (_has_texts(columns) and not _casts(estimator) and not in_double)
    )
    tensor = FloatTensorType if is_single else DoubleTensorType
    _teach(estimator, single=is_single)
    options: dict[Any, Any] | None = None
    if is_classifier(estimator):
        # A ZipMap yields dictionaries in place of one matrix.
        has_shares = hasattr(estimator, "predict_proba") or _counts_votes(estimator)
        last = [estimator, *_steps(estimator)][-1]
        options = (
            {id(estimator): {"zipmap": False}} if has_shares else {id(last): {"raw_scores": True}}
        )
    is_mixture = type([estimator, *_steps(estimator)][-1]).__name__ in _MIXTURES
    if is_mixture:
        options = {id([estimator, *_steps(estimator)][-1]): {"score_samples": True}}
    if isinstance(columns, int):
        inputs = [(INPUT, tensor([None, columns]))]
    else:
        # What bins alone read is compared in float64, whatever all else is.
        wide = {name for step in _steps(estimator) for name in bins.columns_of(step)}
        types = {name: DoubleTensorType if name in wide else tensor for name in columns}
        inputs = [
            (name, (StringTensorType if is_text else types[name])([None, 1]))
            for name, is_text in columns.items()
        ]
    model: ModelProto = convert_sklearn(
        estimator,
        name="model",
        initial_types=inputs,
        # Its converter compares the version with a number.
        target_opset=TARGET_OPSET[""] if is_mixture else TARGET_OPSET,
        options=options,
    )
    for step in _steps(estimator):
        if type(step).__module__.startswith("lightgbm"):
            _round_down(model, step)
    if is_single:
        # Guessed from the first input, which bins may read in float64.
        for output in model.graph.output:
            if output.type.tensor_type.elem_type == onnx.TensorProto.DOUBLE:
                output.type.tensor_type.elem_type = onnx.TensorProto.FLOAT
    sets.put_before(model)
    return model


def _held_by(estimator: Any) -> Iterator[Any]:
    """It, and all fitted models and steps that are in it, however deep."""
    yield estimator
    held = [step for _, step in getattr(estimator, "steps", None) or ()]
    held += [part[1] for part in _parts(estimator, "transformers_")]
    held += [getattr(estimator, name, None) for name in _WITHIN]
    for name in _LISTED:
        found = getattr(estimator, name, None)
        held += [] if found is None else list(np.ravel(np.array(found, dtype=object)))
    for each in held:
        if hasattr(each, "get_params") or hasattr(each, "calibrators"):
            yield from _held_by(each)


def _is_of_trees(estimator: Any) -> bool:
    return type(estimator).__module__.startswith(_TREE_MODULES)


def _counts_votes(estimator: Any) -> bool:
    last = [estimator, *_steps(estimator)][-1]
    return type(last).__name__ == "VotingClassifier" and last.voting == "hard"


def _unflattened(estimator: Any) -> Any:
    """A copy whose votes do not flatten what they transform, which nothing that scores reads, and
    whose weights are an array: the converter knows no others."""
    if not any(hasattr(each, "flatten_transform") for each in _held_by(estimator)):
        return estimator
    copied = copy.deepcopy(estimator)
    for each in _held_by(copied):
        if hasattr(each, "flatten_transform"):
            each.flatten_transform = False
            each.weights = None if each.weights is None else np.asarray(each.weights)
    return copied


def _as_regression(estimator: Any) -> Any:
    """A linear discriminant analysis of two classes as the logistic regression that it is: its own
    converter takes the softmax of both scores, which is the logistic of twice the one."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import Pipeline

    if isinstance(estimator, Pipeline):
        *before, (name, last) = estimator.steps
        other = _as_regression(last)
        return estimator if other is last else Pipeline([*before, (name, other)])
    if type(estimator).__name__ != _DISCRIMINANT or len(estimator.classes_) != 2:
        return estimator
    made = LogisticRegression()
    made.coef_, made.intercept_ = estimator.coef_, estimator.intercept_
    made.classes_, made.n_features_in_ = estimator.classes_, estimator.n_features_in_
    return made


def _shape_envelope(operator: Any) -> None:
    from skl2onnx.common.data_types import Int64TensorType

    given = operator.inputs[0].type
    operator.outputs[0].type = Int64TensorType([None, 1])
    operator.outputs[1].type = type(given)([None, 1])


def _convert_envelope(scope: Any, operator: Any, container: Any) -> None:
    """How far a row is from the middle, ``|(x - middle) L|^2`` with ``L L' = precision``, and
    from the limit: the decision function, and the label that goes with it."""
    from skl2onnx.algebra.onnx_ops import (
        OnnxAdd,
        OnnxCast,
        OnnxMatMul,
        OnnxReduceSumSquare,
        OnnxSign,
        OnnxSub,
    )
    from skl2onnx.common.data_types import FloatTensorType

    fitted, opset = operator.raw_operator, container.target_opset
    is_single = isinstance(operator.inputs[0].type, FloatTensorType)
    kind = np.float32 if is_single else np.float64
    root = np.linalg.cholesky(fitted.precision_).astype(kind)
    apart = OnnxSub(operator.inputs[0], fitted.location_.astype(kind)[None], op_version=opset)
    turned = OnnxMatMul(apart, root, op_version=opset)
    far = OnnxReduceSumSquare(turned, axes=[1], keepdims=1, op_version=min(opset, 13))
    limit = np.array([-fitted.offset_], dtype=kind)
    scores = OnnxSub(limit, far, op_version=opset, output_names=operator.outputs[1:2])
    side = OnnxSign(
        OnnxAdd(OnnxSign(scores, op_version=opset), np.array([0.5], dtype=kind), op_version=opset),
        op_version=opset,
    )
    label = OnnxCast(side, to=7, op_version=opset, output_names=operator.outputs[:1])
    scores.add_to(scope, container)
    label.add_to(scope, container)


def _casting(pipeline: Any) -> Any:
    """The same pipeline, in which what its trees read is computed in float64 and then rounded, as
    trees themselves round what they are given."""
    from skl2onnx.sklapi import CastTransformer
    from sklearn.pipeline import Pipeline

    *before, last = pipeline.steps
    return Pipeline([*before, (_CAST, CastTransformer(dtype=np.float32)), last])


def _casts(pipeline: Any) -> bool:
    return any(name == _CAST for name, _ in getattr(pipeline, "steps", []))


def _teach(estimator: Any, *, single: bool) -> None:
    """Tell skl2onnx of steps of a pipeline that are other libraries', or that it writes otherwise
    than is read here. ``single``: all is computed in float32."""
    from skl2onnx import update_registered_converter
    from skl2onnx.common.shape_calculator import (
        calculate_linear_classifier_output_shapes,
        calculate_linear_regressor_output_shapes,
    )

    for step in (*_steps(estimator), estimator):
        library, kind = type(step).__module__.partition(".")[0], type(step)
        if histogram_trees.is_histogram(step):
            convert = histogram_trees.convert
        elif kind.__name__ == _ENVELOPE:
            update_registered_converter(kind, _ENVELOPE, _shape_envelope, _convert_envelope)
            continue
        elif kind.__name__ == bins.BINS:
            shape = bins.shape_single if single else bins.shape
            update_registered_converter(kind, bins.BINS, shape, bins.convert)
            continue
        elif library == "xgboost":
            from onnxmltools.convert.xgboost.operator_converters.XGBoost import convert_xgboost

            convert = convert_xgboost
        elif library == "lightgbm":
            from onnxmltools.convert.lightgbm.operator_converters.LightGbm import convert_lightgbm

            convert = convert_lightgbm
        else:
            continue
        is_classifier = hasattr(step, "predict_proba")
        update_registered_converter(
            kind,
            f"{library}{kind.__name__}",
            calculate_linear_classifier_output_shapes
            if is_classifier
            else calculate_linear_regressor_output_shapes,
            convert,
            options={
                "nocl": [True, False],
                "zipmap": [True, False, "columns"],
                "raw_scores": [True, False],
                "output_class_labels": [True, False],
            }
            if is_classifier
            else None,
        )


def _has_texts(columns: Columns) -> bool:
    return not isinstance(columns, int) and any(columns.values())


def _steps(estimator: Any) -> Iterator[Any]:
    """Those of a pipeline, and what they are made of in their turn."""
    for step in (
        part[1] for part in (*_parts(estimator, "steps"), *_parts(estimator, "transformers_"))
    ):
        yield from _steps(step)
        yield step


def _parts(estimator: Any, name: str) -> tuple[Any, ...]:
    return tuple(getattr(estimator, name, None) or ())


def _has_trees(estimator: Any) -> bool:
    # A pipeline compares in its last step, whatever its first is.
    modules = [type(e).__module__ for e in (estimator, *_steps(estimator))]
    return any(m.startswith(_TREE_MODULES) for m in modules)


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
