"""Whether recourse was fair by what was recorded. Runs in threads that read the store."""

from __future__ import annotations

from ifonly.service.audit import oversight
from ifonly.service.audit.fairness.measuring import FairnessQuestion, compared
from ifonly.service.audit.fairness.table import csv_of
from ifonly.service.audit.fairness.telling import FairnessScope, told
from ifonly.service.audit.follow_up.reading import followed
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
    cases = [case for case in cases if case.id not in again]
    features = oversight.features_of(registry, query.model)
    question = FairnessQuestion(tuple(query.by), query.least, query.depth, query.budget)
    found = compared(cases, features, question, follow_ups)
    scope = FairnessScope(query.model, timestamp(since), timestamp(until))
    return told(found, features, scope)


def as_csv(database: Database, registry: Registry, query: wire.FairnessQuery) -> bytes:
    """The same as one table; raises as :func:`fairness`."""
    return csv_of(fairness(database, registry, query), query.language)
