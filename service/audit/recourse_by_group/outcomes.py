"""What came of the questions of a group: success, infeasibility, proof and cost."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ifonly.explainers.answer import Status
from ifonly.models.schema import Labels
from ifonly.service.audit.recourse_by_group.groups import CaseGroup
from ifonly.service.audit.recourse_by_group.statistics import Median, ShareEstimate, median, share


@dataclass(frozen=True)
class GroupOutcomes:
    """What came of the questions of one group."""

    key: str
    label: Labels
    asked: int
    already: int
    """Nothing was to be changed: not counted in the shares, which are of the others."""
    undecided: int
    """Neither found nor excluded, or not surely enough."""
    success: ShareEstimate
    infeasible: ShareEstimate
    proven: ShareEstimate
    cost: Median | None
    mean_cost: float | None


def outcomes(group: CaseGroup) -> GroupOutcomes:
    cases = group.cases
    need = sum(case.needs_recourse for case in cases)
    found = sum(case.has_recourse for case in cases)
    infeasible = sum(case.status == Status.INFEASIBLE for case in cases)
    costs = [case.cost for case in cases if case.cost is not None]
    return GroupOutcomes(
        group.key,
        group.label,
        len(cases),
        len(cases) - need,
        undecided=need - found - infeasible,
        # Of those that need recourse: who is in the target already has nothing to succeed at.
        success=share(found, need),
        infeasible=share(infeasible, need),
        proven=share(sum(case.is_proven for case in cases), need),
        # The median: one very dear answer would move a mean.
        cost=median(costs),
        mean_cost=float(np.mean(costs)) if costs else None,
    )
