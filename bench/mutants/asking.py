"""A question asked as the service asks it, and its reply as plain data."""

from __future__ import annotations

import dataclasses
import gc
from typing import Any

from bench.mutants.questions import Case
from ifonly.explainers.answer import (
    Abstained,
    AlreadyTarget,
    Answer,
    Counterfactual,
    Infeasible,
    Recourse,
    Unknown,
)
from ifonly.explainers.deadline import Deadline
from ifonly.explainers.errors import DocumentsDiffer
from ifonly.explainers.search.blackbox import Blackbox
from ifonly.explainers.search.portfolio import Portfolio
from ifonly.explainers.search.trees.engine import Trees
from ifonly.models.repository import DeployedModel
from ifonly.service.ask import read_request
from ifonly.service.ask.explain import explain
from ifonly.service.errors import ContradictoryConstraints, TargetAlreadyMet
from ifonly.service.served.registry import ServedModel, prepare
from ifonly.service.wire.requests import ExplanationRequest

Reply = dict[str, Any]
_served: dict[tuple[int, str], ServedModel] = {}


def ask(case: Case, deployed: DeployedModel) -> Reply:
    """The reply; where one is refused because the two readings of the documents differ, that."""
    try:
        model = _prepared(case, deployed)
        request = ExplanationRequest.model_validate(dict(case.request))
        question = read_request.question(request, model)
        answer = explain(model, question, Deadline.never()).answer
    except DocumentsDiffer as refusal:
        return {**_nothing("unknown"), "rejected": [f"the documents differ: {refusal}"]}
    except TargetAlreadyMet as refusal:
        return {**_nothing("already_target"), "rejected": list(refusal.rejected)}
    except ContradictoryConstraints as refusal:
        keys = [c.origin.key for c in refusal.constraints]
        told = {"is_contradiction": True, "blocked_by": keys, "rejected": list(refusal.rejected)}
        return {**_nothing("infeasible"), **told}
    return _told(answer)


def _prepared(case: Case, deployed: DeployedModel) -> ServedModel:
    key = id(deployed), case.engine
    if key not in _served:
        model = prepare(deployed)
        if case.engine == "blackbox":
            model = dataclasses.replace(model, own_engine=Portfolio((Blackbox(),)))
        if case.engine == "merging" and deployed.form is not None:
            trees = Trees(deployed.form, deployed.spec.schema, patience=0)
            own = Portfolio((trees, *model.engine.engines[1:]))
            model = dataclasses.replace(model, own_engine=own)
        _served[key] = model
    return _served[key]


def forget() -> None:
    """Everything that was prepared or remembered in this process."""
    _served.clear()
    for found in gc.get_objects():
        if type(found).__name__ == "_lru_cache_wrapper" and str(
            getattr(found, "__module__", "")
        ).startswith("ifonly.explainers."):
            found.cache_clear()


def _nothing(status: str) -> Reply:
    return {
        "status": status, "found": [], "blocked_by": [], "relaxation": None, "best": None,
        "is_contradiction": False, "rejected": [],
    }  # fmt: skip


def _told(answer: Answer) -> Reply:
    reply = {**_nothing(answer.status.value), "rejected": list(answer.work.rejected)}
    match answer:
        case Recourse():
            reply["found"] = [_counterfactual(one) for one in answer.counterfactuals]
        case Infeasible():
            reply |= _blocked(answer)
        case Unknown() if answer.best is not None:
            reply["best"] = list(answer.best.scores)
        case Abstained():
            reply["chance"] = answer.chance
        case AlreadyTarget():
            pass
    return reply


def _blocked(answer: Infeasible) -> Reply:
    relaxed = answer.relaxation
    told = None
    if relaxed is not None:
        told = {
            "lifted": _key(relaxed.lifted),
            "found": _counterfactual(relaxed.counterfactual),
            "target": [relaxed.target.lower, relaxed.target.upper],
        }
    return {
        "blocked_by": [_key(b) for b in answer.blocked_by],
        "relaxation": told,
        "best": None if answer.best is None else list(answer.best.scores),
    }


def _key(blocker: Any) -> str:
    return str(blocker.origin.key)


def _counterfactual(one: Counterfactual) -> Reply:
    sure = one.assurance
    return {
        "action": {a.column: a.counterfactual for a in one.actions},
        "row": list(one.row),
        "cost": one.cost,
        "lower_bound": one.lower_bound,
        "enumerated": one.enumerated,
        "ranges": {a.column: a.sufficient_range for a in one.actions},
        "effects": [(e.column, e.counterfactual, list(e.via)) for e in one.effects],
        "scores": list(one.prediction.scores),
        "chance": None if sure is None else one.chance,
        "survival": None if sure is None else sure.survival,
        "outside": [] if sure is None else list(sure.extrapolates),
    }
