"""What became of advice, as a page shows it: a line for all of it, and one for each group."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request, Response

from ifonly.explainers.wording import Language
from ifonly.explainers.wording.numerals import count, figure
from ifonly.models.errors import UnknownModel
from ifonly.service.audit.follow_up import telling
from ifonly.service.audit.follow_up.telling import ATTRIBUTE
from ifonly.service.doors.http.arguments import reads_query
from ifonly.service.doors.http.context import Shared
from ifonly.service.doors.pages.auditor import report, search
from ifonly.service.doors.pages.auditor.naming import moment
from ifonly.service.doors.pages.auditor.report import ShownInterval, interval_of
from ifonly.service.doors.pages.rendering import page
from ifonly.service.doors.pages.request_path import PageRoute
from ifonly.service.doors.pages.visit import visit_of
from ifonly.service.errors import InvalidRequest
from ifonly.service.served.registry import Registry
from ifonly.service.wire import outcomes as wire
from ifonly.service.wire import validation
from ifonly.service.words.catalogue import say

router = APIRouter(route_class=PageRoute, include_in_schema=False)

FIELDS = ("model", "since", "until", "by", "window_minutes")
GROUPS = ("lever", "way", "version")
Minutes = Annotated[int, Query(ge=1, le=wire.MAX_WINDOW_MINUTES)]


@dataclass(frozen=True, slots=True)
class FollowUpLine:
    """All advice, or one group."""

    label: str
    advised: str
    followed: ShownInterval
    carried_out: ShownInterval
    success_followed: ShownInterval
    success_not_followed: ShownInterval
    unknown: str
    """Successes of advice of which nobody knows whether it was followed; empty: no outcome."""
    difference: str
    """In percentage points with its interval; empty: there is none."""
    contradicted: int


@dataclass(frozen=True, slots=True)
class FollowUpPage:
    """Everything that is told."""

    model: str
    period: tuple[str, str]
    lines: tuple[FollowUpLine, ...]
    """All advice first."""

    @property
    def is_empty(self) -> bool:
        return self.lines[0].advised == "0"


@router.get("/report/follow-up")
@reads_query(*FIELDS)
async def read_follow_up(request: Request, state: Shared) -> Response:
    """Advice of a period: how much of it was followed, and with which outcome."""
    tag = visit_of(request).language
    filters = report.given(request.query_params, state.registry, FIELDS)
    told, problem = None, ""
    if "model" in filters:
        try:
            query = validation.read(wire.FollowUpQuery, _asked(filters))
            database, registry = state.store.database, state.registry
            found = await state.auditors.run(lambda: telling.report(database, registry, query))
            told = shown(found.reply, state.registry, tag)
        except InvalidRequest as error:
            problem = str(error)
    return page(
        request,
        "auditor/follow_up.html",
        status=422 if problem else 200,
        told=told,
        problem=problem,
        filters=search.form(filters, FIELDS),
        models=state.registry.names(),
        groups=_choices(state.registry, filters.get("model"), tag),
        sheet=f"/api/v1/audit/follow-up?{urlencode({**filters, 'format': 'csv', 'language': tag})}",
    )


def _asked(filters: Mapping[str, str]) -> dict[str, str | int]:
    minutes = filters.get("window_minutes")
    if minutes is None or not minutes.isdecimal():
        return dict(filters)
    return {**filters, "window_minutes": int(minutes)}


def _choices(registry: Registry, model: str | None, tag: Language) -> list[tuple[str, str]]:
    """By what advice can be grouped: key and name."""
    found = [(name, say(f"follow_up.by_{name}", tag)) for name in GROUPS]
    try:
        declared = registry.find(model or "").deployed.spec.attributes
    except UnknownModel:
        return found
    return [*found, *((f"{ATTRIBUTE}{each.name}", each.name) for each in declared.declared)]


def shown(told: wire.FollowUpReport, registry: Registry, tag: Language) -> FollowUpPage:
    """``told``, in the reader's language."""
    labels = telling.labels(told, registry, tag)
    every = [(say("recourse.total", tag), told.total)]
    every += [(labels.get(group.group, group.group), group) for group in told.groups]
    return FollowUpPage(
        told.model,
        (moment(told.since)[:-3], moment(told.until)[:-3]),
        tuple(_line(name, group) for name, group in every),
    )


def _line(name: str, group: wire.FollowUpGroup) -> FollowUpLine:
    gap = group.difference
    points = ""
    if gap is not None:
        value, low, high = (figure(100 * e, 3, signed=True) for e in (gap.value, gap.low, gap.high))
        points = f"{value} ({low} – {high})"
    return FollowUpLine(
        name,
        count(group.advised),
        interval_of(group.followed),
        interval_of(group.carried_out),
        interval_of(group.success_followed),
        interval_of(group.success_not_followed),
        interval_of(group.success_unknown).detail if group.success_unknown.of else "",
        points,
        group.contradicted,
    )
