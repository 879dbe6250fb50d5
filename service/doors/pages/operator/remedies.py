"""Routes of the page on which one change is sought for many alarms."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from fastapi import APIRouter, Request, Response

from ifonly.explainers.wording import Language
from ifonly.models.errors import UnknownModel
from ifonly.service.doors.http.arguments import reads_query
from ifonly.service.doors.http.context import AppState, Recording, Shared
from ifonly.service.doors.pages.common_changes import ask_common
from ifonly.service.doors.pages.operator import together
from ifonly.service.doors.pages.operator.remedy_question import (
    CHANGES,
    CUSTOM,
    FIELDS,
    FLOOD,
    MOST_LEVERS,
    MOST_ROWS,
    SPAN_NAMES,
    RemedyQuestion,
    WantedAlarms,
    asked,
    wanted,
)
from ifonly.service.doors.pages.operator.remedy_view import RemedyView, remedy_view
from ifonly.service.doors.pages.operator.together import ShownFlood, attribute_label, title_of
from ifonly.service.doors.pages.remedy_memory import FloodRemedy, FoundRemedy, key_of
from ifonly.service.doors.pages.rendering import is_part, page
from ifonly.service.doors.pages.request_path import PageRoute
from ifonly.service.doors.pages.visit import pages_of, visit_of
from ifonly.service.served.registry import ServedModel
from ifonly.service.store.chain import now_us, timestamp
from ifonly.service.words.catalogue import say

REST_US = 30_000_000
"""A flood grows with every reading: what was found for it is looked for anew only so often."""

router = APIRouter(route_class=PageRoute, include_in_schema=False)


@dataclass(frozen=True, slots=True)
class ShownRemedy:
    """An answer, and which alarms it is about."""

    view: RemedyView
    time: str
    unreadable: int


@router.get("/remedies")
@reads_query(*FIELDS)
async def show_remedies(request: Request, state: Shared) -> Response:
    """The question; and its answer, if it was found a moment ago: else that is asked for once the
    page is there."""
    question = asked(request.query_params)
    found = await _wanted(state, question)
    model = _model(state, found)
    known = None
    if model is not None and found.found is not None and found.rows:
        key = key_of(model, question.body(found.found, model), found.rows)
        known = pages_of(request).remedies.get(key)
    return _page(request, state, question, found, model, known)


@router.post("/remedies/flood")
async def find_for_flood(request: Request, state: Shared, recording: Recording) -> Response:
    """One change for the flood that is shown, for its place on the list of alarms."""
    # One lever: what somebody can do at once, and proven soonest. The page has more.
    question = RemedyQuestion(span=FLOOD, levers=1)
    database, rules = state.store.database, state.settings.flood_rules
    look = partial(together.flood_now, database, state.registry, rules)
    shown = await state.readers.run(look)
    found = await _wanted(state, question)
    model = _model(state, found)
    remedy = None
    if shown is not None and model is not None and found.rows:
        known = await found_remedy(request, state, recording, model, question, found)
        remedy = FloodRemedy(shown.mark, known)
        key = flood_key(state, shown.since_us)
        pages_of(request).remedies.put_of_flood(key, remedy)
    tag = visit_of(request).language
    return page(
        request,
        "operator/flood_remedy.html",
        flood=shown,
        flood_seconds=question.seconds,
        remedy=None if remedy is None else brief(remedy, shown, tag),
    )


def flood_key(state: AppState, since_us: int) -> Hashable:
    """Under which what was found for a flood is remembered."""
    return state.store.database.scope, since_us


@dataclass(frozen=True, slots=True)
class BriefRemedy:
    """What was found for a flood, as the list of alarms shows it."""

    view: RemedyView
    time: str
    is_of_these: bool
    """Whether it is of the very alarms that are shown."""
    is_old: bool
    """Whether it is looked for anew."""


def brief(remedy: FloodRemedy, flood: ShownFlood | None, tag: Language) -> BriefRemedy:
    """As the list shows it beside ``flood``."""
    known = remedy.found
    is_same = flood is not None and flood.mark == remedy.mark
    return BriefRemedy(
        remedy_view(known.reply, known.rows, known.model, tag),
        timestamp(known.time_us),
        is_same,
        not is_same and known.time_us < now_us() - REST_US,
    )


def brief_of(request: Request, state: AppState, flood: ShownFlood | None) -> BriefRemedy | None:
    """What was found for the flood a moment ago."""
    if flood is None:
        return None
    known = pages_of(request).remedies.of_flood(flood_key(state, flood.since_us))
    return None if known is None else brief(known, flood, visit_of(request).language)


@router.post("/remedies")
@reads_query(*FIELDS)
async def find_remedy(request: Request, state: Shared, recording: Recording) -> Response:
    """Look for it: asked as the API asks, and recorded."""
    question = asked(request.query_params)
    found = await _wanted(state, question)
    model = _model(state, found)
    known = None
    if model is not None and found.found is not None and found.rows:
        known = await found_remedy(request, state, recording, model, question, found)
    if is_part(request):
        return page(
            request, "operator/remedy.html", **_answer(request, question, found, known), is_new=True
        )
    return _page(request, state, question, found, model, known)


async def found_remedy(
    request: Request,
    state: AppState,
    recording: Recording,
    model: ServedModel,
    question: RemedyQuestion,
    found: WantedAlarms,
) -> FoundRemedy:
    """What was found for these alarms, or is found now.

    Raises
    ------
    ServiceError, Refusal, GraphError
        As the API's route of this question.
    """
    assert found.found is not None  # there are alarms
    memory, body = pages_of(request).remedies, question.body(found.found, model)
    key = key_of(model, body, found.rows)
    async with memory.alone(key):
        if (known := memory.get(key)) is not None:
            return known
        answer = await ask_common(request, state, recording, model, body)
        # Readings are not remembered: whoever has a record erased would be told of them.
        rows = tuple(replace(row, instance={}) for row in found.rows)
        made = FoundRemedy(answer.reply.as_mapping(), rows, model, now_us())
        memory.put(key, made)
        return made


async def _wanted(state: AppState, question: RemedyQuestion) -> WantedAlarms:
    settings = state.settings
    look = partial(
        wanted, state.store.database, state.registry, settings.plant_times, settings.flood_rules,
        question, now_us(),
    )  # fmt: skip
    return await state.readers.run(look)


def _model(state: AppState, found: WantedAlarms) -> ServedModel | None:
    """None: there are no alarms, or their model is not served any more."""
    try:
        return None if found.found is None else state.registry.get(found.found.model)
    except UnknownModel:
        return None


def _page(
    request: Request,
    state: AppState,
    question: RemedyQuestion,
    found: WantedAlarms,
    model: ServedModel | None,
    known: FoundRemedy | None,
) -> Response:
    tag, registry = visit_of(request).language, state.registry
    models = () if found.found is None else tuple(found.found.models.items())
    return page(
        request,
        "operator/remedies.html",
        spans=[(name, say(f"span.{name}", tag)) for name in SPAN_NAMES],
        changes=[(name, say(f"remedy_change.{name}", tag)) for name in CHANGES],
        most_levers=MOST_LEVERS,
        most_rows=MOST_ROWS,
        custom=CUSTOM,
        of_group=_group(question, found, state, tag),
        models=[(name, title_of(name, registry, tag), count) for name, count in models],
        model=model,
        title="" if found.found is None else title_of(found.found.model, registry, tag),
        is_new=False,
        zone=state.settings.time_zone,
        **_answer(request, question, found, known),
    )


def _answer(
    request: Request, question: RemedyQuestion, found: WantedAlarms, known: FoundRemedy | None
) -> Mapping[str, Any]:
    tag = visit_of(request).language
    show = request.query_params.get("show", "")
    shown = None
    if known is not None:
        number = int(show) if show.isascii() and show.isdecimal() and len(show) < 4 else None
        view = remedy_view(known.reply, known.rows, known.model, tag, number)
        unreadable = 0 if found.found is None else found.found.unreadable
        shown = ShownRemedy(view, timestamp(known.time_us), unreadable)
    return {"question": question, "found": found, "shown": shown}


def _group(question: RemedyQuestion, found: WantedAlarms, state: AppState, tag: Language) -> str:
    """``equipment Mill 7``: of whose alarms alone; empty: of all."""
    if not (question.by and question.group):
        return ""
    models = () if found.found is None else tuple(found.found.models)
    if question.by in ("equipment", "model"):
        return f"{say(f'together.{question.by}', tag)} {question.group}"
    return f"{attribute_label(question.by, models, state.registry, tag)} {question.group}"
