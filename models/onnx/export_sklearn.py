"""scikit-learn to ONNX: what skl2onnx cannot read is put into a form that it can."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
from onnx import ModelProto, TensorProto

from ifonly.models.onnx import bins, histogram_trees
from ifonly.models.onnx.category_columns import CategoryColumns
from ifonly.models.onnx.export_boosters import round_thresholds_down
from ifonly.models.onnx.export_form import INPUT, TARGET_OPSET, Categories, Columns
from ifonly.models.onnx.sklearn_converters import teach
from ifonly.models.onnx.sklearn_steps import held_by, steps_of

_CAST = "ifonly_cast"
_SINGLE = (
    "NuSVR", "OneClassSVM", "PolynomialFeatures", "PowerTransformer", "SimpleImputer", "SVR",
)  # fmt: skip
"""What ONNX Runtime has, or the converter writes, in float32 alone."""
_MIXTURES = ("GaussianMixture", "BayesianGaussianMixture")
_DISCRIMINANT = "LinearDiscriminantAnalysis"
_TREE_MODULES = ("sklearn.tree", "sklearn.ensemble", "xgboost", "lightgbm")


def convert_sklearn_model(estimator: Any, columns: Columns, categories: Categories) -> ModelProto:
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType, StringTensorType
    from sklearn.base import is_classifier

    estimator = _as_regression(_unflattened(estimator))
    trees = _has_trees(estimator)
    inside = [*held_by(estimator)]
    only_single = any(type(step).__name__ in _SINGLE for step in inside)
    # A pipeline rounds before its trees; models that hold trees read what trees read.
    only_single |= not trees and any(_is_of_trees(each) for each in inside)
    last, sets = [estimator, *steps_of(estimator)][-1], CategoryColumns(0, {})
    is_histogram = histogram_trees.is_histogram(last)
    in_double = is_histogram and not only_single
    if is_histogram:
        # What a pipeline hands on is no code of the table's any more.
        own = categories if last is estimator else {}
        estimator = copy.deepcopy(estimator)
        last = [estimator, *steps_of(estimator)][-1]
        sets = histogram_trees.split_by_columns(last, own)
    if in_double:
        trees = False  # these compare in float64
    elif is_histogram:
        histogram_trees.round_down(last)
    elif trees and not only_single and len(list(steps_of(estimator))) > 1:
        estimator, trees = _casting(estimator), False
    # Behind inputs of several types, the converters of linear models know no float64.
    is_mixed = _has_texts(columns) and not _casts(estimator) and not in_double
    is_single = trees or only_single or is_mixed
    tensor = FloatTensorType if is_single else DoubleTensorType
    teach(estimator, in_double=in_double, single=is_single)
    options: dict[Any, Any] | None = None
    if is_classifier(estimator):
        # A ZipMap yields dictionaries in place of one matrix.
        has_shares = hasattr(estimator, "predict_proba") or _counts_votes(estimator)
        last = [estimator, *steps_of(estimator)][-1]
        options = (
            {id(estimator): {"zipmap": False}} if has_shares else {id(last): {"raw_scores": True}}
        )
    is_mixture = type([estimator, *steps_of(estimator)][-1]).__name__ in _MIXTURES
    if is_mixture:
        options = {id([estimator, *steps_of(estimator)][-1]): {"score_samples": True}}
    if isinstance(columns, int):
        inputs = [(INPUT, tensor([None, columns]))]
    else:
        # What bins alone read is compared in float64, whatever all else is.
        wide = {name for step in steps_of(estimator) for name in bins.columns_of(step)}
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
    for step in steps_of(estimator):
        if type(step).__module__.startswith("lightgbm"):
            round_thresholds_down(model, step)
    if is_single:
        # Guessed from the first input, which bins may read in float64.
        for output in model.graph.output:
            if output.type.tensor_type.elem_type == TensorProto.DOUBLE:
                output.type.tensor_type.elem_type = TensorProto.FLOAT
    sets.put_before(model)
    return model


def _has_texts(columns: Columns) -> bool:
    return not isinstance(columns, int) and any(columns.values())


def _is_of_trees(estimator: Any) -> bool:
    return type(estimator).__module__.startswith(_TREE_MODULES)


def _counts_votes(estimator: Any) -> bool:
    last = [estimator, *steps_of(estimator)][-1]
    return type(last).__name__ == "VotingClassifier" and last.voting == "hard"


def _unflattened(estimator: Any) -> Any:
    """A copy whose votes do not flatten what they transform, which nothing that scores reads, and
    whose weights are an array: the converter knows no others."""
    if not any(hasattr(each, "flatten_transform") for each in held_by(estimator)):
        return estimator
    copied = copy.deepcopy(estimator)
    for each in held_by(copied):
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


def _casting(pipeline: Any) -> Any:
    """The same pipeline, in which what its trees read is computed in float64 and then rounded, as
    trees themselves round what they are given."""
    from skl2onnx.sklapi import CastTransformer
    from sklearn.pipeline import Pipeline

    *before, last = pipeline.steps
    return Pipeline([*before, (_CAST, CastTransformer(dtype=np.float32)), last])


def _casts(pipeline: Any) -> bool:
    return any(name == _CAST for name, _ in getattr(pipeline, "steps", []))


def _has_trees(estimator: Any) -> bool:
    # A pipeline compares in its last step, whatever its first is.
    modules = [type(e).__module__ for e in (estimator, *steps_of(estimator))]
    return any(m.startswith(_TREE_MODULES) for m in modules)
