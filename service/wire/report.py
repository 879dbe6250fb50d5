"""What is reported about a model's recourse over a period, and what waits for review."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from ifonly.explainers.languages import Language
from ifonly.service.wire.base import Text, Wire
from ifonly.service.wire.proportion import Proportion as Proportion
from ifonly.service.wire.samples import GROUP
from ifonly.service.wire.trail import MAX_PAGE, Event, Short


class ReportQuery(BaseModel):
    """Which model's explanations, and how they are compared."""

    # A misspelt filter would report on more than was asked for.
    model_config = ConfigDict(extra="forbid")

    model: Short
    since: Short | None = Field(None, description="RFC 3339, included; default: 30 days before.")
    until: Short | None = Field(None, description="RFC 3339, excluded; default: now.")
    # No NUL: PostgreSQL refuses it in text.
    by: Annotated[str, Field(pattern=r"^(feature|attribute):[^\x00]{1,256}$")] | None = Field(
        None,
        description="`feature:NAME` (categories; numbers by quarters) or `attribute:NAME` (what "
        "requests said in `attributes`); default: no groups.",
    )
    format: Literal["json", "csv"] = "json"
    language: Language = Field("en", description="Of names in CSV.")


class Centre(Wire):
    """A median with its distribution-free 95 % interval (order statistics)."""

    of: int
    median: float
    low: float | None = Field(description="null: fewer than six.")
    high: float | None


class Outcomes(Wire):
    """What came of the explanations of one group."""

    key: str
    label: Text
    asked: int
    already: int = Field(description="In the target already: in no share.")
    undecided: int = Field(description="Neither found nor excluded, or not surely enough.")
    success: Proportion
    infeasible: Proportion
    proven: Proportion
    cost: Centre | None = Field(description="Of the first answers.")


class SuccessDifference(Wire):
    """Two groups, by how much they differ in success, and how surely."""

    low: str = Field(description="Key of the group with the smaller share.")
    high: str
    difference: float = Field(description="Of the shares of success, as a share.")
    low95: float = Field(description="Newcombe's 95 % interval, not corrected.")
    high95: float
    p: float = Field(
        description="Of Fisher's exact test, both sides, corrected for the number of pairs (Holm)."
    )
    shown: bool = Field(
        description="Whether they are shown to differ: p below 0.05. If not, they are not shown to "
        "be alike."
    )


class GroupComparison(Wire):
    """Success of the groups, each compared with each."""

    tests: int = Field(description="Pairs of groups of which both have a share of success.")
    pairs: list[SuccessDifference] = Field(
        description="Pairs that are shown to differ, the greatest difference first; where none is, "
        "the one with the least p."
    )


class LeverUse(Wire):
    """How often the first answer sets a feature."""

    feature: str
    label: Text
    unit: str
    use: Proportion
    up: int
    down: int
    median_change: float | None


class Sparsity(Wire):
    """How many answers set so many features."""

    levers: int
    answers: Proportion


class Blocker(Wire):
    """How often a rule is among those that leave nothing."""

    key: str
    text: Text
    blocks: Proportion


class CommonChangeSummary(Wire):
    """One change that was sought for many alarms, as it is recorded."""

    id: str = Field(description="Of its record.")
    time: str
    status: str = Field(description="Of the best change.")
    alarms: int
    cleared: int = Field(description="By the best change.")
    bound: int = Field(description="No such change clears more.")
    proven: bool = Field(description="Whether none clears more than the best.")
    settings: list[dict[str, Any]] = Field(description="Of the best change, as in its reply.")
    text: Text | None
    erased: bool = Field(description="Whether only the claim is left.")


class Verdicts(Wire):
    """The last word of auditors, and of operators, on each explanation."""

    approved: int
    rejected: int
    open: int
    acted: int
    not_acted: int
    as_predicted: int
    not_as_predicted: int
    acted_smallest: int = Field(
        description="Of `acted`: the smallest way, where it was said which; said of the alarm "
        "(`done_as_suggested`), too. So the others."
    )
    acted_fewest_levers: int
    acted_most_robust: int
    acted_other_levers: int


class ReportReply(Wire):
    model: str
    since: str
    until: str
    by: str | None
    total: Outcomes
    groups: list[Outcomes]
    comparison: GroupComparison
    levers: list[LeverUse]
    sparsity: list[Sparsity] = Field(
        description="Of the first answers, by how many features they set; the fewest first."
    )
    blockers: list[Blocker]
    common: list[CommonChangeSummary] = Field(
        description="One change for many alarms, as it was sought in the period; the newest first, "
        "50 at most."
    )
    verdicts: Verdicts
    attributes: list[str] = Field(description="Names that requests used.")
    policies: int = Field(description="Versions of the spec: costs are alike only within one.")
    erased: int = Field(description="Explanations of which only the claim is left: in no group.")
    notes: list[Text] = Field(description="How to read it.")


class QueueQuery(BaseModel):
    """Explanations that no auditor has judged."""

    model_config = ConfigDict(extra="forbid")

    model: Short | None = None
    status: Short | None = Field(None, description="The claim.")
    since: Short | None = Field(None, description="RFC 3339, included.")
    until: Short | None = Field(None, description="RFC 3339, excluded.")
    group: Annotated[str, Field(pattern=GROUP)] | None = Field(
        None, description="Of one kind of suggestion (`audit/groups`), the typical one first."
    )
    cursor: Annotated[str, Field(max_length=512)] | None = None
    limit: int = Field(50, ge=1, le=MAX_PAGE)


class Waiting(Wire):
    event: Event
    said: dict[str, int] = Field(description="What was said of it so far, counted.")


class QueueReply(Wire):
    waiting: list[Waiting] = Field(
        description="The newest first; of a group, on its first page, the typical one before them."
    )
    next: str | None
