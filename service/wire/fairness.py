"""Whether recourse is fair: groups compared in all that is measured, and twins."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from ifonly.explainers.languages import Language
from ifonly.service.wire.base import Text, Wire
from ifonly.service.wire.outcomes import MAX_WINDOW_MINUTES, WINDOW_MINUTES, Gap
from ifonly.service.wire.proportion import Proportion
from ifonly.service.wire.trail import Short

MAX_BY = 5
GROUPED_BY = r"^(feature|attribute):[^\x00]{1,256}$"
GroupedBy = Annotated[str, Field(pattern=GROUPED_BY)]
LEAST = 20
DEEPEST = 2


class FairnessQuery(BaseModel):
    """Which model's explanations, and between which groups they are compared."""

    model_config = ConfigDict(extra="forbid")

    model: Short
    by: Annotated[list[GroupedBy], Field(min_length=1, max_length=MAX_BY)] = Field(
        description="`feature:NAME` (categories; numbers by quarters) or `attribute:NAME` (what "
        "requests said in `attributes`); given again: another, and what they have in common."
    )
    since: Short | None = Field(None, description="RFC 3339, included; default: 30 days before.")
    until: Short | None = Field(None, description="RFC 3339, excluded; default: now.")
    least: Annotated[int, Field(ge=2, le=10_000)] = Field(
        LEAST, description="Explanations in a group, and outside of it, below which none is tested."
    )
    depth: Annotated[int, Field(ge=1, le=MAX_BY)] = Field(
        DEEPEST, description="Of how many of `by` a group is made at most."
    )
    budget: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = Field(
        None, description="Cost of which it is asked whom it is enough for; default: the median."
    )
    window_minutes: Annotated[int, Field(ge=1, le=MAX_WINDOW_MINUTES)] = Field(
        WINDOW_MINUTES, description="How long readings after the advice are of its course."
    )
    format: Literal["json", "csv"] = "json"
    language: Language = Field("en", description="Of names in CSV.")


MeasureNamed = Literal[
    "decision",
    "no_recourse",
    "cost",
    "within_budget",
    "levers",
    "chance",
    "followed",
    "success",
]


class GroupPart(Wire):
    by: str = Field(description="As in the question.")
    value: str = Field(description="Empty: not given.")
    label: Text


class AuditedGroup(Wire):
    """Individuals with the same values of one attribute or several."""

    key: str
    parts: list[GroupPart]
    label: Text
    size: int


class Middle(Wire):
    """A median, as far as it is known; null: beyond every number (for half there is none)."""

    low: float | None
    high: float | None


class TestedGap(Wire):
    """How surely a group differs from everybody else, and by how much."""

    unit: Literal["difference_of_shares", "chance_of_more"] = Field(
        description="The group's share less the others' (alike: 0); or the probability that one of "
        "the group has more than one of the others, ties counted half (alike: 0.5)."
    )
    least: float = Field(description="As counted; where values are known by bounds, at least.")
    most: float
    low: float = Field(description="Interval that holds with 95 % together with all the others.")
    high: float
    p: float = Field(
        description="Fisher's exact test where all is known of a share, else by permutation."
    )
    corrected: float = Field(description="`p`, for all tests of the reply (Holm).")
    discovery: float = Field(
        description="`p`, for the share of false ones among those found (Benjamini and Yekutieli)."
    )
    shown: bool = Field(
        description="Whether a difference is shown: `corrected` below 0.05. If not, none is "
        "excluded."
    )
    worse: bool = Field(description="Whether the group is the one that is worse off.")


class Ratio(Wire):
    """Of two shares, with its own 95 % interval (MOVER-R)."""

    value: float
    low: float
    high: float


