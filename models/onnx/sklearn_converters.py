"""Converters that skl2onnx lacks, or whose own fail: what it is told of before it converts."""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import numpy_helper

from ifonly.models.onnx import bins
from ifonly.models.onnx.histogram_trees import is_histogram
from ifonly.models.onnx.sklearn_steps import steps_of

_ENVELOPE = "EllipticEnvelope"


def teach(estimator: Any, *, in_double: bool, single: bool) -> None:
    """Tell skl2onnx of steps of a pipeline that are other libraries', or that it writes otherwise
    than is read here. ``single``: all is computed in float32."""
    from skl2onnx import update_registered_converter
    from skl2onnx.common.shape_calculator import (
        calculate_linear_classifier_output_shapes,
        calculate_linear_regressor_output_shapes,
    )

    for step in (*steps_of(estimator), estimator):
        library, kind = type(step).__module__.partition(".")[0], type(step)
        if is_histogram(step):
            convert = _convert_histogram_in_double if in_double else _convert_histogram
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


class _Plain:
    """A container of nodes that takes attributes as the converter of these trees writes them:
    numbers and truth values of numpy, mixed."""

    def __init__(self, container: Any) -> None:
        self._container = container

    def __getattr__(self, name: str) -> Any:
        return getattr(self._container, name)

    def add_node(self, *arguments: Any, **attributes: Any) -> Any:
        plain: dict[str, Any] = {}
        for name, value in attributes.items():
            if isinstance(value, np.ndarray) and value.dtype == np.float64:
                plain[f"{name}_as_tensor"] = numpy_helper.from_array(value, name)
            elif isinstance(value, list) and all(isinstance(v, int | np.integer) for v in value):
                plain[name] = [int(v) for v in value]
            else:
                plain[name] = value
        return self._container.add_node(*arguments, **plain)


def _convert_histogram_in_double(scope: Any, operator: Any, container: Any) -> None:
    from skl2onnx.common.data_types import DoubleTensorType

    # Behind a mixture of columns skl2onnx takes them for float32.
    operator.inputs[0].set_type(DoubleTensorType(operator.inputs[0].type.shape))
    _convert_histogram(scope, operator, container)


def _convert_histogram(scope: Any, operator: Any, container: Any) -> None:
    from skl2onnx.common.data_types import FloatTensorType
    from skl2onnx.operator_converters import random_forest as forests

    is_classifier = hasattr(operator.raw_operator, "classes_")
    convert = (
        forests.convert_sklearn_random_forest_classifier
        if is_classifier
        else forests.convert_sklearn_random_forest_regressor_converter
    )
    # ONNX Runtime writes scores in float32, whatever trees compare in.
    operator.outputs[-1].set_type(FloatTensorType(operator.outputs[-1].type.shape))
    convert(scope, operator, _Plain(container), op_version=3)


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
