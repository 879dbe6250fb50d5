"""Why was it decided so? Reasons of one row, asked from its page; and the sheet of them."""

from __future__ import annotations

from functools import partial
from urllib.parse import quote

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from starlette.exceptions import HTTPException

from ifonly.explainers.wording import LANGUAGES
from ifonly.service.ask.budget import Budget
from ifonly.service.ask.reasons import reasons
from ifonly.service.audit.sheets import recorded_reasons
from ifonly.service.doors.http.context import AppState, Recording, Shared
from ifonly.service.doors.http.written import attachment
from ifonly.service.doors.pages.asking import ask
from ifonly.service.doors.pages.operator import sheet_pdf, subject
from ifonly.service.doors.pages.operator.case import gone
from ifonly.service.doors.pages.operator.identity import Identity, RowNumber
from ifonly.service.doors.pages.rendering import is_part, page
from ifonly.service.doors.pages.request_path import PageRoute
from ifonly.service.doors.pages.visit import Visit, visit_of
from ifonly.service.store.chain import timestamp
from ifonly.service.store.kinds import RecordKind
from ifonly.service.wire.reasons import ReasonsRequest
from ifonly.service.words.sheets import PersonSheet, sheet

router = APIRouter(route_class=PageRoute, include_in_schema=False)


@router.post("/alarms/{id}/reasons")
async def ask_reasons(
    id: Identity, request: Request, state: Shared, recording: Recording, row: RowNumber = None
) -> Response:
    """Which readings alone force it: asked as the API asks, and recorded."""
    about = await state.readers.run(partial(subject.read_one, state.store.database, id, row or 0))
    model = subject.model_of(about.record, state.registry)
    if model is None:
        raise gone(about)
    explained = about.answer or await state.readers.run(
        partial(subject.explanation_of, state.store.database, about)
    )
    question = ReasonsRequest(
        instance=dict(about.instance),
        explanation=None if explained is None else explained["id"],
        attributes=dict(about.attributes),
        # In every language: whoever reads the record, or the sheet, may read another one.
        languages=list(LANGUAGES),
    )
    turn = state.turns.search(recording.principal.actor)
    budget = Budget.of(None, state.settings, turn)
    work = partial(reasons, model, question, budget, state.watch)
    found = await ask(
        request, RecordKind.REASONS, model, question, work, about.record, budget.patience
    )
    if not is_part(request):
        return RedirectResponse(f"/sheets/{quote(found.reply.id)}", 303)
    address = f"/alarms/{quote(id)}/reasons?row={row or 0}"
    told = found.reply.as_mapping()
    return page(request, "operator/reasons.html", why=told, asks=address, is_new=True)


@router.get("/sheets/{id}")
async def show_sheet(id: Identity, request: Request, state: Shared) -> Response:
    """The sheet for the person concerned, of recorded reasons."""
    shown = await _sheet(state, id, visit_of(request))
    can_print = sheet_pdf.is_available()
    return page(request, "operator/sheet.html", sheet=shown, identity=id, has_file=can_print)


@router.get("/sheets/{id}/file")
async def write_sheet(id: Identity, request: Request, state: Shared) -> Response:
    """The same as a PDF file."""
    if not sheet_pdf.is_available():
        raise HTTPException(404)
    visit = visit_of(request)
    shown = await _sheet(state, id, visit)
    content = await state.readers.run(partial(sheet_pdf.pdf, shown, visit.language))
    name = attachment(f"sheet-{visit.language}.pdf")
    return Response(content, media_type="application/pdf", headers=name)


async def _sheet(state: AppState, identity: str, visit: Visit) -> PersonSheet:
    read = partial(recorded_reasons, state.store.database, state.registry, identity)
    found = await state.readers.run(read)
    # To the minute, which is what a person needs; the record has the rest.
    when = f"{timestamp(found.record.facts.time_us)[:16].replace('T', ' ')} UTC"
    return sheet(found.answer, found.explanation, found.instance, found.model, when, visit.language)
