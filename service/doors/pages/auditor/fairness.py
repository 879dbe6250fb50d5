"""The page of fairness: which groups are compared, and what was found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter, Request, Response

from ifonly.explainers.wording import Language
from ifonly.models.errors import UnknownModel
from ifonly.service.audit.fairness import recorded
from ifonly.service.doors.http.arguments import reads_query
from ifonly.service.doors.http.context import Shared
from ifonly.service.doors.pages.auditor import report, search
from ifonly.service.doors.pages.auditor.fairness_shown import shown
from ifonly.service.doors.pages.rendering import page
from ifonly.service.doors.pages.request_path import PageRoute
from ifonly.service.doors.pages.visit import visit_of
from ifonly.service.errors import InvalidRequest
from ifonly.service.served.registry import Registry
from ifonly.service.wire import fairness as wire
from ifonly.service.wire import validation

router = APIRouter(route_class=PageRoute, include_in_schema=False)

FIELDS = ("model", "since", "until", "least", "budget")
BY = "by"


@router.get("/report/fairness")
@reads_query(*FIELDS, BY)
async def read_fairness(request: Request, state: Shared) -> Response:
    """Groups by several attributes, compared in all that was recorded."""
    tag = visit_of(request).language
    filters = report.given(request.query_params, state.registry, FIELDS)
    by = [how for how in request.query_params.getlist(BY) if how]
    told, problem = None, ""
    if "model" in filters and by:
        try:
            query = validation.read(wire.FairnessQuery, asked(filters, by))
            compare = partial(recorded.fairness, state.store.database, state.registry, query)
            told = shown(await state.auditors.run(compare), tag)
        except InvalidRequest as error:
            problem = str(error)
    return page(
        request,
        "auditor/fairness.html",
        status=422 if problem else 200,
        told=told,
        problem=problem,
        filters=search.form(filters, FIELDS),
        by=by,
        models=state.registry.names(),
        choices=_choices(state.registry, filters.get("model"), by, tag),
        sheet=_sheet(filters, by, tag),
    )


def _sheet(filters: Mapping[str, str], by: Sequence[str], tag: Language) -> str:
    """Where it is as CSV."""
    said = [*filters.items(), *((BY, how) for how in by), ("format", "csv"), ("language", tag)]
    return f"/api/v1/audit/fairness?{urlencode(said)}"


def asked(filters: Mapping[str, str], by: Sequence[str]) -> dict[str, Any]:
    """The API's question."""
    said: dict[str, Any] = {**filters, BY: list(by)}
    for name, read in (("least", int), ("budget", float)):
        try:
            said[name] = read(said[name])
        # Left as it was written: the schema says what is wrong with it.
        except (KeyError, ValueError):
            continue
    return said


def _choices(
    registry: Registry, model: str | None, by: Sequence[str], tag: Language
) -> list[tuple[str, str]]:
    """By what can be grouped: key and name. Attributes that no spec declares were asked for by
    their address."""
    found = list(report.features(registry, model, tag))
    try:
        declared = registry.find(model or "").deployed.spec.attributes
        found += [(f"attribute:{each.name}", each.name) for each in declared.declared]
    except UnknownModel:
        pass
    known = {key for key, _ in found}
    return [*found, *((how, how.partition(":")[2]) for how in by if how not in known)]
