"""What MLflow's clients ask of a scoring server, and are answered (``/invocations``)."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import ConfigDict, Field, model_validator

from ifonly.service.wire import examples
from ifonly.service.wire.base import Wire, absent_or_not_null
from ifonly.service.wire.kserve import AskedOfAll, Given, KServeError
from ifonly.service.wire.replies import ExplanationReply
from ifonly.service.wire.requests import MAX_INSTANCES

MAX_COLUMNS = 4_096
FORMATS = ("dataframe_split", "dataframe_records", "instances", "inputs")
"""Of rows: exactly one is in a request."""

Many = Field(None, min_length=1, max_length=MAX_INSTANCES, json_schema_extra=absent_or_not_null)


class DataFrameSplit(Wire):
    """A data frame as pandas writes it, ``to_dict(orient="split")``."""

    columns: Annotated[list[str | int], Field(max_length=MAX_COLUMNS)] | None = Field(
        None,
        description="Names of features. Default, or 0, 1, …: they are in the model's order.",
        json_schema_extra=absent_or_not_null,
    )
    index: list[Any] | None = Field(None, json_schema_extra=absent_or_not_null)
    data: Annotated[list[list[Any]], Field(min_length=1, max_length=MAX_INSTANCES)]


class MlflowParams(AskedOfAll):
    """With `explain` what a question of the native API may say of all rows; else `attributes`."""

    explain: bool = Field(False, description="Explain each prediction.")


class Invocation(Wire):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"dataframe_records": [examples.ROW], "params": {"explain": True}}],
        }
    )

    dataframe_split: DataFrameSplit | None = Field(None, json_schema_extra=absent_or_not_null)
    dataframe_records: list[dict[str, Any]] | None = Many
    instances: list[Given] | None = Many
    inputs: list[Given] | dict[str, list[Any]] | None = Field(
        None,
        description="Rows, or columns by the names of features.",
        json_schema_extra=absent_or_not_null,
    )
    params: MlflowParams | None = Field(None, json_schema_extra=absent_or_not_null)

    @model_validator(mode="after")
    def _one_format(self) -> Self:
        given = [key for key in FORMATS if getattr(self, key) is not None]
        if len(given) != 1:
            known = f"{', '.join(FORMATS[:-1])} or {FORMATS[-1]}"
            said = " and ".join(given) or "none of them"
            raise ValueError(f"the body needs one of {known}, and has {said}")
        return self


class MlflowError(KServeError):
    model_config = ConfigDict(title="MlflowError")

    error_code: str
    message: str


class MlflowPredicted(Wire):
    predictions: list[str | float | MlflowError] = Field(
        description="The class's name; of a regression without classes the value; in the place of "
        "a row that is wrong, what is wrong with it."
    )
    explanations: list[ExplanationReply | MlflowError] | None = Field(
        None,
        description="With `explain`: as the native API has them; in the place of a row without an "
        "answer, why.",
        json_schema_extra=absent_or_not_null,
    )
