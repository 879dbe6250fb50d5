"""Whether recourse was fair by what was recorded. Runs in threads that read the store."""

from __future__ import annotations

import json
from collections.abc import Sequence

from ifonly.explainers.answer import Status
from ifonly.service.audit import oversight
from ifonly.service.audit.fairness.measuring import FairnessQuestion, compared
from ifonly.service.audit.fairness.table import csv_of
from ifonly.service.audit.fairness.telling import FairnessScope, told
from ifonly.service.audit.follow_up.reading import followed
from ifonly.service.audit.recourse_by_group.cases import RecourseCase
from ifonly.service.lifecycle import MINUTE_US
from ifonly.service.served.registry import Registry
from ifonly.service.store.chain import timestamp
from ifonly.service.store.database import Database
from ifonly.service.wire import fairness as wire


def fairness(
    database: Database, registry: Registry, query: wire.FairnessQuery
) -> wire.FairnessReply:
    """Of a model's explanations in a period.

    Raises
    ------
    InvalidRequest
        If a time is none, a feature is unknown, or there are too many explanations.
    StoreUnavailable, StoreDamaged
        If the store cannot be read.
    """
    since, until = oversight.period_of(query.since, query.until)
    cases = oversight.cases_about(database, query.model, since, until)
    window = query.window_minutes * MINUTE_US
    advice = followed(database, registry, query.model, since, until, window)
    # Asked again about one reading of one machine it is one advice, and counts once: at the first.
    follow_ups = {each.ids[0]: each for each in advice.advised}
    again = {identity for each in advice.each for identity in each.ids[1:]}
    cases = asked_once([case for case in cases if case.id not in again], window)
    features = oversight.features_of(registry, query.model)
    question = FairnessQuestion(tuple(query.by), query.least, query.depth, query.budget)
    found = compared(cases, features, question, follow_ups)
    scope = FairnessScope(query.model, timestamp(since), timestamp(until))
    return told(found, features, scope)


def asked_once(cases: Sequence[RecourseCase], window_us: int) -> list[RecourseCase]:
    """Explanations without advice that were asked again are one: about the same reading of the same
    individual, by the same policy, within ``window_us`` of the first. What was found, or is proven
    not to be there, counts before what was not settled; else the first."""
    first, best = dict[str, int](), dict[int, int]()
    of = []
    for k, case in enumerate(cases):
        question = _question_of(case)
        begun = first.get(question)
        if begun is None or abs(case.time_us - cases[begun].time_us) > window_us:
            first[question] = begun = k
        of.append(begun)
        if _said(case) > _said(cases[best.setdefault(begun, k)]):
            best[begun] = k
    return [
        case for k, case in enumerate(cases) if case.erased or case.has_recourse or best[of[k]] == k
    ]


def _question_of(case: RecourseCase) -> str:
    asked = [case.policy, case.instance, case.attributes]
    return json.dumps(asked, sort_keys=True, default=str)


def _said(case: RecourseCase) -> int:
    if case.has_recourse:
        return 2
    return 1 if case.status == Status.INFEASIBLE else 0


def as_csv(database: Database, registry: Registry, query: wire.FairnessQuery) -> bytes:
    """The same as one table; raises as :func:`fairness`."""
    return csv_of(fairness(database, registry, query), query.language)
