"""Routes of the list of recent predictions, and of the sign that there are new ones."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import suppress
from functools import partial
from typing import Annotated, Any
from urllib.parse import urlencode, urlsplit

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import RedirectResponse
from fastapi.sse import format_sse_event

from ifonly.models.errors import UnknownModel
from ifonly.service.access import Role
from ifonly.service.audit.alarms import given, priority
from ifonly.service.audit.alarms_together import given_together
from ifonly.service.doors.http import permissions
from ifonly.service.doors.http.authentication import Admitted
from ifonly.service.doors.http.context import AppState, Recording, Shared
from ifonly.service.doors.http.streams import STILL_THERE, changes, streamed
from ifonly.service.doors.pages.operator import episodes, together
from ifonly.service.doors.pages.operator.listing import listed
from ifonly.service.doors.pages.operator.remedies import brief_of
from ifonly.service.doors.pages.operator.remedy_question import RemedyQuestion
from ifonly.service.doors.pages.rendering import page
from ifonly.service.doors.pages.request_path import PageRoute
from ifonly.service.doors.pages.visit import form_value, is_still, local, visit_of, whole, without
from ifonly.service.errors import AlarmMoved, AlarmOver, Overloaded
from ifonly.service.lifecycle import AlarmDeed, AlarmState
from ifonly.service.store import alarms as store_alarms
from ifonly.service.store import recent
from ifonly.service.store.alarms import SORTS
from ifonly.service.store.chain import DAY_US, now_us
from ifonly.service.wire import validation
from ifonly.service.wire.alarms import ActionRequest, ActionsRequest

router = APIRouter(route_class=PageRoute, include_in_schema=False)

Identity = Annotated[str, Path(max_length=64, pattern=r"^[^\x00]*$")]
LOOK_SECONDS = 1.0
"""Between two looks whether there is something new, for who listens."""
LONGEST_US = 7 * DAY_US
"""Of a page that is open, and comes back to its events."""
Cursor = Annotated[str | None, Query(max_length=512)]
# No NUL: PostgreSQL refuses it in text.
Filter = Annotated[str, Query(max_length=128, pattern=r"^[^\x00]*$")]
Amount = Annotated[str, Query(max_length=6)]


@router.get("/alarms")
async def list_alarms(
    request: Request,
    state: Shared,
    alarms: Cursor = None,
    others: Cursor = None,
    wanted: Annotated[str, Query(alias="state", max_length=128)] = "",
    search: Filter = "",
    sort: Filter = "",
    equipment: Filter = "",
    lever: Annotated[str, Query(max_length=256, pattern=r"^[^\x00]*$")] = "",
    number: Annotated[str, Query(alias="page", max_length=4)] = "",
    by: Filter = "",
    group: Filter = "",
    moved: bool = False,
    done: Amount = "",
    left: Amount = "",
) -> Response:
    """Equipment in alarm; then predictions one by one, alarms first, the newest of each."""
    visit = visit_of(request)
    filters = {"state": wanted, "search": search, "sort": sort, "page": number}
    filters |= {"equipment": equipment, "lever": lever, "by": by, "group": group}
    database, registry, tag = state.store.database, state.registry, visit.language
    read = partial(listed, database, registry, tag=tag)
    rules = state.settings.flood_rules
    groups, machines, *found = await state.readers.run(
        lambda: (
            together.together(database, registry, rules, filters, tag),
            episodes.listed(database, registry, filters, tag),
            read("alarms", alarms),
            read("others", others),
        )
    )
    return page(
        request,
        "operator/alarms.html",
        alarms=found[0],
        others=found[1],
        equipment=machines,
        groups=groups,
        flood_seconds=RemedyQuestion().seconds,
        flood_remedy=brief_of(request, state, groups.flood),
        shown_groups=together.SHOWN,
        done_together=together.told(done, left, tag),
        settled=without(visit.path, "moved", "done", "left"),
        states=AlarmState,
        sorts=SORTS,
        minutes=episodes.MINUTES,
        deeds=partial(episodes.deeds, tag=tag),
        may_act=bool(visit.roles & permissions.PAGES["POST", "/alarms/{id}/actions"]),
        moved=moved,
        # Whoever comes to it first has nothing to look at.
        is_first=not (found[0].entries or found[1].entries or machines.is_there),
        example=_example(state),
        may_demonstrate=_may_demonstrate(state, visit.roles),
    )


def _example(state: AppState) -> str:
    """Where the form with the first example that a model ships is; empty: none ships any."""
    for name in state.registry.names():
        with suppress(UnknownModel):
            for example in state.registry.find(name).deployed.examples:
                return "/readings?" + urlencode({"model": name, "example": example.id})
    return ""


def _may_demonstrate(state: AppState, roles: frozenset[Role]) -> bool:
    return (
        state.demonstration is not None
        and not state.demonstration.is_running
        and state.demonstration.is_offered(state.registry)
        and bool(roles & permissions.PAGES["POST", "/demonstration"])
    )


@router.post("/alarms/{id}/actions")
async def act(id: Identity, request: Request, recording: Recording) -> Response:
    """Acknowledge, shelve, comment, say what was done: as the API has it done."""
    names = ("action", "comment", "minutes", "returns", "way", "explanation")
    body: dict[str, Any] = {n: v for n in names if (v := (await form_value(request, n)).strip())}
    # The form sends its number of minutes whatever is chosen.
    if body.get("action") != AlarmDeed.SHELVE:
        body.pop("minutes", None)
    body |= {n: whole(body[n]) for n in ("minutes", "returns") if n in body}
    back = local(await form_value(request, "back"))
    try:
        await given(id, validation.read(ActionRequest, body), recording)
    except (AlarmMoved, AlarmOver):
        # The list again, which says so: it is not as they looked at it.
        back += ("&" if urlsplit(back).query else "?") + "moved=true"
    return RedirectResponse(back, 303)


@router.post("/alarms/actions")
async def act_together(request: Request, state: Shared, recording: Recording) -> Response:
    """Acknowledge a group, or all that were shown: none that was raised, or returned, since."""
    names = ("seen", "by", "group", "flood", "back")
    form = {name: await form_value(request, name) for name in names}
    database, registry = state.store.database, state.registry
    found = await state.readers.run(lambda: together.chosen(database, registry, form))
    came = None
    if found.seen:
        looked = [{"id": each.id, "returns": each.returns} for each in found.seen]
        body = {"action": await form_value(request, "action"), "alarms": looked}
        came = await given_together(validation.read(ActionsRequest, body), recording)
    back = without(local(form["back"]), "moved", "done", "left", "page")
    done = 0 if came is None else len(came.done)
    left = found.left + (0 if came is None else len(came.moved))
    said = urlencode({"done": done, "left": left})
    return RedirectResponse(f"{back}{'&' if urlsplit(back).query else '?'}{said}", 303)


@router.get("/alarms/events")
async def follow_alarms(request: Request, state: Shared) -> Response:
    """Server-sent events: ``changed`` each time that a list has a new entry, with the alarms that
    were raised since the page was opened and that nobody has acknowledged; until the session
    ends."""
    opened = _opened(request.headers.get("last-event-id", ""), now_us())
    return streamed(_signs(state, Admitted(partial(is_still, request)), opened))


def _opened(said: str, now: int) -> int:
    """Since when a page is open: a browser that comes back says what it was told (``said``)."""
    is_time = said.isascii() and said.isdecimal() and len(said) <= len(str(now))
    return int(said) if is_time and now - LONGEST_US <= int(said) <= now else now


async def _signs(state: AppState, admitted: Admitted, opened: int) -> AsyncIterator[bytes]:
    database = state.store.database

    def raised() -> str:
        found = store_alarms.raised_since(database, opened, now_us())
        return json.dumps(
            [
                {"raise": f"{e.id}/{e.life.returns}", "priority": priority(e, state.registry)}
                for e in found
            ]
        )

    def newest() -> object:
        return recent.newest(database), store_alarms.newest(database)

    look = partial(state.readers.run, newest)
    # Looked at before the first event, so that nothing new in between is missed.
    seen = await look()
    # Browsers then come back two seconds after the stream breaks.
    yield format_sse_event(retry=2_000)
    yield format_sse_event(id=str(opened))
    async for sign in changes(look, seen, LOOK_SECONDS, state.closing, admitted):
        if sign is None:
            yield STILL_THERE
            continue
        told = "[]"
        with suppress(Overloaded):  # the list says it all the same
            told = await state.readers.run(raised)
        yield format_sse_event(event="changed", data_str=told)
