"""KServe's protocol V1: an InferenceService has this service as its explainer.

What its clients ask becomes questions of the native API, each with its record. Errors are JSON
with the key that those clients read, ``error``, beside those of the native API.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request, Response

from ifonly.service.ask import answering
from ifonly.service.ask.budget import Budget
from ifonly.service.ask.confirm import Confirming
from ifonly.service.ask.problems import as_json
from ifonly.service.doors.client_rows import ClientQuestions, in_a_word
from ifonly.service.doors.http.context import Shared
from ifonly.service.doors.http.idempotency import PARAMETER
from ifonly.service.doors.http.request_path import ApiRoute, ClientRoute
from ifonly.service.doors.http.routes import ModelName, Selected
from ifonly.service.doors.http.written import JSON
from ifonly.service.wire import kserve as wire
from ifonly.service.wire import replies, requests

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

    Where the service was told of a predictor (`--predictor_host`), that one has to confirm all that
    each answer claims: 502 if it says otherwise, 503 if it does not answer.
    """
    served = state.registry.get(model, selected.version)
    asker = ClientQuestions.of(asked, served, "{model}:explain")
    key, rows = request.rows
    batch = await asker.read(rows, key)
    shared = request.model_dump(by_alias=True, exclude_unset=True, exclude=wire.ROWS)

    def explained(
        native: requests.ExplanationRequest, place: int, budget: Budget
    ) -> replies.ExplanationReply:
        # The client's form (objects or lists) is the one that its predictor reads.
        is_named = isinstance(rows[place], Mapping)
        confirming = Confirming(is_named=is_named, must_answer=True)
        return answering.explanation(served, native, budget, state.watch, confirming)

    found = await asker.explanations(batch, shared, explained)
    # Joined, not written anew: each answer is byte for byte the one that was recorded.
    content = b'{"explanations":[%b]}' % b",".join(found[place] for place in range(batch.size))
    return Response(content, headers=asker.headers, media_type=JSON)


def _json(value: object, headers: Mapping[str, str] | None = None) -> Response:
    return Response(as_json(value), headers=headers, media_type=JSON)
