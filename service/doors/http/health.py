"""Is the process alive, and can it answer?"""

from __future__ import annotations

from fastapi import APIRouter
from starlette.datastructures import Headers
from starlette.routing import Match
from starlette.types import Scope

from ifonly.models.onnx.watchdog import watchdog
from ifonly.service.ask.problem_types import NOT_READY
from ifonly.service.ask.problems import Refusal
from ifonly.service.doors.http.context import AppState, Shared
from ifonly.service.doors.http.openapi import refusals
from ifonly.service.doors.http.request_path import PublicRoute
from ifonly.service.wire.models import Alive, Live, Ready

router = APIRouter(prefix="/healthz", route_class=PublicRoute, tags=["health"])


def asks_for_html(headers: Headers) -> bool:
    """Whether a browser asks, to show it to somebody."""
    return "text/html" in headers.get("accept", "")


class ProgramsRoute(PublicRoute):
    """A route for programs: whoever asks for HTML is a browser, whose page of the same path is
    another route."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        if asks_for_html(Headers(scope=scope)):
            return Match.NONE, {}
        return super().matches(scope)


front = APIRouter(route_class=ProgramsRoute, tags=["health"])


@front.get("/", responses=refusals())
async def alive() -> Alive:
    """The process runs (KServe's protocol V1). A browser, which asks for HTML, gets the pages."""
    return Alive()


@router.get("/live", responses=refusals())
async def live() -> Live:
    """The process runs and its event loop turns."""
    return Live()


@router.get("/ready", responses=refusals(503))
async def ready(state: Shared) -> Ready:
    """At least one model is served, no thread is stuck in one, and the store takes records."""
    return Ready(models=models_ready(state), differing=list(state.registry.differing()))


def models_ready(state: AppState) -> int:
    """How many models are served.

    Raises
    ------
    Refusal
        If none is, or nothing could be answered or recorded.
    """
    count = len(state.registry.in_service())
    # A stuck thread never comes back: an orchestrator should replace the process.
    if stuck := watchdog.stuck:
        named = ", ".join(stuck)
        raise Refusal(NOT_READY, f"a run of {named} does not end, and its thread with it")
    if not count:
        raise Refusal(NOT_READY, "no model is served; GET /api/v1/models has the reasons")
    if not state.store.journal.is_well:
        raise Refusal(NOT_READY, "the store takes no records; the log has the reason")
    return count
