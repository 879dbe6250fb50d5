"""The bytes of a ``model.onnx`` as a graph that can be served, or a reason why not."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto

from ifonly.models.encoding import TensorInput
from ifonly.models.errors import GraphError

LFS_POINTER = b"version https://git-lfs"

_MOST_BYTES = 2**31 - 1
"""Of a file of tensors: a graph is one message of protobuf, which is no longer."""
_STANDARD_DOMAINS = ("", "ai.onnx.ml")
"""Domains whose operators the ``onnx`` package knows."""
_BUILT_IN_DOMAINS = ("com.microsoft", "com.microsoft.nchwc", "com.ms.internal.nhwc")
"""Domains that ONNX Runtime brings along; it decides about their operators."""
_READS_FILES = ("EPContext",)
"""Operators of theirs that name a file to read, or a library to load."""


@dataclass(frozen=True)
class GraphFile:
    """A model that was read whole."""

    model: ModelProto
    """The graph, with every tensor in it, wherever it was kept."""
    sha256: str
    """SHA-256 of the file's bytes; where tensors lie in other files, of that digest and theirs."""


def read_graph(model_bytes: bytes, folder: Path | None = None) -> GraphFile:
    """Parse a model and check what can be checked before it is run.

    Tensors that the model keeps in files beside it are read from ``folder``.

    Raises
    ------
    GraphError
        If the bytes are a Git LFS pointer or no ONNX model, an operator is unknown (naming
        the node), or a tensor lies in a file outside ``folder``, or in any file where it is no
        plain tensor of a graph.
    """
    model = _parse(model_bytes)
    nodes = [node for graph in _graphs(model) for node in graph.node]
    nodes += [node for function in model.functions for node in function.node]
    # Before operators: a function that is called like one would be taken for it.
    _check_functions(model)
    for node in nodes:
        _check_operator(node, model)
    data = _embed_data_files(model, folder)
    # After embedding: what still names a file then is no plain tensor.
    _check_whole(model)
    digests = [hashlib.sha256(part).hexdigest() for part in (model_bytes, *data)]
    # Weights beside the model are part of it, so its digest must change with them.
    whole = hashlib.sha256("\n".join(digests).encode()).hexdigest() if data else digests[0]
    return GraphFile(model, whole)


def tensor_inputs(model: ModelProto) -> tuple[TensorInput, ...]:
    """The inputs that a caller must feed, in the graph's order.

    Raises
    ------
    GraphError
        If an input is no tensor of a type that numpy has, or declares no shape.
    """
    defaults = {i.name for i in model.graph.initializer}
    return tuple(_tensor_input(i) for i in model.graph.input if i.name not in defaults)


def node_name(node: NodeProto) -> str:
    """How errors call a node: its name, or what it yields."""
    domain = f"{node.domain}:" if node.domain else ""
    name = repr(node.name) if node.name else f"that yields {', '.join(map(repr, node.output))}"
    return f"node {name} ({domain}{node.op_type})"


# --- parsing ------------------------------------------------------------------------------


def _parse(model_bytes: bytes) -> ModelProto:
    if model_bytes.startswith(LFS_POINTER):
        raise GraphError(
            "the file is a Git LFS pointer, not a model: run `git lfs pull` to fetch the model"
        )
    size = len(model_bytes)
    try:
        model = onnx.load_model_from_string(model_bytes)
    except Exception as error:  # whatever protobuf makes of bytes that are no message
        raise GraphError(
            f"the file ({size} bytes) is not an ONNX model, or is cut short: {error}"
        ) from error
    if not model.graph.node or not model.graph.output:
        raise GraphError(f"the file ({size} bytes) is not an ONNX model: it holds no graph")
    return model


def _graphs(model: ModelProto) -> Iterator[GraphProto]:
    """The graph and all graphs within its nodes and functions."""
    yield from _with_subgraphs(model.graph)
    for function in model.functions:
        for node in function.node:
            yield from _subgraphs(node)


def _with_subgraphs(graph: GraphProto) -> Iterator[GraphProto]:
    yield graph
    for node in graph.node:
        yield from _subgraphs(node)


def _subgraphs(node: NodeProto) -> Iterator[GraphProto]:
    for attribute in node.attribute:
        if attribute.type == AttributeProto.GRAPH:
            yield from _with_subgraphs(attribute.g)
        for graph in attribute.graphs:
            yield from _with_subgraphs(graph)


# --- operators ----------------------------------------------------------------------------


def _check_functions(model: ModelProto) -> None:
    """A function of the model is never what a reader takes for an operator of ONNX."""
    for function in model.functions:
        if function.domain in (*_STANDARD_DOMAINS, "ai.onnx", *_BUILT_IN_DOMAINS):
            raise GraphError(
                f"function {function.name!r} is defined in domain {function.domain!r}, whose "
                f"operators ONNX or its runtime defines"
            )


def _check_operator(node: NodeProto, model: ModelProto) -> None:
    names: list[object] = [node.op_type, node.domain, node.name, *node.input, *node.output]
    if not all(isinstance(name, str) for name in names):  # bytes that are no UTF-8
        raise GraphError(f"a node's names are not text ({names!r}): the file is damaged")
    domain = "" if node.domain == "ai.onnx" else node.domain
    # Defined by the model itself.
    if any((f.domain, f.name) == (node.domain, node.op_type) for f in model.functions):
        return
    if domain not in _STANDARD_DOMAINS:
        if domain not in _BUILT_IN_DOMAINS or node.op_type in _READS_FILES:
            raise GraphError(
                f"{node_name(node)} is a custom operator of domain {domain!r}, "
                f"or one that reads files: it is not built into ONNX Runtime and cannot be served"
            )
        return
    if not onnx.defs.has(node.op_type, domain=domain):
        raise GraphError(
            f"{node_name(node)}: ONNX {onnx.__version__} knows no operator {node.op_type!r} "
            f"in domain {domain or 'ai.onnx'!r}"
        )
    _check_opset(node, domain, model)


