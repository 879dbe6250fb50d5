"""What is refused."""

from __future__ import annotations

from typing import Any

from pydantic import ConfigDict, Field

from ifonly.service.wire import examples
from ifonly.service.wire.base import Wire
from ifonly.service.wire.replies import Audit, Constraint, Prediction


class Error(Wire):
    """One thing that is wrong, and where."""

    pointer: str | None = Field(None, description="JSON pointer (RFC 6901) into the body.")
    parameter: str | None = Field(None, description="Name of the query parameter.")
    detail: str
    value: Any = Field(None, description="What was given.")
    unit: str | None = None
    limit: Any = Field(None, description="What would have been allowed.")


class Doubted(Wire):
    """What became of a question before it was refused."""

    rejected: list[str] = Field(
        description="What an engine proposed or claimed and the checker did not find true, and "
        "why: a defect of ours, logged and counted. Nothing of it is in this answer."
    )


class Localized(Wire):
    """The same for people, in the first language of `Accept-Language` that the service speaks."""

    language: str
    title: str
    detail: str
    errors: list[str] = Field(description="Of each of `errors`, in their order.")


class ProblemDetails(Wire):
    """Problem details (RFC 9457)."""

    model_config = ConfigDict(
        title="Problem", json_schema_extra={"examples": [examples.PROBLEM.reply]}
    )

    type: str = Field(description="URN of the kind of problem: urn:ifonly:problem:…")
    title: str
    status: int
    detail: str
    instance: str = Field(description="Path that was asked.")
    request_id: str = Field(description="Also in the X-Request-ID header and in the log.")
    errors: list[Error] = Field(default=[])
    localized: Localized | None = Field(
        None,
        description="Where `Accept-Language` asks for another language than English. What no words "
        "are known for stays English.",
    )
    line: int | None = Field(None, description="Of a body that is not JSON.")
    column: int | None = None
    prediction: Prediction | None = Field(
        None, description="When the target is met already: the instance's own prediction."
    )
    scorer: str | None = Field(
        None, description="Of a score that is NaN or infinite: model, plausibility or mechanism."
    )
    output: str | None = Field(None, description="Which of its outputs.")
    value: str | None = Field(None, description="nan, inf or -inf.")
    row: list[float | None] | None = Field(
        None, description="What was scored, in the order of the features; null: missing."
    )
    audit: Audit | None = Field(None, description="Of a refusal that was recorded.")
    work: Doubted | None = Field(None, description="Where the checker rejected something.")
    conflict: list[Constraint] = Field(
        default=[], description="When constraints contradict each other: which ones."
    )
