"""What two versions of a model say otherwise."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from ifonly.service.wire.base import Text, Wire
from ifonly.service.wire.staged import DigestDifference

Way = Literal["added", "removed", "changed"]
Part = Literal["decision", "features", "policy", "alarm", "causal", "other"]


class DifferencesQuery(BaseModel):
    """Which two versions."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: str | None = Field(
        None, min_length=1, max_length=128, description="Default: the active one."
    )
    before: str | None = Field(
        None,
        min_length=1,
        max_length=128,
        description="Held against it. Default: the version before it; itself where there is none.",
    )


class ValueDifference(Wire):
    """One key of `spec.toml` or `causal.toml` whose values differ."""

    part: Part
    key: str = Field(description="Items of lists by name: `features[torque].unit`.")
    label: Text = Field(description="What it is called.")
    way: Way
    was: str | None = Field(description="null: it is not there.")
    now: str | None


class RuleDifference(Wire):
    """One sentence of the plant's policy that only one of them has, or has otherwise."""

    key: str
    way: Way
    was: Text | None
    now: Text | None


class Line(Wire):
    """Two lines side by side; null: one of them has none there."""

    way: Literal["added", "removed", "changed", "same"]
    was_number: int | None
    was: str | None
    now_number: int | None
    now: str | None


class FileLines(Wire):
    """Lines that differ, with two of those around."""

    file: str
    lines: list[Line] | None = Field(description="null: too many lines to be matched.")


class DifferencesReply(Wire):
    """What a version says otherwise than another."""

    name: str
    before: str
    version: str
    digests: list[DigestDifference]
    values: list[ValueDifference]
    rules: list[RuleDifference] = Field(description="The plant's policy, in words.")
    files: list[FileLines]
