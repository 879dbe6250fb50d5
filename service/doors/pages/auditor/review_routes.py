"""Routes of auditors' review: what waits, by kind and one by one, and samples of it."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import RedirectResponse

from ifonly.service.audit.sampling import samples as sampling
from ifonly.service.doors.http.arguments import reads_query
from ifonly.service.doors.http.context import AppState, Recording, Shared
from ifonly.service.doors.pages.auditor import in_session, queue, samples, search
from ifonly.service.doors.pages.auditor.queue import Groups, QueueReader
from ifonly.service.doors.pages.rendering import is_part, page
from ifonly.service.doors.pages.request_path import PageRoute
from ifonly.service.doors.pages.visit import form_value, visit_of
from ifonly.service.errors import InvalidCursor, InvalidRequest
from ifonly.service.wire import samples as wire
from ifonly.service.wire import validation
from ifonly.service.words.catalogue import say

router = APIRouter(route_class=PageRoute, include_in_schema=False)

Identity = Annotated[str, Path(max_length=64, pattern=r"^[^\x00]*$")]
Cursor = Annotated[str | None, Query(max_length=512)]


def reader(request: Request, state: AppState) -> QueueReader:
    zone = state.settings.plant_times.zone
    return QueueReader(state.store.database, state.registry, visit_of(request).language, zone)


async def session_of(request: Request, state: AppState) -> in_session.InSession:
    """What whoever looks has judged since they signed in."""
    visit = visit_of(request)
    assert visit.principal is not None  # the table of permissions has let them in
    look = partial(
        in_session.said,
        state.store.database,
        visit.principal.actor,
        visit.token,
        state.settings.session_seconds,
        visit.language,
    )
    return await state.readers.run(look)


@router.get("/reviews")
@reads_query(*queue.FIELDS)
async def list_queue(request: Request, state: Shared, cursor: Cursor = None) -> Response:
    """Explanations that no auditor has judged, and of which kinds they are."""
    filters = search.given(request.query_params, queue.FIELDS)
    read, visit = reader(request, state), visit_of(request)
    found = await state.readers.run(partial(read.waiting, filters, cursor))
    groups = None
    if not found.problem:
        groups = await state.readers.run(partial(read.groups, filters))
    wide = {name: value for name, value in filters.items() if name != "group"}
    principal = visit.principal
    return page(
        request,
        "auditor/queue.html",
        found=found,
        groups=groups,
        filters=search.form(filters, queue.FIELDS),
        is_filtered=bool(wide),
        is_first=cursor is None,
        newest=_address("/reviews", filters),
        everything=_address("/reviews", wide),
        claims=queue.CLAIMS,
        models=state.registry.names(),
        session=await session_of(request, state),
        back=visit.path,
        is_part=False,
        may_sample=principal is not None and principal.scope.is_everything,
    )


def _address(path: str, said: dict[str, str]) -> str:
    return f"{path}?{urlencode(said)}" if said else path


@router.get("/reviews/samples")
@reads_query(*samples.FIELDS)
async def list_samples(request: Request, state: Shared, cursor: Cursor = None) -> Response:
    """Samples that were drawn, and what another one would show."""
    return await _samples(request, state, cursor)


async def _samples(
    request: Request, state: AppState, cursor: str | None, problem: str = "", **asked: Any
) -> Response:
    tag, zone = visit_of(request).language, state.settings.plant_times.zone
    database = state.store.database
    filters = asked.get("filters") or search.given(request.query_params, samples.FIELDS)
    planned, older = "", None
    if samples.is_asked(filters) and not problem:
        try:
            made = samples.request_of(filters)
            shown = await state.auditors.run(partial(sampling.preview, database, made))
            planned = shown.text[tag]
        except InvalidRequest as error:
            problem = str(error)
    try:
        query = {"limit": samples.LIMIT} | ({} if cursor is None else {"cursor": cursor})
        asked_for = validation.read(wire.SamplesQuery, query)
        reply = await state.readers.run(partial(sampling.listing, database, asked_for))
    except InvalidCursor as error:
        problem, reply = problem or str(error), wire.SamplesReply(samples=[], next=None)
    if reply.next is not None:
        older = _address("/reviews/samples", {"cursor": reply.next})
    return page(
        request,
        "auditor/samples.html",
        422 if asked.get("is_refused") else 200,
        problem=problem,
        planned=planned,
        filters=search.form(filters, samples.FIELDS),
        claims=queue.CLAIMS,
        models=state.registry.names(),
        kinds=await _kinds(request, state, filters.get("group")),
        samples=[samples.entry(each, tag, zone) for each in reply.samples],
        older=older,
    )


async def _kinds(request: Request, state: AppState, chosen: str | None) -> list[tuple[str, str]]:
    """Kinds of suggestion to choose from: those that wait, and the one that is chosen."""
    read = reader(request, state)
    found: Groups = await state.readers.run(partial(read.groups, {}))
    kinds = [
        (each.key, f"{each.title}, {each.claim.text}, {each.model} ({each.count})")
        for each in found.entries
    ]
    if chosen and chosen not in {key for key, _ in kinds}:
        tag = visit_of(request).language
        kinds.append((chosen, say("sample.of_group", tag, group=chosen)))
    return kinds


@router.post("/reviews/samples")
async def draw_sample(request: Request, state: Shared, recording: Recording) -> Response:
    """Draw one, and record it."""
    form = {name: await form_value(request, name) for name in samples.FIELDS}
    filters = search.given(form, samples.FIELDS)
    try:
        asked = samples.request_of(filters, (await form_value(request, "comment")).strip())
        made = await sampling.draw(asked, recording)
    except InvalidRequest as error:
        return await _samples(request, state, None, str(error), filters=filters, is_refused=True)
    return RedirectResponse(f"/reviews/samples/{made.id}", 303)


@router.get("/reviews/samples/{id}")
async def read_sample(id: Identity, request: Request, state: Shared) -> Response:
    """One sample: how far it is, what it shows, and what is to be judged next."""
    return await _sample(id, request, state)


async def _sample(
    identity: str, request: Request, state: AppState, redrawn: wire.RedrawReply | None = None
) -> Response:
    found = await state.readers.run(partial(sampling.read, state.store.database, identity))
    read, visit = reader(request, state), visit_of(request)
    open_ = samples.waiting(found)
    entries = await state.readers.run(partial(read.entries, open_[: samples.ENTRIES]))
    return page(
        request,
        "auditor/sample.html",
        shown=samples.shown(found, visit.language, read.zone),
        entries=entries,
        more=len(open_) - len(entries),
        redrawn=redrawn,
        session=await session_of(request, state),
    )


@router.post("/reviews/samples/{id}/redraw")
async def redraw_sample(id: Identity, request: Request, state: Shared) -> Response:
    """Draw it again from what is recorded now, and compare."""
    again = partial(sampling.redrawn, state.store.database, id)
    found = await state.auditors.run(again)
    if is_part(request):
        return page(request, "auditor/redrawn.html", redrawn=found)
    return await _sample(id, request, state, found)
