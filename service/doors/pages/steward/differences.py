"""The page on which two versions stand side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response

from ifonly.explainers.wording import Language
from ifonly.service.access import Role
from ifonly.service.audit import staging, version_pairs
from ifonly.service.doors.http.context import Recording, Shared
from ifonly.service.doors.pages.auditor.naming import said_in
from ifonly.service.doors.pages.rendering import page
from ifonly.service.doors.pages.request_path import PageRoute
from ifonly.service.doors.pages.visit import visit_of
from ifonly.service.wire import differences as wire

router = APIRouter(route_class=PageRoute, include_in_schema=False)

Version = Annotated[str, Query(max_length=128)]
PARTS: tuple[wire.Part, ...] = ("decision", "features", "policy", "alarm", "causal", "other")


@dataclass(frozen=True, slots=True)
class ValuePair:
    label: str
    key: str
    way: wire.Way
    was: str
    now: str


@dataclass(frozen=True, slots=True)
class RulePair:
    way: wire.Way
    was: str
    now: str


@router.get("/models/{model}/differences")
async def show_differences(
    model: Annotated[str, Path(max_length=128)],
    request: Request,
    state: Shared,
    recording: Recording,
    before: Version = "",
    version: Version = "",
) -> Response:
    """What a version says otherwise than another."""
    visit = visit_of(request)
    query = wire.DifferencesQuery(version=version or None, before=before or None)
    look = partial(version_pairs.differences, state.registry, model, query, recording.principal)
    told = await state.auditors.run(look)
    may_decide = Role.ADMIN in visit.roles
    staged = (
        [s.version for s in staging.summaries(state.registry) if s.name == model]
        if may_decide
        else []
    )
    return page(
        request,
        "steward/differences.html",
        told=told,
        parts_of=[(part, [*_lines(told.values, part, visit.language)]) for part in PARTS],
        rules=[*_rules(told.rules, visit.language)],
        versions=[*state.registry.versions(model), *staged],
        may_decide=may_decide,
        model_is_same=any(d.file == "model.onnx" and d.was == d.now for d in told.digests),
    )


def _lines(
    values: Sequence[wire.ValueDifference], part: wire.Part, tag: Language
) -> Iterator[ValuePair]:
    for each in values:
        if each.part == part:
            label = said_in(each.label, tag)[0]
            yield ValuePair(label, each.key, each.way, each.was or "–", each.now or "–")


def _rules(rules: Sequence[wire.RuleDifference], tag: Language) -> Iterator[RulePair]:
    for each in rules:
        was, now = ("–" if said is None else said_in(said, tag)[0] for said in (each.was, each.now))
        yield RulePair(each.way, was, now)
