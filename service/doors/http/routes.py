"""Routes of the native API, ``/api/v1``."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Annotated, Any, Literal, TypeVar

from fastapi import APIRouter, Header, Path, Query, Response

from ifonly.explainers.watch import Watch
from ifonly.service.ask import answering, catalogue
from ifonly.service.ask.budget import Budget
from ifonly.service.ask.common import common_remedies
from ifonly.service.ask.reasons import reasons
from ifonly.service.audit import alarm_rows, reason_rows
from ifonly.service.audit.drafts import asked_by
from ifonly.service.audit.experiments.assigning import assigned_in
from ifonly.service.audit.recorder import Recorder
from ifonly.service.doors.http.arguments import (
    LONGEST_NAME,
    ExplanationSelection,
    QuestionSelection,
    Selection,
    checked_webhook,
)
from ifonly.service.doors.http.context import Recording, Shared
from ifonly.service.doors.http.idempotency import PARAMETER
from ifonly.service.doors.http.openapi import guarded
from ifonly.service.doors.http.request_path import ApiRoute, PlainQuestionRoute
from ifonly.service.doors.http.written import accepted, prefers_async, recorded, written
from ifonly.service.errors import Fault, InvalidRequest, RequestPart
from ifonly.service.jobs.reading import JobQuestions
from ifonly.service.jobs.submission import submit
from ifonly.service.served.registry import ServedModel
from ifonly.service.store.kinds import RecordKind
from ifonly.service.wire import (
    common,
    common_replies,
    examples,
    jobs,
    models,
    reasons_replies,
    replies,
    requests,
)
from ifonly.service.wire import reasons as reason_wire
from ifonly.service.wire.base import Wire

router = APIRouter(prefix="/api/v1", route_class=ApiRoute)
# A route class of its own: questions have idempotency keys, which reading has not.
asking = APIRouter(prefix="/api/v1", route_class=PlainQuestionRoute)

ModelName = Annotated[
    str, Path(max_length=LONGEST_NAME, description="Name of a model.", examples=[examples.MODEL])
]


class SpecSelection(Selection):
    """Which version, and how it is written."""

    format: Literal["json", "toml"] = "json"


Selected = Annotated[Selection, Query()]
Asked = Annotated[QuestionSelection, Query()]
Preferences = Annotated[
    str | None,
    Header(description="`respond-async`: answer in a job (RFC 7240).", max_length=256),
]

Q = TypeVar("Q", common.CommonRequest, reason_wire.ReasonsRequest)

EXPERIMENT = "Ifonly-Experiment"
"""Header of a reply that was given in an experiment."""

_NO_JOB = Fault(
    ("webhook",),
    "a webhook is told of a job's end, and this is none without `Prefer: respond-async`",
    parameter="webhook",
)

QUESTION = guarded(400, 404, 410, 413, 415, 422, 503)


@router.get("/models", tags=["models"], response_model=models.ModelsReply, responses=guarded(422))
async def list_models(state: Shared) -> Response:
    """Every model that is served, and every folder that is not, with the reason."""
    return written(catalogue.listing(state.registry))


@router.get(
    "/models/{model}",
    tags=["models"],
    response_model=models.ModelReply,
    responses=guarded(404, 422),
)
async def describe_model(model: ModelName, selected: Selected, state: Shared) -> Response:
    """What a client needs to ask about a model: features, classes, policy, examples."""
    served = state.registry.get(model, selected.version)
    return written(catalogue.description(served, state.registry))


@router.get(
    "/models/{model}/spec",
    tags=["models"],
    response_model=dict[str, Any],
    responses={
        200: {"content": {"application/toml": {"schema": {"type": "string"}}}},
        **guarded(404, 422),
    },
)
async def read_spec(
    model: ModelName, selected: Annotated[SpecSelection, Query()], state: Shared
) -> Response:
    """The model's `spec.toml`: as it is (`format=toml`), or the same as JSON."""
    served = state.registry.get(model, selected.version)
    # The bytes that were loaded: a digest of them is in every reply.
    if selected.format == "toml":
        return Response(served.spec_text, media_type="application/toml")
    return Response(catalogue.spec_as_json(served), media_type="application/json")


@asking.post(
    "/models/{model}/predictions",
    tags=["questions"],
    response_model=replies.PredictionsReply,
    responses=QUESTION,
    openapi_extra=PARAMETER,
)
async def predict(
    model: ModelName,
    selected: Asked,
    request: requests.PredictionsRequest,
    recording: Recording,
) -> Response:
    """What does the model say of these rows?"""
    served = recording.runtime.registry.get(model, selected.version)
    asked = partial(answering.predictions, served, request)
    return recorded(
        await recording.answer(RecordKind.PREDICTION, served, request, asked, proof=selected.proof)
    )


