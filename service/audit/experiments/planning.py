"""What is known of a model's alarms before an experiment: how many, and how a metric varies."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ifonly.service.audit.experiments.results import metric_values
from ifonly.service.audit.follow_up.reading import followed
from ifonly.service.experiments.experiment import AssignedUnit
from ifonly.service.lifecycle import MINUTE_US
from ifonly.service.served.registry import Registry
from ifonly.service.store.chain import DAY_US, now_us
from ifonly.service.store.database import Database

DAYS = 28
"""Whole weeks: weekdays differ."""


@dataclass(frozen=True)
class RecentUnits:
    """Of the last :data:`DAYS` days."""

    units: int
    """That an experiment would have assigned."""
    known: int
    """Of those, that have the metric."""
    mean: float | None
    deviation: float | None
    """Of the metric between units; None: of too few it is known."""


def recent(
    database: Database,
    registry: Registry,
    model: str,
    metric: str,
    unit: AssignedUnit,
    within_minutes: int,
) -> RecentUnits:
    """Of alarms of ``model`` whose window is over.

    Raises
    ------
    StoreUnavailable, StoreDamaged
        If the store cannot be read.
    """
    window, now = within_minutes * MINUTE_US, now_us()
    since = now - window - DAYS * DAY_US
    came = followed(database, registry, model, since, now - window, window)
    by_unit: dict[str, list[float]] = {}
    for each in came.each:
        condition = each.advice.condition
        if condition is None:
            continue  # of no equipment: an experiment assigns none
        name = condition if unit is AssignedUnit.EQUIPMENT else each.advice.id
        values = dict(metric_values(each, within_minutes))
        known = by_unit.setdefault(name, [])
        known += [values[metric]] if metric in values else []
    means = [float(np.mean(values)) for values in by_unit.values() if values]
    return RecentUnits(
        len(by_unit),
        len(means),
        float(np.mean(means)) if means else None,
        float(np.std(means, ddof=1)) if len(means) > 1 else None,
    )
