"""Where a model is deployed and how it is asked there: ``[predictor]`` of ``spec.toml``."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from ifonly.models.document import Document
from ifonly.models.errors import SpecProblem


class Protocol(StrEnum):
    """The language of a server of models."""

    V1 = "v1"
    """KServe's: ``POST /v1/models/NAME:predict``."""
    V2 = "v2"
    """The Open Inference Protocol over HTTP (KServe, Triton, MLServer)."""
    V2_GRPC = "v2-grpc"
    MLFLOW = "mlflow"
    """``POST /invocations``."""

    @property
    def has_tensors(self) -> bool:
        return self in (Protocol.V2, Protocol.V2_GRPC)


class RowForm(StrEnum):
    """How the predictor reads a row."""

    NAMED = "named"
    """Each feature by its name, categories by theirs."""
    POSITIONAL = "positional"
    """Features in the schema's order, categories by name (a tensor of numbers: by place)."""
    ENCODED = "encoded"
    """The columns that the graph would take, as ``features[].encoding`` and ``values`` say."""


@dataclass(frozen=True)
class RemoteSpec:
    """A server that has the model."""

    url: str
    """Without the path that the protocol adds, and without a password."""
    model: str
    """As the server calls it."""
    protocol: Protocol = Protocol.V1
    version: str | None = None
    rows: RowForm = RowForm.NAMED
    tensor: str = "input-0"
    """Name of the one tensor that holds whole rows."""
    dtype: str = "FP32"
    """Of numbers in tensors."""
    dtypes: Mapping[str, str] = field(default_factory=dict)
    """The same of single features."""
    is_binary: bool = False
    """Whether tensors are sent as bytes behind the JSON."""
    output: str | None = None
    """Name of the tensor, column or member that holds the word; None: there is only one."""
    timeout_seconds: float = 10.0
    """Of one call."""
    batch: int = 1_024
    """Most rows of one call."""
    calls: int = 128
    """Most calls of one search, where the folder has no copy of the model."""

    @property
    def sha256(self) -> str:
        """Of which model is asked where; how it is asked is left out."""
        which = [self.url, self.protocol.value, self.model, self.version, self.output]
        return hashlib.sha256(json.dumps(which).encode()).hexdigest()


DTYPES = ("BOOL", "INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64",
          "FP16", "FP32", "FP64", "BYTES")  # fmt: skip
_OF_TENSORS = ("version", "tensor", "dtype", "dtypes", "binary")


def remote_spec(document: Document) -> RemoteSpec | None:
    """What a checked document declares; None: nothing."""
    table = document.get("predictor")
    if table is None:
        return None
    plain = RemoteSpec("", "")
    return RemoteSpec(
        url=table["url"].rstrip("/"),
        model=table.get("model", document["name"]),
        protocol=Protocol(table["protocol"]),
        version=table.get("version"),
        rows=RowForm(table.get("rows", plain.rows)),
        tensor=table.get("tensor", plain.tensor),
        dtype=table.get("dtype", plain.dtype),
        dtypes=dict(table.get("dtypes", {})),
        is_binary=table.get("binary", plain.is_binary),
        output=table.get("output"),
        timeout_seconds=float(table.get("timeout_ms", 1e3 * plain.timeout_seconds)) / 1e3,
        batch=table.get("batch", plain.batch),
        calls=table.get("calls", plain.calls),
    )


def remote_contradictions(document: Document) -> Iterator[SpecProblem]:
    """What is wrong with ``[predictor]`` beyond its shape."""
    table = document.get("predictor")
    if table is None:
        return
    protocol, rows = Protocol(table["protocol"]), RowForm(table.get("rows", RowForm.NAMED))
    is_rpc = table["url"].startswith("grpc")
    if is_rpc is not (protocol is Protocol.V2_GRPC):
        scheme = "grpc:// or grpcs://" if protocol is Protocol.V2_GRPC else "http:// or https://"
        yield SpecProblem("predictor.url", f"is {table['url']!r}; {protocol} needs {scheme}")
    for key in _OF_TENSORS:
        if key in table and not protocol.has_tensors:
            yield SpecProblem(f"predictor.{key}", f"has no meaning: {protocol} has no tensors")
    if "binary" in table and protocol is Protocol.V2_GRPC:
        yield SpecProblem("predictor.binary", "has no meaning: gRPC has bytes always")
    if rows is RowForm.NAMED and "tensor" in table:
        yield SpecProblem("predictor.tensor", "has no meaning: named rows have a tensor a feature")
    if rows is not RowForm.NAMED and table.get("dtypes"):
        yield SpecProblem("predictor.dtypes", f"has no meaning: {rows} rows are one tensor")
    names = [feature["name"] for feature in document["features"]]
    for name in table.get("dtypes", {}):
        if name not in names:
            yield SpecProblem(f"predictor.dtypes.{name}", f"is no feature ({', '.join(names)})")
