"""What a request may ask of constraints: a type that is derived from the kinds that there are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, Field, create_model

from ifonly.explainers.constraints.kind import ConstraintKey, JsonSchema
from ifonly.explainers.constraints.registry import request_keys
from ifonly.service.wire.base import MAX_FEATURES, FeatureName, Interval, Value, Wire

Type = Any
"""An annotation that Pydantic reads."""

SHAPES: Mapping[str, Type] = {
    "featureNames": Annotated[list[FeatureName], Field(max_length=MAX_FEATURES)],
    "featureCount": Annotated[int, Field(ge=1, le=MAX_FEATURES)],
    "interval": Interval,
    "values": Annotated[list[Value], Field(min_length=1, max_length=1_000)],
}
"""What the keys of kinds refer to by name."""
BASES: Mapping[str, Type] = {"boolean": bool, "integer": int, "number": float, "string": str}
LIMITS: Mapping[str, str] = {
    "minimum": "ge",
    "exclusiveMinimum": "gt",
    "maximum": "le",
    "minLength": "min_length",
    "maxLength": "max_length",
    "minItems": "min_length",
    "maxItems": "max_length",
}
"""Words of JSON Schema, in Pydantic's."""
TOGETHER = "x-most-characters"
"""Of all texts of a list together: no word of JSON Schema."""
SAID_OF_FIELDS = ("description", TOGETHER)
ABSENT: Mapping[str, Type] = {"boolean": False, "array": [], "featureNames": []}
"""What a key that is left out says; else null."""


def type_of(schema: JsonSchema) -> Type:
    """The type of the values that ``schema`` takes.

    Raises
    ------
    KeyError
        If it says something that is not known here: a limit is never dropped.
    """
    match dict(schema):
        case {"$ref": str(name), **rest}:
            return _limited(SHAPES[name], rest)
        case {"enum": [*names], **rest}:
            return _limited(Literal[tuple(names)], rest)
        case {"type": "array", "items": items, **rest}:
            return _limited(_list_of(items), rest)
        case {"type": str(name), **rest}:
            return _limited(BASES[name], rest)
    raise KeyError(f"no type: {schema}")


def _list_of(items: object) -> Type:
    assert isinstance(items, Mapping)
    return list[type_of(items)]  # type: ignore[misc]


def _limited(base: Type, says: JsonSchema) -> Type:
    limits: dict[str, Any] = {LIMITS[k]: v for k, v in says.items() if k not in SAID_OF_FIELDS}
    return Annotated[base, Field(**limits)] if limits else base


def _field(key: ConstraintKey) -> tuple[Type, Type]:
    """Its type, and what is said of it."""
    found, says = type_of(key.schema), str(key.schema["description"])
    if key.by_feature:
        return dict[FeatureName, found], Field(default={}, description=says)  # type: ignore[valid-type]
    most = key.schema.get(TOGETHER)
    if isinstance(most, int):
        found = Annotated[found, AfterValidator(_together(key.name, most))]
    absent = ABSENT.get(str(key.schema.get("$ref", key.schema.get("type"))))
    return found if absent is not None else found | None, Field(default=absent, description=says)


def _together(name: str, most: int) -> Callable[[list[str]], list[str]]:
    """Checks what all texts of a list have together."""

    def check(texts: list[str]) -> list[str]:
        length = sum(map(len, texts))
        if length > most:
            raise ValueError(f"{name} have {length} characters together, above {most}")
        return texts

    return check


DOC = "What this request allows less than the model's policy does. Nothing here loosens it."

if TYPE_CHECKING:

    class Constraints(Wire): ...
else:
    Constraints = create_model(
        "Constraints",
        __base__=Wire,
        __module__=__name__,
        __doc__=DOC,
        **{key.name: _field(key) for key in request_keys()},
    )
