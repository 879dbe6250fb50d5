"""One change for many alarms: what is asked."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, model_validator

from ifonly.explainers.terms import CommonKind
from ifonly.service.settings import MAX_DEADLINE_MS
from ifonly.service.wire import examples
from ifonly.service.wire.base import (
    AttributeName,
    AttributeValue,
    FeatureName,
    Instance,
    Wire,
    absent_or_not_null,
)
from ifonly.service.wire.constraints import Constraints
from ifonly.service.wire.requests import MAX_SEED, Attributes, Languages, Target

MAX_ROWS = 1_000
"""Rows of one question."""
MAX_COMMON_LEVERS = 3
RecordId = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[^\x00]*$")]


class RecordedRows(Wire):
    """Rows that were recorded as alarms of this model: those of predictions and explanations."""

    since: str | None = Field(None, max_length=64, description="RFC 3339; default: a day ago.")
    until: str | None = Field(None, max_length=64, description="RFC 3339; default: now.")
    attributes: dict[AttributeName, AttributeValue] = Field(
        default={}, description="Only of requests that said these, e.g. of one machine."
    )
    most: int = Field(500, ge=1, le=MAX_ROWS, description="Only the newest so many.")


class CommonRequest(Wire):
    """Which one change of a few levers would have cleared the most of these alarms? The rows: in
    exactly one of `instances`, `records`, `recorded`."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.COMMON.request]})

    instances: Annotated[list[Instance], Field(min_length=1, max_length=MAX_ROWS)] | None = Field(
        None, description="The rows as they were read.", json_schema_extra=absent_or_not_null
    )
    records: Annotated[list[RecordId], Field(min_length=1, max_length=MAX_ROWS)] | None = Field(
        None,
        description="Ids of recorded predictions, explanations or alarms of this model, of which "
        "the rows are taken: of several rows those that are alarms.",
        json_schema_extra=absent_or_not_null,
    )
    recorded: RecordedRows | None = Field(
        None, description="What was recorded in some time.", json_schema_extra=absent_or_not_null
    )
    levers: Annotated[list[FeatureName], Field(min_length=1, max_length=256)] | None = Field(
        None,
        description="Features that may be set; default: all that the policy allows.",
        json_schema_extra=absent_or_not_null,
    )
    change: CommonKind = Field(
        CommonKind.RELATIVE,
        # A body has names, not members.
        strict=False,
        description="`relative`: numbers are moved by one amount on all (categories, and what is "
        "only set to listed values, to one value). `absolute`: all are set to one value. `either`.",
    )
    max_levers: int = Field(
        2, ge=1, le=MAX_COMMON_LEVERS, description="How many features may be set in common."
    )
    target: Target | None = Field(None, description="As of an explanation.")
    constraints: Constraints = Field(
        Constraints(), description="As of an explanation; kept for each row."
    )
    semantics: Literal["interventional", "independent"] | None = Field(
        None, description="As of an explanation; in another past nothing is set in common."
    )
    deadline_ms: Annotated[int, Field(ge=1, le=MAX_DEADLINE_MS)] | None = Field(
        None,
        description="Milliseconds of search after which the best found is the answer, with what is "
        "proven by then. What is found is confirmed row by row after that.",
    )
    seed: int = Field(0, ge=0, le=MAX_SEED)
    attributes: Attributes = Field(default={})
    languages: Languages

    @model_validator(mode="after")
    def _one_of_the_three(self) -> CommonRequest:
        given = [self.instances is not None, self.recorded is not None]
        # Records beside instances: as they are recorded, with the rows that were found there.
        if sum(given) + (self.records is not None and not any(given)) != 1:
            raise ValueError("the body needs exactly one of instances, records, recorded")
        rows, records = self.instances, self.records
        if rows is not None and records is not None and len(rows) != len(records):
            raise ValueError("records beside instances are one for each of them")
        return self
