"""Routes of the pages of experiments. Each asks what the API's routes ask."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import RedirectResponse

from ifonly.models.errors import UnknownModel
from ifonly.service.audit import registered_experiments as registered
from ifonly.service.audit.experiments import planning, results, started
from ifonly.service.doors.http.arguments import reads_query
from ifonly.service.doors.http.context import AppState, Recording, Shared
from ifonly.service.doors.pages.auditor import search
from ifonly.service.doors.pages.experiments import form, listing
from ifonly.service.doors.pages.experiments.design import arms_of, design_view, lines_of
from ifonly.service.doors.pages.experiments.findings import FoundView, found_view
from ifonly.service.doors.pages.rendering import is_part, page
from ifonly.service.doors.pages.request_path import PageRoute
from ifonly.service.doors.pages.visit import form_value, visit_of
from ifonly.service.errors import InvalidRequest
from ifonly.service.experiments.experiment import AssignedUnit
from ifonly.service.wire import experiments as wire
from ifonly.service.wire import validation

router = APIRouter(prefix="/experiments", route_class=PageRoute, include_in_schema=False)

Identity = Annotated[str, Path(max_length=64, pattern=r"^[^\x00]*$")]


@router.get("")
@reads_query(*listing.FIELDS)
async def list_experiments(
    request: Request,
    state: Shared,
    page_number: Annotated[int, Query(ge=1, le=10_000, alias="page")] = 1,
) -> Response:
    """Every design, the newest first, and whether it runs."""
    visit, zone = visit_of(request), state.settings.plant_times.zone
    filters = search.given(request.query_params, listing.FIELDS)
    known = await state.readers.run(partial(registered.registered, state.store.database))
    problem, shown = "", listing.ExperimentList((), "")
    try:
        shown = listing.listed(known, filters, page_number, visit.language, zone)
    except InvalidRequest as error:
        problem = str(error)
    return page(
        request,
        "experiments/list.html",
        422 if problem else 200,
        shown=shown,
        problem=problem,
        is_any=bool(known),
        filters=search.form(filters, listing.FIELDS),
        is_filtered=bool(filters),
        states=search.choices("experiment.", listing.STATES, visit.language),
        models=sorted({*state.registry.names(), *(each.asked.model for each in known)}),
    )


@router.get("/new")
@reads_query(*form.FIELDS)
async def design_experiment(request: Request, state: Shared) -> Response:
    """The form, and how many units what it says needs."""
    return await _form(request, state, search.given(request.query_params, form.FIELDS))


async def _form(
    request: Request, state: AppState, said: Mapping[str, str], problem: str = ""
) -> Response:
    tag, is_refused = visit_of(request).language, bool(problem)
    asked, needs = None, None
    if form.PLAN in said and not problem:
        try:
            asked = form.request_of(said)
            known = await state.auditors.run(partial(_recent, state, asked))
            needs = form.planned(said, asked, known, tag)
            if needs.units and "units" not in said:
                said = {**said, "units": needs.units}
                asked = form.request_of(said)
        except (InvalidRequest, UnknownModel) as error:
            asked, problem = None, str(error)
    return page(
        request,
        "experiments/form.html",
        422 if is_refused else 200,
        filters=form.filled(said),
        problem=problem,
        needs=needs,
        asked=asked,
        arms=() if asked is None else arms_of(asked, tag),
        lines=() if asked is None else tuple(lines_of(asked, tag)),
        choices=form.choices(tag),
        guards=tuple(
            zip(form.GUARDS, (text for _, text in form.choices(tag)["metric"]), strict=True)
        ),
        models=state.registry.names(),
    )


def _recent(state: AppState, asked: wire.ExperimentRequest) -> planning.RecentUnits:
    database, registry = state.store.database, state.registry
    registry.get(asked.model)
    unit, name = AssignedUnit(asked.unit), asked.metric.name
    return planning.recent(database, registry, asked.model, name, unit, asked.within_minutes)


@router.post("")
async def start_experiment(request: Request, state: Shared, recording: Recording) -> Response:
    """Seal what the form says; what is wrong with it is said beside it."""
    every = {name: await form_value(request, name) for name in form.FIELDS}
    said = search.given(every, form.FIELDS)
    try:
        asked = form.request_of(said, (await form_value(request, "comment")).strip())
        made = await started.start(asked, recording)
    except (InvalidRequest, UnknownModel) as error:
        return await _form(request, state, said, str(error))
    return RedirectResponse(f"/experiments/{made.id}", 303)


@router.get("/{id}")
async def read_experiment(id: Identity, request: Request, state: Shared) -> Response:
    """The sealed design; what it has found comes after it, to those who may know."""
    return await _experiment(id, request, state)


async def _experiment(
    identity: str,
    request: Request,
    state: AppState,
    found: FoundView | None = None,
    problem: str = "",
) -> Response:
    visit, zone = visit_of(request), state.settings.plant_times.zone
    known = await state.readers.run(partial(registered.one, state.store.database, identity))
    return page(
        request,
        "experiments/one.html",
        422 if problem else 200,
        shown=design_view(known, visit.language, zone),
        found=found,
        problem=problem,
    )


@router.get("/{id}/results")
async def read_results(id: Identity, request: Request, state: Shared) -> Response:
    """What it has found so far: of the same design, which stands above it."""
    look = partial(results.reply, state.store.database, state.registry, id)
    told = await state.auditors.run(look)
    found = found_view(told, visit_of(request).language)
    if is_part(request):
        return page(request, "experiments/results.html", found=found)
    return await _experiment(id, request, state, found)


@router.post("/{id}/stop")
async def stop_experiment(
    id: Identity, request: Request, state: Shared, recording: Recording
) -> Response:
    """Assign no more."""
    comment = (await form_value(request, "comment")).strip()
    try:
        asked = validation.read(wire.StopRequest, {"comment": comment} if comment else {})
        stopped = await started.stop(id, asked, recording)
    except InvalidRequest as error:
        return await _experiment(id, request, state, problem=str(error))
    return RedirectResponse(f"/experiments/{stopped.id}", 303)
