"""One request, whole: translated, answered, worded, written. Runs in a worker thread."""

from __future__ import annotations

from contextlib import nullcontext

from ifonly.explainers.causal.errors import CausalError, NoTime
from ifonly.explainers.constraints import Source
from ifonly.explainers.watch import Watch, unwatched
from ifonly.service.ask import read_request
from ifonly.service.ask.budget import Budget, Stopwatch
from ifonly.service.ask.confirm import (
    AS_SET,
    Confirming,
    confirm_instance,
    confirmed,
    refuse_another_model,
)
from ifonly.service.ask.explain import explain
from ifonly.service.ask.predict import predict
from ifonly.service.ask.problem_types import CONTRADICTORY_CONSTRAINTS, TARGET_ALREADY_MET
from ifonly.service.ask.problems import Refusal, rejections
from ifonly.service.ask.what_if import what_if
from ifonly.service.ask.write_parts import PartWriter
from ifonly.service.ask.write_reply import ReplyWriter
from ifonly.service.errors import (
    ContradictoryConstraints,
    Fault,
    InvalidRequest,
    RequestPart,
    TargetAlreadyMet,
    in_doubt,
)
from ifonly.service.served.registry import ServedModel
from ifonly.service.wire import replies, requests


def predictions(
    model: ServedModel, request: requests.PredictionsRequest
) -> replies.PredictionsReply:
    read_request.check_attributes(request.attributes, model)
    rows = read_request.rows(request, model)
    return ReplyWriter(model).predictions(predict(model, rows))


def what_if_reply(model: ServedModel, request: requests.WhatIfRequest) -> replies.WhatIfReply:
    read_request.check_attributes(request.attributes, model)
    factual = read_request.instance(request.instance, model)
    settings = read_request.settings(request.set_, model)
    rung = read_request.rung(request.rung, model)
    try:
        asked = what_if(model, factual, settings, rung, read_request.over(request.over))
    except NoTime as error:
        fault = Fault(("over",), f"over cannot be answered: {error}")
        raise InvalidRequest(RequestPart.REQUEST, [fault]) from None
    except CausalError as error:
        fault = Fault(("set",), f"what follows cannot be told: {error}")
        raise InvalidRequest(RequestPart.REQUEST, [fault]) from None
    return ReplyWriter(model, request.languages).what_if(asked)


def explanation(
    model: ServedModel,
    request: requests.ExplanationRequest,
    budget: Budget,
    watch: Watch = unwatched,
    confirming: Confirming = AS_SET,
) -> replies.ExplanationReply:
    """Its time begins now. Stages besides those of the search: ``words``; ``predictor``, where
    that is another process (``confirming``: how it is asked), which takes time of its own.

    Raises
    ------
    Refusal
        If the target is met already, the constraints contradict each other, or the predictor
        denies the answer.
    PredictorUnavailable, PredictorUnclear
        If it does not say what is needed, and the policy or ``confirming`` demands it.
    """
    refuse_another_model(model, confirming)
    read_request.check_attributes(request.attributes, model)
    with budget.begun():
        reply = _explained(model, request, budget, watch, confirming)
    # Before the record is made: an answer that the predictor denies is recorded as refused.
    asking = nullcontext() if model.predictor is None else watch("predictor")
    with asking, in_doubt(reply.work.rejected):
        return confirmed(model, request, reply, confirming)


def _explained(
    model: ServedModel,
    request: requests.ExplanationRequest,
    budget: Budget,
    watch: Watch,
    confirming: Confirming,
) -> replies.ExplanationReply:
    spent = Stopwatch(budget.asked, watch, budget.waited)
    parts = PartWriter(model, request.languages)
    try:
        question = read_request.question(request, model)
        explanation = explain(model, question, budget.deadline(), spent, budget.away)
    except TargetAlreadyMet as error:
        with in_doubt(error.rejected):
            confirm_instance(model, question.factual, confirming)
        prediction = parts.prediction(error.prediction)
        raise Refusal(
            TARGET_ALREADY_MET,
            f"{error}: there is nothing to change",
            faults=[Fault(("target",), "the target is met already")],
            prediction=prediction.model_dump(mode="json", by_alias=True),
            **rejections(error.rejected),
        ) from None
    except ContradictoryConstraints as error:
        raise _contradiction(error, request, parts) from None
    # A failure in wording still reports what the checker rejected.
    with watch("words"), in_doubt(explanation.answer.work.rejected):
        writer = ReplyWriter(model, request.languages)
        return writer.explanation(explanation, budget.ms, spent.times())


def _contradiction(
    error: ContradictoryConstraints, request: requests.ExplanationRequest, parts: PartWriter
) -> Refusal:
    """All the constraints in words; a pointer and the value for those that the request brought."""
    conflict = [parts.constraint(c) for c in error.constraints]
    # Problem details are in English where the request asked for it, else in its first language.
    in_words = [c.text.get("en") or next(iter(c.text.values())) for c in conflict]
    named = " and ".join(f"{c.key} ({t})" for c, t in zip(conflict, in_words, strict=True))
    faults = []
    for constraint, words in zip(error.constraints, in_words, strict=True):
        if constraint.origin.source is Source.REQUEST:
            path = parts.path(constraint)
            faults.append(Fault(path, words, read_request.value_at(path, request)))
    return Refusal(
        CONTRADICTORY_CONSTRAINTS,
        f"nothing can keep {named}{' together' if len(conflict) > 1 else ''}",
        faults=faults,
        conflict=[c.model_dump(mode="json", by_alias=True) for c in conflict],
        **rejections(error.rejected),
    )
