"""The messages of the Open Inference Protocol over gRPC, and of Triton's extensions of it.

As https://github.com/kserve/open-inference-protocol (``open_inference_grpc.proto``) and Triton's
``grpc_service.proto`` and ``model_config.proto`` number them. Made here, not by protoc: what it
writes runs with some versions of protobuf only.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

PACKAGE = "inference"
SERVICE = f"{PACKAGE}.GRPCInferenceService"

_Field = descriptor_pb2.FieldDescriptorProto
_SCALARS = {
    "bool": _Field.TYPE_BOOL,
    "bytes": _Field.TYPE_BYTES,
    "double": _Field.TYPE_DOUBLE,
    "enum": _Field.TYPE_ENUM,
    "float": _Field.TYPE_FLOAT,
    "int32": _Field.TYPE_INT32,
    "int64": _Field.TYPE_INT64,
    "string": _Field.TYPE_STRING,
    "uint32": _Field.TYPE_UINT32,
    "uint64": _Field.TYPE_UINT64,
}

_NAMED = "name=1 string; version=2 string"
_TENSOR = "name=1 string; datatype=2 string; shape=3 *int64"
_MESSAGES = {
    "ServerLiveRequest": "",
    "ServerLiveResponse": "live=1 bool",
    "ServerReadyRequest": "",
    "ServerReadyResponse": "ready=1 bool",
    "ModelReadyRequest": _NAMED,
    "ModelReadyResponse": "ready=1 bool",
    "ServerMetadataRequest": "",
    "ServerMetadataResponse": f"{_NAMED}; extensions=3 *string",
    "ModelMetadataRequest": _NAMED,
    "TensorMetadata": _TENSOR,
    "ModelMetadataResponse": "name=1 string; versions=2 *string; platform=3 string; "
    "inputs=4 *TensorMetadata; outputs=5 *TensorMetadata",
    "InferParameter": "bool_param=1 ?bool; int64_param=2 ?int64; string_param=3 ?string; "
    "double_param=4 ?double; uint64_param=5 ?uint64",
    "InferTensorContents": "bool_contents=1 *bool; int_contents=2 *int32; int64_contents=3 *int64; "
    "uint_contents=4 *uint32; uint64_contents=5 *uint64; fp32_contents=6 *float; "
    "fp64_contents=7 *double; bytes_contents=8 *bytes",
    "InferInputTensor": f"{_TENSOR}; parameters=4 %InferParameter; contents=5 InferTensorContents",
    "InferRequestedOutputTensor": "name=1 string; parameters=2 %InferParameter",
    "ModelInferRequest": "model_name=1 string; model_version=2 string; id=3 string; "
    "parameters=4 %InferParameter; inputs=5 *InferInputTensor; "
    "outputs=6 *InferRequestedOutputTensor; raw_input_contents=7 *bytes",
    "InferOutputTensor": f"{_TENSOR}; parameters=4 %InferParameter; contents=5 InferTensorContents",
    "ModelInferResponse": "model_name=1 string; model_version=2 string; id=3 string; "
    "parameters=4 %InferParameter; outputs=5 *InferOutputTensor; raw_output_contents=6 *bytes",
    "ModelConfigRequest": _NAMED,
    "ModelInput": "name=1 string; data_type=2 enum; dims=4 *int64",
    "ModelOutput": "name=1 string; data_type=2 enum; dims=3 *int64",
    "ModelConfig": "name=1 string; platform=2 string; max_batch_size=4 int32; input=5 *ModelInput; "
    "output=6 *ModelOutput; backend=17 string",
    "ModelConfigResponse": "config=1 ModelConfig",
    "RepositoryIndexRequest": "repository_name=1 string; ready=2 bool",
    "ModelIndex": "name=1 string; version=2 string; state=3 string; reason=4 string",
    "RepositoryIndexResponse": "models=1 *ModelIndex",
}
"""Fields as ``name=number type``. ``*``: repeated; ``?``: of one choice; ``%``: a map from text.
What is nested in another message there is beside it here: of that the bytes say nothing."""
_TYPES = (
    "TYPE_INVALID", "TYPE_BOOL", "TYPE_UINT8", "TYPE_UINT16", "TYPE_UINT32", "TYPE_UINT64",
    "TYPE_INT8", "TYPE_INT16", "TYPE_INT32", "TYPE_INT64", "TYPE_FP16", "TYPE_FP32", "TYPE_FP64",
    "TYPE_STRING",
)  # fmt: skip


def _file() -> descriptor_pb2.FileDescriptorProto:
    file = descriptor_pb2.FileDescriptorProto(
        name="ifonly/open_inference.proto", package=PACKAGE, syntax="proto3"
    )
    enum = file.enum_type.add(name="DataType")
    for number, name in enumerate(_TYPES):
        enum.value.add(name=name, number=number)
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field in filter(None, fields.split("; ")):
            _add(message, field)
    return file


def _add(message: descriptor_pb2.DescriptorProto, told: str) -> None:
    name, _, rest = told.partition("=")
    number, kind = rest.split(" ")
    is_many = kind[0] in "*%"
    field = message.field.add(
        name=name,
        number=int(number),
        label=_Field.LABEL_REPEATED if is_many else _Field.LABEL_OPTIONAL,
    )
    bare = kind.lstrip("*?%")
    if kind[0] == "?":
        if not message.oneof_decl:
            message.oneof_decl.add(name="parameter_choice")
        field.oneof_index = 0
    if kind[0] == "%":
        # A map is a repeated message of two fields (protobuf's own encoding).
        entry = message.nested_type.add(name=f"{name.title()}Entry")
        entry.options.map_entry = True
        _add(entry, "key=1 string")
        _add(entry, f"value=2 {bare}")
        bare = f"{message.name}.{entry.name}"
    if bare in _SCALARS:
        field.type = _SCALARS[bare]
        if bare == "enum":
            field.type_name = f".{PACKAGE}.DataType"
    else:
        field.type, field.type_name = _Field.TYPE_MESSAGE, f".{PACKAGE}.{bare}"


def _made() -> Mapping[str, Any]:
    # A pool of its own: a client library in this process has messages of the same names.
    pool = descriptor_pool.DescriptorPool()
    pool.Add(_file())
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{PACKAGE}.{name}"))
        for name in _MESSAGES
    }


MESSAGES = _made()
"""Classes by their names in the protocol."""
