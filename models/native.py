"""Fitted estimators of scikit-learn, XGBoost, LightGBM and CatBoost, asked by themselves."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ifonly.models.errors import DataError
from ifonly.models.onnx import histogram_trees, xgboost_trees
from ifonly.models.predictor import Rows, Scores, finite
from ifonly.models.sample import Sample, name_of
from ifonly.models.schema import Category, Decision, Task

OUTLIER = ("outlier", "inlier")
"""What detectors decide, by the sign of their score."""


@dataclass(frozen=True, eq=False)
class Native:
    """An estimator as rows to scores."""

    ask: Callable[[Any], Any]
    """A table as the estimator takes it to its scores, ``(n,)`` or ``(n, n_columns)``."""
    sample: Sample
    decision: Decision
    columns: tuple[int, ...] | None = None
    """Those of the scores that count; None: all."""

    def score(self, rows: Rows) -> Scores:
        """As :meth:`ifonly.models.predictor.Predictor.score`."""
        if not len(rows):
            return np.empty((0, self.decision.n_outputs))
        scores = matrix(self.ask(self.sample.table(rows)), len(rows))
        if self.columns is not None:
            scores = scores[:, list(self.columns)]
        return finite(scores, rows)


def matrix(scores: Any, n: int) -> Scores:
    """Scores of ``n`` rows, ``(n,)`` or ``(n, n_columns)``, as ``(n, n_columns)``.

    Raises
    ------
    DataError
        If they have another shape, or are no numbers.
    """
    try:
        scores = np.asarray(scores, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError("model", f"gives no scores, which are numbers: {error}") from error
    if scores.ndim not in (1, 2) or len(scores) != n:
        raise DataError("model", f"gives scores of shape {scores.shape} for {n} rows")
    return np.asarray(scores.reshape(n, -1), dtype=np.float64)


def is_estimator(model: Any) -> bool:
    """Whether it is what these libraries call fitted."""
    return callable(getattr(model, "predict", None))


def names_read_by(estimator: Any) -> tuple[list[str] | None, int | None]:
    """Names of the columns that it was fitted on, and their number, as far as it knows."""
    names = getattr(estimator, "feature_names_in_", None)
    if names is None:  # CatBoost's; boosters' own; LightGBM's is a method
        names = getattr(estimator, "feature_names_", None)
        names = getattr(estimator, "feature_names", None) if names is None else names
    if names is None and _library(estimator) == "lightgbm":
        ask = getattr(estimator, "feature_name", None)  # none before it is fitted
        names = ask() if callable(ask) else None
    width = getattr(estimator, "n_features_in_", None)
    if names is None:
        return None, None if width is None else int(width)
    read = [str(name) for name in names]
    # Names that were made up, where an array was fitted: columns count.
    made_up = any(read == [f"{p}{j}" for j in range(len(read))] for p in ("", "Column_", "f"))
    return (None, len(read)) if made_up else (read, len(read))


def chosen(estimator: Any) -> Any:
    """What a search over hyperparameters has chosen, which predicts in its place; else itself."""
    while hasattr(estimator, "best_estimator_"):
        estimator = estimator.best_estimator_
    return estimator


def categories_read_by(estimator: Any) -> dict[str, tuple[Any, ...]]:
    """Texts or numbers that it was fitted on, of columns of categories of its own, as far as it
    knows."""
    estimator = chosen(estimator)
    if histogram_trees.is_histogram(estimator):
        return histogram_trees.known_categories(estimator)
    if _library(estimator) == "xgboost":
        booster = estimator.get_booster() if hasattr(estimator, "get_booster") else estimator
        return xgboost_trees.known_categories(booster)
    return {}


def native(estimator: Any, sample: Sample, threshold: float | None = None) -> Native:
    """``estimator`` as rows to scores, and what it decides.

    Raises
    ------
    DataError
        If it is not fitted, gives neither one score nor one a class, or ``sample`` has categories
        that it refuses.
    """
    _check_fitted(estimator, sample)
    _check_categories(estimator, sample)
    if _library(estimator) == "xgboost" and not hasattr(estimator, "get_booster"):
        return _of_xgboost_booster(estimator, sample, threshold)
    if _library(estimator) == "lightgbm" and hasattr(estimator, "dump_model"):
        return _of_lightgbm_booster(estimator, sample, threshold)
    classes = [name_of(each) for each in getattr(estimator, "classes_", ())]
    if classes and callable(getattr(estimator, "predict_proba", None)):
        return _of_probabilities(estimator.predict_proba, sample, classes, threshold)
    if getattr(estimator, "voting", "") == "hard":
        return _of_probabilities(_votes_of(estimator), sample, classes, threshold)
    if classes:
        return _of_margins(estimator, sample, classes, threshold)
    if getattr(estimator, "_estimator_type", "") == "outlier_detector" or hasattr(
        estimator, "score_samples"
    ):
        if not callable(getattr(estimator, "decision_function", None)):
            return Native(
                estimator.score_samples, sample, value(threshold)
            )  # a mixture has no limit
        limited = Decision(Task.REGRESSION, _categories(OUTLIER), 1, threshold or 0.0)
        return Native(estimator.decision_function, sample, limited)
    return Native(estimator.predict, sample, value(threshold))


def _check_categories(estimator: Any, sample: Sample) -> None:
    """XGBoost refuses tables with categories that it was not trained on, used or not; others count
    them as missing."""
    if _library(chosen(estimator)) != "xgboost" or sample.pandas is None:
        return
    for name, known in categories_read_by(estimator).items():
        if name not in sample.schema.names:
            continue
        feature = sample.schema[name]
        told = ", ".join(map(str, known))
        if not hasattr(sample.pandas.get(name), "categories"):
            raise DataError(name, f"is no column of categories, as the model reads it: {told}")
        strange = sorted(set(feature.category_names) - set(map(name_of, known)))
        # Names in other alphabets may be kept wrongly: XGBoost itself has the word.
        if strange and told.isascii():
            odd = ", ".join(strange)
            raise DataError(name, f"has the categories {odd}; the model was trained on {told}")


def _check_fitted(estimator: Any, sample: Sample) -> None:
    if getattr(estimator, "classes_", None) is not None:
        return
    try:
        estimator.predict(sample.table(sample.rows[:1]))
    # Each library has an error of its own for it; whatever else is wrong is told where it matters.
    except Exception as error:
        if any("NotFitted" in kind.__name__ for kind in type(error).__mro__):
            raise DataError(
                "model", f"is a {type(estimator).__name__} that is not fitted"
            ) from None


def probabilities(classes: Sequence[str], threshold: float | None) -> Decision:
    """A decision between classes of which each has a probability."""
    if len(classes) == 2:
        return Decision(
            Task.BINARY, _categories(classes), 1, 0.5 if threshold is None else threshold
        )
    if threshold is not None:
        raise DataError("threshold", f"is for two classes or a value; there are {len(classes)}")
    return Decision(Task.MULTICLASS, _categories(classes))


def value(threshold: float | None, classes: Sequence[str] = ("below", "above")) -> Decision:
    """A number, and the limit that decides if there is one."""
    if threshold is None:
        return Decision(Task.REGRESSION)
    return Decision(Task.REGRESSION, _categories(classes), 1, threshold)


def _categories(names: Sequence[str]) -> tuple[Category, ...]:
    return tuple(map(Category, names))


def _of_probabilities(
    ask: Callable[[Any], Any], sample: Sample, classes: Sequence[str], threshold: float | None
) -> Native:
    decision = probabilities(classes, threshold)
    return Native(ask, sample, decision, (1,) if len(classes) == 2 else None)


def _votes_of(estimator: Any) -> Callable[[Any], Any]:
    """Share of the votes of each class."""
    n = len(estimator.classes_)
    weights = estimator.weights
    each = np.ones(len(estimator.estimators_)) if weights is None else np.asarray(weights, float)

    def ask(table: Any) -> Any:
        labels = np.asarray(estimator.transform(table))
        return np.stack([(labels == k) @ each for k in range(n)], axis=1) / each.sum()

    return ask


def _of_margins(
    estimator: Any, sample: Sample, classes: Sequence[str], threshold: float | None
) -> Native:
    """Classifiers without probabilities: of two classes, which side of 0; of more, the largest."""
    if not callable(getattr(estimator, "decision_function", None)):
        raise DataError("model", f"{type(estimator).__name__} gives labels and no scores")
    if len(classes) == 2:
        return Native(estimator.decision_function, sample, value(threshold or 0.0, classes))
    return Native(estimator.decision_function, sample, probabilities(classes, threshold))


def _of_xgboost_booster(booster: Any, sample: Sample, threshold: float | None) -> Native:
    import xgboost

    learner = json.loads(booster.save_config())["learner"]
    objective = learner["objective"]["name"]
    best = booster.attr("best_iteration")
    trees = (0, int(best) + 1) if best is not None else (0, 0)

    def ask(table: Any) -> Any:
        # A table of pandas says itself which of its columns hold categories.
        types = booster.feature_types if sample.pandas is None else None
        matrix = xgboost.DMatrix(
            table,
            feature_names=booster.feature_names,
            feature_types=types,
            enable_categorical=True,
        )
        return booster.predict(matrix, iteration_range=trees)

    if objective in ("binary:logistic", "multi:softprob"):
        n = int(learner["learner_model_param"]["num_class"]) or 2
        decision = probabilities([str(k) for k in range(n)], threshold)
        return Native(ask, sample, decision)
    if objective.startswith(("binary:", "multi:")):
        raise DataError("model", f"its objective {objective} gives no probabilities")
    return Native(ask, sample, value(threshold))


def _of_lightgbm_booster(booster: Any, sample: Sample, threshold: float | None) -> Native:
    objective, _, more = str(booster.dump_model(num_iteration=1)["objective"]).partition(" ")
    if objective == "binary":
        return Native(booster.predict, sample, probabilities(("0", "1"), threshold))
    if objective in ("multiclass", "multiclassova"):
        n = int(dict(part.split(":") for part in more.split() if ":" in part)["num_class"])
        decision = probabilities([str(k) for k in range(n)], threshold)
        return Native(booster.predict, sample, decision)
    return Native(booster.predict, sample, value(threshold))


def _library(estimator: Any) -> str:
    return type(estimator).__module__.partition(".")[0]
