"""KServe's protocol V1: an InferenceService has this service as its explainer.

What its clients ask becomes questions of the native API, each with its record. Errors are JSON
with the key that those clients read, ``error``, beside those of the native API.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from typing import Any

from fastapi import APIRouter, Response

from service.ask import answering
from service.ask.budget import Budget
from service.ask.confirm import Confirming
from service.ask.problems import RequestProblem, as_json
from service.doors.http.context import Recording, Shared
from service.doors.http.problems import headers_of
from service.doors.http.request_path import ApiRoute, Manner
from service.doors.http.routes import ModelName, Selected
from service.doors.http.written import JSON
from service.errors import Fault, InvalidRequest, RequestPart
from service.served.registry import ServedModel
from service.store.kinds import RecordKind
from service.wire import kserve as wire
from service.wire import requests, validation
from service.wire.replies import Audit

KEPT = ("Retry-After", "WWW-Authenticate", "Connection")
"""Headers of a refusal that their clients are given too."""
REFUSED: dict[int | str, dict[str, Any]] = {
    status: {"model": wire.KServeError}
    for status in (400, 401, 403, 404, 408, 413, 415, 422, 429, 500, 502, 503)
}


def in_their_words(
    problem: RequestProblem, path: str, error: Exception, audit: Audit | None
) -> Response:
    """As problem details, with the key that their clients read."""
    said = problem.said(path)
    if audit is not None:
        said["audit"] = audit.model_dump(mode="json")
    headers = {k: v for k, v in headers_of(problem, path, error).items() if k in KEPT}
    status = problem.kind.status
    return Response(as_json(said | {"error": said["detail"]}), status, headers, JSON)


class KServeRoute(ApiRoute):
    """A route that refuses in KServe's words."""

    manner = Manner(refuse=in_their_words)


class KServeQuestionRoute(ApiRoute):
    """The same of a route whose refusals are recorded."""

    manner = Manner(records_failures=True, refuse=in_their_words)


OF_EACH: dict[str, Any] = {"prefix": "/v1/models", "tags": ["kserve"], "responses": REFUSED}
router = APIRouter(route_class=KServeRoute, **OF_EACH)
asking = APIRouter(route_class=KServeQuestionRoute, **OF_EACH)


@router.get("", response_model=wire.KServeModels)
async def list_models(state: Shared) -> Response:
    """Names of the models that are served."""
    return _json({"models": list(state.registry.names())})


@router.get("/{model}", response_model=wire.KServeModel)
async def model_is_ready(model: ModelName, state: Shared) -> Response:
    """Whether a model can be asked."""
    return _json({"name": state.registry.get(model).name, "ready": True})


@asking.post("/{model}:predict", response_model=wire.KServePredicted)
async def predict(
    model: ModelName,
    selected: Selected,
    request: wire.KServePredictions,
    state: Shared,
    recording: Recording,
) -> Response:
    """What does the model say of these rows?"""
    served = state.registry.get(model, selected.version)
    # KServe's clients send lists as well as objects; the native API takes names only.
    rows = [_named(row, place, served) for place, row in enumerate(request.instances)]
    shared = request.model_dump(exclude_unset=True, exclude={"instances"})
    native = validation.read(requests.PredictionsRequest, shared | {"instances": rows})
    asked = partial(answering.predictions, served, native)
    reply = await recording.answer(RecordKind.PREDICTION, served, native, asked)
    found = reply.reply.predictions
    return _json({"predictions": [p.score if p.class_ is None else p.class_ for p in found]})


@asking.post("/{model}:explain", response_model=wire.KServeExplained)
async def explain(
    model: ModelName,
    selected: Selected,
    request: wire.KServeExplanations,
    state: Shared,
    recording: Recording,
) -> Response:
    """Which smallest allowed change would have put each prediction in the target?

    Where the service was told of a predictor (`--predictor_host`), that one has to confirm all that
    each answer claims: 502 if it says otherwise, 503 if it does not answer.
    """
    served = state.registry.get(model, selected.version)
    shared = request.model_dump(by_alias=True, exclude_unset=True, exclude={"instances"})
    # All rows are read before the first is answered: one that is wrong refuses all of them.
    asked = [
        validation.read(
            requests.ExplanationRequest, shared | {"instance": _named(row, place, served)}
        )
        for place, row in enumerate(request.instances)
    ]
    found = []
    for native, given in zip(asked, request.instances, strict=True):
        turn = state.turns.search(recording.principal.actor)
        budget = Budget.of(request.deadline_ms, state.settings, turn)
        # The client's form (objects or lists) is the one that its predictor reads.
        confirming = Confirming(as_lists=not isinstance(given, Mapping), must_answer=True)
        work = partial(answering.explanation, served, native, budget, state.watch, confirming)
        reply = await recording.answer(
            RecordKind.EXPLANATION, served, native, work, budget.patience
        )
        found.append(reply.written())
    # Joined, not written anew: each answer is byte for byte the one that was recorded.
    return Response(b'{"explanations":[%b]}' % b",".join(found), media_type=JSON)


def _named(row: Any, place: int, model: ServedModel) -> Any:
    """``row`` by feature name; what is neither is left to be refused."""
    names = model.schema.names
    if not isinstance(row, list):
        return row
    if len(row) != len(names):
        problem = f"instances[{place}] has {len(row)} values; {model.name} reads {len(names)}"
        fault = Fault(("instances", place), problem, len(row), limit=len(names))
        raise InvalidRequest(RequestPart.INSTANCE, [fault])
    return dict(zip(names, row, strict=True))


def _json(value: object) -> Response:
    return Response(json.dumps(value, ensure_ascii=False), media_type=JSON)
