"""Routes of the models' pages."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

import anyio.to_thread
from fastapi import APIRouter, Path, Query, Request, Response

from ifonly.explainers.wording import Language
from ifonly.service.access import Role
from ifonly.service.ask import catalogue, quality
from ifonly.service.audit import alarm_shares, staging
from ifonly.service.doors.http import permissions
from ifonly.service.doors.http.context import AppState, Recording, Shared
from ifonly.service.doors.http.staging import take_form
from ifonly.service.doors.pages.rendering import is_part, page
from ifonly.service.doors.pages.request_path import PageRoute
from ifonly.service.doors.pages.steward import alarm_rate
from ifonly.service.doors.pages.steward.alarm_rate import PERIODS, RateDrawing, query_of
from ifonly.service.doors.pages.steward.description import cards, shown
from ifonly.service.doors.pages.steward.quality import drawn
from ifonly.service.doors.pages.steward.staged import gone_to
from ifonly.service.doors.pages.visit import Visit, visit_of
from ifonly.service.errors import CannotUpload, Forbidden, InvalidRequest
from ifonly.service.served.activation import served_now
from ifonly.service.store.chain import now_us
from ifonly.service.words.reasons import told

router = APIRouter(route_class=PageRoute, include_in_schema=False)

Name = Annotated[str, Path(max_length=128)]
Version = Annotated[str | None, Query(max_length=128)]
NOTHING_SENT: dict[str, Any] = {"faults": (), "problem": "", "reason": told}
"""What templates read of an upload, where none was tried."""


@router.get("/models")
async def list_models(request: Request, state: Shared) -> Response:
    """What is served, what is refused and why, and where another one is sent."""
    return await _listed(request, state)


async def _listed(request: Request, state: AppState, status: int = 200, **outcome: Any) -> Response:
    visit = visit_of(request)
    may_send = Role.ADMIN in visit.roles
    return page(
        request,
        "steward/models.html",
        status,
        models=list(cards(state.registry, visit.language)),
        refused=catalogue.listing(state.registry).refused,
        # Only hides the form: the table of permissions refuses.
        may_send=may_send,
        staged=await anyio.to_thread.run_sync(staging.summaries, state.registry)
        if may_send
        else [],
        limit=state.settings.max_upload_bytes,
        **(NOTHING_SENT | outcome),
    )


@router.get("/models/{model}")
async def read_model(
    model: Name,
    request: Request,
    state: Shared,
    version: Version = None,
    rate: Annotated[str, Query(max_length=32)] = "",
) -> Response:
    """One version of a model; ``rate``: over which period the share of alarms is drawn."""
    visit = visit_of(request)
    served = state.registry.get(model, version or None)
    measured = await state.auditors.run(partial(quality.told, served))
    links = _links(visit)
    return page(
        request,
        "steward/model.html",
        rate=await _rated(state, model, rate, links, visit.language),
        rate_periods=tuple(PERIODS),
        rate_links=links,
        quality=drawn(measured, served, visit.language),
        not_measured=measured.not_measured,
        shown=shown(served, state.registry, visit.language),
        active=served_now(state.registry, model),
        may_decide=Role.ADMIN in visit.roles,
    )


def _links(visit: Visit) -> str:
    """Where whoever looks finds alarms of a time."""
    for name in ("records", "alarms"):
        if visit.roles & permissions.PAGES["GET", f"/{name}"]:
            return name
    return ""


async def _rated(
    state: AppState, model: str, period: str, links: str, tag: Language
) -> RateDrawing | None:
    """None: it is not for who may see some machines only."""
    named, query = query_of(period, now_us())
    look = partial(alarm_shares.told, state.store.database, state.registry, model, query)
    try:
        told = await state.auditors.run(look)
    except Forbidden:
        return None
    return alarm_rate.drawn(told, named, links, tag)


@router.post("/models")
async def send_model(request: Request, state: Shared, recording: Recording) -> Response:
    """Another version, as a model file and a sample or as a zip of its folder: staged."""
    try:
        taken = await take_form(await request.form(), recording, request.url.path)
    except InvalidRequest as error:
        return await _answered(request, state, 422, faults=error.faults)
    # 409 as the API has it: the model is sound and cannot be put in its place.
    except CannotUpload as error:
        return await _answered(request, state, 409, problem=str(error))
    # To where it is checked; the list is then read anew.
    return gone_to(request, f"/models/{taken.name}/staged/{taken.version}")


async def _answered(request: Request, state: AppState, status: int, **outcome: Any) -> Response:
    """As a part for htmx, which swaps what is refused too; as the whole page without it."""
    if not is_part(request):
        return await _listed(request, state, status, **outcome)
    return page(request, "steward/outcome.html", status, **(NOTHING_SENT | outcome))
