"""What came of advice: told by the plant, and what became of it as it is followed up."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ifonly.explainers.languages import Language
from ifonly.service.wire.base import AttributeName, AttributeValue, Wire, is_none
from ifonly.service.wire.proportion import Proportion
from ifonly.service.wire.replies import Audit
from ifonly.service.wire.trail import MAX_COMMENT, Short

MAX_OUTCOMES = 1_000
MAX_WINDOW_MINUTES = 43_200
WINDOW_MINUTES = 480
"""A shift."""

Result = Literal["success", "failure"]
Deed = Literal["followed", "otherwise", "nothing"]
Seen = Literal["fully", "partly", "not_seen", "no_readings", "no_equipment"]


class OutcomeRequest(Wire):
    """What came of it, or that an outcome that was told does not count."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "result": "success",
                    "number": 12.0,
                    "unit": "min",
                    "comment": "no scrap since",
                }
            ]
        }
    )

    result: Result | None = Field(None, description="By the plant's word, not the model's.")
    happened: Short | None = Field(None, description="RFC 3339; default: now.")
    number: Annotated[float, Field(allow_inf_nan=False)] | None = Field(
        None, description="A measure of it, in `unit`."
    )
    unit: Annotated[str, Field(max_length=32)] = ""
    comment: Annotated[str, Field(min_length=1, max_length=MAX_COMMENT)] | None = Field(
        None, description="It can be erased; the outcome stays."
    )
    takes_back: Short | None = Field(
        None,
        description="Instead of all that: id of an outcome of this explanation that does not "
        "count any more. Both stay in the record.",
    )

    @model_validator(mode="after")
    def _says_one_thing(self) -> Self:
        if (self.result is None) == (self.takes_back is None):
            raise ValueError("result and takes_back: one of the two is needed")
        if self.takes_back is not None and (self.happened or self.number is not None or self.unit):
            raise ValueError("takes_back stands alone, or with a comment")
        if self.unit and self.number is None:
            raise ValueError("unit is of a number, and there is none")
        return self


class OutcomeOf(OutcomeRequest):
    """Of an explanation by its id, or of the newest one of a piece of equipment before it
    happened."""

    explanation: Short | None = None
    model: Short | None = None
    attributes: Annotated[dict[AttributeName, AttributeValue], Field(max_length=16)] | None = Field(
        None, description="Which equipment; with `model`, instead of `explanation`."
    )

    @model_validator(mode="after")
    def _says_of_what(self) -> Self:
        of_equipment = self.model is not None and bool(self.attributes)
        if (self.explanation is None) != of_equipment:
            raise ValueError("explanation, or model and attributes: one of the two is needed")
        return self


class OutcomesRequest(Wire):
    """Many at once; each is recorded, or refused, by itself."""

    outcomes: Annotated[list[OutcomeOf], Field(min_length=1, max_length=MAX_OUTCOMES)]


class Outcome(Wire):
    """As it was recorded."""

    id: str
    explanation: str
    time: str
    by: str = Field(description="Who said so: a key's id, or an account's subject.")
    result: Result | None = Field(None, exclude_if=is_none)
    happened: str | None = Field(None, exclude_if=is_none)
    number: float | None = Field(None, exclude_if=is_none)
    unit: str = ""
    comment: str | None = Field(None, exclude_if=is_none, description="Absent once erased.")
    takes_back: str | None = Field(None, exclude_if=is_none)
    audit: Audit


class RefusedOutcome(Wire):
    row: int = Field(description="Its place in the request, from 0.")
    problem: str


class OutcomesReply(Wire):
    recorded: list[Outcome]
    refused: list[RefusedOutcome]


class FollowUpLever(Wire):
    feature: str
    set_to: Any
    suffices: list[float] | None = Field(
        None, exclude_if=is_none, description="Any value between the two does as well."
    )
    read_back: bool


class FollowUpDecision(Wire):
    time: str
    by: str
    deed: Deed
    way: str | None = Field(None, exclude_if=is_none)


class FollowUp(Wire):
    """What became of one advice within its window."""

    explanation: str
    model: str
    version: str
    shown: str
    asked: int = Field(description="How often; asked again about one reading it is one advice.")
    attributes: dict[str, str]
    decision: FollowUpDecision | None = Field(description="The last word on what was done.")
    seen: Seen = Field(
        description="What later readings of the same equipment show: `fully` once all levers of "
        "one way were read back at once, within the sensor's tolerance (else a step of the grid)."
    )
    way: str = Field(description="That was followed, as far as is known; else that shown first.")
    levers: list[FollowUpLever]
    carried_out: str | None = Field(description="When that was first read back.")
    flipped: bool | None = Field(description="Whether the model called for no alarm then.")
    cleared: str | None = Field(description="The first later reading that called for no alarm.")
    returned: bool = Field(description="Whether one after it called for one.")
    outcome: Outcome | None = Field(description="The plant's last word.")


class FollowUpReply(Wire):
    follow_up: FollowUp
    window_minutes: int


class FollowUpQuery(BaseModel):
    """Which model's advice, and how it is grouped."""

    model_config = ConfigDict(extra="forbid")

    model: Short
    since: Short | None = Field(None, description="RFC 3339, included; default: 30 days before.")
    until: Short | None = Field(None, description="RFC 3339, excluded; default: now.")
    by: Annotated[str, Field(pattern=r"^(lever|version|way|attribute:[^\x00]{1,256})$")] | None = (
        Field(None, description="`lever`, `version`, `way` or `attribute:NAME`.")
    )
    window_minutes: Annotated[int, Field(ge=1, le=MAX_WINDOW_MINUTES)] = WINDOW_MINUTES
    format: Literal["json", "csv"] = "json"
    language: Language | None = Field(
        None, description="Of the groups' names in CSV; default: as models and replies name them."
    )


class WindowQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    window_minutes: Annotated[int, Field(ge=1, le=MAX_WINDOW_MINUTES)] = Field(
        WINDOW_MINUTES, description="How long readings after the advice are of its course."
    )


class Gap(Wire):
    """A difference of two shares with Newcombe's 95 % interval."""

    value: float
    low: float
    high: float


class FollowUpGroup(Wire):
    """Each advice is in one cell of each table."""

    group: str
    advised: int
    said: dict[Deed, int]
    seen: dict[Seen, int]
    followed: Proportion = Field(description="Of those of which it is known.")
    contradicted: int = Field(
        description="Said to have been followed; readings came, and show none of it."
    )
    carried_out: Proportion = Field(
        description="Read back fully; of advice whose equipment was read again."
    )
    cleared: Proportion = Field(
        description="The model called for no alarm later, and for none after; of those with "
        "readings."
    )
    success_followed: Proportion = Field(description="By the plant's word; of followed ones.")
    success_not_followed: Proportion
    success_unknown: Proportion = Field(
        description="Of advice of which nobody knows whether it was followed."
    )
    difference: Gap | None = Field(
        description="Success of followed ones less that of others: what goes together, no effect. "
        "null: one of the two is of none."
    )


class FollowUpReport(Wire):
    model: str
    since: str
    until: str
    by: str | None
    window_minutes: int
    total: FollowUpGroup
    groups: list[FollowUpGroup]
