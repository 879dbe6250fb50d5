"""What KServe's clients ask, and are answered (its protocol V1)."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import ConfigDict, Field, WithJsonSchema, model_validator

from ifonly.service.settings import MAX_DEADLINE_MS
from ifonly.service.wire import examples
from ifonly.service.wire.base import Wire, absent_or_not_null
from ifonly.service.wire.constraints import Constraints
from ifonly.service.wire.problem import ProblemDetails
from ifonly.service.wire.replies import ExplanationReply
from ifonly.service.wire.requests import (
    MAX_ALTERNATIVES,
    MAX_INSTANCES,
    MAX_SEED,
    AttributesOfRows,
    Languages,
    Semantics,
    Target,
    check_length,
)

Given = Annotated[
    Any,
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "object", "minProperties": 1},
                {"type": "array", "minItems": 1, "items": {}},
            ],
            "title": "Instance",
            "description": "By feature name, or a list in the order of the model's features.",
        }
    ),
]


Rows = Annotated[
    Annotated[list[Given], Field(min_length=1, max_length=MAX_INSTANCES)] | None,
    Field(json_schema_extra=absent_or_not_null),
]


def _rows_and(example: dict[str, Any]) -> dict[str, Any]:
    """What the validator below says, which the OpenAPI document does not see; and an example."""
    return {"not": {"required": ["instances", "inputs"]}, "examples": [example]}


class _HasRows(Wire):
    instances: Rows = None
    inputs: Rows = Field(None, description="The same: some clients call them so.")

    @model_validator(mode="after")
    def _one_of_the_two(self) -> Self:
        if (self.instances is None) == (self.inputs is None):
            raise ValueError("the body needs either instances or inputs, and not both")
        check_length(getattr(self, "attributes", {}), len(self.rows[1]))
        return self

    @property
    def rows(self) -> tuple[str, list[Any]]:
        """What the request calls its rows, and they."""
        if self.instances is not None:
            return "instances", self.instances
        assert self.inputs is not None  # the validator has seen to it
        return "inputs", self.inputs


ROWS = {"instances", "inputs"}
"""Keys of the rows; the others are about all of them."""


class KServePredictions(_HasRows):
    model_config = ConfigDict(json_schema_extra=_rows_and({"instances": [examples.ROW]}))

    attributes: AttributesOfRows = Field(default={})


class AskedOfAll(Wire):
    """What a question of the native API may say of all rows."""

    target: Target | None = None
    constraints: Constraints = Constraints()
    alternatives: int = Field(1, ge=1, le=MAX_ALTERNATIVES)
    deadline_ms: Annotated[int, Field(ge=1, le=MAX_DEADLINE_MS)] | None = Field(
        None, description="Of each instance."
    )
    seed: int = Field(0, ge=0, le=MAX_SEED)
    semantics: Semantics
    attributes: AttributesOfRows = Field(default={})
    languages: Languages


class KServeExplanations(AskedOfAll, _HasRows):
    """Rows, and for all of them what a question of the native API may say. Each is a search with
    a deadline of its own, and the reply waits for all of them; a job (`explanations/bulk`) does
    not."""

    model_config = ConfigDict(json_schema_extra=_rows_and({"instances": [examples.ROW]}))


class KServeError(ProblemDetails):
    model_config = ConfigDict(title="KServeError")

    # The key that KServe's clients read; the rest is as in the native API.
    error: str


class KServePredicted(Wire):
    predictions: list[str | float | KServeError] = Field(
        description="The class's name; of a regression without classes the value; in the place of "
        "a row that is wrong, what is wrong with it."
    )


class KServeExplained(Wire):
    explanations: list[ExplanationReply | KServeError] = Field(
        description="As the native API has them; in the place of a row without an answer, why."
    )


class KServeModels(Wire):
    models: list[str]


class KServeModel(Wire):
    name: str
    ready: bool
