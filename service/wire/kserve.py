"""What KServe's clients ask, and are answered (its protocol V1)."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import ConfigDict, Field, WithJsonSchema

from service.settings import MAX_DEADLINE_MS
from service.wire.base import Wire
from service.wire.constraints import Constraints
from service.wire.problem import ProblemDetails
from service.wire.replies import ExplanationReply
from service.wire.requests import (
    MAX_ALTERNATIVES,
    MAX_INSTANCES,
    MAX_SEED,
    Attributes,
    Languages,
    Semantics,
    Target,
)

# Each is a search with a deadline of its own, and the reply waits for all of them.
MAX_EXPLAINED = 64
"""Instances of one request; more are a job's (`explanations/bulk`)."""

Given = Annotated[
    Any,
    WithJsonSchema(
        {
            "anyOf": [{"type": "object", "minProperties": 1}, {"type": "array", "minItems": 1}],
            "title": "Instance",
            "description": "By feature name, or a list in the order of the model's features.",
        }
    ),
]


class KServePredictions(Wire):
    instances: Annotated[list[Given], Field(min_length=1, max_length=MAX_INSTANCES)]
    attributes: Attributes = Field(default={})


class KServeExplanations(Wire):
    """Instances, and for all of them what a question of the native API may say."""

    instances: Annotated[list[Given], Field(min_length=1, max_length=MAX_EXPLAINED)]
    target: Target | None = None
    constraints: Constraints = Constraints()
    alternatives: int = Field(1, ge=1, le=MAX_ALTERNATIVES)
    deadline_ms: Annotated[int, Field(ge=1, le=MAX_DEADLINE_MS)] | None = Field(
        None, description="Of each instance."
    )
    seed: int = Field(0, ge=0, le=MAX_SEED)
    semantics: Semantics
    attributes: Attributes = Field(default={})
    languages: Languages


class KServePredicted(Wire):
    predictions: list[Any] = Field(
        description="The class's name; of a regression without classes the value."
    )


class KServeExplained(Wire):
    explanations: list[ExplanationReply] = Field(description="As the native API has them.")


class KServeModels(Wire):
    models: list[str]


class KServeModel(Wire):
    name: str
    ready: bool


class KServeError(ProblemDetails):
    model_config = ConfigDict(title="KServeError")

    # The key that KServe's clients read; the rest is as in the native API.
    error: str
