"""treecf: trees read from the training library, searched in Rust.

It is told our cost (``normalizers``, ``weights``), the grid (``value_policy``), the bounds and
every rule that it knows: frozen features, directions, linear rules, implications between binary
features. Its exact search takes no linear rule but ``a <= b``: such a rule is left out there, and
said so. Exact search: no limit on nodes, warm start as it recommends.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import treecf

from bench.peers.contract import Asker, Matrix, PeerAnswer, Unsupported
from bench.study import StudyLever, StudyLinear, StudySetup


class _Treecf:
    def __init__(self, study: StudySetup, backend: str) -> None:
        self._study = study
        self._backend = backend
        self.names = [n for lever in study.levers for n in _columns(lever)]
        rules, cannot = _rules(study, exact=backend == "exact")
        self.cannot = tuple(cannot)
        rows, _ = study.references()
        model = _model(study, self.names)
        names = tuple(model.feature_names)
        renamed = dict(zip(self.names, names, strict=True))
        self._explainer = treecf.Explainer(
            model,
            background=study.encode(rows),
            constraints=[*_domains(study, renamed), *(rule(renamed) for rule in rules)],
            normalizers={renamed[n]: s for lever in study.levers for n, s in _scales(lever)},
            value_policy={
                renamed[lever.name]: treecf.Grid(step=float(lever.resolution))
                for lever in study.levers
                if lever.width == 1
            },
        )
        # Strictly below; at or above as it is. Random forests give their share as the raw output.
        space = treecf.Target.probability if _has_link(study) else treecf.Target.raw
        limit = np.nextafter(study.threshold, -math.inf) if study.wants_below else study.threshold
        self._target = space(op="<=" if study.wants_below else ">=", value=float(limit))

    def ask(self, row: Matrix, seconds: float, seed: int) -> PeerAnswer:
        options: dict[str, Any] = {"backend": self._backend, "time_budget_s": seconds}
        if self._backend == "exact":
            options["node_budget"] = 10**9
        encoded = self._study.encode(row[None, :])[0]
        found = self._explainer.explain(encoded, target=self._target, seed=seed, **options)
        if isinstance(found, treecf.Infeasible):
            none = np.empty((0, len(row)))
            return PeerAnswer(none, found.proof == "certified", note=found.reason[:100])
        bound = found.solver_stats.get("lower_bound")
        return PeerAnswer(
            self._study.decode(np.asarray(found.x_cf)[None, :]),
            found.proof == "optimal",
            float(bound) if isinstance(bound, int | float) else None,
        )


def _has_link(study: StudySetup) -> bool:
    return study.task == "binary" and study.kind in ("xgboost", "lightgbm")


def _columns(lever: StudyLever) -> list[str]:
    if lever.kind == "nominal":
        return [f"{lever.name}_{k}" for k in range(lever.width)]
    return [lever.name]


def _scales(lever: StudyLever) -> list[tuple[str, float]]:
    # Changing a category moves two one-hot columns by 1: half of the cost each.
    scale = 2.0 if lever.kind == "nominal" else lever.scale
    return [(name, scale) for name in _columns(lever)]


def _model(study: StudySetup, names: list[str]) -> Any:
    """The model as treecf parses it."""
    from treecf.ir.parsers import parse_model

    if study.kind == "xgboost":
        import xgboost

        booster = xgboost.Booster(model_file=study.native)
        return parse_model(booster)
    if study.kind == "lightgbm":
        import lightgbm

        return parse_model(lightgbm.Booster(model_file=study.native))
    if study.kind == "forest":
        import joblib

        return parse_model(joblib.load(Path(study.native)))
    raise Unsupported(f"takes tree ensembles only, not a {study.kind} model")


def _domains(study: StudySetup, renamed: dict[str, str]) -> list[Any]:
    """Bounds, and one of the one-hot columns."""
    domains: list[Any] = []
    for lever in study.levers:
        if lever.kind == "nominal":
            columns = tuple(renamed[n] for n in _columns(lever))
            domains.append(treecf.OneHot(columns))
        else:
            domains.append(treecf.Range(renamed[lever.name], lever.lower, lever.upper))
    return domains


def _rules(study: StudySetup, exact: bool) -> tuple[list[Any], list[str]]:
    """The rules it can keep, each made once names are known; and the kinds it cannot."""
    made: list[Any] = []
    cannot: list[str] = []
    levers = {lever.name: lever for lever in study.levers}
    for name in study.rules.immutable:
        for column in _columns(levers[name]):
            made.append(lambda names, c=column: treecf.Freeze(names[c]))
    for name, sense in study.rules.directions.items():
        way = "increase" if sense == "up" else "decrease"
        made.append(lambda names, n=name, w=way: treecf.Monotone(names[n], w))
    for linear in study.rules.linear:
        if exact and not _is_order(linear):
            cannot.append("linear")
            continue
        made.append(lambda names, r=linear: _linear(r, names))
    for rule in study.rules.implications:
        if rule.binary is None:
            cannot.append("if-then")
            continue
        made.append(lambda names, pair=rule.binary: _implies(pair, names))
    return made, cannot


def _is_order(rule: StudyLinear) -> bool:
    return sorted(rule.weights.values()) == [-1.0, 1.0] and rule.limit == 0.0


def _linear(rule: StudyLinear, names: dict[str, str]) -> Any:
    # As "<=", the shape that its exact search knows.
    coefficients = {names[n]: -w for n, w in rule.weights.items()}
    return treecf.Linear(coefficients, "<=", -rule.limit + 0.0)


def _implies(pair: tuple[tuple[str, float], tuple[str, float]], names: dict[str, str]) -> Any:
    (when, is_), (then, must_be) = pair
    return treecf.Implies(treecf.Equals(names[when], is_), treecf.Equals(names[then], must_be))


def heuristic(study: StudySetup) -> Asker:
    return _Treecf(study, "genetic")


def exact(study: StudySetup) -> Asker:
    return _Treecf(study, "exact")
