"""The button that has simulated machines begin, and stop."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from starlette.exceptions import HTTPException

from ifonly.service.doors.demonstration import NotShipped
from ifonly.service.doors.http.context import Shared
from ifonly.service.doors.pages.request_path import PageRoute
from ifonly.service.doors.pages.visit import form_value
from ifonly.service.errors import Forbidden

router = APIRouter(route_class=PageRoute, include_in_schema=False)


@router.post("/demonstration")
async def demonstrate(request: Request, state: Shared) -> Response:
    """``action``: ``start`` or ``stop``; then the list of alarms."""
    if state.demonstration is None:  # with accounts there is no such thing
        raise HTTPException(404)
    if await form_value(request, "action") == "stop":
        state.demonstration.stop()
    else:
        try:
            state.demonstration.start(_own_url(request), state.registry)
        except NotShipped as error:
            raise Forbidden(str(error)) from None
    return RedirectResponse("/alarms", 303)


def _own_url(request: Request) -> str:
    """Where this service listens: not the header ``Host``, which is the client's to say."""
    host, port = request.scope["server"]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
