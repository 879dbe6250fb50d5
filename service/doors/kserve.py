"""KServe's protocol V1: an InferenceService has this service as its explainer.

What its clients ask becomes questions of the native API, each with its record. Errors are JSON
with the key that those clients read, ``error``, beside those of the native API.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from fastapi import APIRouter, Request, Response

from service.ask import answering
from service.ask.budget import Budget
from service.ask.problem_types import PREDICTOR_DISAGREES
from service.ask.problems import Refusal
from service.doors.client_rows import ClientQuestions, in_a_word
from service.doors.http.context import AppState, Shared
from service.doors.http.idempotency import PARAMETER
from service.doors.http.request_path import ApiRoute, ClientRoute
from service.doors.http.routes import ModelName, Selected
from service.doors.http.written import JSON
from service.errors import in_doubt
from service.served.predictor_host import PredictorHost, agrees
from service.served.registry import ServedModel
from service.wire import kserve as wire
from service.wire import replies, requests

REFUSED: dict[int | str, dict[str, Any]] = {
    status: {"model": wire.KServeError}
    for status in (400, 401, 403, 404, 408, 409, 410, 413, 415, 422, 429, 500, 502, 503)
}
OF_EACH: dict[str, Any] = {
    "prefix": "/v1/models",
    "tags": ["kserve"],
    "responses": REFUSED,
    "generate_unique_id_function": lambda route: f"v1_{route.name}",
}
router = APIRouter(route_class=ApiRoute, **OF_EACH)
asking = APIRouter(route_class=ClientRoute, **OF_EACH)


@router.get("", response_model=wire.KServeModels)
async def list_models(state: Shared) -> Response:
    """Names of the models that are served."""
    return _json({"models": list(state.registry.names())})


@router.get("/{model}", response_model=wire.KServeModel)
async def model_is_ready(model: ModelName, state: Shared) -> Response:
    """Whether a model can be asked."""
    return _json({"name": state.registry.get(model).name, "ready": True})


@asking.post("/{model}:predict", response_model=wire.KServePredicted, openapi_extra=PARAMETER)
async def predict(
    model: ModelName,
    selected: Selected,
    request: wire.KServePredictions,
    state: Shared,
    asked: Request,
) -> Response:
    """What does the model say of these rows?"""
    served = state.registry.get(model, selected.version)
    asker = ClientQuestions.of(asked, served, "{model}:predict")
    key, rows = request.rows
    batch = await asker.read(rows, key)
    told = await asker.predictions(batch, request.attributes)
    refused = await asker.refused(batch, told.failed)
    said = {place: in_a_word(prediction) for place, prediction in told.found.items()} | refused
    return _json({"predictions": [said[place] for place in range(batch.size)]}, asker.headers)


@asking.post("/{model}:explain", response_model=wire.KServeExplained, openapi_extra=PARAMETER)
async def explain(
    model: ModelName,
    selected: Selected,
    request: wire.KServeExplanations,
    state: Shared,
    asked: Request,
) -> Response:
    """Which smallest allowed change would have put each prediction in the target?

    Where the service was told of a predictor (`--predictor_host`), each answer is asked of that
    one too before it is given: 502 if it says otherwise.
    """
    served = state.registry.get(model, selected.version)
    asker = ClientQuestions.of(asked, served, "{model}:explain")
    key, rows = request.rows
    batch = await asker.read(rows, key)
    shared = request.model_dump(by_alias=True, exclude_unset=True, exclude=wire.ROWS)

    def explained(
        native: requests.ExplanationRequest, place: int, budget: Budget
    ) -> replies.ExplanationReply:
        return _explained(served, native, rows[place], budget, state)

    found = await asker.explanations(batch, shared, explained)
    # Joined, not written anew: each answer is byte for byte the one that was recorded.
    content = b'{"explanations":[%b]}' % b",".join(found[place] for place in range(batch.size))
    return Response(content, headers=asker.headers, media_type=JSON)


def _explained(
    model: ServedModel,
    request: requests.ExplanationRequest,
    given: Any,
    budget: Budget,
    state: AppState,
) -> replies.ExplanationReply:
    reply = answering.explanation(model, request, budget, state.watch)
    if state.predictor is not None:
        # Asked before the record is made: an answer that
        # the predictor denies is recorded as refused.
        with state.watch("predictor"), in_doubt(reply.work.rejected):
            _confirm(model, given, reply, state.predictor)
    return reply


def _confirm(
    model: ServedModel, given: Any, reply: replies.ExplanationReply, predictor: PredictorHost
) -> None:
    """Raises
    ------
    Refusal
        If the predictor says something else of the factual or of an answer.
    PredictorUnavailable
        If it does not answer.
    """
    rows = [_in_order(model, row) for row in (given, *(c.instance for c in reply.counterfactuals))]
    # Compared with our own score: what differs is the model, not the rounding of a reply.
    ours = model.deployed.predictor.score(np.array([model.schema.read(row) for row in rows]))
    # The client's form (objects or lists) is the one that its predictor reads.
    in_their_form = rows if isinstance(given, Mapping) else [[*row.values()] for row in rows]
    theirs = predictor.predict(model.name, in_their_form)
    for place, (said, scores) in enumerate(zip(theirs, ours, strict=True)):
        if not agrees(said, scores.tolist(), model.decision):
            what = "the instance" if place == 0 else f"the answer of rank {place}"
            raise Refusal(
                PREDICTOR_DISAGREES,
                f"the predictor does not say of {what} what {model.name} "
                f"{model.version} of this service says: they are not the same model",
            )


def _in_order(model: ServedModel, row: Any) -> dict[str, Any]:
    """By feature name, in the model's order."""
    named = row if isinstance(row, Mapping) else dict(zip(model.schema.names, row, strict=True))
    return {name: named[name] for name in model.schema.names}


def _json(value: object, headers: Mapping[str, str] | None = None) -> Response:
    return Response(json.dumps(value, ensure_ascii=False), headers=headers, media_type=JSON)
