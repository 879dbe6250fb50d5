"""Routes of one alarm: its page, its explanation and readings, what-if, curves and the plane."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from ifonly.explainers.wording import LANGUAGES, Language
from ifonly.service.ask import answering, read_request
from ifonly.service.ask.budget import Budget
from ifonly.service.ask.curves import curves_of
from ifonly.service.ask.looking_on import looks_on
from ifonly.service.ask.plane import plane_of
from ifonly.service.audit import records as api_trail
from ifonly.service.audit import reviews, ways_told
from ifonly.service.audit.alarms import of_equipment
from ifonly.service.audit.experiments.assigning import assigned_in
from ifonly.service.audit.sheets import newest_about
from ifonly.service.doors.http.body import read_aside
from ifonly.service.doors.http.context import AppState, Recording, Shared, application
from ifonly.service.doors.pages.asking import ask
from ifonly.service.doors.pages.operator import answer as answers
from ifonly.service.doors.pages.operator import (
    curve_drawing,
    plane_drawing,
    readings_strip,
    subject,
)
from ifonly.service.doors.pages.operator.case import (
    CasePage,
    SettableAlarm,
    case_of,
    gone,
    held,
    points,
    read_case,
    served,
    settable,
)
from ifonly.service.doors.pages.operator.episodes import MINUTES, TONES, deeds
from ifonly.service.doors.pages.operator.identity import Identity, RowNumber
from ifonly.service.doors.pages.operator.levers import LeverControl
from ifonly.service.doors.pages.operator.listing import lines, title_of
from ifonly.service.doors.pages.operator.outcome import outcome_of, said_demand
from ifonly.service.doors.pages.operator.subject import Subject
from ifonly.service.doors.pages.rendering import page
from ifonly.service.doors.pages.request_path import PageRoute
from ifonly.service.doors.pages.visit import HEADER_TOKEN, Visit, form_value, visit_of, whole
from ifonly.service.errors import Fault, InvalidRequest, RequestPart
from ifonly.service.served.registry import ServedModel
from ifonly.service.store.earlier import earlier
from ifonly.service.store.kinds import RecordKind
from ifonly.service.wire import requests, trail, validation
from ifonly.service.wire.alarms import AlarmReply
from ifonly.service.words.claims import is_past

router = APIRouter(prefix="/alarms", route_class=PageRoute, include_in_schema=False)

MOST_VALUES = 49
"""Of each lever of the plane."""
MOST_ALONG = 97
"""Values along one slider."""
Name = Annotated[str | None, Query(max_length=256)]


async def _found(request: Request, state: AppState, identity: str, row: int | None) -> CasePage:
    visit = visit_of(request)
    return await state.readers.run(partial(read_case, state, identity, row or 0, visit.language))


@router.get("/{id}")
async def show(id: Identity, request: Request, state: Shared, row: RowNumber = None) -> Response:
    """The verdict at once; what takes a search comes after it."""
    visit = visit_of(request)
    rows = await state.readers.run(partial(subject.read, state.store.database, id))
    if row is None and len(rows) > 1:
        return _several(request, rows, state)
    about = subject.row_of(rows, row or 0)
    case = await state.readers.run(partial(case_of, state, about, visit.language))
    model = case.model
    why = await state.readers.run(partial(newest_about, state.store.database, id, about.instance))
    return page(
        request,
        "operator/alarm.html",
        case=case,
        why=why,
        asks=f"/alarms/{about.record.facts.id}/reasons?row={row or 0}",
        can_ask_why=model is not None and "class" in about.prediction,
        title=case.title,
        shown=_shown(case, case.answer, visit.language),
        reviews=await _reviews(state, case.answer),
        may_act=_may_act(visit),
        can_ask_more=_can_ask_more(case, case.answer),
        row=row or 0,
        is_new=False,
        equipment=await _equipment(state, case),
        states=TONES,
        minutes=MINUTES,
        deeds=partial(deeds, tag=visit.language),
        alarm=_alarm(case),
        strip=None if model is None else readings_strip.strip_of(about, model, visit.language),
        wants_past=model is not None and _names_equipment(about, model),
    )


@router.get("/{id}/readings")
async def strip(id: Identity, request: Request, state: Shared, row: RowNumber = None) -> Response:
    """The readings with those of the hour before, of the same equipment: after the page, for it
    reads many records."""
    visit = visit_of(request)
    database = state.store.database
    about = await state.readers.run(partial(subject.read_one, database, id, row or 0))
    model = subject.model_of(about.record, state.registry)
    if model is None:
        raise gone(about)

    def read() -> readings_strip.ReadingStrip:
        past = None
        if _names_equipment(about, model):
            said = model.deployed.spec.attributes.place(about.attributes)
            past = readings_strip.past_of(earlier(database, about.record, said), about, model)
        return readings_strip.strip_of(about, model, visit.language, past)

    found = await state.readers.run(read)
    return page(request, "operator/readings_strip.html", strip=found, wants_past=False)


def _names_equipment(about: Subject, model: ServedModel) -> bool:
    return model.deployed.spec.attributes.equipment(about.attributes) is not None


def _alarm(case: CasePage) -> Mapping[str, Any]:
    """What the model's folder says of its alarm."""
    return {} if case.model is None else case.model.deployed.spec.alarm


