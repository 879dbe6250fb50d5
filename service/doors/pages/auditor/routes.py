"""Routes of auditors' pages. Each asks what the API's routes ask."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import RedirectResponse, StreamingResponse

from ifonly.service.access import Role
from ifonly.service.audit import inspection, oversight, records, reviews
from ifonly.service.audit.replay import replay
from ifonly.service.audit.trust_root import verified
from ifonly.service.doors.http.arguments import reads_query
from ifonly.service.doors.http.context import AppState, Recording, Shared
from ifonly.service.doors.pages.auditor import queue, record, report, search
from ifonly.service.doors.pages.auditor.naming import badge
from ifonly.service.doors.pages.common_changes import ask_common
from ifonly.service.doors.pages.rendering import is_part, page
from ifonly.service.doors.pages.request_path import PageRoute, refusal
from ifonly.service.doors.pages.visit import form_value, visit_of, whole
from ifonly.service.errors import InvalidRequest
from ifonly.service.store import translog
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
    filters = search.given(request.query_params)
    found = await state.readers.run(
        partial(search.matching, state.store.database, filters, cursor, visit_of(request).language)
    )
    return page(
        request,
        "auditor/records.html",
        found=found,
        filters=search.form(filters),
        is_filtered=bool(filters),
        is_first=cursor is None,
        kinds=search.choices("kind.", RecordKind, visit_of(request).language),
        statuses=search.choices("status.", STATUSES, visit_of(request).language),
        models=state.registry.names(),
        export=search.exported(filters),
    )


@router.get("/records/export")
@reads_query(*search.FIELDS)
async def export_records(request: Request, state: Shared) -> Response:
    """The same as a file that can be verified elsewhere."""
    filters = search.given(request.query_params)
    search.check_beginning(filters)
    query = validation.read(wire.EventsQuery, filters)
    entries = records.entries(state.store.database, query)
    prover = await state.readers.run(partial(translog.prover, state.store.database))
    return StreamingResponse(
        records.gathered(export(entries, Format.JSONL, prover)),
        media_type=MEDIA_TYPES[Format.JSONL],
        headers={"Content-Disposition": 'attachment; filename="audit.jsonl"'},
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
        shown=record.shown(found, state.registry, visit.language),
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
    """Approve, reject or comment on it."""
    said = {name: await form_value(request, name) for name in ("verdict", "comment", "rank")}
    body: dict[str, Any] = {name: value.strip() for name, value in said.items() if value.strip()}
    if "rank" in body:
        body["rank"] = whole(body["rank"])
    try:
        asked = validation.read(wire.ReviewRequest, body)
        review = await reviews.given(id, asked, recording)
    except InvalidRequest as error:
        if is_part(request):
            return refusal(request, error)
        return await _record(id, request, state, problem=str(error))
    if is_part(request):
        judged = badge(review.verdict, visit_of(request).language)
        return page(request, "auditor/judged.html", judged=judged, identity=id)
    return RedirectResponse(f"/records/{id}#reviews", 303)


# --- what waits for review ----------------------------------------------------------------


@router.get("/reviews")
@reads_query(*queue.FIELDS)
async def list_queue(request: Request, state: Shared, cursor: Cursor = None) -> Response:
    """Explanations that no auditor has judged."""
    filters = search.given(request.query_params, queue.FIELDS)
    read = partial(
        queue.waiting,
        state.store.database,
        filters,
        cursor,
        visit_of(request).language,
    )
    found = await state.readers.run(read)
    return page(
        request,
        "auditor/queue.html",
        found=found,
        filters=search.form(filters, queue.FIELDS),
        is_first=cursor is None,
        claims=queue.CLAIMS,
        models=state.registry.names(),
    )


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
            told = report.shown(made, reply, tag)
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
    name = {"Content-Disposition": 'attachment; filename="recourse.csv"'}
    return Response(await state.auditors.run(write), media_type="text/csv", headers=name)
