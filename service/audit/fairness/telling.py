"""What was compared, as the API, pages and files tell it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from ifonly.explainers.fairness.audit import ComparedGroup, GroupBudgets, TestedDifference
from ifonly.explainers.fairness.groups import Subgroup
from ifonly.explainers.fairness.measures import MeasureName, Typical
from ifonly.explainers.fairness.shares import ShareDifference
from ifonly.explainers.wording import LANGUAGES
from ifonly.models.schema import Feature, Labels
from ifonly.models.shares import ShareEstimate
from ifonly.service.audit.fairness.measuring import FairnessFound
from ifonly.service.audit.follow_up.counting import FollowUpCounts, counted
from ifonly.service.wire import fairness as wire
from ifonly.service.wire.outcomes import Gap
from ifonly.service.wire.proportion import Proportion
from ifonly.service.words.catalogue import in_each, say_all
from ifonly.service.words.labels import label


@dataclass(frozen=True, slots=True)
class FairnessScope:
    """Of what it is."""

    model: str
    since: str | None = None
    until: str | None = None
    """None: of rows that were asked anew."""


def told(
    found: FairnessFound,
    features: Mapping[str, Feature],
    scope: FairnessScope,
    twins: Sequence[wire.TwinReport] = (),
    notes: Sequence[Labels] = (),
) -> wire.FairnessReply:
    """In the words of the API."""
    audit, question = found.audit, found.question
    keys = {id(group): _key(group) for group in (*audit.grouping.groups, *audit.grouping.small)}
    outcomes = _outcomes(found, keys)
    return wire.FairnessReply(
        model=scope.model,
        since=scope.since,
        until=scope.until,
        by=list(question.by),
        least=question.least,
        depth=question.depth,
        asked=len(found.cases),
        erased=found.erased,
        policies=found.policies,
        tests=audit.tests,
        budget=audit.budget,
        groups=[_group(group, found, features) for group in audit.grouping.groups],
        small=[_group(group, found, features) for group in audit.grouping.small],
        differences=[_difference(each, keys[id(each.group)]) for each in audit.compared],
        reach=[_reach(each, keys) for each in audit.budgets],
        outcomes=outcomes,
        twins=list(twins),
        notes=[dict(note) for note in (*_notes(found, outcomes, twins), *notes)],
    )


def _notes(
    found: FairnessFound,
    outcomes: Sequence[wire.GroupOutcomeGap],
    twins: Sequence[wire.TwinReport],
) -> list[Labels]:
    said = ["tests", "independent"]
    measured = {each.measure for each in found.audit.compared}
    said += ["bounds"] if measured & {MeasureName.COST, MeasureName.NO_RECOURSE} else []
    said += ["chance"] if MeasureName.CHANCE in measured else []
    said += ["outcomes"] if outcomes else []
    said += ["twins"] if twins else []
    notes = [say_all(f"fairness.note_{name}") for name in said]
    # Said beside each comparison: groups differ in many ways.
    notes.insert(1, say_all("recourse.difference_is_no_cause"))
    if found.policies > 1:
        notes.append(say_all("fairness.note_policies"))
    return notes


def _key(group: Subgroup) -> str:
    """Of a group within one reply; names and values may hold anything, so as addresses have it."""
    return urlencode(group.parts)


def _group(
    group: Subgroup, found: FairnessFound, features: Mapping[str, Feature]
) -> wire.AuditedGroup:
    parts = [
        wire.GroupPart(by=by, value=value, label=dict(found.labels[by, value]))
        for by, value in group.parts
    ]
    names = [name_of(part.by, features) for part in parts]

    def said(tag: str) -> str:
        each = zip(names, parts, strict=True)
        return " · ".join(f"{name[tag]}: {part.label.get(tag, part.value)}" for name, part in each)

    return wire.AuditedGroup(
        key=_key(group), parts=parts, label=dict(in_each(said)), size=group.size
    )


def name_of(by: str, features: Mapping[str, Feature]) -> Labels:
    """Of an attribute; ``by``: as the question has it."""
    kind, _, name = by.partition(":")
    feature = features.get(name) if kind == "feature" else None
    if feature is None:
        return dict.fromkeys(LANGUAGES, name)
    return in_each(lambda tag: label(feature, tag))


def _difference(found: ComparedGroup, key: str) -> wire.GroupDifference:
    return wire.GroupDifference(
        group=key,
        measure=found.measure.value,
        of=found.of,
        others=found.others,
        unknown=found.unknown,
        share=_proportion(found.share),
        others_share=_proportion(found.others_share),
        median=_middle(found.typical),
        others_median=_middle(found.others_typical),
        ratio=None if found.ratio is None else _ratio(found.ratio),
        tested=None if found.tested is None else _tested(found.tested),
    )


def _ratio(found: ShareDifference) -> wire.Ratio | None:
    # Where the others have none at all the upper end is beyond every number.
    if not all(map(math.isfinite, (found.value, found.low, found.high))):
        return None
    return wire.Ratio(value=found.value, low=found.low, high=found.high)


def _tested(found: TestedDifference) -> wire.TestedGap:
    size = found.size
    return wire.TestedGap(
        unit=size.kind.value,
        least=size.least,
        most=size.most,
        low=size.low,
        high=size.high,
        p=found.p,
        corrected=found.corrected,
        discovery=found.discovery,
        shown=found.is_shown,
        worse=found.is_worse,
    )


def _proportion(found: ShareEstimate | None) -> Proportion | None:
    return None if found is None else Proportion.estimated(found)


def _middle(found: Typical | None) -> wire.Middle | None:
    return None if found is None else wire.Middle(low=found.low, high=found.high)


def _reach(found: GroupBudgets, keys: Mapping[int, str]) -> wire.GroupReach:
    return wire.GroupReach(
        group=None if found.group is None else keys[id(found.group)],
        reach=[
            wire.BudgetReach(
                budget=each.budget,
                low=Proportion.estimated(each.low),
                high=Proportion.estimated(each.high),
            )
            for each in found.shares
        ],
    )


# --- what came of advice ------------------------------------------------------------------------


def _outcomes(found: FairnessFound, keys: Mapping[int, str]) -> list[wire.GroupOutcomeGap]:
    followed = found.followed.values()
    if all(each.is_followed is None and each.outcome is None for each in followed):
        return []
    everybody = counted("", list(found.followed.values()))
    told = [_outcome(None, everybody, None)]
    for group in found.audit.grouping.groups:
        own = [f for place, f in found.followed.items() if group.members[place]]
        others = [f for place, f in found.followed.items() if not group.members[place]]
        if own:
            told.append(_outcome(keys[id(group)], counted("", own), counted("", others)))
    return told


def _outcome(
    key: str | None, own: FollowUpCounts, others: FollowUpCounts | None
) -> wire.GroupOutcomeGap:
    gap = own.difference
    theirs = None if others is None else others.difference
    beside = None
    if gap is not None and theirs is not None:
        # Two independent differences, each with its interval (MOVER: Zou and Donner 2008).
        value = gap.value - theirs.value
        low = value - math.hypot(gap.value - gap.low, theirs.high - theirs.value)
        high = value + math.hypot(gap.high - gap.value, theirs.value - theirs.low)
        beside = Gap(value=value, low=low, high=high)
    return wire.GroupOutcomeGap(
        group=key,
        followed=Proportion.estimated(own.followed),
        success_followed=Proportion.estimated(own.success_followed),
        success_not_followed=Proportion.estimated(own.success_not_followed),
        difference=None if gap is None else Gap(value=gap.value, low=gap.low, high=gap.high),
        beside_others=beside,
    )
