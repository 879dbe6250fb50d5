"""Routes of auditors' pages. Each asks what the API's routes ask."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from itertools import chain
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import RedirectResponse, StreamingResponse

from ifonly.explainers.wording import Language
from ifonly.service.access import Role
from ifonly.service.audit import inspection, oversight, record_table, records, reviews
from ifonly.service.audit.replay import replay
from ifonly.service.audit.sampling import samples as sampling
from ifonly.service.audit.trust_root import verified
from ifonly.service.doors.http.arguments import reads_query
from ifonly.service.doors.http.context import AppState, Recording, Shared
from ifonly.service.doors.http.written import attachment
from ifonly.service.doors.pages.auditor import presets, record, report, samples, search
from ifonly.service.doors.pages.auditor.naming import badge
from ifonly.service.doors.pages.auditor.review_routes import reader, session_of
from ifonly.service.doors.pages.common_changes import ask_common
from ifonly.service.doors.pages.rendering import is_part, page
from ifonly.service.doors.pages.request_path import PageRoute, refusal
from ifonly.service.doors.pages.visit import form_value, local, visit_of, whole
from ifonly.service.errors import InvalidRequest, NotAsSealed, UnknownRecord
from ifonly.service.store import translog
from ifonly.service.store.chain import now_us
from ifonly.service.store.export import MEDIA_TYPES, export
from ifonly.service.store.kinds import STATUSES, RecordKind
from ifonly.service.store.terms import Format
from ifonly.service.wire import report as wire_many
from ifonly.service.wire import trail as wire
from ifonly.service.wire import validation

router = APIRouter(route_class=PageRoute, include_in_schema=False)

Identity = Annotated[str, Path(max_length=64, pattern=r"^[^\x00]*$")]
Cursor = Annotated[str | None, Query(max_length=512)]


# --- records ------------------------------------------------------------------------------


@router.get("/records")
@reads_query(*search.FIELDS)
async def list_records(request: Request, state: Shared, cursor: Cursor = None) -> Response:
    """Everything that was recorded, the newest first."""
    said, tag = search.given(request.query_params), visit_of(request).language
    plant, titles = state.settings.plant_times, reader(request, state).suggests
    found = await state.readers.run(
        partial(search.matching, state.store.database, said, cursor, tag, plant, titles)
    )
    return page(
        request,
        "auditor/records.html",
        found=found,
        filters=search.form(said),
        lists=presets.lists(said, tag),
        periods=presets.periods(said, tag),
        is_filtered=any(name not in ("show", "period") for name in said),
        is_first=cursor is None,
        newest=search.exported(said, "/records"),
        kinds=search.choices("kind.", RecordKind, tag),
        statuses=search.choices("status.", STATUSES, tag),
        models=state.registry.names(),
        # What waits is no part of the trail that can be proven: it is listed alone.
        export=""
        if presets.shown(said) == presets.UNREVIEWED
        else search.exported(said, "/records/export"),
        sheet=search.exported(said, "/records/table"),
        zone=plant.zone.key if plant.zone.key != "UTC" else "",
    )


@router.get("/records/export")
@reads_query(*search.FIELDS)
async def export_records(request: Request, state: Shared) -> Response:
    """The same as a file that can be verified elsewhere."""
    said = search.given(request.query_params)
    search.check_export(said)
    asked = presets.meant(said, state.settings.plant_times, now_us())
    query = validation.read(wire.EventsQuery, asked)
    entries = records.entries(state.store.database, query)
    prover = await state.readers.run(partial(translog.prover, state.store.database))
    return StreamingResponse(
        records.gathered(export(entries, Format.JSONL, prover)),
        media_type=MEDIA_TYPES[Format.JSONL],
        headers=attachment("audit.jsonl"),
    )


@router.get("/records/table")
@reads_query(*search.FIELDS, "zone")
async def export_table(request: Request, state: Shared) -> Response:
    """The same as CSV, with times in UTC and in the plant's zone (else the browser's)."""
    said, plant = search.given(request.query_params), state.settings.plant_times
    named = request.query_params.get("zone", "")
    zone = plant.zone if not named else search.zone_of(named)
    pages = partial(search.pages, state.store.database, said, plant)
    # The first page is read before anything is sent: what is wrong is said, not cut off.
    first, rest = await state.readers.run(pages)
    return StreamingResponse(
        records.gathered(record_table.as_csv(chain([first], rest), zone)),
        media_type="text/csv",
        headers=attachment("records.csv"),
    )


@router.post("/records/verify")
async def verify_records(request: Request, state: Shared) -> Response:
    """Read every chain and see whether it holds."""
    check = partial(verified, state.settings, state.store.database)
    found = records.verification(await state.auditors.run(check))
    template = "auditor/chains.html" if is_part(request) else "auditor/chains_page.html"
    return page(request, template, found=found)


@router.get("/records/{id}")
async def read_record(id: Identity, request: Request, state: Shared) -> Response:
    """One record whole."""
    return await _record(id, request, state)


async def _record(identity: str, request: Request, state: AppState, **more: Any) -> Response:
    read = partial(inspection.event, state.store.database, identity)
    found = await state.readers.run(read)
    visit = visit_of(request)
    values: dict[str, Any] = {"verified": None, "replayed": None, "problem": ""}
    return page(
        request,
        "auditor/record.html",
        shown=record.shown(found, state.registry, visit.language, state.settings.plant_times.zone),
        actor="" if visit.principal is None else visit.principal.actor,
        may_judge=bool(visit.roles & {Role.AUDITOR, Role.ADMIN}),
        **(values | more),
    )


@router.post("/records/{id}/verify")
async def verify_record(id: Identity, request: Request, state: Shared) -> Response:
    """Hold one record against its chain."""
    found = await state.readers.run(
        partial(inspection.verified, state.store.database, state.registry, id)
    )
    if is_part(request):
        return page(request, "auditor/verified.html", verified=found)
    return await _record(id, request, state, verified=found)


@router.post("/records/{id}/replay")
async def replay_record(id: Identity, request: Request, state: Shared) -> Response:
    """Ask it again."""
    again = partial(replay, state.store.database, state.registry, id)
    came = inspection.replayed(await state.workers.run(again))
    told: dict[str, Any] = {
        "replayed": came,
        "differences": record.differences(came),
        "is_other_way": record.is_other_way(came),
    }
    if is_part(request):
        return page(request, "auditor/replayed.html", **told)
    return await _record(id, request, state, **told)


@router.post("/records/{id}/reviews")
async def review_record(
    id: Identity, request: Request, state: Shared, recording: Recording
) -> Response:
    """Approve, reject or comment on it; or take back what one has said."""
    names = ("verdict", "comment", "rank", "withdraws", "back", "sample")
    said = {name: (await form_value(request, name)).strip() for name in names}
    back, sample = said.pop("back"), said.pop("sample")
    body: dict[str, Any] = {name: value for name, value in said.items() if value}
    if "rank" in body:
        body["rank"] = whole(body["rank"])
    try:
        asked = validation.read(wire.ReviewRequest, body)
        review = await reviews.given(id, asked, recording)
    except InvalidRequest as error:
        if is_part(request):
            return refusal(request, error)
        return await _record(id, request, state, problem=str(error))
    if not is_part(request):
        # Back to where it waits again, if it was taken back there.
        to = f"{local(back)}#e-{id}" if back else f"/records/{id}#reviews"
        return RedirectResponse(to, 303)
    tag = visit_of(request).language
    return page(
        request,
        "auditor/judged.html",
        judged=badge(review.verdict, tag),
        identity=id,
        review=review.id,
        back=local(back),
        session=await session_of(request, state),
        progress=await _progress(sample, state, tag) if sample else None,
    )


async def _progress(sample: str, state: AppState, tag: Language) -> samples.Progress | None:
    """Of the sample that is judged; None if there is none of that id."""
    try:
        read = partial(sampling.read, state.store.database, sample)
        found = await state.readers.run(read)
    except (UnknownRecord, NotAsSealed):
        return None
    return samples.progress(found.size, found.result, tag)


# --- the report ---------------------------------------------------------------------------


@router.get("/report")
@reads_query(*report.FIELDS)
async def read_report(request: Request, state: Shared) -> Response:
    """Recourse over a period, by group."""
    return await _report(request, state, report.given(request.query_params, state.registry))


async def _report(
    request: Request, state: AppState, filters: Mapping[str, str], problem: str = ""
) -> Response:
    tag = visit_of(request).language
    told = None
    if "model" in filters:
        try:
            query = validation.read(wire_many.ReportQuery, filters)
            count = partial(oversight.recourse, state.store.database, state.registry, query)
            made, reply = await state.auditors.run(count)
            told = report.shown(made, reply, tag, state.settings.plant_times.zone)
        except InvalidRequest as error:
            problem = str(error)
    return page(
        request,
        "auditor/report.html",
        status=422 if problem and request.method == "POST" else 200,
        told=told,
        problem=problem,
        filters=search.form(filters, report.FIELDS),
        models=state.registry.names(),
        features=report.features(state.registry, filters.get("model"), tag),
        sheet=report.address(filters),
    )


@router.post("/report/common")
async def seek_common_change(request: Request, state: Shared, recording: Recording) -> Response:
    """One change for the alarms of the report's period: asked as the API asks, and recorded; the
    report then tells of it."""
    form = {name: await form_value(request, name) for name in report.FIELDS}
    filters = report.given(form, state.registry)
    try:
        query = validation.read(wire_many.ReportQuery, filters)
        model = state.registry.get(query.model)
        question = oversight.common_question(query, recording.principal.scope)
        await ask_common(request, state, recording, model, question)
    except InvalidRequest as error:
        return await _report(request, state, filters, str(error))
    return RedirectResponse(f"/report?{urlencode(filters)}#common", 303)


@router.get("/report/table")
@reads_query(*report.FIELDS)
async def read_table(request: Request, state: Shared) -> Response:
    """The same as CSV."""
    asked = report.given(request.query_params, state.registry)
    query = validation.read(
        wire_many.ReportQuery, {**asked, "language": visit_of(request).language}
    )
    write = partial(oversight.as_csv, state.store.database, state.registry, query)
    table = await state.auditors.run(write)
    return Response(table, media_type="text/csv", headers=attachment("recourse.csv"))