class GroupDifference(Wire):
    """One group beside everybody else in one measure."""

    group: str = Field(description="Its key.")
    measure: MeasureNamed
    of: int = Field(description="Members that have the measure.")
    others: int
    unknown: int = Field(description="Members whose value is known by its bounds alone.")
    share: Proportion | None = Field(description="Of members of whom it is surely true.")
    others_share: Proportion | None
    median: Middle | None = Field(description="Of a measure that is no share.")
    others_median: Middle | None
    ratio: Ratio | None = Field(
        description="Of `decision`: the share decided as desired, by the others' (below 0.8: the "
        "four-fifths rule of 29 CFR 1607.4 D)."
    )
    tested: TestedGap | None = Field(description="null: too few of either.")


class BudgetReach(Wire):
    """Of whom a change of some cost is enough."""

    budget: float
    low: Proportion = Field(description="Surely.")
    high: Proportion = Field(description="Those too of whom it is not known.")


class GroupReach(Wire):
    """What the same budgets buy."""

    group: str | None = Field(description="null: everybody.")
    reach: list[BudgetReach]


class GroupOutcomeGap(Wire):
    """What came of advice in one group, by the plant's word."""

    group: str | None = Field(description="null: everybody.")
    followed: Proportion = Field(description="Of advice of which it is known.")
    success_followed: Proportion
    success_not_followed: Proportion
    difference: Gap | None = Field(
        description="Of the two: what goes together, and no effect, for those who follow may differ"
        " in other things."
    )
    beside_others: Gap | None = Field(
        description="That difference less the one of everybody else; 95 %, by itself."
    )


class Uncertain(Wire):
    """By what is believed, and where it may lie, 95 %: over graphs, mechanisms, individuals."""

    value: float
    low: float
    high: float


class TwinDecisions(Wire):
    """How many twins are decided otherwise, as shares of the individuals."""

    of: int
    better: Uncertain = Field(description="The twin is decided as desired, the individual not.")
    worse: Uncertain
    either: Uncertain
    net: Uncertain = Field(description="Better less worse.")


class TwinCosts(Wire):
    """Recourse of individuals and their twins, each of which needs some or has none."""

    of: int = Field(description="Individuals of whom it was asked.")
    both: int = Field(description="Those where both have some, or need none.")
    difference: Uncertain | None = Field(
        description="Mean of the twin's cost less the own; who needs none pays nothing. "
        "null: of fewer than six."
    )
    largest: float | None = Field(
        description="The greatest size of it: individual unfairness (von Kügelgen et al. 2022)."
    )
    only_own: Uncertain = Field(description="Share: the individual has recourse, the twin none.")
    only_twin: Uncertain


class TwinPair(Wire):
    """Individuals of one value, had they had another."""

    value: str
    twin: str
    label: Text
    twin_label: Text
    untold: int = Field(description="Left out: what the twin would read nobody can tell.")
    decisions: TwinDecisions
    costs: TwinCosts | None


class TwinReport(Wire):
    """Of one attribute, by the accepted causal model."""

    by: str
    label: Text
    worlds: int = Field(description="Graphs and mechanisms that were drawn.")
    cost_worlds: int
    pairs: list[TwinPair] = Field(description="Along every path.")
    allowed: list[str] = Field(description="Edges along which an effect of it is allowed.")
    unfair: list[TwinPair] = Field(description="Without what goes along those; empty: none is.")


class FairnessReply(Wire):
    model: str
    since: str | None = Field(description="null: of rows that were asked anew.")
    until: str | None
    by: list[str]
    least: int
    depth: int
    asked: int = Field(description="Individuals that are compared.")
    erased: int = Field(description="Explanations of which only the claim is left: in no group.")
    policies: int = Field(
        description="Versions of the spec: costs are of the one with the most explanations."
    )
    tests: int = Field(description="Of the family that is corrected for.")
    budget: float | None
    groups: list[AuditedGroup] = Field(description="Of `least` or more, with as many outside.")
    small: list[AuditedGroup] = Field(description="Not tested.")
    differences: list[GroupDifference]
    reach: list[GroupReach] = Field(description="Equal cost: what the same budget buys.")
    outcomes: list[GroupOutcomeGap] = Field(description="Empty: nothing was told or followed.")
    twins: list[TwinReport]
    notes: list[Text] = Field(description="How to read it.")