async def _equipment(state: AppState, case: CasePage) -> AlarmReply | None:
    """The alarm of the machine that the reading is of, as it is now."""
    if case.model is None:
        return None
    find = partial(of_equipment, state.store.database, state.registry, case.model)
    return await state.readers.run(partial(find, case.subject.attributes))


def _several(request: Request, rows: tuple[Subject, ...], state: AppState) -> Response:
    visit = visit_of(request)
    model = subject.model_of(rows[0].record, state.registry)
    return page(
        request,
        "operator/rows.html",
        lines=lines(rows, model, visit.language),
        count=len(rows),
        record=rows[0].record,
        title=str(rows[0].record.facts.model) if model is None else title_of(model, visit.language),
    )


def _shown(
    case: CasePage, answer: Mapping[str, Any] | None, tag: Language
) -> answers.AnswerView | None:
    if answer is None:
        return None
    return answers.shown(answer, case.model, case.problem, tag)


def _can_ask_more(case: CasePage, answer: Mapping[str, Any] | None) -> bool:
    """Whether it was not asked for the ways out that a page asks for."""
    return (
        case.model is not None
        and answer is case.subject.answer
        and not (answer and is_past(answer))
        and not (answer and "ways" in answer)
        and bool(answer and answer["counterfactuals"])
    )


@router.post("/{id}/explanation")
async def explain(
    id: Identity, request: Request, state: Shared, recording: Recording, row: RowNumber = None
) -> Response:
    """The smallest changes that would have cleared it: asked as the API asks, and recorded."""
    visit = visit_of(request)
    case = await _found(request, state, id, row)
    model, _ = served(case)
    # In every language: whoever reads the record later may read another one.
    question = case.request.model_copy(
        update={"alternatives": 1, "languages": list(LANGUAGES), **case.beside}
    )
    _, question, arm = await assigned_in(recording, model, question)
    turn = state.turns.search(recording.principal.actor)
    budget = Budget.of(question.deadline_ms, state.settings, turn)
    work = partial(answering.explanation, model, question, budget, state.watch)
    about = case.subject.record
    marks = None if arm is None else arm.detail
    answer = await ask(
        request, RecordKind.EXPLANATION, model, question, work, about, budget.patience, marks
    )
    return page(
        request,
        "operator/answer.html",
        headers={"HX-Trigger": "explained"},
        case=case,
        shown=_shown(case, {**answer.reply.as_mapping(), **(marks or {})}, visit.language),
        reviews=[],
        may_act=_may_act(visit),
        can_ask_more=False,
        row=row or 0,
        is_new=True,
        equipment=await _equipment(state, case),
        alarm=_alarm(case),
    )


async def _reviews(state: AppState, answer: Mapping[str, Any] | None) -> list[trail.Review]:
    """What people said of an explanation."""
    if answer is None:
        return []
    read = partial(api_trail.reviews, state.store.database, answer["id"])
    said = (await state.readers.run(read)).reviews
    # What was taken back is for auditors: on the record's page both stay.
    return [each for each in said if each.withdraws is None and each.withdrawn_by is None]


def _may_act(visit: Visit) -> bool:
    return bool(visit.roles & api_trail.REVIEWERS["acted"])


@router.post("/{id}/reviews")
async def review(
    id: Identity,
    request: Request,
    state: Shared,
    recording: Recording,
    of: Annotated[str, Query(max_length=64)],
) -> Response:
    """What was done about it, and what happened: said as the API has it said."""
    names = ("verdict", "outcome", "rank", "way", "comment")
    body: dict[str, Any] = {n: v for n in names if (v := (await form_value(request, n)).strip())}
    # The form sends its outcome field whatever is chosen.
    if body.get("verdict") != "acted":
        body.pop("outcome", None)
    if "rank" in body:
        body["rank"] = whole(body["rank"])
    await reviews.given(of, validation.read(trail.ReviewRequest, body), recording)
    found = await state.readers.run(partial(api_trail.explanation, state.store.database, of))
    explanation = json.loads(found)["explanation"]
    return page(
        request,
        "operator/acted.html",
        identity=id,
        of=of,
        ranks=len(explanation["counterfactuals"]),
        told=ways_told.told(explanation) if "ways" in explanation else (),
        reviews=await _reviews(state, explanation),
        may_act=True,
    )


@router.post("/{id}/what-if")
async def what_if(id: Identity, request: Request, state: Shared, row: RowNumber = None) -> Response:
    """What would be, were these set. A preview while a slider moves: it leaves no record."""
    visit = visit_of(request)
    # `settable` reads less than a whole case: this is asked while a slider moves.
    on = await state.readers.run(partial(settable, state, id, row or 0))
    question = await _settings(request, on)
    # No record: a slider asks twenty times a second, and the trail would drown (decision 0061).
    reply = await state.previewed(partial(answering.what_if_reply, on.model, question))
    shown = outcome_of(reply.as_mapping(), on.model, visit.language, on.demand)
    return page(request, "operator/outcome.html", outcome=shown, kept=None)


