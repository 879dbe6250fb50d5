"""Samples of explanations for review: what is asked for, and what judging them shows."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ifonly.service.wire.base import Text, Wire, is_none
from ifonly.service.wire.replies import Audit
from ifonly.service.wire.trail import MAX_COMMENT, MAX_PAGE, Event, Short

MAX_SIZE = 1_000
"""Explanations of one sample: each is looked at by a person."""
MAX_POPULATION = 100_000
GROUP = r"^[0-9a-f]{16}$"
Group = Annotated[
    str,
    Field(pattern=GROUP, description="Key of a kind of suggestion (`GET /api/v1/audit/groups`)."),
]
Confidence = Annotated[float, Field(ge=0.5, le=0.9999)]
Seed = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[!-~]+$")]


class AcceptanceRule(Wire):
    """How great a sample has to be: attributes sampling with a tolerable rate (ISA 530), exact for
    a finite population."""

    tolerable_rate: float = Field(
        gt=0.0, lt=1.0, description="Share of the population that may be wrong, 0 to 1."
    )
    accept: int = Field(0, ge=0, le=100, description="Rejections that are still accepted.")


class SampleRequest(Wire):
    """A population, and how many of it."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "model": "milling-machine",
                    "since": "2026-01-01T00:00:00Z",
                    "rule": {"tolerable_rate": 0.05, "accept": 0},
                    "confidence": 0.95,
                }
            ]
        }
    )

    model: Short | None = Field(None, description="Default: of every model.")
    status: Short | None = Field(None, description="The claim; default: each but `already_target`.")
    group: Group | None = None
    since: Short | None = Field(None, description="RFC 3339, included; default: 30 days before.")
    until: Short | None = Field(
        None, description="RFC 3339, excluded, not in the future; default: now."
    )
    size: int | None = Field(None, ge=1, le=MAX_SIZE, description="How many; or `rule`.")
    rule: AcceptanceRule | None = None
    confidence: Confidence = 0.95
    seed: Seed | None = Field(
        None, description="Default: one drawn at random, which the plan tells."
    )
    comment: Annotated[str, Field(min_length=1, max_length=MAX_COMMENT)] | None = Field(
        None, description="What it is for. It can be erased; the plan stays."
    )

    @model_validator(mode="after")
    def _says_how_many(self) -> Self:
        if (self.size is None) == (self.rule is None):
            raise ValueError("size says how many, or rule how sure it shall make: one of the two")
        return self


class WrongBound(Wire):
    """At most so many of the population."""

    count: int
    share: float


class WrongRange(Wire):
    """Within which the number of wrong ones in the population lies."""

    low: int
    high: int
    low_share: float
    high_share: float


class SampledPopulation(Wire):
    """What the sample is of."""

    model: str | None = Field(None, exclude_if=is_none)
    status: str | None = Field(None, exclude_if=is_none)
    group: str | None = Field(None, exclude_if=is_none)
    since: str
    until: str
    size: int
    sha256: str = Field(description="Of its ids, sorted, a line each, in UTF-8.")


class Planned(Wire):
    """What a sample of so many would show."""

    population: int
    size: int
    confidence: float
    accept: int
    tolerable_rate: float | None = Field(None, exclude_if=is_none)
    at_most: WrongBound = Field(
        description="How many of the population are wrong at most, with that confidence, if no "
        "more than `accept` of the sample are rejected (one-sided, exact)."
    )
    text: Text


class SampleItem(Wire):
    """One explanation of a sample, in the order in which they were drawn."""

    id: str
    verdict: Literal["approve", "reject"] | None = Field(
        description="`reject` if anybody's last word on it, or on one of its answers, is that. "
        "null: nobody has judged it."
    )
    comments: int


class SampleResult(Wire):
    """What the verdicts show of the population."""

    judged: int
    approved: int
    rejected: int
    commented: int = Field(description="Explanations with a comment, judged or not.")
    wrong: WrongRange = Field(
        description="Two-sided and exact, with the plan's confidence. Until all are judged, those "
        "that are not count as right for `low` and as wrong for `high`: whatever they are, it "
        "holds."
    )
    at_most: WrongBound = Field(description="The upper bound alone, one-sided, in the same way.")
    met: bool | None = Field(
        description="Of a plan with a rule: whether the tolerable rate is shown not to be passed. "
        "null: not known yet, or no rule."
    )
    text: Text


class Sample(Wire):
    """A plan, and how far it is."""

    id: str
    time: str
    by: str
    population: SampledPopulation
    size: int
    seed: str
    rule: AcceptanceRule | None = Field(None, exclude_if=is_none)
    comment: str | None = Field(None, exclude_if=is_none, description="Absent once erased.")
    planned: Planned
    drawn_before: int = Field(
        description="Samples that were drawn earlier of the same model, claim and group: whoever "
        "draws until a sample pleases leaves them all."
    )
    result: SampleResult
    audit: Audit


class SampleReply(Sample):
    items: list[SampleItem]


class SamplesQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    cursor: Annotated[str, Field(max_length=512)] | None = None
    limit: int = Field(20, ge=1, le=50)


class SamplesReply(Wire):
    samples: list[Sample] = Field(description="The newest first.")
    next: str | None


class RedrawReply(Wire):
    """Whether the same sample comes out when it is drawn again from what is recorded now."""

    holds: bool
    population: int = Field(description="As it is now.")
    population_was: int
    same_population: bool = Field(description="Whether every id is the one that it was.")
    missing: list[str] = Field(description="Drawn then, and not drawn now; the first hundred.")
    added: list[str] = Field(description="Drawn now, and not drawn then; the first hundred.")


class SuggestionGroup(Wire):
    """Explanations that wait for review and whose first answers are of one kind."""

    key: str = Field(
        description="Sixteen hexadecimal digits; `group` of `audit/queue` and of samples."
    )
    model: str
    status: str
    sets: list[list[str]] = Field(
        description="Each lever with its direction: `+`, `-`, or `=VALUE` of categories."
    )
    blocked: list[str] = Field(
        description="Keys of the constraints that leave nothing; a request's without its place in "
        "a list, and with the features that it is about."
    )
    robust: bool | None = Field(
        description="Whether the first answer survives every reading within the tolerances; null: "
        "not known."
    )
    marked: bool = Field(
        description="false: recorded before kinds were; only model and claim are known."
    )
    count: int
    typical: Event = Field(description="Of the cost in the middle; without costs the newest.")


class GroupsQuery(BaseModel):
    """Of which explanations that wait."""

    model_config = ConfigDict(extra="forbid")

    model: Short | None = None
    status: Short | None = Field(None, description="The claim.")
    since: Short | None = Field(None, description="RFC 3339, included.")
    until: Short | None = Field(None, description="RFC 3339, excluded.")
    most: int = Field(MAX_PAGE * 4, ge=1, le=20_000, description="Of the newest so many.")


class GroupsReply(Wire):
    groups: list[SuggestionGroup] = Field(description="The greatest first.")
    looked_at: int = Field(description="Explanations that wait, of which the groups are.")
    are_all: bool = Field(description="Whether no older ones wait.")