def _check_opset(node: NodeProto, domain: str, model: ModelProto) -> None:
    """The operator exists in the opset that the model says it was written for."""
    names = (domain, "ai.onnx") if domain == "" else (domain,)
    declared = [o.version for o in model.opset_import if o.domain in names]
    if declared and not onnx.defs.has(node.op_type, declared[0], domain):
        since = onnx.defs.get_schema(node.op_type, domain=domain).since_version
        raise GraphError(
            f"{node_name(node)}: operator {node.op_type!r} is not in opset {declared[0]} of "
            f"domain {domain or 'ai.onnx'!r}, which the model imports (latest form: {since})"
        )


# --- tensors in files beside the model ----------------------------------------------------


def _embed_data_files(model: ModelProto, folder: Path | None) -> list[bytes]:
    """Move tensors from the files they lie in into the model; yields those files, by name."""
    tensors = [
        tensor
        for graph in _with_subgraphs(model.graph)
        for tensor in _tensors(graph)
        if _is_elsewhere(tensor)
    ]
    files = {_entries(t)["location"]: _data_file(t, folder) for t in tensors}
    for tensor in tensors:
        _embed(tensor, files[_entries(tensor)["location"]])
    return [files[name] for name in sorted(files)]


def _tensors(graph: GraphProto) -> Iterator[TensorProto]:
    """Those that may lie in a file beside the model."""
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            yield attribute.t
            yield from attribute.tensors


def _check_whole(model: ModelProto) -> None:
    """No tensor is left anywhere that ONNX Runtime would look for in a file: in functions, sparse
    tensors, attributes of any kind, training graphs, and whatever ONNX adds to these."""
    for message in _messages(model):
        if isinstance(message, TensorProto) and _is_elsewhere(message):
            place = _entries(message)["location"]
            raise GraphError(
                f"tensor {message.name!r} lies in file {place!r}: only plain tensors of a graph may"
            )


def _is_elsewhere(tensor: TensorProto) -> bool:
    return tensor.data_location != TensorProto.DEFAULT or len(tensor.external_data) > 0


def _messages(model: ModelProto) -> Iterator[Any]:
    """``model`` and every message within it, by what the messages themselves say they hold."""
    pending: list[Any] = [model]
    while pending:
        message = pending.pop()
        yield message
        for field, value in message.ListFields():
            if field.message_type is not None:
                pending.extend([value] if hasattr(value, "ListFields") else value)


def _entries(tensor: TensorProto) -> dict[str, str]:
    return {"location": ""} | {entry.key: entry.value for entry in tensor.external_data}


def _data_file(tensor: TensorProto, folder: Path | None) -> bytes:
    name = _entries(tensor)["location"]
    if folder is None:
        raise GraphError(f"tensor {tensor.name!r} lies in file {name!r}, not in the model")
    # Resolved, so that neither ".." nor a link leads out of the folder.
    path = (folder / name).resolve()
    if not name or not path.is_relative_to(folder.resolve()) or not path.is_file():
        raise GraphError(
            f"tensor {tensor.name!r} lies in {name!r}, which is no file in the model's folder"
        )
    if path.stat().st_size > _MOST_BYTES:
        raise GraphError(
            f"tensor {tensor.name!r} lies in {name!r}, which is longer than {_MOST_BYTES:,} bytes"
        )
    return path.read_bytes()


def _embed(tensor: TensorProto, data: bytes) -> None:
    """Copy the tensor's bytes out of its file's into the model."""
    entries = _entries(tensor)
    try:
        offset = int(entries.get("offset", 0))
        length = int(entries.get("length", len(data) - offset))
    except ValueError as error:
        raise GraphError(f"tensor {tensor.name!r}: {error} in its place in a file") from error
    # A negative length would read from the end of the file.
    if offset < 0 or length < 0 or offset + length > len(data):
        raise GraphError(
            f"tensor {tensor.name!r} needs {length} bytes at {offset} of file "
            f"{entries['location']!r}, which has {len(data)}"
        )
    tensor.raw_data = data[offset : offset + length]
    tensor.data_location = TensorProto.DEFAULT
    del tensor.external_data[:]


# --- inputs -------------------------------------------------------------------------------


def _tensor_input(value: ValueInfoProto) -> TensorInput:
    kind = value.type.WhichOneof("value")
    if kind != "tensor_type":
        raise GraphError(f"input {value.name!r} is a {kind or 'value of no type'}, not a tensor")
    tensor = value.type.tensor_type
    if not tensor.HasField("shape"):
        raise GraphError(f"input {value.name!r} declares no shape")
    dtype = np.dtype(onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type))
    if dtype.kind not in "fiubO":
        element = TensorProto.DataType.Name(tensor.elem_type)
        raise GraphError(f"input {value.name!r} has type {element}, which cannot be fed")
    dims = [
        # Zero and names mean "any".
        d.dim_value if d.HasField("dim_value") and d.dim_value > 0 else None
        for d in tensor.shape.dim
    ]
    return TensorInput(value.name, dtype, tuple(dims))