@router.post("/{id}/what-if/record")
async def keep(id: Identity, request: Request, state: Shared, row: RowNumber = None) -> Response:
    """The same, asked as the API asks, and recorded."""
    visit = visit_of(request)
    on = await state.readers.run(partial(settable, state, id, row or 0))
    question = await _settings(request, on)
    work = partial(answering.what_if_reply, on.model, question)
    answer = await ask(request, RecordKind.WHAT_IF, on.model, question, work, on.subject.record)
    shown = outcome_of(answer.reply.as_mapping(), on.model, visit.language, on.demand)
    return page(request, "operator/outcome.html", outcome=shown, kept=answer.audit.id)


@router.post("/{id}/curves")
async def curves(id: Identity, request: Request, state: Shared, row: RowNumber = None) -> Response:
    """The model's word along each slider, the others as they are set; a preview, too."""
    visit = visit_of(request)
    body = await _set(request)
    case = await _found(request, state, id, row)
    model, question = served(case)
    settings: dict[int, float] = {}
    if body["set"] != {}:  # before anything is set, the curves are those of the row itself
        asked = {"instance": dict(case.subject.instance), **body}
        settings = read_request.settings(validation.read(requests.WhatIfRequest, asked).set_, model)

    def drawn() -> Response:
        assert case.problem is not None
        sliders = case.sliders
        columns = [lever.column for lever in sliders]
        found = curves_of(model, question, case.problem, settings, columns, MOST_ALONG)
        demand = question.target.demand
        return page(
            request,
            "operator/curves.html",
            curves=curve_drawing.drawn(found, sliders, model, question.target, visit.language),
            demand_percent="" if demand is None else said_demand(demand),
        )

    return await state.previewed(drawn)


async def _set(request: Request) -> dict[str, Any]:
    """Only ``set``: the instance is the recorded one, not what a browser says it was."""
    # A form's body was read for its token, and cannot be read again.
    is_form = HEADER_TOKEN not in request.headers
    body = None if is_form else await read_aside(await request.body(), application(request).parsers)
    if not isinstance(body, dict) or set(body) != {"set"}:
        raise InvalidRequest(RequestPart.REQUEST, [Fault((), "the body is not an object with set")])
    return body


async def _settings(request: Request, on: SettableAlarm) -> requests.WhatIfRequest:
    """The body names what is set; the rest of the question is the alarm's."""
    body = await _set(request)
    if body["set"] == {}:
        problem = "set something first: what is saved is what was set"
        raise InvalidRequest(RequestPart.REQUEST, [Fault(("set",), problem)])
    whole = {
        "instance": dict(on.subject.instance),
        **body,
        "rung": on.rung.value,
        "languages": list(LANGUAGES),
    }
    question = validation.read(requests.WhatIfRequest, whole)
    # Asked as the API asks, so that what is kept can be asked again.
    over = looks_on(on.model, question)
    return question if over is None else question.model_copy(update={"over": over})


@router.get("/{id}/plane")
async def plane(
    id: Identity,
    request: Request,
    state: Shared,
    row: RowNumber = None,
    x: Name = None,
    y: Name = None,
) -> Response:
    """The model's word over all settings of two levers; of which, its form says."""
    visit = visit_of(request)
    case = await _found(request, state, id, row)
    model, question = served(case)
    levers = _two(case, x, y)
    columns = levers[0].column, levers[1].column
    shown, fixed = points(case, levers), held(case, levers)
    through = [(x, y) for x, y, _ in shown]

    demand = question.target.demand

    def drawn() -> Response:
        found = plane_of(
            model,
            question,
            columns,
            MOST_VALUES,
            through,
            {each.lever.column: each.value for each in fixed},
        )
        return page(
            request,
            "operator/plane.html",
            plane=plane_drawing.drawn(found, model, visit.language, shown),
            case=case,
            levers=levers,
            held=fixed,
            predictor=model.asked_at,
            has_copy=model.deployed.has_copy,
            demand_percent="" if demand is None else said_demand(demand),
        )

    return await state.previewed(drawn)


def _two(case: CasePage, *names: str | None) -> tuple[LeverControl, LeverControl]:
    """The levers that are named; if none is, the two that matter most."""
    chosen = names if any(names) else [lever.name for lever in case.planar[:2]]
    # In the order that was asked: x before y.
    found = [lever for name in chosen for lever in case.planar if lever.name == name]
    if len(found) != 2 or found[0] == found[1]:
        text = "x and y are not two levers that have a slider"
        raise InvalidRequest(RequestPart.REQUEST, [Fault(("x",), text, parameter="x")])
    return found[0], found[1]
