"""ifonly itself, asked as the service asks it: a problem in, a verified answer out.

The time counted is that of ``explain`` and of building the problem: search, proof, and the
verification by the deployed model. Compiled code is warm, as it is in the service.
"""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from bench.peers.contract import Asker, Matrix, PeerAnswer
from bench.study import StudySetup
from ifonly.explainers.answer import Answer, Infeasible, Recourse
from ifonly.explainers.deadline import Deadline
from ifonly.explainers.explain import explain
from ifonly.explainers.policy import Policy
from ifonly.explainers.problem import Problem
from ifonly.explainers.search.blackbox import Blackbox
from ifonly.explainers.search.engine import Engine, Meter, SearchOutcome
from ifonly.explainers.search.portfolio import Portfolio, engines_for
from ifonly.models.repository import DeployedModel, load_folder


def policy_of(study: StudySetup, model: DeployedModel) -> Policy:
    """The study's rules and costs in the words of a spec's ``[policy]``."""
    features: dict[str, dict[str, Any]] = {}
    for lever in study.levers:
        table: dict[str, Any] = {"scale": lever.scale}
        if lever.name in study.rules.immutable:
            table["actionable"] = False
        if lever.name in study.rules.directions:
            table["direction"] = study.rules.directions[lever.name]
        features[lever.name] = table
    table = {"features": features, "rules": list(study.rules.texts)}
    rows, _ = study.references()
    return Policy.read(table, model.spec.schema, model.spec.decision, reference=rows)


class _Timed:
    """An engine whose CPU time is counted apart from that of building and verifying."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.cpu = 0.0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def search(self, problem: Problem, meter: Meter, deadline: Deadline) -> SearchOutcome:
        began = time.process_time()
        try:
            return self._engine.search(problem, meter, deadline)
        finally:
            self.cpu += time.process_time() - began


class _Ours:
    cannot = ()

    def __init__(self, study: StudySetup, engine: Engine, model: DeployedModel) -> None:
        self._model = model
        self._policy = policy_of(study, model)
        self._engine = _Timed(engine)

    def ask(self, row: Matrix, seconds: float, seed: int) -> PeerAnswer:
        deadline = Deadline.after(seconds)
        before = self._engine.cpu
        problem = self._policy.problem(row, seed=seed)
        answer = explain(problem, self._model.predictor, engine=self._engine, deadline=deadline)
        return replace(_found(answer, problem), engine_cpu=self._engine.cpu - before)


def _found(answer: Answer, problem: Problem) -> PeerAnswer:
    rows = np.empty((0, len(problem.schema)))
    match answer:
        case Recourse():
            best = answer.counterfactuals[0]
            proven = best.gap == 0.0
            return PeerAnswer(
                np.array([best.row]),
                proven,
                best.lower_bound,
                answer.work.rows,
                note=answer.work.engine,
            )
        case Infeasible():
            return PeerAnswer(rows, True, None, answer.work.rows, note=answer.work.engine)
        case _:
            return PeerAnswer(rows, False, None, answer.work.rows, note=answer.status)


def portfolio(study: StudySetup) -> Asker:
    """The engines that the service makes for such a model."""
    model = load_folder(Path(study.folder))
    engines = engines_for(model.form, model.spec.schema)
    _warm(engines, study, model)
    return _Ours(study, engines, model)


def _warm(engines: Portfolio, study: StudySetup, model: DeployedModel) -> None:
    """As the service does when it loads a model; a training row that raises the alarm will do."""
    policy = policy_of(study, model)
    rows, _ = study.references()
    target = policy.problem(rows[0]).target
    alarms = rows[~target.met(model.predictor.score(rows))]
    if len(alarms):
        engines.warm(policy.problem(alarms[0]), model.predictor)


def blackbox(study: StudySetup) -> Asker:
    """As if the graph could not be read."""
    return _Ours(study, Blackbox(), load_folder(Path(study.folder)))