@asking.post(
    "/models/{model}/what-if",
    tags=["questions"],
    response_model=replies.WhatIfReply,
    responses=QUESTION,
    openapi_extra=PARAMETER,
)
async def what_if(
    model: ModelName,
    selected: Asked,
    request: requests.WhatIfRequest,
    recording: Recording,
) -> Response:
    """Set these on this instance: what would the model say, and which rules would break?"""
    served = recording.runtime.registry.get(model, selected.version)
    asked = partial(answering.what_if_reply, served, request)
    return recorded(
        await recording.answer(RecordKind.WHAT_IF, served, request, asked, proof=selected.proof)
    )


@asking.post(
    "/models/{model}/explanations",
    tags=["questions"],
    response_model=replies.ExplanationReply,
    responses={
        202: {"model": jobs.Job, "description": "With `respond-async`: the job."},
        **QUESTION,
        **guarded(502),  # the predictor denies it, or cannot be understood
    },
    openapi_extra=PARAMETER,
)
async def explain(
    model: ModelName,
    selected: Annotated[ExplanationSelection, Query()],
    request: requests.ExplanationRequest,
    recording: Recording,
    prefer: Preferences = None,
) -> Response:
    """Which smallest allowed change would have put the prediction in the target?"""
    served = recording.runtime.registry.get(model, selected.version)
    if prefers_async(prefer):
        webhook = checked_webhook(selected.webhook, recording.runtime.settings)
        alone = JobQuestions([asked_by(request)], [0])
        return accepted(await submit(alone, served, recording, webhook))
    if selected.webhook is not None:
        raise InvalidRequest(RequestPart.REQUEST, [_NO_JOB])
    recording, request, arm = await assigned_in(recording, served, request)
    # By actor: who asks much waits for their own searches, not others for them (decision 0084).
    turn = recording.runtime.turns.search(recording.principal.actor)
    budget = Budget.of(request.deadline_ms, recording.runtime.settings, turn)
    asked = partial(answering.explanation, served, request, budget, recording.runtime.watch)
    # The deadline counts search alone, so waiting for a thread is bounded by itself (0077).
    answer = await recording.answer(
        RecordKind.EXPLANATION, served, request, asked, budget.patience, proof=selected.proof
    )
    reply = recorded(answer)
    if arm is not None:
        reply.headers[EXPERIMENT] = arm.header
    return reply


@asking.post(
    "/models/{model}/common-remedies",
    tags=["questions"],
    response_model=common_replies.CommonReply,
    responses=QUESTION,
    openapi_extra=PARAMETER,
)
async def find_common_remedies(
    model: ModelName,
    selected: Asked,
    request: common.CommonRequest,
    recording: Recording,
) -> Response:
    """Which one change of a few levers would have cleared the most of these alarms?"""
    served = recording.runtime.registry.get(model, selected.version)
    look_up = partial(alarm_rows.with_rows, recording.runtime.store.database, served, request)
    search = partial(common_remedies, served)
    return await _searched(recording, RecordKind.COMMON, served, look_up, search, selected)


@asking.post(
    "/models/{model}/reasons",
    tags=["questions"],
    response_model=reasons_replies.ReasonsReply,
    responses=QUESTION,
    openapi_extra=PARAMETER,
)
async def find_reasons(
    model: ModelName,
    selected: Asked,
    request: reason_wire.ReasonsRequest,
    recording: Recording,
) -> Response:
    """Which readings alone force the decision of this instance, and which count most?"""
    served = recording.runtime.registry.get(model, selected.version)
    look_up = partial(reason_rows.with_row, recording.runtime.store.database, served, request)
    search = partial(reasons, served)
    return await _searched(recording, RecordKind.REASONS, served, look_up, search, selected)


async def _searched(
    recording: Recorder,
    kind: RecordKind,
    model: ServedModel,
    look_up: Callable[[], Q],
    search: Callable[[Q, Budget, Watch], Wire],
    selected: QuestionSelection,
) -> Response:
    """The answer to a question about what was recorded."""
    runtime = recording.runtime
    # Read before the search, in a thread that reads the store: its time is no part of it.
    whole = await runtime.readers.run(look_up)
    turn = runtime.turns.search(recording.principal.actor)
    budget = Budget.of(whole.deadline_ms, runtime.settings, turn)
    asked = partial(search, whole, budget, runtime.watch)
    answer = await recording.answer(
        kind, model, whole, asked, budget.patience, proof=selected.proof
    )
    return recorded(answer)
