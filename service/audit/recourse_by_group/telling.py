"""A report as the API, pages and files tell it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from ifonly.models.schema import Feature
from ifonly.service.audit.recourse_by_group.cases import RecourseCase
from ifonly.service.audit.recourse_by_group.common_changes import CommonChange
from ifonly.service.audit.recourse_by_group.compare import ShareComparison
from ifonly.service.audit.recourse_by_group.outcomes import GroupOutcomes
from ifonly.service.audit.recourse_by_group.report import (
    BlockerStatistics,
    LeverStatistics,
    RecourseReport,
)
from ifonly.service.audit.recourse_by_group.statistics import Median, ShareEstimate
from ifonly.service.store.chain import timestamp
from ifonly.service.wire import report as wire
from ifonly.service.words.catalogue import in_each, say_all
from ifonly.service.words.labels import label

HOW_SHARES_ARE_MEANT = say_all("recourse.how_shares_are_meant")
DIFFERENCE_IS_NO_CAUSE = say_all("recourse.difference_is_no_cause")
SEVERAL_POLICIES = say_all("recourse.several_policies")


@dataclass(frozen=True, slots=True)
class ReportScope:
    """Of what a report is."""

    model: str
    since: str
    until: str
    by: str | None
    """As the API's query has it."""


def told(
    made: RecourseReport,
    cases: Sequence[RecourseCase],
    features: Mapping[str, Feature],
    scope: ReportScope,
) -> wire.ReportReply:
    """In the words of the API; ``features``: by name, as they are called now."""
    notes = [HOW_SHARES_ARE_MEANT]
    # Said beside each comparison: groups differ in many ways.
    notes += [DIFFERENCE_IS_NO_CAUSE] if made.groups else []
    # Costs under two policies are not of one measure.
    notes += [SEVERAL_POLICIES] if made.policies > 1 else []
    return wire.ReportReply(
        model=scope.model,
        since=scope.since,
        until=scope.until,
        by=scope.by,
        total=_outcomes(made.total),
        groups=[_outcomes(group) for group in made.groups],
        comparison=_comparison(made.comparison),
        levers=[_lever(use, features.get(use.feature)) for use in made.levers],
        sparsity=[
            wire.Sparsity(levers=each.levers, answers=proportion(each.answers))
            for each in made.sparsity
        ],
        blockers=[_blocker(found) for found in made.blockers],
        common=[_common(each) for each in made.common],
        verdicts=wire.Verdicts(**asdict(made.verdicts)),
        attributes=sorted({name for case in cases for name in case.attributes}),
        policies=made.policies,
        erased=made.erased,
        notes=[dict(note) for note in notes],
    )


def _common(found: CommonChange) -> wire.CommonChangeSummary:
    return wire.CommonChangeSummary(
        id=found.id,
        time=timestamp(found.time_us),
        status=found.status,
        alarms=found.alarms,
        cleared=found.cleared,
        bound=found.bound,
        proven=found.is_most,
        settings=[dict(each) for each in found.settings],
        text=None if found.text is None else dict(found.text),
        erased=found.erased,
    )


def _outcomes(found: GroupOutcomes) -> wire.Outcomes:
    return wire.Outcomes(
        key=found.key,
        label=dict(found.label),
        asked=found.asked,
        already=found.already,
        undecided=found.undecided,
        success=proportion(found.success),
        infeasible=proportion(found.infeasible),
        proven=proportion(found.proven),
        cost=_centre(found.cost),
    )


def _comparison(found: ShareComparison) -> wire.GroupComparison:
    return wire.GroupComparison(
        tests=found.tests,
        pairs=[
            wire.SuccessDifference(
                low=pair.low.key,
                high=pair.high.key,
                difference=pair.difference.value,
                low95=pair.difference.low,
                high95=pair.difference.high,
                p=pair.p,
                shown=pair.is_shown,
            )
            for pair in found.pairs
        ],
    )


def proportion(found: ShareEstimate) -> wire.Proportion:
    return wire.Proportion.estimated(found)


def _centre(found: Median | None) -> wire.Centre | None:
    if found is None:
        return None
    return wire.Centre(of=found.of, median=found.value, low=found.low, high=found.high)


def _lever(use: LeverStatistics, feature: Feature | None) -> wire.LeverUse:
    return wire.LeverUse(
        feature=use.feature,
        label=dict(in_each(lambda tag: label(feature, tag) if feature else use.feature)),
        unit=use.unit,
        use=proportion(use.use),
        up=use.up,
        down=use.down,
        median_change=use.median_change,
    )


def _blocker(found: BlockerStatistics) -> wire.Blocker:
    return wire.Blocker(key=found.key, text=dict(found.text), blocks=proportion(found.blocks))
