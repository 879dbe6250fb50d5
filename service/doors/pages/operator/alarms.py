"""Routes of the list of recent predictions, and of the sign that there are new ones."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.sse import format_sse_event

from ifonly.service.doors.http.authentication import Admitted
from ifonly.service.doors.http.context import AppState, Shared
from ifonly.service.doors.http.streams import STILL_THERE, changes, streamed
from ifonly.service.doors.pages.operator.listing import listed
from ifonly.service.doors.pages.rendering import page
from ifonly.service.doors.pages.request_path import PageRoute
from ifonly.service.doors.pages.visit import is_still, visit_of
from ifonly.service.store import recent

router = APIRouter(route_class=PageRoute, include_in_schema=False)

LOOK_SECONDS = 1.0
"""Between two looks whether there is something new, for who listens."""
Cursor = Annotated[str | None, Query(max_length=512)]


@router.get("/alarms")
async def list_alarms(
    request: Request, state: Shared, alarms: Cursor = None, others: Cursor = None
) -> Response:
    """Alarms first, then whatever else was predicted; the newest of each."""
    visit = visit_of(request)
    read = partial(listed, state.store.database, state.registry, tag=visit.language)
    found = await state.readers.run(lambda: (read("alarms", alarms), read("others", others)))
    return page(request, "operator/alarms.html", alarms=found[0], others=found[1])


@router.get("/alarms/events")
async def follow_alarms(request: Request, state: Shared) -> Response:
    """Server-sent events: ``changed`` each time that a list has a new entry; until the session
    ends."""
    return streamed(_signs(state, Admitted(partial(is_still, request))))


async def _signs(state: AppState, admitted: Admitted) -> AsyncIterator[bytes]:
    look = partial(state.readers.run, partial(recent.newest, state.store.database))
    # Looked at before the first event, so that nothing new in between is missed.
    newest = await look()
    # Browsers then come back two seconds after the stream breaks.
    yield format_sse_event(retry=2_000)
    async for sign in changes(look, newest, LOOK_SECONDS, state.closing, admitted):
        yield STILL_THERE if sign is None else format_sse_event(event="changed", data_str="")
