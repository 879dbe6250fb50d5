"""OCEAN (Parmentier & Vidal 2021), constraint programming: one CP-SAT model for a whole ensemble.

It has no weights, rules, grid or threshold of its own. Weights and threshold are given to it here
(its objective's terms are multiplied, its margin is moved), and whole numbers are declared as its
discrete features; rules, and any other grid, it cannot be told.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from ocean import ConstraintProgrammingExplainer
from ocean.abc import Mapper
from ocean.feature import Feature

from bench.peers.contract import Asker, Matrix, PeerAnswer, Unsupported
from bench.study import StudyLever, StudySetup

CANNOT = ("immutable", "direction", "grid", "linear", "if-then")


class _Weighted(ConstraintProgrammingExplainer):  # type: ignore[misc]
    """OCEAN with a weight for each feature's distance, and a threshold other than one half."""

    _obj_scale: int
    price: dict[str, float]
    """Name of a feature to the weight of its distance."""
    margin: int
    """Added to the lead that the wanted class must have, in the solver's units."""

    def Lp(self, x: Any, v: Any, code: Any = None, *, norm: int = 1) -> Any:  # noqa: N802
        whole = self._obj_scale
        self._obj_scale = int(whole * self.price[self._name_of(v)])
        try:
            return super().Lp(x, v, code=code, norm=norm)
        finally:
            self._obj_scale = whole

    def _name_of(self, variable: Any) -> str:
        return next(str(name) for name, v in self.mapper.items() if v is variable)

    def _set_majority_class(self, y: int, *, op: int) -> None:
        from ortools.sat.python import cp_model

        other = 1 - y
        lead = cp_model.LinearExpr.WeightedSum(
            [self.function[op, y], self.function[op, other]], [1, -1]
        )
        strictly = self._epsilon if y == 0 else 0
        self._scores[op, other] = self.Add(lead >= strictly + self.margin)
        self.add_garbage(self._scores[op, other])


class _Ocean:
    def __init__(self, study: StudySetup) -> None:
        if study.task != "binary":
            raise Unsupported("explains classifiers only, not a regression")
        self._study = study
        self.cannot = CANNOT if study.rules.texts else ()
        ensemble = _model(study)
        rows, _ = study.references()
        explainer = _Weighted(ensemble, mapper=_mapper(study, rows))
        explainer.price = {lever.name: 1.0 / lever.scale for lever in study.levers}
        explainer.margin = _margin(study, ensemble, explainer.score_scale)
        self._explainer = explainer

    def ask(self, row: Matrix, seconds: float, seed: int) -> PeerAnswer:
        explainer = self._explainer
        y = 0 if self._study.wants_below else 1
        encoded = self._study.encode(row[None, :])[0]
        try:
            found = explainer.explain(
                encoded,
                y=y,
                norm=1,
                max_time=max(1, int(seconds)),
                num_workers=1,
                random_seed=seed,
                clean_up=False,
            )
            status = explainer.get_solving_status()
            if found is None:
                return PeerAnswer(np.empty((0, len(row))), status == "INFEASIBLE", note=status)
            bound = explainer.solver.BestObjectiveBound() / explainer._obj_scale
            answer = self._nudged(found.to_numpy(), encoded)
        finally:
            explainer.cleanup()
        decoded = self._study.decode(answer[None, :])
        return PeerAnswer(decoded, status == "OPTIMAL", bound, note=status)

    def _nudged(self, answer: Matrix, factual: Matrix) -> Matrix:
        """Its values lie one float32 beyond a threshold, on the right side in its reading."""
        return np.where(answer == factual, factual, answer.astype(np.float32).astype(np.float64))


def _is_binary(lever: StudyLever) -> bool:
    return lever.kind == "integer" and (lever.lower, lever.upper) == (0.0, 1.0)


def _mapper(study: StudySetup, rows: Matrix) -> Any:
    """The levers as OCEAN's features, in the order of the graph's columns."""
    features: dict[str, Any] = {}
    columns: list[tuple[str, str]] = []
    for j, lever in enumerate(study.levers):
        if lever.kind == "nominal":
            codes = tuple(f"c{k}" for k in range(lever.width))
            features[lever.name] = Feature(Feature.Type.ONE_HOT_ENCODED, codes=codes)
            columns += [(lever.name, code) for code in codes]
            continue
        columns.append((lever.name, ""))
        if lever.kind == "ordinal":
            levels = tuple(float(k) for k in range(len(lever.categories)))
            features[lever.name] = Feature(Feature.Type.DISCRETE, levels=levels, thresholds=[])
        elif _is_binary(lever):
            features[lever.name] = Feature(Feature.Type.BINARY)
        elif lever.resolution == "1" and np.all(rows[:, j] == np.rint(rows[:, j])):
            levels = tuple(np.unique(rows[:, j]).tolist())
            features[lever.name] = Feature(Feature.Type.DISCRETE, levels=levels, thresholds=[])
        else:
            low, high = float(rows[:, j].min()), float(rows[:, j].max())
            ends = (min(low, lever.lower) - 0.5, max(high, lever.upper) + 0.5)
            features[lever.name] = Feature(Feature.Type.CONTINUOUS, levels=ends)
    index = (
        pd.MultiIndex.from_tuples(columns)
        if any(code for _, code in columns)
        else pd.Index([name for name, _ in columns])
    )
    return Mapper(features, columns=index)


def _model(study: StudySetup) -> Any:
    if study.kind == "xgboost":
        import xgboost

        booster = xgboost.Booster(model_file=study.native)
        booster.feature_names = [
            f"{lever.name} c{k}" if lever.kind == "nominal" else lever.name
            for lever in study.levers
            for k in range(lever.width)
        ]
        return booster
    if study.kind == "forest":
        import joblib

        return joblib.load(Path(study.native))
    raise Unsupported(f"reads scikit-learn forests and XGBoost, not a {study.kind} model")


def _margin(study: StudySetup, ensemble: Any, scale: int) -> int:
    """By how much the wanted class must lead so that the threshold is met, scaled.

    A boosted model leads by its raw margin, a forest by the sum of its trees' shares.
    """
    if study.kind == "xgboost":
        lead = math.log(study.threshold / (1 - study.threshold))
    else:
        lead = len(ensemble.estimators_) * (2 * study.threshold - 1)
    return round((-lead if study.wants_below else lead) * scale)


def constraint_programming(study: StudySetup) -> Asker:
    return _Ocean(study)
