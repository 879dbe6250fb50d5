"""Which readings alone force a decision: what is asked."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field, model_validator

from ifonly.service.settings import MAX_DEADLINE_MS
from ifonly.service.wire import examples
from ifonly.service.wire.base import (
    Instance,
    Wire,
    absent_or_not_null,
)
from ifonly.service.wire.requests import MAX_SEED, Attributes, Languages

MAX_SETS = 20
"""Sufficient reasons of one answer."""
MAX_PRINCIPAL = 10
PRINCIPAL = 4


class ReasonsRequest(Wire):
    """Which readings alone force this instance's decision, and which count most? Exactly one of
    `instance` and `explanation`."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.REASONS.request]})

    instance: Instance | None = Field(
        None,
        description="The row as it was read, by feature name.",
        json_schema_extra=absent_or_not_null,
    )
    explanation: (
        Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[^\x00]*$")] | None
    ) = Field(
        None,
        description="Id of a recorded explanation of this model: of its instance, and told beside "
        "its answer on the sheet.",
        json_schema_extra=absent_or_not_null,
    )
    sets: int = Field(
        3, ge=1, le=MAX_SETS, description="How many sufficient reasons are told at most."
    )
    principal: int = Field(
        PRINCIPAL,
        ge=1,
        le=MAX_PRINCIPAL,
        description="How many principal reasons are told at most. Four: more of them are of no "
        "help to a consumer (12 CFR 1002.9, comment 9(b)(2)-1).",
    )
    deadline_ms: Annotated[int, Field(ge=1, le=MAX_DEADLINE_MS)] | None = Field(
        None,
        description="Milliseconds of search after which what is known by then is the answer.",
    )
    seed: int = Field(0, ge=0, le=MAX_SEED)
    attributes: Attributes = Field(default={})
    languages: Languages

    @model_validator(mode="after")
    def _one_of_both(self) -> ReasonsRequest:
        # An explanation beside an instance: as it is recorded, with the row that was found there.
        if self.instance is None and self.explanation is None:
            raise ValueError("the body needs exactly one of instance and explanation")
        return self
