"""Routes for whoever answers for a model: how good it is, how often it alarms, what a version
changes."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Query, Response

from ifonly.service.ask import quality as measuring
from ifonly.service.audit import alarm_shares, version_pairs
from ifonly.service.doors.http.context import Recording, Shared
from ifonly.service.doors.http.openapi import guarded
from ifonly.service.doors.http.request_path import ApiRoute
from ifonly.service.doors.http.routes import ModelName, Selected
from ifonly.service.doors.http.written import written
from ifonly.service.wire import alarm_rate, differences, quality

router = APIRouter(prefix="/api/v1", route_class=ApiRoute, tags=["models"])


@router.get(
    "/models/{model}/quality", response_model=quality.QualityReply, responses=guarded(404, 422, 503)
)
async def read_quality(model: ModelName, selected: Selected, state: Shared) -> Response:
    """Precision, recall and calibration on the labelled rows beside the model."""
    served = state.registry.get(model, selected.version)
    # The first time, thousands of rows are scored.
    return written(await state.auditors.run(partial(measuring.told, served)))


@router.get(
    "/models/{model}/alarm-rate",
    response_model=alarm_rate.RatesReply,
    responses=guarded(403, 404, 422),
)
async def read_alarm_rate(
    model: ModelName, query: Annotated[alarm_rate.RateQuery, Query()], state: Shared
) -> Response:
    """The share of alarms by the hour or day, of each version, and when another was asked."""
    look = partial(alarm_shares.told, state.store.database, state.registry, model, query)
    return written(await state.auditors.run(look))


@router.get(
    "/models/{model}/differences",
    response_model=differences.DifferencesReply,
    responses=guarded(404, 422),
)
async def read_differences(
    model: ModelName,
    query: Annotated[differences.DifferencesQuery, Query()],
    state: Shared,
    recording: Recording,
) -> Response:
    """What a version says otherwise than another: keys, rules in words, lines side by side."""
    look = partial(version_pairs.differences, state.registry, model, query, recording.principal)
    return written(await state.auditors.run(look))
