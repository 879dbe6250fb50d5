"""The Open Inference Protocol (V2) over REST: what its clients ask, and are answered.

https://kserve.github.io/website/docs/concepts/architecture/data-plane/v2-protocol, with the
extension for binary tensors.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from ifonly.service.wire import examples
from ifonly.service.wire.base import Wire, absent_or_not_null, is_none
from ifonly.service.wire.kserve import KServeError

MAX_TENSORS = 4_096
"""As many as a model may have features."""

DataType = Literal[
    "BOOL", "UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64", "FP16",
    "FP32", "FP64", "BYTES",
]  # fmt: skip
Parameter = str | int | float | bool
Parameters = Annotated[
    dict[str, Parameter] | None,
    Field(None, exclude_if=is_none, json_schema_extra=absent_or_not_null),
]
Name = Annotated[str, Field(min_length=1, max_length=256)]
Shape = Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1, max_length=8)]
Id = Annotated[
    str | None,
    Field(None, max_length=256, exclude_if=is_none, json_schema_extra=absent_or_not_null),
]


class InferInput(Wire):
    """A tensor: one feature's values, `[n]` or `[n, 1]`; or all features', `[n, features]`."""

    name: Name = Field(description="Of the feature; anything for the tensor of all features.")
    datatype: DataType
    shape: Shape
    parameters: Parameters
    data: list[Any] | None = Field(
        None,
        description="Row-major, flat or nested; `null`: the reading is missing. Not with the "
        "parameter `binary_data_size`.",
        json_schema_extra=absent_or_not_null,
    )


class InferWanted(Wire):
    name: Name
    parameters: Parameters


class InferRequest(Wire):
    model_config = ConfigDict(
        protected_namespaces=(),
        json_schema_extra={"examples": [{"id": "1", "inputs": examples.TENSORS}]},
    )

    # Keys of the protocol over gRPC that KServe's SDK sends here too.

    model_name: Id
    model_version: Id
    id: Id
    parameters: Parameters
    inputs: Annotated[list[InferInput], Field(min_length=1, max_length=MAX_TENSORS)]
    outputs: Annotated[list[InferWanted], Field(min_length=1, max_length=16)] | None = Field(
        None,
        description="Default: all but `error`.",
        json_schema_extra=absent_or_not_null,
    )


class InferOutput(Wire):
    name: str
    datatype: DataType
    shape: Shape
    parameters: Parameters
    data: list[Any] | None = Field(None, exclude_if=is_none, json_schema_extra=absent_or_not_null)


class InferReply(Wire):
    model_name: str
    model_version: str
    id: Id
    parameters: dict[str, Parameter] = Field(description="`record`: id of the audit record.")
    outputs: list[InferOutput]


class TensorMetadata(Wire):
    name: str
    datatype: DataType
    shape: list[int] = Field(description="-1: any number of rows.")


class InferModel(Wire):
    """A model's metadata."""

    name: str
    versions: list[str]
    platform: str
    inputs: list[TensorMetadata]
    outputs: list[TensorMetadata]


class InferServer(Wire):
    name: str
    version: str
    extensions: list[str]


class InferLive(Wire):
    live: Literal[True] = True


class InferReady(Wire):
    ready: Literal[True] = True


class InferModelReady(Wire):
    name: str
    ready: Literal[True] = True


class ConfigTensor(Wire):
    name: str
    data_type: str
    dims: list[int]


class InferConfig(Wire):
    """As much of Triton's model configuration as says something of a model here."""

    # Triton's own key begins as pydantic's protected names do.
    model_config = ConfigDict(protected_namespaces=())

    name: str
    platform: str
    backend: str
    version_policy: dict[str, Any]
    max_batch_size: int = Field(description="0: shapes have the number of rows themselves.")
    input: list[ConfigTensor]
    output: list[ConfigTensor]


class IndexEntry(Wire):
    name: str
    version: str
    state: Literal["READY", "UNAVAILABLE"]
    reason: str


class IndexRequest(Wire):
    ready: bool = Field(False, description="Only what can be asked.")


InferError = KServeError
"""What their clients read is the same."""
