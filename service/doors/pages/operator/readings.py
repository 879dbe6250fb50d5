"""Routes of the readings that a person enters: the form, filled in, pasted into, and asked."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse
from starlette.datastructures import FormData

from ifonly.models.errors import UnknownModel
from ifonly.models.window import window_of
from ifonly.service.access import EVERYTHING
from ifonly.service.ask import answering
from ifonly.service.doors.http.context import AppState, Shared
from ifonly.service.doors.pages.asking import ask
from ifonly.service.doors.pages.operator.entering import (
    NOTHING,
    EnteredField,
    EnteredRow,
    attributes_of,
    fields_of,
    matched,
    series_text,
)
from ifonly.service.doors.pages.operator.levers import written
from ifonly.service.doors.pages.operator.listing import title_of
from ifonly.service.doors.pages.operator.pasting import NotOneRow, pasted
from ifonly.service.doors.pages.rendering import page
from ifonly.service.doors.pages.request_path import PageRoute
from ifonly.service.doors.pages.visit import Visit, form_value, visit_of
from ifonly.service.served.registry import ServedModel
from ifonly.service.store.kinds import RecordKind
from ifonly.service.wire import requests, validation
from ifonly.service.words.catalogue import say

router = APIRouter(prefix="/readings", route_class=PageRoute, include_in_schema=False)

READING, ATTRIBUTE = "reading:", "attribute:"
"""Before the name of a field, as a form sends it."""
MOST_NAMED = 8
"""Columns that are no reading's, of which the names are shown."""
Name = Annotated[str, Query(max_length=128)]


@router.get("")
async def enter(request: Request, state: Shared, model: Name = "", example: Name = "") -> Response:
    """The form: empty, or with the values of an example of the model."""
    names = state.registry.names()
    if not names:
        return page(request, "operator/readings.html", model=None)
    chosen = state.registry.get(model or names[0])
    return _form(request, state, chosen, _of_example(chosen, example), example=example)


def _of_example(model: ServedModel, identity: str) -> EnteredRow:
    for each in model.deployed.examples:
        if each.id == identity:
            if window_of(model.schema) is not None:
                said = {name: series_text(v) for name, v in each.instance.items()}
                return EnteredRow(said, {})
            row = zip(model.schema.features, each.row.tolist(), strict=True)
            return EnteredRow({f.name: written(f, value) for f, value in row}, {})
    return NOTHING


@router.post("")
async def entered(request: Request, state: Shared) -> Response:
    """``action``: ``paste`` fills the form with a row; ``predict`` asks the model, and leads to
    what it says."""
    form, visit = await request.form(), visit_of(request)
    model = state.registry.get(await form_value(request, "model"))
    row = EnteredRow(_under(READING, form), _under(ATTRIBUTE, form))
    if await form_value(request, "action") == "paste":
        return _pasted(request, state, model, row, await form_value(request, "row"))
    fields = (
        *fields_of(model, row, visit.language, is_asked=True),
        *_attributes(model, row, visit, is_asked=True),
    )
    if any(field.problem for field in fields):
        return _form(request, state, model, row, status=422, is_asked=True)
    body = {"instance": row.instance(model.schema), "attributes": row.said()}
    question = validation.read(requests.PredictionsRequest, body)
    work = partial(answering.predictions, model, question)
    answer = await ask(request, RecordKind.PREDICTION, model, question, work, None)
    return RedirectResponse(f"/alarms/{answer.audit.id}", 303)


def _attributes(
    model: ServedModel, row: EnteredRow, visit: Visit, *, is_asked: bool
) -> tuple[EnteredField, ...]:
    scope = EVERYTHING if visit.principal is None else visit.principal.scope
    return attributes_of(
        model.deployed.spec.attributes, scope, row, visit.language, is_asked=is_asked
    )


def _under(prefix: str, form: FormData) -> dict[str, str]:
    """Its fields whose names begin so, without that."""
    return {
        key.removeprefix(prefix): value
        for key, value in form.items()
        if key.startswith(prefix) and isinstance(value, str)
    }


def _pasted(
    request: Request, state: AppState, model: ServedModel, row: EnteredRow, text: str
) -> Response:
    """The form with what was pasted in it, checked; as it was, where that is no row."""
    visit = visit_of(request)
    try:
        read = pasted(text)
    except NotOneRow as error:
        problem = say(error.key, visit.language, **error.gaps)
        return _form(request, state, model, row, status=422, text=text, problem=problem)
    values, others = matched(read.values, model.schema)
    known = {each.name for each in _attributes(model, row, visit, is_asked=False)}
    said = {name: value for name, value in read.attributes.items() if name in known}
    filled = EnteredRow(values, {**row.attributes, **said})
    others += [name for name in read.attributes if name not in known]
    return _form(request, state, model, filled, is_asked=True, left_out=others[:MOST_NAMED])


def _form(
    request: Request,
    state: AppState,
    model: ServedModel,
    row: EnteredRow,
    *,
    status: int = 200,
    is_asked: bool = False,
    example: str = "",
    text: str = "",
    problem: str = "",
    left_out: list[str] | None = None,
) -> Response:
    visit = visit_of(request)
    tag = visit.language
    fields = fields_of(model, row, tag, is_asked=is_asked)
    said = _attributes(model, row, visit, is_asked=is_asked)
    return page(
        request,
        "operator/readings.html",
        status,
        model=model,
        title=title_of(model, tag),
        models=[(each.name, title_of(each, tag)) for each in _served(state)],
        examples=model.deployed.examples,
        example=example,
        fields=fields,
        attributes=said,
        wrong=sum(bool(field.problem) for field in (*fields, *said)),
        text=text,
        problem=problem,
        left_out=left_out or [],
    )


def _served(state: AppState) -> list[ServedModel]:
    """Those that can be asked."""
    found = []
    for name in state.registry.names():
        try:
            found.append(state.registry.find(name))
        except UnknownModel:  # taken away since
            continue
    return found
