"""How often a model alarms, over time."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from ifonly.service.wire.base import Wire
from ifonly.service.wire.report import Proportion
from ifonly.service.wire.trail import Short

MOST_PIECES = 1_000
Per = Literal["hour", "day"]


class RateQuery(BaseModel):
    """Which time, and in which pieces."""

    model_config = ConfigDict(extra="forbid")

    since: Short | None = Field(
        None,
        description="RFC 3339. Default: 48 hours, or 30 days, before `until`. The piece in which "
        "it lies is whole.",
    )
    until: Short | None = Field(None, description="RFC 3339. Default: now.")
    per: Per = Field("hour", description="Pieces, in UTC.")


class RatePoint(Wire):
    """Rows that one version decided within one piece of time."""

    start: str
    version: str
    alarms: Proportion = Field(description="Of the rows decided.")
    is_unlike: bool = Field(
        description="Whether the interval lies apart from that of the version's labelled rows: "
        "what is decided now is not what it was validated on."
    )


class ExpectedShare(Wire):
    """The share of alarms among a version's labelled rows (`validation.csv`)."""

    version: str
    alarms: Proportion


class VersionChange(Wire):
    """That another version may be asked from then on."""

    time: str
    version: str
    status: Literal["activated", "rolled_back", "uploaded"]
    record: str = Field(description="That says who, and why.")


class RatesReply(Wire):
    """The share of alarms of each version, over time."""

    name: str
    since: str
    until: str
    per: Per
    points: list[RatePoint] = Field(
        description="Oldest first; pieces in which nothing was decided are left out. A record of "
        "several rows counts each; one of before this was counted counts once."
    )
    expected: list[ExpectedShare]
    changes: list[VersionChange]
