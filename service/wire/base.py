"""What wire types are made of."""

from __future__ import annotations

from collections.abc import Sized
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

MAX_FEATURES = 4_096

Value = Annotated[
    Any,
    WithJsonSchema(
        {
            "anyOf": [{"type": "number"}, {"type": "string"}, {"type": "null"}],
            "title": "Value",
            "description": "A number in the feature's unit, the name of a category, or null where "
            "the reading is missing and may be.",
        }
    ),
]
Written = float | int | str | None
"""A value as replies write it."""

FeatureName = Annotated[str, Field(min_length=1, max_length=256)]
Instance = Annotated[dict[FeatureName, Value], Field(min_length=1, max_length=MAX_FEATURES)]
Text = Annotated[dict[str, str], Field(description="Text by language tag.")]
End = Annotated[float | None, Field(description="null: open on this side.")]
Interval = Annotated[list[End], Field(min_length=2, max_length=2, description="[lowest, highest]")]
Probability = Annotated[float, Field(ge=0.0, le=1.0)]


def absent_or_not_null(schema: dict[str, Any]) -> None:
    """Say of an optional key that it may be left out, and that ``null`` is no value for it."""
    del schema["default"]
    schema |= next(option for option in schema.pop("anyOf") if option != {"type": "null"})


def is_none(value: object) -> bool:
    return value is None


def is_empty(value: Sized) -> bool:
    return not value


def is_false(value: object) -> bool:
    return value is False


class Wire(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        frozen=True,
        allow_inf_nan=False,
        validate_by_name=True,
        validate_by_alias=True,
    )

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        """Nothing here is ever altered, so a default needs no copy of its own."""
        return self

    def as_mapping(self) -> dict[str, Any]:
        """As JSON has it."""
        return self.model_dump(mode="json", by_alias=True)
