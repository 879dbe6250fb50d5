"""Routes of the pages on which a version is sent, checked, compared and activated."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

import anyio.to_thread
from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import ValidationError
from starlette.datastructures import FormData

from ifonly.models.errors import UnknownModel
from ifonly.service.ask import answering
from ifonly.service.ask.budget import Budget
from ifonly.service.audit import activations, staging
from ifonly.service.audit.comparison import compare, version_of
from ifonly.service.doors.http.context import AppState, Recording, Shared
from ifonly.service.doors.pages.rendering import is_part, page
from ifonly.service.doors.pages.request_path import PageRoute
from ifonly.service.doors.pages.steward.form import edit_of, form_of
from ifonly.service.doors.pages.visit import visit_of, whole
from ifonly.service.errors import CannotActivate, CannotUpload, InvalidRequest, ServiceError
from ifonly.service.served import staging as places
from ifonly.service.served.activation import served_now
from ifonly.service.served.registry import Registry
from ifonly.service.served.staging import StagedVersion
from ifonly.service.wire import requests, validation
from ifonly.service.wire import staged as wire
from ifonly.service.words.reasons import told

router = APIRouter(route_class=PageRoute, include_in_schema=False)

Name = Annotated[str, Path(max_length=128)]
Version = Annotated[str, Path(max_length=128)]
Asked = Annotated[str, Query(max_length=128)]
LAST = (100, 500, 2_000, 5_000)
"""Rows that a comparison may be asked for, on its page."""


def gone_to(request: Request, path: str) -> Response:
    """To another page, which shows things as they are now."""
    if is_part(request):
        return Response(status_code=200, headers={"HX-Redirect": path})
    return RedirectResponse(path, 303)


@router.get("/models/{model}/staged/{version}")
async def read_staged(
    model: Name, version: Version, request: Request, state: Shared, recording: Recording
) -> Response:
    """What was guessed, to be checked."""
    found = staging.found(model, version, state.registry, recording.principal)
    return await _form(request, state, found)


async def _form(
    request: Request,
    state: AppState,
    found: StagedVersion,
    status: int = 200,
    given: FormData | None = None,
    **outcome: Any,
) -> Response:
    tag, registry = visit_of(request).language, state.registry
    served = await anyio.to_thread.run_sync(places.loaded, registry, found)
    return page(
        request,
        "steward/staged.html",
        status,
        staged=found,
        form=form_of(found, served.schema, tag, given, outcome.get("faults", ())),
        found_in_it=found.about.get("told", ()),
        active=served_now(registry, found.name),
        first=staging.first_row(served),
        refusal=served.deployed.form_refusal,
        reason=told,
        problem=outcome.get("problem", ""),
        is_refused=bool(outcome.get("faults")),
    )


@router.post("/models/{model}/staged/{version}")
async def change_staged(
    model: Name, version: Version, request: Request, state: Shared, recording: Recording
) -> Response:
    """Set what was filled in: all of it, or nothing, with every reason in its place."""
    found = staging.found(model, version, state.registry, recording.principal)
    given = await request.form()
    edit = edit_of(found, given)
    revision = whole(str(given.get("revision", "")))
    said = wire.StagedEdit.model_construct(
        revision=revision if isinstance(revision, int) else 0,
        values=dict(edit.values),
        checked=list(edit.checked),
        answers=dict(edit.answers),
    )
    try:
        await staging.edit(found, said, recording, request.url.path)
    except InvalidRequest as error:
        return await _form(request, state, found, 422, given, faults=error.faults)
    except CannotUpload as error:
        return await _form(request, state, found, 409, given, problem=str(error))
    return RedirectResponse(f"/models/{model}/staged/{version}", 303)


@router.post("/models/{model}/staged/{version}/discard")
async def discard_staged(
    model: Name, version: Version, state: Shared, recording: Recording
) -> Response:
    """Take it out again."""
    found = staging.found(model, version, state.registry, recording.principal)
    await staging.discard(found, recording)
    return RedirectResponse("/models", 303)


@router.get("/models/{model}/staged/{version}/explanation")
async def explain_first(
    model: Name, version: Version, request: Request, state: Shared, recording: Recording
) -> Response:
    """What it would answer of a first row; it decides nothing, so nothing is recorded."""
    found = staging.found(model, version, state.registry, recording.principal)
    loaded = await anyio.to_thread.run_sync(places.loaded, state.registry, found)
    row, tag = staging.first_row(loaded), visit_of(request).language
    answer: Any = None
    problem = ""
    if row is not None:
        said = {"instance": row, "languages": [tag]}
        asked = validation.read(requests.ExplanationRequest, said)
        budget = Budget.of(asked.deadline_ms, state.settings, state.turns.search(_actor(recording)))
        look = partial(answering.explanation, loaded, asked, budget, state.watch)
        try:
            answer = await state.workers.run(look, budget.patience)
        except ServiceError as error:  # a regression has no target of its own
            problem = str(error)
    return page(
        request,
        "steward/first.html" if is_part(request) else "steward/first_page.html",
        staged=found,
        row=row or {},
        answer=answer,
        problem=problem,
    )


def _actor(recording: Recording) -> str:
    return recording.principal.actor


@router.get("/models/{model}/comparison")
async def compare_versions(
    model: Name,
    version: Asked,
    request: Request,
    state: Shared,
    recording: Recording,
    last: Asked = "500",
    only: Asked = "alarms",
) -> Response:
    """What another version would change, and what is otherwise in it; then the decision."""
    return await _compared(model, version, request, state, recording, last=last, only=only)


async def _compared(
    model: str,
    version: str,
    request: Request,
    state: AppState,
    recording: Recording,
    status: int = 200,
    *,
    last: str = "500",
    only: str = "alarms",
    problem: str = "",
) -> Response:
    activations.check_scope(model, recording.principal)
    registry, tag = state.registry, visit_of(request).language
    # Who says what it is: refused before anything is read.
    await anyio.to_thread.run_sync(version_of, registry, model, version)
    asked = wire.ComparisonRequest(
        version=version,
        last=int(last) if last in map(str, LAST) else 500,
        only="all" if only == "all" else "alarms",
    )
    guesses = _guesses(registry, model, version)
    found, why_not = None, ""
    look = partial(compare, state.store.database, registry, model, asked)
    try:
        found = await state.auditors.run(look)
    except CannotActivate as error:
        why_not = str(error)
    return page(
        request,
        "steward/comparison.html",
        status,
        name=model,
        version=version,
        asked=asked,
        lasts=LAST,
        found=found,
        why_not=told(why_not, tag),
        active=served_now(registry, model),
        guesses=guesses,
        is_staged=guesses is not None,
        problem=told(problem, tag),
    )


def _guesses(registry: Registry, model: str, version: str) -> int | None:
    """That nobody has checked; None: it is not staged."""
    try:
        return places.find(registry, model, version).guesses
    except UnknownModel:
        return None


@router.post("/models/{model}/activation")
async def activate_version(
    model: Name, request: Request, state: Shared, recording: Recording
) -> Response:
    """Have it asked, or an earlier one again."""
    given = await request.form()
    version = str(given.get("version", ""))[:128]
    previous = str(given.get("previous", "")) or None
    try:
        asked = wire.ActivationRequest(
            version=version,
            why=str(given.get("why", "")).strip(),
            previous=previous,
            accept_guesses=given.get("accept_guesses") == "true",
        )
    except ValidationError:
        problem = "why is missing: the record says who chose, and why"
        return await _compared(model, version, request, state, recording, 422, problem=problem)
    try:
        await activations.activate(recording, model, asked, request.url.path)
    except (CannotActivate, CannotUpload) as error:
        return await _compared(model, version, request, state, recording, 409, problem=str(error))
    return RedirectResponse(f"/models/{model}", 303)
