"""What wire types are made of."""

from __future__ import annotations

from collections.abc import Sized
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

MAX_FEATURES = 4_096

# Any for pydantic: the model's schema reads values, and names the feature, unit and limit.
Value = Annotated[
    Any,
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number"},
                {"type": "string"},
                {"type": "null"},
                {"type": "array", "items": {"anyOf": [{"type": "number"}, {"type": "null"}]}},
            ],
            "title": "Value",
            "description": "A number in the feature's unit, the name of a category, or null where "
            "the reading is missing and may be; of a channel of a window the list of its readings, "
            "oldest first.",
        }
    ),
]
Written = float | int | str | None
"""A value as replies write it."""
Read = Written | list[Written]
"""The same, or the readings of a channel of a window, oldest first."""

FeatureName = Annotated[str, Field(min_length=1, max_length=256)]
Instance = Annotated[dict[FeatureName, Value], Field(min_length=1, max_length=MAX_FEATURES)]
# Narrow, since names become keys of scopes and columns of reports.
AttributeName = Annotated[str, Field(pattern="^[a-z][a-z0-9_]{0,63}$")]
AttributeValue = Annotated[str, Field(min_length=1, max_length=128)]
Text = Annotated[dict[str, str], Field(description="Text by language tag.")]
End = Annotated[float | None, Field(description="null: open on this side.")]
Interval = Annotated[list[End], Field(min_length=2, max_length=2, description="[lowest, highest]")]
Probability = Annotated[float, Field(ge=0.0, le=1.0)]


def absent_or_not_null(schema: dict[str, Any]) -> None:
    """Say of an optional key that it may be left out, and that ``null`` is no value for it."""
    # OpenAPI would list null as the default, and generated clients would send it.
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
        # A misspelt key is refused: ignored, it would leave a limit out that somebody relies on.
        extra="forbid",
        # "5" is no number and 1 no truth: what is recorded is what was sent, not what was guessed.
        strict=True,
        frozen=True,
        # JSON has no such numbers (RFC 8259, 6), so no reply could hold them either.
        allow_inf_nan=False,
        # Names too: Python has no field called `class` or `from`, and our own code fills those in.
        validate_by_name=True,
        validate_by_alias=True,
    )

    # Pydantic copies defaults deeply for each request.
    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        """Nothing here is ever altered, so a default needs no copy of its own."""
        return self

    def as_mapping(self) -> dict[str, Any]:
        """As JSON has it."""
        return self.model_dump(mode="json", by_alias=True)
